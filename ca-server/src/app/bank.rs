//! Step 4 by bank transfer: the bank's statement is imported, and each line pays one order or waits for a person.
//!
//! A line is one transaction, and the bank's number of it counts once, for ever: an import that was cut short is sent
//! again, and what was counted is passed over. Money that fits no order is kept apart (suspense) and is nobody's until a
//! person says whose.

use std::collections::{HashMap, HashSet};

use ca_core::{
    Action, Actor, AuditEntry, BankLine, BankLineId, BankLineState, BankRow, Candidate, MatchedBy, OpenOrder,
    OrderId, PaymentId, StaffId, StatementVerdict, Unit, UnitId, UnmatchedReason,
    billing::{Account, Bill, Order, OrderState, Payer, Payment, PaymentMethod, Posting},
    folded_text, match_statement,
    personal::masked_id_cards,
};
use ca_store::{OrderFilter, Reader, Tx, UnitFilter, WriteSite};

use super::{About, App, again, batch::Upload, note_refusal, pay};
use crate::{
    permit::{ImportStatement, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    sheet::Finding,
    statement::{self, StatementLine},
    wire,
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
        // Some thousand questions to the database: other requests go on meanwhile.
        let (lines, verdicts) = tokio::task::block_in_place(|| self.judge(&file))?;
        let mut verdicts = verdicts.into_iter();
        let mut outcomes = Vec::with_capacity(lines.len());
        for line in lines {
            let outcome = match line.row {
                Err(finding) => LineOutcome::Refused(finding),
                Ok(row) => {
                    let missing = || Failure::inconsistent("fewer verdicts than lines");
                    let verdict = verdicts.next().ok_or_else(missing)?;
                    if dry_run {
                        outcome(verdict)
                    } else {
                        self.count_line(&permit, &by, &row, verdict).await?
                    }
                }
            };
            outcomes.push(ImportedLine { number: line.number, outcome });
        }
        Ok(outcomes)
    }

    /// The file's lines, and the verdict on each of them that can be read.
    fn judge(&self, file: &Upload) -> Result<(Vec<StatementLine>, Vec<StatementVerdict>), Problem> {
        let lines = statement::read(&file.octets, file.xlsx)?;
        let rows: Vec<BankRow> = lines.iter().filter_map(|line| line.row.as_ref().ok().cloned()).collect();
        let numbers: Vec<&str> = rows.iter().map(BankRow::transaction).collect();
        let (open, counted) = self.store.read(|reader| {
            Ok::<_, Problem>((open_orders(reader, &rows)?, reader.counted_transfers(&numbers)?))
        })?;
        let verdicts = match_statement(&open, &counted, &rows);
        Ok((lines, verdicts))
    }

    /// Whatever becomes of one line, the others must not wait for it; only a failure of our own ends the file.
    async fn count_line(
        &self,
        permit: &Permit<ImportStatement>,
        by: &StaffId,
        row: &BankRow,
        verdict: StatementVerdict,
    ) -> Result<LineOutcome, Problem> {
        let actor = permit.actor();
        let done = match verdict {
            // Chargebacks and our own payments: nothing came in.
            StatementVerdict::Unmatched { reason: UnmatchedReason::Outgoing, .. }
            | StatementVerdict::Unmatched { reason: UnmatchedReason::NumberUsed, .. }
            | StatementVerdict::Duplicate => Ok(outcome(verdict)),
            verdict => again(|| self.take_line(actor, by, row, &verdict)).await,
        };
        let (outcome, refusal) = match done {
            Err(problem) if problem.rule.status() >= 500 => return Err(problem),
            Err(problem) => (None, problem),
            Ok(outcome @ LineOutcome::Unmatched(UnmatchedReason::NumberUsed, _)) => {
                (Some(outcome), Problem::new(Rule::StatementNumber))
            }
            Ok(outcome) => return Ok(outcome),
        };
        // Money that is in no book stands in the log at least.
        let refusal = refusal.with("transaction", row.transaction()).with("amount", row.amount().get());
        let about = About { actor, action: Action::ImportStatement, object: "statement", id: "new" };
        note_refusal(&self.store, about, &refusal).await?;
        Ok(outcome.unwrap_or_else(|| LineOutcome::Refused(Finding::refused("", refusal))))
    }

    async fn take_line(
        &self,
        actor: &Actor,
        by: &StaffId,
        row: &BankRow,
        verdict: &StatementVerdict,
    ) -> Result<LineOutcome, Problem> {
        let now = wire::now();
        let (id, payment) = (BankLineId::new(now, wire::random()?), PaymentId::new(now, wire::random()?));
        let (actor, by, code) = (actor.clone(), by.clone(), pay::receipt_code()?);
        let (row, verdict) = (row.clone(), verdict.clone());
        self.store
            .write(WriteSite::ImportStatement, move |tx| {
                match tx.payment_by_reference(PaymentMethod::Transfer, row.transaction())? {
                    Some(known) if known.amount == row.amount() => return Ok(LineOutcome::Duplicate),
                    Some(_) => return Ok(LineOutcome::Unmatched(UnmatchedReason::NumberUsed, Vec::new())),
                    None => {}
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
                let (reason, candidates) = match still(tx, verdict, &row)? {
                    Ok(bill) => {
                        let order = bill.order.id.clone();
                        let (payer, facts) = (bill.order.payer.clone(), [("bank-line", id.to_string())]);
                        let money =
                            Payment { order: Some(order.clone()), payer: Some(payer), ..money.clone() };
                        pay::receive(tx, &actor, &bill, &money, &facts)?;
                        tx.insert_bank_line(&line(BankLineState::Matched { order: order.clone() }))?;
                        return Ok(LineOutcome::Matched(order));
                    }
                    Err(unmatched) => unmatched,
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
}

fn outcome(verdict: StatementVerdict) -> LineOutcome {
    match verdict {
        StatementVerdict::Matched { order, .. } => LineOutcome::Matched(order),
        StatementVerdict::Unmatched { reason, candidates } => LineOutcome::Unmatched(reason, candidates),
        StatementVerdict::Duplicate => LineOutcome::Duplicate,
    }
}

type Unmatched = (UnmatchedReason, Vec<Candidate>);

/// The order that a line pays, when that is so still: since the file was read it may have been paid in another way, and
/// another unit may have come that is called the same.
fn still(
    tx: &mut Tx<'_>,
    verdict: StatementVerdict,
    row: &BankRow,
) -> Result<Result<Bill, Unmatched>, Problem> {
    let (order, by) = match verdict {
        StatementVerdict::Matched { order, by } => (order, by),
        StatementVerdict::Unmatched { reason, candidates } => return Ok(Err((reason, candidates))),
        StatementVerdict::Duplicate => {
            return Err(Failure::inconsistent("a line that was counted before").into());
        }
    };
    let waiting = tx.bill(&order)?.filter(|bill| waits(&bill.order));
    let Some(bill) = waiting.filter(|bill| bill.order.outstanding() == row.amount()) else {
        return Ok(Err((UnmatchedReason::AmountDiffers, Vec::new())));
    };
    if by == MatchedBy::Payer && !is_of(tx, &bill.order.payer, row.payer())? {
        let candidate = Candidate { order, outstanding: bill.order.outstanding() };
        return Ok(Err((UnmatchedReason::Several, vec![candidate])));
    }
    Ok(Ok(bill))
}

fn waits(order: &Order) -> bool {
    matches!(order.state, OrderState::Due | OrderState::PartPaid)
}

/// Whether the name is that of this payer, and of nobody else.
fn is_of(reader: &mut Reader<'_>, payer: &Payer, name: &str) -> Result<bool, Problem> {
    let Payer::Unit(id) = payer else { return Ok(false) };
    match reader.unit(id)? {
        Some(unit) if folded_text(unit.name.as_str()) == folded_text(name) => Ok(!is_shared(reader, &unit)?),
        _ => Ok(false),
    }
}

/// Whether another unit has the same name; one that ended counts, because its money may come late.
fn is_shared(reader: &mut Reader<'_>, unit: &Unit) -> Result<bool, Problem> {
    let name = folded_text(unit.name.as_str());
    let mut filter =
        UnitFilter { name: Some(common_part(unit.name.as_str())), limit: PAGE, ..UnitFilter::default() };
    loop {
        let page = reader.units(&filter)?;
        let Some(last) = page.last() else { return Ok(false) };
        filter.after = Some(last.id.clone());
        if page.iter().any(|other| other.id != unit.id && folded_text(other.name.as_str()) == name) {
            return Ok(true);
        }
    }
}

/// The longest part of a name that is written in one way only: no letters, digits or marks that have two widths.
fn common_part(name: &str) -> String {
    let varies = |c: char| c.is_ascii() || c.is_whitespace() || ('\u{ff01}'..='\u{ff5e}').contains(&c);
    let longest = name.split(varies).max_by_key(|part| part.chars().count()).unwrap_or_default();
    // The search wants two characters.
    if longest.chars().count() < 2 { name.to_owned() } else { longest.to_owned() }
}

/// Every order that waits for money, with the name of the unit that is to pay it.
fn open_orders(reader: &mut Reader<'_>, rows: &[BankRow]) -> Result<Vec<OpenOrder>, Problem> {
    let named: HashSet<String> = rows.iter().map(|row| folded_text(row.payer())).collect();
    let mut payers: HashMap<UnitId, (String, bool)> = HashMap::new();
    let mut open = Vec::new();
    for state in [OrderState::Due, OrderState::PartPaid] {
        let mut after = None;
        loop {
            let filter = OrderFilter { state: Some(state), after, limit: PAGE, ..OrderFilter::default() };
            let page = reader.orders(&filter)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for order in page {
                let (payer, payer_shared) = match &order.payer {
                    Payer::Unit(id) => match payers.get(id) {
                        Some(known) => known.clone(),
                        None => {
                            let known = payer(reader, id, &named)?;
                            payers.insert(id.clone(), known.clone());
                            known
                        }
                    },
                    // A person's name is sealed: found by the code only.
                    Payer::Agent(_) => (String::new(), false),
                };
                let (code, outstanding) = (order.transfer_code(), order.outstanding());
                open.push(OpenOrder { id: order.id, code, payer, payer_shared, outstanding });
            }
        }
    }
    Ok(open)
}

/// A unit's name, and whether another has it: asked only of names that stand in the file.
fn payer(reader: &mut Reader<'_>, id: &UnitId, named: &HashSet<String>) -> Result<(String, bool), Problem> {
    let Some(unit) = reader.unit(id)? else { return Ok((String::new(), false)) };
    let shared = named.contains(&folded_text(unit.name.as_str())) && is_shared(reader, &unit)?;
    Ok((unit.name.as_str().to_owned(), shared))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_by_what_is_written_in_one_way() {
        for (name, part) in [
            ("南京示例科技有限公司", "南京示例科技有限公司"),
            ("乙（南京）科技公司", "科技公司"),
            ("ABC甲 乙", "ABC甲 乙"),
            ("ＡＢ南京（甲）", "南京"),
        ] {
            assert_eq!(common_part(name), part);
        }
    }
}
