//! Sums over days: what was earned, what does not agree, what ends when.

use ca_core::{Fen, billing::PaymentMethod};
use ca_verifier::{Serial, Time};
use diesel::{
    dsl::{count_star, exists, not, sql},
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{Span, intact, serial};
use crate::{
    Reader, StoreError,
    schema::{
        adjustment, application, audit, bank_line, certificate, chargeback, online_payment, payment, posting,
        status,
    },
    tx::run,
};

/// What was earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earned {
    /// Days since 1970-01-01 in China.
    pub day: i64,
    /// Of which kind of application.
    pub kind: String,
    /// The counter of the application; none when it has none.
    pub counter: Option<String>,
    /// In fen, less what was given back.
    pub amount: Fen,
}

impl Reader<'_> {
    /// What was earned less what was given back of it, by day, kind and counter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn earned(&mut self, span: Span) -> Result<Vec<Earned>, StoreError> {
        type Row = (i64, String, Option<String>, i64);
        let within = posting::at.ge(span.from.millis()).and(posting::at.lt(span.until.millis()));
        let sum = "CAST(SUM(posting.amount_fen) AS BIGINT)";
        let day = "(posting.at + 28800000) / 86400000";
        let delivered = posting::table
            .inner_join(application::table.on(application::id.eq(posting::cause)))
            .filter(within)
            .filter(posting::reason.eq("delivery"))
            .group_by(sql::<Text>("1, 2, 3"))
            .select((
                sql::<BigInt>(day),
                sql::<Text>("posting.credit"),
                sql::<Nullable<Text>>("application.counter"),
                sql::<BigInt>(sum),
            ));
        let earned: Vec<Row> = run!(self, connection => delivered.load(connection))?;
        let refunded = posting::table
            .inner_join(adjustment::table.on(adjustment::id.eq(posting::cause)))
            .inner_join(application::table.on(application::id.eq(adjustment::application)))
            .filter(within)
            .filter(posting::reason.eq("refund"))
            .filter(posting::debit.like("revenue:%"))
            .group_by(sql::<Text>("1, 2, 3"))
            .select((
                sql::<BigInt>(day),
                sql::<Text>("posting.debit"),
                sql::<Nullable<Text>>("application.counter"),
                sql::<BigInt>(sum),
            ));
        let back: Vec<Row> = run!(self, connection => refunded.load(connection))?;
        let read = |sign: i64| {
            move |(day, account, counter, fen): Row| Earned {
                day,
                kind: account.trim_start_matches("revenue:").to_owned(),
                counter,
                amount: Fen::new(sign * fen),
            }
        };
        Ok(earned.into_iter().map(read(1)).chain(back.into_iter().map(read(-1))).collect())
    }

    /// What came in by the book, by the account that holds it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn booked_in(&mut self, span: Span) -> Result<Vec<(PaymentMethod, Fen)>, StoreError> {
        let query = posting::table
            .filter(posting::at.ge(span.from.millis()))
            .filter(posting::at.lt(span.until.millis()))
            .filter(posting::debit.eq_any(PaymentMethod::ALL.map(PaymentMethod::name)))
            .group_by(posting::debit)
            .order(posting::debit)
            .select((posting::debit, sql::<BigInt>("CAST(SUM(amount_fen) AS BIGINT)")));
        let rows: Vec<(String, i64)> = run!(self, connection => query.load(connection))?;
        let read = |(name, fen): (String, i64)| {
            let method = PaymentMethod::from_name(&name).ok_or(());
            Ok((intact(method, "posting", name)?, Fen::new(fen)))
        };
        rows.into_iter().map(read).collect()
    }

    /// Receipts of gateways' money that no online payment asked for, at most so many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn online_unasked(&mut self, span: Span, limit: i64) -> Result<Vec<String>, StoreError> {
        let asked = online_payment::table
            .filter(online_payment::state.eq("paid"))
            .filter(sql::<Bool>(
                "online_payment.gateway || ':' || online_payment.transaction_no = payment.reference",
            ))
            .filter(online_payment::fee_order.nullable().eq(payment::fee_order));
        let query = payment::table
            .filter(payment::method.eq("online"))
            .filter(payment::at.ge(span.from.millis()))
            .filter(payment::at.lt(span.until.millis()))
            .filter(payment::fee_order.is_not_null())
            .filter(not(exists(asked)))
            .order((payment::at, payment::id))
            .limit(limit)
            .select(payment::reference);
        run!(self, connection => query.load(connection))
    }

    /// Lines of statements that a person must look at: how many, and how much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unmatched(&mut self) -> Result<(i64, Fen), StoreError> {
        let query = bank_line::table
            .filter(bank_line::state.eq("unmatched"))
            .select((count_star(), sql::<BigInt>("CAST(COALESCE(SUM(amount_fen), 0) AS BIGINT)")));
        let (count, fen): (i64, i64) = run!(self, connection => query.get_result(connection))?;
        Ok((count, Fen::new(fen)))
    }

    /// Refunds that two persons decided and nobody has paid out: how many, and how much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payable(&mut self) -> Result<(i64, Fen), StoreError> {
        let query = adjustment::table
            .filter(adjustment::state.eq("approved"))
            .filter(adjustment::kind.eq("refund"))
            .filter(adjustment::into_credit.eq(0))
            .select((count_star(), sql::<BigInt>("CAST(COALESCE(SUM(amount_fen), 0) AS BIGINT)")));
        let (count, fen): (i64, i64) = run!(self, connection => query.get_result(connection))?;
        Ok((count, Fen::new(fen)))
    }

    /// Money that was taken back and is missing: how often, and how much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn arrears(&mut self) -> Result<(i64, Fen), StoreError> {
        let query = chargeback::table
            .filter(chargeback::state.eq_any(["open", "held"]))
            .select((count_star(), sql::<BigInt>("CAST(COALESCE(SUM(amount_fen), 0) AS BIGINT)")));
        let (count, fen): (i64, i64) = run!(self, connection => query.get_result(connection))?;
        Ok((count, Fen::new(fen)))
    }

    /// Certificates that were made, as their rows say.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made(&mut self, span: Span) -> Result<Vec<Serial>, StoreError> {
        let query = certificate::table
            .filter(certificate::application.is_not_null())
            .filter(certificate::issued_at.ge(span.from.millis()))
            .filter(certificate::issued_at.lt(span.until.millis()))
            .order(certificate::serial)
            .select(certificate::serial);
        let numbers: Vec<Vec<u8>> = run!(self, connection => query.load(connection))?;
        numbers.iter().map(|number| serial(number, "certificate", "of an unreadable serial number")).collect()
    }

    /// Certificates that were made, as the log says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_by_log(&mut self, span: Span) -> Result<Vec<Serial>, StoreError> {
        let query = audit::table
            .filter(audit::at.ge(span.from.millis()))
            .filter(audit::at.lt(span.until.millis()))
            .filter(sql::<Bool>("(action = 'issue-certificate' OR action = 'deliver-token')"))
            .filter(audit::action.eq("issue-certificate"))
            .filter(audit::rule.is_null())
            .order(audit::id)
            .select(audit::object_id);
        let ids: Vec<String> = run!(self, connection => query.load(connection))?;
        ids.iter().map(|id| intact(Serial::from_hex(id), "audit", id)).collect()
    }

    /// Good certificates of units that end within a span: all of them, and by the state of their renewal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn renewals_due(
        &mut self,
        from: Time,
        until: Time,
    ) -> Result<Vec<(Option<String>, i64)>, StoreError> {
        let renewal = application::certificate.eq(status::serial.nullable()).and(sql::<Bool>(
            "kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock' \
             AND application.state <> 'rejected' AND application.state <> 'withdrawn' AND application.state <> 'expired'",
        ));
        let query = status::table
            .inner_join(certificate::table.on(certificate::serial.eq(status::serial)))
            .left_join(application::table.on(renewal))
            .filter(sql::<Bool>("status.state = 'good'"))
            .filter(status::not_after.ge(from.millis()))
            .filter(status::not_after.lt(until.millis()))
            .filter(certificate::unit.is_not_null())
            .group_by(sql::<Text>("1"))
            .select((sql::<Nullable<Text>>("application.state"), sql::<BigInt>("COUNT(*)")));
        run!(self, connection => query.load(connection))
    }
}
