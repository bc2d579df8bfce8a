//! Lists of units for new certificates: send, look, submit, and what is left.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use ca_core::{Action, BatchId};
use ca_store::{BatchLine, BatchRecord};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, made};
use crate::{
    app::{
        About, App,
        appointment::BatchPlan,
        batch::{Counts, Remainder, Submission},
    },
    http::{
        problem::{Body, IdempotencyKey, Query},
        upload::File,
    },
    permit::{BookAppointment, Permit, ReadRecords, SubmitBatch},
    problem::Problem,
};

/// Lines of a page.
const PAGE: usize = 100;

/// A list and how far it has come.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchView {
    id: String,
    /// `checked`, `submitting`, `submitted` or `withdrawn`.
    state: &'static str,
    /// How the file was written.
    format: String,
    entered_by: String,
    entered_at: String,
    #[serde(flatten)]
    counts: CountsView,
    /// Lines after the number that was asked for, 100 at most.
    lines: Vec<LineView>,
}

/// How many lines there are of each kind.
#[derive(Serialize, ToSchema)]
pub(super) struct CountsView {
    /// They become, or are, applications.
    good: i64,
    /// A clerk must look at them.
    review: i64,
    /// They come back.
    bad: i64,
    /// They are applications.
    submitted: i64,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        let Counts { good, review, bad, submitted } = counts;
        Self { good, review, bad, submitted }
    }
}

/// A line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineView {
    line: u32,
    /// `good`, `review` or `bad`.
    verdict: &'static str,
    /// As they were sent, identity card numbers masked.
    cells: Vec<String>,
    /// All that is wrong: column, rule, and what to do, in Chinese and English.
    #[schema(value_type = Vec<Object>)]
    findings: serde_json::Value,
    application: Option<String>,
}

impl From<BatchLine> for LineView {
    fn from(line: BatchLine) -> Self {
        Self {
            line: line.line,
            verdict: line.verdict.name(),
            cells: line.cells,
            findings: line.findings,
            application: line.application.map(|id| id.to_string()),
        }
    }
}

fn view(record: BatchRecord, counts: Counts, lines: Vec<BatchLine>, query: &LinesQuery) -> BatchView {
    let wanted = |line: &BatchLine| {
        line.line > query.after.unwrap_or(0)
            && query.verdict.as_deref().is_none_or(|verdict| verdict == line.verdict.name())
    };
    BatchView {
        id: record.id.to_string(),
        state: record.state.name(),
        format: record.format,
        entered_by: record.entered_by.to_string(),
        entered_at: record.entered_at.to_string(),
        counts: counts.into(),
        lines: lines.into_iter().filter(wanted).take(PAGE).map(LineView::from).collect(),
    }
}

/// Send a list of at most 5,000 units, as CSV (UTF-8 or GB18030) or XLSX. It is checked; nothing is made yet.
#[utoipa::path(post, path = "/api/v1/batches", request_body(content((String = "text/csv"),
    (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 413, description = "more than 5,000 lines, or 8 MiB"),
        (status = 422, description = "no table of ours")))]
pub(super) async fn check(
    permit: Permit<SubmitBatch>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    file: File,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::SubmitBatch, object: "batch", id: "new" };
    let once = key.once_for(file.sha256);
    app.audited(about, app.check_batch(permit, file.upload, once)).await.map(made)
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesQuery {
    /// Only lines after this number.
    after: Option<u32>,
    /// Only `good`, `review` or `bad` lines.
    verdict: Option<String>,
}

/// A list with a page of its lines.
#[utoipa::path(get, path = "/api/v1/batches/{id}", params(("id" = String, Path), LinesQuery),
    responses((status = 200, body = BatchView)))]
pub(super) async fn batch(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<BatchView>, Problem> {
    let id = BatchId::parse(&id)?;
    let (record, lines) = app.batch(&id)?;
    let counts = app.store.read(|reader| Counts::read(reader, &id))?;
    Ok(Json(view(record, counts, lines, &query)))
}

/// Lists, the latest first, without their lines; 100 at most.
#[utoipa::path(get, path = "/api/v1/batches", responses((status = 200, body = [BatchView])))]
pub(super) async fn batches(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<BatchView>>, Problem> {
    let none = LinesQuery { after: None, verdict: None };
    app.store.read(|reader| {
        let mut views = Vec::new();
        for record in reader.batches(100)? {
            let counts = Counts::read(reader, &record.id)?;
            views.push(view(record, counts, Vec::new(), &none));
        }
        Ok(Json(views))
    })
}

/// Make the applications of all good lines. Interrupted, the same request goes on.
#[utoipa::path(post, path = "/api/v1/batches/{id}/submit", params(("id" = String, Path)),
    request_body = Submission, responses((status = 200, body = CountsView)))]
pub(super) async fn submit(
    permit: Permit<SubmitBatch>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Submission>,
) -> Result<Json<CountsView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::SubmitBatch, object: "batch", id: &id };
    let batch = BatchId::parse(&id)?;
    let counts = app.audited(about, app.submit_batch(permit, batch, body.value)).await?;
    Ok(Json(counts.into()))
}

/// Take back a list that was not submitted.
#[utoipa::path(delete, path = "/api/v1/batches/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn withdraw(
    permit: Permit<SubmitBatch>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::SubmitBatch, object: "batch", id: &id };
    let batch = BatchId::parse(&id)?;
    app.audited(about, app.withdraw_batch(permit, batch)).await.map(|_| StatusCode::NO_CONTENT)
}

/// Lines that come back, as the file came, with two columns of reasons; identity card numbers are masked.
#[utoipa::path(get, path = "/api/v1/batches/{id}/rejected", params(("id" = String, Path)),
    responses((status = 200, description = "a file of the format in which the list came")))]
pub(super) async fn rejected(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (format, octets) = app.rejected(&BatchId::parse(&id)?)?;
    Ok(file(format.media_type(), &format!("rejected.{}", format.extension()), octets))
}

fn file(media_type: &'static str, name: &str, octets: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, octets).into_response()
}

/// What of a list is not handed over.
#[derive(Serialize, ToSchema)]
pub(super) struct RemainderView {
    lines: usize,
    delivered: usize,
    remaining: usize,
    /// By the application's state, or the verdict of lines without one.
    by_state: BTreeMap<String, usize>,
    /// By counter; those without one stand under the empty name.
    by_counter: BTreeMap<String, usize>,
    rest: Vec<LeftView>,
}

/// A line that is left.
#[derive(Serialize, ToSchema)]
pub(super) struct LeftView {
    line: u32,
    state: String,
    counter: Option<String>,
    day: Option<String>,
    slot: Option<String>,
}

/// The remainder report; as CSV with `Accept: text/csv`.
#[utoipa::path(get, path = "/api/v1/batches/{id}/remainder", params(("id" = String, Path)),
    responses((status = 200, content((RemainderView = "application/json"), (String = "text/csv")))))]
pub(super) async fn remainder(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = BatchId::parse(&id)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accept.starts_with("text/csv") {
        return Ok(file("text/csv; charset=utf-8", "remainder.csv", app.remainder_csv(&id)?));
    }
    let Remainder { lines, delivered, by_state, by_counter, rest } = app.remainder(&id)?;
    let remaining = rest.len();
    let rest = rest.into_iter().map(|left| LeftView {
        line: left.line,
        state: left.state,
        counter: left.counter,
        day: left.day,
        slot: left.slot,
    });
    let rest = rest.collect();
    Ok(Json(RemainderView { lines, delivered, remaining, by_state, by_counter, rest }).into_response())
}

/// How many appointments were made.
#[derive(Serialize, ToSchema)]
pub(super) struct BookedView {
    booked: usize,
}

/// Give each line that waits for its U-key an appointment, day after day. Interrupted, the same request goes on.
#[utoipa::path(post, path = "/api/v1/batches/{id}/appointments", params(("id" = String, Path)),
    request_body = BatchPlan, responses((status = 200, body = BookedView)))]
pub(super) async fn plan(
    permit: Permit<BookAppointment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<BatchPlan>,
) -> Result<Json<BookedView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::BookAppointment, object: "batch", id: &id };
    let batch = BatchId::parse(&id)?;
    let booked = app.audited(about, app.plan_batch(permit, batch, body.value)).await?;
    Ok(Json(BookedView { booked }))
}
