//! The status of certificates (step 9), the epoch that moves with it, and what a CRL lists.

use ca_core::CertificateState;
use ca_verifier::{Reason, Serial, Standing, Time};
use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{status, status_epoch},
    statement::{Column, Shift, Value},
    tx::{all, change_one, one, run},
};

/// A certificate is told of by push until one day after its end; nobody relies on it then.
const LISTED_AFTER_END_MILLIS: i64 = 86_400_000;

/// Where a serial number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// There is a certificate.
    Issued(CertificateState),
    /// Its signature's outcome is unknown: whatever carries this number is revoked.
    Burned {
        /// Since when.
        at: Time,
    },
}

/// The status of one serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRecord {
    /// Which.
    pub serial: Serial,
    /// Which of our CAs signed it.
    pub issuer: String,
    /// CRL shard.
    pub shard: u16,
    /// Where it stands.
    pub state: CertificateStatus,
    /// End of validity.
    pub not_after: Time,
    /// When it last moved.
    pub changed_at: Time,
    /// Since when it should have been revoked, of a revoked one where that is known.
    pub invalid_since: Option<Time>,
}

/// One entry of a CRL to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlSource {
    /// Which.
    pub serial: Serial,
    /// What to say of it; a burned number is revoked without a reason.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
    /// Since when it should have been revoked, where that is known.
    pub invalid_since: Option<Time>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = status)]
pub(super) struct Row {
    serial: Vec<u8>,
    issuer: String,
    shard: i32,
    #[diesel(embed)]
    state: StatusColumns,
    not_after: i64,
    changed_at: i64,
    invalid_since: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = status, treat_none_as_default_value = false)]
pub(super) struct StatusColumns {
    state: String,
    activated: Option<i16>,
    reason: Option<String>,
    revoked_at: Option<i64>,
}

impl Reader<'_> {
    /// The number that moves with every change of status.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn epoch(&mut self) -> Result<i64, StoreError> {
        run!(self, connection => status_epoch::table.select(status_epoch::epoch).get_result(connection))
    }

    /// The status of a serial number; `None` when it was never issued, or is being signed right now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status(&mut self, number: &Serial) -> Result<Option<StatusRecord>, StoreError> {
        let query = status::table.find(number.as_bytes());
        let row = one!(self, Row, query)?;
        row.map(StatusRecord::try_from).transpose()
    }

    /// What moved after `epoch`, oldest first; of a serial number that moved twice, where it stands now. At most `limit`,
    /// but never a part of one epoch's: whoever took the answer continues from the last one's epoch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status_changes(&mut self, epoch: i64, limit: i64) -> Result<Vec<(i64, StatusRecord)>, StoreError> {
        let after = status::table.filter(status::epoch.gt(epoch));
        let nth = after.select(status::epoch).order(status::epoch).offset(limit - 1).limit(1);
        let until: Option<i64> = run!(self, connection => nth.get_result(connection).optional())?;
        let query =
            after.filter(status::epoch.le(until.unwrap_or(i64::MAX))).order((status::epoch, status::serial));
        let rows: Vec<(i64, Row)> = run!(self, connection =>
            query.select((status::epoch, Row::as_select())).load(connection))?;
        rows.into_iter().map(|(epoch, row)| Ok((epoch, row.try_into()?))).collect()
    }

    /// A page of all serial numbers whose certificates have not ended at `now`, in their order, after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn current_serials(
        &mut self,
        issuer: &str,
        after: Option<&Serial>,
        now: Time,
        limit: i64,
    ) -> Result<Vec<Serial>, StoreError> {
        let after = after.map_or(&[][..], |last| last.as_bytes());
        let query = status::table
            .filter(status::serial.gt(after))
            .filter(status::issuer.eq(issuer))
            .filter(status::not_after.ge(now.millis()))
            .order(status::serial)
            .limit(limit)
            .select(status::serial);
        let rows: Vec<Vec<u8>> = run!(self, connection => query.load(connection))?;
        rows.iter().map(|octets| serial(octets, "status", "of an unreadable serial number")).collect()
    }

    /// A page of what a CRL of this issuer and shard lists, by rising serial number, after `after`: everything that is not
    /// good and did not end before `ended_since`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn crl_entries(
        &mut self,
        (issuer, shard): (&str, u16),
        ended_since: Option<Time>,
        after: Option<&Serial>,
        limit: i64,
    ) -> Result<Vec<CrlSource>, StoreError> {
        let after = after.map_or(&[][..], |last| last.as_bytes());
        // Literal, because SQLite uses the partial index only for a condition without parameters.
        let query = status::table
            .filter(status::issuer.eq(issuer))
            .filter(status::shard.eq(i32::from(shard)))
            .filter(sql::<Bool>("state <> 'good'"))
            .filter(status::serial.gt(after))
            .filter(status::not_after.ge(ended_since.map_or(i64::MIN, Time::millis)))
            .order(status::serial)
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(|row| StatusRecord::try_from(row).map(CrlSource::from)).collect()
    }

    /// Everything of this issuer that is not good and has not ended a day before `now`, by rising serial number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn not_good(&mut self, issuer: &str, now: Time) -> Result<Vec<(Serial, Standing)>, StoreError> {
        let query = status::table
            .filter(status::issuer.eq(issuer))
            .filter(status::not_after.ge(now.millis().saturating_sub(LISTED_AFTER_END_MILLIS)))
            .filter(sql::<Bool>("state <> 'good'"));
        let rows = all!(self, Row, query)?;
        let standing = |row| StatusRecord::try_from(row).map(CrlSource::from);
        let mut entries: Vec<_> = rows
            .into_iter()
            .map(|row| standing(row).map(|source| (source.serial, source.standing)))
            .collect::<Result<_, _>>()?;
        entries.sort_unstable_by_key(|entry| entry.0);
        Ok(entries)
    }

    /// How many that is, counted another way than they are read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_crl_entries(
        &mut self,
        (issuer, shard): (&str, u16),
        ended_since: Option<Time>,
    ) -> Result<i64, StoreError> {
        let query = status::table
            .filter(status::issuer.eq(issuer))
            .filter(status::shard.eq(i32::from(shard)))
            .filter(sql::<Bool>("state <> 'good'"))
            .filter(status::not_after.ge(ended_since.map_or(i64::MIN, Time::millis)));
        run!(self, connection => query.count().get_result(connection))
    }

    /// Whether anything of this shard moved after `epoch`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shard_moved(&mut self, (issuer, shard): (&str, u16), epoch: i64) -> Result<bool, StoreError> {
        let query = status::table
            .filter(status::epoch.gt(epoch))
            .filter(status::issuer.eq(issuer))
            .filter(status::shard.eq(i32::from(shard)))
            .select(status::epoch)
            .limit(1);
        let found: Option<i64> = run!(self, connection => query.get_result(connection).optional())?;
        Ok(found.is_some())
    }
}

impl Tx<'_> {
    /// Moves a certificate, if it is still in exactly the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `status`.
    pub fn move_status(
        &mut self,
        number: &Serial,
        from: CertificateState,
        to: CertificateState,
        at: Time,
    ) -> Result<(), StoreError> {
        let mut to = StatusColumns::from(CertificateStatus::Issued(to)).into_columns();
        to.push(("changed_at", Value::Integer(Some(at.millis()))));
        let shift = Shift::new(
            "status",
            ("serial", Value::Octets(Some(number.as_bytes().to_vec()))),
            StatusColumns::from(CertificateStatus::Issued(from)).into_columns(),
            to,
        );
        change_one!(self, "status", shift)?;
        self.touch_status(number.as_bytes());
        Ok(())
    }

    /// Since when a certificate that was revoked in this transaction should have been.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `status` when it is not revoked.
    pub fn mark_invalid_since(&mut self, number: &Serial, since: Time) -> Result<(), StoreError> {
        let revoked = status::table.find(number.as_bytes()).filter(status::state.eq("revoked"));
        let change = status::invalid_since.eq(since.millis());
        change_one!(self, "status", diesel::update(revoked).set(change))
    }
}

impl TryFrom<Row> for StatusRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let number = serial(&row.serial, "status", "of an unreadable serial number")?;
        let changed_at = Time::from_millis(row.changed_at);
        Ok(Self {
            serial: number,
            issuer: row.issuer,
            shard: intact(row.shard.try_into(), "status", number)?,
            state: row.state.read(&number, changed_at)?,
            not_after: Time::from_millis(row.not_after),
            changed_at,
            invalid_since: row.invalid_since.map(Time::from_millis),
        })
    }
}

impl From<StatusRecord> for CrlSource {
    fn from(record: StatusRecord) -> Self {
        let (standing, since) = match record.state {
            CertificateStatus::Issued(CertificateState::Revoked { reason, at }) => {
                (Standing::Revoked(reason), at)
            }
            CertificateStatus::Issued(state) => (state.standing(), record.changed_at),
            CertificateStatus::Burned { at } => (Standing::Revoked(Reason::Unspecified), at),
        };
        Self { serial: record.serial, standing, since, invalid_since: record.invalid_since }
    }
}

impl From<CertificateStatus> for StatusColumns {
    fn from(status: CertificateStatus) -> Self {
        let (activated, reason, revoked_at) = match status {
            CertificateStatus::Issued(CertificateState::Held { activated }) => {
                (Some(i16::from(activated)), None, None)
            }
            CertificateStatus::Issued(CertificateState::Revoked { reason, at }) => {
                (None, Some(reason.name().to_owned()), Some(at.millis()))
            }
            CertificateStatus::Issued(CertificateState::NotActivated | CertificateState::Good)
            | CertificateStatus::Burned { .. } => (None, None, None),
        };
        let state = match status {
            CertificateStatus::Issued(state) => state.name(),
            CertificateStatus::Burned { .. } => "burned",
        };
        Self { state: state.to_owned(), activated, reason, revoked_at }
    }
}

impl StatusColumns {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("activated", Value::Flag(self.activated)),
            ("reason", Value::Text(self.reason)),
            ("revoked_at", Value::Integer(self.revoked_at)),
        ]
    }

    fn read(self, number: &Serial, changed_at: Time) -> Result<CertificateStatus, StoreError> {
        use CertificateState as S;
        let corrupt = || StoreError::Corrupt { table: "status", id: number.to_string() };
        let state = match (self.state.as_str(), self.activated, self.reason, self.revoked_at) {
            ("not-activated", None, None, None) => S::NotActivated,
            ("good", None, None, None) => S::Good,
            ("held", Some(flag @ (0 | 1)), None, None) => S::Held { activated: flag == 1 },
            ("revoked", None, Some(reason), Some(at)) => S::Revoked {
                reason: Reason::from_name(&reason).ok_or_else(corrupt)?,
                at: Time::from_millis(at),
            },
            ("burned", None, None, None) => return Ok(CertificateStatus::Burned { at: changed_at }),
            _ => return Err(corrupt()),
        };
        Ok(CertificateStatus::Issued(state))
    }
}
