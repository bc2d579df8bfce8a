//! The CA's own certificates, and single values that have no table of their own.

use ca_verifier::Time;
use diesel::prelude::*;

use crate::{
    Reader, StoreError, Tx,
    schema::{ca_certificate, setting},
    tx::{insert, run},
};

impl Reader<'_> {
    /// The DER of one of the CA's own certificates: `root`, `issuing`, ...
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ca_certificate(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let query = ca_certificate::table.find(name).select(ca_certificate::der);
        run!(self, connection => query.get_result(connection).optional())
    }

    /// All of the CA's own certificates: name and DER, in the order of names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ca_certificates(&mut self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let query = ca_certificate::table
            .order(ca_certificate::name)
            .select((ca_certificate::name, ca_certificate::der));
        run!(self, connection => query.load(connection))
    }

    /// A single value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let query = setting::table.find(name).select(setting::value);
        run!(self, connection => query.get_result(connection).optional())
    }
}

impl Tx<'_> {
    /// Keeps one of the CA's own certificates.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `ca-certificate`: a ceremony does not run twice.
    pub fn insert_ca_certificate(&mut self, name: &str, der: &[u8], at: Time) -> Result<(), StoreError> {
        let row =
            (ca_certificate::name.eq(name), ca_certificate::der.eq(der), ca_certificate::at.eq(at.millis()));
        insert!(self, ca_certificate::table, row)
    }

    /// Sets a single value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let put = diesel::insert_into(setting::table)
            .values((setting::name.eq(name), setting::value.eq(value)))
            .on_conflict(setting::name)
            .do_update()
            .set(setting::value.eq(value));
        run!(self, connection => put.execute(connection)).map(drop)
    }
}
