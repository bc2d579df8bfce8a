//! Step 4: what becomes of a line of a statement that fits no order.

use ca_core::{
    Action, AuditEntry, BankLine, BankLineCommand, BankLineId, OrderId, StaffId,
    billing::{Account, BillCommand, OrderState, PaymentMethod, Posting},
};
use ca_store::{Reader, Tx, WriteSite};

use super::{App, bill, free_text, pay::check_reference};
use crate::{
    permit::{ApproveReturn, AssignMoney, Permission, Permit, RequestReturn},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const REASON_MAX: usize = 200;

impl App {
    /// A person says which order an unmatched line is for: the money is its payer's, and pays the order as far as it
    /// goes.
    pub(crate) async fn assign_bank_line(
        &self,
        permit: Permit<AssignMoney>,
        id: BankLineId,
        order: OrderId,
    ) -> Result<BankLine, Problem> {
        let now = wire::now();
        let by = person(&permit)?;
        self.store
            .write(WriteSite::AssignMoney, move |tx| {
                let line = advance(tx, &id, BankLineCommand::Assign { order: order.clone(), by })?;
                let bill = tx.bill(&order)?.ok_or_else(|| Problem::not_found("order"))?;
                let posting = out_of_suspense(&line, Account::Credit(bill.order.payer.clone()))?;
                tx.assign_payment(&line.payment, &order, &bill.order.payer)?;
                tx.book(("assign", line.payment.as_str()), Some(&order), &[posting], now)?;
                let mut state = bill.order.state;
                if matches!(state, OrderState::Due | OrderState::PartPaid) {
                    let command = BillCommand::Draw { credit: line.amount };
                    let cause = (line.payment.as_str(), Some(&line.payment));
                    state = bill::change(tx, &bill, &command, cause, now)?.order.state;
                }
                let entry = AuditEntry::done(now, permit.actor(), Action::AssignMoney, "bank-line", &id);
                let entry = entry.with("order", &order).with("payment", &line.payment);
                let entry = entry.with("amount", line.amount.get());
                tx.append_audit(&entry.with("state", state.name()))?;
                Ok(line)
            })
            .await
    }

    /// A person asks that an unmatched line go back to whoever sent it. Why may name somebody: it is in no log.
    pub(crate) async fn request_return(
        &self,
        permit: Permit<RequestReturn>,
        id: BankLineId,
        reason: String,
    ) -> Result<BankLine, Problem> {
        let now = wire::now();
        let by = person(&permit)?;
        let why = free_text("reason", reason, REASON_MAX)?;
        self.store
            .write(WriteSite::ReturnMoney, move |tx| {
                let line = advance(tx, &id, BankLineCommand::RequestReturn { why, by })?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RequestReturn, "bank-line", &id);
                let entry = entry.with("payment", &line.payment);
                tx.append_audit(&entry.with("amount", line.amount.get()))?;
                Ok(line)
            })
            .await
    }

    /// Another person agrees and has sent it: it leaves the book under the bank's number, and who it was is forgotten.
    pub(crate) async fn approve_return(
        &self,
        permit: Permit<ApproveReturn>,
        id: BankLineId,
        reference: String,
    ) -> Result<BankLine, Problem> {
        let now = wire::now();
        let by = person(&permit)?;
        check_reference("reference", &reference)?;
        self.store
            .write(WriteSite::ReturnMoney, move |tx| {
                let command = BankLineCommand::ApproveReturn { by, reference: reference.clone() };
                refuse_sent(tx, &reference)?;
                let line = advance(tx, &id, command)?;
                let posting = out_of_suspense(&line, Account::Money(PaymentMethod::Transfer))?;
                tx.book(("return", line.payment.as_str()), None, &[posting], now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ApproveReturn, "bank-line", &id);
                let entry = entry.with("payment", &line.payment).with("amount", line.amount.get());
                tx.append_audit(&entry.with("receipt", reference))?;
                Ok(line)
            })
            .await
    }

    /// Another person does not agree: it waits for a person as before.
    pub(crate) async fn reject_return(
        &self,
        permit: Permit<ApproveReturn>,
        id: BankLineId,
        reasons: String,
    ) -> Result<BankLine, Problem> {
        let now = wire::now();
        let by = person(&permit)?;
        let reasons = free_text("reasons", reasons, REASON_MAX)?;
        self.store
            .write(WriteSite::ReturnMoney, move |tx| {
                let line = advance(tx, &id, BankLineCommand::RejectReturn { by })?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ApproveReturn, "bank-line", &id);
                tx.append_audit(&entry.with("rejected", reasons))?;
                Ok(line)
            })
            .await
    }
}

/// The bank's number of a transfer that left us counts once, whatever it was for.
pub(super) fn refuse_sent(reader: &mut Reader<'_>, number: &str) -> Result<(), Problem> {
    if reader.sent_transfer(number)? { Err(Problem::new(Rule::TransferSent)) } else { Ok(()) }
}

fn person<P: Permission>(permit: &Permit<P>) -> Result<StaffId, Problem> {
    permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))
}

fn advance(tx: &mut Tx<'_>, id: &BankLineId, command: BankLineCommand) -> Result<BankLine, Problem> {
    let known = tx.bank_line(id)?.ok_or_else(|| Problem::not_found("bank-line"))?;
    let next = known.state.clone().transition(command)?;
    tx.move_bank_line(id, &known.state, &next)?;
    Ok(BankLine { state: next, ..known })
}

fn out_of_suspense(line: &BankLine, to: Account) -> Result<Posting, Problem> {
    let posting = Posting::new(Account::Suspense, to, line.amount);
    posting.ok_or_else(|| Failure::inconsistent("a line without money").into())
}
