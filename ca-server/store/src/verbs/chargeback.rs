//! Payments that were taken back (I9).

use ca_core::{
    ChargebackId, Fen, OrderId, PaymentId, StaffId, UnitId,
    billing::{Chargeback, ChargebackState},
};
use ca_verifier::Time;
use diesel::{dsl::exists, prelude::*, select};

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{application, charge, chargeback},
    tx::{change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = chargeback)]
struct Row {
    id: String,
    payment: String,
    fee_order: String,
    amount_fen: i64,
    reference: String,
    recorded_by: String,
    recorded_at: i64,
    state: String,
    held_at: Option<i64>,
    settlement: Option<String>,
}

impl Reader<'_> {
    /// One chargeback.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chargeback(&mut self, id: &ChargebackId) -> Result<Option<Chargeback>, StoreError> {
        one!(self, Row, chargeback::table.find(id.as_str()))?.map(Chargeback::try_from).transpose()
    }

    /// What was taken back of a payment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chargeback_of(&mut self, payment: &PaymentId) -> Result<Option<Chargeback>, StoreError> {
        let query = chargeback::table.filter(chargeback::payment.eq(payment.as_str()));
        one!(self, Row, query)?.map(Chargeback::try_from).transpose()
    }

    /// Chargebacks, the oldest first: of one state, or all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chargebacks(
        &mut self,
        state: Option<&str>,
        after: Option<&ChargebackId>,
        limit: i64,
    ) -> Result<Vec<Chargeback>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = chargeback::table.into_boxed();
            if let Some(state) = state {
                query = query.filter(chargeback::state.eq(state));
            }
            if let Some(after) = after {
                query = query.filter(chargeback::id.gt(after.as_str()));
            }
            query.order(chargeback::id).limit(limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Chargeback::try_from).collect()
    }

    /// Whether money of this order is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_arrears(&mut self, order: &OrderId) -> Result<bool, StoreError> {
        let missing = chargeback::table
            .filter(chargeback::fee_order.eq(order.as_str()))
            .filter(chargeback::state.ne("settled"));
        run!(self, connection => select(exists(missing)).get_result(connection))
    }

    /// Whether money of any order for this unit is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_in_arrears(&mut self, unit: &UnitId) -> Result<bool, StoreError> {
        let missing = chargeback::table
            .inner_join(charge::table.on(charge::fee_order.eq(chargeback::fee_order)))
            .inner_join(application::table.on(application::id.eq(charge::application)))
            .filter(chargeback::state.ne("settled"))
            .filter(application::unit.eq(unit.as_str()));
        run!(self, connection => select(exists(missing)).get_result(connection))
    }
}

impl Tx<'_> {
    /// A new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `chargeback` for a payment that was taken back already, `payment-reference` when the number
    /// was used.
    pub fn insert_chargeback(&mut self, new: &Chargeback) -> Result<(), StoreError> {
        let (held_at, settlement) = columns(&new.state);
        let row = Row {
            id: new.id.to_string(),
            payment: new.payment.to_string(),
            fee_order: new.order.to_string(),
            amount_fen: new.amount.get(),
            reference: new.reference.clone(),
            recorded_by: new.recorded_by.to_string(),
            recorded_at: new.recorded_at.millis(),
            state: new.state.name().to_owned(),
            held_at,
            settlement,
        };
        insert!(self, chargeback::table, &row)
    }

    /// Moves it on, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `chargeback`.
    pub fn move_chargeback(
        &mut self,
        id: &ChargebackId,
        from: &ChargebackState,
        to: &ChargebackState,
    ) -> Result<(), StoreError> {
        let row = chargeback::table.find(id.as_str()).filter(chargeback::state.eq(from.name()));
        let (held_at, settlement) = columns(to);
        let set = (
            chargeback::state.eq(to.name()),
            chargeback::held_at.eq(held_at),
            chargeback::settlement.eq(settlement),
        );
        change_one!(self, "chargeback", diesel::update(row).set(set))
    }
}

fn columns(state: &ChargebackState) -> (Option<i64>, Option<String>) {
    match state {
        ChargebackState::Open => (None, None),
        ChargebackState::Held { at } => (Some(at.millis()), None),
        ChargebackState::Settled { payment } => (None, Some(payment.to_string())),
    }
}

impl TryFrom<Row> for Chargeback {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = match (row.state.as_str(), row.held_at, &row.settlement) {
            ("open", None, None) => ChargebackState::Open,
            ("held", Some(at), None) => ChargebackState::Held { at: Time::from_millis(at) },
            ("settled", None, Some(payment)) => ChargebackState::Settled {
                payment: intact(PaymentId::parse(payment), "chargeback", &row.id)?,
            },
            _ => return Err(StoreError::Corrupt { table: "chargeback", id: row.id }),
        };
        Ok(Self {
            id: intact(ChargebackId::parse(&row.id), "chargeback", &row.id)?,
            payment: intact(PaymentId::parse(&row.payment), "chargeback", &row.id)?,
            order: intact(OrderId::parse(&row.fee_order), "chargeback", &row.id)?,
            amount: Fen::new(row.amount_fen),
            reference: row.reference,
            recorded_by: intact(StaffId::parse(&row.recorded_by), "chargeback", &row.id)?,
            recorded_at: Time::from_millis(row.recorded_at),
            state,
        })
    }
}
