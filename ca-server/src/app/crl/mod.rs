//! Step 9: the CRLs, one for each shard. A number is reserved before the status is read, so a higher number never tells less.

mod guard;
mod pages;
mod published;

use std::sync::Arc;

use ca_core::{Action, Actor, AuditEntry, CrlScope};
use ca_store::{CrlHead, CrlRecord, WriteSite};
use ca_verifier::{Crl, Time};
use tokio::task::block_in_place;

use super::{About, App, note_refusal};
use crate::{
    draft::{Draft, Unsigned},
    problem::{Failure, Problem},
    wire,
};

pub(crate) use pages::Pages;
pub(crate) use published::{Published, PublishedCrl};

/// Name of the issuing CA in `/crl/{issuer}/{shard}.crl` and in the store.
pub(crate) const ISSUING: &str = "issuing";
const LEASE: &str = "crl";
/// A crash delays the next CRL by so much.
pub(super) const LEASE_MILLIS: i64 = 15_000;

/// A CRL as it is to be published, and how many entries there should be.
struct Made {
    unsigned: Unsigned,
    expected: i64,
    forgets_before: Option<Time>,
}

impl App {
    /// Publishes the CRL of each shard whose status has moved, or for which the policy's time has come; takes over what
    /// another instance published. Gives whether a new one is being served. A shard that cannot be published holds up no
    /// other.
    pub(crate) async fn refresh_crls(&self, holder: &str) -> Result<bool, Problem> {
        let (epoch, known) =
            self.store.read(|reader| Ok::<_, Problem>((reader.epoch()?, reader.crl_shards(ISSUING)?)))?;
        let (mut moved, mut failed) = (false, None);
        for shard in 0..known.max(self.policies.status().crl_shards()) {
            match self.refresh_crl(holder, shard, epoch).await {
                Ok(new) => moved |= new,
                Err(problem) => failed = Some(problem),
            }
        }
        failed.map_or(Ok(moved), Err)
    }

    /// `epoch`: read before.
    async fn refresh_crl(&self, holder: &str, shard: u16, epoch: i64) -> Result<bool, Problem> {
        if self.published.is_resting(shard) {
            return Ok(false);
        }
        let now = wire::now();
        let served = self.published.of(shard);
        let latest = self.store.read(|reader| reader.latest_crl_head(ISSUING, shard))?;
        let Some(latest) = latest else { return self.publish(holder, shard, None).await };
        let same = served.filter(|served| served.number == latest.number);
        let seen = same.as_ref().map_or(latest.epoch, |served| served.seen());
        let moved = seen < epoch && self.store.read(|reader| reader.shard_moved((ISSUING, shard), seen))?;
        // One in a second at most: thisUpdate rises with each, so that Last-Modified names one CRL only.
        let due = (moved || self.is_due(latest, now)) && now.secs() != latest.this_update.secs();
        match same {
            _ if due => self.publish(holder, shard, Some(latest)).await,
            Some(same) => {
                if !moved {
                    same.see(epoch);
                }
                Ok(false)
            }
            None => self.take_over(shard).map(|()| true),
        }
    }

    async fn publish(&self, holder: &str, shard: u16, latest: Option<CrlHead>) -> Result<bool, Problem> {
        let (holder, now) = (holder.to_owned(), wire::now());
        let reserved = self
            .store
            .write(WriteSite::ReserveCrlNumber, move |tx| {
                let Some(fence) = tx.acquire_lease(LEASE, &holder, now, LEASE_MILLIS)? else {
                    return Ok(None);
                };
                Ok::<_, Problem>(Some((fence, tx.next_crl_number(ISSUING, shard)?)))
            })
            .await?;
        // What is published must follow from what was; and that may be another instance's, or from before the start. It is
        // also what is served until this one, or whoever holds the lease, has the next.
        let served = self.published.of(shard);
        let behind = latest.is_some_and(|latest| served.is_none_or(|one| one.number != latest.number));
        if behind {
            self.take_over(shard)?;
        }
        let Some((fence, number)) = reserved else { return Ok(behind) };
        let published = self.publish_numbered(shard, fence, number).await;
        let Err(problem) = published else { return Ok(true) };
        if guard::refused(&problem) && self.published.rest(shard) {
            let id = number.to_string();
            let actor = Actor::System("crl");
            let about = About { actor: &actor, action: Action::PublishCrl, object: "crl", id: &id };
            note_refusal(&self.store, about, &problem).await?;
        }
        Err(problem)
    }

    async fn publish_numbered(&self, shard: u16, fence: i64, number: i64) -> Result<(), Problem> {
        let before = self.published.of(shard);
        let now = Time::from_secs(wire::now().secs());
        let this_update = guard::date(before.as_deref().map(|before| before.this_update), now)?;
        let Made { unsigned, expected, forgets_before } =
            block_in_place(|| self.draft_crl(shard, number, this_update))?;
        let count = unsigned.entries();
        let signer = self.ca.issuing_signer();
        let record = tokio::task::spawn_blocking(move || unsigned.sign(|tbs| signer.sign(tbs)))
            .await
            .map_err(Failure::inconsistent)??;
        let new = Arc::new(block_in_place(|| self.read_back(&record))?);
        let check = || {
            self.store.read(|reader| {
                let status = |serial: &_| Ok(reader.status(serial)?);
                guard::check(before.as_deref(), &new, expected, forgets_before, status)
            })
        };
        block_in_place(check)?;
        self.store
            .write(WriteSite::PublishCrl, move |tx| {
                tx.check_fence(LEASE, fence)?;
                tx.insert_crl(&record)?;
                let entry =
                    AuditEntry::done(now, &Actor::System("crl"), Action::PublishCrl, "crl", record.number);
                let entry = entry.with("shard", shard).with("epoch", record.epoch);
                tx.append_audit(&entry.with("entries", count))?;
                Ok::<_, Problem>(())
            })
            .await?;
        self.published.put(shard, new);
        Ok(())
    }

    fn draft_crl(&self, shard: u16, number: i64, this_update: Time) -> Result<Made, Problem> {
        let rules = self.policies.status();
        let forgets_before = rules.crl_forgets_before(this_update);
        let url = self.ca.urls.crl(ISSUING, shard);
        self.store.read(|reader| {
            let epoch = reader.epoch()?;
            let expected = reader.count_crl_entries((ISSUING, shard), forgets_before)?;
            let mut pages = Pages::new(reader, (ISSUING, shard), forgets_before, expected);
            let draft = Draft {
                issuer: &self.ca.issuing,
                name: ISSUING,
                shard,
                scope: CrlScope::Shard(&url),
                number,
                this_update,
                next_update: this_update.plus_secs(rules.crl_lifetime_secs()),
                epoch,
                expired_since: forgets_before.is_none().then(|| self.ca.issuing.not_before()),
                sources: &mut pages,
            };
            let unsigned = draft.prepare();
            pages.end()?;
            Ok(Made { unsigned: unsigned?, expected, forgets_before })
        })
    }

    /// A CRL by the names in its URL: the issuing CA's from memory, the root's from the store, where
    /// the ceremony and `root-crl` put it.
    pub(crate) fn crl(&self, issuer: &str, shard: u16) -> Result<Option<Arc<PublishedCrl>>, Problem> {
        if issuer == ISSUING {
            return Ok(self.published.of(shard));
        }
        let stored = self.store.read(|reader| reader.latest_crl(issuer, shard))?;
        Ok(stored.map(|record| Arc::new(PublishedCrl::unread(&record))))
    }

    fn is_due(&self, latest: CrlHead, now: Time) -> bool {
        now >= latest.this_update.plus_secs(self.policies.status().crl_refresh_secs())
    }

    /// Serves what is in the store.
    fn take_over(&self, shard: u16) -> Result<(), Problem> {
        let Some(record) = self.store.read(|reader| reader.latest_crl(ISSUING, shard))? else {
            return Ok(());
        };
        let read = block_in_place(|| self.read_back(&record))?;
        self.published.put(shard, Arc::new(read));
        Ok(())
    }

    /// With the relying parties' own code: what they could not use is not served.
    fn read_back(&self, record: &CrlRecord) -> Result<PublishedCrl, Problem> {
        let read = Crl::verify(&record.der, self.ca.issuing.der()).map_err(Failure::inconsistent)?;
        Ok(PublishedCrl::new(record, read))
    }
}
