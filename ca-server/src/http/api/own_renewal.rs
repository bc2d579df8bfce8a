//! What the holder of a certificate may know of its renewal before it begins: what it is, what it costs, how to pay.
//!
//! The holder shows the certificate and needs no account: whoever has the token may know what renewing it costs.

use std::sync::Arc;

use axum::{Json, extract::State};
use ca_core::OnlinePaymentState;
use serde::Serialize;
use utoipa::ToSchema;

use super::orders::{ChargeView, OrderView, charge_views};
use crate::{app::App, http::auth::Holder, problem::Problem};

/// A renewal, rekey or change, as its holder sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnRenewalView {
    /// Serial number of the certificate that it renews.
    certificate: String,
    application: String,
    /// `renew`, `rekey` or `change`.
    kind: &'static str,
    /// The state of its application; `active` when it is done.
    state: &'static str,
    order: OrderView,
    charges: Vec<ChargeView>,
    /// Where it can be paid online now, when somebody has asked for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_url: Option<String>,
}

/// The renewal of the certificate of this connection: what it is and what is still to be paid.
#[utoipa::path(get, path = "/api/v1/renewals/own", responses((status = 200, body = OwnRenewalView),
    (status = 404, description = "no renewal was applied for")))]
pub(super) async fn own_renewal(
    Holder(serial): Holder,
    State(app): State<Arc<App>>,
) -> Result<Json<OwnRenewalView>, Problem> {
    let (of, application, bill) = app.renewal_of(serial)?;
    app.store.read(|reader| {
        let online = reader.online_payments_of(&bill.order.id)?;
        let pay_url = online.into_iter().find_map(|payment| match payment.state {
            OnlinePaymentState::Offered { url } => Some(url),
            _ => None,
        });
        Ok(Json(OwnRenewalView {
            certificate: of.to_string(),
            kind: application.kind.name(),
            state: application.state.name(),
            application: application.id.to_string(),
            charges: charge_views(reader, &bill)?,
            order: bill.order.into(),
            pay_url,
        }))
    })
}
