//! Many at once, one effect (F13, F14).

use std::{
    sync::{Arc, Barrier},
    thread,
};

use ca_core::{ApplicationCommand, ApplicationState, Appointment, AppointmentId, AppointmentState, Purpose};
use ca_store::{AttemptRecord, Claim, Store, StoreError, WriteSite};

use crate::world::*;

const CLIENTS: u32 = 64;

fn at_once<T: Send + 'static>(
    store: &Store,
    work: impl Fn(&Store, u32) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let (work, start) = (Arc::new(work), Arc::new(Barrier::new(CLIENTS.try_into().unwrap())));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (work, start, store) = (Arc::clone(&work), Arc::clone(&start), store.clone());
            thread::spawn(move || {
                start.wait();
                work(&store, number)
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().unwrap()).collect()
}

#[test]
fn one_of_64_counters_claims_an_application() {
    on_both(|store| {
        enroll(store);
        let paid = ApplicationState::Paid { payment: Some(payment(1).id) };
        write(store, move |tx| {
            tx.insert_application(&application(1))?;
            tx.move_application(&application(1).id, &ApplicationState::Submitted, &paid)
        });
        let outcomes = at_once(store, |store, number| {
            store.write_blocking(WriteSite::ClaimApplication, move |tx| {
                let claim = AttemptRecord { application: application(1).id, ..attempt(number) };
                let known = tx.application(&claim.application)?.unwrap();
                let command = ApplicationCommand::Claim { attempt: claim.id.clone() };
                let Ok(next) =
                    known.state.clone().transition(std::slice::from_ref(&known.entered_by), command)
                else {
                    return Err(StoreError::Stale { what: "application" });
                };
                tx.insert_attempt(&claim)?;
                tx.move_application(&claim.application, &known.state, &next)?;
                Ok(claim.id)
            })
        });
        let winners: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        for loser in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let told =
                [StoreError::Stale { what: "application" }, StoreError::Conflict { what: "live-attempt" }];
            assert!(told.contains(loser), "{loser:?}");
        }
        let held =
            |number| read(store, |reader| reader.live_attempt_of_workstation(&attempt(number).workstation));
        assert_eq!((0..CLIENTS).filter(|number| held(*number).is_some()).count(), 1);
    });
}

#[test]
fn one_of_64_equal_requests_is_fresh() {
    on_both(|store| {
        let claims = at_once(store, |store, number| {
            write(store, move |tx| tx.claim_idempotency("staff:a", "k", &digest(1), &number.to_string(), NOW))
        });
        let fresh: Vec<_> = (0..).zip(&claims).filter(|(_, claim)| **claim == Claim::Fresh).collect();
        let [(winner, _)] = fresh[..] else { panic!("{claims:?}") };
        let replay = Claim::Replay { resource: i32::to_string(&winner) };
        assert_eq!(claims.iter().filter(|claim| **claim == replay).count(), 63);

        let claim = |actor: &'static str, request| {
            write(store, move |tx| tx.claim_idempotency(actor, "k", &digest(request), "x", NOW))
        };
        assert_eq!(claim("staff:a", 2), Claim::Mismatch);
        assert_eq!(claim("staff:b", 2), Claim::Fresh, "a key belongs to its actor");
    });
}

#[test]
fn a_claim_that_fails_leaves_its_key_free() {
    on_both(|store| {
        let error = refused(store, |tx| {
            assert_eq!(tx.claim_idempotency("a", "k", &digest(1), "x", NOW)?, Claim::Fresh);
            Err(StoreError::NotFound)
        });
        assert_eq!(error, StoreError::NotFound);
        assert_eq!(write(store, |tx| tx.claim_idempotency("a", "k", &digest(1), "y", NOW)), Claim::Fresh);
    });
}

/// Seats are counted by whoever holds the counter's day: of 64 that ask at once, five have room.
#[test]
fn five_seats_go_to_five_of_64() {
    const SEATS: usize = 5;
    on_both(|store| {
        enroll(store);
        let outcomes = at_once(store, |store, number| {
            store.write_blocking(WriteSite::BookAppointment, move |tx| {
                tx.lock_counter_day("gulou", "2026-11-26")?;
                if tx.appointments("gulou", "2026-11-26")?.len() >= SEATS {
                    return Ok(false);
                }
                tx.insert_appointment(&Appointment {
                    id: AppointmentId::new(NOW, octets(number)),
                    counter: "gulou".into(),
                    day: "2026-11-26".parse().unwrap(),
                    slot: "09:00".into(),
                    estimated: false,
                    purpose: Purpose::Apply,
                    unit: unit().id,
                    application: None,
                    made_by: clerk(),
                    made_at: NOW,
                    state: AppointmentState::Booked,
                })?;
                Ok::<_, StoreError>(true)
            })
        });
        let seated = outcomes.iter().filter(|outcome| **outcome == Ok(true)).count();
        let refused = outcomes.iter().filter(|outcome| **outcome == Ok(false)).count();
        assert_eq!((seated, refused), (SEATS, outcomes.len() - SEATS), "{outcomes:?}");
        assert_eq!(read(store, |reader| reader.appointments("gulou", "2026-11-26")).len(), SEATS);
    });
}
