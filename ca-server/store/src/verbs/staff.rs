//! Staff: who acts at the counter, known by the certificate on their own token.

use ca_core::{Name, Staff, StaffId};
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::staff,
    tx::{all, change_one, insert, one},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = staff)]
struct Row {
    id: String,
    name: String,
    /// A JSON array.
    roles: String,
    certificate: String,
}

impl Reader<'_> {
    /// A member of staff by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn staff(&mut self, id: &StaffId) -> Result<Option<Staff>, StoreError> {
        let query = staff::table.find(id.as_str());
        let row = one!(self, Row, query)?;
        row.map(Staff::try_from).transpose()
    }

    /// A member of staff by the serial number of the certificate, lower-case hexadecimal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn staff_by_certificate(&mut self, serial_hex: &str) -> Result<Option<Staff>, StoreError> {
        let query = staff::table.filter(staff::certificate.eq(serial_hex));
        let row = one!(self, Row, query)?;
        row.map(Staff::try_from).transpose()
    }

    /// All staff, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn staff_list(&mut self) -> Result<Vec<Staff>, StoreError> {
        let rows = all!(self, Row, staff::table.order(staff::id))?;
        rows.into_iter().map(Staff::try_from).collect()
    }
}

impl Tx<'_> {
    /// Registers a member of staff.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `staff-certificate`.
    pub fn insert_staff(&mut self, new: &Staff) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            name: new.name.as_str().to_owned(),
            roles: json(&new.roles)?,
            certificate: new.certificate.clone(),
        };
        insert!(self, staff::table, &row)
    }

    /// Replaces the roles.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `staff` when there is none.
    pub fn set_staff_roles(&mut self, id: &StaffId, roles: &[String]) -> Result<(), StoreError> {
        let roles = json(roles)?;
        change_one!(self, "staff", diesel::update(staff::table.find(id.as_str())).set(staff::roles.eq(roles)))
    }
}

fn json(roles: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(roles).map_err(|error| StoreError::Rejected(error.to_string()))
}

impl TryFrom<Row> for Staff {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(StaffId::parse(&row.id), "staff", &row.id)?,
            name: intact(Name::parse(&row.name), "staff", &row.id)?,
            roles: intact(serde_json::from_str(&row.roles), "staff", &row.id)?,
            certificate: row.certificate,
        })
    }
}
