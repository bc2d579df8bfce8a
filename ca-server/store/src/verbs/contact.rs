//! How units are reached.

use ca_core::{Ciphertext, SealedContact, UnitId};
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
    mail_sealed: Option<Vec<u8>>,
    phone_sealed: Option<Vec<u8>>,
    changed_at: i64,
    changed_by: String,
}

impl Reader<'_> {
    /// How the unit is reached; nothing when nobody wrote it down.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&mut self, unit: &UnitId) -> Result<SealedContact, StoreError> {
        let row = one!(self, Row, unit_contact::table.find(unit.as_str()))?;
        let Some(row) = row else { return Ok(SealedContact::default()) };
        let mail = row.mail_sealed.map(Ciphertext::from_stored).transpose();
        let phone = row.phone_sealed.map(Ciphertext::from_stored).transpose();
        Ok(SealedContact {
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
        new: &SealedContact,
        at: Time,
        by: &str,
    ) -> Result<(), StoreError> {
        let row = Row {
            unit: unit.to_string(),
            mail_sealed: new.mail.as_ref().map(|mail| mail.as_bytes().to_vec()),
            phone_sealed: new.phone.as_ref().map(|phone| phone.as_bytes().to_vec()),
            changed_at: at.millis(),
            changed_by: by.to_owned(),
        };
        let put = diesel::insert_into(unit_contact::table)
            .values(&row)
            .on_conflict(unit_contact::unit)
            .do_update()
            .set((
                unit_contact::mail_sealed.eq(excluded(unit_contact::mail_sealed)),
                unit_contact::phone_sealed.eq(excluded(unit_contact::phone_sealed)),
                unit_contact::changed_at.eq(excluded(unit_contact::changed_at)),
                unit_contact::changed_by.eq(excluded(unit_contact::changed_by)),
            ));
        run!(self, connection => put.execute(connection)).map(drop)
    }
}
