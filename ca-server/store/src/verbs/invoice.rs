//! Invoices (发票) that payers ask for, and their files.

use ca_core::{
    AgentId, Ciphertext, Fen, InvoiceId, OrderId,
    billing::{Invoice, InvoiceKind, InvoiceNumber, InvoiceState, KeptForm, Payer},
    policy::Deadline,
};
use ca_verifier::Time;
use diesel::{
    dsl::{exists, select, sql},
    prelude::*,
    sql_types::Bool,
};

use super::{digest, intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{fee_order, idempotency, invoice, invoice_file},
    statement::{Column, Shift, Value},
    tx::{all, change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invoice, treat_none_as_default_value = false)]
struct Row {
    id: String,
    fee_order: String,
    payer: String,
    kind: String,
    amount_fen: i64,
    form_sealed: Vec<u8>,
    requested_by: String,
    requested_at: i64,
    due_at: i64,
    due_estimated: i16,
    #[diesel(embed)]
    state: StateRow,
    erased_at: Option<i64>,
}

/// The columns that a state needs.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invoice, treat_none_as_default_value = false)]
struct StateRow {
    state: String,
    number: Option<String>,
    file_sha256: Option<Vec<u8>>,
    red_number: Option<String>,
    reasons: Option<String>,
}

/// A file as it was handed in.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invoice_file)]
struct FileRow {
    invoice: String,
    media_type: String,
    content: Vec<u8>,
}

/// Which invoices.
#[derive(Clone, Debug, Default)]
pub struct InvoiceFilter {
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this payer.
    pub payer: Option<Payer>,
    /// Only those that are asked for and should have been written before this moment.
    pub overdue_at: Option<Time>,
    /// Only issued ones of orders of which more stands on invoices than was paid and is not given back.
    pub to_red_letter: bool,
    /// Only what comes after this one.
    pub after: Option<InvoiceId>,
    /// How many at most.
    pub limit: i64,
}

impl Reader<'_> {
    /// One invoice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice(&mut self, id: &InvoiceId) -> Result<Option<Invoice>, StoreError> {
        one!(self, Row, invoice::table.find(id.as_str()))?.map(Invoice::try_from).transpose()
    }

    /// Every invoice of an order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoices_of(&mut self, order: &OrderId) -> Result<Vec<Invoice>, StoreError> {
        let query = invoice::table.filter(invoice::fee_order.eq(order.as_str())).order(invoice::id);
        all!(self, Row, query)?.into_iter().map(Invoice::try_from).collect()
    }

    /// Invoices, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoices(&mut self, filter: &InvoiceFilter) -> Result<Vec<Invoice>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = invoice::table.into_boxed();
            if let Some(state) = &filter.state {
                query = query.filter(invoice::state.eq(state));
            }
            if let Some(payer) = &filter.payer {
                query = query.filter(invoice::payer.eq(payer.to_string()));
            }
            if let Some(moment) = filter.overdue_at {
                query = query.filter(invoice::state.eq("requested"));
                query = query.filter(invoice::due_at.le(moment.millis()));
            }
            if filter.to_red_letter {
                // Literal, because SQLite uses the partial index only for a condition without parameters.
                let over = fee_order::table
                    .filter(sql::<Bool>(
                        "fee_order.invoiced_fen > fee_order.received_fen - fee_order.refunded_fen",
                    ))
                    .select(fee_order::id);
                // Not by the index of states: nearly every invoice is issued, and few orders have too much on theirs.
                let issued = sql::<Bool>("invoice.state || '' = 'issued'");
                query = query.filter(issued).filter(invoice::fee_order.eq_any(over));
            }
            if let Some(after) = &filter.after {
                query = query.filter(invoice::id.gt(after.as_str()));
            }
            query.order(invoice::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Invoice::try_from).collect()
    }

    /// Whether the tax bureau's number stands at any invoice, its own or that of the one which takes it back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice_number_used(&mut self, number: &InvoiceNumber) -> Result<bool, StoreError> {
        let (own, red) = (invoice::number.eq(number.as_str()), invoice::red_number.eq(number.as_str()));
        let used = select(exists(invoice::table.filter(own.or(red))));
        run!(self, connection => used.get_result(connection))
    }

    /// An invoice's file with its media type.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice_file(&mut self, id: &InvoiceId) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let row = one!(self, FileRow, invoice_file::table.find(id.as_str()))?;
        Ok(row.map(|row| (row.media_type, row.content)))
    }
}

impl Tx<'_> {
    /// Holds an order until the transaction ends: what can be invoiced of it is reckoned by one at a time.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `order` when there is none.
    pub fn lock_order(&mut self, id: &OrderId) -> Result<(), StoreError> {
        let same = fee_order::payer.eq(fee_order::payer);
        change_one!(self, "order", diesel::update(fee_order::table.find(id.as_str())).set(same))
    }

    /// A new one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without order; [`StoreError::Rejected`] for an amount of zero or less.
    pub fn insert_invoice(&mut self, new: &Invoice) -> Result<(), StoreError> {
        let (form_sealed, erased_at) = match &new.form {
            KeptForm::Sealed(form) => (form.as_bytes().to_vec(), None),
            KeptForm::Erased { at } => (Vec::new(), Some(at.millis())),
        };
        let row = Row {
            id: new.id.to_string(),
            fee_order: new.order.to_string(),
            payer: new.payer.to_string(),
            kind: new.kind.name().to_owned(),
            amount_fen: new.amount.get(),
            form_sealed,
            requested_by: new.requested_by.clone(),
            requested_at: new.requested_at.millis(),
            due_at: new.due.at.millis(),
            due_estimated: i16::from(new.due.estimated),
            state: StateRow::from(&new.state),
            erased_at,
        };
        insert!(self, invoice::table, &row)?;
        if new.state.counts() { self.add_invoiced(&new.order, new.amount.get()) } else { Ok(()) }
    }

    /// Moves one on, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `invoice`; [`StoreError::Conflict`] `invoice-number` when the number stands on another.
    pub fn move_invoice(&mut self, known: &Invoice, to: &InvoiceState) -> Result<(), StoreError> {
        let from = &known.state;
        // An issued one without a file is in another state than one with it: all columns are compared.
        let shift = Shift::new(
            "invoice",
            ("id", Value::Text(Some(known.id.to_string()))),
            StateRow::from(from).into_columns(),
            StateRow::from(to).into_columns(),
        );
        change_one!(self, "invoice", shift)?;
        match (from.counts(), to.counts()) {
            (true, false) => self.add_invoiced(&known.order, 0_i64.saturating_sub(known.amount.get())),
            (false, true) => self.add_invoiced(&known.order, known.amount.get()),
            _ => Ok(()),
        }
    }

    /// The order keeps the sum, so that what is to be taken back is found among many.
    fn add_invoiced(&mut self, order: &OrderId, fen: i64) -> Result<(), StoreError> {
        let sum = fee_order::invoiced_fen.eq(fee_order::invoiced_fen + fen);
        change_one!(self, "order", diesel::update(fee_order::table.find(order.as_str())).set(sum))
    }

    /// Erases what stands on the agent's own invoices, their files, and digests of the requests that brought them. Number,
    /// amount and state stay. Gives how many.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] while one is still to be written.
    pub fn erase_invoices(&mut self, agent: &AgentId, at: Time) -> Result<usize, StoreError> {
        let payer = Payer::Agent(agent.clone()).to_string();
        let own = || invoice::table.filter(invoice::payer.eq(payer.as_str()));
        let files = invoice_file::table.filter(invoice_file::invoice.eq_any(own().select(invoice::id)));
        let requests = idempotency::table.filter(idempotency::resource.eq_any(own().select(invoice::id)));
        run!(self, connection => diesel::delete(files).execute(connection))?;
        run!(self, connection => diesel::delete(requests).execute(connection))?;
        let erased = (invoice::form_sealed.eq(Vec::<u8>::new()), invoice::erased_at.eq(at.millis()));
        let kept = own().filter(invoice::erased_at.is_null());
        run!(self, connection => diesel::update(kept).set(erased).execute(connection))
    }

    /// Keeps an invoice's file.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `invoice-file` when there is one.
    pub fn insert_invoice_file(
        &mut self,
        id: &InvoiceId,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<(), StoreError> {
        let row = FileRow { invoice: id.to_string(), media_type: media_type.to_owned(), content };
        insert!(self, invoice_file::table, &row)
    }
}

impl From<&InvoiceState> for StateRow {
    fn from(state: &InvoiceState) -> Self {
        let (mut number, mut file_sha256, mut red_number, mut reasons) = (None, None, None, None);
        match state {
            InvoiceState::Requested => {}
            InvoiceState::Issued { number: given, file } => {
                number = Some(given.as_str().to_owned());
                file_sha256 = file.map(|digest| digest.to_vec());
            }
            InvoiceState::RedLettered { number: given, red } => {
                number = Some(given.as_str().to_owned());
                red_number = Some(red.as_str().to_owned());
            }
            InvoiceState::Refused { reasons: given } => reasons = Some(given.clone()),
        }
        Self { state: state.name().to_owned(), number, file_sha256, red_number, reasons }
    }
}

impl StateRow {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("number", Value::Text(self.number)),
            ("file_sha256", Value::Octets(self.file_sha256)),
            ("red_number", Value::Text(self.red_number)),
            ("reasons", Value::Text(self.reasons)),
        ]
    }
}

impl TryFrom<Row> for Invoice {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let number = |text: String| intact(InvoiceNumber::parse(&text), "invoice", &id);
        let columns = (row.state.number, row.state.file_sha256, row.state.red_number, row.state.reasons);
        let state = match (row.state.state.as_str(), columns) {
            ("requested", (None, None, None, None)) => InvoiceState::Requested,
            ("issued", (Some(given), file, None, None)) => {
                let file = file.map(|octets| digest(octets, "invoice", &id)).transpose()?;
                InvoiceState::Issued { number: number(given)?, file }
            }
            ("red-lettered", (Some(given), None, Some(red), None)) => {
                InvoiceState::RedLettered { number: number(given)?, red: number(red)? }
            }
            ("refused", (None, None, None, Some(reasons))) => InvoiceState::Refused { reasons },
            _ => return Err(StoreError::Corrupt { table: "invoice", id }),
        };
        let form = match times(row.erased_at) {
            None => KeptForm::Sealed(intact(Ciphertext::from_stored(row.form_sealed), "invoice", &id)?),
            Some(at) if row.form_sealed.is_empty() => KeptForm::Erased { at },
            Some(_) => return Err(StoreError::Corrupt { table: "invoice", id }),
        };
        Ok(Self {
            order: intact(OrderId::parse(&row.fee_order), "invoice", &id)?,
            payer: intact(Payer::parse(&row.payer), "invoice", &id)?,
            kind: intact(InvoiceKind::from_name(&row.kind), "invoice", &id)?,
            amount: Fen::new(row.amount_fen),
            form,
            requested_by: row.requested_by,
            requested_at: Time::from_millis(row.requested_at),
            due: Deadline { at: Time::from_millis(row.due_at), estimated: row.due_estimated != 0 },
            state,
            id: intact(InvoiceId::parse(&id), "invoice", &id)?,
        })
    }
}
