//! Published CRLs and their numbers (step 9).

use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{crl, crl_number},
    tx::{insert, one, run},
};

/// A CRL that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlRecord {
    /// Which of our CAs signed it.
    pub issuer: String,
    /// Its shard.
    pub shard: u16,
    /// CRLNumber (RFC 5280 §5.2.3).
    pub number: i64,
    /// thisUpdate.
    pub this_update: Time,
    /// nextUpdate.
    pub next_update: Time,
    /// The status epoch that it reflects.
    pub epoch: i64,
    /// DER.
    pub der: Vec<u8>,
}

/// A published CRL without its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlHead {
    /// CRLNumber.
    pub number: i64,
    /// thisUpdate.
    pub this_update: Time,
    /// The status epoch that it reflects.
    pub epoch: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = crl)]
struct Row {
    issuer: String,
    shard: i32,
    number: i64,
    this_update: i64,
    next_update: i64,
    epoch: i64,
    der: Vec<u8>,
}

impl Reader<'_> {
    /// The CRL with the highest number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn latest_crl(&mut self, issuer: &str, shard: u16) -> Result<Option<CrlRecord>, StoreError> {
        let query = crl::table
            .filter(crl::issuer.eq(issuer))
            .filter(crl::shard.eq(i32::from(shard)))
            .order(crl::number.desc());
        let row = one!(self, Row, query.limit(1))?;
        row.map(CrlRecord::try_from).transpose()
    }

    /// The same without its octets, which may be many megabytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn latest_crl_head(&mut self, issuer: &str, shard: u16) -> Result<Option<CrlHead>, StoreError> {
        let query = crl::table
            .filter(crl::issuer.eq(issuer))
            .filter(crl::shard.eq(i32::from(shard)))
            .order(crl::number.desc())
            .select((crl::number, crl::this_update, crl::epoch))
            .limit(1);
        let row: Option<(i64, i64, i64)> = run!(self, connection => query.get_result(connection).optional())?;
        Ok(row.map(|(number, this_update, epoch)| CrlHead {
            number,
            this_update: Time::from_millis(this_update),
            epoch,
        }))
    }

    /// One more than the highest shard that ever had a number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn crl_shards(&mut self, issuer: &str) -> Result<u16, StoreError> {
        let query = crl_number::table
            .filter(crl_number::issuer.eq(issuer))
            .order(crl_number::shard.desc())
            .select(crl_number::shard)
            .limit(1);
        let last: Option<i32> = run!(self, connection => query.get_result(connection).optional())?;
        last.map_or(Ok(0), |last| intact((last + 1).try_into(), "crl_number", issuer))
    }
}

impl Tx<'_> {
    /// The next CRLNumber: one more than any that a committed transaction has taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_crl_number(&mut self, issuer: &str, shard: u16) -> Result<i64, StoreError> {
        let first = (
            crl_number::issuer.eq(issuer),
            crl_number::shard.eq(i32::from(shard)),
            crl_number::number.eq(1_i64),
        );
        let next = diesel::insert_into(crl_number::table)
            .values(first)
            .on_conflict((crl_number::issuer, crl_number::shard))
            .do_update()
            .set(crl_number::number.eq(crl_number::number + 1))
            .returning(crl_number::number);
        run!(self, connection => next.get_result(connection))
    }

    /// Keeps a CRL that was signed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `crl-number`.
    pub fn insert_crl(&mut self, new: &CrlRecord) -> Result<(), StoreError> {
        let row = Row {
            issuer: new.issuer.clone(),
            shard: i32::from(new.shard),
            number: new.number,
            this_update: new.this_update.millis(),
            next_update: new.next_update.millis(),
            epoch: new.epoch,
            der: new.der.clone(),
        };
        insert!(self, crl::table, &row)
    }
}

impl TryFrom<Row> for CrlRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            shard: intact(row.shard.try_into(), "crl", row.number)?,
            issuer: row.issuer,
            number: row.number,
            this_update: Time::from_millis(row.this_update),
            next_update: Time::from_millis(row.next_update),
            epoch: row.epoch,
            der: row.der,
        })
    }
}
