//! Step 9: the CRL. Its number is reserved before the status is read, so a higher number never tells less.

use ca_core::{Action, Actor, AuditEntry, CrlScope};
use ca_store::{CrlRecord, WriteSite};
use ca_verifier::{Crl, Serial, Standing, Time};

use super::{App, issue::SHARD};
use crate::{
    draft::Draft,
    problem::{Failure, Problem},
    wire,
};

/// Name of the issuing CA in `/crl/{issuer}/{shard}.crl` and in the store.
pub(crate) const ISSUING: &str = "issuing";
const LEASE: &str = "crl";
/// A crash delays the next CRL by so much.
pub(super) const LEASE_MILLIS: i64 = 15_000;

/// The CRL that is being served.
#[derive(Debug)]
pub(crate) struct PublishedCrl {
    pub(crate) number: i64,
    pub(crate) epoch: i64,
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
    pub(crate) der: Vec<u8>,
    /// The same CRL as a relying party reads it.
    read: Crl,
}

impl PublishedCrl {
    /// Whether relying parties that read this CRL refuse the certificate.
    pub(crate) fn lists(&self, serial: &Serial) -> bool {
        self.read.standing(serial) != Standing::Good
    }
}

impl App {
    /// Publishes a CRL when the status has moved or the policy's time for a new one has come; takes over what
    /// another instance published. Gives whether a new one is being served.
    pub(crate) async fn refresh_crl(&self, holder: &str) -> Result<bool, Problem> {
        let now = wire::now();
        let served = self.published.load_full();
        let (epoch, latest) = self
            .store
            .read(|reader| Ok::<_, Problem>((reader.epoch()?, reader.latest_crl(ISSUING, SHARD)?)))?;
        if let Some(latest) =
            latest.as_ref().filter(|latest| latest.epoch == epoch && !self.is_due(latest, now))
        {
            if served.is_some_and(|served| served.number == latest.number) {
                return Ok(false);
            }
            self.serve_crl(latest)?;
            return Ok(true);
        }
        let holder = holder.to_owned();
        let reserved = self
            .store
            .write(WriteSite::ReserveCrlNumber, move |tx| {
                let Some(fence) = tx.acquire_lease(LEASE, &holder, now, LEASE_MILLIS)? else {
                    return Ok(None);
                };
                Ok::<_, Problem>(Some((fence, tx.next_crl_number(ISSUING, SHARD)?)))
            })
            .await?;
        match reserved {
            Some((fence, number)) => self.publish_crl(fence, number).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn publish_crl(&self, fence: i64, number: i64) -> Result<(), Problem> {
        let now = Time::from_secs(wire::now().secs());
        let (epoch, sources) = self
            .store
            .read(|reader| Ok::<_, Problem>((reader.epoch()?, reader.crl_entries(ISSUING, SHARD, now)?)))?;
        let next_update = now.plus_secs(self.policies.status().crl_lifetime_secs());
        let unsigned = Draft {
            issuer: &self.ca.issuing,
            name: ISSUING,
            shard: SHARD,
            scope: CrlScope::Shard(&self.ca.urls.crl(ISSUING, SHARD)),
            number,
            this_update: now,
            next_update,
            epoch,
            sources,
        }
        .prepare()?;
        let count = unsigned.entries();
        let signer = self.ca.issuing_signer();
        let record = tokio::task::spawn_blocking(move || unsigned.sign(|tbs| signer.sign(tbs)))
            .await
            .map_err(Failure::inconsistent)??;
        let stored = record.clone();
        self.store
            .write(WriteSite::PublishCrl, move |tx| {
                tx.check_fence(LEASE, fence)?;
                tx.insert_crl(&stored)?;
                let entry =
                    AuditEntry::done(now, &Actor::System("crl"), Action::PublishCrl, "crl", stored.number);
                tx.append_audit(&entry.with("epoch", stored.epoch).with("entries", count))?;
                Ok::<_, Problem>(())
            })
            .await?;
        self.serve_crl(&record)
    }

    /// A CRL by the names in its URL: the issuing CA's from memory, the root's from the store, where
    /// the ceremony and `root-crl` put it.
    pub(crate) fn crl(&self, issuer: &str, shard: u16) -> Result<Option<(i64, Time, Vec<u8>)>, Problem> {
        if issuer == ISSUING && shard == SHARD {
            let served = self.published.load_full();
            return Ok(served.map(|crl| (crl.number, crl.this_update, crl.der.clone())));
        }
        let stored = self.store.read(|reader| reader.latest_crl(issuer, shard))?;
        Ok(stored.map(|crl| (crl.number, crl.this_update, crl.der)))
    }

    fn is_due(&self, latest: &CrlRecord, now: Time) -> bool {
        now >= latest.this_update.plus_secs(self.policies.status().crl_refresh_secs())
    }

    fn serve_crl(&self, record: &CrlRecord) -> Result<(), Problem> {
        // Read back with the relying parties' own code: what they could not use is not served.
        let read = Crl::verify(&record.der, self.ca.issuing.der()).map_err(Failure::inconsistent)?;
        self.published.store(Some(std::sync::Arc::new(PublishedCrl {
            number: record.number,
            epoch: record.epoch,
            this_update: record.this_update,
            next_update: record.next_update,
            der: record.der.clone(),
            read,
        })));
        Ok(())
    }
}
