//! The gate of an application: the unit's insuring agency, the agent's training, the pair; and the pair's end.

use crate::support::{Ca, Database, USCC, text};
use serde_json::{Value, json};

#[test]
fn on_sqlite() {
    the_gate(Database::Sqlite);
}

#[test]
fn on_postgres() {
    the_gate(Database::Postgres);
}

fn the_gate(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    // 原五县除外: by the agency that insures the unit, which a postal address does not tell.
    let excluded = register(&ca, "91320106000000101L", "20000001", "jiangpu");
    let closed = apply(&ca, &excluded);
    assert_eq!(closed["title"], "unit.not-eligible", "{closed}");
    assert!(closed["situation"]["zh"].as_str().unwrap().contains("原江浦县"), "{closed}");
    // A district that was merged has no rule any more: unsure means refuse.
    let unclear = register(&ca, "91320106000000102P", "20000002", "baixia");
    let closed = apply(&ca, &unclear);
    assert_eq!(closed["title"], "unit.agency-unclear", "{closed}");
    let mut unknown = Ca::unit_body("91320106MA1X00017N", "20000003", "某公司");
    unknown["agency"] = json!("suzhou");
    let refused = ca.post("clerk", "/api/v1/units", &unknown);
    assert!(refused["title"] == "field.invalid" && refused.to_string().contains("nanjing"), "{refused}");

    // The agent leaves: nothing new can be entered, and what waits cannot be approved.
    let waiting = apply(&ca, USCC)["id"].as_str().unwrap().to_owned();
    let pair = format!("/api/v1/agents/{}/units/{USCC}", ca.agent);
    let denied = ca.call("officer", "DELETE", &pair, None, None).unwrap();
    assert_eq!(denied["title"], "auth.not-permitted", "{denied}");
    assert_eq!(ca.call("clerk", "DELETE", &pair, None, None).unwrap(), Value::Null);
    let again = ca.call("clerk", "DELETE", &pair, None, None).unwrap();
    assert_eq!(again["title"], "not-found", "{again}");
    assert_eq!(apply(&ca, USCC)["title"], "agent.not-confirmed");
    let approval = format!("/api/v1/applications/{waiting}/approval");
    assert_eq!(ca.post("officer", &approval, &Value::Null)["title"], "agent.not-confirmed");
    assert_eq!(ca.application(&waiting)["state"], "submitted");

    // Confirmed again, the same application goes on.
    let confirm = format!("/api/v1/agents/{}/units", ca.agent);
    let confirmed = ca.call("clerk", "PUT", &confirm, Some(&json!({ "uscc": USCC })), None).unwrap();
    assert_eq!(confirmed, Value::Null);
    assert_eq!(ca.post("officer", &approval, &Value::Null)["state"], "approved");
    let log = ca.ca_server(&["log", "show", "--limit", "100000"]);
    assert!(text(&log).contains("release-agent"), "{}", text(&log));
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn register(ca: &Ca, uscc: &str, labour_no: &str, agency: &str) -> String {
    let mut unit = Ca::unit_body(uscc, labour_no, "浦口某公司");
    unit["agency"] = json!(agency);
    let made = ca.post("clerk", "/api/v1/units", &unit);
    assert!(made["id"].is_string(), "{made}");
    let confirm = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &confirm, Some(&json!({ "uscc": uscc })), None).unwrap();
    uscc.to_owned()
}

fn apply(ca: &Ca, uscc: &str) -> Value {
    let mut body = ca.application_body();
    body["uscc"] = json!(uscc);
    ca.post("clerk", "/api/v1/applications", &body)
}
