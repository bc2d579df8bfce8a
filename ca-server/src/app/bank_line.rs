//! Step 4: what becomes of a line of a statement that fits no order.

use ca_core::{
    Action, AuditEntry, BankLine, BankLineId, OrderId,
    billing::{Account, BillCommand, OrderState, Posting},
};
use ca_store::WriteSite;

use super::{App, bill};
use crate::{
    permit::{AssignMoney, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

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
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        self.store
            .write(WriteSite::AssignMoney, move |tx| {
                let mut line = tx.bank_line(&id)?.ok_or_else(|| Problem::not_found("bank-line"))?;
                let next = line.state.clone().assign(order.clone(), by)?;
                let bill = tx.bill(&order)?.ok_or_else(|| Problem::not_found("order"))?;
                tx.move_bank_line(&id, &line.state, &next)?;
                let credit = Account::Credit(bill.order.payer.clone());
                let posting = Posting::new(Account::Suspense, credit, line.amount)
                    .ok_or_else(|| Problem::from(Failure::inconsistent("a line without money")))?;
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
                line.state = next;
                Ok(line)
            })
            .await
    }
}
