//! Lines of bank statements (step 4). Amounts in fen.

use std::collections::HashMap;

use ca_core::{
    BankLine, BankLineId, BankLineState, Fen, OrderId, PaymentId, StaffId, UnmatchedReason,
    billing::{Payer, PaymentMethod},
};
use ca_verifier::Time;
use diesel::{
    dsl::{exists, select},
    prelude::*,
};

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{adjustment, bank_line, payment},
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
    return_reason: Option<String>,
    return_by: Option<String>,
    return_approved_by: Option<String>,
    return_reference: Option<String>,
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
    return_reason: Option<String>,
    return_by: Option<String>,
    return_approved_by: Option<String>,
    return_reference: Option<String>,
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
    /// The line that brought a payment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bank_line_of(&mut self, payment: &PaymentId) -> Result<Option<BankLine>, StoreError> {
        let query = bank_line::table.filter(bank_line::payment.eq(payment.as_str()));
        one!(self, Row, query)?.map(BankLine::try_from).transpose()
    }

    /// Whether a transfer of ours with this number was written down, for a refund or for money that went back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sent_transfer(&mut self, number: &str) -> Result<bool, StoreError> {
        let refund = adjustment::table
            .filter(adjustment::method.eq(PaymentMethod::Transfer.name()))
            .filter(adjustment::reference.eq(number));
        let returned = bank_line::table.filter(bank_line::return_reference.eq(number));
        Ok(run!(self, connection => select(exists(refund)).get_result(connection))?
            || run!(self, connection => select(exists(returned)).get_result(connection))?)
    }

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
            return_reason: state.return_reason,
            return_by: state.return_by,
            return_approved_by: state.return_approved_by,
            return_reference: state.return_reference,
        };
        insert!(self, bank_line::table, &row)
    }

    /// From one state to the next.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `bank-line` when it is not in `from` any more; [`StoreError::Conflict`] `payment-reference`
    /// when the number of our transfer was used.
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
            BankLineState::ReturnRequested { reason, payer, remark, why, by } => Self {
                reason: Some(reason.name().to_owned()),
                payer_name: Some(payer.clone()),
                remark: Some(remark.clone()),
                return_reason: Some(why.clone()),
                return_by: Some(by.to_string()),
                ..row
            },
            BankLineState::Returned { by, approved_by, reference } => Self {
                return_by: Some(by.to_string()),
                return_approved_by: Some(approved_by.to_string()),
                return_reference: Some(reference.clone()),
                ..row
            },
        }
    }
}

impl Row {
    fn state(&self) -> Option<BankLineState> {
        let person = |column: &Option<String>| column.as_deref().and_then(|id| StaffId::parse(id).ok());
        let order = || self.fee_order.as_deref().and_then(|id| OrderId::parse(id).ok());
        let reason = || self.reason.as_deref().and_then(UnmatchedReason::from_name);
        // That the others are empty is the database's to see to.
        match self.state.as_str() {
            "matched" => Some(BankLineState::Matched { order: order()? }),
            "unmatched" => Some(BankLineState::Unmatched {
                reason: reason()?,
                payer: self.payer_name.clone()?,
                remark: self.remark.clone()?,
            }),
            "assigned" => Some(BankLineState::Assigned { order: order()?, by: person(&self.assigned_by)? }),
            "return-requested" => Some(BankLineState::ReturnRequested {
                reason: reason()?,
                payer: self.payer_name.clone()?,
                remark: self.remark.clone()?,
                why: self.return_reason.clone()?,
                by: person(&self.return_by)?,
            }),
            "returned" => Some(BankLineState::Returned {
                by: person(&self.return_by)?,
                approved_by: person(&self.return_approved_by)?,
                reference: self.return_reference.clone()?,
            }),
            _ => None,
        }
    }
}

impl TryFrom<Row> for BankLine {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = intact(row.state().ok_or(()), "bank line", &row.id)?;
        let id = row.id;
        Ok(Self {
            payment: intact(PaymentId::parse(&row.payment), "bank line", &id)?,
            booked_on: intact(row.booked_on.parse(), "bank line", &id)?,
            amount: Fen::new(row.amount_fen),
            imported_by: intact(StaffId::parse(&row.imported_by), "bank line", &id)?,
            imported_at: Time::from_millis(row.imported_at),
            state,
            id: intact(BankLineId::parse(&id), "bank line", &id)?,
        })
    }
}
