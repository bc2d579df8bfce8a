//! What a unit or an agent pays itself: orders, the own statement, and payment online. Another's order is not found.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{
    OrderId,
    billing::{OrderState, Payer, Payment},
};
use ca_store::{AccountOwner, OrderFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    online::{NewOnline, OnlinePaymentView, open_order},
    orders::{ChargeView, OrderView, StatementQuery, StatementView, charge_views, statement_of},
};
use crate::{
    app::App,
    http::{
        RECEIPTS,
        auth::Own,
        problem::{Body, Query},
    },
    permit::{OpenOnlinePayment, ReadOwnRecords},
    problem::Problem,
};

const PAGE: i64 = 100;

pub(super) fn payer(owner: &AccountOwner) -> Payer {
    match owner {
        AccountOwner::Unit { unit, .. } => Payer::Unit(unit.clone()),
        AccountOwner::Agent(agent) => Payer::Agent(agent.clone()),
    }
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnOrdersQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// The own orders, oldest first, 100 at a time: those that are to be paid, and those that were.
#[utoipa::path(get, path = "/api/v1/own/orders", params(OwnOrdersQuery),
    responses((status = 200, body = [OrderView])))]
pub(super) async fn own_orders(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<OwnOrdersQuery>,
) -> Result<Json<Vec<OrderView>>, Problem> {
    let after = query.after.as_deref().map(OrderId::parse).transpose()?;
    let payer = Some(payer(&own.account.owner));
    let state = query.state.as_deref().map(OrderState::from_name).transpose()?;
    let filter = OrderFilter { state, payer, after, limit: PAGE, ..OrderFilter::default() };
    let found = app.store.read(|reader| reader.orders(&filter))?;
    Ok(Json(found.into_iter().map(OrderView::from).collect()))
}

/// A payment, as its payer sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnPaymentView {
    /// `cash`, `card`, `transfer` or `online`.
    method: &'static str,
    /// The number that the other side gave it.
    reference: String,
    amount_fen: i64,
    at: String,
    /// Path of the receipt's public page.
    receipt: String,
}

impl From<Payment> for OwnPaymentView {
    fn from(payment: Payment) -> Self {
        Self {
            method: payment.method.name(),
            reference: payment.reference,
            amount_fen: payment.amount.get(),
            at: payment.at.to_string(),
            receipt: format!("{RECEIPTS}{}", payment.code),
        }
    }
}

/// An own order; what our staff did about it is theirs.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnOrderView {
    #[serde(flatten)]
    order: OrderView,
    charges: Vec<ChargeView>,
    payments: Vec<OwnPaymentView>,
    online_payments: Vec<OnlinePaymentView>,
}

/// One of the own orders, line by line, with its payments.
#[utoipa::path(get, path = "/api/v1/own/orders/{id}", params(("id" = String, Path)),
    responses((status = 200, body = OwnOrderView)))]
pub(super) async fn own_order(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<OwnOrderView>, Problem> {
    let (id, payer) = (OrderId::parse(&id)?, payer(&own.account.owner));
    app.store.read(|reader| {
        let bill = reader.bill(&id)?.filter(|bill| bill.order.payer == payer);
        let bill = bill.ok_or_else(|| Problem::not_found("order"))?;
        let online = reader.online_payments_of(&id)?.into_iter().map(OnlinePaymentView::own).collect();
        let payments = reader.payments_of(&id)?.into_iter().map(OwnPaymentView::from).collect();
        let charges = charge_views(reader, &bill)?;
        Ok(Json(OwnOrderView { order: bill.order.into(), charges, payments, online_payments: online }))
    })
}

/// What the own account says: what was paid, what that was spent on, what is left.
#[utoipa::path(get, path = "/api/v1/own/statement", params(StatementQuery),
    responses((status = 200, body = StatementView)))]
pub(super) async fn own_statement(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<StatementQuery>,
) -> Result<Json<StatementView>, Problem> {
    let payer = payer(&own.account.owner);
    app.store.read(|reader| statement_of(reader, payer, &query).map(Json))
}

/// Pay an own order at a gateway. The same again gives the same payment page.
#[utoipa::path(post, path = "/api/v1/own/orders/{id}/online-payments", request_body = NewOnline,
    params(("id" = String, Path)), responses((status = 200, body = OnlinePaymentView)))]
pub(super) async fn open_own(
    own: Own<OpenOnlinePayment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewOnline>,
) -> Result<Json<OnlinePaymentView>, Problem> {
    let opened = open_order(&app, own.permit, &id, &body.value).await?;
    Ok(Json(OnlinePaymentView::own(opened)))
}
