//! How a unit is reached: written down at the counter, for messages. The log has it masked.

use ca_core::{Action, AuditEntry, Contact, MailAddress, Phone};
use ca_store::WriteSite;
use ca_verifier::UnitCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, enroll::registered_unit};
use crate::{
    permit::{ChangeContact, Permit},
    problem::Problem,
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
        self.store
            .write(WriteSite::RegisterUnit, move |tx| {
                let unit = registered_unit(tx, &code)?;
                let before = tx.contact(&unit.id)?;
                if before == contact {
                    return Ok(());
                }
                tx.put_contact(&unit.id, &contact, now, &permit.actor().to_string())?;
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
            Ok::<_, Problem>(reader.contact(&unit.id)?)
        })?;
        Ok(ContactForm {
            mail: contact.mail.map(|mail| mail.reveal().to_owned()),
            phone: contact.phone.map(|phone| phone.reveal().to_owned()),
        })
    }
}
