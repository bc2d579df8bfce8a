//! Online payments at gateways (step 4). Amounts in fen.

use ca_core::{Fen, OnlinePayment, OnlinePaymentId, OnlinePaymentState, OrderId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::online_payment,
    tx::{all, change_one, insert, one},
};

/// States in which it can still be paid at the gateway.
const LIVE: [&str; 2] = ["created", "offered"];

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = online_payment)]
struct Row {
    id: String,
    fee_order: String,
    gateway: String,
    amount_fen: i64,
    nonce: String,
    code: String,
    description: String,
    opened_by: String,
    created_at: i64,
    told_at: i64,
    expires_at: i64,
    state: String,
    url: Option<String>,
    transaction_no: Option<String>,
}

/// The columns that a state needs.
#[derive(AsChangeset, Default)]
#[diesel(table_name = online_payment, treat_none_as_null = true)]
struct StateRow {
    state: String,
    url: Option<String>,
    transaction_no: Option<String>,
}

impl Reader<'_> {
    /// An online payment by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn online_payment(&mut self, id: &OnlinePaymentId) -> Result<Option<OnlinePayment>, StoreError> {
        one!(self, Row, online_payment::table.find(id.as_str()))?.map(OnlinePayment::try_from).transpose()
    }

    /// An online payment by the code of the receipt that it will have.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn online_payment_by_code(&mut self, code: &str) -> Result<Option<OnlinePayment>, StoreError> {
        let query = online_payment::table.filter(online_payment::code.eq(code));
        one!(self, Row, query)?.map(OnlinePayment::try_from).transpose()
    }

    /// All of an order, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn online_payments_of(&mut self, order: &OrderId) -> Result<Vec<OnlinePayment>, StoreError> {
        let query = online_payment::table
            .filter(online_payment::fee_order.eq(order.as_str()))
            .order(online_payment::id);
        all!(self, Row, query)?.into_iter().map(OnlinePayment::try_from).collect()
    }

    /// Those of a gateway that can still be paid, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn live_online_payments(
        &mut self,
        gateway: &str,
        after: Option<&OnlinePaymentId>,
        limit: i64,
    ) -> Result<Vec<OnlinePayment>, StoreError> {
        let after = after.map_or("", OnlinePaymentId::as_str);
        let query = online_payment::table
            .filter(online_payment::state.eq_any(LIVE))
            .filter(online_payment::gateway.eq(gateway))
            .filter(online_payment::id.gt(after))
            .order(online_payment::id)
            .limit(limit);
        all!(self, Row, query)?.into_iter().map(OnlinePayment::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `live-online-payment` when the order has one that can still be paid.
    pub fn insert_online_payment(&mut self, new: &OnlinePayment) -> Result<(), StoreError> {
        let state = StateRow::from(&new.state);
        let row = Row {
            id: new.id.to_string(),
            fee_order: new.order.to_string(),
            gateway: new.gateway.clone(),
            amount_fen: new.amount.get(),
            nonce: new.nonce.clone(),
            code: new.code.clone(),
            description: new.description.clone(),
            opened_by: new.opened_by.clone(),
            created_at: new.created_at.millis(),
            told_at: new.told_at.millis(),
            expires_at: new.expires_at.millis(),
            state: state.state,
            url: state.url,
            transaction_no: state.transaction_no,
        };
        insert!(self, online_payment::table, &row)
    }

    /// The gateway is about to be told of it again.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `online-payment` when it is not in `state` any more.
    pub fn tell_online_payment(
        &mut self,
        id: &OnlinePaymentId,
        state: &OnlinePaymentState,
        at: Time,
    ) -> Result<(), StoreError> {
        let row = online_payment::table.find(id.as_str()).filter(online_payment::state.eq(state.name()));
        change_one!(self, "online-payment", diesel::update(row).set(online_payment::told_at.eq(at.millis())))
    }

    /// From one state to the next.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `online-payment` when it is not in `from` any more; [`StoreError::Conflict`]
    /// `payment-reference` when the gateway's number was used.
    pub fn move_online_payment(
        &mut self,
        id: &OnlinePaymentId,
        from: &OnlinePaymentState,
        to: &OnlinePaymentState,
    ) -> Result<(), StoreError> {
        let row = online_payment::table.find(id.as_str()).filter(online_payment::state.eq(from.name()));
        change_one!(self, "online-payment", diesel::update(row).set(StateRow::from(to)))
    }
}

impl From<&OnlinePaymentState> for StateRow {
    fn from(state: &OnlinePaymentState) -> Self {
        let name = state.name().to_owned();
        match state {
            OnlinePaymentState::Created | OnlinePaymentState::Closed | OnlinePaymentState::Expired => {
                Self { state: name, ..Self::default() }
            }
            OnlinePaymentState::Offered { url } => {
                Self { state: name, url: Some(url.clone()), ..Self::default() }
            }
            OnlinePaymentState::Paid { transaction } => {
                Self { state: name, transaction_no: Some(transaction.clone()), ..Self::default() }
            }
        }
    }
}

impl TryFrom<Row> for OnlinePayment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = match (row.state.as_str(), row.url, row.transaction_no) {
            ("created", None, None) => Ok(OnlinePaymentState::Created),
            ("offered", Some(url), None) => Ok(OnlinePaymentState::Offered { url }),
            ("paid", None, Some(transaction)) => Ok(OnlinePaymentState::Paid { transaction }),
            ("closed", None, None) => Ok(OnlinePaymentState::Closed),
            ("expired", None, None) => Ok(OnlinePaymentState::Expired),
            _ => Err(()),
        };
        Ok(Self {
            id: intact(OnlinePaymentId::parse(&row.id), "online_payment", &row.id)?,
            order: intact(OrderId::parse(&row.fee_order), "online_payment", &row.id)?,
            gateway: row.gateway,
            amount: Fen::new(row.amount_fen),
            nonce: row.nonce,
            code: row.code,
            description: row.description,
            opened_by: row.opened_by,
            created_at: Time::from_millis(row.created_at),
            told_at: Time::from_millis(row.told_at),
            expires_at: Time::from_millis(row.expires_at),
            state: intact(state, "online_payment", &row.id)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_paid_is_asked_for() {
        let states = [
            OnlinePaymentState::Created,
            OnlinePaymentState::Offered { url: String::new() },
            OnlinePaymentState::Paid { transaction: String::new() },
            OnlinePaymentState::Closed,
            OnlinePaymentState::Expired,
        ];
        for state in states {
            assert_eq!(LIVE.contains(&state.name()), state.is_live(), "{}", state.name());
        }
    }
}
