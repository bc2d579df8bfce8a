//! Notices, their deliveries, and how units are reached, on both databases.

use ca_core::{
    ApplicationId, CertificateState, DeliveryCommand, DeliveryState, Intent, NoticeAbout, NoticeChannel,
    NoticeId, NoticeKind, SealedContact, TrainingId,
};
use ca_store::{DeliveryRecord, NoticeFilter, NoticeRecord, Store, StoreError};
use ca_verifier::{Reason, Serial, Time};

use crate::world::*;

const DAY: i64 = 86_400;

fn delivery(number: u32, channel: NoticeChannel) -> DeliveryRecord {
    DeliveryRecord { notice: notice(number).id, channel, state: DeliveryState::due(NOW) }
}

fn in_state(state: &str) -> NoticeFilter {
    NoticeFilter { state: Some(state.to_owned()), after: None, limit: 10 }
}

#[test]
fn every_state_of_a_delivery_comes_back() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            tx.insert_notice(&notice(1))
        });
        assert_eq!(read(store, |reader| reader.unrouted_notices(9)), [notice(1)]);
        assert_eq!(read(store, |reader| reader.deliveries_of(&notice(1).id)), []);
        write(store, |tx| {
            tx.mark_notice_routed(&notice(1).id, NOW)?;
            tx.insert_delivery(&delivery(1, NoticeChannel::Mail))?;
            tx.insert_delivery(&delivery(1, NoticeChannel::Webhook))
        });
        assert_eq!(read(store, |reader| reader.unrouted_notices(9)), []);
        let twice = refused(store, |tx| tx.insert_delivery(&delivery(1, NoticeChannel::Mail)));
        assert_eq!(twice, StoreError::Conflict { what: "notice-delivery" });
        let again = refused(store, |tx| tx.mark_notice_routed(&notice(1).id, NOW));
        assert_eq!(again, StoreError::Stale { what: "notice" });

        let later = NOW.plus_secs(60);
        let fail = |next_at| DeliveryCommand::Fail { error: "notice.unreachable".to_owned(), next_at };
        let mut known = delivery(1, NoticeChannel::Mail);
        for command in [
            DeliveryCommand::Claim { at: NOW, until: later },
            fail(Some(later)),
            fail(None),
            DeliveryCommand::Retry { at: NOW },
            DeliveryCommand::Succeed { at: later },
        ] {
            let next = known.state.clone().transition(command).unwrap();
            let (from, to) = (known.clone(), next.clone());
            write(store, move |tx| tx.move_delivery(&from, &to));
            // The state that was read is gone: another instance comes too late.
            let (from, to) = (known.clone(), known.state.clone());
            let late = refused(store, move |tx| tx.move_delivery(&from, &to));
            assert_eq!(late, StoreError::Stale { what: "notice-delivery" });
            known.state = next;
            let all = read(store, |reader| reader.deliveries_of(&notice(1).id));
            assert_eq!(
                all,
                [known.clone(), delivery(1, NoticeChannel::Webhook)],
                "the other stays as it was"
            );
        }
    });
}

#[test]
fn what_is_due_is_found_by_channel_and_time() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            for number in 1..=3 {
                tx.insert_application(&application(number))?;
                tx.insert_notice(&notice(number))?;
                let mut delivery = delivery(number, NoticeChannel::Mail);
                let next_at = NOW.plus_secs(i64::from(number));
                delivery.state = DeliveryState::Waiting { attempts: 1, next_at, error: None };
                tx.insert_delivery(&delivery)?;
            }
            let mut failed = delivery(1, NoticeChannel::Webhook);
            failed.state = DeliveryState::Failed { attempts: 7, error: "notice.unreachable".to_owned() };
            tx.insert_delivery(&failed)
        });
        let due = |channel, at| {
            let due = read(store, |reader| reader.due_deliveries(channel, at, 9));
            due.into_iter().map(|delivery| delivery.notice).collect::<Vec<_>>()
        };
        assert_eq!(due(NoticeChannel::Mail, NOW), []);
        assert_eq!(due(NoticeChannel::Mail, NOW.plus_secs(2)), [notice(1).id, notice(2).id]);
        assert_eq!(due(NoticeChannel::Webhook, NOW.plus_secs(9)), []);
        let count = |state: &str| read(store, |reader| reader.count_deliveries(state));
        assert_eq!((count("waiting"), count("failed"), count("sent")), (3, 1, 0));
        assert_eq!(read(store, |reader| reader.notices(&in_state("failed"))), [notice(1)]);
        let after = NoticeFilter { after: Some(notice(1).id), ..in_state("waiting") };
        assert_eq!(read(store, |reader| reader.notices(&after)), [notice(2), notice(3)]);
    });
}

#[test]
fn contacts_are_replaced_whole() {
    on_both(|store| {
        enroll(store);
        assert_eq!(read(store, |reader| reader.contact(&unit().id)), SealedContact::default());
        write(store, |tx| tx.put_contact(&unit().id, &contact(), NOW, "staff:x"));
        assert_eq!(read(store, |reader| reader.contact(&unit().id)), contact());
        let without = SealedContact { mail: None, ..contact() };
        let new = without.clone();
        write(store, move |tx| tx.put_contact(&unit().id, &new, NOW, "staff:y"));
        assert_eq!(read(store, |reader| reader.contact(&unit().id)), without);
    });
}

/// A certificate of the unit that ends so many days after [`NOW`].
fn ending(store: &Store, number: u32, days: i64, state: CertificateState) -> Serial {
    write(store, move |tx| personalising(tx, number));
    let of = move || Intent { not_after: NOW.plus_secs(days * DAY), ..intent(number) };
    store.record_intent_blocking(of(), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    write(store, move |tx| tx.commit_issued(&of(), &[0x30], state, NOW));
    serial(number)
}

/// One turn of the job, as each instance makes it; gives what was asked for.
fn ask(store: &Store, now: Time, run: u8) -> Vec<(NoticeKind, Serial)> {
    let mut asked = Vec::new();
    for kind in NoticeKind::EXPIRY {
        for (number, expiring) in (0..).zip(read(store, |reader| reader.expiring(kind, now, 9))) {
            let reminder =
                reminder(kind, expiring.serial, NoticeId::new(now, [run, number, 0, 0, 0, 0, 0, 0, 0, 0]));
            if write(store, move |tx| tx.insert_reminder(&reminder)) {
                asked.push((kind, expiring.serial));
            }
        }
    }
    asked
}

fn reminder(kind: NoticeKind, serial: Serial, id: NoticeId) -> NoticeRecord {
    let about = NoticeAbout::Certificate(serial);
    NoticeRecord { id, recipient: unit().id.to_string(), kind, about, created_at: NOW }
}

#[test]
fn a_certificate_that_ends_is_asked_for_once_a_step() {
    on_both(|store| {
        enroll(store);
        let superseded = CertificateState::Revoked { reason: Reason::Superseded, at: NOW };
        let far = ending(store, 1, 91, CertificateState::Good);
        let near = ending(store, 2, 20, CertificateState::Good);
        ending(store, 3, 20, superseded);
        ending(store, 4, 20, CertificateState::Held { activated: true });
        ending(store, 5, 20, CertificateState::NotActivated);

        assert_eq!(ask(store, NOW, 1), [(NoticeKind::Expiry30, near)]);
        assert_eq!(ask(store, NOW, 2), [], "once");
        assert_eq!(ask(store, NOW.plus_secs(DAY), 3), [(NoticeKind::Expiry90, far)]);
        // The job did not run for long: of the steps that passed, the nearest only.
        assert_eq!(ask(store, NOW.plus_secs(85 * DAY), 4), [(NoticeKind::Expiry7, far)]);
        // The clock goes back: what is less urgent is not told afterwards.
        assert_eq!(ask(store, NOW.plus_secs(70 * DAY), 5), []);
        assert_eq!(ask(store, NOW.plus_secs(200 * DAY), 6), [], "it has ended");
    });
}

#[test]
fn two_instances_that_ask_at_once_ask_once() {
    on_both(|store| {
        enroll(store);
        let serial = ending(store, 1, 5, CertificateState::Good);
        let both: Vec<bool> = [1, 2]
            .map(|run| {
                let reminder = reminder(NoticeKind::Expiry7, serial, NoticeId::new(NOW, [run; 10]));
                write(store, move |tx| tx.insert_reminder(&reminder))
            })
            .into();
        assert_eq!(both, [true, false]);
        let reminders = read(store, |reader| reader.unrouted_notices(9));
        assert_eq!(reminders.len(), 1);
        assert_eq!(
            (reminders[0].kind, &reminders[0].about),
            (NoticeKind::Expiry7, &NoticeAbout::Certificate(serial))
        );
        let third = reminder(NoticeKind::Expiry7, serial, NoticeId::new(NOW, [3; 10]));
        let doubled = refused(store, move |tx| tx.insert_notice(&third));
        assert_eq!(doubled, StoreError::Conflict { what: "expiry-notice" });
    });
}

#[test]
fn a_notice_is_about_something_that_is_there() {
    on_both(|store| {
        enroll(store);
        for about in [
            NoticeAbout::Application(ApplicationId::new(NOW, [1; 10])),
            NoticeAbout::Training(TrainingId::new(NOW, [1; 10])),
        ] {
            let new = NoticeRecord { about, ..notice(1) };
            assert_eq!(refused(store, move |tx| tx.insert_notice(&new)), StoreError::NotFound);
        }
        let nothing = reminder(NoticeKind::Expiry7, serial(9), notice(1).id);
        assert_eq!(refused(store, move |tx| tx.insert_reminder(&nothing).map(drop)), StoreError::NotFound);
    });
}
