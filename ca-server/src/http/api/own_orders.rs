//! What a unit or an agent pays itself: orders, the own statement, and payment online. Another's order is not found.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use ca_core::{
    OrderId,
    billing::{OrderState, Payer},
};
use ca_store::{AccountOwner, OrderFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    online::{NewOnline, OnlinePaymentView, open_order},
    orders::{OrderView, StatementQuery, StatementView, WholeOrderView, statement_of, whole},
};
use crate::{
    app::App,
    http::{auth::Own, problem::Body},
    permit::{OpenOnlinePayment, ReadOwnRecords},
    problem::Problem,
};

const PAGE: i64 = 100;

fn payer(owner: &AccountOwner) -> Payer {
    match owner {
        AccountOwner::Unit { unit, .. } => Payer::Unit(unit.clone()),
        AccountOwner::Agent(agent) => Payer::Agent(agent.clone()),
    }
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
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

/// One of the own orders, line by line, with its payments.
#[utoipa::path(get, path = "/api/v1/own/orders/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WholeOrderView)))]
pub(super) async fn own_order(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeOrderView>, Problem> {
    let (id, payer) = (OrderId::parse(&id)?, payer(&own.account.owner));
    app.store.read(|reader| {
        let bill = reader.bill(&id)?.filter(|bill| bill.order.payer == payer);
        whole(reader, bill.ok_or_else(|| Problem::not_found("order"))?).map(Json)
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
    open_order(&app, own.permit, &id, &body.value).await
}
