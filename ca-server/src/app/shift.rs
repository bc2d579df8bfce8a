//! A counter's day is closed when what people counted agrees with what was recorded, and opened again by two persons.

use ca_core::{
    Action, AuditEntry, Fen,
    shift::{COUNTED, Counted, Difference, Recorded, ShiftCommand, ShiftState, differences},
};
use ca_store::{Reader, ShiftRecord, Span, Takings, Tx, WriteSite};
use ca_verifier::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, free_text};
use crate::{
    permit::{CloseShift, DecideReopen, Permit, RequestReopen},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const DAY_SECS: i64 = 86_400;
const REASON_MAX: usize = 200;
/// Rows that a difference names.
const NAMED: usize = 20;

/// What people counted, as the cashier enters it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCount {
    /// Blank tokens at the beginning, and those that came during the day.
    pub(crate) tokens_in: u32,
    /// Tokens that cannot be used any more.
    pub(crate) tokens_spoiled: u32,
    /// Tokens at the end that work and that nobody has got: blank, or made and waiting.
    pub(crate) tokens_out: u32,
    /// Cash that came in less cash that went out, in fen: the till without its float.
    pub(crate) cash_fen: i64,
    /// The terminal's total, in fen.
    pub(crate) card_fen: i64,
    /// Transfers that were recorded at the counter, by the bank's slips, in fen.
    pub(crate) transfer_fen: i64,
}

impl NewCount {
    fn counted(&self) -> Counted {
        Counted {
            tokens_in: self.tokens_in,
            tokens_spoiled: self.tokens_spoiled,
            tokens_out: self.tokens_out,
            money: [self.cash_fen, self.card_fen, self.transfer_fen].map(Fen::new),
        }
    }
}

/// A counter's day, as it was recorded, and its close.
pub(crate) struct CounterDay {
    pub(crate) counter: String,
    pub(crate) recorded: Recorded,
    pub(crate) close: Option<ShiftRecord>,
}

impl App {
    /// Every counter's day.
    pub(crate) fn counter_days(&self, day: &str) -> Result<Vec<CounterDay>, Problem> {
        let span = span(day)?;
        self.store.read(|reader| {
            let mut found = Vec::new();
            for (counter, _) in self.policies.counters().iter() {
                found.push(CounterDay {
                    recorded: recorded(reader, counter, span)?,
                    close: reader.shift(counter, day)?,
                    counter: counter.to_owned(),
                });
            }
            Ok(found)
        })
    }

    /// What would keep the day from being closed now.
    pub(crate) fn check_shift(
        &self,
        _permit: &Permit<CloseShift>,
        (counter, day): (&str, &str),
        count: &NewCount,
    ) -> Result<(), Problem> {
        let (counter, span) = (self.counter(counter)?, span(day)?);
        self.store.read(|reader| agree(reader, (&counter, day), span, count))
    }

    /// Closes a day that has begun, when everything agrees.
    pub(crate) async fn close_shift(
        &self,
        permit: Permit<CloseShift>,
        (counter, day): (&str, &str),
        count: NewCount,
    ) -> Result<ShiftState, Problem> {
        let now = wire::now();
        let closed_by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let (counter, span) = (self.counter(counter)?, span(day)?);
        if span.from > now {
            return Err(Problem::field("day", "a day that has begun is needed"));
        }
        let counted = serde_json::to_string(&count).map_err(Failure::inconsistent)?;
        let day = day.to_owned();
        self.store
            .write(WriteSite::CloseShift, move |tx| {
                tx.lock_counter_day(&counter, &day)?;
                let before = tx.shift(&counter, &day)?;
                let state = match &before {
                    Some(known) => known.state.clone().transition(ShiftCommand::Close)?,
                    None => ShiftState::Closed,
                };
                agree(tx, (&counter, &day), span, &count)?;
                let record = ShiftRecord { counter, day, state, counted, closed_by, closed_at: now };
                match &before {
                    Some(known) => tx.move_shift(known, &record)?,
                    None => tx.insert_shift(&record)?,
                }
                let id = object_id(&record);
                let entry = AuditEntry::done(now, permit.actor(), Action::CloseShift, "shift", id);
                tx.append_audit(&entry.with("counted", &record.counted))?;
                Ok(record.state)
            })
            .await
    }

    /// Somebody found that the day needs another entry.
    pub(crate) async fn request_reopen(
        &self,
        permit: Permit<RequestReopen>,
        (counter, day): (&str, &str),
        reason: String,
    ) -> Result<ShiftState, Problem> {
        let reason = free_text("reasons", reason, REASON_MAX)?;
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let entry = AuditEntry::done(wire::now(), permit.actor(), Action::RequestReopen, "shift", "");
        let entry = entry.with("reason", &reason);
        self.move_shift((counter, day), ShiftCommand::Ask { by, reason }, entry).await
    }

    /// Another person agrees or does not.
    pub(crate) async fn decide_reopen(
        &self,
        permit: Permit<DecideReopen>,
        (counter, day): (&str, &str),
        approved: bool,
    ) -> Result<ShiftState, Problem> {
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let command = if approved { ShiftCommand::Approve { by } } else { ShiftCommand::Reject { by } };
        let entry = AuditEntry::done(wire::now(), permit.actor(), Action::DecideReopen, "shift", "");
        self.move_shift((counter, day), command, entry.with("approved", approved)).await
    }

    async fn move_shift(
        &self,
        (counter, day): (&str, &str),
        command: ShiftCommand,
        mut entry: AuditEntry,
    ) -> Result<ShiftState, Problem> {
        let (counter, day) = (self.counter(counter)?, day.to_owned());
        self.store
            .write(WriteSite::CloseShift, move |tx| {
                let known = tx.shift(&counter, &day)?.ok_or_else(|| Problem::not_found("shift"))?;
                let next = ShiftRecord { state: known.state.clone().transition(command)?, ..known.clone() };
                tx.move_shift(&known, &next)?;
                entry.object_id = object_id(&next);
                tx.append_audit(&entry)?;
                Ok(next.state)
            })
            .await
    }
}

/// What is in the log.
pub(crate) fn object_id(record: &ShiftRecord) -> String {
    format!("{}:{}", record.counter, record.day)
}

/// A closed counter takes and gives nothing more today. The day's row is held until the end of the transaction, so that a
/// close and a payment of the same moment see each other.
pub(super) fn refuse_closed(tx: &mut Tx<'_>, counter: Option<&str>, now: Time) -> Result<(), Problem> {
    let Some(counter) = counter else { return Ok(()) };
    let day = wire::china_day(now)?.to_string();
    tx.lock_counter_day(counter, &day)?;
    match tx.shift(counter, &day)? {
        Some(known) if known.state.is_closed() => {
            Err(Problem::new(Rule::ShiftClosed).with("counter", counter).with("day", day))
        }
        _ => Ok(()),
    }
}

/// A day in China.
pub(crate) fn span(day: &str) -> Result<Span, Problem> {
    let from = Some(day).filter(|day| day.len() == 10).and_then(wire::china_midnight);
    let from = from.ok_or_else(|| Problem::field("day", "a day YYYY-MM-DD is needed"))?;
    Ok(Span { from, until: from.plus_secs(DAY_SECS) })
}

fn recorded(reader: &mut Reader<'_>, counter: &str, span: Span) -> Result<Recorded, Problem> {
    let now = wire::now();
    let (came, went) = (reader.takings(span)?, reader.pay_outs(span)?);
    let sum = |all: &[Takings], method| {
        let of = all.iter().filter(|one| one.counter.as_deref() == Some(counter) && one.method == method);
        of.map(|one| one.amount.get()).sum::<i64>()
    };
    let count = |length: usize| u32::try_from(length).map_err(Failure::inconsistent);
    Ok(Recorded {
        tokens_issued: count(reader.logged_at("deliver-token", counter, span)?.len())?,
        tokens_listed: (span.from <= now && now < span.until)
            .then(|| reader.tokens_waiting(counter, i64::MAX))
            .transpose()?
            .map(|tokens| count(tokens.len()))
            .transpose()?,
        money: COUNTED.map(|method| Fen::new(sum(&came, method) - sum(&went, method))),
        certificates: count(reader.made_at(counter, span)?.len())?,
        entries: count(reader.logged_at("issue-certificate", counter, span)?.len())?,
    })
}

/// Nothing when people and records agree; otherwise each difference with its rows.
fn agree(
    reader: &mut Reader<'_>,
    (counter, day): (&str, &str),
    span: Span,
    count: &NewCount,
) -> Result<(), Problem> {
    let recorded = recorded(reader, counter, span)?;
    let mut parts = Vec::new();
    for difference in differences(&count.counted(), &recorded) {
        parts.push(match difference {
            Difference::Tokens { expected, found } => {
                let rows = named(reader.logged_at("deliver-token", counter, span)?);
                let problem = Problem::new(Rule::ShiftTokens).with("expected", expected);
                problem.with("found", found).with("rows", rows)
            }
            Difference::Stock { listed, found } => {
                let limit = i64::try_from(NAMED + 1).map_err(Failure::inconsistent)?;
                let rows = named(reader.tokens_waiting(counter, limit)?);
                let problem = Problem::new(Rule::ShiftStock).with("listed", listed);
                problem.with("found", found).with("rows", rows)
            }
            Difference::Money { method, expected, found } => {
                let limit = i64::try_from(NAMED + 1).map_err(Failure::inconsistent)?;
                let receipts = reader.receipts_at(Some(counter), method.name(), span, limit)?;
                let rows = named(receipts.into_iter().map(|(number, fen)| format!("{number} {fen}")));
                let problem = Problem::new(Rule::ShiftMoney).with("method", method.name());
                problem.with("expected", expected).with("found", found).with("rows", rows)
            }
            Difference::Log { certificates, entries } => {
                let (made, logged) =
                    (reader.made_at(counter, span)?, reader.logged_at("issue-certificate", counter, span)?);
                let only_one =
                    |serial: &ca_verifier::Serial| made.contains(serial) != logged.contains(serial);
                let rows = made.iter().chain(&logged).filter(|serial| only_one(serial)).copied();
                let problem = Problem::new(Rule::ShiftLog).with("certificates", certificates);
                problem.with("entries", entries).with("rows", named(rows))
            }
        });
    }
    if parts.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Rule::ShiftDifference).with("counter", counter).with("day", day);
    Err(problem.made_of(parts))
}

fn named<T: ToString>(rows: impl IntoIterator<Item = T>) -> String {
    let mut rows = rows.into_iter();
    let mut texts: Vec<String> = rows.by_ref().take(NAMED).map(|row| row.to_string()).collect();
    if rows.next().is_some() {
        texts.push("…".to_owned());
    }
    if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
}
