//! Issuing (step 6): the intent before the signature, the certificate after it, the burned serial number when
//! nobody knows.
//!
//! An intent is open until [`Tx::commit_issued`] or [`Tx::burn`] takes its row of `open_intent`: exactly one can.

use ca_core::{ApplicationId, AttemptId, CertificateState, Intent, UNATTESTED, UnitId};
use ca_verifier::{Serial, Time};
use diesel::prelude::*;

use super::{CertificateStatus, digest, intact, serial, status::StatusColumns};
use crate::{
    Reader, StoreError, Tx,
    schema::{certificate, intent, open_intent, public_key, status},
    tx::{all, change_one, insert, one, run},
};

/// A certificate as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Its serial number.
    pub serial: Serial,
    /// DER.
    pub der: Vec<u8>,
    /// SHA-256 of the DER.
    pub sha256: [u8; 32],
    /// Which of our CAs signed it.
    pub issuer: String,
    /// Its profile.
    pub profile: String,
    /// Whose it is; `None` for the CA's own.
    pub unit: Option<UnitId>,
    /// The application that asked for it.
    pub application: Option<ApplicationId>,
    /// Start of validity.
    pub not_before: Time,
    /// End of validity.
    pub not_after: Time,
    /// CRL shard.
    pub shard: u16,
    /// When it was committed.
    pub issued_at: Time,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = intent, treat_none_as_default_value = false)]
struct IntentRow {
    serial: Vec<u8>,
    issuer: String,
    profile: String,
    profile_sha256: Vec<u8>,
    tbs: Vec<u8>,
    spki_sha256: Vec<u8>,
    unit: Option<String>,
    application: Option<String>,
    attempt: Option<String>,
    token: Option<String>,
    not_before: i64,
    not_after: i64,
    shard: i32,
    actor: String,
    at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = certificate, treat_none_as_default_value = false)]
struct CertificateRow {
    serial: Vec<u8>,
    der: Vec<u8>,
    sha256: Vec<u8>,
    issuer: String,
    profile: String,
    unit: Option<String>,
    application: Option<String>,
    not_before: i64,
    not_after: i64,
    shard: i32,
    issued_at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = public_key, treat_none_as_default_value = false)]
struct KeyRow {
    spki_sha256: Vec<u8>,
    unit: Option<String>,
    token: Option<String>,
    attempt: Option<String>,
    bound_at: i64,
}

impl Reader<'_> {
    /// An intent by its serial number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn intent(&mut self, number: &Serial) -> Result<Option<Intent>, StoreError> {
        let query = intent::table.find(number.as_bytes());
        let row = one!(self, IntentRow, query)?;
        row.map(Intent::try_from).transpose()
    }

    /// The intent of an attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn intent_of_attempt(&mut self, attempt: &AttemptId) -> Result<Option<Intent>, StoreError> {
        let query = intent::table.filter(intent::attempt.eq(attempt.as_str()));
        let row = one!(self, IntentRow, query)?;
        row.map(Intent::try_from).transpose()
    }

    /// Intents that have neither a certificate nor been burned, and whose serial number starts with `prefix`: those
    /// of one instance. Another instance may be signing its own right now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn intents_without_outcome(&mut self, prefix: u8, limit: i64) -> Result<Vec<Intent>, StoreError> {
        let query = open_intent::table
            .inner_join(intent::table)
            .filter(open_intent::serial.ge(vec![prefix]))
            .filter(open_intent::serial.lt(vec![prefix.saturating_add(1)]))
            .order(open_intent::serial)
            .limit(limit);
        let rows = all!(self, IntentRow, query)?;
        rows.into_iter().map(Intent::try_from).collect()
    }

    /// The latest time that an intent carries: a clock behind it stops issuing (I5).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn latest_intent_time(&mut self) -> Result<Option<Time>, StoreError> {
        let latest = run!(self, connection => intent::table.select(diesel::dsl::max(intent::at)).get_result(connection))?;
        Ok(super::times(latest))
    }

    /// A certificate by its serial number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificate(&mut self, number: &Serial) -> Result<Option<CertificateRecord>, StoreError> {
        let query = certificate::table.find(number.as_bytes());
        let row = one!(self, CertificateRow, query)?;
        row.map(CertificateRecord::try_from).transpose()
    }

    /// The certificates of a unit, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificates_of_unit(&mut self, unit: &UnitId) -> Result<Vec<CertificateRecord>, StoreError> {
        let query = certificate::table
            .filter(certificate::unit.eq(unit.as_str()))
            .order((certificate::issued_at, certificate::serial));
        let rows = all!(self, CertificateRow, query)?;
        rows.into_iter().map(CertificateRecord::try_from).collect()
    }

    /// The latest certificate of an application: an abandoned attempt may have left an earlier one, revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificate_of_application(
        &mut self,
        application: &ApplicationId,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        let query = certificate::table
            .filter(certificate::application.eq(application.as_str()))
            .order((certificate::issued_at.desc(), certificate::serial));
        let row = one!(self, CertificateRow, query.limit(1))?;
        row.map(CertificateRecord::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Binds a public key to a unit, a token and an attempt, for ever (I8). `None` for the CA's own keys. The same
    /// binding again changes nothing, so that an attempt may repeat its step.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `public-key` when the key is bound otherwise.
    pub fn bind_key(
        &mut self,
        spki_sha256: &[u8; 32],
        unit: Option<&UnitId>,
        token: Option<&str>,
        attempt: Option<&AttemptId>,
        at: Time,
    ) -> Result<(), StoreError> {
        let row = KeyRow {
            spki_sha256: spki_sha256.to_vec(),
            unit: unit.map(UnitId::to_string),
            token: token.map(str::to_owned),
            attempt: attempt.map(AttemptId::to_string),
            bound_at: at.millis(),
        };
        let new = diesel::insert_into(public_key::table).values(&row).on_conflict_do_nothing();
        if run!(self, connection => new.execute(connection))? == 1 {
            return Ok(());
        }
        let query = public_key::table.find(spki_sha256.as_slice());
        let bound = run!(self, connection => query.select(KeyRow::as_select()).get_result(connection))?;
        if (bound.unit, bound.token, bound.attempt) == (row.unit, row.token, row.attempt) {
            Ok(())
        } else {
            Err(StoreError::Conflict { what: "public-key" })
        }
    }

    /// Whether the application renews a certificate that has this very key, which a program keeps: the one way in
    /// which a second attempt may use a key. Whether a profile allows it is not decided here.
    fn keeps_key(&mut self, new: &Intent) -> Result<bool, StoreError> {
        let Some(application) = &new.application else { return Ok(false) };
        let renewed = self.application(application)?.and_then(|application| application.kind.certificate());
        let Some(renewed) = renewed else { return Ok(false) };
        let Some(old) = self.intent(&renewed)? else { return Ok(false) };
        Ok(new.token.as_deref() == Some(UNATTESTED)
            && (old.spki_sha256, &old.unit, &old.token) == (new.spki_sha256, &new.unit, &new.token))
    }

    /// Reached through [`crate::Store::record_intent`] only, which gives the proof after the commit.
    pub(crate) fn insert_intent(&mut self, new: &Intent) -> Result<(), StoreError> {
        if !self.keeps_key(new)? {
            self.bind_key(
                &new.spki_sha256,
                new.unit.as_ref(),
                new.token.as_deref(),
                new.attempt.as_ref(),
                new.at,
            )?;
        }
        let row = IntentRow::from(new);
        insert!(self, intent::table, &row)?;
        let open = open_intent::serial.eq(&row.serial);
        insert!(self, open_intent::table, open)
    }

    /// Commits a certificate that was signed for `intent` and verified, with its first status.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `intent` when it was burned, committed before, or never recorded.
    pub fn commit_issued(
        &mut self,
        intent: &Intent,
        der: &[u8],
        state: CertificateState,
        at: Time,
    ) -> Result<(), StoreError> {
        self.close(&intent.serial)?;
        let row = CertificateRow {
            serial: intent.serial.as_bytes().to_vec(),
            der: der.to_vec(),
            sha256: ring::digest::digest(&ring::digest::SHA256, der).as_ref().to_vec(),
            issuer: intent.issuer.clone(),
            profile: intent.profile.clone(),
            unit: intent.unit.as_ref().map(UnitId::to_string),
            application: intent.application.as_ref().map(ApplicationId::to_string),
            not_before: intent.not_before.millis(),
            not_after: intent.not_after.millis(),
            shard: i32::from(intent.shard),
            issued_at: at.millis(),
        };
        insert!(self, certificate::table, &row)?;
        self.insert_status(
            row.serial,
            row.issuer,
            row.shard,
            row.not_after,
            CertificateStatus::Issued(state),
            at,
        )
    }

    /// Burns the serial number of an open intent: it is never signed again and answers "revoked" from now on (I3).
    /// Burning it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `intent` when there is a certificate or no intent.
    pub fn burn(&mut self, number: &Serial, at: Time) -> Result<(), StoreError> {
        if let Some(status) = self.status(number)? {
            return match status.state {
                CertificateStatus::Burned { .. } => Ok(()),
                CertificateStatus::Issued(_) => Err(StoreError::Stale { what: "intent" }),
            };
        }
        self.close(number)?;
        let columns = (intent::issuer, intent::shard, intent::not_after);
        let query = intent::table.find(number.as_bytes()).select(columns);
        let (issuer, shard, not_after) =
            run!(self, connection => query.get_result::<(String, i32, i64)>(connection))?;
        let content = number.as_bytes().to_vec();
        self.insert_status(content, issuer, shard, not_after, CertificateStatus::Burned { at }, at)
    }

    /// On PostgreSQL this row's lock decides between a commit and a burn that come at once.
    fn close(&mut self, number: &Serial) -> Result<(), StoreError> {
        let open = open_intent::table.find(number.as_bytes());
        change_one!(self, "intent", diesel::delete(open))
    }

    fn insert_status(
        &mut self,
        number: Vec<u8>,
        issuer: String,
        shard: i32,
        not_after: i64,
        state: CertificateStatus,
        at: Time,
    ) -> Result<(), StoreError> {
        let row = (
            status::serial.eq(number.clone()),
            status::issuer.eq(issuer),
            status::shard.eq(shard),
            status::not_after.eq(not_after),
            status::changed_at.eq(at.millis()),
            // Stamped at the end of the transaction.
            status::epoch.eq(0),
            StatusColumns::from(state),
        );
        insert!(self, status::table, row)?;
        self.touch_status(&number);
        Ok(())
    }
}

impl From<&Intent> for IntentRow {
    fn from(new: &Intent) -> Self {
        Self {
            serial: new.serial.as_bytes().to_vec(),
            issuer: new.issuer.clone(),
            profile: new.profile.clone(),
            profile_sha256: new.profile_sha256.to_vec(),
            tbs: new.tbs.clone(),
            spki_sha256: new.spki_sha256.to_vec(),
            unit: new.unit.as_ref().map(UnitId::to_string),
            application: new.application.as_ref().map(ApplicationId::to_string),
            attempt: new.attempt.as_ref().map(AttemptId::to_string),
            token: new.token.clone(),
            not_before: new.not_before.millis(),
            not_after: new.not_after.millis(),
            shard: i32::from(new.shard),
            actor: new.actor.clone(),
            at: new.at.millis(),
        }
    }
}

impl TryFrom<IntentRow> for Intent {
    type Error = StoreError;

    fn try_from(row: IntentRow) -> Result<Self, StoreError> {
        let id = hex(&row.serial);
        Ok(Self {
            serial: serial(&row.serial, "intent", &id)?,
            issuer: row.issuer,
            profile: row.profile,
            profile_sha256: digest(row.profile_sha256, "intent", &id)?,
            tbs: row.tbs,
            spki_sha256: digest(row.spki_sha256, "intent", &id)?,
            unit: intact(row.unit.as_deref().map(UnitId::parse).transpose(), "intent", &id)?,
            application: intact(
                row.application.as_deref().map(ApplicationId::parse).transpose(),
                "intent",
                &id,
            )?,
            attempt: intact(row.attempt.as_deref().map(AttemptId::parse).transpose(), "intent", &id)?,
            token: row.token,
            not_before: Time::from_millis(row.not_before),
            not_after: Time::from_millis(row.not_after),
            shard: intact(row.shard.try_into(), "intent", &id)?,
            actor: row.actor,
            at: Time::from_millis(row.at),
        })
    }
}

impl TryFrom<CertificateRow> for CertificateRecord {
    type Error = StoreError;

    fn try_from(row: CertificateRow) -> Result<Self, StoreError> {
        let id = hex(&row.serial);
        let application = row.application.as_deref().map(ApplicationId::parse).transpose();
        Ok(Self {
            serial: serial(&row.serial, "certificate", &id)?,
            der: row.der,
            sha256: digest(row.sha256, "certificate", &id)?,
            issuer: row.issuer,
            profile: row.profile,
            unit: intact(row.unit.as_deref().map(UnitId::parse).transpose(), "certificate", &id)?,
            application: intact(application, "certificate", &id)?,
            not_before: Time::from_millis(row.not_before),
            not_after: Time::from_millis(row.not_after),
            shard: intact(row.shard.try_into(), "certificate", &id)?,
            issued_at: Time::from_millis(row.issued_at),
        })
    }
}

fn hex(serial: &[u8]) -> String {
    serial.iter().map(|octet| format!("{octet:02x}")).collect()
}
