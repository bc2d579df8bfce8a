//! Status over plain HTTP: OCSP (RFC 6960 appendix A), CRL, AIA, probes.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_verifier::Time;

use crate::{app::App, wire};

const OCSP_REQUEST_MAX: usize = 8 * 1024;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/ocsp", post(ocsp_post))
        .route("/ocsp/{*request}", get(ocsp_get))
        .route("/crl/{issuer}/{shard}", get(crl))
        .route("/ca/{issuer}", get(ca_certificate))
        .route("/cps", get(cps))
        .merge(probes())
        .layer(DefaultBodyLimit::max(OCSP_REQUEST_MAX))
}

/// For whoever watches the server.
pub(super) fn probes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn ocsp_post(State(app): State<Arc<App>>, request: Bytes) -> Response {
    ocsp(&app, &request).await
}

/// The base64 may contain `/` and `+`, escaped or not: the path comes here unescaped, with its slashes.
async fn ocsp_get(State(app): State<Arc<App>>, Path(request): Path<String>) -> Response {
    let der = BASE64.decode(request.trim_start_matches('/').replace(' ', "+")).unwrap_or_default();
    ocsp(&app, &der).await
}

async fn ocsp(app: &Arc<App>, request: &[u8]) -> Response {
    let answer = app.answer_ocsp(request).await;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/ocsp-response"));
    let cache = match answer.fresh {
        // RFC 9919 §6: caches may keep it to nextUpdate, but a revocation must be seen within seconds here.
        Some((_, next_update)) => {
            insert_date(&mut headers, header::EXPIRES, next_update);
            "max-age=1, public, must-revalidate"
        }
        None => "no-store",
    };
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static(cache));
    (headers, answer.der.clone()).into_response()
}

async fn crl(
    State(app): State<Arc<App>>,
    Path((issuer, shard)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let Some(shard) = shard.strip_suffix(".crl").and_then(|number| number.parse::<u16>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (number, this_update, der) = match app.crl(&issuer, shard) {
        Ok(Some(found)) => found,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(problem) => return problem.into_response(),
    };
    let tag = format!("\"{issuer}-{shard}-{number}\"");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/pkix-crl"));
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("max-age=1, public, must-revalidate"),
    );
    if let Ok(value) = header::HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, value);
    }
    insert_date(&mut headers, header::LAST_MODIFIED, this_update);
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*")) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, der).into_response()
}

async fn ca_certificate(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let Some(name) = name.strip_suffix(".cer") else { return StatusCode::NOT_FOUND.into_response() };
    match app.ca.certificate(name) {
        Some(der) => ([(header::CONTENT_TYPE, "application/pkix-cert")], der.to_vec()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The certification practice statement, as it lies with the policies.
async fn cps(State(app): State<Arc<App>>) -> Response {
    match tokio::fs::read_to_string(app.config.policies.join("cps.md")).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Ready when a CRL that has not run out is being served.
async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.published.load().as_ref() {
        Some(crl) if crl.next_update > wire::now() => "ready\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "no current CRL\n").into_response(),
    }
}

/// Prometheus text format.
async fn metrics(State(app): State<Arc<App>>) -> Response {
    let served = app.published.load();
    let (number, epoch, age) = served
        .as_ref()
        .map_or((0, 0, -1), |crl| (crl.number, crl.epoch, wire::now().secs() - crl.this_update.secs()));
    // -1 when the database does not answer: status is served without it, and so is this.
    let count = |state: &str| app.store.read(|reader| reader.count_deliveries(state)).unwrap_or(-1);
    let (waiting, failed) = (count("waiting"), count("failed"));
    let text = format!(
        "# HELP qianyin_crl_number Number of the served CRL.\n# TYPE qianyin_crl_number gauge\nqianyin_crl_number {number}\n\
         # HELP qianyin_status_epoch Status epoch of the served CRL.\n# TYPE qianyin_status_epoch gauge\nqianyin_status_epoch {epoch}\n\
         # HELP qianyin_crl_age_seconds Age of the served CRL; -1 when there is none.\n# TYPE qianyin_crl_age_seconds gauge\nqianyin_crl_age_seconds {age}\n\
         # HELP qianyin_notice_deliveries Deliveries of messages that wait or were given up; -1 when the database does not answer.\n# TYPE qianyin_notice_deliveries gauge\n\
         qianyin_notice_deliveries{{state=\"waiting\"}} {waiting}\nqianyin_notice_deliveries{{state=\"failed\"}} {failed}\n"
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn insert_date(headers: &mut HeaderMap, name: header::HeaderName, time: Time) {
    if let Ok(value) = header::HeaderValue::from_str(&wire::http_date(time)) {
        headers.insert(name, value);
    }
}
