//! Answers: HTML for people, JSON for programs. The words are in `report`.

use askama::Template;
use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use ca_verifier::{Refusal, Time, VerifiedUnit};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    fault::Fault,
    language::Language,
    report::{self, AcceptedWords, Report},
};

const SECONDS_A_DAY: i64 = 86_400;

#[derive(Template)]
#[template(path = "accepted.html")]
struct AcceptedPage<'a> {
    lang: &'static str,
    other: &'static str,
    words: &'static AcceptedWords,
    name: &'a str,
    uscc: &'a str,
    serial: String,
    not_after: String,
    days_left: i64,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    status: u16,
    code: &'a str,
    report: Report,
    detail: String,
}

/// 200: who has logged in.
pub(crate) fn accepted(request: &Request, unit: &VerifiedUnit, language: Language, now: Time) -> Response {
    let days_left = (unit.not_after().secs() - now.secs()).div_euclid(SECONDS_A_DAY);
    if wants_json(request) {
        return Json(json!({
            "decision": "accepted",
            "uscc": unit.code().as_str(),
            "name": unit.name(),
            "serial": unit.serial().to_string(),
            "not_after": unit.not_after().to_string(),
            "days_left": days_left,
        }))
        .into_response();
    }
    let uscc = unit.code();
    let page = AcceptedPage {
        lang: language.tag(),
        other: if language == Language::Zh { "en" } else { "zh" },
        words: report::accepted(language),
        name: unit.name(),
        uscc: uscc.as_str(),
        serial: unit.serial().to_string(),
        not_after: date(unit.not_after()),
        days_left,
    };
    html(StatusCode::OK, page.render())
}

/// 401, 403 or 503: what happened and what to do, in both languages, whichever the browser asks for: a person in
/// trouble may have another at the telephone.
pub(crate) fn refused(request: &Request, refusal: &Refusal) -> Response {
    let report = report::refusal(refusal);
    let status = report.status;
    let mut response = if wants_json(request) {
        let body = json!({
            "type": format!("urn:qianyin:portal:{}", refusal.code()),
            "title": report.en.title,
            "title_zh": report.zh.title,
            "status": status.as_u16(),
            "detail": refusal.to_string(),
            "code": refusal.code(),
        });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    } else {
        let detail = refusal.to_string();
        let page = RefusedPage { status: status.as_u16(), code: refusal.code(), report, detail };
        html(status, page.render())
    };
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2 asks for a challenge; a certificate is asked for by TLS, so no registered scheme fits.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("TLS-Client-Certificate"));
        // The browser must shake hands again to be asked again.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// 500: nothing was changed. The cause is in the log only.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        tracing::error!(cause = %self, "a request failed");
        let page = RefusedPage { status: 500, code: "fault", report: report::fault(), detail: String::new() };
        html(StatusCode::INTERNAL_SERVER_ERROR, page.render())
    }
}

/// 404
pub(crate) fn not_found(request: &Request) -> Response {
    if wants_json(request) {
        let body = json!({ "type": "about:blank", "title": "Not Found", "status": 404 }).to_string();
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/problem+json")], body)
            .into_response();
    }
    let page =
        RefusedPage { status: 404, code: "not-found", report: report::not_found(), detail: String::new() };
    html(StatusCode::NOT_FOUND, page.render())
}

pub(crate) fn html(status: StatusCode, rendered: Result<String, askama::Error>) -> Response {
    match rendered {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(crate) fn wants_json(request: &Request) -> bool {
    let accepted =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut ranges = accepted.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    ranges.any(|range| matches!(range, "application/json" | "application/problem+json"))
}

/// The date in China, where the units are.
pub(crate) fn date(at: Time) -> String {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    Timestamp::from_second(at.secs())
        .map_or_else(|_| at.to_string(), |at| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string())
}
