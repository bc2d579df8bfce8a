//! Agents as persons: registered once, found by number and name, shown masked; in full for a reason that stands in the log;
//! and nowhere else in clear. On both databases.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::support::{Ca, Database, USCC, text};

const NAME: &str = "欧阳试验";
const ID_CARD: &str = "110105199001010010";
const OTHER_ID_CARD: &str = "110105199001010029";
const CARD: &str = "32017A9Q4471";
const NEW_CARD: &str = "32017B0Z8802";

#[test]
fn on_sqlite() {
    a_persons_data(Database::Sqlite);
}

#[test]
fn on_postgres() {
    a_persons_data(Database::Postgres);
}

fn a_persons_data(database: Database) {
    let mut ca = Ca::new(database);
    // Everything that the programs could say of themselves.
    ca.serve(&[("RUST_LOG", "trace")]);
    let mut said = Vec::new();
    refused_forms(&ca, &mut said);
    let agent = one_person_is_registered_once(&ca);
    cards(&ca, &agent, &mut said);
    views(&ca, &agent, &mut said);
    in_full_for_a_reason(&ca, &agent, &mut said);
    nothing_in_the_wrong_place(&ca, &mut said);
    ca.stop_server();
    nowhere_in_clear(&ca, &agent, &said);
    ca.assert_audit_is_clean();
}

fn refused_forms(ca: &Ca, said: &mut Vec<Value>) {
    for body in [
        json!({ "name": NAME }),
        json!({ "name": NAME, "id_card": "1101051990０1010010" }),
        json!({ "name": NAME, "id_card": "11010519900101001 0" }),
        json!({ "name": NAME, "id_card": "110105199001010011" }),
        json!({ "name": NAME, "id_card": "110105199002300010" }),
        json!({ "name": NAME, "card": "" }),
        json!({ "name": NAME, "card": "32017А9Q4471" }),
        json!({ "name": NAME, "card": "32017\u{200b}A9Q" }),
        json!({ "name": NAME, "card": "32017\t9Q" }),
        json!({ "name": NAME, "card": "３２０１" }),
        json!({ "name": NAME, "card": "1".repeat(33) }),
        json!({ "name": format!("{NAME}\u{202e}"), "card": CARD }),
    ] {
        let problem = ca.post("clerk", "/api/v1/agents", &body);
        assert_eq!(problem["title"], "field.invalid", "{body}: {problem}");
        said.push(problem);
    }
    // A number where a text is expected: serde would repeat it.
    let number: u64 = ID_CARD.parse().unwrap();
    let problem = ca.post("clerk", "/api/v1/agents", &json!({ "name": "某", "id_card": number }));
    assert_eq!(problem["title"], "request.malformed", "{problem}");
    said.push(problem);
    assert_eq!(
        ca.get("clerk", "/api/v1/agents").as_array().unwrap().len(),
        1,
        "a refused one was registered"
    );
}

/// Two counters at once, and once more later.
fn one_person_is_registered_once(ca: &Ca) -> String {
    let body = json!({ "name": NAME, "id_card": ID_CARD, "card": CARD });
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..4).map(|_| scope.spawn(|| register(ca, &body))).collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<&Value> = answers.iter().filter(|answer| answer["id"].is_string()).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    let agent = made[0]["id"].as_str().unwrap().to_owned();
    for refused in answers.iter().filter(|answer| !answer["id"].is_string()) {
        assert_eq!(
            (&refused["title"], &refused["facts"]["agent"]),
            (&json!("agent.known"), &json!(agent)),
            "{refused}"
        );
    }
    // With the other number alone; the same person with small letters.
    let by_card = ca.post("clerk", "/api/v1/agents", &json!({ "name": "别人", "card": CARD.to_lowercase() }));
    assert_eq!(
        (&by_card["title"], &by_card["facts"]["agent"]),
        (&json!("agent.known"), &json!(agent)),
        "{by_card}"
    );
    agent
}

/// SoftHSM fails now and then when many processes use one token; then nothing was sent.
fn register(ca: &Ca, body: &Value) -> Value {
    loop {
        let key = format!("{:?}", std::thread::current().id());
        if let Ok(answer) = ca.call("clerk", "POST", "/api/v1/agents", Some(body), Some(&key)) {
            return answer;
        }
    }
}

fn put(ca: &Ca, role: &str, path: &str, body: &Value) -> Value {
    ca.call(role, "PUT", path, Some(body), None).unwrap()
}

/// Registered with a social security card; the identity card number comes later; the card is lost.
fn cards(ca: &Ca, agent: &str, said: &mut Vec<Value>) {
    let second = ca.post("clerk", "/api/v1/agents", &json!({ "name": NAME, "card": "7001" }));
    let second = second["id"].as_str().unwrap_or_else(|| panic!("{second}")).to_owned();
    let path = format!("/api/v1/agents/{second}/id-card");
    let taken = put(ca, "clerk", &path, &json!({ "id_card": ID_CARD }));
    assert_eq!(
        (&taken["title"], &taken["facts"]["agent"]),
        (&json!("agent.known"), &json!(agent)),
        "{taken}"
    );
    assert_eq!(put(ca, "clerk", &path, &json!({ "id_card": OTHER_ID_CARD })), Value::Null);
    assert_eq!(put(ca, "clerk", &path, &json!({ "id_card": OTHER_ID_CARD })), Value::Null, "twice is once");
    let other = put(ca, "clerk", &path, &json!({ "id_card": "110105199001010037" }));
    assert_eq!(other["title"], "agent.id-card-entered", "{other}");

    let path = format!("/api/v1/agents/{agent}/card");
    for (card, reason, title) in [
        ("7001", "lost", "agent.known"),
        (NEW_CARD, "first", "field.invalid"),
        (NEW_CARD, "stolen", "field.invalid"),
        ("3201 7", "lost", "field.invalid"),
    ] {
        let problem = put(ca, "clerk", &path, &json!({ "card": card, "reason": reason }));
        assert_eq!(problem["title"], title, "{card} {reason}: {problem}");
        said.push(problem);
    }
    let denied = ca.call("officer", "PUT", &path, Some(&json!({ "card": NEW_CARD, "reason": "lost" })), None);
    assert_eq!(denied.unwrap()["title"], "auth.not-permitted");
    for _ in 0..2 {
        let lost = json!({ "card": NEW_CARD.to_lowercase(), "reason": "lost" });
        assert_eq!(put(ca, "clerk", &path, &lost), Value::Null, "twice is once");
    }
    let found = |body: Value| ca.post("clerk", "/api/v1/agents/search", &body);
    assert_eq!(found(json!({ "card": CARD })), json!([]), "the old number finds nobody");
    assert_eq!(found(json!({ "card": NEW_CARD }))[0]["id"], *agent);
    let history = ca.get("clerk", &format!("/api/v1/agents/{agent}"))["cards"].clone();
    let shown = |place: usize| (history[place]["number"].clone(), history[place]["reason"].clone());
    assert_eq!(history.as_array().unwrap().len(), 2, "{history}");
    assert_eq!(shown(0), (json!("********4471"), json!("first")));
    assert_eq!(shown(1), (json!("********8802"), json!("lost")));
    assert!(history[0]["ended_at"].is_string() && history[1]["ended_at"].is_null(), "{history}");
}

fn views(ca: &Ca, agent: &str, said: &mut Vec<Value>) {
    let confirmed = put(ca, "clerk", &format!("/api/v1/agents/{agent}/units"), &json!({ "uscc": USCC }));
    assert_eq!(confirmed, Value::Null);
    let view = ca.get("officer", &format!("/api/v1/agents/{agent}"));
    assert_eq!(view["id_card"], "110105********0010", "{view}");
    assert_eq!((&view["name"], &view["card"]), (&json!(NAME), &json!("********8802")));
    assert_eq!((&view["units"][0]["uscc"], &view["units"][0]["ended_at"]), (&json!(USCC), &Value::Null));
    let by_name = ca.post("clerk", "/api/v1/agents/search", &json!({ "name": NAME }));
    assert_eq!(by_name.as_array().unwrap().len(), 2, "both of this name: {by_name}");
    let by_number = ca.post("clerk", "/api/v1/agents/search", &json!({ "id_card": ID_CARD }));
    assert_eq!(by_number[0]["id"], *agent);
    for body in [json!({}), json!({ "name": NAME, "card": CARD }), json!({ "id_card": "1" })] {
        let problem = ca.post("clerk", "/api/v1/agents/search", &body);
        assert_eq!(problem["title"], "field.invalid", "{problem}");
    }
    let page = ca.get("clerk", "/api/v1/agents?limit=2");
    let last = page[1]["id"].as_str().unwrap();
    let rest = ca.get("clerk", &format!("/api/v1/agents?after={last}"));
    assert_eq!((page.as_array().unwrap().len(), rest.as_array().unwrap().len()), (2, 1), "{page} {rest}");
    said.extend([view, by_name, by_number, page, rest]);
}

fn in_full_for_a_reason(ca: &Ca, agent: &str, said: &mut Vec<Value>) {
    let path = format!("/api/v1/agents/{agent}/reveal");
    for reason in ["", "短", "    ", &"长".repeat(201), "因核对 110105199001010010"] {
        let problem = ca.post("officer", &path, &json!({ "reason": reason }));
        assert_eq!(problem["title"], "field.invalid", "{problem}");
        said.push(problem);
    }
    let reason = json!({ "reason": "法院协查函 2026-017" });
    assert_eq!(ca.post("officer", &path, &json!({}))["title"], "request.malformed");
    assert_eq!(ca.post("clerk", &path, &reason)["title"], "auth.not-permitted");
    assert_eq!(entries(ca, agent, false).len(), 0, "nothing was shown so far");
    for role in ["officer", "auditor"] {
        let full = ca.post(role, &path, &reason);
        assert_eq!((&full["name"], &full["id_card"]), (&json!(NAME), &json!(ID_CARD)), "{full}");
        assert_eq!(
            (&full["cards"][0]["number"], &full["cards"][1]["number"]),
            (&json!(CARD), &json!(NEW_CARD))
        );
        commitments_open(ca, agent, &full);
    }
    let log = entries(ca, agent, false);
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|entry| entry["detail"]["reason"] == "法院协查函 2026-017"), "{log:?}");
}

/// Entries about seeing this agent in full: done, or refused.
fn entries(ca: &Ca, agent: &str, refused: bool) -> Vec<Value> {
    let about = |entry: &Value| entry["action"] == "reveal-personal-data" && entry["object_id"] == *agent;
    let all = ca.rows("audit").into_iter().filter(about);
    all.filter(|entry| entry["rule"].is_null() != refused).collect()
}

/// The log's commitments, computed again from salt and value as ARCHITECTURE.md writes it.
fn commitments_open(ca: &Ca, agent: &str, full: &Value) {
    let mut logged = Vec::new();
    for entry in ca.rows("audit").iter().filter(|entry| entry["object_id"] == *agent) {
        for (name, value) in entry["detail"].as_object().unwrap() {
            if let Some(field) = name.strip_prefix("commitment-") {
                logged.push((field.to_owned(), value.as_str().unwrap().to_owned()));
            }
        }
    }
    let opened: Vec<(String, String)> = full["openings"].as_array().unwrap().iter().map(open).collect();
    logged.sort();
    let mut sorted = opened.clone();
    sorted.sort();
    assert_eq!(sorted, logged);
    assert_eq!(logged.len(), 4, "name, number, two cards");
}

fn open(opening: &Value) -> (String, String) {
    let member = |name: &str| opening[name].as_str().unwrap().to_owned();
    let (field, salt, value) = (member("field"), hex::decode(member("salt")).unwrap(), member("value"));
    let mut octets = Vec::new();
    for part in [b"qianyin commitment 1".as_slice(), &salt, field.as_bytes(), value.as_bytes()] {
        octets.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(part);
    }
    let computed = hex::encode(digest(&SHA256, &octets));
    assert_eq!(computed, member("commitment"));
    (field, computed)
}

/// Numbers typed where they do not belong: refused, and not in the log either.
fn nothing_in_the_wrong_place(ca: &Ca, said: &mut Vec<Value>) {
    for path in ["units", "card", "id-card", "qualification"] {
        let path = format!("/api/v1/agents/{ID_CARD}/{path}");
        ca.call("clerk", "PUT", &path, Some(&json!({ "uscc": USCC })), None).unwrap();
        ca.call("auditor", "PUT", &path, Some(&json!({ "uscc": USCC })), None).unwrap();
    }
    ca.get("clerk", &format!("/api/v1/agents/{ID_CARD}"));
    ca.post("officer", &format!("/api/v1/agents/{ID_CARD}/reveal"), &json!({ "reason": "some good reason" }));
    let unit = json!({ "uscc": ID_CARD, "labour_no": "30000001", "name": "某", "province": "江苏省", "city": "南京市", "agency": "nanjing" });
    let problem = ca.post("clerk", "/api/v1/units", &unit);
    assert_eq!(problem["status"], 422, "{problem}");
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let path = format!("/api/v1/applications/{}/rejection", made["id"].as_str().unwrap());
    let rejected = ca.post("officer", &path, &json!({ "reasons": format!("身份证 {ID_CARD} 不符") }));
    assert_eq!(rejected["title"], "field.invalid", "{rejected}");
    said.extend([problem, rejected]);
}

/// No answer but that of `reveal`, no log, no trace, no export, no file and no row has a number; names are for staff to see.
fn nowhere_in_clear(ca: &Ca, agent: &str, said: &[Value]) {
    let shown = said.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let log = text(&ca.ca_server(&["log", "show", "--limit", "100000"]));
    assert!(log.contains("reveal-personal-data") && log.contains(agent), "{log}");
    let export = ca.path("leak.jsonl");
    assert!(ca.ca_server(&["export", "--output", &export]).status.success());
    let trace = std::fs::read_to_string(ca.dir.join("server.log")).unwrap();
    assert!(trace.contains("TRACE"), "the trace says what it can");
    let stolen = ca.stolen();
    assert!(stolen.len() > 10_000 && holds(&stolen, agent), "the test reads the database");
    let places = [
        ("answers", shown.into_bytes()),
        ("log", log.into_bytes()),
        ("export", std::fs::read(export).unwrap()),
        ("trace", trace.into_bytes()),
        ("database", stolen),
    ];
    for (place, octets) in &places {
        for number in [ID_CARD, OTHER_ID_CARD, CARD, NEW_CARD] {
            assert!(!holds(octets, number), "{number} in {place}");
        }
        assert!(*place == "answers" || !holds(octets, NAME), "{NAME} in {place}");
    }
}

fn holds(octets: &[u8], part: &str) -> bool {
    octets.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Another token's key: the server says so and does nothing; the commands that need no key work.
#[test]
fn another_key_is_refused() {
    let ca = Ca::new(Database::Sqlite);
    ca.sql(&format!("UPDATE setting SET value = '{}' WHERE name = 'personal-key-1'", "ab".repeat(32)));
    for command in [&["serve"][..], &["doctor"], &["import", "testdata/units.toml"]] {
        let output = ca.ca_server(command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("另一块密码卡") && text(&output).contains("another token"),
            "{}",
            text(&output)
        );
    }
    ca.assert_audit_is_clean();
}

/// A row that was changed past the program is an error, and nothing else breaks.
#[test]
fn a_tampered_row_is_an_error() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let made = ca.post("clerk", "/api/v1/agents", &json!({ "name": NAME, "id_card": ID_CARD }));
    let other = made["id"].as_str().unwrap().to_owned();
    ca.sql(&format!(
        "UPDATE agent SET name_sealed = (SELECT name_sealed FROM agent WHERE id = '{other}') WHERE id = '{}'",
        ca.agent
    ));
    let problem = ca.get("clerk", &format!("/api/v1/agents/{}", ca.agent));
    assert_eq!(problem["title"], "internal", "{problem}");
    assert!(!problem.to_string().contains(NAME), "{problem}");
    assert_eq!(ca.get("clerk", &format!("/api/v1/agents/{other}"))["name"], NAME);
    let trace = std::fs::read_to_string(ca.dir.join("server.log")).unwrap();
    assert!(trace.contains(&format!("corrupt row {} in table agent", ca.agent)), "{trace}");
}
