//! Status, its epoch, and what a CRL lists (step 9, I6).

use ca_core::{Action, CertificateState};
use ca_store::{
    CertificateStatus, CrlRecord, CrlSource, StatusRecord, Store, StoreError, testing::databases,
};
use ca_verifier::{Reason, Standing};

use crate::world::*;

fn issue(store: &Store, number: u32, state: CertificateState) {
    write(store, move |tx| personalising(tx, number));
    store.record_intent_blocking(intent(number), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    write(store, move |tx| tx.commit_issued(&intent(number), &[0x30], state, NOW));
}

#[test]
fn every_state_comes_back_and_moves_the_epoch() {
    let revoked = CertificateState::Revoked { reason: Reason::KeyCompromise, at: NOW.plus_secs(5) };
    on_both(|store| {
        enroll(store);
        issue(store, 1, CertificateState::NotActivated);
        let mut epoch = read(store, |reader| reader.epoch());
        assert_eq!(epoch, 1);
        let mut state = CertificateState::NotActivated;
        for next in [
            CertificateState::Held { activated: false },
            CertificateState::NotActivated,
            CertificateState::Good,
            CertificateState::Held { activated: true },
            revoked,
        ] {
            write(store, move |tx| tx.move_status(&serial(1), state, next, NOW.plus_secs(5)));
            let (moved, record) =
                read(store, |reader| Ok((reader.epoch()?, reader.status(&serial(1))?.unwrap())));
            assert_eq!(record.state, CertificateStatus::Issued(next));
            assert_eq!((moved, record.changed_at), (epoch + 1, NOW.plus_secs(5)));
            (epoch, state) = (moved, next);
        }
        let held = CertificateState::Held { activated: false };
        let error = refused(store, move |tx| tx.move_status(&serial(1), held, CertificateState::Good, NOW));
        assert_eq!(error, StoreError::Stale { what: "status" }, "revoked stays revoked");
        write(store, |tx| tx.append_audit(&entry(Action::Start, "server", 1)));
        assert_eq!(read(store, |reader| reader.epoch()), epoch, "nothing else moves it");
    });
}

#[test]
fn every_reason_comes_back() {
    on_both(|store| {
        enroll(store);
        for (number, reason) in (0..).zip(Reason::ALL) {
            let revoked = CertificateState::Revoked { reason, at: NOW };
            issue(store, number, revoked);
            let record = read(store, |reader| reader.status(&serial(number))).unwrap();
            assert_eq!(record.state, CertificateStatus::Issued(revoked));
        }
    });
}

#[test]
fn a_crl_lists_what_is_not_good() {
    let revoked = CertificateState::Revoked { reason: Reason::Superseded, at: NOW.plus_secs(-9) };
    on_both(|store| {
        enroll(store);
        issue(store, 1, CertificateState::Good);
        issue(store, 2, CertificateState::NotActivated);
        issue(store, 3, CertificateState::Held { activated: true });
        issue(store, 4, revoked);
        write(store, |tx| personalising(tx, 5));
        store.record_intent_blocking(intent(5), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
        write(store, |tx| tx.burn(&serial(5), NOW));

        let list = |list, since, limit| {
            let (mut entries, mut last) = (Vec::new(), None);
            loop {
                let page = read(store, move |reader| reader.crl_entries(list, since, last.as_ref(), limit));
                let Some(end) = page.last() else { break };
                last = Some(end.serial);
                entries.extend(page);
            }
            let count = read(store, move |reader| reader.count_crl_entries(list, since));
            assert_eq!(i64::try_from(entries.len()), Ok(count));
            entries
        };
        let entries = |since| list(("issuing", 0), since, 100);
        let mut expected: Vec<_> = [
            (2, Standing::NotActivated, NOW),
            (3, Standing::Held, NOW),
            (4, Standing::Revoked(Reason::Superseded), NOW.plus_secs(-9)),
            (5, Standing::Revoked(Reason::Unspecified), NOW),
        ]
        .map(|(number, standing, since)| CrlSource {
            serial: serial(number),
            standing,
            since,
            invalid_since: None,
        })
        .into();
        expected.sort_unstable_by_key(|source| source.serial);
        let end = intent(1).not_after;
        assert_eq!(entries(Some(NOW)), expected);
        assert_eq!(entries(None), expected);
        assert_eq!(list(("issuing", 0), None, 1), expected, "in the smallest pages");
        assert_eq!(entries(Some(end)), expected, "in its last second it is listed");
        assert_eq!(entries(Some(end.plus_secs(1))), []);
        assert_eq!(list(("root", 0), None, 100), []);
        assert_eq!(list(("issuing", 1), None, 100), []);
        let all: Vec<_> = expected.iter().map(|source| (source.serial, source.standing)).collect();
        assert_eq!(read(store, |reader| reader.not_good("issuing", NOW)), all);
        assert_eq!(read(store, |reader| reader.not_good("issuing", end.plus_secs(86_401))), []);
        assert_eq!(read(store, |reader| reader.not_good("root", NOW)), []);
    });
}

/// Whoever follows by epochs misses nothing, however small its bites, and sees nothing twice that did not move.
#[test]
fn changes_are_found_by_their_epochs() {
    on_both(|store| {
        enroll(store);
        let begun = read(store, |reader| reader.epoch());
        for number in 1..=5 {
            issue(store, number, CertificateState::NotActivated);
        }
        // Two in one transaction have one epoch.
        write(store, move |tx| {
            tx.move_status(&serial(4), CertificateState::NotActivated, CertificateState::Good, NOW)?;
            tx.move_status(&serial(2), CertificateState::NotActivated, CertificateState::Good, NOW)
        });
        let changes = |after, limit| {
            let found = read(store, |reader| reader.status_changes(after, limit));
            let short = |(epoch, record): (i64, StatusRecord)| (epoch - begun, record.serial);
            found.into_iter().map(short).collect::<Vec<_>>()
        };
        // By epoch, then by serial number.
        let mut all = [(1, 1), (3, 3), (5, 5), (6, 2), (6, 4)].map(|(epoch, number)| (epoch, serial(number)));
        all.sort_unstable();
        assert_eq!(changes(begun, 100), all);
        assert_eq!(changes(begun, 2), all[..2]);
        assert_eq!(changes(begun + 3, 2), all[2..]);
        assert_eq!(changes(begun + 5, 1), all[3..], "never a part of one epoch's");
        let now = read(store, |reader| reader.epoch());
        assert_eq!(now, begun + 6);
        assert_eq!(changes(now, 1), []);
        // A transaction that is undone moves nothing.
        let undone = refused(store, move |tx| {
            tx.move_status(&serial(1), CertificateState::NotActivated, CertificateState::Good, NOW)?;
            tx.move_status(&serial(1), CertificateState::NotActivated, CertificateState::Good, NOW)
        });
        assert!(matches!(undone, StoreError::Stale { .. }), "{undone}");
        assert_eq!(changes(now, 1), []);
    });
}

#[test]
fn current_serial_numbers_come_by_pages() {
    on_both(|store| {
        enroll(store);
        for number in 1..=5 {
            issue(store, number, CertificateState::NotActivated);
        }
        let page = |after: Option<ca_verifier::Serial>, now, limit| {
            read(store, move |reader| reader.current_serials("issuing", after.as_ref(), now, limit))
        };
        let mut all: Vec<_> = (1..=5).map(serial).collect();
        all.sort_unstable();
        assert_eq!(page(None, NOW, 100), all);
        assert_eq!(page(None, NOW, 2), all[..2]);
        assert_eq!(page(Some(all[1]), NOW, 2), all[2..4]);
        assert_eq!(page(Some(all[4]), NOW, 2), []);
        assert_eq!(read(store, |reader| reader.current_serials("root", None, NOW, 9)), []);
        let end = (1..=5).map(|number| intent(number).not_after).max().unwrap();
        assert_eq!(page(None, end.plus_secs(1), 9), []);
    });
}

#[test]
fn crl_numbers_rise_for_ever() {
    for database in databases() {
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let store = database.store();
            numbers.push(write(&store, |tx| tx.next_crl_number("issuing", 0)));
            refused(&store, |tx| {
                tx.next_crl_number("issuing", 0)?;
                Err(StoreError::NotFound)
            });
            let number = write(&store, |tx| {
                let number = tx.next_crl_number("issuing", 0)?;
                tx.insert_crl(&CrlRecord {
                    issuer: "issuing".into(),
                    shard: 0,
                    number,
                    this_update: NOW,
                    next_update: NOW.plus_secs(9),
                    epoch: 7,
                    der: vec![0x30; 3],
                })?;
                Ok(number)
            });
            numbers.push(number);
            let latest = read(&store, |reader| reader.latest_crl("issuing", 0)).unwrap();
            assert_eq!((latest.number, latest.epoch, latest.der), (number, 7, vec![0x30; 3]));
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        let store = database.store();
        assert_eq!(write(&store, |tx| tx.next_crl_number("issuing", 1)), 1, "each shard has its own");
        assert_eq!(read(&store, |reader| reader.latest_crl("root", 0)), None);
    }
}
