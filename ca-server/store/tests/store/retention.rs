//! What keeps a person's data, and what erasing leaves.

use ca_core::{
    Agent, AgentId, ApplicationState, Author, CardNumber, CertificateState, IdCard, Identity, Name,
    SessionId, Ties, Training, TrainingId, TrainingState, policy::Deadline,
};
use ca_store::{Claim, Store, StoreError};
use ca_verifier::{Reason, Time};

use crate::{
    person::{CARD, card, opening},
    world::*,
};

fn ties(store: &Store) -> Ties {
    read(store, |reader| reader.agent_ties(&agent().id))
}

#[test]
fn pairs_and_open_applications_tie() {
    on_both(|store| {
        enroll(store);
        let nothing = Ties {
            pair: None,
            application: None,
            training: None,
            invoice: None,
            certificate: None,
            last_event: NOW,
        };
        assert_eq!(ties(store), nothing, "the registration itself is an event");
        write(store, |tx| tx.confirm_pair(&agent().id, &unit().id, NOW.plus_secs(5), "x"));
        assert_eq!((ties(store).pair, ties(store).last_event), (Some(unit().id), NOW.plus_secs(5)));
        write(store, |tx| tx.end_pair(&agent().id, &unit().id, NOW.plus_secs(9), "x"));
        assert_eq!((ties(store).pair, ties(store).last_event), (None, NOW.plus_secs(9)));

        for (number, (state, open)) in (10..).zip(training_states()) {
            let entered = training(number, state.clone());
            let id = entered.id.clone();
            write(store, move |tx| tx.insert_training(&entered));
            assert_eq!(ties(store).training, open.then(|| id.clone()), "{}", state.name());
            write(store, move |tx| tx.move_training(&id, &state, &TrainingState::Withdrawn));
        }
        for (number, (state, open)) in (10..).zip(application_states()) {
            let mut entered = application(number);
            entered.state = state.clone();
            let id = entered.id.clone();
            write(store, move |tx| tx.insert_application(&entered));
            assert_eq!(ties(store).application, open.then(|| id.clone()), "{}", state.name());
            write(store, move |tx| tx.move_application(&id, &state, &ApplicationState::Withdrawn));
        }
        assert_eq!(ties(store).last_event, NOW.plus_secs(12), "the last application for training");
    });
}

fn training(number: u32, state: TrainingState) -> Training {
    Training {
        id: TrainingId::new(NOW, octets(number)),
        unit: unit().id,
        agent: agent().id,
        entered_by: ca_core::Enterer::Staff(clerk()),
        entered_at: NOW.plus_secs(12),
        due: Deadline { at: NOW, estimated: false },
        state,
    }
}

fn training_states() -> [(TrainingState, bool); 5] {
    let by = clerk();
    [
        (TrainingState::Submitted, true),
        (TrainingState::Accepted { by: by.clone() }, true),
        (TrainingState::Rejected { by: by.clone(), reasons: "x".into() }, false),
        (TrainingState::Withdrawn, false),
        (TrainingState::Passed { by, session: None::<SessionId> }, false),
    ]
}

fn application_states() -> [(ApplicationState, bool); 11] {
    let (payment, attempt, serial, by) = (payment(1).id, attempt(1).id, serial(1), clerk());
    [
        (ApplicationState::Submitted, true),
        (ApplicationState::Approved { by: Author::Staff(by.clone()) }, true),
        (ApplicationState::Done { by: Author::Staff(by.clone()) }, false),
        (ApplicationState::Expired, false),
        (ApplicationState::Rejected { by, reasons: "x".into() }, false),
        (ApplicationState::Withdrawn, false),
        (ApplicationState::Paid { payment: Some(payment.clone()) }, true),
        (ApplicationState::Personalising { payment: Some(payment.clone()), attempt: attempt.clone() }, true),
        (ApplicationState::Issued { payment: Some(payment), attempt, serial }, true),
        (ApplicationState::Delivered { serial }, false),
        (ApplicationState::Active { serial }, false),
    ]
}

/// The certificates of which the agent is part of the evidence, and no others.
#[test]
fn certificates_tie_until_they_lapse() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_agent(&person(2, "李四", "110105194912311006"))?;
            tx.confirm_pair(&agent().id, &unit().id, NOW, "x")
        });
        let of = |number: u32| Some((serial(number), intent(number).not_after));
        issue(store, 1, &person(2, "李四", ID_CARD_2), NOW.plus_secs(50));
        assert_eq!(ties(store).certificate, of(1), "the unit's, while the agent acts for it");
        write(store, |tx| tx.end_pair(&agent().id, &unit().id, NOW.plus_secs(40), "x"));
        assert_eq!(ties(store).certificate, None, "issued after the agent had left");
        issue(store, 2, &person(2, "李四", ID_CARD_2), NOW.plus_secs(40));
        assert_eq!(ties(store).certificate, of(2), "issued at the moment of the end");
        // Revoked after its end: what is later counts. Revoked before: the end of validity still counts.
        for (number, at) in [(3, intent(3).not_after.plus_secs(99)), (4, NOW)] {
            issue(store, number, &agent(), NOW.plus_secs(60));
            let revoked = CertificateState::Revoked { reason: Reason::Superseded, at };
            write(store, move |tx| tx.move_status(&serial(number), CertificateState::Good, revoked, NOW));
            let latest = (serial(3), intent(3).not_after.plus_secs(99));
            assert_eq!(ties(store).certificate, Some(latest), "the agent's own application");
        }
        let other = read(store, |reader| reader.agent_ties(&person(2, "李四", ID_CARD_2).id));
        assert_eq!(other.certificate.map(|(_, lapse)| lapse), of(1).map(|(_, lapse)| lapse));
    });
}

const ID_CARD_2: &str = "110105194912311006";

fn issue(store: &Store, number: u32, by: &Agent, at: Time) {
    let by: AgentId = by.id.clone();
    write(store, move |tx| {
        let (payment, mut attempt) = (payment(number), attempt(number));
        attempt.state = ca_core::AttemptState::Initialised { token: format!("T{number}") };
        let mut application = application(number);
        application.agent = by;
        application.state = ApplicationState::Personalising {
            payment: Some(payment.id.clone()),
            attempt: attempt.id.clone(),
        };
        tx.insert_application(&application)?;
        pay(tx, number)?;
        tx.insert_attempt(&attempt)
    });
    store.record_intent_blocking(intent(number), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    write(store, move |tx| tx.commit_issued(&intent(number), &[0x30], CertificateState::Good, at));
}

#[test]
fn erased_is_gone_and_the_row_stays() {
    on_both(|store| {
        enroll(store);
        let id = agent().id;
        write(store, |tx| {
            tx.insert_card(&card(1, 1, CARD))?;
            tx.insert_opening(&opening(1))?;
            tx.confirm_pair(&agent().id, &unit().id, NOW, "x")?;
            tx.claim_idempotency("staff:x", "k", &digest(1), agent().id.as_str(), NOW)?;
            tx.erase_agent(&agent().id, NOW.plus_secs(7)).map(drop)
        });
        let known = read(store, |reader| reader.agent(&id)).unwrap();
        assert_eq!(known.identity, Identity::Erased { at: NOW.plus_secs(7) });
        let cards = read(store, |reader| reader.agent_cards(&id));
        assert_eq!((cards.len(), &cards[0].number), (1, &None));
        assert_eq!(cards[0].ended_at, Some(NOW.plus_secs(7)));
        assert_eq!(read(store, |reader| reader.openings(&id)), []);
        let (vault, number) = (vault(), CardNumber::parse(CARD).unwrap());
        assert_eq!(read(store, |reader| reader.agent_by_card(&vault.card_index(&number))), None);
        let number = vault.id_card_index(&IdCard::parse(ID_CARD).unwrap());
        assert_eq!(read(store, |reader| reader.agent_by_id_card(&number)), None);
        let name = vault.name_index(&Name::parse("张三").unwrap());
        assert_eq!(read(store, |reader| reader.agents_by_name(&name, 9)), []);
        let again = write(store, |tx| tx.claim_idempotency("staff:x", "k", &digest(2), "r", NOW));
        assert_eq!(again, Claim::Fresh, "not even a digest of the request");
        let stale = StoreError::Stale { what: "agent" };
        assert_eq!(refused(store, |tx| tx.erase_agent(&agent().id, NOW).map(drop)), stale, "once");
        // The number is free: the same person may come again, as somebody new.
        write(store, |tx| {
            tx.insert_agent(&person(3, "张三", ID_CARD))?;
            tx.insert_card(&card(2, 3, CARD))
        });
    });
}
