//! The counter's workstation, and the holder's activation.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ca_core::{Action, Actor, ApplicationId, LineItemState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{About, Activation, App, Exchange, LineView, NewLine, Presence},
    http::{auth::Holder, problem::Body},
    permit::{ClaimApplication, DeliverToken, Permit, Personalise, ReadRecords, ReadStock},
    problem::Problem,
    protocol::TokenSeen,
    wire,
};

/// How long an exchange waits for something to do. Short, so that a token that is inserted is seen soon.
const WAIT: Duration = Duration::from_millis(1000);
const POLL: Duration = Duration::from_millis(100);

/// Report and ask for the next command; 204 when there is none.
#[utoipa::path(post, path = "/api/v1/workstations/{name}/exchange", params(("name" = String, Path)),
    responses((status = 200, description = "a command, or news of the issuing line"),
        (status = 204, description = "nothing to do")))]
pub(super) async fn exchange(
    permit: Permit<Personalise>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body<Exchange>,
) -> Result<Response, Problem> {
    let about =
        About { actor: permit.actor(), action: Action::Personalise, object: "workstation", id: &name };
    let watched = app.watch_workstation(&permit, &name);
    let answer = patiently(body.value, |exchange| app.audited(about, app.exchange(&permit, &name, exchange)));
    let answer = answer.await;
    watched.answered();
    answer
}

/// Asks until there is something to do, for a while; the report is given once.
pub(super) async fn patiently<T, F>(
    mut exchange: Exchange,
    mut ask: impl FnMut(Exchange) -> F,
) -> Result<Response, Problem>
where
    T: Serialize,
    F: Future<Output = Result<Option<T>, Problem>>,
{
    let until = tokio::time::Instant::now() + WAIT;
    loop {
        let (tokens, leftovers) = (exchange.tokens.clone(), exchange.leftovers.clone());
        if let Some(answer) = ask(exchange).await? {
            return Ok(Json(answer).into_response());
        }
        if tokio::time::Instant::now() >= until {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::time::sleep(POLL).await;
        exchange = Exchange { tokens, report: None, start: false, leftovers };
    }
}

/// A token at a workstation.
#[derive(Serialize, ToSchema)]
pub(super) struct PluggedView {
    serial: String,
    label: String,
    model: String,
    initialised: bool,
    /// `ok`, `count-low`, `final-try` or `locked`.
    pin: String,
    /// Where it stands in the stock; `null` when it is not listed.
    state: Option<&'static str>,
}

/// A workstation that is there.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkstationView {
    name: String,
    /// Identifier of the member of staff who works there.
    clerk: String,
    since: String,
    seen_at: String,
    tokens: Vec<PluggedView>,
}

/// Workstations that are there now, as this server has heard from them, with the tokens that are plugged in.
#[utoipa::path(get, path = "/api/v1/workstations", responses((status = 200, body = [WorkstationView])))]
pub(super) async fn workstations(
    _permit: Permit<ReadStock>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<WorkstationView>>, Problem> {
    let there = app.presences.now(wire::now());
    app.store.read(|reader| {
        let mut views = Vec::with_capacity(there.len());
        for (name, Presence { clerk, since, seen_at, tokens }) in there {
            let mut plugged = Vec::with_capacity(tokens.len());
            for token in tokens {
                let known = reader.token(&token.serial)?;
                let TokenSeen { serial, label, model, initialised, pin } = token;
                let state = known.map(|known| known.state.name());
                plugged.push(PluggedView { serial, label, model, initialised, pin, state });
            }
            let (since, seen_at) = (since.to_string(), seen_at.to_string());
            views.push(WorkstationView { name, clerk: clerk.to_string(), since, seen_at, tokens: plugged });
        }
        Ok::<_, Problem>(Json(views))
    })
}

/// The workstation ends: its clerk's token was pulled out.
#[utoipa::path(delete, path = "/api/v1/workstations/{name}", params(("name" = String, Path)),
    responses((status = 204)))]
pub(super) async fn goodbye(
    permit: Permit<Personalise>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.say_goodbye(&permit, &name).map(|()| StatusCode::NO_CONTENT)
}

/// One application of an issuing line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineItemView {
    position: i64,
    application: String,
    /// `waiting`, `working`, `made` or `aside`.
    state: &'static str,
    /// The token that it has; of one that was set aside, the token that failed.
    token: Option<String>,
    /// Why it was set aside.
    note: Option<String>,
}

/// An issuing line.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuingLineView {
    id: String,
    clerk: String,
    started_at: String,
    ended_at: Option<String>,
    waiting: usize,
    made: usize,
    aside: usize,
    items: Vec<LineItemView>,
}

fn line_view(LineView { record, items }: LineView) -> IssuingLineView {
    let count = |name: &str| items.iter().filter(|item| item.state.name() == name).count();
    let (waiting, made, aside) = (count("waiting") + count("working"), count("made"), count("aside"));
    let items = items.into_iter().map(|item| LineItemView {
        position: item.position,
        application: item.application.to_string(),
        token: item.state.token().map(str::to_owned),
        state: item.state.name(),
        note: if let LineItemState::Aside { note, .. } = item.state { Some(note) } else { None },
    });
    let items = items.collect();
    IssuingLineView {
        id: record.id.to_string(),
        clerk: record.clerk.to_string(),
        started_at: record.started_at.to_string(),
        ended_at: record.ended_at.map(|at| at.to_string()),
        waiting,
        made,
        aside,
        items,
    }
}

/// The line that goes on at a workstation, or its last one.
#[utoipa::path(get, path = "/api/v1/workstations/{name}/line", params(("name" = String, Path)),
    responses((status = 200, body = IssuingLineView), (status = 404, description = "there was none")))]
pub(super) async fn line(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<IssuingLineView>, Problem> {
    app.line(&name).map(|line| Json(line_view(line)))
}

/// Make these paid applications one after the other: each blank token that is plugged in becomes the next one.
#[utoipa::path(post, path = "/api/v1/workstations/{name}/line", params(("name" = String, Path)),
    request_body = NewLine, responses((status = 201, body = IssuingLineView),
        (status = 409, description = "a line goes on here, or an application stands in one"),
        (status = 422, description = "an application cannot be made")))]
pub(super) async fn start_line(
    permit: Permit<ClaimApplication>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body<NewLine>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ClaimApplication, object: "workstation", id: &name };
    app.audited(about, app.start_line(permit, name.clone(), body.value)).await?;
    let view = app.line(&name).map(line_view)?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// End the line; what it has not begun is free for another one.
#[utoipa::path(delete, path = "/api/v1/workstations/{name}/line", params(("name" = String, Path)),
    responses((status = 200, body = IssuingLineView)))]
pub(super) async fn stop_line(
    permit: Permit<ClaimApplication>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<IssuingLineView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ClaimApplication, object: "workstation", id: &name };
    app.audited(about, app.stop_line(permit, name.clone())).await?;
    app.line(&name).map(|line| Json(line_view(line)))
}

/// The slip with a token's first PIN, to be printed, sealed and handed over with the token.
#[utoipa::path(post, path = "/api/v1/applications/{id}/pin-slip", params(("id" = String, Path)),
    responses((status = 200, description = "the slip", content_type = "application/pdf"),
        (status = 409, description = "there is none, or the certificate is activated")))]
pub(super) async fn pin_slip(
    permit: Permit<DeliverToken>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::DeliverToken, object: "application", id: &id };
    let work = async { app.pin_slip(permit, &ApplicationId::parse(&id)?).await };
    let document = app.audited(about, work).await?;
    let name = "inline; filename=\"pin-slip.pdf\"".to_owned();
    let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, document).into_response())
}

/// The activated certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct ActivationView {
    serial: String,
    state: &'static str,
}

/// Activate the certificate of this connection with the code from the message.
#[utoipa::path(post, path = "/api/v1/activations", request_body = Activation,
    responses((status = 200, body = ActivationView), (status = 422, description = "wrong code")))]
pub(super) async fn activate(
    Holder(serial): Holder,
    State(app): State<Arc<App>>,
    body: Body<Activation>,
) -> Result<Json<ActivationView>, Problem> {
    let actor = Actor::Holder(serial.to_string());
    let id = serial.to_string();
    let about = About { actor: &actor, action: Action::ActivateCertificate, object: "certificate", id: &id };
    let state = app.audited(about, app.activate(serial, body.value)).await??;
    Ok(Json(ActivationView { serial: id.clone(), state: state.name() }))
}
