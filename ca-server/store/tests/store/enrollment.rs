//! Units, their papers, events and accounts, and the search among them, on both databases.

use ca_core::{
    AccountId, Agent, Application, ApplicationKind, ApplicationState, Author, DocumentForm, Loss, Name, Unit,
    UnitEvent, UnitEventId, UnitEventKind, UnitEventState, UnitId,
};
use ca_store::{AccountOwner, AccountRecord, ApplicationFilter, StoreError, UnitFilter};
use ca_verifier::{Reason, UnitCode, Uscc};

use crate::world::*;

const CODES: [&str; 4] =
    ["91350100M000100Y43", "91110000101623741K", "911101066976941872", "12100000425006133D"];

fn other(number: u8, name: &str) -> Unit {
    Unit {
        id: UnitId::new(NOW.plus_secs(i64::from(number)), [number; 10]),
        code: UnitCode::parse(CODES[usize::from(number)]).unwrap(),
        labour_no: format!("3202000{number}"),
        name: Name::parse(name).unwrap(),
        ..unit()
    }
}

fn names(units: &[Unit]) -> Vec<&str> {
    units.iter().map(|unit| unit.name.as_str()).collect()
}

#[test]
fn a_unit_with_its_papers_comes_back() {
    on_both(|store| {
        let old = Unit { code: UnitCode::parse("66195133X").unwrap(), region: None, ..unit() };
        let papers = vec![
            document("labour-certificate", DocumentForm::Original, 1),
            document("labour-certificate", DocumentForm::Copy, 2),
        ];
        write(store, {
            let (old, papers) = (old.clone(), papers.clone());
            move |tx| {
                tx.insert_unit(&old)?;
                tx.insert_unit_documents(&old.id, &papers)
            }
        });
        assert_eq!(read(store, |reader| reader.unit_by_code(&old.code)), Some(old.clone()));
        assert_eq!(read(store, |reader| reader.unit_by_labour_no(&old.labour_no)), Some(old.clone()));
        assert_eq!(read(store, |reader| reader.unit_documents(&old.id)), papers);
        assert_eq!(read(store, |reader| reader.unit_by_labour_no("99999999")), None);
        let again = refused(store, move |tx| tx.insert_unit_documents(&old.id, &papers));
        assert_eq!(again, StoreError::Conflict { what: "unit-document" });
    });
}

#[test]
fn the_search_finds_parts_of_names() {
    on_both(|store| {
        write(store, |tx| {
            tx.insert_agent(&agent())?;
            tx.insert_unit(&unit())?;
            for (number, name) in
                [(0, "南京一百%商店"), (1, "签印印章（南京）厂"), (2, "京南签"), (3, "A_B南京")]
            {
                tx.insert_unit(&other(number, name))?;
            }
            tx.confirm_pair(&agent().id, &other(0, "x").id, NOW, "staff:x")?;
            tx.end_unit(&other(1, "x").id, NOW)
        });
        let find = |name: &str| {
            let filter = UnitFilter { name: Some(name.to_owned()), limit: 10, ..UnitFilter::default() };
            read(store, |reader| reader.units(&filter))
        };
        assert_eq!(names(&find("南京")).len(), 4, "京南签 has the characters, not the part");
        assert_eq!(names(&find("签印")), ["南京签印科技有限公司", "签印印章（南京）厂"]);
        assert_eq!(names(&find("印科技")), ["南京签印科技有限公司"]);
        // What means something to LIKE means itself here.
        assert_eq!(names(&find("百%")), ["南京一百%商店"]);
        assert_eq!(names(&find("A_B")), ["A_B南京"]);
        assert!(find("A%").is_empty() && find("商印").is_empty() && find("南").is_empty());

        let all = UnitFilter { limit: 10, ..UnitFilter::default() };
        let list = |filter: &UnitFilter| read(store, |reader| reader.units(filter));
        assert_eq!(list(&all).len(), 5);
        let of_agent = UnitFilter { agent: Some(agent().id), ..all.clone() };
        assert_eq!(names(&list(&of_agent)), ["南京一百%商店"]);
        let ended = UnitFilter { ended: Some(true), name: Some("南京".into()), ..all.clone() };
        assert_eq!(names(&list(&ended)), ["签印印章（南京）厂"]);
        // Page after page, each unit once.
        let mut filter = UnitFilter { name: Some("南京".into()), limit: 1, ..UnitFilter::default() };
        let mut seen = Vec::new();
        while let [one] = list(&filter).as_slice() {
            seen.push(one.id.clone());
            filter.after = Some(one.id.clone());
        }
        seen.dedup();
        assert_eq!(seen.len(), 4);

        write(store, |tx| tx.rename_unit(&unit().id, &Name::parse("金陵图章厂").unwrap(), Some("look")));
        assert!(find("签印科").is_empty());
        assert_eq!(find("金陵")[0].name_flag.as_deref(), Some("look"));
        assert_eq!(read(store, |reader| reader.unit_count()), 5);
    });
}

fn second() -> Agent {
    person(2, "李四", "110105199001010010")
}

#[test]
fn what_waits_for_an_agent_is_passed_on() {
    on_both(|store| {
        let event = UnitEventId::new(NOW, octets(9));
        let finished = ApplicationState::Withdrawn;
        write(store, {
            let event = event.clone();
            move |tx| {
                tx.insert_unit(&unit())?;
                tx.insert_agent(&agent())?;
                tx.insert_agent(&second())?;
                let entered_by = Author::Event { event, recorded_by: clerk() };
                tx.insert_application(&Application { entered_by, ..application(1) })?;
                tx.insert_application(&Application { state: finished, ..application(2) })
            }
        });
        let of = |filter: ApplicationFilter| {
            let found = read(store, move |reader| reader.applications(&filter));
            found.into_iter().map(|known| known.id).collect::<Vec<_>>()
        };
        let all = || ApplicationFilter { limit: 9, ..ApplicationFilter::default() };
        assert_eq!(of(ApplicationFilter { event: Some(event), ..all() }), [application(1).id]);
        assert_eq!(of(ApplicationFilter { by_persons: true, ..all() }), [application(2).id]);
        let pass = || write(store, |tx| tx.pass_applications(&unit().id, &agent().id, &second().id));
        assert_eq!((pass(), pass()), (1, 0));
        assert_eq!(of(ApplicationFilter { agent: Some(second().id), ..all() }), [application(1).id]);
    });
}

#[test]
fn events_come_back_and_move_once() {
    on_both(|store| {
        write(store, |tx| {
            tx.insert_unit(&unit())?;
            tx.insert_agent(&agent())?;
            tx.insert_agent(&second())?;
            tx.insert_unit(&other(0, "某公司"))
        });
        let kinds = [
            UnitEventKind::Rename { name: Name::parse("新名公司").unwrap() },
            UnitEventKind::NewCode { code: Uscc::parse(CODES[1]).unwrap() },
            UnitEventKind::Merger { successor: other(0, "x").id },
            UnitEventKind::Dissolution,
            UnitEventKind::Agent { from: agent().id, to: second().id },
        ];
        for (number, kind) in (1..).zip(kinds) {
            let event = UnitEvent {
                id: UnitEventId::new(NOW, octets(number)),
                unit: unit().id,
                kind,
                before: None,
                basis: "准予变更登记通知书".into(),
                sha256: digest(number),
                effective_at: NOW.plus_secs(i64::from(number)),
                recorded_by: "staff:x".into(),
                recorded_at: NOW,
                state: UnitEventState::Pending,
            };
            let id = event.id.clone();
            write(store, {
                let event = event.clone();
                move |tx| tx.insert_unit_event(&event)
            });
            assert_eq!(read(store, |reader| reader.unit_event(&id)), Some(event));
        }
        assert_eq!(read(store, |reader| reader.unit_events(&unit().id)).len(), 5);
        let due = read(store, |reader| reader.due_unit_events(NOW.plus_secs(2), 10));
        assert_eq!(due.len(), 2, "the day of the others has not come");
        let id = due[0].id.clone();
        let (pending, applied) = (UnitEventState::Pending, UnitEventState::Applied);
        write(store, {
            let id = id.clone();
            move |tx| tx.move_unit_event(&id, pending, applied, Some("旧名公司"))
        });
        let late = refused(store, move |tx| tx.move_unit_event(&id, pending, applied, None));
        assert_eq!(late, StoreError::Stale { what: "unit-event" });
        assert_eq!(read(store, |reader| reader.due_unit_events(NOW.plus_secs(2), 10)).len(), 1);

        write(store, |tx| tx.recode_unit(&unit().id, UnitCode::parse(CODES[2]).unwrap()));
        let taken = refused(store, |tx| tx.recode_unit(&unit().id, other(0, "x").code));
        assert_eq!(taken, StoreError::Conflict { what: "unit-code" });
        write(store, |tx| tx.end_unit(&unit().id, NOW));
        let twice = refused(store, |tx| tx.end_unit(&unit().id, NOW));
        assert_eq!(twice, StoreError::Stale { what: "unit" });
    });
}

#[test]
fn accounts_count_tries_and_lock() {
    on_both(|store| {
        let account = |number: u32, owner| AccountRecord {
            id: AccountId::new(NOW, octets(number)),
            owner,
            password: "$argon2id$…".into(),
            initial: true,
            failures: 0,
            locked_until: None,
            changed_at: NOW,
        };
        let of_unit = account(1, AccountOwner::Unit { unit: unit().id, name: "32010001".into() });
        let of_agent = account(2, AccountOwner::Agent(agent().id));
        let id = of_unit.id.clone();
        write(store, {
            let (one, two) = (of_unit.clone(), of_agent.clone());
            move |tx| {
                tx.insert_unit(&unit())?;
                tx.insert_agent(&agent())?;
                tx.insert_account(&one)?;
                tx.insert_account(&two)
            }
        });
        assert_eq!(read(store, |reader| reader.account_named("32010001")), Some(of_unit.clone()));
        assert_eq!(read(store, |reader| reader.account_of_agent(&agent().id)), Some(of_agent));
        let twin = AccountRecord { id: AccountId::new(NOW, octets(3)), ..of_unit };
        let refusal = refused(store, move |tx| tx.insert_account(&twin));
        assert!(matches!(refusal, StoreError::Conflict { .. }), "{refusal:?}");

        let lock = NOW.plus_secs(900);
        let attempt = |at| {
            let id = id.clone();
            write(store, move |tx| tx.count_try(&id, 3, at, lock))
        };
        assert!((0..3).all(|_| attempt(NOW)), "the third one still counts, and locks");
        assert!(!attempt(NOW.plus_secs(899)));
        assert!(attempt(NOW.plus_secs(900)), "the lock is over");
        let token = digest(9);
        write(store, {
            let id = id.clone();
            move |tx| tx.open_session(&id, &token, NOW, NOW.plus_secs(60))
        });
        let session = |at| read(store, move |reader| reader.account_of_session(&token, at));
        let known = session(NOW.plus_secs(59)).unwrap();
        assert_eq!((known.failures, known.locked_until), (0, None));
        assert_eq!(session(NOW.plus_secs(60)), None, "it has ended");
        assert_eq!(read(store, |reader| reader.account_of_session(&digest(8), NOW)), None);
        write(store, {
            let id = id.clone();
            move |tx| tx.set_password(&id, "$argon2id$new", false, NOW)
        });
        assert_eq!(session(NOW), None, "a new password ends every session");
    });
}

#[test]
fn every_kind_comes_back_and_one_successor_at_a_time() {
    on_both(|store| {
        write(store, |tx| {
            tx.insert_unit(&unit())?;
            tx.insert_agent(&agent())?;
            personalising(tx, 1)
        });
        store.record_intent_blocking(intent(1), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
        let of = serial(1);
        let kinds = [
            ApplicationKind::Renew { of },
            ApplicationKind::Hold { of },
            ApplicationKind::Release { of },
            ApplicationKind::Unlock { of },
            ApplicationKind::Revoke { of, reason: Reason::KeyCompromise },
        ];
        for (number, kind) in (10..).zip(kinds) {
            let mut new = application(number);
            new.kind = kind;
            new.years = if kind.buys_time() { 1 } else { 0 };
            new.entered_before = vec![ca_core::Author::Staff(clerk())];
            new.counter = Some("水西门".into());
            write(store, {
                let new = new.clone();
                move |tx| tx.insert_application(&new)
            });
            assert_eq!(read(store, |reader| reader.application(&new.id)), Some(new));
        }
        assert_eq!(read(store, |reader| reader.successor_of(&of)), Some(application(10).id));
        let mut second = application(20);
        (second.kind, second.years) = (ApplicationKind::Replace { of, cause: Loss::Lost }, 0);
        let refusal = {
            let second = second.clone();
            refused(store, move |tx| tx.insert_application(&second))
        };
        assert_eq!(refusal, StoreError::Conflict { what: "successor" });
        // The first came to nothing: there is room for another, which can be corrected.
        let (first, from, to) = (application(10).id, ApplicationState::Submitted, ApplicationState::Expired);
        write(store, move |tx| tx.move_application(&first, &from, &to));
        write(store, {
            let second = second.clone();
            move |tx| tx.insert_application(&second)
        });
        second.kind = ApplicationKind::Replace { of, cause: Loss::Damaged };
        second.documents.truncate(1);
        write(store, {
            let second = second.clone();
            move |tx| tx.correct_application(&second)
        });
        assert_eq!(read(store, |reader| reader.application(&second.id)), Some(second));
        let filter =
            ApplicationFilter { agent: Some(agent().id), limit: 100, ..ApplicationFilter::default() };
        assert_eq!(read(store, |reader| reader.applications(&filter)).len(), 7);
    });
}
