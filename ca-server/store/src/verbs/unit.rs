//! Units (step 1).

use ca_core::{Name, Unit, UnitId};
use ca_verifier::{Time, Uscc};
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::unit,
    tx::{insert, one},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = unit, treat_none_as_default_value = false)]
struct Row {
    id: String,
    uscc: String,
    labour_no: String,
    name: String,
    province: String,
    city: String,
    registered_by: String,
    registered_at: i64,
    agency: Option<String>,
}

impl Reader<'_> {
    /// A unit by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit(&mut self, id: &UnitId) -> Result<Option<Unit>, StoreError> {
        let row = one!(self, Row, unit::table.find(id.as_str()))?;
        row.map(Unit::try_from).transpose()
    }

    /// A unit by its unified social credit code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_by_uscc(&mut self, uscc: &Uscc) -> Result<Option<Unit>, StoreError> {
        let query = unit::table.filter(unit::uscc.eq(uscc.as_str()));
        let row = one!(self, Row, query)?;
        row.map(Unit::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Registers a unit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `unit-uscc` or `unit-labour-number`.
    pub fn insert_unit(&mut self, new: &Unit) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            uscc: new.uscc.to_string(),
            labour_no: new.labour_no.clone(),
            name: new.name.as_str().to_owned(),
            province: new.province.clone(),
            city: new.city.clone(),
            registered_by: new.registered_by.clone(),
            registered_at: new.registered_at.millis(),
            agency: new.agency.clone(),
        };
        insert!(self, unit::table, &row)
    }
}

impl TryFrom<Row> for Unit {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        intact(Self::check_labour_no(&row.labour_no), "unit", &row.id)?;
        Ok(Self {
            uscc: intact(Uscc::parse(&row.uscc), "unit", &row.id)?,
            name: intact(Name::parse(&row.name), "unit", &row.id)?,
            id: intact(UnitId::parse(&row.id), "unit", &row.id)?,
            labour_no: row.labour_no,
            province: row.province,
            city: row.city,
            registered_by: row.registered_by,
            registered_at: Time::from_millis(row.registered_at),
            agency: row.agency,
        })
    }
}
