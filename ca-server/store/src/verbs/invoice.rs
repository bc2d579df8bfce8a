//! 发票 and their files (step 4). Amounts in fen.

use ca_core::{
    Ciphertext, Fen, InvoiceId, OrderId,
    billing::{Invoice, InvoiceFileKind, InvoiceKind, InvoiceNumber, InvoiceState, Payer},
    policy::Deadline,
};
use ca_verifier::Time;
use diesel::{
    dsl::{exists, select, sql},
    prelude::*,
    sql_types::Bool,
};

use super::{digest, intact};
use crate::{
    Reader, StoreError, Tx,
    schema::{fee_order, invoice, invoice_file},
    tx::{all, change_one, insert, one, run},
};

/// Orders with invoices over more than is still paid.
const TOO_MUCH: &str = "invoice.state IN ('requested', 'issued') AND invoice.fee_order IN (\
    SELECT i.fee_order FROM invoice i JOIN fee_order o ON o.id = i.fee_order \
    WHERE i.state IN ('requested', 'issued') GROUP BY i.fee_order, o.received_fen, o.refunded_fen \
    HAVING SUM(i.amount_fen) > o.received_fen - o.refunded_fen)";

/// Which invoices to list, oldest first. The default lists nothing: `limit` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// Only in the state of this name.
    pub state: Option<String>,
    /// Only of this payer.
    pub payer: Option<Payer>,
    /// Only those that were to be written by this moment and are not.
    pub overdue_at: Option<Time>,
    /// Only of orders with invoices over more than is still paid.
    pub too_much: bool,
    /// Only later ones than this.
    pub after: Option<InvoiceId>,
    /// How many at most.
    pub limit: i64,
}

/// The file of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceFile {
    /// Of which.
    pub invoice: InvoiceId,
    /// SHA-256 of its octets.
    pub sha256: [u8; 32],
    /// What it is.
    pub kind: InvoiceFileKind,
    /// Octet for octet as it came.
    pub content: Vec<u8>,
    /// Who brought it, as the log says it.
    pub attached_by: String,
    /// When.
    pub attached_at: Time,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invoice, treat_none_as_default_value = false)]
struct Row {
    id: String,
    fee_order: String,
    payer: String,
    kind: String,
    amount_fen: i64,
    form_sealed: Option<Vec<u8>>,
    requested_by: String,
    requested_at: i64,
    due_at: i64,
    due_estimated: i16,
    state: String,
    number: Option<String>,
    file_sha256: Option<Vec<u8>>,
    red_number: Option<String>,
    reasons: Option<String>,
}

/// The columns that a state needs.
#[derive(AsChangeset, Default)]
#[diesel(table_name = invoice, treat_none_as_null = true)]
struct StateRow {
    state: String,
    number: Option<String>,
    file_sha256: Option<Vec<u8>>,
    red_number: Option<String>,
    reasons: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invoice_file)]
struct FileRow {
    invoice: String,
    sha256: Vec<u8>,
    media_type: String,
    content: Vec<u8>,
    attached_by: String,
    attached_at: i64,
}

impl Reader<'_> {
    /// An invoice by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice(&mut self, id: &InvoiceId) -> Result<Option<Invoice>, StoreError> {
        one!(self, Row, invoice::table.find(id.as_str()))?.map(Invoice::try_from).transpose()
    }

    /// Those of an order, the oldest first.
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
                // Literal, because SQLite uses the partial index only for a condition without parameters.
                query = query.filter(sql::<Bool>("state = 'requested'"));
                query = query.filter(invoice::due_at.le(moment.millis()));
            }
            if filter.too_much {
                query = query.filter(sql::<Bool>(TOO_MUCH));
            }
            if let Some(after) = &filter.after {
                query = query.filter(invoice::id.gt(after.as_str()));
            }
            query.order(invoice::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Invoice::try_from).collect()
    }

    /// Whether the tax bureau's number stands at any invoice, in either column.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice_number_used(&mut self, number: &InvoiceNumber) -> Result<bool, StoreError> {
        let used = invoice::table
            .filter(invoice::number.eq(number.as_str()).or(invoice::red_number.eq(number.as_str())));
        run!(self, connection => select(exists(used)).get_result(connection))
    }

    /// The file of an invoice; `None` before it came and when it was erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invoice_file(&mut self, id: &InvoiceId) -> Result<Option<InvoiceFile>, StoreError> {
        one!(self, FileRow, invoice_file::table.find(id.as_str()))?.map(InvoiceFile::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Holds an order until the transaction ends, so that what may be invoiced of it is reckoned by one at a time.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `order` when there is none.
    pub fn lock_order(&mut self, id: &OrderId) -> Result<(), StoreError> {
        let same = fee_order::payer.eq(fee_order::payer);
        change_one!(self, "order", diesel::update(fee_order::table.find(id.as_str())).set(same))
    }

    /// A new invoice.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without order; [`StoreError::Rejected`] for an amount of nothing or less.
    pub fn insert_invoice(&mut self, new: &Invoice) -> Result<(), StoreError> {
        let state = StateRow::from(&new.state);
        let row = Row {
            id: new.id.to_string(),
            fee_order: new.order.to_string(),
            payer: new.payer.to_string(),
            kind: new.kind.name().to_owned(),
            amount_fen: new.amount.get(),
            form_sealed: new.form.as_ref().map(|sealed| sealed.as_bytes().to_vec()),
            requested_by: new.requested_by.clone(),
            requested_at: new.requested_at.millis(),
            due_at: new.due.at.millis(),
            due_estimated: i16::from(new.due.estimated),
            state: state.state,
            number: state.number,
            file_sha256: state.file_sha256,
            red_number: state.red_number,
            reasons: state.reasons,
        };
        insert!(self, invoice::table, &row)
    }

    /// From one state to the next.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `invoice` when it is not in `from` any more; [`StoreError::Conflict`] `invoice-number` when
    /// the number was used.
    pub fn move_invoice(
        &mut self,
        id: &InvoiceId,
        from: &InvoiceState,
        to: &InvoiceState,
    ) -> Result<(), StoreError> {
        let row = invoice::table.find(id.as_str()).filter(invoice::state.eq(from.name()));
        change_one!(self, "invoice", diesel::update(row).set(StateRow::from(to)))
    }

    /// The file of an invoice.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `invoice-file` when there is one.
    pub fn insert_invoice_file(&mut self, new: InvoiceFile) -> Result<(), StoreError> {
        let row = FileRow {
            invoice: new.invoice.to_string(),
            sha256: new.sha256.to_vec(),
            media_type: new.kind.media_type().to_owned(),
            content: new.content,
            attached_by: new.attached_by,
            attached_at: new.attached_at.millis(),
        };
        insert!(self, invoice_file::table, &row)
    }
}

impl From<&InvoiceState> for StateRow {
    fn from(state: &InvoiceState) -> Self {
        let row = Self { state: state.name().to_owned(), ..Self::default() };
        let octets = |file: &Option<[u8; 32]>| file.map(|sha256| sha256.to_vec());
        match state {
            InvoiceState::Requested => row,
            InvoiceState::Issued { number, file } => {
                Self { number: Some(number.as_str().to_owned()), file_sha256: octets(file), ..row }
            }
            InvoiceState::RedLettered { number, red, file } => Self {
                number: Some(number.as_str().to_owned()),
                red_number: Some(red.as_str().to_owned()),
                file_sha256: octets(file),
                ..row
            },
            InvoiceState::Refused { reasons } => Self { reasons: Some(reasons.clone()), ..row },
        }
    }
}

impl Row {
    fn state(&self) -> Result<InvoiceState, StoreError> {
        let number = |text: &Option<String>| {
            let number = text.as_deref().map(InvoiceNumber::parse).transpose();
            intact(number, "invoice", &self.id)
        };
        let file = self.file_sha256.clone().map(|octets| digest(octets, "invoice", &self.id)).transpose()?;
        let state = match (self.state.as_str(), number(&self.number)?, number(&self.red_number)?, file) {
            ("requested", None, None, None) => Some(InvoiceState::Requested),
            ("issued", Some(number), None, file) => Some(InvoiceState::Issued { number, file }),
            ("red-lettered", Some(number), Some(red), file) => {
                Some(InvoiceState::RedLettered { number, red, file })
            }
            ("refused", None, None, None) => {
                self.reasons.clone().map(|reasons| InvoiceState::Refused { reasons })
            }
            _ => None,
        };
        intact(state.ok_or(()), "invoice", &self.id)
    }
}

impl TryFrom<Row> for Invoice {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = row.state()?;
        let form = row.form_sealed.map(Ciphertext::from_stored).transpose();
        Ok(Self {
            id: intact(InvoiceId::parse(&row.id), "invoice", &row.id)?,
            order: intact(OrderId::parse(&row.fee_order), "invoice", &row.id)?,
            payer: intact(Payer::parse(&row.payer), "invoice", &row.id)?,
            kind: intact(InvoiceKind::from_name(&row.kind), "invoice", &row.id)?,
            amount: Fen::new(row.amount_fen),
            form: intact(form, "invoice", &row.id)?,
            requested_by: row.requested_by,
            requested_at: Time::from_millis(row.requested_at),
            due: Deadline { at: Time::from_millis(row.due_at), estimated: row.due_estimated == 1 },
            state,
        })
    }
}

impl TryFrom<FileRow> for InvoiceFile {
    type Error = StoreError;

    fn try_from(row: FileRow) -> Result<Self, StoreError> {
        let kind = InvoiceFileKind::from_media_type(&row.media_type);
        Ok(Self {
            sha256: digest(row.sha256, "invoice_file", &row.invoice)?,
            kind: intact(kind, "invoice_file", &row.invoice)?,
            invoice: intact(InvoiceId::parse(&row.invoice), "invoice_file", &row.invoice)?,
            content: row.content,
            attached_by: row.attached_by,
            attached_at: Time::from_millis(row.attached_at),
        })
    }
}
