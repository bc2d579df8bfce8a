//! Step 4: 发票. What the payer fills in is checked, at any time; asked for is what is paid; a cashier writes down what the
//! tax bureau made of it. What was filled in is sealed, and stands in no list and in no log.

use ca_core::{
    Action, Actor, AuditEntry, Fen, InvoiceId, NoticeAbout, NoticeKind, OrderId,
    billing::{
        Bill, Invoice, InvoiceCommand, InvoiceError, InvoiceFileKind, InvoiceForm, InvoiceKind,
        InvoiceNumber, InvoicePayer, InvoiceRequest, InvoiceState, Order, Payer, check_invoice_amount,
        invoice_due, invoiceable,
    },
    personal::Place,
    policy::Deadline,
};
use ca_store::{InvoiceFile, InvoiceFilter, NoticeRecord, Reader, Tx, WriteSite};
use ca_verifier::Time;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, Made, Once, enroll::locked_agent, free_text, notice::notice_id, once, online::pays};
use crate::{
    permit::{IssueInvoice, Permit, RequestInvoice},
    personal::unopened,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const REASONS_MAX: usize = 500;

/// What is filled in for an invoice. No `Debug`: it is people's.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvoiceFields {
    /// `ordinary` (普通发票) or `special` (增值税专用发票).
    pub(crate) kind: String,
    /// 发票抬头: the buyer's name.
    pub(crate) title: String,
    /// 纳税人识别号: of a unit its unified social credit code; a person has none.
    #[serde(default)]
    pub(crate) tax_number: Option<String>,
    /// Registered address. Of this and the next three a special invoice needs all, an ordinary one has all or none.
    #[serde(default)]
    pub(crate) address: Option<String>,
    /// Telephone number.
    #[serde(default)]
    pub(crate) phone: Option<String>,
    /// Name of the bank's branch.
    #[serde(default)]
    pub(crate) bank: Option<String>,
    /// Number of the account there.
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// Where the invoice is sent.
    pub(crate) mail: String,
}

/// An invoice, as it is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvoice {
    /// How much, in fen.
    pub(crate) amount_fen: i64,
    /// What is filled in.
    pub(crate) form: InvoiceFields,
}

/// What a cashier does with an invoice.
pub(crate) enum InvoiceStep {
    /// It was written, under this number.
    Issue(String),
    /// Its file.
    Attach(InvoiceFileKind, Vec<u8>),
    /// It is not written, and why.
    Refuse(String),
    /// It was taken back, under this number.
    RedLetter(String),
}

/// What a form that is right would come to.
pub(crate) struct CheckedForm {
    pub(crate) kind: InvoiceKind,
    pub(crate) invoiceable: Fen,
}

/// An invoice with what must be taken back of its order, because money was given back after it was invoiced.
pub(crate) struct InvoiceSeen {
    pub(crate) invoice: Invoice,
    pub(crate) to_red_letter: Fen,
}

impl From<InvoiceError> for Problem {
    fn from(error: InvoiceError) -> Self {
        use InvoiceError as E;
        match error {
            E::Kind => Self::new(Rule::InvoiceKind),
            E::Title => Self::new(Rule::InvoiceTitle),
            E::Missing { field } => Self::new(Rule::InvoiceMissing).with("field", field),
            E::Unwanted { field } => Self::new(Rule::InvoiceUnwanted).with("field", field),
            E::PersonSpecial => Self::new(Rule::InvoicePersonSpecial),
            E::NoTaxNumber => Self::new(Rule::InvoiceNoTaxNumber),
            E::TaxNumber(error) => Self::from(error),
            E::OtherUnit => Self::new(Rule::InvoiceOtherUnit),
            E::Text { field, most } => Self::new(Rule::InvoiceText).with("field", field).with("most", most),
            E::Phone => Self::new(Rule::InvoicePhone),
            E::Account => Self::new(Rule::InvoiceAccount),
            E::Mail => Self::new(Rule::InvoiceMail),
            E::Number => Self::new(Rule::InvoiceNumber),
            E::SameNumber => Self::new(Rule::InvoiceSameNumber),
            E::File => Self::new(Rule::InvoiceFile),
            E::FileSize { most, .. } => Self::new(Rule::InvoiceFileSize).with("limit", most),
            E::Reasons => Self::field("reasons", error),
            E::Amount => Self::new(Rule::InvoiceAmount),
            E::TooMuch { asked, most } => {
                Self::new(Rule::AmountTooMuch).with("asked", asked).with("most", most)
            }
            E::WrongState { state, command } => {
                Self::new(Rule::WrongState).with("state", state).with("command", command)
            }
            other => Self::from(Failure::inconsistent(other)),
        }
    }
}

impl From<InvoiceFields> for InvoiceForm {
    fn from(fields: InvoiceFields) -> Self {
        let InvoiceFields { kind, title, tax_number, address, phone, bank, account, mail } = fields;
        Self { kind, title, tax_number, address, phone, bank, account, mail }
    }
}

impl App {
    /// Whether an invoice could be asked for with what is filled in. Nothing is kept: before money moves.
    pub(crate) fn check_invoice(
        &self,
        permit: &Permit<RequestInvoice>,
        order: &OrderId,
        fields: InvoiceFields,
    ) -> Result<CheckedForm, Problem> {
        self.store.read(|reader| {
            let bill = payable_by(reader, permit, order)?;
            let payer = invoice_payer(reader, &bill.order.payer)?;
            let kind = InvoiceRequest::parse(payer, &fields.into())?.kind();
            let invoiceable = left(reader, &bill.order)?.max(Fen::ZERO);
            Ok(CheckedForm { kind, invoiceable })
        })
    }

    pub(crate) async fn request_invoice(
        &self,
        permit: Permit<RequestInvoice>,
        order: OrderId,
        new: NewInvoice,
        key: Once,
    ) -> Result<Made<InvoiceId>, Problem> {
        let now = wire::now();
        let id = InvoiceId::new(now, wire::random()?);
        let due = due(invoice_due(self.policies.calendar(), now))?;
        let amount = Fen::new(new.amount_fen);
        let json = serde_json::to_string(&new.form).map_err(Failure::inconsistent)?;
        let sealed = self.vault.seal_text(Place::invoice_form(&id), wire::random()?, &json);
        let sealed = sealed.map_err(Failure::inconsistent)?;
        // The digest that the key is kept with must not give an account's number away.
        let key = Once { request_sha256: self.vault.request_digest(&key.request_sha256), ..key };
        self.store
            .write(WriteSite::RequestInvoice, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(InvoiceId::parse(&before)?));
                }
                payable_by(tx, &permit, &order)?;
                tx.lock_order(&order)?;
                let bill = payable_by(tx, &permit, &order)?;
                if let Payer::Agent(agent) = &bill.order.payer {
                    // From now on this keeps the agent's data.
                    locked_agent(tx, agent)?;
                }
                let payer = invoice_payer(tx, &bill.order.payer)?;
                let kind = InvoiceRequest::parse(payer, &new.form.into())?.kind();
                check_invoice_amount(amount, left(tx, &bill.order)?)?;
                tx.insert_invoice(&Invoice {
                    id: id.clone(),
                    order: order.clone(),
                    payer: bill.order.payer,
                    kind,
                    amount,
                    form: Some(sealed),
                    requested_by: permit.actor().to_string(),
                    requested_at: now,
                    due,
                    state: InvoiceState::Requested,
                })?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RequestInvoice, "invoice", &id);
                let entry = entry.with("order", order).with("amount", amount.get()).with("kind", kind.name());
                tx.append_audit(&entry.with("due", due.at))?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// A cashier's word about an invoice.
    pub(crate) async fn change_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        step: InvoiceStep,
    ) -> Result<InvoiceSeen, Problem> {
        let now = wire::now();
        let notice = notice_id(now)?;
        let (command, file) = command(step)?;
        self.store
            .write(WriteSite::IssueInvoice, move |tx| {
                let unknown = || Problem::not_found("invoice");
                let order = tx.invoice(&id)?.ok_or_else(unknown)?.order;
                // One word at a time.
                tx.lock_order(&order)?;
                let known = tx.invoice(&id)?.ok_or_else(unknown)?;
                let next = known.state.clone().transition(command.clone())?;
                if let InvoiceCommand::Issue { number, .. } | InvoiceCommand::RedLetter { number } = &command
                    && tx.invoice_number_used(number)?
                {
                    return Err(Problem::new(Rule::InvoiceNumberUsed).with("number", number.as_str()));
                }
                tx.move_invoice(&id, &known.state, &next)?;
                if let (Some((kind, content)), Some(sha256)) = (file, next.file()) {
                    let (invoice, attached_by) = (id.clone(), permit.actor().to_string());
                    let file = InvoiceFile { invoice, sha256, kind, content, attached_by, attached_at: now };
                    tx.insert_invoice_file(file)?;
                }
                tell(tx, notice, &known, &command, now)?;
                tx.append_audit(&logged(permit.actor(), &id, &command, &next, now))?;
                seen(tx, Invoice { state: next, ..known })
            })
            .await
    }

    /// Invoices, each with what must be taken back of its order.
    pub(crate) fn invoices(&self, filter: &InvoiceFilter) -> Result<Vec<InvoiceSeen>, Problem> {
        self.store.read(|reader| {
            reader.invoices(filter)?.into_iter().map(|invoice| seen(reader, invoice)).collect()
        })
    }

    /// An invoice with what was filled in, for whoever writes it; without it once erased.
    pub(crate) fn whole_invoice(
        &self,
        _permit: &Permit<IssueInvoice>,
        id: &InvoiceId,
    ) -> Result<(InvoiceSeen, Option<InvoiceFields>), Problem> {
        let seen = self.store.read(|reader| {
            let invoice = reader.invoice(id)?.ok_or_else(|| Problem::not_found("invoice"))?;
            seen(reader, invoice)
        })?;
        let place = Place::invoice_form(id);
        let fields = seen.invoice.form.as_ref().map(|sealed| {
            let json = self.vault.open(place, sealed).map_err(|_| unopened(place))?;
            serde_json::from_str(&json).map_err(|_| unopened(place))
        });
        Ok((seen, fields.transpose()?))
    }

    /// The file of an invoice; of another payer's than `of` none is found.
    pub(crate) fn invoice_file(
        &self,
        id: &InvoiceId,
        of: Option<&Payer>,
    ) -> Result<(Invoice, InvoiceFile), Problem> {
        self.store.read(|reader| {
            let known = reader.invoice(id)?.filter(|known| of.is_none_or(|payer| known.payer == *payer));
            let known = known.ok_or_else(|| Problem::not_found("invoice"))?;
            let file = reader.invoice_file(id)?.ok_or_else(|| Problem::not_found("invoice-file"))?;
            Ok((known, file))
        })
    }
}

/// The order, when it is everybody's or the actor's own to pay.
fn payable_by(
    reader: &mut Reader<'_>,
    permit: &Permit<RequestInvoice>,
    id: &OrderId,
) -> Result<Bill, Problem> {
    let bill = reader.bill(id)?.filter(|bill| pays(permit.actor(), &bill.order.payer));
    bill.ok_or_else(|| Problem::not_found("order"))
}

fn invoice_payer(reader: &mut Reader<'_>, payer: &Payer) -> Result<InvoicePayer, Problem> {
    match payer {
        Payer::Agent(_) => Ok(InvoicePayer::Person),
        Payer::Unit(id) => {
            let unit = reader.unit(id)?.ok_or_else(|| Problem::not_found("unit"))?;
            Ok(InvoicePayer::Unit(unit.code))
        }
    }
}

/// What may still be invoiced of an order; below nothing where something must be taken back.
fn left(reader: &mut Reader<'_>, order: &Order) -> Result<Fen, Problem> {
    let all = reader.invoices_of(&order.id)?;
    Ok(invoiceable(order, all.iter().map(|invoice| (&invoice.state, invoice.amount)))?)
}

fn seen(reader: &mut Reader<'_>, invoice: Invoice) -> Result<InvoiceSeen, Problem> {
    let bill = reader.bill(&invoice.order)?.ok_or_else(|| Problem::not_found("order"))?;
    let left = left(reader, &bill.order)?;
    let too_much = Fen::ZERO.get().checked_sub(left.get()).map(Fen::new).ok_or(ca_core::Error::Overflow)?;
    let to_red_letter = if invoice.state.counts() { too_much.max(Fen::ZERO) } else { Fen::ZERO };
    Ok(InvoiceSeen { invoice, to_red_letter })
}

fn due(due: Option<Deadline>) -> Result<Deadline, Problem> {
    due.ok_or_else(|| Problem::from(Failure::inconsistent("no deadline: the clock is past the calendar")))
}

type FileContent = (InvoiceFileKind, Vec<u8>);

fn command(step: InvoiceStep) -> Result<(InvoiceCommand, Option<FileContent>), Problem> {
    Ok(match step {
        InvoiceStep::Issue(number) => {
            (InvoiceCommand::Issue { number: InvoiceNumber::parse(&number)?, file: None }, None)
        }
        InvoiceStep::Attach(kind, octets) => {
            kind.check(&octets)?;
            let sha256 = digest(&SHA256, &octets).as_ref().try_into().map_err(Failure::inconsistent)?;
            (InvoiceCommand::Attach { file: sha256 }, Some((kind, octets)))
        }
        InvoiceStep::Refuse(reasons) => {
            (InvoiceCommand::Refuse { reasons: free_text("reasons", reasons, REASONS_MAX)? }, None)
        }
        InvoiceStep::RedLetter(number) => {
            (InvoiceCommand::RedLetter { number: InvoiceNumber::parse(&number)? }, None)
        }
    })
}

/// What was done, without a word that anybody filled in.
fn logged(
    actor: &Actor,
    id: &InvoiceId,
    command: &InvoiceCommand,
    next: &InvoiceState,
    now: Time,
) -> AuditEntry {
    let entry = AuditEntry::done(now, actor, Action::IssueInvoice, "invoice", id);
    let entry = entry.with("step", command.name()).with("to", next.name());
    match command {
        InvoiceCommand::Issue { number, .. } | InvoiceCommand::RedLetter { number } => {
            entry.with("number", number.as_str())
        }
        InvoiceCommand::Attach { file } => entry.with("sha256", hex::encode(file)),
        InvoiceCommand::Refuse { .. } => entry,
    }
}

/// A message to the unit that asked; a person has no address with us.
fn tell(
    tx: &mut Tx<'_>,
    id: ca_core::NoticeId,
    invoice: &Invoice,
    command: &InvoiceCommand,
    now: Time,
) -> Result<(), Problem> {
    let kind = match command {
        InvoiceCommand::Issue { .. } => NoticeKind::InvoiceIssued,
        InvoiceCommand::Refuse { .. } => NoticeKind::InvoiceRefused,
        InvoiceCommand::Attach { .. } | InvoiceCommand::RedLetter { .. } => return Ok(()),
    };
    let Payer::Unit(unit) = &invoice.payer else { return Ok(()) };
    let (recipient, about) = (unit.to_string(), NoticeAbout::Invoice(invoice.id.clone()));
    Ok(tx.insert_notice(&NoticeRecord { id, recipient, kind, about, created_at: now })?)
}
