//! `/receipts/{code}`: whether a receipt is one of ours, and what became of the money. Public; whoever has the receipt has
//! the code, and nobody else can guess it. It names no person.

use std::sync::Arc;

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{
    app::{App, ReceiptState, ReceiptStatus},
    problem::{Failure, Problem},
    receipt::kind_words,
};

/// What stands before the code.
pub(super) const PATH: &str = "/receipts/";

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/receipts/{code}", get(status))
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page<'a> {
    issuer: &'a str,
    found: Option<Found<'a>>,
    /// The payer comes back from a gateway that has not told yet.
    awaited: bool,
}

struct Found<'a> {
    number: &'a str,
    day: String,
    amount: String,
    unit: Option<&'a str>,
    /// Chinese, English, how many.
    items: Vec<(&'static str, &'static str, usize)>,
    good: bool,
    state: (&'static str, &'static str),
}

async fn status(State(app): State<Arc<App>>, Path(code): Path<String>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = accept.split(',').any(|kind| kind.trim_start().starts_with("application/json"));
    let mut response = match app.receipt_status(&code) {
        Ok(Some(status)) if json => document(&status).into_response(),
        Ok(None) if json => Problem::not_found("receipt").into_response(),
        Ok(None) => {
            app.receipt_awaited(&code).map_or_else(Problem::into_response, |yes| page(&app, None, yes))
        }
        Ok(status) => page(&app, status.as_ref(), false),
        Err(problem) => problem.into_response(),
    };
    for (name, value) in [
        (header::VARY, "accept"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address opens the page: it is told to nobody, and no list of pages has it.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn document(status: &ReceiptStatus) -> Json<serde_json::Value> {
    let items: Vec<_> =
        status.items.iter().map(|(kind, count)| json!({ "kind": kind, "count": count })).collect();
    Json(json!({
        "number": status.number,
        "day": status.day.to_string(),
        "amount_fen": status.amount.get(),
        "currency": "CNY",
        "unit": status.unit,
        "items": items,
        "state": status.state.name(),
    }))
}

fn page(app: &App, status: Option<&ReceiptStatus>, awaited: bool) -> Response {
    let found = status.map(|status| Found {
        number: &status.number,
        day: status.day.to_string(),
        amount: status.amount.to_string(),
        unit: status.unit.as_deref(),
        items: status
            .items
            .iter()
            .map(|(kind, count)| {
                let (zh, en) = kind_words(kind);
                (zh, en, *count)
            })
            .collect(),
        good: status.state == ReceiptState::Valid,
        state: match status.state {
            ReceiptState::Valid => ("有效", "Valid"),
            ReceiptState::RefundedInPart => ("已部分退款", "Refunded in part"),
            ReceiptState::Refunded => ("已全额退款", "Refunded"),
            ReceiptState::Returned => ("已退回付款人", "Returned to the payer"),
            ReceiptState::TakenBack => ("已被银行或支付网关收回", "Taken back by the bank or the gateway"),
        },
    });
    let code = if found.is_some() || awaited { StatusCode::OK } else { StatusCode::NOT_FOUND };
    match (Page { issuer: &app.config.organization, found, awaited }).render() {
        Ok(text) => (code, Html(text)).into_response(),
        Err(error) => Problem::from(Failure::inconsistent(error)).into_response(),
    }
}
