//! Orders, payments and the double entry (step 4). Amounts in fen.

use ca_core::{ApplicationId, Fen, Order, OrderId, Payment, PaymentId, StaffId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{fee_order, payment, posting},
    tx::{change_one, insert, one},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = fee_order)]
struct OrderRow {
    id: String,
    application: String,
    tariff: String,
    total_fen: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = payment)]
struct PaymentRow {
    id: String,
    fee_order: String,
    receipt_no: String,
    amount_fen: i64,
    method: String,
    cashier: String,
    at: i64,
}

impl Reader<'_> {
    /// An order by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order(&mut self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        let query = fee_order::table.find(id.as_str());
        let row = one!(self, OrderRow, query)?;
        row.map(Order::try_from).transpose()
    }

    /// What an application costs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_of(&mut self, application: &ApplicationId) -> Result<Option<Order>, StoreError> {
        let query = fee_order::table.filter(fee_order::application.eq(application.as_str()));
        let row = one!(self, OrderRow, query)?;
        row.map(Order::try_from).transpose()
    }

    /// A payment by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payment(&mut self, id: &PaymentId) -> Result<Option<Payment>, StoreError> {
        let query = payment::table.find(id.as_str());
        let row = one!(self, PaymentRow, query)?;
        row.map(Payment::try_from).transpose()
    }

    /// The payment that settled an order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payment_of(&mut self, order: &OrderId) -> Result<Option<Payment>, StoreError> {
        let query = payment::table.filter(payment::fee_order.eq(order.as_str()));
        let row = one!(self, PaymentRow, query)?;
        row.map(Payment::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Fixes what an application costs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `order-application`; [`StoreError::NotFound`] without application.
    pub fn insert_order(&mut self, new: &Order) -> Result<(), StoreError> {
        let row = OrderRow {
            id: new.id.to_string(),
            application: new.application.to_string(),
            tariff: new.tariff.clone(),
            total_fen: new.total.get(),
        };
        insert!(self, fee_order::table, &row)
    }

    /// What an application costs after it was corrected; nothing was paid for it yet.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `order` when there is none.
    pub fn quote_again(
        &mut self,
        application: &ApplicationId,
        tariff: &str,
        total: Fen,
    ) -> Result<(), StoreError> {
        let order = fee_order::table.filter(fee_order::application.eq(application.as_str()));
        let change = (fee_order::tariff.eq(tariff), fee_order::total_fen.eq(total.get()));
        change_one!(self, "order", diesel::update(order).set(change))
    }

    /// Records a payment and its posting: the method's account gains what the order's account gives.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `payment-order` (paid once) or `payment-receipt` (a receipt is used once);
    /// [`StoreError::NotFound`] without order; [`StoreError::Rejected`] for an amount of zero or less, or a method
    /// that is none of `cash`, `card`, `transfer`.
    pub fn insert_payment(&mut self, new: &Payment) -> Result<(), StoreError> {
        let row = PaymentRow {
            id: new.id.to_string(),
            fee_order: new.order.to_string(),
            receipt_no: new.receipt_no.clone(),
            amount_fen: new.amount.get(),
            method: new.method.clone(),
            cashier: new.cashier.to_string(),
            at: new.at.millis(),
        };
        insert!(self, payment::table, &row)?;
        let entry = (
            posting::payment.eq(new.id.as_str()),
            posting::debit.eq(new.method.as_str()),
            posting::credit.eq(format!("order:{}", new.order)),
            posting::amount_fen.eq(new.amount.get()),
            posting::at.eq(new.at.millis()),
        );
        insert!(self, posting::table, entry)
    }
}

impl TryFrom<OrderRow> for Order {
    type Error = StoreError;

    fn try_from(row: OrderRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(OrderId::parse(&row.id), "fee_order", &row.id)?,
            application: intact(ApplicationId::parse(&row.application), "fee_order", &row.id)?,
            tariff: row.tariff,
            total: Fen::new(row.total_fen),
        })
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = StoreError;

    fn try_from(row: PaymentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(PaymentId::parse(&row.id), "payment", &row.id)?,
            order: intact(OrderId::parse(&row.fee_order), "payment", &row.id)?,
            cashier: intact(StaffId::parse(&row.cashier), "payment", &row.id)?,
            receipt_no: row.receipt_no,
            amount: Fen::new(row.amount_fen),
            method: row.method,
            at: Time::from_millis(row.at),
        })
    }
}
