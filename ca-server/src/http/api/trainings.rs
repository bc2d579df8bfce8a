//! Training: applications with their deadlines, sessions, invitations, results.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use ca_core::{
    Action, AgentId, SessionId, Training, TrainingId, TrainingSession, TrainingState, policy::Calendar,
};
use ca_store::TrainingFilter;
use ca_verifier::{Time, UnitCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, check_known, made};
use crate::{
    app::{About, App, Decision, NewResult, NewSession, NewTraining},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{
        DecideTraining, InviteAgent, Permission, Permit, PlanTraining, QualifyAgent, ReadRecords,
        SubmitTraining,
    },
    problem::Problem,
    wire,
};

/// An application for training and how far it has come.
#[derive(Serialize, ToSchema)]
pub(super) struct TrainingView {
    id: String,
    unit: String,
    agent: String,
    entered_by: String,
    entered_at: String,
    state: &'static str,
    /// Why it was rejected or not passed.
    reasons: Option<String>,
    session: Option<String>,
    /// The first moment at which a decision is late.
    due_at: String,
    /// The deadline reaches into a year whose holidays are not published yet.
    due_estimated: bool,
    /// Working days left for the decision, today not counted; null when it is decided or overdue.
    working_days_left: Option<u16>,
    /// Nobody decided in time.
    overdue: bool,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    id: String,
    starts_at: String,
    place: String,
    seats: u16,
    seats_left: usize,
}

/// Where an application for training stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct TrainingStateView {
    state: &'static str,
}

/// Why an application is rejected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingRejection {
    reasons: String,
}

/// To which session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    session: String,
}

pub(super) fn view(training: Training, calendar: &Calendar, now: Time) -> TrainingView {
    let undecided = training.state == TrainingState::Submitted;
    let left = undecided.then(|| calendar.days_left(now, training.due)).flatten();
    TrainingView {
        id: training.id.to_string(),
        unit: training.unit.to_string(),
        agent: training.agent.to_string(),
        entered_by: training.entered_by.to_string(),
        entered_at: training.entered_at.to_string(),
        state: training.state.name(),
        reasons: training.state.reasons().map(str::to_owned),
        session: training.state.session().map(SessionId::to_string),
        due_at: training.due.at.to_string(),
        due_estimated: training.due.estimated,
        working_days_left: left,
        overdue: undecided && now >= training.due.at,
    }
}

/// Apply for an agent's training.
#[utoipa::path(post, path = "/api/v1/trainings", request_body = NewTraining,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 422, description = "which gate is closed")))]
pub(super) async fn submit_training(
    permit: Permit<SubmitTraining>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewTraining>,
) -> Result<Response, Problem> {
    let (actor, uscc) = (permit.actor().clone(), body.value.uscc.clone());
    let about = About { actor: &actor, action: Action::SubmitTraining, object: "unit", id: &uscc };
    let once = key.once(&body);
    let work = async {
        let (code, agent) = (UnitCode::parse(&body.value.uscc)?, AgentId::parse(&body.value.agent)?);
        app.submit_training(permit, code, agent, once).await
    };
    app.audited(about, work).await.map(made)
}

/// Which applications for training.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingQuery {
    /// Only those in this state.
    state: Option<String>,
}

/// Applications for training, the one that is due first first; 100 at most.
#[utoipa::path(get, path = "/api/v1/trainings", params(TrainingQuery),
    responses((status = 200, body = [TrainingView])))]
pub(super) async fn trainings(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<TrainingQuery>,
) -> Result<Json<Vec<TrainingView>>, Problem> {
    check_known("state", query.state.as_deref(), &TrainingState::NAMES)?;
    let filter = TrainingFilter { state: query.state, limit: 100, ..TrainingFilter::default() };
    let (found, now) = (app.store.read(|reader| reader.trainings(&filter))?, wire::now());
    let calendar = app.policies.calendar();
    Ok(Json(found.into_iter().map(|training| view(training, calendar, now)).collect()))
}

/// One application for training.
#[utoipa::path(get, path = "/api/v1/trainings/{id}", params(("id" = String, Path)),
    responses((status = 200, body = TrainingView)))]
pub(super) async fn training(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingView>, Problem> {
    let id = TrainingId::parse(&id)?;
    let found = app.store.read(|reader| reader.training(&id))?;
    let found = found.ok_or_else(|| Problem::not_found("training"))?;
    Ok(Json(view(found, app.policies.calendar(), wire::now())))
}

/// Runs a change of one application for training; its refusal goes to the log.
pub(super) async fn change<P: Permission, F>(
    app: &App,
    permit: Permit<P>,
    id: String,
    work: impl FnOnce(Permit<P>, TrainingId) -> F,
) -> Result<Json<TrainingStateView>, Problem>
where
    F: Future<Output = Result<TrainingState, Problem>>,
{
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: P::ACTION, object: "training", id: &id };
    let training = TrainingId::parse(&id)?;
    let state = app.audited(about, work(permit, training)).await?;
    Ok(Json(TrainingStateView { state: state.name() }))
}

/// Accept.
#[utoipa::path(post, path = "/api/v1/trainings/{id}/acceptance", params(("id" = String, Path)),
    responses((status = 200, body = TrainingStateView)))]
pub(super) async fn accept_training(
    permit: Permit<DecideTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingStateView>, Problem> {
    change(&app, permit, id, |permit, id| app.decide_training(permit, id, Decision::Accept)).await
}

/// Reject, with reasons for the unit.
#[utoipa::path(post, path = "/api/v1/trainings/{id}/rejection", params(("id" = String, Path)),
    request_body = TrainingRejection, responses((status = 200, body = TrainingStateView)))]
pub(super) async fn reject_training(
    permit: Permit<DecideTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<TrainingRejection>,
) -> Result<Json<TrainingStateView>, Problem> {
    let decision = Decision::Reject { reasons: body.value.reasons };
    change(&app, permit, id, |permit, id| app.decide_training(permit, id, decision)).await
}

/// Submit a rejected application again, corrected.
#[utoipa::path(post, path = "/api/v1/trainings/{id}/resubmission", params(("id" = String, Path)),
    responses((status = 200, body = TrainingStateView)))]
pub(super) async fn resubmit_training(
    permit: Permit<SubmitTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingStateView>, Problem> {
    change(&app, permit, id, |permit, id| app.resubmit_training(permit, id)).await
}

/// Take an application back.
#[utoipa::path(post, path = "/api/v1/trainings/{id}/withdrawal", params(("id" = String, Path)),
    responses((status = 200, body = TrainingStateView)))]
pub(super) async fn withdraw_training(
    permit: Permit<SubmitTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingStateView>, Problem> {
    change(&app, permit, id, |permit, id| app.withdraw_training(permit, id)).await
}

/// Give the agent a seat and send the invitation.
#[utoipa::path(post, path = "/api/v1/trainings/{id}/invitation", params(("id" = String, Path)),
    request_body = Invitation, responses((status = 200, body = TrainingStateView)))]
pub(super) async fn invite(
    permit: Permit<InviteAgent>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Invitation>,
) -> Result<Json<TrainingStateView>, Problem> {
    let session = SessionId::parse(&body.value.session)?;
    change(&app, permit, id, |permit, id| app.invite(permit, id, session)).await
}

/// Plan a session.
#[utoipa::path(post, path = "/api/v1/training-sessions", request_body = NewSession,
    params(("Idempotency-Key" = String, Header)), responses((status = 201, body = MadeView)))]
pub(super) async fn plan(
    permit: Permit<PlanTraining>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewSession>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::PlanTraining, object: "training-session", id: "new" };
    let once = key.once(&body);
    app.audited(about, app.plan_training(permit, body.value, once)).await.map(made)
}

/// Sessions from a day ago on, with the seats that are left; 100 at most.
#[utoipa::path(get, path = "/api/v1/training-sessions", responses((status = 200, body = [SessionView])))]
pub(super) async fn sessions(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<SessionView>>, Problem> {
    let from = wire::now().plus_secs(-86_400);
    app.store.read(|reader| {
        let mut views = Vec::new();
        for session in reader.training_sessions(from, 100)? {
            let taken = reader.seats_taken(&session.id)?.len();
            let TrainingSession { id, starts_at, place, seats, .. } = session;
            views.push(SessionView {
                id: id.to_string(),
                starts_at: starts_at.to_string(),
                place,
                seats,
                seats_left: usize::from(seats).saturating_sub(taken),
            });
        }
        Ok(Json(views))
    })
}

/// Record how an agent did.
#[utoipa::path(post, path = "/api/v1/training-sessions/{id}/results", params(("id" = String, Path)),
    request_body = NewResult, responses((status = 204)))]
pub(super) async fn record_result(
    permit: Permit<QualifyAgent>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewResult>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::QualifyAgent, object: "training-session", id: &id };
    let session = SessionId::parse(&id)?;
    app.audited(about, app.record_result(permit, session, body.value)).await?;
    Ok(StatusCode::NO_CONTENT)
}
