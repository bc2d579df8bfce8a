//! People at rest: sealed, found by index, cards with their history; rows of older programs; and that no file of a database
//! keeps what was sealed or erased.

use std::{fs, path::Path};

use ca_core::{
    AgentCard, CardId, CardNumber, CardReason, IdCard, Identity, Name, OpeningId, Vault,
    personal::{Field, Opening, Place},
};
use ca_store::{
    OpeningRecord, Store, StoreError,
    testing::{self, Database, databases},
};
use zeroize::Zeroizing;

use crate::world::*;

pub(crate) const CARD: &str = "A32010477";

pub(crate) fn card(number: u32, of: u32, text: &str) -> AgentCard {
    let id = CardId::new(NOW, octets(number));
    let sealed = vault().seal_card(&id, [3; 12], &CardNumber::parse(text).unwrap()).unwrap();
    AgentCard {
        id,
        agent: person(of, "张三", ID_CARD).id,
        number: Some(sealed),
        valid_from: NOW.plus_secs(i64::from(number)),
        registered_by: "staff:x".into(),
        reason: CardReason::First,
        ended_at: None,
    }
}

pub(crate) fn opening(number: u32) -> OpeningRecord {
    let id = OpeningId::new(NOW, octets(number));
    let opening = Opening { salt: digest(number), value: Zeroizing::new(ID_CARD.to_owned()) };
    let sealed = vault().seal_opening(&id, [4; 12], &opening).unwrap();
    let commitment = opening.commitment(Field::IdCard);
    OpeningRecord { id, agent: agent().id, field: Field::IdCard, commitment, sealed, at: NOW }
}

#[test]
fn people_are_found_by_name_number_and_live_card() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_agent(&person(2, "张三", "110105194912311006"))?;
            tx.insert_card(&card(1, 1, CARD))
        });
        let vault = vault();
        let name = vault.name_index(&Name::parse("张三").unwrap());
        let number = |text: &str| vault.card_index(&CardNumber::parse(text).unwrap());
        let both = [agent(), person(2, "张三", "110105194912311006")];
        assert_eq!(read(store, |reader| reader.agents_by_name(&name, 9)), both);
        assert_eq!(read(store, |reader| reader.agents(None, 9)), both);
        assert_eq!(read(store, |reader| reader.agents(Some(&agent().id), 9)), both[1..]);
        assert_eq!(read(store, |reader| reader.agent_by_card(&number("a32010477"))), Some(agent()));

        let twin = card(2, 2, CARD);
        let taken = refused(store, move |tx| tx.insert_card(&twin));
        assert_eq!(taken, StoreError::Conflict { what: "agent-card-number" });
        let second = card(3, 1, "B2");
        let doubled = refused(store, move |tx| tx.insert_card(&second));
        assert_eq!(doubled, StoreError::Conflict { what: "agent-card-live" });

        // Lost and replaced: the old number finds nobody, stays in the history, and can be somebody else's.
        write(store, |tx| {
            assert!(tx.end_card(&agent().id, NOW.plus_secs(60))?);
            assert!(!tx.end_card(&agent().id, NOW)?);
            tx.insert_card(&AgentCard { reason: CardReason::Lost, ..card(3, 1, "B2") })?;
            tx.insert_card(&card(4, 2, CARD))
        });
        assert_eq!(read(store, |reader| reader.agent_by_card(&number(CARD))), Some(both[1].clone()));
        assert_eq!(read(store, |reader| reader.agent_by_card(&number("B2"))), Some(agent()));
        let history = read(store, |reader| reader.agent_cards(&agent().id));
        let old = AgentCard { ended_at: Some(NOW.plus_secs(60)), ..card(1, 1, CARD) };
        assert_eq!(history, [old, AgentCard { reason: CardReason::Lost, ..card(3, 1, "B2") }]);
    });
}

#[test]
fn an_identity_card_number_comes_later_once() {
    on_both(|store| {
        let mut known = agent();
        let Identity::Known { name, id_card } = known.identity.clone() else { panic!("{known:?}") };
        let number = id_card.unwrap();
        known.identity = Identity::Known { name, id_card: None };
        let (id, later, again) = (known.id.clone(), number.clone(), number);
        let mut other = person(2, "李四", "110105194912311006");
        let Identity::Known { id_card, .. } = &mut other.identity else { panic!("{other:?}") };
        *id_card = None;
        let other_id = other.id.clone();
        write(store, move |tx| {
            tx.insert_agent(&known)?;
            tx.insert_agent(&other)?;
            tx.set_id_card(&id, &later)
        });
        assert_eq!(read(store, |reader| reader.agent(&agent().id)), Some(agent()));
        let (id, twice) = (agent().id, again.clone());
        let stale = StoreError::Stale { what: "agent" };
        assert_eq!(refused(store, move |tx| tx.set_id_card(&id, &twice)), stale);
        let taken = refused(store, move |tx| tx.set_id_card(&other_id, &again));
        assert_eq!(taken, StoreError::Conflict { what: "agent-id-card" });
    });
}

#[test]
fn commitments_are_opened() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| tx.insert_opening(&opening(1)));
        let found = read(store, |reader| reader.openings(&agent().id)).remove(0);
        assert_eq!(found, opening(1));
        let opened = vault().open_opening(&found.id, &found.sealed).unwrap();
        assert_eq!((opened.commitment(found.field), opened.value.as_str()), (found.commitment, ID_CARD));
        let stranger = person(9, "李四", ID_CARD).id;
        assert_eq!(read(store, |reader| reader.openings(&stranger)), []);
        let twin = OpeningRecord { id: OpeningId::new(NOW, octets(2)), ..opening(1) };
        let twice = refused(store, move |tx| tx.insert_opening(&twin));
        assert_eq!(twice, StoreError::Conflict { what: "commitment" });
    });
}

/// A row that somebody changed or moved past this program is an error, never a default.
#[test]
fn tampered_rows_do_not_open() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        write(&store, |tx| tx.insert_agent(&person(2, "李四", "110105194912311006")));
        let (one, other) = (agent().id, person(2, "李四", "110105194912311006").id);
        execute(
            &database,
            &format!(
                "UPDATE agent SET name_sealed = (SELECT name_sealed FROM agent WHERE id = '{other}') WHERE id = '{one}'"
            ),
        );
        let moved = read(&store, |reader| reader.agent(&one)).unwrap();
        let Identity::Known { name, id_card } = &moved.identity else { panic!("{moved:?}") };
        assert!(vault().open(Place::name(&one), &name.cipher).is_err());
        let id_card = id_card.as_ref().unwrap();
        assert_eq!(*vault().open(Place::id_card(&one), &id_card.cipher).unwrap(), ID_CARD);
        execute(&database, &format!("UPDATE agent SET name_sealed = id_card_index WHERE id = '{one}'"));
        let corrupt = StoreError::Corrupt { table: "agent", id: one.to_string() };
        assert_eq!(store.read(|reader| reader.agent(&one)), Err(corrupt));
    }
}

/// A database that older migrations made, with an agent to whom other rows refer.
fn old_database(database: &Database) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database.name());
    let mut older: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    older.retain(|step| step.file_name().unwrap().to_str().unwrap() < "2026-11-25-000005");
    older.sort();
    execute(
        database,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    for step in older {
        let name = step.file_name().unwrap().to_str().unwrap().to_owned();
        execute(database, &fs::read_to_string(step.join("up.sql")).unwrap());
        let version = name.split('_').next().unwrap().replace('-', "");
        execute(database, &format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"));
    }
    let (agent, unit) = (agent().id, unit());
    execute(
        database,
        &format!(
            "INSERT INTO agent (id, name, id_card, qualified_at) VALUES ('{agent}', '张三', '{ID_CARD}', 5);
             INSERT INTO unit (id, code, labour_no, name, province, city, registered_by, registered_at)
                VALUES ('{0}', '{1}', '32010001', 'x', 'x', 'x', 'x', 1);
             INSERT INTO agent_unit (agent, unit, confirmed_at, confirmed_by) VALUES ('{agent}', '{0}', 1, 'x');
             INSERT INTO idempotency (actor, request_key, request_sha256, resource, at)
                VALUES ('x', 'x', {2}, '{agent}', 1)",
            unit.id,
            unit.code,
            if database.name() == "sqlite" { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" },
        ),
    );
}

#[test]
fn rows_of_older_programs_are_sealed_once() {
    for database in databases() {
        old_database(&database);
        let store = database.store();
        let id = agent().id;
        let unsealed = StoreError::Corrupt { table: "agent", id: id.to_string() };
        assert_eq!(store.read(|reader| reader.agent(&id)), Err(unsealed), "not yet");
        let clear = read(&store, |reader| reader.clear_agents());
        assert_eq!((clear.len(), clear[0].name.as_str(), clear[0].id_card.reveal()), (1, "张三", ID_CARD));
        let mut exported = Vec::new();
        store.export(&mut exported).unwrap();
        let exported = String::from_utf8(exported).unwrap();
        assert!(!exported.contains(ID_CARD) && !exported.contains("张三"), "{exported}");

        let seal = || {
            let Identity::Known { name, id_card } = agent().identity else { panic!() };
            (name, id_card.unwrap())
        };
        write(&store, move |tx| tx.seal_agent(&agent().id, &seal().0, &seal().1));
        let twice = refused(&store, move |tx| tx.seal_agent(&agent().id, &seal().0, &seal().1));
        assert_eq!(twice, StoreError::Stale { what: "agent-clear" });
        let known = read(&store, |reader| reader.agent(&agent().id)).unwrap();
        assert_eq!(known.identity, agent().identity);
        assert!(known.qualified_at.is_some() && read(&store, |reader| reader.clear_agents()).is_empty());
        assert!(
            read(&store, |reader| reader.pair_confirmed(&agent().id, &unit().id)),
            "what refers to it is there"
        );
        store.scrub().unwrap();
        assert_nowhere(&database, &[ID_CARD, "张三"]);
        let fresh = ca_store::Claim::Fresh;
        assert_eq!(write(&store, |tx| tx.claim_idempotency("x", "x", &digest(1), "r", NOW)), fresh);
    }
}

#[test]
fn nothing_is_left_in_the_files() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        write(&store, |tx| {
            tx.insert_card(&card(1, 1, CARD))?;
            tx.insert_opening(&opening(1))
        });
        // Sealed from the first moment: nothing to scrub.
        assert_nowhere(&database, &[ID_CARD, "张三", CARD]);
        let Identity::Known { name, .. } = agent().identity else { panic!() };
        let sealed = [name.cipher.as_bytes().to_vec(), opening(1).sealed.as_bytes().to_vec()];
        if let Some(files) = files(&database) {
            assert!(sealed.iter().all(|octets| holds(&files, octets)), "the test finds what is there");
        }
        write(&store, |tx| tx.erase_agent(&agent().id, NOW));
        store.scrub().unwrap();
        if let Some(files) = files(&database) {
            assert!(!sealed.iter().any(|octets| holds(&files, octets)), "erased and still in a file");
        }
    }
}

/// Another key finds nobody and opens nothing.
#[test]
fn another_key_sees_nothing() {
    let other = Vault::new(&Zeroizing::new([8; 32])).unwrap();
    on_both(|store| {
        enroll(store);
        let number = other.id_card_index(&IdCard::parse(ID_CARD).unwrap());
        assert_eq!(read(store, |reader| reader.agent_by_id_card(&number)), None);
        let Identity::Known { name, .. } = agent().identity else { panic!() };
        assert!(other.open(Place::name(&agent().id), &name.cipher).is_err());
    });
}

fn execute(database: &Database, statements: &str) {
    testing::execute(database.url(), statements);
}

/// The files of SQLite, the log of writes with them.
fn files(database: &Database) -> Option<Vec<u8>> {
    let path = database.url().strip_prefix("sqlite:")?;
    let mut octets = fs::read(path).unwrap();
    octets.extend(fs::read(format!("{path}-wal")).unwrap_or_default());
    Some(octets)
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

/// Not in SQLite's files, and in nothing that the store gives of PostgreSQL's tables.
fn assert_nowhere(database: &Database, clear: &[&str]) {
    let octets = files(database).unwrap_or_else(|| {
        let mut lines = Vec::new();
        Store::open(database.url()).unwrap().export(&mut lines).unwrap();
        lines
    });
    for text in clear {
        assert!(!holds(&octets, text.as_bytes()), "{text} in {}", database.name());
    }
}
