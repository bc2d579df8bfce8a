//! `/callbacks/{gateway}`: where a payment gateway tells what became of an online payment. Public: what counts is its
//! signature over the octets. 2xx only after everything is on disk; anything else, and the gateway tells it again.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use ca_core::SIGNATURE_HEADER;

use crate::{app::App, channel::gateway::SignedNotice};

/// A notice has a dozen short fields.
const BODY_MAX: usize = 8 * 1024;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/callbacks/{gateway}", post(take)).layer(DefaultBodyLimit::max(BODY_MAX))
}

async fn take(
    State(app): State<Arc<App>>,
    Path(gateway): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Two signatures are none: who would say which one was checked?
    let mut given = headers.get_all(SIGNATURE_HEADER).iter();
    let signature = match (given.next(), given.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    // Nothing that a stranger wrote into the address gets into the trace.
    if let Err(problem) = app.gateways.named(&gateway) {
        return problem.into_response();
    }
    match app.take_notice(&gateway, SignedNotice { body: body.into(), signature }).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => {
            tracing::warn!(gateway, facts = ?problem.facts(), "callback: {}", problem.rule.name());
            problem.into_response()
        }
    }
}
