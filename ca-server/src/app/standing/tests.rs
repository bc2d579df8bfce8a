//! On both databases, with a clock that the test turns.

use ca_core::{Actor, Agent, AgentCard, CardId, CardReason, IdCard, Identity, Intent, Name, Unit, Vault};
use ca_store::{StoreError, Tx, testing::databases};
use ca_verifier::Uscc;
use zeroize::Zeroizing;

use super::*;

const SERIAL_OF_ROOT: u8 = 90;

/// Seconds of the test's own time.
fn t(secs: i64) -> Time {
    Time::from_secs(1_700_000_000 + secs)
}

const END: i64 = 1000;

fn serial(number: u8) -> Serial {
    Serial::from_random(1, &[number; 17]).unwrap()
}

fn vault() -> Vault {
    Vault::new(&Zeroizing::new([7; 32])).unwrap()
}

fn card(number: u8) -> CardNumber {
    CardNumber::parse(&format!("A1234567{number}")).unwrap()
}

fn agent(number: u8) -> Agent {
    let id = AgentId::new(t(0), [number; 10]);
    let name = vault().seal_name(&id, [1; 12], &Name::parse("张三").unwrap()).unwrap();
    let id_card = ["11010519491231002X", "110105194912311006"][usize::from(number) - 1];
    let id_card = vault().seal_id_card(&id, [2; 12], &IdCard::parse(id_card).unwrap()).unwrap();
    Agent { id, identity: Identity::Known { name, id_card: Some(id_card) }, qualified_at: None }
}

fn agent_card(number: u8) -> AgentCard {
    let id = CardId::new(t(0), [number; 10]);
    AgentCard {
        number: Some(vault().seal_card(&id, [3; 12], &card(number)).unwrap()),
        agent: agent(number).id,
        id,
        valid_from: t(0),
        registered_by: "x".to_owned(),
        reason: CardReason::First,
        ended_at: None,
    }
}

fn unit() -> Unit {
    Unit {
        id: UnitId::new(t(0), [1; 10]),
        code: Uscc::parse("91320104000000019U").unwrap().into(),
        labour_no: "32010001".to_owned(),
        name: Name::parse("南京签印科技有限公司").unwrap(),
        province: "江苏省".to_owned(),
        city: "南京市".to_owned(),
        agency: None,
        registered_by: "x".to_owned(),
        registered_at: t(0),
        region: None,
        name_flag: None,
        ended_at: None,
    }
}

fn intent(number: u8, of_unit: bool) -> Intent {
    Intent {
        serial: serial(number),
        issuer: if number == SERIAL_OF_ROOT { "root" } else { ISSUING }.to_owned(),
        profile: if of_unit { "unit-sign" } else { "staff-auth" }.to_owned(),
        profile_sha256: [5; 32],
        tbs: vec![0x30],
        spki_sha256: [number; 32],
        unit: of_unit.then(|| unit().id),
        application: None,
        attempt: None,
        token: None,
        not_before: t(10),
        not_after: t(END),
        shard: 0,
        actor: "x".to_owned(),
        at: t(10),
    }
}

fn write(store: &Store, work: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
    store.write_blocking(WriteSite::Import, work).unwrap();
}

fn intend(store: &Store, number: u8, of_unit: bool) {
    store.record_intent_blocking(intent(number, of_unit), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
}

fn entry(number: u8, action: Action, at: Time) -> AuditEntry {
    AuditEntry::done(at, &Actor::Operator("test".to_owned()), action, "certificate", serial(number))
}

/// Issued at 10, as every certificate is that is not said to be otherwise.
fn issue(store: &Store, number: u8, of_unit: bool) {
    intend(store, number, of_unit);
    write(store, move |tx| {
        let born = if of_unit { CertificateState::NotActivated } else { CertificateState::Good };
        tx.commit_issued(&intent(number, of_unit), &[0x30], born, t(10))?;
        tx.append_audit(&entry(number, Action::IssueCertificate, t(10)))
    });
}

/// One move, with its entry, as `app::status` makes it.
fn advance(store: &Store, number: u8, action: Action, at: Time) {
    write(store, move |tx| {
        let Some(CertificateStatus::Issued(before)) = tx.status(&serial(number))?.map(|found| found.state)
        else {
            panic!("not issued")
        };
        let mut entry = entry(number, action, at);
        if action == Action::RevokeCertificate {
            entry = entry.with("reason", Reason::KeyCompromise.name());
        }
        let command = match action {
            Action::ActivateCertificate => ca_core::CertificateCommand::Activate,
            Action::HoldCertificate => ca_core::CertificateCommand::Hold,
            Action::ReleaseCertificate => ca_core::CertificateCommand::Release,
            _ => ca_core::CertificateCommand::Revoke { reason: Reason::KeyCompromise, at },
        };
        tx.move_status(&serial(number), before, before.transition(command).unwrap(), at)?;
        tx.append_audit(&entry)
    });
}

fn question(numbers: &[u8], at: Option<i64>, card: Option<&CardNumber>) -> StatusQuestion {
    StatusQuestion {
        serials: numbers.iter().map(|number| serial(*number)).collect(),
        at: at.map(t),
        card: card.map(|number| vault().card_index(number)),
    }
}

fn ask(store: &Store, number: u8, at: i64) -> CertificateReport {
    let report = report(store, &question(&[number], Some(at), None), t(999), t(0)).unwrap();
    report.certificates.into_iter().next().unwrap()
}

fn enroll(store: &Store) {
    write(store, |tx| {
        tx.insert_unit(&unit())?;
        for number in [1, 2] {
            tx.insert_agent(&agent(number))?;
            tx.insert_card(&agent_card(number))?;
        }
        tx.qualify_agent(&agent(1).id, t(25))?;
        tx.confirm_pair(&agent(1).id, &unit().id, t(15), "x")
    });
}

#[test]
fn the_past_is_told_as_it_was_and_by_what_is_known_now() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        issue(&store, 1, true);
        for (action, at) in [
            (Action::ActivateCertificate, 20),
            (Action::HoldCertificate, 30),
            (Action::ReleaseCertificate, 40),
            (Action::RevokeCertificate, 60),
        ] {
            advance(&store, 1, action, t(at));
        }
        write(&store, |tx| tx.mark_invalid_since(&serial(1), t(50)));
        for (at, verdict, recorded) in [
            (0, "not-issued", None),
            (9, "not-issued", None),
            (10, "not-activated", Some("not-activated")),
            (19, "not-activated", Some("not-activated")),
            (20, "good", Some("good")),
            (29, "good", Some("good")),
            (30, "held", Some("held")),
            (39, "held", Some("held")),
            (40, "good", Some("good")),
            (49, "good", Some("good")),
            // Nobody knew it then.
            (50, "revoked", Some("good")),
            (59, "revoked", Some("good")),
            (60, "revoked", Some("revoked")),
            (999, "revoked", Some("revoked")),
        ] {
            let told = ask(&store, 1, at);
            assert_eq!((told.verdict.name(), told.recorded), (verdict, recorded), "{at} {}", database.name());
            assert_eq!(told.revoked, Some((Reason::KeyCompromise, t(60))), "whenever it is asked of");
            assert_eq!((told.invalid_since, told.not_after), (Some(t(50)), Some(t(END))));
        }
        assert_eq!(ask(&store, 1, 49).since, Some(t(40)));
        let now = report(&store, &question(&[1], None, None), t(999), t(0)).unwrap();
        assert_eq!((now.at, now.answered_at), (t(999), t(999)));
        assert_eq!((now.certificates[0].verdict.name(), now.certificates[0].since), ("revoked", Some(t(60))));
        let refused = report(&store, &question(&[1], Some(1000), None), t(999), t(0)).unwrap_err();
        assert_eq!(refused.facts()[0], ("field", "at".to_owned()));
    }
}

#[test]
fn good_is_said_of_what_is_in_use_and_of_nothing_else() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        for number in [1, 2, 3] {
            issue(&store, number, true);
        }
        advance(&store, 2, Action::ActivateCertificate, t(20));
        advance(&store, 3, Action::HoldCertificate, t(20));
        issue(&store, 4, false);
        intend(&store, 5, true);
        intend(&store, 6, true);
        write(&store, |tx| {
            tx.burn(&serial(6), t(30))?;
            tx.append_audit(&entry(6, Action::BurnSerial, t(30)))
        });
        issue(&store, SERIAL_OF_ROOT, false);
        let numbers = [9, 6, 5, 4, 3, 2, 1, SERIAL_OF_ROOT, 2];
        let verdicts = |at: Option<i64>, now: i64| {
            let told = report(&store, &question(&numbers, at, None), t(now), t(0)).unwrap();
            let asked: Vec<_> = numbers.iter().map(|number| serial(*number)).collect();
            assert_eq!(told.certificates.iter().map(|one| one.serial).collect::<Vec<_>>(), asked);
            assert_eq!(told.epoch, store.read(|reader| reader.epoch()).unwrap());
            told.certificates.iter().map(|one| one.verdict.name()).collect::<Vec<_>>()
        };
        let expected =
            ["unknown", "revoked", "unknown", "good", "held", "good", "not-activated", "unknown", "good"];
        assert_eq!(verdicts(None, 999), expected, "{}", database.name());
        assert_eq!(verdicts(Some(998), 999), expected);
        assert_eq!(verdicts(None, END), expected, "the last second belongs to it");
        let over = [
            "unknown",
            "revoked",
            "unknown",
            "expired",
            "held",
            "expired",
            "not-activated",
            "unknown",
            "expired",
        ];
        assert_eq!(verdicts(None, END + 1), over);
        assert_eq!(verdicts(Some(END + 1), END + 1), over);
        let early = verdicts(Some(9), 999);
        assert!(!early.contains(&"good") && early[1] == "revoked", "{early:?}");
        let told = report(&store, &question(&[4, 6], None, None), t(999), t(0)).unwrap();
        let [staff, burned] = &told.certificates[..] else { panic!("two") };
        assert_eq!(staff.issued.as_ref().map(|issued| issued.unit.is_none()), Some(true));
        assert_eq!((burned.revoked, &burned.issued), (Some((Reason::Unspecified, t(30))), &None));
    }
}

#[test]
fn what_contradicts_itself_is_never_good() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        issue(&store, 1, true);
        advance(&store, 1, Action::ActivateCertificate, t(20));
        let now = |now: i64, latest: i64| {
            let told = report(&store, &question(&[1], None, None), t(now), t(latest)).unwrap();
            told.certificates[0].verdict.name()
        };
        assert_eq!((now(20, 0), now(19, 0)), ("good", "good"), "clocks of two instances");
        assert_eq!(now(18, 0), "undetermined", "the clock is behind the last change");
        assert_eq!((now(100, 101), now(100, 102)), ("good", "undetermined"), "and behind another's");
        assert_eq!(ask(&store, 1, 21).verdict.name(), "good");
        // A move that the log does not know, and one that the row does not.
        write(&store, |tx| {
            let (good, held) = (CertificateState::Good, CertificateState::Held { activated: true });
            tx.move_status(&serial(1), good, held, t(30))?;
            tx.move_status(&serial(1), held, good, t(31))
        });
        assert_eq!(ask(&store, 1, 35).verdict.name(), "good", "it leads to where the certificate stands");
        write(&store, |tx| tx.append_audit(&entry(1, Action::HoldCertificate, t(40))));
        assert_eq!(ask(&store, 1, 35).verdict.name(), "undetermined");
        assert_eq!(ask(&store, 1, 35).recorded, None);
        // Refusals and other objects' entries are no moves.
        write(&store, |tx| {
            tx.append_audit(&entry(1, Action::ReleaseCertificate, t(41)))?;
            tx.append_audit(&entry(1, Action::RevokeCertificate, t(42)).refused("x"))?;
            let other = Actor::Operator("test".to_owned());
            tx.append_audit(&AuditEntry::done(t(43), &other, Action::HoldCertificate, "token", serial(1)))
        });
        assert_eq!(ask(&store, 1, 50).verdict.name(), "good");
    }
}

#[test]
fn agents_are_those_of_that_moment() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        issue(&store, 1, true);
        write(&store, |tx| tx.end_pair(&agent(1).id, &unit().id, t(35), "x"));
        let told = |at: Option<i64>, number: u8| {
            let told = report(&store, &question(&[1], at, Some(&card(number))), t(999), t(0)).unwrap();
            let agents: Vec<_> = told.certificates[0].agents.iter().map(|pair| pair.agent.clone()).collect();
            (agents, told.agent)
        };
        let one = agent(1).id;
        assert_eq!(told(Some(14), 1), (vec![], None));
        for at in [15, 34] {
            assert_eq!(told(Some(at), 1), (vec![one.clone()], Some(one.clone())));
        }
        assert_eq!(told(Some(34), 2), (vec![one.clone()], None), "another's card");
        assert_eq!(told(Some(34), 3), (vec![one], None), "nobody's card");
        assert_eq!(told(Some(35), 1), (vec![], None));
        assert_eq!(told(None, 1), (vec![], None));
        let pair = ask(&store, 1, 34).agents.remove(0);
        assert_eq!((pair.confirmed_at, pair.ended_at, pair.qualified_at), (t(15), Some(t(35)), Some(t(25))));
        let facts = ask(&store, 1, 34).issued.unwrap().unit.unwrap();
        assert_eq!((facts.id, facts.code, facts.certified_code), (unit().id, unit().code, None));
    }
}

#[test]
fn moments_are_written_in_full() {
    for (text, millis) in [
        ("2026-11-23T08:00:00Z", 1_795_420_800_000),
        ("2026-11-23T16:00:00+08:00", 1_795_420_800_000),
        ("2026-11-23T08:00:00.007Z", 1_795_420_800_007),
        ("2026-11-23T08:00:00.0079Z", 1_795_420_800_007),
    ] {
        assert_eq!(moment(text).unwrap(), Time::from_millis(millis), "{text}");
    }
    for text in [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T08:00Z",
        "2026-11-23T08Z",
        "2026-11-23T08:00:00",
        "2026-11-23 08:00:00Z",
        "2026-11-23T16:00:00 08:00",
        "2026-11-23T16:00:00+08:00[Asia/Shanghai]",
        "2026-13-23T08:00:00Z",
        "2026-11-23T08:00:00ZZ",
        "1795420800",
        "-002026-11-23T08:00:00Z",
    ] {
        assert_eq!(moment(text).unwrap_err().facts()[0], ("field", "at".to_owned()), "{text}");
    }
}
