//! Training: what is written comes back, one application a pair, seats counted by agent, on both databases.

use ca_core::{
    Enterer, SessionId, StaffId, Training, TrainingCommand, TrainingId, TrainingSession, TrainingState,
    policy::Deadline,
};
use ca_store::{StoreError, TrainingFilter};

use crate::world::*;

fn session(seats: u16) -> TrainingSession {
    TrainingSession {
        id: SessionId::new(NOW, [7; 10]),
        starts_at: NOW.plus_secs(86_400),
        place: "水西门大街61号二楼".to_owned(),
        seats,
        planned_by: staff(2),
        planned_at: NOW,
    }
}

fn staff(number: u8) -> StaffId {
    StaffId::new(NOW, [number; 10])
}

fn training(number: u8) -> Training {
    Training {
        id: TrainingId::new(NOW, [number; 10]),
        unit: unit().id,
        agent: agent().id,
        entered_by: Enterer::Staff(staff(1)),
        entered_at: NOW,
        due: Deadline { at: NOW.plus_secs(3 * 86_400), estimated: number == 2 },
        state: TrainingState::Submitted,
    }
}

#[test]
fn every_state_comes_back_as_it_was() {
    on_both(|store| {
        let (new, session) = (training(1), session(1));
        write(store, {
            let (new, session) = (new.clone(), session.clone());
            move |tx| {
                tx.insert_unit(&unit())?;
                tx.insert_agent(&agent())?;
                tx.insert_training_session(&session)?;
                tx.insert_training(&new)
            }
        });
        let commands = [
            TrainingCommand::Reject { by: staff(2), reasons: "照片不清".to_owned() },
            TrainingCommand::Resubmit,
            TrainingCommand::Accept { by: staff(2) },
            TrainingCommand::Invite { session: session.id.clone() },
            TrainingCommand::Fail { reasons: "未通过".to_owned() },
            TrainingCommand::Invite { session: session.id.clone() },
            TrainingCommand::Pass { session: Some(session.id.clone()) },
        ];
        for command in commands {
            let known = read(store, |reader| reader.training(&new.id)).unwrap();
            let next = known.state.clone().transition(&new.entered_by, command).unwrap();
            let (id, from, to) = (new.id.clone(), known.state.clone(), next.clone());
            write(store, move |tx| tx.move_training(&id, &from, &to));
            assert_eq!(read(store, |reader| reader.training(&new.id)).unwrap().state, next);
            // The state that was read is gone: a second move from it comes too late.
            let (id, from) = (new.id.clone(), known.state);
            let late = refused(store, move |tx| tx.move_training(&id, &from, &TrainingState::Withdrawn));
            assert_eq!(late, StoreError::Stale { what: "training" });
        }
        assert_eq!(read(store, |reader| reader.training_session(&session.id)), Some(session.clone()));
        assert_eq!(read(store, |reader| reader.seats_taken(&session.id)), [agent().id]);
    });
}

#[test]
fn a_pair_has_one_application_until_it_is_withdrawn() {
    on_both(|store| {
        write(store, |tx| {
            tx.insert_unit(&unit())?;
            tx.insert_agent(&agent())?;
            tx.insert_training(&training(1))
        });
        let twice = refused(store, |tx| tx.insert_training(&training(2)));
        assert_eq!(twice, StoreError::Conflict { what: "training" });
        write(store, |tx| {
            tx.move_training(&training(1).id, &TrainingState::Submitted, &TrainingState::Withdrawn)?;
            tx.insert_training(&training(2))
        });
        let filter = TrainingFilter { agent: Some(agent().id), limit: 10, ..TrainingFilter::default() };
        let all = read(store, |reader| reader.trainings(&filter));
        assert_eq!(all.len(), 2);
        assert!(all[1].due.estimated && !all[0].due.estimated);
    });
}
