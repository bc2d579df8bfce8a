//! `/api/v1`: each handler takes a permit, calls one use case, shows one view.

mod accounts;
mod adjustments;
mod agents;
mod applications;
mod appointments;
mod bank;
mod batches;
mod certificates;
mod chargebacks;
mod holds;
mod invoices;
mod key_revocations;
mod log;
mod notices;
mod online;
mod orders;
mod own;
mod own_orders;
mod own_renewal;
mod people;
mod push;
mod register;
mod renewals;
mod reports;
mod shifts;
mod standings;
mod tokens;
mod trainings;
mod units;
mod workstations;

use std::sync::Arc;

use axum::{
    Json,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::{log::LogView, standings::OneStatusView};
use super::upload::UPLOAD_MAX;
use crate::{
    app::{App, INVOICE_FILE_MAX, Made},
    problem::Problem,
};

#[derive(OpenApi)]
#[openapi(info(
    title = "Qianyin (签印)",
    description = "Certificate authority for organisations. Staff and holders are known by their client certificate; \
                       errors are problem documents (RFC 9457) in Chinese and English."
))]
struct Document;

/// 5,000 orders, each with quotes and a comma.
const ORDERS_BODY_MAX: usize = 256 * 1024;

/// Lists of units: files, with a limit of their own.
fn uploads() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(batches::check, batches::batches))
        .routes(routes!(bank::import))
        .routes(routes!(tokens::import, tokens::deliveries))
        .layer(DefaultBodyLimit::max(UPLOAD_MAX))
}

/// As many orders as a department has units.
fn collections() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(orders::collect, orders::orders))
        .layer(DefaultBodyLimit::max(ORDERS_BODY_MAX))
}

/// Invoices as the tax bureau gives them.
fn invoice_files() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(invoices::attach, invoices::file))
        .layer(DefaultBodyLimit::max(INVOICE_FILE_MAX))
}

/// What needs no proof but a signature: over TLS and plain HTTP alike.
fn key_revocations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(key_revocations::challenge))
        .routes(routes!(key_revocations::revoke))
        .layer(DefaultBodyLimit::max(key_revocations::BODY_MAX))
}

/// The same for the listener of plain HTTP.
pub(super) fn key_revocation_router() -> axum::Router<Arc<App>> {
    key_revocations().split_for_parts().0
}

/// What is signed itself: over TLS and plain HTTP alike.
fn pushes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(push::stream)).routes(routes!(push::snapshot))
}

/// The same for the listener of plain HTTP.
pub(super) fn push_router() -> axum::Router<Arc<App>> {
    pushes().split_for_parts().0
}

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(units::register_unit, units::units))
        .routes(routes!(units::unit))
        .routes(routes!(units::record_event, units::events))
        .routes(routes!(units::event, units::cancel_event))
        .routes(routes!(accounts::open_unit_account))
        .routes(routes!(accounts::open_agent_account))
        .routes(routes!(accounts::log_in, accounts::log_out))
        .routes(routes!(accounts::change_password))
        .routes(routes!(own::own))
        .routes(routes!(own::own_trainings, own::submit_own_training))
        .routes(routes!(own::resubmit_own_training))
        .routes(routes!(own::withdraw_own_training))
        .routes(routes!(own::own_applications))
        .routes(routes!(own::own_application))
        .routes(routes!(own::withdraw_own_application))
        .routes(routes!(notices::contact, notices::change_contact))
        .routes(routes!(notices::notices))
        .routes(routes!(notices::retry_notice))
        .routes(routes!(agents::register_agent, agents::agents))
        .routes(routes!(agents::search_agents))
        .routes(routes!(agents::agent))
        .routes(routes!(agents::change_card))
        .routes(routes!(agents::enter_id_card))
        .routes(routes!(agents::reveal))
        .routes(routes!(register::register))
        .routes(routes!(people::qualify_agent))
        .routes(routes!(people::confirm_agent))
        .routes(routes!(people::release_agent))
        .routes(routes!(trainings::submit_training, trainings::trainings))
        .routes(routes!(trainings::training))
        .routes(routes!(trainings::accept_training))
        .routes(routes!(trainings::reject_training))
        .routes(routes!(trainings::resubmit_training))
        .routes(routes!(trainings::withdraw_training))
        .routes(routes!(trainings::invite))
        .routes(routes!(trainings::plan, trainings::sessions))
        .routes(routes!(trainings::record_result))
        .routes(routes!(applications::submit, applications::list))
        .routes(routes!(applications::application, applications::correct))
        .routes(routes!(applications::approve))
        .routes(routes!(applications::reject))
        .routes(routes!(applications::withdraw))
        .routes(routes!(applications::pay))
        .routes(routes!(orders::quote))
        .merge(collections())
        .routes(routes!(orders::order))
        .routes(routes!(orders::order_of))
        .routes(routes!(orders::pay))
        .routes(routes!(orders::spend_credit))
        .routes(routes!(orders::receipt))
        .routes(routes!(orders::statement))
        .routes(routes!(bank::lines))
        .routes(routes!(bank::assign))
        .routes(routes!(bank::request_return))
        .routes(routes!(bank::approve_return))
        .routes(routes!(bank::reject_return))
        .routes(routes!(online::gateways))
        .routes(routes!(online::open))
        .routes(routes!(online::online_payment))
        .routes(routes!(online::close))
        .routes(routes!(own_orders::own_orders))
        .routes(routes!(own_orders::own_order))
        .routes(routes!(own_orders::own_statement))
        .routes(routes!(own_orders::open_own))
        .routes(routes!(workstations::workstations))
        .routes(routes!(workstations::pin_slip))
        .routes(routes!(workstations::goodbye))
        .routes(routes!(workstations::line, workstations::start_line, workstations::stop_line))
        .routes(routes!(tokens::tokens))
        .routes(routes!(tokens::token))
        .routes(routes!(tokens::counts))
        .routes(routes!(tokens::transfer))
        .routes(routes!(tokens::spoiled))
        .routes(routes!(tokens::missing))
        .routes(routes!(tokens::restored))
        .routes(routes!(tokens::returned))
        .routes(routes!(shifts::shifts))
        .routes(routes!(shifts::check))
        .routes(routes!(shifts::close))
        .routes(routes!(shifts::request_reopen))
        .routes(routes!(shifts::reopen))
        .routes(routes!(shifts::reject_reopen))
        .routes(routes!(reports::reconciliation))
        .routes(routes!(reports::revenue))
        .routes(routes!(reports::expected_renewals))
        .routes(routes!(reports::statement_table))
        .merge(invoice_files())
        .routes(routes!(invoices::check))
        .routes(routes!(invoices::request))
        .routes(routes!(invoices::invoices))
        .routes(routes!(invoices::invoice))
        .routes(routes!(invoices::issue))
        .routes(routes!(invoices::refuse))
        .routes(routes!(invoices::red_letter))
        .routes(routes!(invoices::check_own))
        .routes(routes!(invoices::request_own))
        .routes(routes!(invoices::own_invoices))
        .routes(routes!(invoices::own_file))
        .routes(routes!(adjustments::request))
        .routes(routes!(adjustments::adjustments))
        .routes(routes!(adjustments::adjustment))
        .routes(routes!(adjustments::approve))
        .routes(routes!(adjustments::reject))
        .routes(routes!(adjustments::withdraw))
        .routes(routes!(adjustments::pay_out))
        .routes(routes!(chargebacks::record))
        .routes(routes!(chargebacks::chargebacks))
        .routes(routes!(chargebacks::chargeback))
        .routes(routes!(chargebacks::settle))
        .routes(routes!(applications::claim))
        .routes(routes!(applications::abandon))
        .routes(routes!(applications::hand_over))
        .routes(routes!(applications::renew_activation_code))
        .routes(routes!(workstations::exchange))
        .routes(routes!(workstations::activate))
        .routes(routes!(own_renewal::own_renewal))
        .routes(routes!(renewals::renew))
        .routes(routes!(renewals::renewals))
        .routes(routes!(certificates::certificate))
        .routes(routes!(certificates::hold))
        .routes(routes!(certificates::release))
        .routes(routes!(certificates::revoke))
        .routes(routes!(holds::holds))
        .routes(routes!(holds::report))
        .routes(routes!(holds::report_own))
        .routes(routes!(standings::certificate_status))
        .routes(routes!(standings::certificate_statuses))
        .merge(key_revocations())
        .merge(pushes())
        .merge(uploads())
        .routes(routes!(batches::batch, batches::withdraw))
        .routes(routes!(batches::submit))
        .routes(routes!(batches::rejected))
        .routes(routes!(batches::remainder))
        .routes(routes!(batches::plan))
        .routes(routes!(appointments::counters))
        .routes(routes!(appointments::book, appointments::appointments))
        .routes(routes!(appointments::move_to, appointments::cancel))
        .routes(routes!(appointments::result))
        .routes(routes!(log::log))
}

/// What was made.
#[derive(Serialize, ToSchema)]
struct MadeView {
    /// Its identifier.
    id: String,
}

/// 201 for what was made now, 200 for what the same request had made before.
fn made<T: ToString>(made: Made<T>) -> Response {
    let (status, id) = match made {
        Made::Now(id) => (StatusCode::CREATED, id),
        Made::Before(id) => (StatusCode::OK, id),
    };
    (status, Json(MadeView { id: id.to_string() })).into_response()
}

/// A name in a query that is one of a list; a typing error must not look like an empty list.
fn check_known(field: &'static str, found: Option<&str>, names: &[&str]) -> Result<(), Problem> {
    match found.filter(|found| !names.contains(found)) {
        Some(_) => Err(Problem::field(field, format!("one of {} is needed", names.join(", ")))),
        None => Ok(()),
    }
}
