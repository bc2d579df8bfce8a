//! Counters' days: what was recorded, the close, and opening again by two persons.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{Action, shift::ShiftState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::applications::Reasons;
use crate::{
    app::{
        About, App,
        shift::{CounterDay, NewCount},
    },
    http::problem::{Body, Query},
    permit::{CloseShift, DecideReopen, Permission, Permit, ReadRecords, RequestReopen},
    problem::Problem,
};

/// One counter's day.
#[derive(Serialize, ToSchema)]
pub(super) struct CounterDayView {
    /// Code of the counter.
    counter: String,
    /// `open` while it was not closed, then `closed`, `reopen-requested` or `reopened`.
    state: &'static str,
    closed_by: Option<String>,
    closed_at: Option<String>,
    /// Who asked to open it again.
    requested_by: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Tokens that were handed over.
    tokens_issued: u32,
    /// Tokens that are listed here now and that nobody has got; `null` for a day that is over.
    tokens_listed: Option<u32>,
    /// Payments less refunds that were paid out, in fen.
    cash_fen: i64,
    card_fen: i64,
    transfer_fen: i64,
    /// Certificates that were made for this counter.
    certificates: u32,
    /// Entries of the log that say so.
    entries: u32,
}

impl From<CounterDay> for CounterDayView {
    fn from(known: CounterDay) -> Self {
        let [cash, card, transfer] = known.recorded.money;
        let (requested_by, reason) = match known.close.as_ref().map(|close| &close.state) {
            Some(ShiftState::ReopenRequested { by, reason }) => (Some(by.to_string()), Some(reason.clone())),
            Some(ShiftState::Reopened { asked_by, reason, .. }) => {
                (Some(asked_by.to_string()), Some(reason.clone()))
            }
            _ => (None, None),
        };
        Self {
            counter: known.counter,
            state: known.close.as_ref().map_or("open", |close| close.state.name()),
            closed_by: known.close.as_ref().map(|close| close.closed_by.to_string()),
            closed_at: known.close.as_ref().map(|close| close.closed_at.to_string()),
            requested_by,
            reason,
            tokens_issued: known.recorded.tokens_issued,
            tokens_listed: known.recorded.tokens_listed,
            cash_fen: cash.get(),
            card_fen: card.get(),
            transfer_fen: transfer.get(),
            certificates: known.recorded.certificates,
            entries: known.recorded.entries,
        }
    }
}

/// Which day.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DayQuery {
    /// YYYY-MM-DD in China.
    day: String,
}

/// Every counter's day, and which of them are not closed.
#[utoipa::path(get, path = "/api/v1/shifts", params(DayQuery), responses((status = 200, body = [CounterDayView])))]
pub(super) async fn shifts(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<DayQuery>,
) -> Result<Json<Vec<CounterDayView>>, Problem> {
    Ok(Json(app.counter_days(&query.day)?.into_iter().map(CounterDayView::from).collect()))
}

/// Where it stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct ShiftView {
    state: &'static str,
}

fn view(state: ShiftState) -> Json<ShiftView> {
    Json(ShiftView { state: state.name() })
}

/// That everything agrees.
#[derive(Serialize, ToSchema)]
pub(super) struct AgreesView {
    agrees: bool,
}

fn about<'a, P: Permission>(permit: &'a Permit<P>, action: Action, id: &'a str) -> About<'a> {
    About { actor: permit.actor(), action, object: "shift", id }
}

/// What would differ if the day were closed now. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/shifts/{counter}/{day}/check", request_body = NewCount,
    params(("counter" = String, Path), ("day" = String, Path)),
    responses((status = 200, body = AgreesView), (status = 409, description = "differences, each with its rows")))]
pub(super) async fn check(
    permit: Permit<CloseShift>,
    State(app): State<Arc<App>>,
    Path((counter, day)): Path<(String, String)>,
    body: Body<NewCount>,
) -> Result<Json<AgreesView>, Problem> {
    app.check_shift(&permit, (&counter, &day), &body.value)?;
    Ok(Json(AgreesView { agrees: true }))
}

/// Close a counter's day. Any difference keeps it open and is named with its rows.
#[utoipa::path(post, path = "/api/v1/shifts/{counter}/{day}/close", request_body = NewCount,
    params(("counter" = String, Path), ("day" = String, Path)),
    responses((status = 200, body = ShiftView), (status = 409, description = "differences, each with its rows")))]
pub(super) async fn close(
    permit: Permit<CloseShift>,
    State(app): State<Arc<App>>,
    Path((counter, day)): Path<(String, String)>,
    body: Body<NewCount>,
) -> Result<Json<ShiftView>, Problem> {
    let id = format!("{counter}:{day}");
    let work = app.close_shift(permit.clone(), (&counter, &day), body.value);
    app.audited(about(&permit, Action::CloseShift, &id), work).await.map(view)
}

/// Ask to open a closed day again, with reasons. Another person decides.
#[utoipa::path(post, path = "/api/v1/shifts/{counter}/{day}/reopen-request", request_body = Reasons,
    params(("counter" = String, Path), ("day" = String, Path)), responses((status = 200, body = ShiftView)))]
pub(super) async fn request_reopen(
    permit: Permit<RequestReopen>,
    State(app): State<Arc<App>>,
    Path((counter, day)): Path<(String, String)>,
    body: Body<Reasons>,
) -> Result<Json<ShiftView>, Problem> {
    let id = format!("{counter}:{day}");
    let work = app.request_reopen(permit.clone(), (&counter, &day), body.value.reasons);
    app.audited(about(&permit, Action::RequestReopen, &id), work).await.map(view)
}

/// Open it again.
#[utoipa::path(post, path = "/api/v1/shifts/{counter}/{day}/reopening",
    params(("counter" = String, Path), ("day" = String, Path)),
    responses((status = 200, body = ShiftView), (status = 403, description = "the same person asked")))]
pub(super) async fn reopen(
    permit: Permit<DecideReopen>,
    State(app): State<Arc<App>>,
    Path((counter, day)): Path<(String, String)>,
) -> Result<Json<ShiftView>, Problem> {
    let id = format!("{counter}:{day}");
    let work = app.decide_reopen(permit.clone(), (&counter, &day), true);
    app.audited(about(&permit, Action::DecideReopen, &id), work).await.map(view)
}

/// Leave it closed.
#[utoipa::path(post, path = "/api/v1/shifts/{counter}/{day}/reopen-rejection",
    params(("counter" = String, Path), ("day" = String, Path)), responses((status = 200, body = ShiftView)))]
pub(super) async fn reject_reopen(
    permit: Permit<DecideReopen>,
    State(app): State<Arc<App>>,
    Path((counter, day)): Path<(String, String)>,
) -> Result<Json<ShiftView>, Problem> {
    let id = format!("{counter}:{day}");
    let work = app.decide_reopen(permit.clone(), (&counter, &day), false);
    app.audited(about(&permit, Action::DecideReopen, &id), work).await.map(view)
}
