//! Renewal by the holder, with the holder's own token.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use ca_core::{Action, Actor};
use serde::Serialize;

use super::workstations::patiently;
use crate::{
    app::{About, App, Exchange, Renewal},
    http::{auth::Holder, problem::Body},
    problem::Problem,
    protocol::Command,
};

/// A command, or the end.
#[derive(Serialize)]
#[serde(untagged)]
enum RenewalView {
    Command(Command),
    /// Serial number of the renewed certificate.
    Done {
        renewed: String,
    },
}

/// Report and ask for the next command, as a workstation does, for the certificate of this connection.
#[utoipa::path(post, path = "/api/v1/renewals/exchange",
    responses((status = 200, description = "a command without user_pin, or {\"renewed\": serial number}"),
        (status = 204, description = "nothing to do yet"), (status = 404, description = "no renewal was applied for")))]
pub(super) async fn renew(
    Holder(serial): Holder,
    State(app): State<Arc<App>>,
    body: Body<Exchange>,
) -> Result<Response, Problem> {
    let (actor, id) = (Actor::Holder(serial.to_string()), serial.to_string());
    let about = About { actor: &actor, action: Action::Personalise, object: "certificate", id: &id };
    patiently(body.value, |exchange| {
        let step = app.renew(serial, exchange);
        app.audited(about, async { Ok(step.await?.map(RenewalView::from)) })
    })
    .await
}

impl From<Renewal> for RenewalView {
    fn from(renewal: Renewal) -> Self {
        match renewal {
            Renewal::Command(command) => Self::Command(command),
            Renewal::Done(serial) => Self::Done { renewed: serial.to_string() },
        }
    }
}
