//! Step 4: 发票. What stands on one is checked when it is asked for, and can be checked before anything is paid; the number is
//! the tax bureau's, and so is the file.

use std::sync::Arc;

use ca_core::{
    Action, Actor, AuditEntry, Fen, InvoiceId, MailAddress, NoticeAbout, NoticeKind, OrderId, UnitId, Vault,
    billing::{
        Invoice, InvoiceCommand, InvoiceError, InvoiceForm, InvoiceNumber, InvoicePayer, InvoiceRequest,
        InvoiceState, KeptForm, Payer, check_invoice_amount, invoice_due, invoiceable,
    },
    personal::Place,
};
use ca_store::{Reader, StoreError, Tx, WriteSite};
use ca_verifier::Time;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    enroll::locked_agent,
    free_text,
    notice::{notice_id, notify},
    once,
};
use crate::{
    permit::{IssueInvoice, Permit, RequestInvoice},
    personal::unopened,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// The largest file of an invoice.
pub(crate) const INVOICE_FILE_MAX: usize = 5 * 1024 * 1024;
/// What the tax bureau's invoices come as, and how such a file begins.
const MEDIA_TYPES: [(&str, &[u8]); 3] =
    [("application/pdf", b"%PDF-"), ("application/ofd", b"PK\x03\x04"), ("application/xml", b"<")];
const REASONS_MAX: usize = 500;

/// What stands on an invoice. No `Debug`: it is people's.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvoice {
    /// How much, in fen; left out: all that can be invoiced.
    #[serde(default)]
    pub(crate) amount_fen: Option<i64>,
    /// `ordinary` (普通发票) or `special` (增值税专用发票).
    pub(crate) kind: String,
    /// 发票抬头: the buyer's name.
    pub(crate) title: String,
    /// 纳税人识别号: of a unit its unified social credit code; none of a person.
    #[serde(default)]
    pub(crate) tax_number: Option<String>,
    /// Registered address; address, phone, bank and account are needed for a special invoice.
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

impl NewInvoice {
    fn form(&self) -> InvoiceForm {
        InvoiceForm {
            kind: self.kind.clone(),
            title: self.title.clone(),
            tax_number: self.tax_number.clone(),
            address: self.address.clone(),
            phone: self.phone.clone(),
            bank: self.bank.clone(),
            account: self.account.clone(),
            mail: self.mail.clone(),
        }
    }
}

impl From<InvoiceError> for Problem {
    fn from(error: InvoiceError) -> Self {
        let of = |rule, field| Self::new(rule).with("field", field);
        match error {
            InvoiceError::WrongState { state, command } => {
                ca_core::Refusal::WrongState { state, command }.into()
            }
            InvoiceError::TooMuch { asked, most } => {
                Self::new(Rule::AmountTooMuch).with("asked", asked).with("most", most)
            }
            InvoiceError::Kind => of(Rule::InvoiceKind, "kind"),
            InvoiceError::Title => of(Rule::InvoiceTitle, "title"),
            InvoiceError::Missing { field } => of(Rule::InvoiceMissing, field),
            InvoiceError::Unwanted { field } => of(Rule::InvoiceUnwanted, field),
            InvoiceError::PersonSpecial => of(Rule::InvoicePersonSpecial, "kind"),
            InvoiceError::NoTaxNumber => of(Rule::InvoiceNoTaxNumber, "tax_number"),
            InvoiceError::TaxNumber(ca_verifier::Error::UsccCheck { found, expected }) => {
                of(Rule::InvoiceTaxCheck, "tax_number").with("found", found).with("expected", expected)
            }
            InvoiceError::TaxNumber(_) => of(Rule::InvoiceTaxForm, "tax_number"),
            InvoiceError::OtherUnit => of(Rule::InvoiceOtherUnit, "tax_number"),
            InvoiceError::Text { field, most } => of(Rule::InvoiceText, field).with("most", most),
            InvoiceError::Phone => of(Rule::InvoicePhone, "phone"),
            InvoiceError::Account => of(Rule::InvoiceAccount, "account"),
            InvoiceError::Mail => of(Rule::InvoiceMail, "mail"),
            InvoiceError::Amount => of(Rule::InvoiceAmount, "amount_fen"),
            InvoiceError::Number => of(Rule::InvoiceNumber, "number"),
            InvoiceError::Reasons => of(Rule::InvoiceReasons, "reasons"),
            InvoiceError::SameNumber => of(Rule::InvoiceSameNumber, "number"),
            other => Self::field("?", other),
        }
    }
}

impl App {
    /// Whether an invoice could be written so, before anything is paid; gives how much can be invoiced now.
    pub(crate) fn check_invoice(
        &self,
        permit: &Permit<RequestInvoice>,
        order: &OrderId,
        new: &NewInvoice,
    ) -> Result<Fen, Problem> {
        self.store.read(|reader| {
            let payer = payer(reader, permit.actor(), order)?;
            InvoiceRequest::parse(invoice_payer(reader, &payer)?, &new.form())?;
            most(reader, order)
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
        let due = invoice_due(self.policies.calendar(), now)
            .ok_or_else(|| Failure::inconsistent("the calendar ends"))?;
        let id = InvoiceId::new(now, wire::random()?);
        let (vault, nonce) = (Arc::clone(&self.vault), wire::random()?);
        // The digest that the key is kept with must not give an account's number away.
        let key = Once { request_sha256: self.vault.request_digest(&key.request_sha256), ..key };
        self.store
            .write(WriteSite::Invoice, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(InvoiceId::parse(&before)?));
                }
                let payer = payer(tx, permit.actor(), &order)?;
                // What an erased person left must not come back.
                if let Payer::Agent(agent) = &payer {
                    locked_agent(tx, agent)?;
                }
                let request = InvoiceRequest::parse(invoice_payer(tx, &payer)?, &new.form())?;
                // Two requests at once must not both find the same rest.
                tx.lock_order(&order)?;
                let most = most(tx, &order)?;
                if most <= Fen::ZERO {
                    return Err(Problem::new(Rule::InvoiceNothing).with("order", &order));
                }
                let amount = new.amount_fen.map_or(most, Fen::new);
                check_invoice_amount(amount, most)?;
                let text = serde_json::to_string(&new).map_err(Failure::inconsistent)?;
                let form = vault.seal_text(Place::invoice(&id), nonce, &text);
                let invoice = Invoice {
                    id: id.clone(),
                    order,
                    payer,
                    kind: request.kind(),
                    amount,
                    form: KeptForm::Sealed(form.map_err(Failure::inconsistent)?),
                    requested_by: permit.actor().to_string(),
                    requested_at: now,
                    due,
                    state: InvoiceState::Requested,
                };
                tx.insert_invoice(&invoice)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RequestInvoice, "invoice", &id);
                let entry = entry.with("order", &invoice.order).with("amount", amount.get());
                tx.append_audit(&entry.with("kind", invoice.kind.name()))?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// It was written, under the tax bureau's number.
    pub(crate) async fn issue_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        number: &str,
    ) -> Result<Invoice, Problem> {
        let number = InvoiceNumber::parse(number)?;
        self.move_invoice(permit, id, InvoiceCommand::Issue { number, file: None }).await
    }

    /// It is not written.
    pub(crate) async fn refuse_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        reasons: String,
    ) -> Result<Invoice, Problem> {
        let reasons = free_text("reasons", reasons, REASONS_MAX)?;
        self.move_invoice(permit, id, InvoiceCommand::Refuse { reasons }).await
    }

    /// It was taken back by one over less than nothing.
    pub(crate) async fn red_letter_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        number: &str,
    ) -> Result<Invoice, Problem> {
        let number = InvoiceNumber::parse(number)?;
        self.move_invoice(permit, id, InvoiceCommand::RedLetter { number }).await
    }

    /// Its file came: once, for another one would be another invoice.
    pub(crate) async fn attach_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        (media_type, content): (&str, Vec<u8>),
    ) -> Result<Invoice, Problem> {
        let known = MEDIA_TYPES.into_iter().find(|(name, _)| *name == media_type);
        let begins = known.is_some_and(|(_, begin)| content.trim_ascii_start().starts_with(begin));
        let Some((media_type, _)) = known.filter(|_| begins) else {
            let shown: String = media_type.chars().take(80).collect();
            return Err(Problem::new(Rule::InvoiceFile).with("found", shown));
        };
        let file = digest(&SHA256, &content).as_ref().try_into().map_err(Failure::inconsistent)?;
        let now = wire::now();
        self.store
            .write(WriteSite::Invoice, move |tx| {
                let known = advance(tx, permit.actor(), &id, InvoiceCommand::Attach { file }, now)?;
                tx.insert_invoice_file(&id, media_type, content)?;
                Ok(known)
            })
            .await
    }

    async fn move_invoice(
        &self,
        permit: Permit<IssueInvoice>,
        id: InvoiceId,
        command: InvoiceCommand,
    ) -> Result<Invoice, Problem> {
        let now = wire::now();
        self.store.write(WriteSite::Invoice, move |tx| advance(tx, permit.actor(), &id, command, now)).await
    }

    /// What stands on it, for whoever writes it.
    pub(crate) fn invoice_form(
        &self,
        _permit: &Permit<IssueInvoice>,
        invoice: &Invoice,
    ) -> Result<NewInvoice, Problem> {
        open(&self.vault, invoice)
    }

    /// Where its payer wants to be told of it, as it stands on the invoice; nowhere once that is erased.
    pub(crate) fn invoice_mail(&self, invoice: &Invoice) -> Result<Option<MailAddress>, Problem> {
        match invoice.form {
            KeptForm::Sealed(_) => Ok(Some(MailAddress::parse(&open(&self.vault, invoice)?.mail)?)),
            KeptForm::Erased { .. } => Ok(None),
        }
    }
}

/// What stood on it was erased.
pub(crate) fn invoice_erased(id: &InvoiceId) -> Problem {
    Problem::new(Rule::InvoiceErased).with("id", id)
}

fn open(vault: &Vault, invoice: &Invoice) -> Result<NewInvoice, Problem> {
    let place = Place::invoice(&invoice.id);
    let KeptForm::Sealed(form) = &invoice.form else { return Err(invoice_erased(&invoice.id)) };
    let text = vault.open(place, form).map_err(|_| unopened(place))?;
    Ok(serde_json::from_str(&text).map_err(|_| unopened(place))?)
}

/// More than was paid and is not given back stands on invoices: so much of them must be taken back.
pub(crate) fn to_red_letter(reader: &mut Reader<'_>, order: &OrderId) -> Result<Fen, Problem> {
    Ok(Fen::new(0_i64.saturating_sub(most(reader, order)?.get()).max(0)))
}

/// What can be invoiced of an order now.
fn most(reader: &mut Reader<'_>, order: &OrderId) -> Result<Fen, Problem> {
    let bill = reader.bill(order)?.ok_or_else(|| Problem::not_found("order"))?;
    let invoices = reader.invoices_of(order)?;
    Ok(invoiceable(&bill.order, invoices.iter().map(|invoice| (&invoice.state, invoice.amount)))?)
}

/// The payer of an order; another's order is not there for an account.
fn payer(reader: &mut Reader<'_>, actor: &Actor, order: &OrderId) -> Result<Payer, Problem> {
    let bill = reader.bill(order)?.ok_or_else(|| Problem::not_found("order"))?;
    let own = match (actor, &bill.order.payer) {
        (Actor::Unit(unit), payer) => *payer == Payer::Unit(unit.clone()),
        (Actor::Agent(agent), payer) => *payer == Payer::Agent(agent.clone()),
        _ => true,
    };
    if own { Ok(bill.order.payer) } else { Err(Problem::not_found("order")) }
}

fn invoice_payer(reader: &mut Reader<'_>, payer: &Payer) -> Result<InvoicePayer, Problem> {
    let unit = |reader: &mut Reader<'_>, id: &UnitId| {
        reader.unit(id)?.ok_or_else(|| Problem::not_found("unit")).map(|unit| unit.code)
    };
    Ok(match payer {
        Payer::Unit(id) => InvoicePayer::Unit(unit(reader, id)?),
        Payer::Agent(_) => InvoicePayer::Person,
    })
}

fn advance(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &InvoiceId,
    command: InvoiceCommand,
    now: Time,
) -> Result<Invoice, Problem> {
    let mut known = tx.invoice(id)?.ok_or_else(|| Problem::not_found("invoice"))?;
    let erased = matches!(known.form, KeptForm::Erased { .. });
    let tells = match &command {
        InvoiceCommand::Issue { .. } => Some(NoticeKind::InvoiceIssued),
        InvoiceCommand::Refuse { .. } => Some(NoticeKind::InvoiceRefused),
        InvoiceCommand::RedLetter { .. } => Some(NoticeKind::InvoiceRedLettered),
        // Its file would bring back what was erased.
        InvoiceCommand::Attach { .. } if erased => return Err(invoice_erased(id)),
        InvoiceCommand::Attach { .. } => None,
    };
    let entry =
        AuditEntry::done(now, actor, Action::IssueInvoice, "invoice", id).with("step", command.name());
    let entry = match &command {
        InvoiceCommand::Issue { number, .. } | InvoiceCommand::RedLetter { number } => {
            entry.with("number", number.as_str())
        }
        InvoiceCommand::Attach { file } => entry.with("sha256", hex::encode(file)),
        InvoiceCommand::Refuse { reasons } => entry.with("reasons", reasons),
    };
    let number = match &command {
        InvoiceCommand::Issue { number, .. } | InvoiceCommand::RedLetter { number } => Some(number.clone()),
        InvoiceCommand::Attach { .. } | InvoiceCommand::Refuse { .. } => None,
    };
    let next = known.state.clone().transition(command)?;
    // A number is one invoice's, be it the one that was written or the one that takes it back.
    if let Some(number) = number
        && tx.invoice_number_used(&number)?
    {
        return Err(StoreError::Conflict { what: "invoice-number" }.into());
    }
    tx.move_invoice(&known, &next)?;
    tx.append_audit(&entry.with("amount", known.amount.get()))?;
    // Of an erased one nobody knows any more whom to tell.
    if let Some(kind) = tells.filter(|_| !erased) {
        let about = NoticeAbout::Invoice(id.clone());
        match &known.payer {
            Payer::Unit(unit) => notify(tx, notice_id(now)?, kind, about, unit)?,
            Payer::Agent(agent) => notify(tx, notice_id(now)?, kind, about, agent)?,
        }
    }
    known.state = next;
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Language;

    /// Whoever filled in a form reads in both languages which field is meant and what to do, and nothing of what was filled in.
    #[test]
    fn each_error_of_a_form_names_its_field() {
        use InvoiceError as E;
        let check = ca_verifier::Error::UsccCheck { found: 'X', expected: 'U' };
        for (error, field) in [
            (E::Kind, "kind"),
            (E::Title, "title"),
            (E::Missing { field: "bank" }, "bank"),
            (E::Unwanted { field: "address" }, "address"),
            (E::PersonSpecial, "kind"),
            (E::NoTaxNumber, "tax_number"),
            (E::TaxNumber(ca_verifier::Error::UsccForm), "tax_number"),
            (E::TaxNumber(check), "tax_number"),
            (E::OtherUnit, "tax_number"),
            (E::Text { field: "bank", most: 100 }, "bank"),
            (E::Phone, "phone"),
            (E::Account, "account"),
            (E::Mail, "mail"),
            (E::Amount, "amount_fen"),
            (E::Number, "number"),
            (E::Reasons, "reasons"),
            (E::SameNumber, "number"),
        ] {
            let shown = format!("{error:?}");
            let problem = Problem::from(error);
            assert_ne!(problem.rule, Rule::Field, "{shown}");
            assert!(problem.facts().contains(&("field", field.to_owned())), "{shown}");
            let (zh, en) = (problem.texts(Language::Zh), problem.texts(Language::En));
            for (situation, remedy) in [&zh, &en] {
                assert!(situation.contains(field), "{shown}: {situation}");
                assert!(
                    !remedy.is_empty() && !format!("{situation}{remedy}").contains('{'),
                    "{shown}: {remedy}"
                );
            }
            assert!(zh.0.chars().any(|c| c > '\u{2e80}') && en.0.is_ascii() && en.1.is_ascii(), "{shown}");
        }
    }
}
