//! Orders: what is to be paid and why, what was paid, and what a payer's account says.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use ca_core::{
    Action, AgentId, ApplicationId, ApplicationKind, OrderId, PaymentId, UnitId,
    billing::{Account, Bill, Booked, Charge, Order, OrderState, Payer, Payment, Quote, QuoteLine},
};
use ca_store::{OrderFilter, Reader};
use ca_verifier::{Serial, UnitCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, adjustments::AdjustmentView, made, online::OnlinePaymentView};
use crate::{
    app::{About, App, Collection, Due, NewPayment},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{CollectOrders, Permit, ReadRecords, RecordPayment, SpendCredit},
    problem::Problem,
    receipt::item_words,
    wire,
};

const PAGE: i64 = 100;
/// Waivers and refunds of one order.
const ADJUSTMENTS: i64 = 1_000;

/// One line of a price.
#[derive(Serialize, ToSchema)]
pub(super) struct LineView {
    /// `token`, `certificate-year` or `service`.
    item: &'static str,
    zh: &'static str,
    en: &'static str,
    quantity: u16,
    /// Price of one, in fen.
    price_fen: i64,
    /// Quantity times price, in fen.
    amount_fen: i64,
    /// Why it costs other than the tariff says: `free-exchange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl LineView {
    fn of(line: QuoteLine) -> Result<Self, Problem> {
        let (zh, en) = item_words(line.item);
        let amount_fen = line.amount()?.get();
        let (item, quantity, price_fen) = (line.item.name(), line.quantity, line.price.get());
        Ok(Self { item, zh, en, quantity, price_fen, amount_fen, note: line.note })
    }

    fn all(lines: Vec<QuoteLine>) -> Result<Vec<Self>, Problem> {
        lines.into_iter().map(Self::of).collect()
    }
}

/// What an application would cost now.
#[derive(Serialize, ToSchema)]
pub(super) struct QuoteView {
    /// The tariff's version.
    tariff: String,
    /// The last moment at which it would be honoured.
    honoured_until: String,
    total_fen: i64,
    lines: Vec<LineView>,
}

impl QuoteView {
    fn of(quote: Quote) -> Result<Self, Problem> {
        Ok(Self {
            tariff: quote.tariff,
            honoured_until: quote.honoured_until.to_string(),
            total_fen: quote.total.get(),
            lines: LineView::all(quote.lines)?,
        })
    }
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderView {
    id: String,
    /// Who pays: `unit:` or `agent:` and our identifier.
    payer: String,
    /// `quoted`, `due`, `part-paid`, `paid`, `refunded` or `cancelled`.
    state: &'static str,
    /// The tariff's version.
    tariff: String,
    quoted_at: String,
    /// The last moment at which the quoted prices are honoured.
    honoured_until: String,
    total_fen: i64,
    /// Of the total, what is not asked for.
    waived_fen: i64,
    /// Of the total, what was paid.
    received_fen: i64,
    /// Of what was paid, what was given back.
    refunded_fen: i64,
    /// What is still to be paid.
    outstanding_fen: i64,
    /// What a payer writes into the remark of a bank transfer.
    transfer_code: String,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        Self {
            outstanding_fen: order.outstanding().get(),
            transfer_code: order.transfer_code(),
            id: order.id.to_string(),
            payer: order.payer.to_string(),
            state: order.state.name(),
            tariff: order.tariff,
            quoted_at: order.quoted_at.to_string(),
            honoured_until: order.honoured_until.to_string(),
            total_fen: order.total.get(),
            waived_fen: order.waived.get(),
            received_fen: order.received.get(),
            refunded_fen: order.refunded.get(),
        }
    }
}

/// What one application costs, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct ChargeView {
    application: String,
    /// What it asks for.
    kind: &'static str,
    total_fen: i64,
    waived_fen: i64,
    refunded_fen: i64,
    /// Of the price, what was earned by handing over.
    earned_fen: i64,
    /// Whether it is still wanted.
    live: bool,
    lines: Vec<LineView>,
}

impl ChargeView {
    fn of(charge: Charge, lines: Vec<QuoteLine>) -> Result<Self, Problem> {
        Ok(Self {
            application: charge.application.to_string(),
            kind: charge.kind,
            total_fen: charge.total.get(),
            waived_fen: charge.waived.get(),
            refunded_fen: charge.refunded.get(),
            earned_fen: charge.earned.get(),
            live: charge.live,
            lines: LineView::all(lines)?,
        })
    }
}

/// A payment.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentView {
    id: String,
    /// `cash`, `card`, `transfer` or `online`.
    method: &'static str,
    /// The number that the other side gave it.
    reference: String,
    amount_fen: i64,
    cashier: Option<String>,
    counter: Option<String>,
    at: String,
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        Self {
            id: payment.id.to_string(),
            method: payment.method.name(),
            reference: payment.reference,
            amount_fen: payment.amount.get(),
            cashier: payment.cashier.map(|id| id.to_string()),
            counter: payment.counter,
            at: payment.at.to_string(),
        }
    }
}

/// An order with everything that belongs to it.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeOrderView {
    #[serde(flatten)]
    order: OrderView,
    charges: Vec<ChargeView>,
    payments: Vec<PaymentView>,
    online_payments: Vec<OnlinePaymentView>,
    adjustments: Vec<AdjustmentView>,
}

/// What an order is for, with its lines.
pub(super) fn charge_views(reader: &mut Reader<'_>, bill: &Bill) -> Result<Vec<ChargeView>, Problem> {
    let mut explained = reader.charge_lines(&bill.order.id)?;
    let views = bill.charges.iter().map(|charge| {
        let lines = explained.remove(&charge.application).unwrap_or_default();
        ChargeView::of(charge.clone(), lines)
    });
    views.collect()
}

fn whole(reader: &mut Reader<'_>, bill: Bill) -> Result<WholeOrderView, Problem> {
    let id = bill.order.id.clone();
    let charges = charge_views(reader, &bill)?;
    let adjustments = reader.adjustments(None, Some(&id), None, ADJUSTMENTS)?;
    Ok(WholeOrderView {
        order: bill.order.into(),
        charges,
        payments: reader.payments_of(&id)?.into_iter().map(PaymentView::from).collect(),
        online_payments: reader.online_payments_of(&id)?.into_iter().map(OnlinePaymentView::from).collect(),
        adjustments: adjustments.into_iter().map(AdjustmentView::from).collect(),
    })
}

/// What is to be quoted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct QuoteQuery {
    /// `new`, `renew`, `rekey`, `replace`, `change`, `revoke`, `hold`, `release` or `unlock`.
    kind: String,
    /// Years that are bought; 0 where none are.
    #[serde(default)]
    years: u16,
    /// Serial number of the certificate that it is about.
    certificate: Option<String>,
    /// What happened to the token: `lost` or `damaged`.
    cause: Option<String>,
}

/// What an application would cost if it were entered now, line by line. Nothing is kept.
#[utoipa::path(get, path = "/api/v1/quote", params(QuoteQuery), responses((status = 200, body = QuoteView),
    (status = 422, description = "years outside the tariff")))]
pub(super) async fn quote(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<QuoteQuery>,
) -> Result<Json<QuoteView>, Problem> {
    let certificate = query.certificate.as_deref().map(Serial::from_hex).transpose();
    let certificate = certificate.map_err(|_| Problem::not_found("certificate"))?;
    let kind = ApplicationKind::from_parts(&query.kind, certificate, query.cause.as_deref())?;
    Ok(Json(QuoteView::of(app.quote_now(kind, query.years, wire::now())?)?))
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those that this unit pays, by its code.
    unit: Option<String>,
    /// Only those that this agent pays, by our identifier.
    agent: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Orders, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/orders", params(ListQuery), responses((status = 200, body = [OrderView])))]
pub(super) async fn orders(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<OrderView>>, Problem> {
    let after = query.after.as_deref().map(OrderId::parse).transpose()?;
    let state = query.state.as_deref().map(OrderState::from_name).transpose()?;
    let code = query.unit.as_deref().map(UnitCode::parse).transpose()?;
    let agent = query.agent.as_deref().map(AgentId::parse).transpose()?;
    let found = app.store.read(|reader| {
        let payer = match (code, agent) {
            (Some(_), Some(_)) => return Err(Problem::field("agent", "either unit or agent")),
            (Some(code), None) => Some(Payer::Unit(unit_of(reader, code)?)),
            (None, agent) => agent.map(Payer::Agent),
        };
        Ok(reader.orders(&OrderFilter { state, payer, after, limit: PAGE, ..OrderFilter::default() })?)
    })?;
    Ok(Json(found.into_iter().map(OrderView::from).collect()))
}

fn unit_of(reader: &mut Reader<'_>, code: UnitCode) -> Result<UnitId, Problem> {
    Ok(reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?.id)
}

/// One order: its charges line by line, payments, waivers and refunds.
#[utoipa::path(get, path = "/api/v1/orders/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WholeOrderView)))]
pub(super) async fn order(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeOrderView>, Problem> {
    let id = OrderId::parse(&id)?;
    app.store.read(|reader| {
        let bill = reader.bill(&id)?.ok_or_else(|| Problem::not_found("order"))?;
        whole(reader, bill).map(Json)
    })
}

/// The order that an application is on.
#[utoipa::path(get, path = "/api/v1/applications/{id}/order", params(("id" = String, Path)),
    responses((status = 200, body = WholeOrderView)))]
pub(super) async fn order_of(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeOrderView>, Problem> {
    let id = ApplicationId::parse(&id)?;
    app.store.read(|reader| {
        let bill = reader.bill_of(&id)?.ok_or_else(|| Problem::not_found("order"))?;
        whole(reader, bill).map(Json)
    })
}

/// Make one order of several that are due, for one payer. The prices stay as they were quoted.
#[utoipa::path(post, path = "/api/v1/orders", request_body = Collection,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 422, description = "one is not due")))]
pub(super) async fn collect(
    permit: Permit<CollectOrders>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<Collection>,
) -> Result<Response, Problem> {
    let once = key.once(&body);
    let about = About { actor: permit.actor(), action: Action::CollectOrders, object: "order", id: "" };
    app.audited(about, app.collect_orders(permit.clone(), body.value, once)).await.map(made)
}

/// A payment at the counter, of whatever is named.
pub(super) async fn record(
    app: &App,
    permit: &Permit<RecordPayment>,
    (object, id): (&'static str, &str),
    due: impl FnOnce(&str) -> Result<Due, Problem>,
    key: IdempotencyKey,
    body: Body<NewPayment>,
) -> Result<Response, Problem> {
    let once = key.once(&body);
    let about = About { actor: permit.actor(), action: Action::RecordPayment, object, id };
    let work = async { app.record_payment(permit.clone(), due(id)?, body.value, once).await };
    app.audited(about, work).await.map(made)
}

/// Record a payment at the counter: what is outstanding, or a part of it where that is said.
#[utoipa::path(post, path = "/api/v1/orders/{id}/payments", request_body = NewPayment,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "paid already"),
        (status = 422, description = "short, too much, or another currency")))]
pub(super) async fn pay(
    permit: Permit<RecordPayment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewPayment>,
) -> Result<Response, Problem> {
    record(&app, &permit, ("order", &id), |id| Ok(Due::Order(OrderId::parse(id)?)), key, body).await
}

/// The receipt of a payment, to be printed or sent.
#[utoipa::path(get, path = "/api/v1/payments/{id}/receipt", params(("id" = String, Path)),
    responses((status = 200, description = "the receipt", content_type = "application/pdf"),
        (status = 422, description = "a character that the font has not"),
        (status = 503, description = "no font")))]
pub(super) async fn receipt(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = PaymentId::parse(&id)?;
    let name = format!("inline; filename=\"receipt-{id}.pdf\"");
    let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, app.receipt_pdf(&id)?).into_response())
}

/// Spend the payer's credit on an order, as far as it goes.
#[utoipa::path(post, path = "/api/v1/orders/{id}/credit", params(("id" = String, Path)),
    responses((status = 200, body = OrderView), (status = 422, description = "no credit")))]
pub(super) async fn spend_credit(
    permit: Permit<SpendCredit>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<OrderView>, Problem> {
    let about = About { actor: permit.actor(), action: Action::SpendCredit, object: "order", id: &id };
    let work = async { app.spend_credit(permit.clone(), OrderId::parse(&id)?).await };
    app.audited(about, work).await.map(|bill| Json(bill.order.into()))
}

/// Which part of a statement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementQuery {
    /// Only entries after this number.
    after: Option<i64>,
}

/// What a payer's account says.
#[derive(Serialize, ToSchema)]
pub(super) struct StatementView {
    payer: String,
    /// Paid and not spent.
    credit_fen: i64,
    /// Entries, the oldest first, 100 at a time.
    entries: Vec<EntryView>,
}

/// One entry.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Its number in the book.
    number: i64,
    at: String,
    /// What was done: `payment`, `draw`, `cancel`, `refund`, …
    reason: String,
    /// Our identifier of what caused it.
    cause: String,
    order: Option<String>,
    /// The other account.
    other: String,
    /// More than 0: the payer's credit grew; less: it was spent.
    amount_fen: i64,
}

impl EntryView {
    fn of(booked: Booked, account: &Account) -> Self {
        let posting = &booked.posting;
        let (other, amount_fen) = if posting.credit() == account {
            (posting.debit(), posting.amount().get())
        } else {
            (posting.credit(), -posting.amount().get())
        };
        Self {
            number: booked.number,
            at: booked.at.to_string(),
            other: other.to_string(),
            reason: booked.reason,
            cause: booked.cause,
            order: booked.order.map(|id| id.to_string()),
            amount_fen,
        }
    }
}

/// A unit's statement: what it paid, what that was spent on, what is left.
#[utoipa::path(get, path = "/api/v1/units/{uscc}/statement", params(("uscc" = String, Path), StatementQuery),
    responses((status = 200, body = StatementView)))]
pub(super) async fn statement(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
    Query(query): Query<StatementQuery>,
) -> Result<Json<StatementView>, Problem> {
    let code = UnitCode::parse(&uscc)?;
    app.store.read(|reader| {
        let payer = Payer::Unit(unit_of(reader, code)?);
        statement_of(reader, payer, &query).map(Json)
    })
}

pub(super) fn statement_of(
    reader: &mut Reader<'_>,
    payer: Payer,
    query: &StatementQuery,
) -> Result<StatementView, Problem> {
    let text = payer.to_string();
    let account = Account::Credit(payer);
    let entries = reader.booked(&account, query.after.unwrap_or(0), PAGE)?;
    Ok(StatementView {
        payer: text,
        credit_fen: reader.balance(&account)?.get(),
        entries: entries.into_iter().map(|booked| EntryView::of(booked, &account)).collect(),
    })
}
