//! Programs killed with SIGKILL around the writes that change, seal and erase persons; the same command again comes to the
//! same end. On both databases.

use std::os::unix::process::ExitStatusExt;

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::support::{Ca, Database, USCC, text};

const ID_CARD: &str = "110105199001010010";
/// Registered in 1970, as its identifier says.
const OLD: &str = "00000000000000000000000000000001";
const CLEAR: &str = "00000000000000000000000000000002";

fn points(site: WriteSite) -> [String; 2] {
    ["before", "after"].map(|when| format!("{}:{when}", site.name()))
}

#[test]
fn a_change_cut_short_is_given_again_on_sqlite() {
    change_cut_short(Database::Sqlite);
}

#[test]
fn a_change_cut_short_is_given_again_on_postgres() {
    change_cut_short(Database::Postgres);
}

fn change_cut_short(database: Database) {
    let mut ca = Ca::new(database);
    for (point, card) in points(WriteSite::ChangeAgent).iter().zip(["A1001", "A1002"]) {
        ca.serve(&[("QIANYIN_CRASH", point)]);
        let path = format!("/api/v1/agents/{}/card", ca.agent);
        let reason = if card == "A1001" { "first" } else { "reissued" };
        let body = json!({ "card": card, "reason": reason });
        assert!(ca.call("clerk", "PUT", &path, Some(&body), None).is_err(), "{point}");
        crate::support::wait(10, "the crash", || ca.server_is_gone());
        ca.serve(&[]);
        assert_eq!(ca.call("clerk", "PUT", &path, Some(&body), None).unwrap(), Value::Null);
    }
    let cards = ca.get("clerk", &format!("/api/v1/agents/{}", ca.agent))["cards"].clone();
    let live = cards.as_array().unwrap().iter().filter(|card| card["ended_at"].is_null()).count();
    assert_eq!((cards.as_array().unwrap().len(), live), (2, 1), "{cards}");
    ca.stop_server();
    let changed = ca.rows("audit").into_iter().filter(|entry| entry["action"] == "change-agent-card").count();
    assert_eq!(changed, 2, "one entry a change");
    ca.assert_audit_is_clean();
}

#[test]
fn sealing_cut_short_is_done_at_the_next_start_on_sqlite() {
    sealing_cut_short(Database::Sqlite);
}

#[test]
fn sealing_cut_short_is_done_at_the_next_start_on_postgres() {
    sealing_cut_short(Database::Postgres);
}

/// What `ca-server migrate` leaves of an older program's row.
fn sealing_cut_short(database: Database) {
    let ca = Ca::new(database);
    ca.sql(&format!(
        "INSERT INTO agent (id, qualified_at) VALUES ('{CLEAR}', 5);
         INSERT INTO agent_clear (agent, name, id_card) VALUES ('{CLEAR}', '司马旧录', '{ID_CARD}')"
    ));
    assert!(!text(&ca.ca_server(&["export"])).contains(ID_CARD), "not even before it is sealed");
    let early = ca.ca_server(&["erase"]);
    assert_eq!(early.status.code(), Some(1), "{}", text(&early));
    assert!(text(&early).contains("ca-server doctor"), "{}", text(&early));
    for point in points(WriteSite::SealPersonal) {
        let output = ca.ca_server_command(&["doctor"]).env("QIANYIN_CRASH", &point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", text(&output));
    }
    assert_eq!(ca.rows("agent_clear").len(), 0, "died after the commit");
    // Sealed; the files still have it. The next start sees to that.
    let mut ca = ca;
    ca.serve(&[]);
    let found = ca.post("clerk", "/api/v1/agents/search", &json!({ "id_card": ID_CARD }));
    assert_eq!((&found[0]["id"], &found[0]["name"]), (&json!(CLEAR), &json!("司马旧录")), "{found}");
    let stolen = ca.stolen();
    for clear in [ID_CARD, "司马旧录"] {
        assert!(!stolen.windows(clear.len()).any(|part| part == clear.as_bytes()), "{clear} is in a file");
    }
    ca.stop_server();
    let sealed = ca.rows("audit").into_iter().filter(|entry| entry["action"] == "seal-personal-data").count();
    assert_eq!(sealed, 1);
    ca.assert_audit_is_clean();
}

#[test]
fn erasing_cut_short_is_given_again_on_sqlite() {
    erasing_cut_short(Database::Sqlite);
}

#[test]
fn erasing_cut_short_is_given_again_on_postgres() {
    erasing_cut_short(Database::Postgres);
}

fn erasing_cut_short(database: Database) {
    let mut ca = Ca::new(database);
    // Whose data it was nobody knows; to erase it no key is needed.
    let octets = |octet: &str, count: usize| match database {
        Database::Sqlite => format!("x'{}'", octet.repeat(count)),
        Database::Postgres => format!("'\\x{}'", octet.repeat(count)),
    };
    ca.sql(&format!(
        "INSERT INTO agent (id, name_sealed, name_index, id_card_sealed, id_card_index)
         VALUES ('{OLD}', {0}, {1}, {0}, {1})",
        octets("01", 60),
        octets("7e", 32)
    ));
    // Somebody who is needed is named, and stays.
    let kept = ca.ca_server(&["erase", "--agent", &ca.agent]);
    assert_eq!(kept.status.code(), Some(1), "{}", text(&kept));
    assert!(text(&kept).contains("agent.kept.pair"), "{}", text(&kept));
    let listed = text(&ca.ca_server(&["erase", "--dry-run"]));
    assert!(listed.contains(OLD) && !listed.contains(&ca.agent), "{listed}");
    assert!(agent_row(&ca, OLD)["erased_at"].is_null(), "a dry run erases nothing");

    let [before, after] = points(WriteSite::ErasePersonal);
    for (point, erased) in [(before, false), (after, true)] {
        let output = ca.ca_server_command(&["erase"]).env("QIANYIN_CRASH", &point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", text(&output));
        assert_eq!(agent_row(&ca, OLD)["erased_at"].is_number(), erased, "{point}");
    }
    // Nobody is left to erase; what is left in the files goes.
    let output = ca.ca_server(&["erase"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!ca.stolen().windows(32).any(|part| part == [0x7e; 32]), "erased and still in a file");
    let row = agent_row(&ca, OLD);
    assert!(row["name_sealed"].is_null() && row["id_card_index"].is_null(), "{row}");
    ca.serve(&[]);
    erased_is_of_no_use(&ca);
    ca.stop_server();
    let done = |entry: &Value| entry["action"] == "erase-personal-data" && entry["rule"].is_null();
    assert_eq!(ca.rows("audit").iter().filter(|entry| done(entry)).count(), 1);
    ca.assert_audit_is_clean();
}

fn erased_is_of_no_use(ca: &Ca) {
    let view = ca.get("clerk", &format!("/api/v1/agents/{OLD}"));
    assert!(view["erased_at"].is_string() && view["name"].is_null(), "{view}");
    let reason = json!({ "reason": "法院协查函 2026-017" });
    for (role, method, path, body) in [
        ("clerk", "PUT", format!("/api/v1/agents/{OLD}/units"), json!({ "uscc": USCC })),
        ("clerk", "PUT", format!("/api/v1/agents/{OLD}/card"), json!({ "card": "1", "reason": "first" })),
        ("clerk", "PUT", format!("/api/v1/agents/{OLD}/id-card"), json!({ "id_card": ID_CARD })),
        ("clerk", "POST", "/api/v1/trainings".to_owned(), json!({ "uscc": USCC, "agent": OLD })),
        ("officer", "PUT", format!("/api/v1/agents/{OLD}/qualification"), Value::Null),
        ("officer", "POST", format!("/api/v1/agents/{OLD}/reveal"), reason),
    ] {
        let problem = ca.call(role, method, &path, Some(&body), Some("erased")).unwrap();
        assert_eq!(problem["title"], "agent.erased", "{path}: {problem}");
    }
    let mut body = ca.application_body();
    body["agent"] = json!(OLD);
    assert_eq!(ca.post("clerk", "/api/v1/applications", &body)["title"], "agent.erased");
}

fn agent_row(ca: &Ca, id: &str) -> Value {
    ca.rows("agent").into_iter().find(|row| row["id"] == id).unwrap()
}
