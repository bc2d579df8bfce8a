//! Which address answers what. `/` is for units; `/healthz` and the style sheet are for everybody.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use ca_verifier::{Gate, Source, Time, VerifiedUnit};
use serde_json::{Value, json};
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use crate::{
    desk::{self, Desk},
    followers::Followers,
    language::Language,
    pages,
    server::now,
    unit::require_unit,
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const STYLE: &str = include_str!("../static/portal.css");

/// Nothing from elsewhere, no script, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; \
                                       base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gate: Arc<Gate>,
    pub(crate) followers: Followers,
    /// The second step and the services, when they are configured.
    pub(crate) desk: Option<Desk>,
}

pub(crate) fn router(site: Arc<Site>) -> Router {
    let for_units = match &site.desk {
        Some(_) => desk::router(&site),
        None => Router::new().route("/", get(home)),
    };
    let for_units = for_units.route_layer(from_fn_with_state(Arc::clone(&site), require_unit));
    let mut router = Router::new()
        .merge(for_units)
        .route("/healthz", get(health))
        .route("/static/portal.css", get(style))
        .fallback(not_found)
        .with_state(site)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        .layer(CatchPanicLayer::new());
    for (name, value) in [
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        router = router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)));
    }
    // The style sheet says for itself how long it may be kept; everything else may not be kept at all.
    let no_store = HeaderValue::from_static("no-store");
    router.layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, no_store))
}

async fn home(
    Extension(unit): Extension<VerifiedUnit>,
    Extension(language): Extension<Language>,
    request: Request,
) -> Response {
    pages::accepted(&request, &unit, language, now())
}

async fn style() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, STYLE)
}

async fn not_found(request: Request) -> Response {
    pages::not_found(&request)
}

/// 200 when every configured source is current and in use, else 503; the same body.
pub(crate) async fn health(State(site): State<Arc<Site>>) -> Response {
    let (ready, body) = site.followers.health();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

pub(crate) fn is_current(source: &Source, at: Time) -> bool {
    at <= source.next_update
}

pub(crate) fn source_json(source: &Source, at: Time) -> Value {
    json!({
        "url": source.url,
        "number": source.number.to_string(),
        "epoch": source.epoch,
        "entries": source.entries,
        "this_update": source.this_update.to_string(),
        "next_update": source.next_update.to_string(),
        "age_secs": at.secs() - source.this_update.secs(),
        "confirmed_secs_ago": at.secs() - source.loaded_at.secs(),
        "current": is_current(source, at),
    })
}
