//! What a portal embeds: admit a connection once, check every request.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::CertificateDer;

use crate::{
    Crl, Error, PushSource, Refusal, Serial, SignedStatus, Source, Standing, StatusIndex, StatusSnapshot,
    Time, Trust, UnitCode, VerifiedPath,
    issuer::{Issuer, sha256},
    pushed::SILENCE_SECS_RANGE,
};

/// Path and status in one place, shared by all connections. A new CRL takes effect at the next request; no
/// connection is dropped.
#[derive(Debug)]
pub struct Gate {
    trust: Trust,
    status: RwLock<Arc<StatusIndex>>,
}

/// A unit whose certificate is good at the time of the check. Only [`Gate::check`] makes one: ask for it in the
/// signature of whatever only units may do. It is the answer for one request and must not be kept for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedUnit {
    code: UnitCode,
    name: String,
    serial: Serial,
    not_after: Time,
}

impl Gate {
    /// A gate without any CRL: it refuses everybody until [`Gate::load_crl`] has succeeded.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust, status: RwLock::default() }
    }

    /// The CAs.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Checks a CRL with its issuer's certificate and takes it into use. Takes seconds of CPU for millions of
    /// entries: call it on a thread that may block. The octets already in use cost one hash. Gives the distribution
    /// point that the CRL is for.
    ///
    /// # Errors
    /// As [`Crl::verify`] and [`StatusIndex::load`]; what was in use stays in use.
    pub fn load_crl(&self, der: &[u8], issuer_der: &[u8], now: Time) -> Result<String, Error> {
        if let Some(url) = self.index().holds(&sha256(der)) {
            self.confirm_crl(url, now);
            return Ok(url.to_owned());
        }
        let crl = Arc::new(Crl::verify(der, issuer_der)?);
        let url = crl.url().to_owned();
        let mut status = self.status.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = StatusIndex::clone(&status);
        next.load(crl, now)?;
        *status = Arc::new(next);
        Ok(url)
    }

    /// Refuses also when no source has delivered or confirmed the CRL for `secs` seconds, though its nextUpdate
    /// may be far away: whoever cuts the portal off then gains that much time only. There is no way to use a CRL
    /// longer than its nextUpdate.
    #[must_use]
    pub fn refuse_unconfirmed_after(mut self, secs: i64) -> Self {
        let status = StatusIndex::clone(&self.index()).refuse_unconfirmed_after(secs);
        self.status = RwLock::new(Arc::new(status));
        self
    }

    /// Expects the status of all certificates of this CA by push: without a message for `silence_secs` seconds (see
    /// [`crate::SILENCE_SECS`]; kept within 2 and 60) they are refused.
    ///
    /// # Errors
    /// As reading the certificate.
    pub fn expect_push(self, issuer_der: &[u8], silence_secs: i64) -> Result<Self, Error> {
        let issuer = Issuer::read(issuer_der)?;
        if !issuer.is_ca {
            return Err(Error::Signer { what: "issuer certificate", why: "it is not a CA" });
        }
        let mut status = StatusIndex::clone(&self.index());
        let (least, most) = SILENCE_SECS_RANGE;
        status.expect_push(issuer.key_hash, silence_secs.clamp(least, most));
        Ok(Self { status: RwLock::new(Arc::new(status)), ..self })
    }

    /// Takes a snapshot of status to start from. Nobody is admitted by it alone: that it is the newest, only the
    /// messages that follow can say. Gives its epoch. Takes up to seconds: call it on a thread that may block.
    ///
    /// # Errors
    /// As [`StatusSnapshot::verify`]; [`Error::StatusBack`], [`Error::StatusUnrevoked`], [`Error::StatusUnexpected`].
    pub fn load_snapshot(&self, octets: &[u8], issuer_der: &[u8], now: Time) -> Result<u64, Error> {
        let snapshot = StatusSnapshot::verify(octets, issuer_der, now)?;
        self.change(|status| status.load_snapshot(snapshot))
    }

    /// Takes one message of the stream. Gives the epoch that the gate is at after it.
    ///
    /// # Errors
    /// As [`SignedStatus::verify`]; [`Error::StatusGap`]: take the snapshot; [`Error::StatusBack`],
    /// [`Error::StatusUnrevoked`], [`Error::StatusUnexpected`]. Nothing of it is taken then.
    pub fn apply(&self, jws: &[u8], issuer_der: &[u8], now: Time) -> Result<u64, Error> {
        let message = SignedStatus::verify(jws, issuer_der, now)?;
        self.change(|status| status.apply(&message, now))
    }

    /// The sources of push and how they do.
    #[must_use]
    pub fn push_status(&self) -> Vec<PushSource> {
        self.index().push_sources()
    }

    /// How push from this CA does; `None` when none is expected of it.
    #[must_use]
    pub fn push_of(&self, issuer_der: &[u8]) -> Option<PushSource> {
        let issuer = Issuer::read(issuer_der).ok()?;
        self.push_status().into_iter().find(|source| source.issuer_key == issuer.key_hash)
    }

    /// What a source says of itself stays even if its message is refused: that it must not be trusted.
    fn change<T>(&self, work: impl FnOnce(&mut StatusIndex) -> Result<T, Error>) -> Result<T, Error> {
        let mut status = self.status.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = StatusIndex::clone(&status);
        let done = work(&mut next);
        *status = Arc::new(next);
        done
    }

    /// Notes that the source of `url` still has the CRL in use as its newest (HTTP 304).
    pub fn confirm_crl(&self, url: &str, now: Time) {
        let mut status = self.status.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = StatusIndex::clone(&status);
        next.confirm(url, now);
        *status = Arc::new(next);
    }

    /// Once per connection, resumed ones too: verifies the path of what the peer presented, leaf first, as
    /// rustls' `peer_certificates()` gives it. Costs some public-key operations.
    ///
    /// # Errors
    /// [`Refusal::NoCertificate`], or as [`Trust::verify_path`].
    pub fn admit(&self, peer: Option<&[CertificateDer<'_>]>, now: Time) -> Result<VerifiedPath, Refusal> {
        let (leaf, presented) = peer.and_then(<[_]>::split_first).ok_or(Refusal::NoCertificate)?;
        self.trust.verify_path(leaf, presented, now)
    }

    /// Once per request: validity again, and status. Costs two look-ups in memory.
    ///
    /// # Errors
    /// [`Refusal::Expired`], [`Refusal::Revoked`], [`Refusal::Held`], [`Refusal::NotActivated`],
    /// [`Refusal::StatusUnavailable`] and the other [`Refusal`]s of validity.
    pub fn check(&self, path: &VerifiedPath, now: Time) -> Result<VerifiedUnit, Refusal> {
        path.check_validity(now)?;
        match self.index().standing(path, now)? {
            Standing::Good => Ok(VerifiedUnit {
                code: path.unit().code(),
                name: path.unit().legal_name().to_owned(),
                serial: path.unit().serial(),
                not_after: path.unit().not_after(),
            }),
            Standing::NotActivated => Err(Refusal::NotActivated),
            Standing::Held => Err(Refusal::Held),
            Standing::Revoked(reason) => Err(Refusal::Revoked(reason)),
        }
    }

    /// The sources of status in use and their age.
    #[must_use]
    pub fn status(&self) -> Vec<Source> {
        self.index().sources()
    }

    fn index(&self) -> Arc<StatusIndex> {
        // A poisoned lock holds a whole index all the same: it is replaced in one step.
        Arc::clone(&self.status.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl VerifiedUnit {
    /// The unit.
    #[must_use]
    pub const fn code(&self) -> UnitCode {
        self.code
    }

    /// Legal name for people's eyes; never an identity.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Serial number of the certificate.
    #[must_use]
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// Last second of the certificate's validity.
    #[must_use]
    pub const fn not_after(&self) -> Time {
        self.not_after
    }
}
