//! Step 6 in the database: intent, then certificate or burned number, exactly one of them (I2, I3, I8).

use ca_core::{CertificateState, Intent};
use ca_store::{CertificateStatus, Store, StoreError};

use crate::world::*;

fn record(store: &Store, intent: Intent) -> Result<(), StoreError> {
    store.record_intent_blocking(intent, |_| Ok(())).map(drop)
}

#[test]
fn an_intent_becomes_a_certificate_once() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        assert_eq!(read(store, |reader| reader.latest_intent_time()), None);
        let proof = store.record_intent_blocking(intent(1), |_| Ok::<_, StoreError>(())).unwrap();
        assert_eq!(proof.serial(), serial(1));
        assert_eq!(read(store, |reader| reader.latest_intent_time()), Some(NOW));
        assert_eq!(read(store, |reader| reader.intent(&serial(1))), Some(intent(1)));
        assert_eq!(read(store, |reader| reader.intent_of_attempt(&attempt(1).id)), Some(intent(1)));
        assert_eq!(read(store, |reader| reader.intents_without_outcome(1, 9)), [intent(1)]);
        assert_eq!(read(store, |reader| reader.intents_without_outcome(2, 9)), [], "of another instance");
        assert_eq!(read(store, |reader| reader.status(&serial(1))), None, "being signed is not issued");

        write(store, |tx| tx.commit_issued(&intent(1), b"abc", CertificateState::NotActivated, NOW));
        let record = read(store, |reader| reader.certificate(&serial(1))).unwrap();
        assert_eq!((record.der.as_slice(), record.unit.as_ref()), (b"abc".as_slice(), Some(&unit().id)));
        // FIPS 180-2, appendix B.1.
        assert_eq!(record.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(
            read(store, |reader| reader.certificate_of_application(&application(1).id)).as_ref(),
            Some(&record)
        );
        assert_eq!(read(store, |reader| reader.certificates_of_unit(&unit().id)), [record]);
        assert_eq!(read(store, |reader| reader.intents_without_outcome(1, 9)), []);
        let status = read(store, |reader| reader.status(&serial(1))).unwrap();
        assert_eq!(status.state, CertificateStatus::Issued(CertificateState::NotActivated));

        let again = refused(store, |tx| tx.commit_issued(&intent(1), b"abd", CertificateState::Good, NOW));
        assert_eq!(again, StoreError::Stale { what: "intent" });
        assert_eq!(refused(store, |tx| tx.burn(&serial(1), NOW)), StoreError::Stale { what: "intent" });
    });
}

#[test]
fn a_burned_number_is_never_a_certificate() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        record(store, intent(1)).unwrap();
        write(store, |tx| tx.burn(&serial(1), NOW));
        write(store, |tx| tx.burn(&serial(1), NOW.plus_secs(9)));
        let status = read(store, |reader| reader.status(&serial(1))).unwrap();
        assert_eq!(status.state, CertificateStatus::Burned { at: NOW }, "the first burn counts");
        let late = refused(store, |tx| tx.commit_issued(&intent(1), &[1], CertificateState::Good, NOW));
        assert_eq!(late, StoreError::Stale { what: "intent" });
        assert_eq!(read(store, |reader| reader.certificate(&serial(1))), None);
        assert_eq!(read(store, |reader| reader.intents_without_outcome(1, 9)), []);
        assert_eq!(refused(store, |tx| tx.burn(&serial(2), NOW)), StoreError::Stale { what: "intent" });
        let unknown = refused(store, |tx| tx.commit_issued(&intent(2), &[1], CertificateState::Good, NOW));
        assert_eq!(unknown, StoreError::Stale { what: "intent" }, "no certificate without an intent");
    });
}

#[test]
fn numbers_attempts_and_keys_are_used_once() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            personalising(tx, 1)?;
            personalising(tx, 2)
        });
        record(store, intent(1)).unwrap();
        let conflict = |what| Err(StoreError::Conflict { what });
        assert_eq!(record(store, Intent { serial: serial(1), ..intent(2) }), conflict("serial"));
        assert_eq!(record(store, Intent { serial: serial(3), ..intent(1) }), conflict("intent-attempt"));
        let copied = Intent { spki_sha256: intent(1).spki_sha256, ..intent(2) };
        assert_eq!(record(store, copied), conflict("public-key"));
        assert_eq!(read(store, |reader| reader.intent(&serial(2))), None);

        let bind = |token: &'static str| {
            store.write_blocking(ca_store::WriteSite::Ceremony, move |tx| {
                tx.bind_key(&digest(50), None, Some(token), None, NOW)
            })
        };
        assert_eq!(bind("root-token"), Ok(()));
        assert_eq!(bind("root-token"), Ok(()), "the same again");
        assert_eq!(bind("other-token"), conflict("public-key"));
    });
}

#[test]
fn what_comes_with_an_intent_shares_its_fate() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        let refusal = store.record_intent_blocking(intent(1), |tx| {
            tx.put_setting("a", "b")?;
            Err(StoreError::NotFound)
        });
        assert_eq!(refusal, Err(StoreError::NotFound));
        assert_eq!(read(store, |reader| reader.intent(&serial(1))), None);
        assert_eq!(read(store, |reader| reader.setting("a")), None);
        record(store, intent(1)).unwrap();
    });
}
