//! Payments that banks and gateways took back.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use ca_core::{
    Action, ChargebackId, PaymentId,
    billing::{Chargeback, ChargebackState},
};
use ca_store::Reader;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, check_known, made};
use crate::{
    app::{About, App, NewChargeback, NewSettlement, bought},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{Permit, ReadRecords, RecordChargeback, SettleChargeback},
    problem::Problem,
};

const PAGE: i64 = 100;

/// A payment that was taken back.
#[derive(Serialize, ToSchema)]
pub(super) struct ChargebackView {
    id: String,
    payment: String,
    order: String,
    amount_fen: i64,
    /// The number that the bank or the gateway gives it.
    reference: String,
    recorded_by: String,
    recorded_at: String,
    /// `open`, `held` or `settled`.
    state: &'static str,
    /// Since when what was bought with it is on hold.
    held_at: Option<String>,
    /// The payment by which the money came again.
    settlement: Option<String>,
    /// Serial numbers of what was bought with it.
    certificates: Vec<String>,
}

fn view(reader: &mut Reader<'_>, known: Chargeback) -> Result<ChargebackView, Problem> {
    let certificates = bought(reader, &known.order)?.iter().map(ToString::to_string).collect();
    let state = known.state.name();
    let (held_at, settlement) = match known.state {
        ChargebackState::Open => (None, None),
        ChargebackState::Held { at } => (Some(at.to_string()), None),
        ChargebackState::Settled { payment } => (None, Some(payment.to_string())),
    };
    Ok(ChargebackView {
        id: known.id.to_string(),
        payment: known.payment.to_string(),
        order: known.order.to_string(),
        amount_fen: known.amount.get(),
        reference: known.reference,
        recorded_by: known.recorded_by.to_string(),
        recorded_at: known.recorded_at.to_string(),
        state,
        held_at,
        settlement,
        certificates,
    })
}

/// Record that a payment was taken back. The unit is told; what it bought is put on hold when it does not pay in time.
#[utoipa::path(post, path = "/api/v1/payments/{id}/chargeback", request_body = NewChargeback,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "taken back before, or the number was used"),
        (status = 422, description = "cash, more than was paid, or money of no order")))]
pub(super) async fn record(
    permit: Permit<RecordChargeback>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewChargeback>,
) -> Result<Response, Problem> {
    let once = key.once(&body);
    let about = About { actor: permit.actor(), action: Action::RecordChargeback, object: "payment", id: &id };
    let work =
        async { app.record_chargeback(permit.clone(), PaymentId::parse(&id)?, body.value, once).await };
    app.audited(about, work).await.map(made)
}

/// Which chargebacks.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Chargebacks, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/chargebacks", params(ListQuery),
    responses((status = 200, body = [ChargebackView])))]
pub(super) async fn chargebacks(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<ChargebackView>>, Problem> {
    check_known("state", query.state.as_deref(), &ChargebackState::NAMES)?;
    let after = query.after.as_deref().map(ChargebackId::parse).transpose()?;
    app.store.read(|reader| {
        let found = reader.chargebacks(query.state.as_deref(), after.as_ref(), PAGE)?;
        let views: Result<Vec<_>, Problem> = found.into_iter().map(|known| view(reader, known)).collect();
        views.map(Json)
    })
}

/// One chargeback.
#[utoipa::path(get, path = "/api/v1/chargebacks/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ChargebackView)))]
pub(super) async fn chargeback(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ChargebackView>, Problem> {
    let id = ChargebackId::parse(&id)?;
    app.store.read(|reader| {
        let known = reader.chargeback(&id)?.ok_or_else(|| Problem::not_found("chargeback"))?;
        view(reader, known).map(Json)
    })
}

/// Record that the money came again, all of it. An officer then releases the certificates that are on hold for it.
#[utoipa::path(post, path = "/api/v1/chargebacks/{id}/settlement", request_body = NewSettlement,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "settled before, or the number was used"),
        (status = 422, description = "short, too much, or another currency")))]
pub(super) async fn settle(
    permit: Permit<SettleChargeback>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewSettlement>,
) -> Result<Response, Problem> {
    let once = key.once(&body);
    let about =
        About { actor: permit.actor(), action: Action::SettleChargeback, object: "chargeback", id: &id };
    let work =
        async { app.settle_chargeback(permit.clone(), ChargebackId::parse(&id)?, body.value, once).await };
    app.audited(about, work).await.map(made)
}
