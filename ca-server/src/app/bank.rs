//! Step 4 by bank transfer: the bank's statement is imported, and each line pays one order or waits for a person.
//!
//! A line is one transaction, and the bank's number of it counts once, for ever: an import that was cut short is sent
//! again, and what was counted is passed over. Money that fits no order is kept apart (suspense) and is nobody's until a
//! person says whose.

use std::collections::HashSet;

use ca_core::{
    Action, Actor, AuditEntry, BankLine, BankLineId, BankLineState, BankRow, Candidate, Fen, OpenOrder,
    OrderId, PaymentId, StaffId, StatementVerdict, UnmatchedReason,
    billing::{Account, BillCommand, Order, OrderState, Payer, Payment, PaymentMethod, Posting},
    match_statement,
    personal::masked_id_cards,
};
use ca_store::{OrderFilter, Reader, Tx, WriteSite};

use super::{App, batch::Upload, bill, pay};
use crate::{
    permit::{AssignMoney, ImportStatement, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    sheet::Finding,
    statement, wire,
};

/// Read from the database at once.
const PAGE: i64 = 1_000;

/// What became of one line.
#[derive(Debug)]
pub(crate) enum LineOutcome {
    /// It paid this order.
    Matched(OrderId),
    /// A person must look.
    Unmatched(UnmatchedReason, Vec<Candidate>),
    /// Counted before.
    Duplicate,
    /// It cannot be read, and is not counted.
    Refused(Finding),
}

/// A line of the file with what became of it.
#[derive(Debug)]
pub(crate) struct ImportedLine {
    pub(crate) number: u32,
    pub(crate) outcome: LineOutcome,
}

impl App {
    /// Counts what came in. With `dry_run` nothing is counted, and the report says what would be.
    pub(crate) async fn import_statement(
        &self,
        permit: Permit<ImportStatement>,
        file: Upload,
        dry_run: bool,
    ) -> Result<Vec<ImportedLine>, Problem> {
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let lines = statement::read(&file.octets, file.xlsx)?;
        let rows: Vec<BankRow> = lines.iter().filter_map(|line| line.row.as_ref().ok().cloned()).collect();
        let (open, counted) =
            self.store.read(|reader| Ok::<_, Problem>((open_orders(reader)?, counted(reader, &rows)?)))?;
        let mut verdicts = match_statement(&open, &counted, &rows).into_iter().zip(rows);
        let mut outcomes = Vec::with_capacity(lines.len());
        for line in lines {
            let outcome = match line.row {
                Err(finding) => LineOutcome::Refused(finding),
                Ok(_) => {
                    let (verdict, row) =
                        verdicts.next().ok_or_else(|| Failure::inconsistent("fewer verdicts than lines"))?;
                    match verdict {
                        _ if dry_run => outcome(verdict),
                        // Chargebacks and our own payments: nothing came in.
                        StatementVerdict::Unmatched { reason: UnmatchedReason::Outgoing, .. }
                        | StatementVerdict::Duplicate => outcome(verdict),
                        verdict => self.take_line(permit.actor(), &by, row, verdict).await?,
                    }
                }
            };
            outcomes.push(ImportedLine { number: line.number, outcome });
        }
        Ok(outcomes)
    }

    async fn take_line(
        &self,
        actor: &Actor,
        by: &StaffId,
        row: BankRow,
        verdict: StatementVerdict,
    ) -> Result<LineOutcome, Problem> {
        let now = wire::now();
        let (id, payment) = (BankLineId::new(now, wire::random()?), PaymentId::new(now, wire::random()?));
        let (actor, by, code) = (actor.clone(), by.clone(), pay::receipt_code()?);
        self.store
            .write(WriteSite::ImportStatement, move |tx| {
                if tx.payment_by_reference(PaymentMethod::Transfer, row.transaction())?.is_some() {
                    return Ok(LineOutcome::Duplicate);
                }
                let money = Payment {
                    id: payment,
                    order: None,
                    payer: None,
                    method: PaymentMethod::Transfer,
                    reference: row.transaction().to_owned(),
                    amount: row.amount(),
                    cashier: Some(by.clone()),
                    counter: None,
                    code,
                    at: now,
                };
                let line = |state| BankLine {
                    id: id.clone(),
                    payment: money.id.clone(),
                    booked_on: row.booked(),
                    amount: row.amount(),
                    imported_by: by.clone(),
                    imported_at: now,
                    state,
                };
                let found = matched(tx, &verdict, row.amount())?;
                if let Some(bill) = found {
                    let order = bill.order.id.clone();
                    let (payer, facts) = (bill.order.payer.clone(), [("bank-line", id.to_string())]);
                    let money = Payment { order: Some(order.clone()), payer: Some(payer), ..money.clone() };
                    pay::receive(tx, &actor, &bill, &money, &facts)?;
                    tx.insert_bank_line(&line(BankLineState::Matched { order: order.clone() }))?;
                    return Ok(LineOutcome::Matched(order));
                }
                let (reason, candidates) = match verdict {
                    StatementVerdict::Unmatched { reason, candidates } => (reason, candidates),
                    // Paid in another way since it was read.
                    _ => (UnmatchedReason::AmountDiffers, Vec::new()),
                };
                tx.insert_payment(&money)?;
                let posting = Posting::new(Account::Money(money.method), Account::Suspense, money.amount)
                    .ok_or_else(|| Problem::from(Failure::inconsistent("a line without money")))?;
                tx.book(("payment", money.id.as_str()), None, &[posting], now)?;
                let (payer, remark) = (masked_id_cards(row.payer()), masked_id_cards(row.remark()));
                let state = BankLineState::Unmatched { reason, payer, remark };
                tx.insert_bank_line(&line(state))?;
                let entry = AuditEntry::done(now, &actor, Action::RecordPayment, "payment", &money.id);
                let entry = entry.with("amount", money.amount.get()).with("method", money.method.name());
                let entry = entry.with("receipt", &money.reference).with("bank-line", &id);
                tx.append_audit(&entry.with("state", "unmatched").with("reason", reason.name()))?;
                Ok(LineOutcome::Unmatched(reason, candidates))
            })
            .await
    }

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
                tx.book(("assign", line.payment.as_str()), Some(&order), &[posting], now)?;
                let mut state = bill.order.state;
                if matches!(state, OrderState::Due | OrderState::PartPaid) {
                    let command = BillCommand::Draw { credit: line.amount };
                    state =
                        bill::change(tx, &bill, &command, (line.payment.as_str(), None), now)?.order.state;
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

fn outcome(verdict: StatementVerdict) -> LineOutcome {
    match verdict {
        StatementVerdict::Matched { order, .. } => LineOutcome::Matched(order),
        StatementVerdict::Unmatched { reason, candidates } => LineOutcome::Unmatched(reason, candidates),
        StatementVerdict::Duplicate => LineOutcome::Duplicate,
    }
}

/// The order that a line pays, when it still waits for exactly that.
fn matched(
    tx: &mut Tx<'_>,
    verdict: &StatementVerdict,
    amount: Fen,
) -> Result<Option<ca_core::billing::Bill>, Problem> {
    let StatementVerdict::Matched { order, .. } = verdict else { return Ok(None) };
    let bill = tx.bill(order)?.filter(|bill| waits(&bill.order) && bill.order.outstanding() == amount);
    Ok(bill)
}

fn waits(order: &Order) -> bool {
    matches!(order.state, OrderState::Due | OrderState::PartPaid)
}

/// Every order that waits for money, with the name of the unit that is to pay it.
fn open_orders(reader: &mut Reader<'_>) -> Result<Vec<OpenOrder>, Problem> {
    let mut open = Vec::new();
    for state in [OrderState::Due, OrderState::PartPaid] {
        let mut after = None;
        loop {
            let filter = OrderFilter { state: Some(state), after, limit: PAGE, ..OrderFilter::default() };
            let page = reader.orders(&filter)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for order in page {
                let payer = match &order.payer {
                    Payer::Unit(id) => reader.unit(id)?.map(|unit| unit.name.as_str().to_owned()),
                    // A person's name is sealed: found by the code only.
                    Payer::Agent(_) => None,
                };
                let (code, outstanding) = (order.transfer_code(), order.outstanding());
                open.push(OpenOrder { id: order.id, code, payer: payer.unwrap_or_default(), outstanding });
            }
        }
    }
    Ok(open)
}

/// The bank's numbers that were counted before.
fn counted(reader: &mut Reader<'_>, rows: &[BankRow]) -> Result<HashSet<String>, Problem> {
    let mut counted = HashSet::new();
    for row in rows {
        if reader.payment_by_reference(PaymentMethod::Transfer, row.transaction())?.is_some() {
            counted.insert(row.transaction().to_owned());
        }
    }
    Ok(counted)
}

/// How many lines there are of each kind: matched, unmatched, counted before, refused.
pub(crate) fn counts(lines: &[ImportedLine]) -> [usize; 4] {
    let mut counts = [0; 4];
    for line in lines {
        counts[match line.outcome {
            LineOutcome::Matched(_) => 0,
            LineOutcome::Unmatched(..) => 1,
            LineOutcome::Duplicate => 2,
            LineOutcome::Refused(_) => 3,
        }] += 1;
    }
    counts
}
