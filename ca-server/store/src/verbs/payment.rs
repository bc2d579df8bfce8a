//! Payments and the book (step 4). Amounts in fen.

use ca_core::{
    Fen, OrderId, PaymentId, StaffId,
    billing::{Account, Booked, Payer, Payment, PaymentMethod, Posting},
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{ledger_account, payment, posting},
    tx::{all, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = payment)]
struct PaymentRow {
    id: String,
    fee_order: Option<String>,
    payer: Option<String>,
    method: String,
    reference: String,
    amount_fen: i64,
    cashier: Option<String>,
    counter: Option<String>,
    code: String,
    at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = posting)]
struct PostingRow {
    id: i64,
    reason: String,
    cause: String,
    fee_order: Option<String>,
    debit: String,
    credit: String,
    amount_fen: i64,
    at: i64,
}

impl Reader<'_> {
    /// A payment by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payment(&mut self, id: &PaymentId) -> Result<Option<Payment>, StoreError> {
        one!(self, PaymentRow, payment::table.find(id.as_str()))?.map(Payment::try_from).transpose()
    }

    /// A payment by the number that the other side gave it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payment_by_reference(
        &mut self,
        method: PaymentMethod,
        reference: &str,
    ) -> Result<Option<Payment>, StoreError> {
        let query =
            payment::table.filter(payment::method.eq(method.name())).filter(payment::reference.eq(reference));
        one!(self, PaymentRow, query)?.map(Payment::try_from).transpose()
    }

    /// A payment by the code on its receipt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payment_by_code(&mut self, code: &str) -> Result<Option<Payment>, StoreError> {
        let query = payment::table.filter(payment::code.eq(code));
        one!(self, PaymentRow, query)?.map(Payment::try_from).transpose()
    }

    /// What was paid for an order, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn payments_of(&mut self, order: &OrderId) -> Result<Vec<Payment>, StoreError> {
        let query = payment::table.filter(payment::fee_order.eq(order.as_str())).order(payment::id);
        all!(self, PaymentRow, query)?.into_iter().map(Payment::try_from).collect()
    }

    /// What a payer or an order has: what was credited less what was debited.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn balance(&mut self, account: &Account) -> Result<Fen, StoreError> {
        let query = ledger_account::table.find(account.to_string()).select(ledger_account::balance_fen);
        let found: Option<i64> = run!(self, connection => query.get_result(connection).optional())?;
        Ok(Fen::new(found.unwrap_or_default()))
    }

    /// What moved on an account, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn booked(&mut self, account: &Account, after: i64, limit: i64) -> Result<Vec<Booked>, StoreError> {
        let name = account.to_string();
        // Two lookups in two indexes; "or" would be a scan.
        let debit = posting::table
            .filter(posting::debit.eq(&name).and(posting::id.gt(after)))
            .order(posting::id)
            .limit(limit);
        let credit = posting::table
            .filter(posting::credit.eq(&name).and(posting::id.gt(after)))
            .order(posting::id)
            .limit(limit);
        let mut rows = all!(self, PostingRow, debit)?;
        rows.append(&mut all!(self, PostingRow, credit)?);
        rows.sort_unstable_by_key(|row| row.id);
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        rows.into_iter().map(Booked::try_from).collect()
    }
}

impl Tx<'_> {
    /// Records a payment. Its postings are the caller's next step.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `payment-reference` when the number was used; [`StoreError::NotFound`] without order;
    /// [`StoreError::Rejected`] for an amount of zero or less.
    pub fn insert_payment(&mut self, new: &Payment) -> Result<(), StoreError> {
        let row = PaymentRow {
            id: new.id.to_string(),
            fee_order: new.order.as_ref().map(ToString::to_string),
            payer: new.payer.as_ref().map(ToString::to_string),
            method: new.method.name().to_owned(),
            reference: new.reference.clone(),
            amount_fen: new.amount.get(),
            cashier: new.cashier.as_ref().map(ToString::to_string),
            counter: new.counter.clone(),
            code: new.code.clone(),
            at: new.at.millis(),
        };
        insert!(self, payment::table, &row)
    }

    /// Writes postings into the book. `reason` and `cause` say why.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when a payer or an order would have less than nothing.
    pub fn book(
        &mut self,
        (reason, cause): (&str, &str),
        order: Option<&OrderId>,
        postings: &[Posting],
        at: Time,
    ) -> Result<(), StoreError> {
        for entry in postings {
            let row = (
                posting::reason.eq(reason),
                posting::cause.eq(cause),
                posting::fee_order.eq(order.map(OrderId::as_str)),
                posting::debit.eq(entry.debit().to_string()),
                posting::credit.eq(entry.credit().to_string()),
                posting::amount_fen.eq(entry.amount().get()),
                posting::at.eq(at.millis()),
            );
            insert!(self, posting::table, row)?;
        }
        Ok(())
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = StoreError;

    fn try_from(row: PaymentRow) -> Result<Self, StoreError> {
        let method = PaymentMethod::from_name(&row.method);
        Ok(Self {
            id: intact(PaymentId::parse(&row.id), "payment", &row.id)?,
            order: intact(row.fee_order.as_deref().map(OrderId::parse).transpose(), "payment", &row.id)?,
            payer: intact(row.payer.as_deref().map(Payer::parse).transpose(), "payment", &row.id)?,
            method: intact(method.ok_or(()), "payment", &row.id)?,
            reference: row.reference,
            amount: Fen::new(row.amount_fen),
            cashier: intact(row.cashier.as_deref().map(StaffId::parse).transpose(), "payment", &row.id)?,
            counter: row.counter,
            code: row.code,
            at: Time::from_millis(row.at),
        })
    }
}

impl TryFrom<PostingRow> for Booked {
    type Error = StoreError;

    fn try_from(row: PostingRow) -> Result<Self, StoreError> {
        let debit = intact(Account::parse(&row.debit), "posting", row.id)?;
        let credit = intact(Account::parse(&row.credit), "posting", row.id)?;
        let posting = Posting::new(debit, credit, Fen::new(row.amount_fen)).ok_or(());
        Ok(Self {
            number: row.id,
            reason: row.reason,
            cause: row.cause,
            order: intact(row.fee_order.as_deref().map(OrderId::parse).transpose(), "posting", row.id)?,
            posting: intact(posting, "posting", row.id)?,
            at: Time::from_millis(row.at),
        })
    }
}
