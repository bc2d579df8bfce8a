//! Lines of bank statements (step 4). Amounts in fen.

use std::collections::HashMap;

use ca_core::{
    BankLine, BankLineId, BankLineState, Fen, OrderId, PaymentId, StaffId, UnmatchedReason,
    billing::{Payer, PaymentMethod},
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{bank_line, payment},
    tx::{change_one, insert, one, run},
};

/// Numbers asked for at once: SQLite takes so many values in a statement, and more.
const NUMBERS: usize = 500;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = bank_line)]
struct Row {
    id: String,
    payment: String,
    booked_on: String,
    amount_fen: i64,
    imported_by: String,
    imported_at: i64,
    state: String,
    reason: Option<String>,
    payer_name: Option<String>,
    remark: Option<String>,
    fee_order: Option<String>,
    assigned_by: Option<String>,
}

/// The columns that a state needs.
#[derive(AsChangeset, Default)]
#[diesel(table_name = bank_line, treat_none_as_null = true)]
struct StateRow {
    state: String,
    reason: Option<String>,
    payer_name: Option<String>,
    remark: Option<String>,
    fee_order: Option<String>,
    assigned_by: Option<String>,
}

impl Reader<'_> {
    /// A line by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bank_line(&mut self, id: &BankLineId) -> Result<Option<BankLine>, StoreError> {
        one!(self, Row, bank_line::table.find(id.as_str()))?.map(BankLine::try_from).transpose()
    }

    /// Lines, the oldest first, of one state or all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bank_lines(
        &mut self,
        state: Option<&str>,
        after: Option<&BankLineId>,
        limit: i64,
    ) -> Result<Vec<BankLine>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = bank_line::table.into_boxed();
            if let Some(state) = state {
                query = query.filter(bank_line::state.eq(state));
            }
            if let Some(after) = after {
                query = query.filter(bank_line::id.gt(after.as_str()));
            }
            query.order(bank_line::id).limit(limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(BankLine::try_from).collect()
    }
}

impl Reader<'_> {
    /// Which of the bank's numbers were counted, and with which amounts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counted_transfers(&mut self, numbers: &[&str]) -> Result<HashMap<String, Fen>, StoreError> {
        let mut counted = HashMap::new();
        for some in numbers.chunks(NUMBERS) {
            let found: Vec<(String, i64)> = run!(self, connection => {
                payment::table
                    .filter(payment::method.eq(PaymentMethod::Transfer.name()))
                    .filter(payment::reference.eq_any(some))
                    .select((payment::reference, payment::amount_fen))
                    .load(connection)
            })?;
            counted.extend(found.into_iter().map(|(number, amount)| (number, Fen::new(amount))));
        }
        Ok(counted)
    }
}

impl Tx<'_> {
    /// Says of money that was nobody's for which order it is and who paid.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `payment` when that is known.
    pub fn assign_payment(
        &mut self,
        id: &PaymentId,
        order: &OrderId,
        payer: &Payer,
    ) -> Result<(), StoreError> {
        let row = payment::table.find(id.as_str()).filter(payment::fee_order.is_null());
        let change = (payment::fee_order.eq(order.as_str()), payment::payer.eq(payer.to_string()));
        change_one!(self, "payment", diesel::update(row).set(change))
    }

    /// A new line; its payment is there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without payment or order.
    pub fn insert_bank_line(&mut self, new: &BankLine) -> Result<(), StoreError> {
        let state = StateRow::from(&new.state);
        let row = Row {
            id: new.id.to_string(),
            payment: new.payment.to_string(),
            booked_on: new.booked_on.to_string(),
            amount_fen: new.amount.get(),
            imported_by: new.imported_by.to_string(),
            imported_at: new.imported_at.millis(),
            state: state.state,
            reason: state.reason,
            payer_name: state.payer_name,
            remark: state.remark,
            fee_order: state.fee_order,
            assigned_by: state.assigned_by,
        };
        insert!(self, bank_line::table, &row)
    }

    /// From one state to the next.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `bank-line` when it is not in `from` any more.
    pub fn move_bank_line(
        &mut self,
        id: &BankLineId,
        from: &BankLineState,
        to: &BankLineState,
    ) -> Result<(), StoreError> {
        let row = bank_line::table.find(id.as_str()).filter(bank_line::state.eq(from.name()));
        change_one!(self, "bank-line", diesel::update(row).set(StateRow::from(to)))
    }
}

impl From<&BankLineState> for StateRow {
    fn from(state: &BankLineState) -> Self {
        let row = Self { state: state.name().to_owned(), ..Self::default() };
        match state {
            BankLineState::Matched { order } => Self { fee_order: Some(order.to_string()), ..row },
            BankLineState::Unmatched { reason, payer, remark } => Self {
                reason: Some(reason.name().to_owned()),
                payer_name: Some(payer.clone()),
                remark: Some(remark.clone()),
                ..row
            },
            BankLineState::Assigned { order, by } => {
                Self { fee_order: Some(order.to_string()), assigned_by: Some(by.to_string()), ..row }
            }
        }
    }
}

impl TryFrom<Row> for BankLine {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let order = intact(row.fee_order.as_deref().map(OrderId::parse).transpose(), "bank line", &id)?;
        let by = intact(row.assigned_by.as_deref().map(StaffId::parse).transpose(), "bank line", &id)?;
        let reason = row.reason.as_deref().and_then(UnmatchedReason::from_name);
        let state = match (row.state.as_str(), order, by, reason, row.payer_name, row.remark) {
            ("matched", Some(order), None, None, None, None) => Ok(BankLineState::Matched { order }),
            ("unmatched", None, None, Some(reason), Some(payer), Some(remark)) => {
                Ok(BankLineState::Unmatched { reason, payer, remark })
            }
            ("assigned", Some(order), Some(by), None, None, None) => {
                Ok(BankLineState::Assigned { order, by })
            }
            _ => Err(()),
        };
        Ok(Self {
            payment: intact(PaymentId::parse(&row.payment), "bank line", &id)?,
            booked_on: intact(row.booked_on.parse(), "bank line", &id)?,
            amount: Fen::new(row.amount_fen),
            imported_by: intact(StaffId::parse(&row.imported_by), "bank line", &id)?,
            imported_at: Time::from_millis(row.imported_at),
            state: intact(state, "bank line", &id)?,
            id: intact(BankLineId::parse(&id), "bank line", &id)?,
        })
    }
}
