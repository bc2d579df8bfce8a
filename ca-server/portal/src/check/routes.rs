//! What the sidecar answers: `/auth` for `auth_request`, `POST /check` for everybody else, `/healthz`.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ca_verifier::{CERTIFICATE_OCTETS_MAX, PRESENTED_MAX, Refusal, VerifiedUnit};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    cache::Paths,
    handover::{self, Form},
};
use crate::{
    report,
    routes::{self as portal_routes, Site},
};

/// PEM is a third longer than DER.
const BODY_OCTETS_MAX: usize = 2 * CERTIFICATE_OCTETS_MAX * (PRESENTED_MAX + 1);
const UNIT: HeaderName = HeaderName::from_static("qianyin-unit");
const UNIT_NAME: HeaderName = HeaderName::from_static("qianyin-unit-name");
const SERIAL: HeaderName = HeaderName::from_static("qianyin-serial");
const NOT_AFTER: HeaderName = HeaderName::from_static("qianyin-not-after");
const REFUSAL: HeaderName = HeaderName::from_static("qianyin-refusal");

/// RFC 8187 §3.2.1: `attr-char` stays as it is.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) site: Arc<Site>,
    pub(crate) paths: Paths,
    pub(crate) form: Form,
}

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let health =
        Router::new().route("/healthz", get(portal_routes::health)).with_state(Arc::clone(&desk.site));
    Router::new()
        .route("/auth", get(auth))
        .route("/check", post(check))
        .with_state(desk)
        .merge(health)
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .layer(CatchPanicLayer::new())
}

/// 204 with headers that say who it is, or the refusal's status and code. There is no body: nginx drops it.
async fn auth(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let certificate = handover::certificate(&headers, desk.form);
    match certificate.and_then(|leaf| desk.decide(&[leaf])) {
        Ok(unit) => (StatusCode::NO_CONTENT, described(&unit)).into_response(),
        Err(refusal) => {
            (report::refusal(&refusal).status, [(REFUSAL, refusal.code())], NO_STORE).into_response()
        }
    }
}

/// The same decision for a certificate in the body. The status is that of the decision, so that whoever looks at
/// nothing else is right.
async fn check(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match handover::body(&body).and_then(|presented: Vec<CertificateDer<'static>>| desk.decide(&presented)) {
        Ok(unit) => {
            let answer = json!({
                "decision": "accepted",
                "uscc": unit.code().as_str(),
                "name": unit.name(),
                "serial": unit.serial().to_string(),
                "not_after": unit.not_after().to_string(),
            });
            (NO_STORE, Json(answer)).into_response()
        }
        Err(refusal) => {
            let words = report::refusal(&refusal);
            let answer = json!({
                "decision": "refused",
                "code": refusal.code(),
                "detail": refusal.to_string(),
                "title": words.en.title,
                "title_zh": words.zh.title,
            });
            (words.status, NO_STORE, Json(answer)).into_response()
        }
    }
}

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

impl Desk {
    fn decide(&self, presented: &[CertificateDer<'_>]) -> Result<VerifiedUnit, Refusal> {
        let peer = self.paths.admit(&self.site.gate, presented);
        let decision = peer.check(&self.site.gate);
        peer.log(decision.as_ref().map(|_| ()));
        decision
    }
}

/// Names are text that a person wrote into an application: never octets of a header.
fn described(unit: &VerifiedUnit) -> HeaderMap {
    let name = format!("UTF-8''{}", utf8_percent_encode(unit.name(), NOT_ATTR_CHAR));
    let mut headers = HeaderMap::new();
    for (header, value) in [
        (UNIT, unit.code().as_str().to_owned()),
        (UNIT_NAME, name),
        (SERIAL, unit.serial().to_string()),
        (NOT_AFTER, unit.not_after().to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ] {
        // Each is ASCII without control characters; a value that were not would be left out, not passed on.
        headers.extend(HeaderValue::from_str(&value).ok().map(|value| (header, value)));
    }
    headers
}
