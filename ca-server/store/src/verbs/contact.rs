//! How units are reached.

use ca_core::{Contact, MailAddress, Phone, UnitId};
use ca_verifier::Time;
use diesel::{prelude::*, upsert::excluded};

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::unit_contact,
    tx::{one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = unit_contact, treat_none_as_default_value = false)]
struct Row {
    unit: String,
    mail: Option<String>,
    phone: Option<String>,
    changed_at: i64,
    changed_by: String,
}

impl Reader<'_> {
    /// How the unit is reached; nothing when nobody wrote it down.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&mut self, unit: &UnitId) -> Result<Contact, StoreError> {
        let row = one!(self, Row, unit_contact::table.find(unit.as_str()))?;
        let Some(row) = row else { return Ok(Contact::default()) };
        let mail = row.mail.as_deref().map(MailAddress::parse).transpose();
        let phone = row.phone.as_deref().map(Phone::parse).transpose();
        Ok(Contact {
            mail: intact(mail, "unit_contact", &row.unit)?,
            phone: intact(phone, "unit_contact", &row.unit)?,
        })
    }
}

impl Tx<'_> {
    /// Writes down how the unit is reached, instead of what was there; `by` as the log writes it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without unit.
    pub fn put_contact(
        &mut self,
        unit: &UnitId,
        new: &Contact,
        at: Time,
        by: &str,
    ) -> Result<(), StoreError> {
        let row = Row {
            unit: unit.to_string(),
            mail: new.mail.as_ref().map(|mail| mail.reveal().to_owned()),
            phone: new.phone.as_ref().map(|phone| phone.reveal().to_owned()),
            changed_at: at.millis(),
            changed_by: by.to_owned(),
        };
        let put = diesel::insert_into(unit_contact::table)
            .values(&row)
            .on_conflict(unit_contact::unit)
            .do_update()
            .set((
                unit_contact::mail.eq(excluded(unit_contact::mail)),
                unit_contact::phone.eq(excluded(unit_contact::phone)),
                unit_contact::changed_at.eq(excluded(unit_contact::changed_at)),
                unit_contact::changed_by.eq(excluded(unit_contact::changed_by)),
            ));
        run!(self, connection => put.execute(connection)).map(drop)
    }
}
