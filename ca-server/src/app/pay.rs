//! Step 4: money that is taken at a counter, and credit that is spent.

use std::cmp::Ordering;

use ca_core::{
    Action, Actor, ApplicationId, AuditEntry, Fen, OrderId, PaymentId,
    billing::{Account, Bill, BillCommand, Payment, PaymentMethod},
};
use ca_store::{Tx, WriteSite};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, bill, once, shift};
use crate::{
    permit::{Permit, RecordPayment, SpendCredit},
    problem::Problem,
    rule::Rule,
    wire,
};

/// What a cashier can take.
const AT_COUNTER: [PaymentMethod; 3] = [PaymentMethod::Cash, PaymentMethod::Card, PaymentMethod::Transfer];

/// A payment, as the cashier enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    /// How much, in fen.
    pub(crate) amount_fen: i64,
    /// ISO 4217; only `CNY` is taken.
    pub(crate) currency: String,
    /// `cash`, `card` or `transfer`.
    pub(crate) method: String,
    /// Number of the paper receipt; each is used once.
    pub(crate) receipt_no: String,
    /// The counter at which it is taken.
    #[serde(default)]
    pub(crate) counter: Option<String>,
    /// Less than what is outstanding is meant: the rest follows.
    #[serde(default)]
    pub(crate) part: bool,
    /// More than what is outstanding is meant: the rest becomes the payer's credit.
    #[serde(default)]
    pub(crate) surplus_to_credit: bool,
    /// Though the order can be paid at a gateway at this moment; what comes from there as well becomes credit.
    #[serde(default)]
    pub(crate) beside_online: bool,
}

/// What is paid for.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// The order of one application.
    Application(ApplicationId),
    /// An order.
    Order(OrderId),
}

impl App {
    pub(crate) async fn record_payment(
        &self,
        permit: Permit<RecordPayment>,
        due: Due,
        new: NewPayment,
        key: Once,
    ) -> Result<Made<PaymentId>, Problem> {
        let now = wire::now();
        let cashier = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        if new.currency != "CNY" {
            return Err(Problem::new(Rule::Currency).with("found", new.currency));
        }
        let method = PaymentMethod::from_name(&new.method).filter(|method| AT_COUNTER.contains(method));
        let method = method.ok_or_else(|| {
            let names = AT_COUNTER.map(PaymentMethod::name);
            Problem::field("method", format!("one of {}", names.join(", ")))
        })?;
        check_reference("receipt_no", &new.receipt_no)?;
        let counter = new.counter.map(|text| self.counter(&text)).transpose()?;
        let amount = Fen::new(new.amount_fen);
        let (part, surplus) = (new.part, new.surplus_to_credit);
        let id = PaymentId::new(now, wire::random()?);
        let code = receipt_code()?;
        self.store
            .write(WriteSite::RecordPayment, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(PaymentId::parse(&before)?));
                }
                shift::refuse_closed(tx, counter.as_deref(), now)?;
                let bill = find(tx, &due)?;
                bill::payable(tx, &bill)?;
                if !new.beside_online {
                    bill::refuse_while_online(tx, &bill.order.id)?;
                }
                let outstanding = bill.order.outstanding();
                let amounts = |rule| Problem::new(rule).with("due", outstanding).with("paid", amount);
                match amount.cmp(&outstanding) {
                    Ordering::Less if !part => return Err(amounts(Rule::PaymentShort)),
                    Ordering::Greater if !surplus => return Err(amounts(Rule::PaymentOver)),
                    _ => {}
                }
                let payment = Payment {
                    id: id.clone(),
                    order: Some(bill.order.id.clone()),
                    payer: Some(bill.order.payer.clone()),
                    method,
                    reference: new.receipt_no,
                    amount,
                    cashier: Some(cashier),
                    counter,
                    code,
                    at: now,
                };
                receive(tx, permit.actor(), &bill, &payment, &[])?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// Spends the payer's credit on an order, as far as it goes.
    pub(crate) async fn spend_credit(
        &self,
        permit: Permit<SpendCredit>,
        order: OrderId,
    ) -> Result<Bill, Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::RecordPayment, move |tx| {
                let before = find(tx, &Due::Order(order))?;
                bill::payable(tx, &before)?;
                let credit = tx.balance(&Account::Credit(before.order.payer.clone()))?;
                if credit == Fen::ZERO {
                    return Err(Problem::new(Rule::CreditNone).with("payer", &before.order.payer));
                }
                let cause = (before.order.id.as_str(), None);
                let after = bill::change(tx, &before, &BillCommand::Draw { credit }, cause, now)?;
                let spent = after.order.received.get() - before.order.received.get();
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::SpendCredit, "order", &after.order.id);
                tx.append_audit(&entry.with("amount", spent).with("state", after.order.state.name()))?;
                Ok(after)
            })
            .await
    }
}

/// Money that came in for an order, whoever took it, with what else the log says of it: the payment, the order, the book, what it settles, the log.
pub(super) fn receive(
    tx: &mut Tx<'_>,
    actor: &Actor,
    before: &Bill,
    payment: &Payment,
    facts: &[(&'static str, String)],
) -> Result<Bill, Problem> {
    let command = BillCommand::Receive { method: payment.method, amount: payment.amount };
    let after = bill::change(tx, before, &command, (payment.id.as_str(), Some(&payment.id)), payment.at)?;
    tx.insert_payment(payment)?;
    let entry = AuditEntry::done(payment.at, actor, Action::RecordPayment, "payment", &payment.id);
    let entry = entry.with("order", &after.order.id).with("amount", payment.amount.get());
    let entry = entry.with("method", payment.method.name()).with("receipt", &payment.reference);
    let entry = entry.with("state", after.order.state.name());
    let entry = facts.iter().fold(entry, |entry, (name, fact)| entry.with(name, fact));
    tx.append_audit(&entry)?;
    Ok(after)
}

fn find(tx: &mut Tx<'_>, due: &Due) -> Result<Bill, Problem> {
    match due {
        Due::Application(id) => bill::bill_of(tx, id),
        Due::Order(id) => tx.bill(id)?.ok_or_else(|| Problem::not_found("order")),
    }
}

/// A number that the other side gives: of a receipt, a bank, a gateway.
pub(super) fn check_reference(field: &'static str, text: &str) -> Result<(), Problem> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Problem::field(field, "1 to 64 visible ASCII characters are needed"))
    }
}

/// 128 random bits: whoever has the receipt can look it up, nobody can guess one.
pub(super) fn receipt_code() -> Result<String, Problem> {
    Ok(hex::encode(wire::random::<16>()?))
}
