//! How a unit is reached, and whom to call about an application: written down at the counter, sealed in the database, masked
//! in the log.

use std::sync::Arc;

use ca_core::{
    Action, Application, ApplicationId, AuditEntry, Ciphertext, Contact, MailAddress, Phone, SealedContact,
    UnitId, Vault, personal::Place,
};
use ca_store::{Reader, WriteSite};
use ca_verifier::UnitCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, enroll::registered_unit};
use crate::{
    permit::{ChangeContact, Permit},
    personal::unopened,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// How a unit is reached. What is left out or null is not known.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactForm {
    /// Mail address.
    #[serde(default)]
    pub(crate) mail: Option<String>,
    /// Mobile number of 11 digits, or landline with area code.
    #[serde(default)]
    pub(crate) phone: Option<String>,
}

impl App {
    /// Replaces the whole contact.
    pub(crate) async fn change_contact(
        &self,
        permit: Permit<ChangeContact>,
        uscc: String,
        form: ContactForm,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let code = UnitCode::parse(&uscc)?;
        let contact = Contact {
            mail: form.mail.as_deref().map(MailAddress::parse).transpose()?,
            phone: form.phone.as_deref().map(Phone::parse).transpose()?,
        };
        let vault = Arc::clone(&self.vault);
        self.store
            .write(WriteSite::RegisterUnit, move |tx| {
                let unit = registered_unit(tx, &code)?;
                let before = open(&vault, &unit.id, &tx.contact(&unit.id)?)?;
                if before == contact {
                    return Ok(());
                }
                let sealed = seal(&vault, &unit.id, &contact)?;
                tx.put_contact(&unit.id, &sealed, now, &permit.actor().to_string())?;
                let mail =
                    |contact: &Contact| contact.mail.as_ref().map(MailAddress::masked).unwrap_or_default();
                let phone = |contact: &Contact| contact.phone.as_ref().map(Phone::masked).unwrap_or_default();
                let entry = AuditEntry::done(now, permit.actor(), Action::ChangeContact, "unit", &unit.id);
                tx.append_audit(
                    &entry
                        .with("uscc", code)
                        .with("mail_before", mail(&before))
                        .with("mail", mail(&contact))
                        .with("phone_before", phone(&before))
                        .with("phone", phone(&contact)),
                )?;
                Ok(())
            })
            .await
    }

    /// How the unit is reached, in full: for whoever may change it.
    pub(crate) fn contact(&self, _permit: Permit<ChangeContact>, uscc: &str) -> Result<ContactForm, Problem> {
        let code = UnitCode::parse(uscc)?;
        let contact = self.store.read(|reader| {
            let unit = reader.unit_by_code(&code)?;
            let unit = unit.ok_or_else(|| Problem::new(Rule::UnitUnknown).with("uscc", code))?;
            self.contact_of(reader, &unit.id)
        })?;
        Ok(ContactForm {
            mail: contact.mail.map(|mail| mail.reveal().to_owned()),
            phone: contact.phone.map(|phone| phone.reveal().to_owned()),
        })
    }

    /// How a unit is reached, opened.
    pub(crate) fn contact_of(&self, reader: &mut Reader<'_>, unit: &UnitId) -> Result<Contact, Problem> {
        Ok(open(&self.vault, unit, &reader.contact(unit)?)?)
    }

    /// Whom to call about an application, sealed for its row.
    pub(super) fn seal_application_contact(
        &self,
        id: &ApplicationId,
        contact: &str,
    ) -> Result<Ciphertext, Problem> {
        let place = Place::application_contact(id);
        let sealed = self.vault.seal_text(place, wire::random()?, contact);
        Ok(sealed.map_err(Failure::inconsistent)?)
    }

    /// Whom to call about an application, opened.
    pub(crate) fn application_contact(&self, application: &Application) -> Result<Option<String>, Problem> {
        let place = Place::application_contact(&application.id);
        let Some(sealed) = &application.contact else { return Ok(None) };
        let opened = self.vault.open(place, sealed).map_err(|_| unopened(place))?;
        Ok(Some(opened.to_string()))
    }
}

fn seal(vault: &Vault, unit: &UnitId, contact: &Contact) -> Result<SealedContact, Failure> {
    let sealed =
        |place, text: &str| vault.seal_text(place, wire::random()?, text).map_err(Failure::inconsistent);
    let mail = contact.mail.as_ref().map(|mail| sealed(Place::mail(unit), mail.reveal()));
    let phone = contact.phone.as_ref().map(|phone| sealed(Place::phone(unit), phone.reveal()));
    Ok(SealedContact { mail: mail.transpose()?, phone: phone.transpose()? })
}

fn open(vault: &Vault, unit: &UnitId, sealed: &SealedContact) -> Result<Contact, Failure> {
    let (mail, phone) = (Place::mail(unit), Place::phone(unit));
    let opened = |place, sealed: &Option<Ciphertext>| {
        let text = sealed.as_ref().map(|sealed| vault.open(place, sealed)).transpose();
        text.map_err(|_| unopened(place))
    };
    let address = opened(mail, &sealed.mail)?.map(|text| MailAddress::parse(&text)).transpose();
    let number = opened(phone, &sealed.phone)?.map(|text| Phone::parse(&text)).transpose();
    Ok(Contact { mail: address.map_err(|_| unopened(mail))?, phone: number.map_err(|_| unopened(phone))? })
}
