//! Step 4: what happens to an order inside the transaction of what it follows from.

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState,
    AuditEntry, Fen, OnlinePayment, OrderId, PaymentId,
    billing::{Bill, BillCommand, BillRefusal, Charge, Order, OrderState, Payer, Quote, Tariff},
};
use ca_store::{OrderFilter, Reader, Tx, WriteSite};
use ca_verifier::Time;

use super::{App, apply::advance, gate};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// Read from the database at once.
const PAGE: i64 = 1_000;

impl From<BillRefusal> for Problem {
    fn from(refusal: BillRefusal) -> Self {
        match refusal {
            BillRefusal::WrongState { state, command } => {
                Self::new(Rule::OrderState).with("state", state).with("command", command)
            }
            BillRefusal::Amount => Self::field("amount_fen", "more than 0 fen is needed"),
            BillRefusal::TooMuch { asked, most } => {
                Self::new(Rule::AmountTooMuch).with("asked", asked).with("most", most)
            }
            BillRefusal::NotOnOrder => Self::not_found("application"),
            other => Self::from(Failure::inconsistent(other)),
        }
    }
}

impl App {
    /// The tariff of today.
    pub(super) fn tariff(&self, now: Time) -> Result<Tariff, Problem> {
        self.policies.tariff(now).cloned().ok_or_else(|| Problem::new(Rule::TariffNone))
    }

    /// What an application would cost.
    pub(crate) fn quote_now(&self, kind: ApplicationKind, years: u16, now: Time) -> Result<Quote, Problem> {
        let tariff = self.tariff(now)?;
        self.store.read(|reader| quote(reader, &tariff, kind, years, now))
    }

    /// Orders whose quote is not honoured any more get today's prices, so that everybody sees what is to be paid now.
    pub(crate) async fn renew_quotes(&self, now: Time) -> Result<usize, Problem> {
        let tariff = self.tariff(now)?;
        let (mut renewed, mut after) = (0, None);
        loop {
            let filter = OrderFilter {
                state: Some(OrderState::Due),
                untouched_before: Some(now),
                after,
                limit: PAGE,
                ..OrderFilter::default()
            };
            let page = self.store.read(|reader| reader.orders(&filter))?;
            let Some(last) = page.last() else { return Ok(renewed) };
            after = Some(last.id.clone());
            for order in page {
                if !self.store.read(|reader| is_over(reader, &order, now))? {
                    continue;
                }
                let (tariff, id) = (tariff.clone(), order.id.clone());
                let work = move |tx: &mut Tx<'_>| renew_quote(tx, &tariff, &id, now);
                match self.store.write(WriteSite::RenewQuote, work).await {
                    Ok(done) => renewed += usize::from(done.is_some()),
                    // One that today's tariff does not price keeps its own; the others must not wait for it.
                    Err(problem) => {
                        let (id, rule) = (&order.id, problem.rule.name());
                        tracing::warn!(%id, cause = ?problem.cause(), "quote: {rule}");
                    }
                }
            }
        }
    }
}

/// What an application costs that is entered or corrected now.
pub(super) fn quote(
    reader: &mut Reader<'_>,
    tariff: &Tariff,
    kind: ApplicationKind,
    years: u16,
    now: Time,
) -> Result<Quote, Problem> {
    let since = match kind.certificate() {
        Some(of) => reader.certificate(&of)?.map(|record| record.not_before),
        None => None,
    };
    Ok(tariff.quote(kind, years, since, now)?)
}

/// The order of a new application: quoted, for the unit to pay.
pub(super) fn quoted(
    tx: &mut Tx<'_>,
    application: &Application,
    quote: &Quote,
    now: Time,
) -> Result<(), Problem> {
    let order = Order {
        id: OrderId::new(now, wire::random()?),
        payer: Payer::Unit(application.unit.clone()),
        tariff: quote.tariff.clone(),
        quoted_at: now,
        honoured_until: quote.honoured_until,
        state: OrderState::Quoted,
        total: quote.total,
        waived: Fen::ZERO,
        received: Fen::ZERO,
        refunded: Fen::ZERO,
    };
    let charge = Charge {
        application: application.id.clone(),
        kind: application.kind.name(),
        total: quote.total,
        waived: Fen::ZERO,
        refunded: Fen::ZERO,
        earned: Fen::ZERO,
        live: true,
    };
    let bill = Bill::quoted(order, vec![charge])?;
    Ok(tx.insert_bill(&bill, std::slice::from_ref(&quote.lines))?)
}

/// Other prices, of an application that was corrected or of a quote that is not honoured any more.
pub(super) fn requote(
    tx: &mut Tx<'_>,
    before: &Bill,
    quotes: &[(ApplicationId, Quote)],
    now: Time,
) -> Result<Bill, Problem> {
    let mut after = before.clone();
    let prices = quotes.iter().map(|(application, quote)| (application.clone(), quote.total)).collect();
    after.apply(&BillCommand::Requote { prices })?;
    if let Some((_, quote)) = quotes.first() {
        after.order.tariff.clone_from(&quote.tariff);
        (after.order.quoted_at, after.order.honoured_until) = (now, quote.honoured_until);
    }
    keep(tx, before, &after, None)?;
    for (application, quote) in quotes {
        tx.replace_lines(application, &quote.lines)?;
    }
    Ok(after)
}

/// Whether an order still waits for today's prices: nothing was paid or waived, and nobody is about to pay what was quoted.
fn is_over(reader: &mut Reader<'_>, order: &Order, now: Time) -> Result<bool, Problem> {
    let untouched = order.state == OrderState::Due && order.waived == Fen::ZERO;
    Ok(untouched && now > order.honoured_until && live_online_payment(reader, &order.id)?.is_none())
}

/// Today's prices for an order; `None` when somebody was faster.
fn renew_quote(tx: &mut Tx<'_>, tariff: &Tariff, id: &OrderId, now: Time) -> Result<Option<Bill>, Problem> {
    let Some(before) = tx.bill(id)? else { return Ok(None) };
    if !is_over(tx, &before.order, now)? {
        return Ok(None);
    }
    let mut quotes = Vec::new();
    for charge in before.charges.iter().filter(|charge| charge.live) {
        let known = tx.application(&charge.application)?.ok_or_else(|| Problem::not_found("application"))?;
        quotes.push((known.id, quote(tx, tariff, known.kind, known.years, now)?));
    }
    let after = requote(tx, &before, &quotes, now)?;
    let entry = AuditEntry::done(now, &Actor::System("orders"), Action::RenewQuote, "order", id);
    let entry = entry.with("tariff", &after.order.tariff).with("before", before.order.total.get());
    let entry = entry.with("total", after.order.total.get());
    tx.append_audit(&entry.with("state", after.order.state.name()))?;
    Ok(Some(after))
}

/// The online payment by which the order can be paid at this moment.
pub(super) fn live_online_payment(
    reader: &mut Reader<'_>,
    order: &OrderId,
) -> Result<Option<OnlinePayment>, Problem> {
    Ok(reader.online_payments_of(order)?.into_iter().find(|online| online.state.is_live()))
}

/// While somebody may pay at a gateway, nobody pays in another way.
pub(super) fn refuse_while_online(reader: &mut Reader<'_>, order: &OrderId) -> Result<(), Problem> {
    live_online_payment(reader, order)?.map_or(Ok(()), |live| Err(open_already(&live)))
}

pub(super) fn open_already(live: &OnlinePayment) -> Problem {
    let problem = Problem::new(Rule::OnlinePaymentOpen).with("id", &live.id);
    problem.with("gateway", &live.gateway).with("amount", live.amount)
}

/// Whether money may be asked for an order now: it waits for some, and what it is for can still be made.
pub(super) fn payable(tx: &mut Tx<'_>, bill: &Bill) -> Result<(), Problem> {
    match bill.order.state {
        OrderState::Due | OrderState::PartPaid => {}
        OrderState::Paid | OrderState::Refunded => return Err(Problem::new(Rule::PaidAlready)),
        state => {
            let problem = Problem::new(Rule::OrderState).with("state", state.name());
            return Err(problem.with("command", "payment"));
        }
    }
    for charge in bill.charges.iter().filter(|charge| charge.live) {
        let known = tx.application(&charge.application)?.ok_or_else(|| Problem::not_found("application"))?;
        let unit = tx.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
        gate::application_fits(tx, &known, &unit)?;
    }
    Ok(())
}

/// The order that an application is on.
pub(super) fn bill_of(reader: &mut Reader<'_>, application: &ApplicationId) -> Result<Bill, Problem> {
    reader.bill_of(application)?.ok_or_else(|| Problem::not_found("order"))
}

/// One command to an order: the order, the book, and the applications that it settles.
pub(super) fn change(
    tx: &mut Tx<'_>,
    before: &Bill,
    command: &BillCommand,
    (cause, payment): (&str, Option<&PaymentId>),
    now: Time,
) -> Result<Bill, Problem> {
    let mut after = before.clone();
    let postings = after.apply(command)?;
    keep(tx, before, &after, payment)?;
    tx.book((command.name(), cause), Some(&after.order.id), &postings, now)?;
    Ok(after)
}

/// The order as it is now, and what that settles.
fn keep(tx: &mut Tx<'_>, before: &Bill, after: &Bill, payment: Option<&PaymentId>) -> Result<(), Problem> {
    tx.change_bill(before, after)?;
    if before.order.state != OrderState::Paid && after.order.state == OrderState::Paid {
        for charge in after.charges.iter().filter(|charge| charge.live) {
            advance(tx, &charge.application, ApplicationCommand::Settle { payment: payment.cloned() })?;
        }
    }
    Ok(())
}

/// The application was approved: its order is to be paid, or settled when it costs nothing.
pub(super) fn open(
    tx: &mut Tx<'_>,
    application: &ApplicationId,
    now: Time,
) -> Result<Option<ApplicationState>, Problem> {
    let bill = bill_of(tx, application)?;
    let bill = change(tx, &bill, &BillCommand::Open, (application.as_str(), None), now)?;
    if bill.order.state != OrderState::Paid {
        return Ok(None);
    }
    Ok(tx.application_state(application)?.map(|(_, state)| state))
}

/// The application ended before it was settled: nothing is due for it any more.
pub(super) fn cancel(tx: &mut Tx<'_>, application: &ApplicationId, now: Time) -> Result<(), Problem> {
    let bill = bill_of(tx, application)?;
    let command = BillCommand::Cancel { application: application.clone() };
    change(tx, &bill, &command, (application.as_str(), None), now).map(drop)
}

/// What was paid for the application was handed over.
pub(super) fn deliver(tx: &mut Tx<'_>, application: &ApplicationId, now: Time) -> Result<(), Problem> {
    let bill = bill_of(tx, application)?;
    let command = BillCommand::Deliver { application: application.clone() };
    change(tx, &bill, &command, (application.as_str(), None), now).map(drop)
}
