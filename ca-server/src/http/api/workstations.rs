//! The counter's workstation, and the holder's activation.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use ca_core::{Action, Actor};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{About, Activation, App, Exchange},
    http::{auth::Holder, problem::Body},
    permit::{Permit, Personalise},
    problem::Problem,
};

/// How long an exchange waits for something to do. Short, so that a token that is inserted is seen soon.
const WAIT: Duration = Duration::from_millis(1000);
const POLL: Duration = Duration::from_millis(100);

/// Report and ask for the next command; 204 when there is none.
#[utoipa::path(post, path = "/api/v1/workstations/{name}/exchange", params(("name" = String, Path)),
    responses((status = 200, description = "a command"), (status = 204, description = "nothing to do")))]
pub(super) async fn exchange(
    permit: Permit<Personalise>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body<Exchange>,
) -> Result<Response, Problem> {
    let about =
        About { actor: permit.actor(), action: Action::Personalise, object: "workstation", id: &name };
    patiently(body.value, |exchange| app.audited(about, app.exchange(&permit, &name, exchange))).await
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
        let tokens = exchange.tokens.clone();
        if let Some(answer) = ask(exchange).await? {
            return Ok(Json(answer).into_response());
        }
        if tokio::time::Instant::now() >= until {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::time::sleep(POLL).await;
        exchange = Exchange { tokens, report: None, start: false };
    }
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
