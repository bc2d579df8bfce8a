//! Leases: one leader at a time, and a leader who slept writes nothing (F3, F24).

use ca_store::{Store, StoreError};
use ca_verifier::Time;

use crate::world::*;

const TTL: i64 = 15_000;

fn acquire(store: &Store, holder: &'static str, now: Time) -> Option<i64> {
    write(store, move |tx| tx.acquire_lease("crl", holder, now, TTL))
}

#[test]
fn the_fence_rises_with_each_leader() {
    on_both(|store| {
        assert_eq!(acquire(store, "a", NOW), Some(1));
        assert_eq!(acquire(store, "b", NOW.plus_secs(14)), None);
        assert_eq!(acquire(store, "a", NOW.plus_secs(14)), Some(1), "prolonged");
        assert_eq!(acquire(store, "b", NOW.plus_secs(28)), None);
        write(store, |tx| tx.check_fence("crl", 1));
        assert_eq!(acquire(store, "b", NOW.plus_secs(29)), Some(2), "it ends when it ends");
        let late = refused(store, |tx| {
            tx.put_setting("published-by", "a")?;
            tx.check_fence("crl", 1)
        });
        assert_eq!(late, StoreError::Stale { what: "lease" });
        assert_eq!(read(store, |reader| reader.setting("published-by")), None);
        assert_eq!(acquire(store, "a", NOW.plus_secs(30)), None);
        assert_eq!(acquire(store, "a", NOW.plus_secs(60)), Some(3));
        assert_eq!(refused(store, |tx| tx.check_fence("other", 1)), StoreError::Stale { what: "lease" });
    });
}
