//! HTTP: status over plain HTTP, everything else over TLS with client certificates (contract: `docs/`, OpenAPI).

mod api;
mod auth;
mod callbacks;
mod est;
mod problem;
mod receipts;
mod status;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use ca_core::personal::masked_id_cards;
use tower_http::{
    catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer,
    trace::TraceLayer,
};

use self::receipts::PATH as RECEIPTS;
pub(crate) use self::{
    api::{LogView, OneStatusView},
    auth::Peer,
};
use crate::{app::App, problem::Problem, rule::Rule};

/// Bodies of the API: forms, no files.
const API_BODY_MAX: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(40);

/// Plain HTTP: answers that are signed themselves.
pub(crate) fn status_router(app: Arc<App>) -> Router {
    status::router()
        .merge(api::key_revocation_router())
        .merge(api::push_router())
        .with_state(app)
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::new())
}

/// HTTPS: the API.
pub(crate) fn api_router(app: Arc<App>) -> Router {
    let (router, openapi) = api::router().split_for_parts();
    let openapi = openapi.to_pretty_json().unwrap_or_default();
    let serve_openapi = move || {
        std::future::ready(([(header::CONTENT_TYPE, "application/json")], openapi.clone()).into_response())
    };
    router
        .route("/api/openapi.json", axum::routing::get(serve_openapi))
        .merge(status::probes())
        .merge(receipts::router())
        .merge(est::router())
        .merge(callbacks::router())
        .with_state(app)
        .fallback(problem::no_such_path)
        .layer(DefaultBodyLimit::max(API_BODY_MAX))
        .layer(from_fn(without_nul))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::new())
}

/// NUL is no text: PostgreSQL takes none, and nothing that is asked for has one.
async fn without_nul(request: Request, next: Next) -> Response {
    // A receipt's page says itself that there is none.
    let page = request.uri().path().starts_with(RECEIPTS);
    if !page && request.uri().to_string().contains("%00") {
        return Problem::new(Rule::Malformed).with("detail", "%00 in the address").into_response();
    }
    next.run(request).await
}

/// What the trace says of a request: no query, no number of a person that somebody wrote into the path, and not what
/// opens a receipt's page.
fn span(request: &Request) -> tracing::Span {
    let path = request.uri().path();
    let path = if path.starts_with(RECEIPTS) { RECEIPTS.to_owned() } else { masked_id_cards(path) };
    tracing::debug_span!("request", method = %request.method(), path)
}
