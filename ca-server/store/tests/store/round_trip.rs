//! What is written comes back as it was, in every state that its type knows.

use ca_core::{
    Action, AgentId, ApplicationState, AttemptState, Author, IdCard, Name, PaymentId, Staff, StaffId, UnitId,
};
use ca_store::{ApplicationFilter, AuditFilter};

use crate::world::*;

#[test]
fn units_agents_and_staff() {
    on_both(|store| {
        enroll(store);
        let absent = UnitId::new(NOW, octets(99));
        assert_eq!(read(store, |reader| reader.unit(&unit().id)), Some(unit()));
        assert_eq!(read(store, |reader| reader.unit_by_code(&unit().code)), Some(unit()));
        assert_eq!(read(store, |reader| reader.unit(&absent)), None);
        let number = vault().id_card_index(&IdCard::parse(ID_CARD).unwrap());
        assert_eq!(read(store, |reader| reader.agent_by_id_card(&number)), Some(agent()));

        write(store, |tx| {
            tx.qualify_agent(&agent().id, NOW)?;
            tx.confirm_pair(&agent().id, &unit().id, NOW, "operator:root")
        });
        let qualified = read(store, |reader| reader.agent(&agent().id)).unwrap();
        assert_eq!(qualified.qualified_at, Some(NOW));
        assert!(read(store, |reader| reader.pair_confirmed(&agent().id, &unit().id)));
        assert!(!read(store, |reader| reader.pair_confirmed(&agent().id, &absent)));
        assert!(!read(store, |reader| reader.pair_confirmed(&AgentId::new(NOW, octets(99)), &unit().id)));

        let staff = Staff {
            id: clerk(),
            name: Name::parse("张三").unwrap(),
            roles: vec!["clerk".into(), "cashier".into()],
            certificate: serial(1).to_string(),
        };
        let new = staff.clone();
        write(store, move |tx| tx.insert_staff(&new));
        assert_eq!(read(store, |reader| reader.staff(&clerk())), Some(staff.clone()));
        assert_eq!(
            read(store, |reader| reader.staff_by_certificate(&serial(1).to_string())),
            Some(staff.clone())
        );
        write(store, |tx| tx.set_staff_roles(&clerk(), &["officer".into()]));
        let promoted = Staff { roles: vec!["officer".into()], ..staff };
        assert_eq!(read(store, |reader| reader.staff_list()), [promoted]);
    });
}

#[test]
fn applications_in_every_state() {
    let (payment, attempt) = (PaymentId::new(NOW, octets(1)), attempt(1).id);
    let by = StaffId::new(NOW, octets(2));
    let serial = serial(1);
    let states = [
        ApplicationState::Submitted,
        ApplicationState::Approved { by: Author::Policy },
        ApplicationState::Rejected { by, reasons: "缺少证件".into() },
        ApplicationState::Withdrawn,
        ApplicationState::Paid { payment: Some(payment.clone()) },
        ApplicationState::Personalising { payment: Some(payment.clone()), attempt: attempt.clone() },
        ApplicationState::Issued { payment: Some(payment), attempt: attempt.clone(), serial },
        ApplicationState::Paid { payment: None },
        ApplicationState::Issued { payment: None, attempt, serial },
        ApplicationState::Expired,
        ApplicationState::Done { by: Author::Staff(StaffId::new(NOW, octets(2))) },
        ApplicationState::Delivered { serial },
        ApplicationState::Active { serial },
    ];
    on_both(|store| {
        enroll(store);
        for (number, state) in (0..).zip(states.clone()) {
            let mut entered = application(number);
            let fresh = entered.clone();
            write(store, move |tx| tx.insert_application(&fresh));
            let (id, to) = (entered.id.clone(), state.clone());
            write(store, move |tx| tx.move_application(&id, &ApplicationState::Submitted, &to));
            entered.state = state;
            assert_eq!(read(store, |reader| reader.application(&entered.id)), Some(entered));
        }
        let filter = ApplicationFilter { limit: 4, ..ApplicationFilter::default() };
        let first = read(store, |reader| reader.applications(&filter));
        let after = Some(application(3).id);
        let rest = read(store, |reader| {
            reader.applications(&ApplicationFilter { after, limit: 100, unit: Some(unit().id), ..filter })
        });
        let numbers: Vec<_> = first.iter().chain(&rest).map(|entered| entered.id.clone()).collect();
        assert_eq!((first.len(), numbers), (4, (0..13).map(|number| application(number).id).collect()));
        assert!(first.iter().chain(&rest).all(|entered| entered.documents == application(0).documents));
        let paid = ApplicationFilter { state: Some("paid".into()), limit: 9, ..ApplicationFilter::default() };
        assert_eq!(read(store, |reader| reader.applications(&paid)).len(), 2);
    });
}

#[test]
fn attempts_in_every_state() {
    let token = String::from("T1");
    let serial = serial(1);
    let states = [
        AttemptState::Claimed,
        AttemptState::Bound { token: token.clone() },
        AttemptState::Initialised { token: token.clone() },
        AttemptState::Intended { token: token.clone(), serial },
        AttemptState::Signed { token: token.clone(), serial },
        AttemptState::Written { token: token.clone(), serial },
        AttemptState::Proved { token: token.clone(), serial },
        AttemptState::Delivered { token, serial },
        AttemptState::Abandoned { reason: "token broken".into() },
    ];
    on_both(|store| {
        enroll(store);
        for (number, state) in (0..).zip(states.clone()) {
            let (fresh, to) = (attempt(number), state.clone());
            write(store, move |tx| {
                tx.insert_application(&application(number))?;
                tx.insert_attempt(&fresh)?;
                tx.move_attempt(&fresh.id, &AttemptState::Claimed, &to)
            });
            let mut known = attempt(number);
            known.state = state;
            let alive = (known.state.name() != "abandoned").then(|| known.clone());
            let at_work = !known.state.is_over() && known.state.name() != "proved";
            let unfinished = at_work.then(|| known.clone());
            assert_eq!(read(store, |reader| reader.live_attempt_of(&known.application)), alive);
            assert_eq!(
                read(store, |reader| reader.live_attempt_of_workstation(&known.workstation)),
                unfinished
            );
            assert_eq!(
                read(store, |reader| reader.token_in_work(&format!("T{number}"))),
                unfinished.is_some()
            );
            assert_eq!(read(store, |reader| reader.attempt(&known.id)), Some(known));
        }
        write(store, |tx| tx.touch_attempt(&attempt(0).id, NOW.plus_secs(9), "插入 U-key"));
        let touched = read(store, |reader| reader.attempt(&attempt(0).id)).unwrap();
        assert_eq!((touched.lease_until, touched.note.as_str()), (NOW.plus_secs(9), "插入 U-key"));
    });
}

#[test]
fn money_log_and_material() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        assert_eq!(read(store, |reader| reader.payment(&payment(1).id)), Some(payment(1)));

        write(store, |tx| {
            tx.append_audit(&entry(Action::RegisterUnit, "unit", unit().id).with("uscc", unit().code))?;
            tx.append_audit(
                &entry(Action::RecordPayment, "application", application(1).id).refused("payment-short"),
            )
        });
        let log = read(store, |reader| reader.audit_log(&AuditFilter::default()));
        assert_eq!(log[0].1.detail, [("uscc".to_owned(), unit().code.to_string())]);
        assert_eq!((log[0].1.rule.as_deref(), log[1].1.rule.as_deref()), (None, Some("payment-short")));
        let refusals = AuditFilter {
            after: Some(log[0].0),
            action: Some(Action::RecordPayment),
            object_id: Some(application(1).id.to_string()),
            actor: Some(format!("staff:{}", clerk())),
            ..AuditFilter::default()
        };
        assert_eq!(read(store, |reader| reader.audit_log(&refusals)), log[1..]);

        write(store, |tx| {
            tx.insert_ca_certificate("root", &[0x30, 0], NOW)?;
            tx.insert_ca_certificate("issuing", &[0x30, 1, 0], NOW)?;
            tx.put_setting("serial-prefix", "1")?;
            tx.put_setting("serial-prefix", "2")
        });
        assert_eq!(read(store, |reader| reader.ca_certificate("root")), Some(vec![0x30, 0]));
        let names: Vec<_> =
            read(store, |reader| reader.ca_certificates()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["issuing", "root"]);
        assert_eq!(read(store, |reader| reader.setting("serial-prefix")).as_deref(), Some("2"));
        assert_eq!(read(store, |reader| reader.setting("none")), None);
    });
}
