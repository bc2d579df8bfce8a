//! Status over plain HTTP: OCSP (RFC 6960 appendix A), CRL, AIA, probes.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_verifier::Time;

use crate::{
    app::{App, PublishedCrl, SignedAnswer},
    wire,
};

const OCSP_REQUEST_MAX: usize = 8 * 1024;
/// Less is not worth the work.
const GZIP_MIN: usize = 1024;

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

/// Base64 of RFC 4648 §4 with its padding, as RFC 6960 appendix A.1 says: `/` and `+` escaped or not, for the path comes
/// here unescaped, with its slashes. The alphabet for URLs (`-`, `_`) is another one and malformed.
async fn ocsp_get(State(app): State<Arc<App>>, Path(request): Path<String>, headers: HeaderMap) -> Response {
    let der = BASE64.decode(request.trim_start_matches('/').replace(' ', "+")).unwrap_or_default();
    let answer = app.answer_ocsp(&der).await;
    let mut told = ocsp_headers(&answer);
    // By its octets only: two answers of one second have the same Last-Modified and may say different things.
    let same =
        told.get(header::ETAG).and_then(|tag| tag.to_str().ok()).is_some_and(|tag| knows(&headers, tag));
    if same {
        told.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    (told, answer.der.clone()).into_response()
}

async fn ocsp_post(State(app): State<Arc<App>>, request: Bytes) -> Response {
    let answer = app.answer_ocsp(&request).await;
    (ocsp_headers(&answer), answer.der.clone()).into_response()
}

/// RFC 9919 (RFC 5019 §6.2), and RFC 9111 §5.3 where it meets our own rule: Expires is nextUpdate to the second, as long as
/// anybody may rely on the answer, while max-age, which every cache since HTTP/1.1 must take before Expires, has it asked
/// for again after one second, because a revocation must be seen within seconds here. The ETag makes that cheap.
fn ocsp_headers(answer: &SignedAnswer) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response"));
    let Some(fresh) = &answer.fresh else {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return headers;
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1, public, must-revalidate"));
    insert_date(&mut headers, header::LAST_MODIFIED, fresh.this_update);
    insert_date(&mut headers, header::EXPIRES, fresh.next_update);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", fresh.tag)) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

/// Whether the client has it already (RFC 9110 §13.1.2, where weak tags compare as strong ones).
pub(super) fn knows(request: &HeaderMap, tag: &str) -> bool {
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

async fn crl(
    State(app): State<Arc<App>>,
    Path((issuer, shard)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let Some(shard) = shard.strip_suffix(".crl").and_then(|number| number.parse::<u16>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let crl = match app.crl(&issuer, shard) {
        Ok(Some(found)) => found,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(problem) => return problem.into_response(),
    };
    let zipped = crl.der.len() >= GZIP_MIN && takes_gzip(&request);
    let suffix = if zipped { "-gzip" } else { "" };
    let tag = format!("\"{issuer}-{shard}-{}{suffix}\"", crl.number);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1, public, must-revalidate"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, value);
    }
    insert_date(&mut headers, header::LAST_MODIFIED, crl.this_update);
    if is_known(&request, &headers, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if !zipped {
        return (headers, crl.der.clone()).into_response();
    }
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    match tokio::task::spawn_blocking(move || crl.gzip()).await {
        Ok(octets) if !octets.is_empty() => (headers, octets).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// RFC 9110 §13.2.2: by its tag, and only without one by its time, which no two CRLs of a shard have in common.
fn is_known(request: &HeaderMap, headers: &HeaderMap, tag: &str) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return knows(request, tag);
    }
    let since = request.get(header::IF_MODIFIED_SINCE);
    since.is_some() && since == headers.get(header::LAST_MODIFIED)
}

/// RFC 9110 §12.5.3.
fn takes_gzip(request: &HeaderMap) -> bool {
    let named = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse::<f32>);
        is_gzip && weight.is_none_or(|weight| weight.is_ok_and(|weight| weight > 0.0))
    })
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

/// Ready when CRLs are being served and none has run out.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let (served, now) = (app.published.all(), wire::now());
    if !served.is_empty() && served.values().all(|crl| crl.next_update > now) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no current CRL\n").into_response()
    }
}

/// Prometheus text format.
async fn metrics(State(app): State<Arc<App>>) -> Response {
    // -1 when the database does not answer: status is served without it, and so is this.
    let count = |state: &str| app.store.read(|reader| reader.count_deliveries(state)).unwrap_or(-1);
    let (waiting, failed) = (count("waiting"), count("failed"));
    let text = format!(
        "# HELP qianyin_notice_deliveries Deliveries of messages that wait or were given up; -1 when the database does not answer.\n# TYPE qianyin_notice_deliveries gauge\n\
         qianyin_notice_deliveries{{state=\"waiting\"}} {waiting}\nqianyin_notice_deliveries{{state=\"failed\"}} {failed}\n"
    );
    let text = crl_metrics(&app) + &text + &ocsp_metrics(&app) + &push_metrics(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn crl_metrics(app: &App) -> String {
    let (served, now) = (app.published.all(), wire::now());
    let refusals = app.published.refusals();
    let refused = |shard: &u16| refusals.get(shard).copied().unwrap_or(0);
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: Vec<(u16, i64)>| {
        text += &format!("# HELP qianyin_{name} {help}\n# TYPE qianyin_{name} gauge\n");
        for (shard, value) in values {
            text += &format!("qianyin_{name}{{shard=\"{shard}\"}} {value}\n");
        }
    };
    let each = |value: &dyn Fn(&PublishedCrl) -> i64| {
        served.iter().map(|(shard, crl)| (*shard, value(crl))).collect()
    };
    gauge("crl_number", "Number of the served CRL.", each(&|crl| crl.number));
    gauge("crl_epoch", "Status epoch of the served CRL.", each(&|crl| crl.epoch));
    gauge("crl_age_seconds", "Age of the served CRL.", each(&|crl| now.secs() - crl.this_update.secs()));
    gauge(
        "crl_left_seconds",
        "Until the served CRL runs out.",
        each(&|crl| crl.next_update.secs() - now.secs()),
    );
    let refused = served.keys().map(|shard| (*shard, i64::from(refused(shard)))).collect();
    gauge("crl_refused", "How often in a row the next CRL was refused because it does not follow.", refused);
    text
}

fn ocsp_metrics(app: &App) -> String {
    let (counts, kept) = (&app.responding.counts, app.responding.cache.len());
    let mut text = format!(
        "# HELP qianyin_ocsp_kept OCSP answers that are ready.\n# TYPE qianyin_ocsp_kept gauge\nqianyin_ocsp_kept {kept}\n\
         # HELP qianyin_ocsp_total OCSP answers since the start; signed ones are told or kept ready.\n# TYPE qianyin_ocsp_total counter\n"
    );
    for (kind, count) in [
        ("cached", &counts.cached),
        ("signed", &counts.signed),
        ("try-later", &counts.busy),
        ("failed", &counts.failed),
        ("refused", &counts.refused),
    ] {
        text += &format!("qianyin_ocsp_total{{kind=\"{kind}\"}} {}\n", count.load(Ordering::Relaxed));
    }
    text
}

fn push_metrics(app: &App) -> String {
    let ((epoch, age), stream) = (app.stream.last_told(), &app.stream);
    let (subscribers, dropped) = (stream.subscribers(), stream.dropped.load(Ordering::Relaxed));
    format!(
        "# HELP qianyin_push_epoch Status epoch that was pushed last.\n# TYPE qianyin_push_epoch gauge\nqianyin_push_epoch {epoch}\n\
         # HELP qianyin_push_age_milliseconds Age of the last message; -1 before the first.\n# TYPE qianyin_push_age_milliseconds gauge\nqianyin_push_age_milliseconds {age}\n\
         # HELP qianyin_push_subscribers Open streams.\n# TYPE qianyin_push_subscribers gauge\nqianyin_push_subscribers {subscribers}\n\
         # HELP qianyin_push_dropped_total Subscribers that were too slow.\n# TYPE qianyin_push_dropped_total counter\nqianyin_push_dropped_total {dropped}\n"
    )
}

fn insert_date(headers: &mut HeaderMap, name: header::HeaderName, time: Time) {
    if let Ok(value) = header::HeaderValue::from_str(&wire::http_date(time)) {
        headers.insert(name, value);
    }
}
