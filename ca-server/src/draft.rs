//! A CRL between its number and its row: prepared, signed, recorded. Ceremony, server and `root-crl` make theirs here.

use ca_core::{CrlEntry, CrlPlan, CrlScope, CrlStanding, Issuer, PreparedCrl};
use ca_store::{CrlRecord, CrlSource};
use ca_verifier::{Standing, Time};

use crate::{ca::label, problem::Failure};

/// Days of the root's CRL: its token is away, so people renew it (`ca-server root-crl`), not the server.
pub(crate) const ROOT_CRL_DAYS: i64 = 365;

/// What a CRL is to say.
pub(crate) struct Draft<'a, I> {
    pub(crate) issuer: &'a Issuer,
    /// The issuer's name in `/crl/{issuer}/{shard}.crl` and in the store.
    pub(crate) name: &'static str,
    pub(crate) shard: u16,
    pub(crate) scope: CrlScope<'a>,
    pub(crate) number: i64,
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
    pub(crate) epoch: i64,
    /// See [`CrlPlan::expired_since`].
    pub(crate) expired_since: Option<Time>,
    /// By rising serial number.
    pub(crate) sources: I,
}

/// A CRL whose octets are fixed.
pub(crate) struct Unsigned {
    prepared: PreparedCrl,
    record: CrlRecord,
}

impl<'a, I: Iterator<Item = CrlSource>> Draft<'a, I> {
    /// The root's, from now. It says of the issuing CA what OCSP does not.
    pub(crate) fn of_root(
        root: &'a Issuer,
        number: i64,
        (this_update, days): (Time, i64),
        (epoch, sources): (i64, I),
    ) -> Self {
        let next_update = this_update.plus_secs(days * 86_400);
        let (name, scope) = (label::ROOT, CrlScope::All);
        let (issuer, shard, expired_since) = (root, 0, None);
        Self { issuer, name, shard, scope, number, this_update, next_update, epoch, expired_since, sources }
    }

    pub(crate) fn prepare(self) -> Result<Unsigned, Failure> {
        let prepared = CrlPlan {
            issuer: self.issuer,
            scope: self.scope,
            number: u64::try_from(self.number).map_err(Failure::inconsistent)?,
            this_update: self.this_update,
            next_update: self.next_update,
            epoch: u64::try_from(self.epoch).map_err(Failure::inconsistent)?,
            expired_since: self.expired_since,
            entries: self.sources.map(entry),
        }
        .prepare()
        .map_err(Failure::inconsistent)?;
        let record = CrlRecord {
            issuer: self.name.to_owned(),
            shard: self.shard,
            number: self.number,
            this_update: self.this_update,
            next_update: self.next_update,
            epoch: self.epoch,
            der: Vec::new(),
        };
        Ok(Unsigned { prepared, record })
    }
}

impl Unsigned {
    /// How many certificates it lists.
    pub(crate) fn entries(&self) -> u64 {
        self.prepared.entries()
    }

    /// One signature, verified with the issuer's key.
    pub(crate) fn sign(
        self,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, hsm::Error>,
    ) -> Result<CrlRecord, Failure> {
        let signed = self.prepared.sign(sign).map_err(Failure::inconsistent)?;
        Ok(CrlRecord { der: signed.into_der(), ..self.record })
    }
}

fn entry(source: CrlSource) -> CrlEntry {
    let standing = match source.standing {
        // Nothing that is good is read for a CRL; if it were, it would be refused rather than left out.
        Standing::Good => CrlStanding::Held,
        Standing::NotActivated => CrlStanding::NotActivated,
        Standing::Held => CrlStanding::Held,
        Standing::Revoked(reason) => CrlStanding::Revoked(reason),
    };
    let CrlSource { serial, since, invalid_since, .. } = source;
    CrlEntry { serial, since, standing, invalid_since }
}
