//! Holds: a loss that is reported by telephone or with the own account, and what a certificate was on hold for.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{Action, Hold};
use serde::Serialize;
use utoipa::ToSchema;

use super::certificates::read_serial;
use crate::{
    app::{About, App, LossReport, Reported},
    http::{auth::Own, problem::Body},
    permit::{Permit, ReadRecords, ReportLoss},
    problem::Problem,
};

/// What became of one certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct ReportedView {
    /// Serial number.
    serial: String,
    /// The token that it is on.
    token: Option<String>,
    /// Where it stands now: `held`, or `revoked` when it was so before.
    state: &'static str,
    /// Since when it is on hold.
    held_since: Option<String>,
    /// Whether it was so before this call.
    before: bool,
    /// How its hold ends by itself: `revoke`.
    end: Option<&'static str>,
    /// When, unless somebody ends it before.
    ends_at: Option<String>,
}

impl From<Reported> for ReportedView {
    fn from(reported: Reported) -> Self {
        let due = reported.hold.and_then(|hold| hold.due);
        Self {
            serial: reported.serial.to_string(),
            token: reported.token,
            state: reported.state.name(),
            held_since: reported.since.map(|since| since.to_string()),
            before: reported.before,
            end: due.map(|(end, _)| end.name()),
            ends_at: due.map(|(_, at)| at.to_string()),
        }
    }
}

/// What was reported.
#[derive(Serialize, ToSchema)]
pub(super) struct LossView {
    /// Each certificate that was asked for.
    certificates: Vec<ReportedView>,
}

/// One hold of a certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldView {
    id: String,
    /// `lost`, `arrears`, `application`, `staff` or `repair`.
    reason: &'static str,
    placed_by: String,
    placed_at: String,
    /// Who called, and what they said, a line each.
    caller: Option<String>,
    /// How it ends by itself: `revoke` or `release`.
    end: Option<&'static str>,
    /// When, unless somebody ends it before.
    ends_at: Option<String>,
    /// When the unit was told of that.
    told_at: Option<String>,
    ended_at: Option<String>,
    ended_by: Option<String>,
    /// `revoked`, `released`, or `replaced` by a hold for another reason.
    outcome: Option<&'static str>,
}

fn view(app: &App, hold: Hold) -> Result<HoldView, Problem> {
    let caller = app.hold_caller(&hold)?;
    let (ended_at, ended_by, outcome) = match hold.ended {
        Some((at, by, how)) => (Some(at.to_string()), Some(by), Some(how.name())),
        None => (None, None, None),
    };
    Ok(HoldView {
        id: hold.id.to_string(),
        reason: hold.reason.name(),
        placed_by: hold.placed_by,
        placed_at: hold.placed_at.to_string(),
        caller,
        end: hold.due.map(|(end, _)| end.name()),
        ends_at: hold.due.map(|(_, at)| at.to_string()),
        told_at: hold.told_at.map(|at| at.to_string()),
        ended_at,
        ended_by,
        outcome,
    })
}

/// What a certificate was on hold for, oldest first.
#[utoipa::path(get, path = "/api/v1/certificates/{serial}/holds", params(("serial" = String, Path)),
    responses((status = 200, body = [HoldView])))]
pub(super) async fn holds(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<Vec<HoldView>>, Problem> {
    let serial = read_serial(&serial)?;
    let found = app.store.read(|reader| {
        reader.certificate(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
        Ok::<_, Problem>(reader.holds_of(&serial)?)
    })?;
    found.into_iter().map(|hold| view(&app, hold)).collect::<Result<_, _>>().map(Json)
}

/// A caller says that a token is gone. Wrong data is refused in the same words whatever was wrong.
#[utoipa::path(post, path = "/api/v1/hotline/holds", request_body = LossReport,
    responses((status = 200, body = LossView), (status = 422, description = "something does not fit"),
        (status = 429, description = "too many wrong tries for the unit within an hour")))]
pub(super) async fn report(
    permit: Permit<ReportLoss>,
    State(app): State<Arc<App>>,
    body: Body<LossReport>,
) -> Result<Json<LossView>, Problem> {
    let (actor, uscc) = (permit.actor().clone(), body.value.uscc.clone());
    let about = About { actor: &actor, action: Action::ReportLoss, object: "unit", id: &uscc };
    let reported = app.audited(about, app.report_loss(permit, body.value)).await??;
    Ok(Json(LossView { certificates: reported.into_iter().map(ReportedView::from).collect() }))
}

/// The own unit says that a token is gone, at any hour.
#[utoipa::path(post, path = "/api/v1/own/certificates/{serial}/hold", params(("serial" = String, Path)),
    responses((status = 200, body = ReportedView)))]
pub(super) async fn report_own(
    own: Own<ReportLoss>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<ReportedView>, Problem> {
    let actor = own.permit.actor().clone();
    let about = About { actor: &actor, action: Action::ReportLoss, object: "certificate", id: &serial };
    let work = async { app.report_own_loss(own.permit, own.account.owner, read_serial(&serial)?).await };
    app.audited(about, work).await.map(|reported| Json(reported.into()))
}
