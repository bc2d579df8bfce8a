//! Step 4: what happens to an order inside the transaction of what it follows from.

use ca_core::{
    Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState, OrderId, PaymentId,
    billing::{Bill, BillCommand, BillRefusal, Charge, Order, OrderState, Payer, Quote, Tariff},
};
use ca_store::{Reader, Tx};
use ca_verifier::Time;

use super::{App, apply::advance};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

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
}

impl App {
    /// What an application would cost.
    pub(crate) fn quote_now(&self, kind: ApplicationKind, years: u16, now: Time) -> Result<Quote, Problem> {
        let tariff = self.tariff(now)?;
        self.store.read(|reader| quote(reader, &tariff, kind, years, now))
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
        waived: ca_core::Fen::ZERO,
        received: ca_core::Fen::ZERO,
        refunded: ca_core::Fen::ZERO,
    };
    let charge = Charge {
        application: application.id.clone(),
        kind: application.kind.name(),
        total: quote.total,
        waived: ca_core::Fen::ZERO,
        refunded: ca_core::Fen::ZERO,
        earned: ca_core::Fen::ZERO,
        live: true,
    };
    let bill = Bill::quoted(order, vec![charge])?;
    Ok(tx.insert_bill(&bill, std::slice::from_ref(&quote.lines))?)
}

/// Another price, of an application that was corrected or of a quote that is not honoured any more.
pub(super) fn requote(
    tx: &mut Tx<'_>,
    before: &Bill,
    application: &ApplicationId,
    quote: &Quote,
    now: Time,
) -> Result<Bill, Problem> {
    let mut after = before.clone();
    after.apply(&BillCommand::Requote { application: application.clone(), total: quote.total })?;
    after.order.tariff.clone_from(&quote.tariff);
    (after.order.quoted_at, after.order.honoured_until) = (now, quote.honoured_until);
    tx.change_bill(before, &after)?;
    tx.replace_lines(application, &quote.lines)?;
    Ok(after)
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
    tx.change_bill(before, &after)?;
    tx.book((command.name(), cause), Some(&after.order.id), &postings, now)?;
    if before.order.state != OrderState::Paid && after.order.state == OrderState::Paid {
        for charge in after.charges.iter().filter(|charge| charge.live) {
            advance(tx, &charge.application, ApplicationCommand::Settle { payment: payment.cloned() })?;
        }
    }
    Ok(after)
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
