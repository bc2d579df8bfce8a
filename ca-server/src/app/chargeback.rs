//! Step 4, long after: a bank or a gateway takes a payment back. The money is arrears: the unit is told, and only when that
//! was some time ago and it has not been paid again is what was bought with it put on hold. Nothing is revoked for money.

use ca_core::{
    Action, Actor, AuditEntry, CertificateState, ChargebackId, Fen, HoldReason, NoticeAbout, NoticeKind,
    OrderId, PaymentId, UnitId,
    billing::{
        Account, Chargeback, ChargebackCommand, ChargebackState, Payment, PaymentMethod, Posting,
        check_chargeback,
    },
};
use ca_store::{CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::{Serial, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    hold::{Placing, place},
    notice::{notice_id, notify},
    once,
    pay::{check_reference, receipt_code},
    shift,
};
use crate::{
    permit::{Permit, RecordChargeback, SettleChargeback},
    problem::Problem,
    rule::Rule,
    wire,
};

const DAY_SECS: i64 = 86_400;
/// Chargebacks looked at in one turn.
const TURN: i64 = 100;

/// What the bank or the gateway says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChargeback {
    /// How much was taken back, in fen: all of the payment, or less.
    pub(crate) amount_fen: i64,
    /// The number that the bank or the gateway gives it; each is used once.
    pub(crate) reference: String,
}

/// The money, once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSettlement {
    /// All of what was taken back, in fen.
    pub(crate) amount_fen: i64,
    /// ISO 4217; only `CNY` is taken.
    pub(crate) currency: String,
    /// `cash`, `card`, `transfer` or `online`: the bank or the gateway may give it back itself.
    pub(crate) method: String,
    /// Number of the receipt, the bank or the gateway; each is used once.
    pub(crate) receipt_no: String,
    /// The counter at which it is taken.
    #[serde(default)]
    pub(crate) counter: Option<String>,
}

impl App {
    pub(crate) async fn record_chargeback(
        &self,
        permit: Permit<RecordChargeback>,
        payment: PaymentId,
        new: NewChargeback,
        key: Once,
    ) -> Result<Made<ChargebackId>, Problem> {
        let now = wire::now();
        let recorded_by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        check_reference("reference", &new.reference)?;
        let (id, amount) = (ChargebackId::new(now, wire::random()?), Fen::new(new.amount_fen));
        self.store
            .write(WriteSite::Chargeback, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(ChargebackId::parse(&before)?));
                }
                let paid = tx.payment(&payment)?.ok_or_else(|| Problem::not_found("payment"))?;
                check_chargeback(paid.method, paid.amount, amount)
                    .map_err(|error| Problem::field("amount_fen", error))?;
                // Money of nobody known goes back to whoever it came from, and nobody owes it.
                let order = paid.order.ok_or_else(|| Problem::new(Rule::ChargebackNoOrder))?;
                let chargeback = Chargeback {
                    id: id.clone(),
                    payment,
                    order: order.clone(),
                    amount,
                    reference: new.reference,
                    recorded_by,
                    recorded_at: now,
                    state: ChargebackState::Open,
                };
                tx.insert_chargeback(&chargeback)?;
                let posting = Posting::new(Account::Arrears, Account::Money(paid.method), amount);
                let postings: Vec<Posting> = posting.into_iter().collect();
                tx.book(("chargeback", id.as_str()), Some(&order), &postings, now)?;
                tell(tx, &order, NoticeKind::Arrears, now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RecordChargeback, "chargeback", &id);
                let entry = entry.with("payment", &chargeback.payment).with("order", &order);
                let entry = entry.with("amount", amount.get());
                tx.append_audit(&entry.with("reference", &chargeback.reference))?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// The money came again. What is on hold for it is released by an officer, who sees whether there is another reason.
    pub(crate) async fn settle_chargeback(
        &self,
        permit: Permit<SettleChargeback>,
        id: ChargebackId,
        new: NewSettlement,
        key: Once,
    ) -> Result<Made<PaymentId>, Problem> {
        let now = wire::now();
        let cashier = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        if new.currency != "CNY" {
            return Err(Problem::new(Rule::Currency).with("found", new.currency));
        }
        let method = PaymentMethod::from_name(&new.method).ok_or_else(|| {
            let names = PaymentMethod::ALL.map(PaymentMethod::name);
            Problem::field("method", format!("one of {}", names.join(", ")))
        })?;
        check_reference("receipt_no", &new.receipt_no)?;
        let counter = new.counter.map(|text| self.counter(&text)).transpose()?;
        let (payment, code) = (PaymentId::new(now, wire::random()?), receipt_code()?);
        self.store
            .write(WriteSite::Chargeback, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, payment.as_str(), now)? {
                    return Ok(Made::Before(PaymentId::parse(&before)?));
                }
                shift::refuse_closed(tx, counter.as_deref(), now)?;
                let known = tx.chargeback(&id)?.ok_or_else(|| Problem::not_found("chargeback"))?;
                let (due, paid) = (known.amount, Fen::new(new.amount_fen));
                if paid != due {
                    let rule = if paid < due { Rule::PaymentShort } else { Rule::PaymentOver };
                    return Err(Problem::new(rule).with("due", due).with("paid", paid));
                }
                let payer = tx.bill(&known.order)?.ok_or_else(|| Problem::not_found("order"))?.order.payer;
                // Of no order: the order was paid before, and is not paid twice.
                tx.insert_payment(&Payment {
                    id: payment.clone(),
                    order: None,
                    payer: Some(payer),
                    method,
                    reference: new.receipt_no,
                    amount: paid,
                    cashier: Some(cashier),
                    counter,
                    code,
                    at: now,
                })?;
                let next =
                    known.state.clone().transition(ChargebackCommand::Settle { payment: payment.clone() })?;
                tx.move_chargeback(&id, &known.state, &next)?;
                let posting = Posting::new(Account::Money(method), Account::Arrears, paid);
                let postings: Vec<Posting> = posting.into_iter().collect();
                tx.book(("settle", payment.as_str()), Some(&known.order), &postings, now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RecordPayment, "payment", &payment);
                let entry = entry.with("chargeback", &id).with("amount", paid.get());
                tx.append_audit(&entry.with("method", method.name()))?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::SettleChargeback, "chargeback", &id);
                tx.append_audit(&entry.with("payment", &payment).with("amount", paid.get()))?;
                Ok(Made::Now(payment))
            })
            .await
    }

    /// Puts on hold what was bought with money that is still missing so long after the unit was told; gives of how many
    /// orders. Whom no message reached is not held: the list of notices says so, for a person.
    pub(crate) async fn hold_arrears(&self, now: Time) -> Result<usize, Problem> {
        let days = i64::from(self.policies.fees().arrears_days());
        let (mut held, mut after) = (0, None);
        loop {
            let page = self.store.read(|reader| reader.chargebacks(Some("open"), after.as_ref(), TURN))?;
            let Some(last) = page.last() else { return Ok(held) };
            after = Some(last.id.clone());
            for known in page {
                let told = self.store.read(|reader| told(reader, &known))?;
                if told.is_none_or(|told| now < told.plus_secs(days * DAY_SECS)) {
                    continue;
                }
                let (id, placing) = (known.id.clone(), self.placing(HoldReason::Arrears));
                let work = self.store.write(WriteSite::Chargeback, move |tx| hold(tx, &known, placing, now));
                match work.await {
                    Ok(()) => held += 1,
                    Err(problem) => {
                        tracing::warn!(%id, cause = ?problem.cause(), "arrears: {}", problem.rule.name());
                    }
                }
            }
        }
    }
}

/// What was bought is not made, and money is not given back, while other money for it is missing.
pub(super) fn refuse_in_arrears(reader: &mut Reader<'_>, order: &OrderId) -> Result<(), Problem> {
    if reader.in_arrears(order)? {
        return Err(Problem::new(Rule::Arrears).with("order", order));
    }
    Ok(())
}

/// The certificates that an order bought and that are handed over, whatever became of them.
pub(crate) fn bought(reader: &mut Reader<'_>, order: &OrderId) -> Result<Vec<Serial>, Problem> {
    use ca_core::ApplicationState as S;
    let bill = reader.bill(order)?.ok_or_else(|| Problem::not_found("order"))?;
    let mut found = Vec::new();
    for charge in bill.charges.iter().filter(|charge| charge.live) {
        let state = reader.application_state(&charge.application)?.map(|(_, state)| state);
        if let Some(S::Delivered { serial } | S::Active { serial }) = state {
            found.push(serial);
        }
    }
    Ok(found)
}

/// When the last of the units was told; `None` while one was not.
fn told(reader: &mut Reader<'_>, known: &Chargeback) -> Result<Option<Time>, Problem> {
    let mut last = None;
    for application in told_for(reader, &known.order)? {
        match reader.told_at(NoticeKind::Arrears, &application.id, known.recorded_at)? {
            Some(at) => last = last.max(Some(at)),
            None => return Ok(None),
        }
    }
    Ok(last)
}

/// One application of each unit on an order.
fn told_for(reader: &mut Reader<'_>, order: &OrderId) -> Result<Vec<ca_core::Application>, Problem> {
    let bill = reader.bill(order)?.ok_or_else(|| Problem::not_found("order"))?;
    let mut found: Vec<ca_core::Application> = Vec::new();
    for charge in bill.charges {
        let known =
            reader.application(&charge.application)?.ok_or_else(|| Problem::not_found("application"))?;
        let same = |unit: &UnitId| found.iter().any(|other| other.unit == *unit);
        if !same(&known.unit) {
            found.push(known);
        }
    }
    Ok(found)
}

fn tell(tx: &mut Tx<'_>, order: &OrderId, kind: NoticeKind, now: Time) -> Result<(), Problem> {
    for application in told_for(tx, order)? {
        notify(tx, notice_id(now)?, kind, NoticeAbout::Application(application.id), &application.agent)?;
    }
    Ok(())
}

fn hold(tx: &mut Tx<'_>, known: &Chargeback, placing: Placing<'_>, now: Time) -> Result<(), Problem> {
    let next = known.state.clone().transition(ChargebackCommand::Hold { at: now })?;
    tx.move_chargeback(&known.id, &known.state, &next)?;
    for serial in bought(tx, &known.order)? {
        let status = tx.status(&serial)?.map(|status| status.state);
        // Not twice: whoever put it on hold before had another reason.
        if let Some(CertificateStatus::Issued(CertificateState::Good | CertificateState::NotActivated)) =
            status
        {
            place(tx, &Actor::System("arrears"), serial, placing, now)?;
        }
    }
    tell(tx, &known.order, NoticeKind::ArrearsHeld, now)
}
