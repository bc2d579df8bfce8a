//! A counter's day: what was recorded of it, and its close.

use ca_core::{Fen, StaffId, billing::PaymentMethod, shift::ShiftState};
use ca_verifier::{Serial, Time};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool},
};

use super::{intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{application, audit, certificate, pay_out, payment, shift},
    tx::{all, change_one, insert, one, run},
};

/// A closed day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftRecord {
    /// Code of the counter.
    pub counter: String,
    /// YYYY-MM-DD in China.
    pub day: String,
    /// Where it stands.
    pub state: ShiftState,
    /// What people counted, JSON.
    pub counted: String,
    /// Who closed it last.
    pub closed_by: StaffId,
    /// When.
    pub closed_at: Time,
}

/// From a moment until before another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first moment.
    pub from: Time,
    /// The first moment after.
    pub until: Time,
}

/// Money of one kind at one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takings {
    /// Code of the counter; none when it was not said.
    pub counter: Option<String>,
    /// How it came or went.
    pub method: PaymentMethod,
    /// How often.
    pub count: i64,
    /// How much, in fen.
    pub amount: Fen,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = shift, treat_none_as_default_value = false)]
struct Row {
    counter: String,
    day: String,
    state: String,
    counted: String,
    closed_by: String,
    closed_at: i64,
    requested_by: Option<String>,
    reason: Option<String>,
    decided_by: Option<String>,
}

impl Reader<'_> {
    /// The close of a counter's day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shift(&mut self, counter: &str, day: &str) -> Result<Option<ShiftRecord>, StoreError> {
        one!(self, Row, shift::table.find((counter, day)))?.map(ShiftRecord::try_from).transpose()
    }

    /// Every close of a day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shifts(&mut self, day: &str) -> Result<Vec<ShiftRecord>, StoreError> {
        let query = shift::table.filter(shift::day.eq(day)).order(shift::counter);
        all!(self, Row, query)?.into_iter().map(ShiftRecord::try_from).collect()
    }

    /// What was paid, by counter and method.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn takings(&mut self, span: Span) -> Result<Vec<Takings>, StoreError> {
        let query = payment::table
            .filter(payment::at.ge(span.from.millis()))
            .filter(payment::at.lt(span.until.millis()))
            .group_by((payment::counter, payment::method))
            .order((payment::counter, payment::method))
            .select((
                payment::counter,
                payment::method,
                sql::<BigInt>("COUNT(*)"),
                sql::<BigInt>("CAST(SUM(amount_fen) AS BIGINT)"),
            ));
        let rows: Vec<(Option<String>, String, i64, i64)> = run!(self, connection => query.load(connection))?;
        rows.into_iter().map(takings).collect()
    }

    /// What was paid out of tills, by counter and method.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pay_outs(&mut self, span: Span) -> Result<Vec<Takings>, StoreError> {
        let query = pay_out::table
            .filter(pay_out::at.ge(span.from.millis()))
            .filter(pay_out::at.lt(span.until.millis()))
            .group_by((pay_out::counter, pay_out::method))
            .order((pay_out::counter, pay_out::method))
            .select((
                pay_out::counter.nullable(),
                pay_out::method,
                sql::<BigInt>("COUNT(*)"),
                sql::<BigInt>("CAST(SUM(amount_fen) AS BIGINT)"),
            ));
        let rows: Vec<(Option<String>, String, i64, i64)> = run!(self, connection => query.load(connection))?;
        rows.into_iter().map(takings).collect()
    }

    /// Certificates that were made for a counter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_at(&mut self, counter: &str, span: Span) -> Result<Vec<Serial>, StoreError> {
        let query = certificate::table
            .inner_join(application::table.on(application::id.nullable().eq(certificate::application)))
            .filter(application::counter.eq(counter))
            .filter(certificate::issued_at.ge(span.from.millis()))
            .filter(certificate::issued_at.lt(span.until.millis()))
            .order(certificate::serial)
            .select(certificate::serial);
        let numbers: Vec<Vec<u8>> = run!(self, connection => query.load(connection))?;
        numbers.iter().map(|number| serial(number, "certificate", "of an unreadable serial number")).collect()
    }

    /// Objects of the log's entries of one action within the span: `issue-certificate` or `deliver-token`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn logged_at(&mut self, action: &str, counter: &str, span: Span) -> Result<Vec<Serial>, StoreError> {
        // Literal, for the partial index.
        let query = audit::table
            .filter(audit::at.ge(span.from.millis()))
            .filter(audit::at.lt(span.until.millis()))
            .filter(sql::<Bool>("(action = 'issue-certificate' OR action = 'deliver-token')"))
            .filter(audit::action.eq(action))
            .filter(audit::rule.is_null())
            .filter(audit::object.eq("certificate"))
            .order(audit::id)
            .select(audit::object_id);
        let ids: Vec<String> = run!(self, connection => query.load(connection))?;
        let mut found = Vec::new();
        for id in ids {
            let number = intact(Serial::from_hex(&id), "audit", &id)?;
            let of = certificate::table
                .inner_join(application::table.on(application::id.nullable().eq(certificate::application)))
                .filter(certificate::serial.eq(number.as_bytes()))
                .select(application::counter);
            let at: Option<Option<String>> = run!(self, connection => of.get_result(connection).optional())?;
            if at.flatten().as_deref() == Some(counter) {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// Receipts of a counter, the oldest first: number of the receipt, method, amount.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipts_at(
        &mut self,
        counter: Option<&str>,
        method: &str,
        span: Span,
        limit: i64,
    ) -> Result<Vec<(String, Fen)>, StoreError> {
        let rows: Vec<(String, i64)> = run!(self, connection => {
            let mut query = payment::table
                .filter(payment::method.eq(method))
                .filter(payment::at.ge(span.from.millis()))
                .filter(payment::at.lt(span.until.millis()))
                .into_boxed();
            query = match counter {
                Some(counter) => query.filter(payment::counter.eq(counter)),
                None => query.filter(payment::counter.is_null()),
            };
            query
                .order((payment::at, payment::id))
                .limit(limit)
                .select((payment::reference, payment::amount_fen))
                .load(connection)
        })?;
        Ok(rows.into_iter().map(|(reference, fen)| (reference, Fen::new(fen))).collect())
    }
}

fn takings((counter, method, count, fen): (Option<String>, String, i64, i64)) -> Result<Takings, StoreError> {
    let known = PaymentMethod::from_name(&method).ok_or(());
    Ok(Takings { counter, method: intact(known, "payment", method)?, count, amount: Fen::new(fen) })
}

impl Tx<'_> {
    /// The first close of a counter's day.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `shift` when there is one.
    pub fn insert_shift(&mut self, new: &ShiftRecord) -> Result<(), StoreError> {
        insert!(self, shift::table, &Row::from(new))
    }

    /// Moves a close on, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `shift`.
    pub fn move_shift(&mut self, from: &ShiftRecord, to: &ShiftRecord) -> Result<(), StoreError> {
        let (was, is) = (Row::from(from), Row::from(to));
        let row =
            shift::table.find((was.counter.clone(), was.day.clone())).filter(shift::state.eq(was.state));
        let set = (
            shift::state.eq(is.state),
            shift::counted.eq(is.counted),
            shift::closed_by.eq(is.closed_by),
            shift::closed_at.eq(is.closed_at),
            shift::requested_by.eq(is.requested_by),
            shift::reason.eq(is.reason),
            shift::decided_by.eq(is.decided_by),
        );
        change_one!(self, "shift", diesel::update(row).set(set))
    }

    /// A refund that was paid out of a counter's till.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `pay-out` when it was paid out before.
    pub fn insert_pay_out(
        &mut self,
        adjustment: &str,
        counter: &str,
        (method, amount): (PaymentMethod, Fen),
        at: Time,
    ) -> Result<(), StoreError> {
        let row = (
            pay_out::adjustment.eq(adjustment),
            pay_out::counter.eq(counter),
            pay_out::method.eq(method.name()),
            pay_out::amount_fen.eq(amount.get()),
            pay_out::at.eq(at.millis()),
        );
        insert!(self, pay_out::table, row)
    }
}

impl From<&ShiftRecord> for Row {
    fn from(record: &ShiftRecord) -> Self {
        let (mut requested_by, mut given, mut decided_by) = (None, None, None);
        match &record.state {
            ShiftState::Closed => {}
            ShiftState::ReopenRequested { by, reason } => {
                (requested_by, given) = (Some(by.to_string()), Some(reason.clone()));
            }
            ShiftState::Reopened { asked_by, reason, by } => {
                (requested_by, given) = (Some(asked_by.to_string()), Some(reason.clone()));
                decided_by = Some(by.to_string());
            }
        }
        Self {
            counter: record.counter.clone(),
            day: record.day.clone(),
            state: record.state.name().to_owned(),
            counted: record.counted.clone(),
            closed_by: record.closed_by.to_string(),
            closed_at: record.closed_at.millis(),
            requested_by,
            reason: given,
            decided_by,
        }
    }
}

impl TryFrom<Row> for ShiftRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = format!("{} {}", row.counter, row.day);
        let person = |text: &str| intact(StaffId::parse(text), "shift", &id);
        let state = match (row.state.as_str(), &row.requested_by, &row.reason, &row.decided_by) {
            ("closed", None, None, None) => ShiftState::Closed,
            ("reopen-requested", Some(by), Some(reason), None) => {
                ShiftState::ReopenRequested { by: person(by)?, reason: reason.clone() }
            }
            ("reopened", Some(asked), Some(reason), Some(by)) => {
                ShiftState::Reopened { asked_by: person(asked)?, reason: reason.clone(), by: person(by)? }
            }
            _ => return Err(StoreError::Corrupt { table: "shift", id }),
        };
        Ok(Self {
            closed_by: person(&row.closed_by)?,
            counter: row.counter,
            day: row.day,
            state,
            counted: row.counted,
            closed_at: Time::from_millis(row.closed_at),
        })
    }
}
