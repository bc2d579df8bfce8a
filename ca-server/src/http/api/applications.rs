//! Applications: submit, decide, pay, personalise, hand over.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use ca_core::{Action, AgentId, Application, ApplicationId, ApplicationState, Document};
use ca_store::{ApplicationFilter, AttemptRecord};
use ca_verifier::UnitCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, check_known, made, orders::record};
use crate::{
    app::{About, App, Claim, Due, NewApplication, NewPayment},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{
        ApproveApplication, ClaimApplication, CorrectApplication, DeliverToken, Permission, Permit,
        ReadRecords, RecordPayment, RejectApplication, RenewActivationCode, SubmitApplication,
        WithdrawApplication,
    },
    problem::Problem,
};

/// An application and how far it has come.
#[derive(Serialize, ToSchema)]
pub(super) struct ApplicationView {
    id: String,
    unit: String,
    /// What the certificate will say of the unit.
    unit_name: String,
    unit_code: String,
    agent: String,
    profile: String,
    /// `new`, `renew`, `rekey`, `replace`, `change`, `revoke`, `hold`, `release` or `unlock`.
    kind: &'static str,
    /// Serial number of the certificate that it is about.
    certificate: Option<String>,
    /// Why a token is replaced or a certificate revoked.
    cause: Option<&'static str>,
    years: u16,
    /// The version of the certification practice statement that was accepted.
    cps: String,
    counter: Option<String>,
    /// Whom to call about it; in lists left out.
    pub(super) contact: Option<String>,
    state: &'static str,
    /// Why it was rejected.
    reasons: Option<String>,
    entered_by: String,
    entered_at: String,
    /// How often it was entered: 1, and one more with each correction. An approval can name it.
    revision: usize,
    /// The whole fee, in fen.
    fee_fen: Option<i64>,
    /// Serial number of the certificate, once there is one.
    serial: Option<String>,
    /// What lies with it, for the officer who decides.
    documents: Vec<DocumentView>,
    personalisation: Option<AttemptView>,
}

/// One document.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentView {
    /// Its key in `policies/documents.toml`.
    kind: String,
    /// `original` or `copy`.
    form: &'static str,
    /// SHA-256 of the scan, hexadecimal.
    sha256: String,
    /// Who saw it at the counter.
    seen_by: String,
    seen_at: String,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        Self {
            form: document.form.name(),
            kind: document.kind,
            sha256: hex::encode(document.sha256),
            seen_by: document.seen_by.to_string(),
            seen_at: document.seen_at.to_string(),
        }
    }
}

/// The attempt that holds an application.
#[derive(Serialize, ToSchema)]
pub(super) struct AttemptView {
    attempt: String,
    workstation: String,
    token: Option<String>,
    state: &'static str,
    /// Why it does not go on, in Chinese and English; empty when it does.
    note: String,
}

impl From<AttemptRecord> for AttemptView {
    fn from(attempt: AttemptRecord) -> Self {
        Self {
            attempt: attempt.id.to_string(),
            workstation: attempt.workstation,
            token: attempt.state.token().map(str::to_owned).or(attempt.wanted_token),
            state: attempt.state.name(),
            note: attempt.note,
        }
    }
}

fn serial_of(state: &ApplicationState) -> Option<String> {
    match state {
        ApplicationState::Issued { serial, .. }
        | ApplicationState::Delivered { serial }
        | ApplicationState::Active { serial } => Some(serial.to_string()),
        _ => None,
    }
}

pub(super) fn view(
    application: Application,
    fee: Option<i64>,
    attempt: Option<AttemptRecord>,
) -> ApplicationView {
    let revision = application.revision();
    ApplicationView {
        id: application.id.to_string(),
        unit: application.unit.to_string(),
        unit_name: application.unit_name.as_str().to_owned(),
        unit_code: application.unit_code.to_string(),
        agent: application.agent.to_string(),
        profile: application.profile,
        kind: application.kind.name(),
        certificate: application.kind.certificate().map(|serial| serial.to_string()),
        cause: application.kind.cause(),
        years: application.years,
        cps: application.cps,
        counter: application.counter,
        contact: None,
        reasons: match &application.state {
            ApplicationState::Rejected { reasons, .. } => Some(reasons.clone()),
            _ => None,
        },
        state: application.state.name(),
        entered_by: application.entered_by.to_string(),
        entered_at: application.entered_at.to_string(),
        revision,
        fee_fen: fee,
        serial: serial_of(&application.state),
        documents: application.documents.into_iter().map(DocumentView::from).collect(),
        personalisation: attempt.map(AttemptView::from),
    }
}

/// Where an application stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct StateView {
    state: &'static str,
}

/// Enter an application.
#[utoipa::path(post, path = "/api/v1/applications", request_body = NewApplication,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 422, description = "which gate is closed")))]
pub(super) async fn submit(
    permit: Permit<SubmitApplication>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewApplication>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let uscc = body.value.uscc.clone();
    let about = About { actor: &actor, action: Action::SubmitApplication, object: "unit", id: &uscc };
    let once = key.once(&body);
    app.audited(about, app.submit(permit, body.value, once)).await.map(made)
}

/// Which applications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those of this unit, by its code.
    unit: Option<String>,
    /// Only those by this agent, by our identifier.
    agent: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Applications, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/applications", params(ListQuery),
    responses((status = 200, body = [ApplicationView])))]
pub(super) async fn list(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<ApplicationView>>, Problem> {
    check_known("state", query.state.as_deref(), &ApplicationState::NAMES)?;
    let after = query.after.as_deref().map(ApplicationId::parse).transpose()?;
    let agent = query.agent.as_deref().map(AgentId::parse).transpose()?;
    let code = query.unit.as_deref().map(UnitCode::parse).transpose()?;
    let found = app.store.read(|reader| {
        let unit = match code {
            Some(code) => Some(reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?.id),
            None => None,
        };
        let filter =
            ApplicationFilter { state: query.state, unit, agent, after, limit: 100, ..Default::default() };
        Ok::<_, Problem>(reader.applications(&filter)?)
    })?;
    Ok(Json(found.into_iter().map(|application| view(application, None, None)).collect()))
}

/// One application.
#[utoipa::path(get, path = "/api/v1/applications/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ApplicationView)))]
pub(super) async fn application(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ApplicationView>, Problem> {
    let id = ApplicationId::parse(&id)?;
    app.store.read(|reader| {
        let application = reader.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
        let fee = reader.charge(&id)?.map(|charge| charge.total.get());
        let contact = app.application_contact(&application)?;
        let mut view = view(application, fee, reader.live_attempt_of(&id)?);
        view.contact = contact;
        Ok(Json(view))
    })
}

fn about<'a, P: Permission>(permit: &'a Permit<P>, action: Action, id: &'a str) -> About<'a> {
    About { actor: permit.actor(), action, object: "application", id }
}

/// Put right what came back or was entered wrongly; it is decided anew. What it asks for, and for which unit, stays.
#[utoipa::path(put, path = "/api/v1/applications/{id}", request_body = NewApplication,
    params(("id" = String, Path)), responses((status = 200, body = StateView)))]
pub(super) async fn correct(
    permit: Permit<CorrectApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewApplication>,
) -> Result<Json<StateView>, Problem> {
    change(&app, permit, id, |permit, id| app.correct(permit, id, body.value)).await
}

/// Runs a change of one application; its refusal goes to the log.
pub(super) async fn change<P: Permission, F>(
    app: &App,
    permit: Permit<P>,
    id: String,
    work: impl FnOnce(Permit<P>, ApplicationId) -> F,
) -> Result<Json<StateView>, Problem>
where
    F: Future<Output = Result<ApplicationState, Problem>>,
{
    let about = About { actor: &permit.actor().clone(), action: P::ACTION, object: "application", id: &id };
    let work = async { work(permit, ApplicationId::parse(&id)?).await };
    let state = app.audited(about, work).await?;
    Ok(Json(StateView { state: state.name() }))
}

/// What the officer looked at.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalQuery {
    /// The application's `revision`: one that was corrected since is not approved.
    revision: Option<usize>,
}

/// Approve. Never by whoever entered or corrected it. What only changes a certificate's standing is carried out at once.
#[utoipa::path(post, path = "/api/v1/applications/{id}/approval", params(("id" = String, Path), ApprovalQuery),
    responses((status = 200, body = StateView), (status = 403, description = "the same person")))]
pub(super) async fn approve(
    permit: Permit<ApproveApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<ApprovalQuery>,
) -> Result<Json<StateView>, Problem> {
    change(&app, permit, id, |permit, id| app.approve(permit, id, query.revision)).await
}

/// Why an application is rejected or given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reasons {
    /// For the unit and the log to read.
    pub(super) reasons: String,
}

/// Reject, with reasons.
#[utoipa::path(post, path = "/api/v1/applications/{id}/rejection", request_body = Reasons,
    params(("id" = String, Path)), responses((status = 200, body = StateView)))]
pub(super) async fn reject(
    permit: Permit<RejectApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<StateView>, Problem> {
    change(&app, permit, id, |permit, id| app.reject(permit, id, body.value.reasons)).await
}

/// Take back.
#[utoipa::path(post, path = "/api/v1/applications/{id}/withdrawal", params(("id" = String, Path)),
    responses((status = 200, body = StateView)))]
pub(super) async fn withdraw(
    permit: Permit<WithdrawApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<StateView>, Problem> {
    change(&app, permit, id, |permit, id| app.withdraw(permit, id)).await
}

/// Record a payment at the counter for the order that the application is on.
#[utoipa::path(post, path = "/api/v1/applications/{id}/payments", request_body = NewPayment,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "paid already"),
        (status = 422, description = "short, too much, or another currency")))]
pub(super) async fn pay(
    permit: Permit<RecordPayment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewPayment>,
) -> Result<Response, Problem> {
    let due = |id: &str| Ok(Due::Application(ApplicationId::parse(id)?));
    record(&app, &permit, ("application", &id), due, key, body).await
}

/// Put the application and a blank token at a workstation together; or go on after a failure.
#[utoipa::path(post, path = "/api/v1/applications/{id}/personalisation", request_body = Claim,
    params(("id" = String, Path)), responses((status = 202, body = MadeView)))]
pub(super) async fn claim(
    permit: Permit<ClaimApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Claim>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let work = async { app.claim(permit.clone(), ApplicationId::parse(&id)?, body.value).await };
    let attempt = app.audited(about(&permit, Action::ClaimApplication, &id), work).await?;
    Ok((StatusCode::ACCEPTED, Json(MadeView { id: attempt.to_string() })))
}

/// Give up the attempt at a token; the application is paid still and can be claimed again.
#[utoipa::path(post, path = "/api/v1/applications/{id}/personalisation/abandonment", request_body = Reasons,
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn abandon(
    permit: Permit<ClaimApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<StatusCode, Problem> {
    let work = async { app.abandon(permit.clone(), ApplicationId::parse(&id)?, body.value.reasons).await };
    app.audited(about(&permit, Action::Personalise, &id), work).await.map(|()| StatusCode::NO_CONTENT)
}

/// The certificate that was handed over.
#[derive(Serialize, ToSchema)]
pub(super) struct HandOverView {
    /// Serial number.
    serial: String,
}

/// Record that the token is in the holder's hands. The activation code goes to the agent.
#[utoipa::path(post, path = "/api/v1/applications/{id}/hand-over", params(("id" = String, Path)),
    responses((status = 200, body = HandOverView)))]
pub(super) async fn hand_over(
    permit: Permit<DeliverToken>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<HandOverView>, Problem> {
    let work = async { app.hand_over(permit.clone(), ApplicationId::parse(&id)?).await };
    let serial = app.audited(about(&permit, Action::DeliverToken, &id), work).await?;
    Ok(Json(HandOverView { serial: serial.to_string() }))
}

/// Send the holder a new activation code: after three wrong ones, and after seeing who the holder is.
#[utoipa::path(post, path = "/api/v1/applications/{id}/activation-code", params(("id" = String, Path)),
    responses((status = 204)))]
pub(super) async fn renew_activation_code(
    permit: Permit<RenewActivationCode>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let work = async { app.renew_activation_code(permit.clone(), ApplicationId::parse(&id)?).await };
    app.audited(about(&permit, Action::RenewActivationCode, &id), work).await.map(|()| StatusCode::NO_CONTENT)
}
