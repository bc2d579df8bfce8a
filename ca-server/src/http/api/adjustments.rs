//! Waivers and refunds: asked for, decided by another person, paid out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use ca_core::{
    Action, AdjustmentId, ApplicationId,
    billing::{Adjustment, AdjustmentKind, AdjustmentState},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, applications::Reasons, check_known, made};
use crate::{
    app::{About, App, NewAdjustment, PayOut},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{DecideAdjustment, PayOutRefund, Permission, Permit, ReadRecords, RequestAdjustment},
    problem::Problem,
};

const PAGE: i64 = 100;

/// A waiver or a refund.
#[derive(Serialize, ToSchema)]
pub(super) struct AdjustmentView {
    id: String,
    /// `waiver` or `refund`.
    kind: &'static str,
    order: String,
    application: String,
    amount_fen: i64,
    /// Of a refund: into the payer's credit, instead of out of our hands.
    into_credit: bool,
    /// Of a refund: though the certificate stays good.
    keeps_certificate: bool,
    reason: String,
    requested_by: String,
    requested_at: String,
    /// `requested`, `approved`, `rejected`, `withdrawn` or `paid-out`.
    state: &'static str,
    decided_by: Option<String>,
    /// Why it was rejected.
    reasons: Option<String>,
    /// How it was paid out.
    method: Option<&'static str>,
    /// The proof's number.
    reference: Option<String>,
}

impl From<Adjustment> for AdjustmentView {
    fn from(known: Adjustment) -> Self {
        let (into_credit, keeps_certificate) = match known.kind {
            AdjustmentKind::Waiver => (false, false),
            AdjustmentKind::Refund { into_credit, keeps_certificate } => (into_credit, keeps_certificate),
        };
        let state = known.state.name();
        let (decided_by, reasons, out) = match known.state {
            AdjustmentState::Requested | AdjustmentState::Withdrawn => (None, None, None),
            AdjustmentState::Approved { by } => (Some(by), None, None),
            AdjustmentState::Rejected { by, reasons } => (Some(by), Some(reasons), None),
            AdjustmentState::PaidOut { by, method, reference } => {
                (Some(by), None, Some((method.name(), reference)))
            }
        };
        let (method, reference) = out.unzip();
        Self {
            id: known.id.to_string(),
            kind: known.kind.name(),
            order: known.order.to_string(),
            application: known.application.to_string(),
            amount_fen: known.amount.get(),
            into_credit,
            keeps_certificate,
            reason: known.reason,
            requested_by: known.requested_by.to_string(),
            requested_at: known.requested_at.to_string(),
            state,
            decided_by: decided_by.map(|id| id.to_string()),
            reasons,
            method,
            reference,
        }
    }
}

/// Where it stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct AdjustmentStateView {
    state: &'static str,
}

fn about<'a, P: Permission>(permit: &'a Permit<P>, id: &'a str) -> About<'a> {
    About { actor: permit.actor(), action: P::ACTION, object: "adjustment", id }
}

/// Ask that part of a fee be waived, or that money be given back. Another person decides.
#[utoipa::path(post, path = "/api/v1/applications/{id}/adjustments", request_body = NewAdjustment,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "the order's state does not allow it"),
        (status = 422, description = "more than what is possible, or no reason of ours")))]
pub(super) async fn request(
    permit: Permit<RequestAdjustment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewAdjustment>,
) -> Result<Response, Problem> {
    let once = key.once(&body);
    let about =
        About { actor: permit.actor(), action: Action::RequestAdjustment, object: "application", id: &id };
    let work =
        async { app.request_adjustment(permit.clone(), ApplicationId::parse(&id)?, body.value, once).await };
    app.audited(about, work).await.map(made)
}

/// Which waivers and refunds.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Waivers and refunds, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/adjustments", params(ListQuery),
    responses((status = 200, body = [AdjustmentView])))]
pub(super) async fn adjustments(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<AdjustmentView>>, Problem> {
    check_known("state", query.state.as_deref(), &AdjustmentState::NAMES)?;
    let after = query.after.as_deref().map(AdjustmentId::parse).transpose()?;
    let found =
        app.store.read(|reader| reader.adjustments(query.state.as_deref(), None, after.as_ref(), PAGE))?;
    Ok(Json(found.into_iter().map(AdjustmentView::from).collect()))
}

/// One waiver or refund.
#[utoipa::path(get, path = "/api/v1/adjustments/{id}", params(("id" = String, Path)),
    responses((status = 200, body = AdjustmentView)))]
pub(super) async fn adjustment(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<AdjustmentView>, Problem> {
    let id = AdjustmentId::parse(&id)?;
    let known = app.store.read(|reader| reader.adjustment(&id))?;
    known.map(|known| Json(known.into())).ok_or_else(|| Problem::not_found("adjustment"))
}

/// Agree. Money that goes back for a certificate in use ends it, unless the request says that it stays.
#[utoipa::path(post, path = "/api/v1/adjustments/{id}/approval", params(("id" = String, Path)),
    responses((status = 200, body = AdjustmentStateView), (status = 403, description = "the same person asked")))]
pub(super) async fn approve(
    permit: Permit<DecideAdjustment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<AdjustmentStateView>, Problem> {
    let work = async { app.approve_adjustment(permit.clone(), AdjustmentId::parse(&id)?).await };
    app.audited(about(&permit, &id), work).await.map(view)
}

/// Refuse, with reasons.
#[utoipa::path(post, path = "/api/v1/adjustments/{id}/rejection", request_body = Reasons,
    params(("id" = String, Path)), responses((status = 200, body = AdjustmentStateView)))]
pub(super) async fn reject(
    permit: Permit<DecideAdjustment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<AdjustmentStateView>, Problem> {
    let work =
        async { app.reject_adjustment(permit.clone(), AdjustmentId::parse(&id)?, body.value.reasons).await };
    app.audited(about(&permit, &id), work).await.map(view)
}

/// Take it back: only whoever asked.
#[utoipa::path(post, path = "/api/v1/adjustments/{id}/withdrawal", params(("id" = String, Path)),
    responses((status = 200, body = AdjustmentStateView)))]
pub(super) async fn withdraw(
    permit: Permit<RequestAdjustment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<AdjustmentStateView>, Problem> {
    let work = async { app.withdraw_adjustment(permit.clone(), AdjustmentId::parse(&id)?).await };
    app.audited(about(&permit, &id), work).await.map(view)
}

/// Record that the money of a refund left our hands.
#[utoipa::path(post, path = "/api/v1/adjustments/{id}/pay-out", request_body = PayOut,
    params(("id" = String, Path)), responses((status = 200, body = AdjustmentStateView),
        (status = 409, description = "not decided, paid out before, or the number was used")))]
pub(super) async fn pay_out(
    permit: Permit<PayOutRefund>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<PayOut>,
) -> Result<Json<AdjustmentStateView>, Problem> {
    let work = async { app.pay_out(permit.clone(), AdjustmentId::parse(&id)?, body.value).await };
    app.audited(about(&permit, &id), work).await.map(view)
}

fn view(state: AdjustmentState) -> Json<AdjustmentStateView> {
    Json(AdjustmentStateView { state: state.name() })
}
