//! Waivers and refunds: asked for by one person, decided by another, never more than there is (I9).

use ca_core::{
    Action, AdjustmentId, ApplicationCommand, ApplicationId, ApplicationState, AuditEntry,
    CertificateCommand, CertificateState, Fen,
    billing::{
        Account, Adjustment, AdjustmentCommand, AdjustmentKind, AdjustmentState, BillCommand, PaymentMethod,
        Posting,
    },
};
use ca_store::{CertificateStatus, Tx, WriteSite};
use ca_verifier::{Reason, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once, apply::advance, bank_line::refuse_sent, bill, chargeback, free_text, once,
    pay::check_reference, shift, status::change_status,
};
use crate::{
    permit::{DecideAdjustment, PayOutRefund, Permit, RequestAdjustment},
    problem::Problem,
    rule::Rule,
    wire,
};

const REASON_MAX: usize = 200;

/// A waiver or a refund, as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    /// `waiver` or `refund`.
    pub(crate) kind: String,
    /// How much, in fen.
    pub(crate) amount_fen: i64,
    /// Why; of a waiver one of the tariff's reasons.
    pub(crate) reason: String,
    /// Of a refund: into the payer's credit, instead of out of our hands.
    #[serde(default)]
    pub(crate) into_credit: bool,
    /// Of a refund for a certificate that is in use: the certificate stays. Without it, it is revoked.
    #[serde(default)]
    pub(crate) keeps_certificate: bool,
}

/// How the money of a refund left.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayOut {
    /// `cash`, `card`, `transfer` or `online`.
    pub(crate) method: String,
    /// Number of what the payer signed, or of the bank or gateway; each is used once.
    pub(crate) reference: String,
    /// The counter out of whose till it is paid.
    #[serde(default)]
    pub(crate) counter: Option<String>,
}

impl App {
    pub(crate) async fn request_adjustment(
        &self,
        permit: Permit<RequestAdjustment>,
        application: ApplicationId,
        new: NewAdjustment,
        key: Once,
    ) -> Result<Made<AdjustmentId>, Problem> {
        let now = wire::now();
        let requested_by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let kind = AdjustmentKind::from_parts(&new.kind, new.into_credit, new.keeps_certificate)
            .map_err(|_| Problem::field("kind", "waiver without more, or refund"))?;
        let reason = free_text("reason", new.reason, REASON_MAX)?;
        let reasons = self.policies.fees().waiver_reasons();
        if kind == AdjustmentKind::Waiver && !reasons.contains(&reason) {
            return Err(Problem::field("reason", format!("one of {}", reasons.join(", "))));
        }
        let id = AdjustmentId::new(now, wire::random()?);
        self.store
            .write(WriteSite::AdjustMoney, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(AdjustmentId::parse(&before)?));
                }
                let order = bill::bill_of(tx, &application)?.order.id;
                let asked = Adjustment {
                    id: id.clone(),
                    kind,
                    order,
                    application,
                    amount: Fen::new(new.amount_fen),
                    reason,
                    requested_by,
                    requested_at: now,
                    state: AdjustmentState::Requested,
                };
                // What cannot be decided now need not wait for anybody.
                chargeback::refuse_in_arrears(tx, &asked.order)?;
                try_out(tx, &asked)?;
                tx.insert_adjustment(&asked)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RequestAdjustment, "adjustment", &id);
                let entry = entry.with("kind", kind.name()).with("application", &asked.application);
                let entry = entry.with("amount", asked.amount.get()).with("reason", &asked.reason);
                tx.append_audit(&particulars(entry, kind))?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// Another person agrees: the order and the book change, and what was refunded is not used any more.
    pub(crate) async fn approve_adjustment(
        &self,
        permit: Permit<DecideAdjustment>,
        id: AdjustmentId,
    ) -> Result<AdjustmentState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        self.store
            .write(WriteSite::AdjustMoney, move |tx| {
                let (asked, state) = advance_adjustment(tx, &id, AdjustmentCommand::Approve { by })?;
                let before = bill::bill_of(tx, &asked.application)?;
                chargeback::refuse_in_arrears(tx, &before.order.id)?;
                let after = bill::change(tx, &before, &command(&asked), (id.as_str(), None), now)?;
                if let AdjustmentKind::Refund { keeps_certificate, .. } = asked.kind {
                    let whole = !after.charges.iter().any(|c| c.live && c.application == asked.application);
                    end_what_was_refunded(tx, permit.actor(), &asked, (whole, keeps_certificate), now)?;
                }
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::DecideAdjustment, "adjustment", &id);
                let entry = entry.with("kind", asked.kind.name()).with("application", &asked.application);
                let entry = entry.with("amount", asked.amount.get()).with("order", &after.order.id);
                tx.append_audit(&particulars(entry, asked.kind))?;
                Ok(state)
            })
            .await
    }

    pub(crate) async fn reject_adjustment(
        &self,
        permit: Permit<DecideAdjustment>,
        id: AdjustmentId,
        reasons: String,
    ) -> Result<AdjustmentState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let reasons = free_text("reasons", reasons, REASON_MAX)?;
        self.store
            .write(WriteSite::AdjustMoney, move |tx| {
                let command = AdjustmentCommand::Reject { by, reasons: reasons.clone() };
                let (_, state) = advance_adjustment(tx, &id, command)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::DecideAdjustment, "adjustment", &id);
                tx.append_audit(&entry.with("rejected", reasons))?;
                Ok(state)
            })
            .await
    }

    /// Whoever asked takes it back.
    pub(crate) async fn withdraw_adjustment(
        &self,
        permit: Permit<RequestAdjustment>,
        id: AdjustmentId,
    ) -> Result<AdjustmentState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        self.store
            .write(WriteSite::AdjustMoney, move |tx| {
                let (_, state) = advance_adjustment(tx, &id, AdjustmentCommand::Withdraw { by })?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RequestAdjustment, "adjustment", &id);
                tx.append_audit(&entry.with("withdrawn", true))?;
                Ok(state)
            })
            .await
    }

    /// The money left our hands, against a proof.
    pub(crate) async fn pay_out(
        &self,
        permit: Permit<PayOutRefund>,
        id: AdjustmentId,
        out: PayOut,
    ) -> Result<AdjustmentState, Problem> {
        let now = wire::now();
        let method = PaymentMethod::from_name(&out.method).ok_or_else(|| {
            let names = PaymentMethod::ALL.map(PaymentMethod::name);
            Problem::field("method", format!("one of {}", names.join(", ")))
        })?;
        check_reference("reference", &out.reference)?;
        let counter = out.counter.map(|text| self.counter(&text)).transpose()?;
        self.store
            .write(WriteSite::AdjustMoney, move |tx| {
                let command = AdjustmentCommand::PayOut { method, reference: out.reference.clone() };
                if method == PaymentMethod::Transfer {
                    refuse_sent(tx, &out.reference)?;
                }
                let (asked, state) = advance_adjustment(tx, &id, command)?;
                shift::refuse_closed(tx, counter.as_deref(), now)?;
                if let Some(counter) = &counter {
                    tx.insert_pay_out(id.as_str(), counter, (method, asked.amount), now)?;
                }
                let posting = Posting::new(Account::Payable, Account::Money(method), asked.amount);
                let postings: Vec<Posting> = posting.into_iter().collect();
                tx.book(("pay-out", id.as_str()), Some(&asked.order), &postings, now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::PayOutRefund, "adjustment", &id);
                let entry = entry.with("amount", asked.amount.get()).with("method", method.name());
                tx.append_audit(&entry.with("receipt", out.reference))?;
                Ok(state)
            })
            .await
    }
}

fn command(asked: &Adjustment) -> BillCommand {
    let (application, amount) = (asked.application.clone(), asked.amount);
    match asked.kind {
        AdjustmentKind::Waiver => BillCommand::Waive { application, amount },
        AdjustmentKind::Refund { into_credit, .. } => {
            BillCommand::Refund { application, amount, into_credit }
        }
    }
}

fn try_out(tx: &mut Tx<'_>, asked: &Adjustment) -> Result<(), Problem> {
    bill::bill_of(tx, &asked.application)?.apply(&command(asked))?;
    Ok(())
}

fn advance_adjustment(
    tx: &mut Tx<'_>,
    id: &AdjustmentId,
    command: AdjustmentCommand,
) -> Result<(Adjustment, AdjustmentState), Problem> {
    let known = tx.adjustment(id)?.ok_or_else(|| Problem::not_found("adjustment"))?;
    let next = known.state.clone().transition(&known, command)?;
    tx.move_adjustment(id, &known.state, &next)?;
    Ok((known, next))
}

fn particulars(entry: AuditEntry, kind: AdjustmentKind) -> AuditEntry {
    match kind {
        AdjustmentKind::Waiver => entry,
        AdjustmentKind::Refund { into_credit, keeps_certificate } => {
            entry.with("into_credit", into_credit).with("keeps_certificate", keeps_certificate)
        }
    }
}

/// Paid back in full and not made: the application ends. Made: its certificate is revoked, unless both persons said that
/// it stays.
fn end_what_was_refunded(
    tx: &mut Tx<'_>,
    actor: &ca_core::Actor,
    asked: &Adjustment,
    (whole, keeps): (bool, bool),
    now: Time,
) -> Result<(), Problem> {
    let (_, state) =
        tx.application_state(&asked.application)?.ok_or_else(|| Problem::not_found("application"))?;
    let serial = match state {
        ApplicationState::Paid { .. } if !whole => return Ok(()),
        ApplicationState::Delivered { serial } | ApplicationState::Active { serial } => serial,
        // While a token is being made for it, somebody has to give that up first.
        _ => {
            advance(tx, &asked.application, ApplicationCommand::Refund)?;
            let (action, id) = (Action::WithdrawApplication, &asked.application);
            let entry = AuditEntry::done(now, actor, action, "application", id);
            return Ok(tx.append_audit(&entry.with("refund", &asked.id))?);
        }
    };
    match tx.status(&serial)?.map(|status| status.state) {
        Some(
            CertificateStatus::Issued(CertificateState::Revoked { .. }) | CertificateStatus::Burned { .. },
        ) => Ok(()),
        _ if keeps => Ok(()),
        _ => {
            let revoke = CertificateCommand::Revoke { reason: Reason::CessationOfOperation, at: now };
            change_status(tx, actor, Action::RevokeCertificate, serial, revoke, now).map(drop)
        }
    }
}
