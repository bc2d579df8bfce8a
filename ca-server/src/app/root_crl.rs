//! The root's CRL, renewed with the root's token while the server runs: it reads the latest from the store.

use ca_core::{Action, Actor, AuditEntry, Issuer};
use ca_store::{CrlRecord, Store, WriteSite};
use ca_verifier::Time;

use super::{
    clock,
    crl::{LEASE_MILLIS, Pages},
};
use crate::{ca::label, draft::Draft, problem::Problem, rule::Rule, wire};

const LEASE: &str = "root-crl";

/// Signs and publishes the root's next CRL. As with the issuing CA's, its number is reserved before the status is
/// read, and one renewal runs at a time, so that a higher number never tells less.
pub(crate) async fn renew(
    store: &Store,
    actor: Actor,
    root: &Issuer,
    days: i64,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, hsm::Error>,
) -> Result<CrlRecord, Problem> {
    let now = wire::now();
    clock::check(store, now)?;
    let holder = hex::encode(wire::random::<8>()?);
    let reserved = store
        .write(WriteSite::ReserveCrlNumber, move |tx| {
            let Some(fence) = tx.acquire_lease(LEASE, &holder, now, LEASE_MILLIS)? else {
                return Ok(None);
            };
            Ok::<_, Problem>(Some((fence, tx.next_crl_number(label::ROOT, 0)?)))
        })
        .await?;
    let (fence, number) = reserved.ok_or_else(|| Problem::new(Rule::RenewalRunning))?;
    let this_update = Time::from_secs(wire::now().secs());
    let unsigned = store.read(|reader| {
        let epoch = reader.epoch()?;
        let mut pages = Pages::new(reader, (label::ROOT, 0), None, 0);
        let unsigned = Draft::of_root(root, number, (this_update, days), (epoch, &mut pages)).prepare();
        pages.end()?;
        Ok::<_, Problem>(unsigned?)
    })?;
    let entries = unsigned.entries();
    let record = unsigned.sign(sign)?;
    let stored = record.clone();
    store
        .write(WriteSite::PublishCrl, move |tx| {
            tx.check_fence(LEASE, fence)?;
            tx.insert_crl(&stored)?;
            let entry = AuditEntry::done(wire::now(), &actor, Action::PublishCrl, "crl", stored.number);
            let entry = entry.with("issuer", label::ROOT).with("epoch", stored.epoch);
            tx.append_audit(&entry.with("entries", entries))?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use ca_store::StoreError;

    use super::*;

    /// I5: nothing is signed while the clock is behind a CRL that is there.
    #[test]
    fn a_clock_that_is_behind_is_refused() {
        let file = std::env::temp_dir().join(format!("qianyin-clock-{}.db", std::process::id()));
        let url = format!("sqlite:{}", file.display());
        Store::migrate(&url).unwrap();
        let store = Store::open(&url).unwrap();
        let now = wire::now();
        assert!(clock::check(&store, now).is_ok());
        let crl = CrlRecord {
            issuer: label::ROOT.to_owned(),
            shard: 0,
            number: 1,
            this_update: now.plus_secs(60),
            next_update: now.plus_secs(120),
            epoch: 0,
            der: Vec::new(),
        };
        store
            .write_blocking(WriteSite::PublishCrl, move |tx| tx.insert_crl(&crl))
            .map_err(drop::<StoreError>)
            .unwrap();
        assert_eq!(clock::check(&store, now).unwrap_err().rule, Rule::ClockBack);
        assert!(clock::check(&store, now.plus_secs(60)).is_ok());
        let _ = std::fs::remove_file(file);
    }
}
