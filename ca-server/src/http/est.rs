//! EST (RFC 7030, RFC 8951) under `/.well-known/est` and `/.well-known/est/{label}`; a label is the name of a profile.
//!
//! Answers are base64 on one line: RFC 8951 §3.1, and some clients read no other. What goes wrong is text for people,
//! in both languages (RFC 7030 §4.2.3).

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::{Action, Actor};
use ca_verifier::Serial;

use super::{API_BODY_MAX, auth::issued_certificate};
use crate::{
    app::{About, App, Reenrolled},
    problem::Problem,
    rule::Rule,
};

const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";
/// When the server is busy or its token is away.
const BUSY_SECS: u32 = 5;

/// The part of the path before the operation, when there is one.
type Label = Option<Path<String>>;

pub(super) fn router() -> Router<Arc<App>> {
    let operations = Router::new()
        .route("/cacerts", get(ca_certificates))
        .route("/csrattrs", get(csr_attributes))
        .route("/simpleenroll", post(enroll))
        .route("/simplereenroll", post(reenroll));
    Router::new().nest("/.well-known/est", operations.clone()).nest("/.well-known/est/{label}", operations)
}

fn name(label: &Label) -> Option<&str> {
    label.as_ref().map(|Path(label)| label.as_str())
}

/// RFC 7030 §4.1: the issuing CA and the root. Whoever fetches them compares the root's fingerprint by another way.
async fn ca_certificates(State(app): State<Arc<App>>, label: Label) -> Response {
    if let Err(problem) = app.est_profile(name(&label)) {
        return refused(&problem);
    }
    let chain = ["issuing", "root"].map(|name| app.ca.certificate(name));
    let chain: Vec<&[u8]> = chain.into_iter().flatten().collect();
    answer(CERTS_ONLY, &ca_core::certs_only(&chain))
}

/// RFC 7030 §4.5: what a request should be made of; nothing where no request is taken.
async fn csr_attributes(State(app): State<Arc<App>>, label: Label) -> Response {
    match app.est_profile(name(&label)) {
        Ok(profile) if profile.est_reenroll() => {
            answer("application/csrattrs", &ca_core::csr_attributes(profile))
        }
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => refused(&problem),
    }
}

/// RFC 7030 §4.2.1: refused, whoever asks, and in the log.
async fn enroll(State(app): State<Arc<App>>, label: Label, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let holder = holder(&mut parts, &app).await;
    let work = async {
        app.est_profile(name(&label))?;
        Err(Problem::new(Rule::EstNoEnrollment))
    };
    audited(&app, holder.as_ref().ok(), parts.uri.path(), work).await
}

/// RFC 7030 §4.2.2: the certificate of the connection is renewed.
async fn reenroll(State(app): State<Arc<App>>, label: Label, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let (holder, path) = (holder(&mut parts, &app).await, parts.uri.path().to_owned());
    let known = holder.as_ref().ok().copied();
    let work = async {
        app.est_profile(name(&label))?;
        let serial = holder?;
        let der = read(Request::from_parts(parts, body), &app).await?;
        Ok(match app.reenroll(serial, name(&label), der).await? {
            Reenrolled::Certificate(der) => answer(CERTS_ONLY, &ca_core::certs_only(&[&der])),
            Reenrolled::Pending(seconds) => {
                text(&Problem::new(Rule::EstPending).with("seconds", seconds), Some(seconds))
            }
        })
    };
    audited(&app, known.as_ref(), &path, work).await
}

/// The certificate of the connection, whatever its status: that decides what may be asked with it.
async fn holder(parts: &mut Parts, app: &Arc<App>) -> Result<Serial, Problem> {
    match issued_certificate(parts, app).await {
        Err(problem) if problem.rule == Rule::UnknownCertificate => Err(Problem::new(Rule::EstCertificate)),
        found => found.map(|(serial, _)| serial),
    }
}

/// Runs a use case; what a rule refuses stands in the log.
async fn audited(
    app: &App,
    holder: Option<&Serial>,
    path: &str,
    work: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    let actor = holder.map_or(Actor::System("http"), |serial| Actor::Holder(serial.to_string()));
    let serial = holder.map(Serial::to_string);
    let (object, id) = serial.as_deref().map_or(("path", path), |serial| ("certificate", serial));
    let about = About { actor: &actor, action: Action::IssueCertificate, object, id };
    app.audited(about, work).await.unwrap_or_else(|problem| refused(&problem))
}

/// The request's DER.
async fn read(request: Request, app: &Arc<App>) -> Result<Vec<u8>, Problem> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/pkcs10") {
        let shown: String = media_type.chars().take(80).collect();
        return Err(Problem::new(Rule::EstMediaType).with("found", shown));
    }
    let octets = Bytes::from_request(request, app).await;
    let mut octets = octets.map(Vec::from).map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Rule::TooLarge).with("limit", API_BODY_MAX),
        _ => Problem::new(Rule::EstBody).with("detail", "it did not arrive"),
    })?;
    // RFC 8951 §3.1: lines are broken or not, and Content-Transfer-Encoding says nothing.
    octets.retain(|octet| !octet.is_ascii_whitespace());
    let der = BASE64.decode(octets);
    der.map_err(|error| Problem::new(Rule::EstBody).with("detail", error))
}

fn answer(media_type: &'static str, der: &[u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (HeaderName::from_static("content-transfer-encoding"), HeaderValue::from_static("base64")),
    ];
    (headers, BASE64.encode(der)).into_response()
}

fn refused(problem: &Problem) -> Response {
    if let Some(cause) = problem.cause() {
        tracing::error!(problem = problem.rule.name(), facts = ?problem.facts(), %cause, "failed");
    }
    text(problem, (problem.rule.status() == 503).then_some(BUSY_SECS))
}

fn text(problem: &Problem, retry_after: Option<u32>) -> Response {
    let status = StatusCode::from_u16(problem.rule.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let mut response = (status, media_type, format!("{problem}\n")).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
