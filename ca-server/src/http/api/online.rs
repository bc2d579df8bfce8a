//! Online payments: an order is paid at a gateway, by whoever scans the code at the counter or clicks at home.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{Action, OnlinePayment, OnlinePaymentId, OnlinePaymentState, OrderId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{About, App},
    http::problem::Body,
    permit::{CloseOnlinePayment, OpenOnlinePayment, Permit, ReadRecords},
    problem::Problem,
};

/// Where an order is to be paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOnline {
    /// The gateway's name in the configuration.
    gateway: String,
}

/// An online payment.
#[derive(Serialize, ToSchema)]
pub(super) struct OnlinePaymentView {
    id: String,
    order: String,
    gateway: String,
    /// `created`, `offered`, `paid`, `closed` or `expired`.
    state: &'static str,
    amount_fen: i64,
    /// Where the payer pays, as long as it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The gateway's own number of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    /// Who asked for it; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<String>,
    created_at: String,
    /// When nobody can pay it any more.
    expires_at: String,
}

impl From<OnlinePayment> for OnlinePaymentView {
    fn from(payment: OnlinePayment) -> Self {
        let state = payment.state.name();
        let (url, transaction) = match payment.state {
            OnlinePaymentState::Offered { url } => (Some(url), None),
            OnlinePaymentState::Paid { transaction } => (None, Some(transaction)),
            _ => (None, None),
        };
        Self {
            id: payment.id.to_string(),
            order: payment.order.to_string(),
            gateway: payment.gateway,
            state,
            amount_fen: payment.amount.get(),
            url,
            transaction,
            opened_by: Some(payment.opened_by),
            created_at: payment.created_at.to_string(),
            expires_at: payment.expires_at.to_string(),
        }
    }
}

impl OnlinePaymentView {
    /// For the payer: without our staff.
    pub(super) fn own(payment: OnlinePayment) -> Self {
        Self { opened_by: None, ..Self::from(payment) }
    }
}

/// The names of the gateways at which orders can be paid.
#[utoipa::path(get, path = "/api/v1/gateways", responses((status = 200, body = [String])))]
pub(super) async fn gateways(_permit: Permit<ReadRecords>, State(app): State<Arc<App>>) -> Json<Vec<String>> {
    Json(app.gateways.names().map(str::to_owned).collect())
}

pub(super) async fn open_order(
    app: &App,
    permit: Permit<OpenOnlinePayment>,
    order: &str,
    new: &NewOnline,
) -> Result<OnlinePayment, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::OpenOnlinePayment, object: "order", id: order };
    let work = async { app.open_online_payment(permit, OrderId::parse(order)?, &new.gateway).await };
    app.audited(about, work).await
}

/// Have what is outstanding of an order paid at a gateway. The same again gives the same payment page.
#[utoipa::path(post, path = "/api/v1/orders/{id}/online-payments", request_body = NewOnline,
    params(("id" = String, Path)),
    responses((status = 200, body = OnlinePaymentView), (status = 409, description = "paid already, or open elsewhere"),
        (status = 503, description = "the gateway did not answer: ask again")))]
pub(super) async fn open(
    permit: Permit<OpenOnlinePayment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewOnline>,
) -> Result<Json<OnlinePaymentView>, Problem> {
    open_order(&app, permit, &id, &body.value).await.map(|payment| Json(payment.into()))
}

/// An online payment.
#[utoipa::path(get, path = "/api/v1/online-payments/{id}", params(("id" = String, Path)),
    responses((status = 200, body = OnlinePaymentView)))]
pub(super) async fn online_payment(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<OnlinePaymentView>, Problem> {
    Ok(Json(app.online_payment(&OnlinePaymentId::parse(&id)?)?.into()))
}

/// Let nobody pay it any more. When it was paid before, the answer says so.
#[utoipa::path(post, path = "/api/v1/online-payments/{id}/closing", params(("id" = String, Path)),
    responses((status = 200, body = OnlinePaymentView)))]
pub(super) async fn close(
    permit: Permit<CloseOnlinePayment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<OnlinePaymentView>, Problem> {
    let actor = permit.actor().clone();
    let action = Action::CloseOnlinePayment;
    let about = About { actor: &actor, action, object: "online-payment", id: &id };
    let work = async { app.close_online_payment(permit, OnlinePaymentId::parse(&id)?).await };
    app.audited(about, work).await.map(|payment| Json(payment.into()))
}
