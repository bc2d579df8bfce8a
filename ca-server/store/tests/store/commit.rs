//! Group commit: who fails undoes nobody else, who was answered is on disk.

use std::{panic, thread, time::Duration};

use ca_core::Action;
use ca_store::{AuditFilter, Store, StoreError, WriteSite, testing::databases};

use crate::world::*;

fn numbers(store: &Store) -> Vec<String> {
    let log = read(store, |reader| reader.audit_log(&AuditFilter::default()));
    let mut numbers: Vec<_> = log.into_iter().map(|(_, record)| record.object_id).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_failure_and_a_panic_undo_themselves_only() {
    for database in databases() {
        let store = database.store();
        // While this one runs the others queue up, and share a transaction.
        let slow = store.clone();
        let slow = thread::spawn(move || {
            write(&slow, |_| {
                thread::sleep(Duration::from_millis(300));
                Ok(())
            })
        });
        let clients: Vec<_> = (0..64)
            .map(|number| {
                let store = store.clone();
                thread::spawn(move || {
                    store.write_blocking(WriteSite::AppendAudit, move |tx| {
                        tx.append_audit(&entry(Action::Start, "test", format!("{number:02}")))?;
                        match number % 8 {
                            0 => panic!("closure {number}"),
                            1 => Err(StoreError::NotFound),
                            _ => Ok(number),
                        }
                    })
                })
            })
            .collect();
        slow.join().unwrap();
        for (number, client) in clients.into_iter().enumerate() {
            match (number % 8, client.join()) {
                (0, Err(panic)) => {
                    assert_eq!(*panic.downcast::<String>().unwrap(), format!("closure {number}"))
                }
                (1, Ok(Err(StoreError::NotFound))) => {}
                (_, Ok(Ok(given))) => assert_eq!(given, number),
                (_, other) => panic!("{number}: {other:?}"),
            }
        }
        let kept: Vec<_> =
            (0..64).filter(|number| number % 8 > 1).map(|number| format!("{number:02}")).collect();
        assert_eq!(numbers(&store), kept);
        drop(store);
        assert_eq!(numbers(&Store::open(database.url()).unwrap()), kept, "acknowledged means durable");
    }
}

#[test]
fn a_closure_cannot_go_on_after_an_error() {
    on_both(|store| {
        let error = refused(store, |tx| {
            tx.insert_unit(&unit())?;
            let conflict = tx.insert_unit(&unit());
            assert!(conflict.is_err());
            Ok(())
        });
        assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
        assert_eq!(read(store, |reader| reader.unit(&unit().id)), None);
    });
}

#[test]
fn a_panic_while_reading_harms_no_later_reader() {
    on_both(|store| {
        for _ in 0..20 {
            let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                store.read::<(), StoreError>(|reader| {
                    reader.epoch()?;
                    panic!("reader");
                })
            }));
            caught.unwrap_err();
        }
        assert_eq!(read(store, |reader| reader.epoch()), 0);
    });
}

#[test]
fn a_reader_sees_one_moment() {
    on_both(|store| {
        enroll(store);
        read(store, |reader| {
            assert_eq!(reader.application(&application(1).id)?, None);
            write(store, |tx| tx.insert_application(&application(1)));
            assert_eq!(reader.application(&application(1).id)?, None);
            Ok(())
        });
        assert_eq!(read(store, |reader| reader.application(&application(1).id)), Some(application(1)));
    });
}

#[test]
fn async_callers_share_the_writer() {
    on_both(|store| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let given: usize = runtime.block_on(async {
            let mut tasks = Vec::new();
            for number in 0..500 {
                let store = store.clone();
                tasks.push(tokio::spawn(async move {
                    let site = WriteSite::AppendAudit;
                    store.write(site, move |tx| tx.append_audit(&entry(Action::Start, "test", number))).await
                }));
            }
            let mut done = 0;
            for task in tasks {
                let result: Result<(), StoreError> = task.await.unwrap();
                done += usize::from(result.is_ok());
            }
            done
        });
        assert_eq!((given, numbers(store).len()), (500, 500));
    });
}
