//! 单位变更一次录入，所涉证书随之换发或吊销。What an event of a unit does to its certificates: a new name, a merger, another
//! agent; what is refused; a crash at each write. Whoever recorded the event approves nothing that it entered.

use serde_json::{Value, json};

use crate::{
    kinds::{approve, certificate, enter, good, revoked, standing_of, subject},
    renewal::renew,
    support::{Ca, Database, USCC, text, wait},
};

/// A unit that `testdata/units.toml` registers besides.
const OTHER: &str = "91320106MA1X00017N";
const NAME: &str = "南京签印认证有限公司";
const DAY: &str = "2026-01-05";

#[test]
fn on_sqlite() {
    changes(Database::Sqlite, "before");
}

#[test]
fn on_postgres() {
    changes(Database::Postgres, "after");
}

fn changes(database: Database, moment: &str) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, old, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let renamed = renamed(&mut ca, &old, &token, moment);
    let last = recorded_and_decided_by_one(&mut ca, &renamed, &token);
    let agent = other_agent(&ca, &last);
    ended(&ca, &last, &agent);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    forged(&ca);
}

fn body(change: Value) -> Value {
    let mut body =
        json!({ "effective_on": DAY, "basis": "准予变更登记通知书 17 号", "sha256": "33".repeat(32) });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

fn event(ca: &Ca, change: Value) -> Value {
    ca.post("clerk", &format!("/api/v1/units/{USCC}/events"), &body(change))
}

fn look(ca: &Ca, recorded: &Value) -> Value {
    let id = recorded["event"]["id"].as_str().unwrap_or_else(|| panic!("{recorded}"));
    ca.get("officer", &format!("/api/v1/units/{USCC}/events/{id}"))
}

/// The only one that the event entered.
fn entered(ca: &Ca, recorded: &Value) -> Value {
    let seen = look(ca, recorded);
    let all = seen["applications"].as_array().unwrap_or_else(|| panic!("{seen}"));
    assert_eq!(all.len(), 1, "{seen}");
    all[0].clone()
}

fn id_of(application: &Value) -> &str {
    application["id"].as_str().unwrap_or_else(|| panic!("{application}"))
}

fn message(ca: &Ca, count: usize) -> String {
    wait(10, "the notice", || ca.notices("unit-changed").len() == count);
    let notice = ca.notices("unit-changed").pop().unwrap();
    let file = ca.dir.join(format!("outbox/{}.txt", id_of(&notice)));
    wait(10, "the message", || file.exists());
    std::fs::read_to_string(file).unwrap()
}

/// The server dies as the event is recorded and applied; it is sent again, and then there is one application. The holder
/// takes the new certificate on the own token.
fn renamed(ca: &mut Ca, old: &str, token: &str, moment: &str) -> String {
    // What does not happen enters nothing.
    let later =
        event(ca, json!({ "kind": "rename", "name": "南京后来有限公司", "effective_on": "2099-01-01" }));
    assert_eq!((&later["event"]["state"], &later["applications"]), (&json!("pending"), &json!([])));
    let path = format!("/api/v1/units/{USCC}/events/{}", later["event"]["id"].as_str().unwrap());
    assert_eq!(ca.call("clerk", "DELETE", &path, None, None).unwrap(), Value::Null);
    assert_eq!(look(ca, &later)["applications"], json!([]));

    let change = body(json!({ "kind": "rename", "name": NAME }));
    let path = format!("/api/v1/units/{USCC}/events");
    ca.serve(&[("QIANYIN_CRASH", &format!("unit-event:{moment}"))]);
    let crashed = ca.call("clerk", "POST", &path, Some(&change), Some("rename"));
    assert!(crashed.is_err(), "{crashed:?}");
    wait(10, "the crash", || ca.server_is_gone());
    ca.serve(&[]);
    let recorded = ca.call("clerk", "POST", &path, Some(&change), Some("rename")).unwrap();
    let again = ca.call("clerk", "POST", &path, Some(&change), Some("rename")).unwrap();
    assert_eq!(again["event"]["id"], recorded["event"]["id"], "{again}");
    let twice = event(ca, json!({ "kind": "rename", "name": NAME }));
    assert_eq!(twice["title"], "duplicate", "{twice}");

    let application = entered(ca, &recorded);
    assert_eq!(
        (&application["kind"], &application["certificate"], &application["state"]),
        (&json!("change"), &json!(old), &json!("submitted")),
        "{application}"
    );
    let id = id_of(&application);
    let known = ca.application(id);
    assert!(known["entered_by"].as_str().unwrap().starts_with("unit-event:"), "{known}");
    assert_eq!(
        (&known["unit_name"], &known["agent"], &known["documents"][0]["sha256"]),
        (&json!(NAME), &json!(ca.agent), &json!("33".repeat(32))),
        "{known}"
    );
    let said = message(ca, 1);
    assert!(said.contains(NAME) && said.contains(old) && said.contains(id), "{said}");
    assert!(said.contains("ukey renew"), "{said}");
    let doubled = ca.post("clerk", "/api/v1/applications", &crate::kinds::body(ca, "change", old));
    assert_eq!(doubled["title"], "successor.doubled", "{doubled}");
    let early = renew(ca, token);
    assert!(text(&early).contains("尚不能执行"), "{}", text(&early));

    assert_eq!(approve(ca, id)["state"], "paid", "there is nothing to pay");
    let output = renew(ca, token);
    assert!(output.status.success(), "{}", text(&output));
    let done = entered(ca, &recorded);
    assert_eq!(done["state"], "active", "{done}");
    let new = done["serial"].as_str().unwrap().to_owned();
    assert_eq!((standing_of(ca, old), standing_of(ca, &new)), (revoked("affiliationChanged"), good()));
    assert!(subject(ca, &new).contains(NAME), "{}", subject(ca, &new));
    assert_eq!(certificate(ca, &new)["not_after"], certificate(ca, old)["not_after"]);
    assert_eq!(look(ca, &recorded)["certificates"], json!([]), "it says so now");
    listed_as_invalid(ca, old);
    new
}

/// The CRL says since when (RFC 5280 §5.3.2), as OpenSSL reads it.
fn listed_as_invalid(ca: &Ca, serial: &str) {
    let entry = || {
        let file = ca.path("changed.crl");
        let url = format!("http://{}/crl/issuing/0.crl", ca.http);
        let fetched = std::process::Command::new("curl").args(["-fsS", "-o", &file, &url]).status().unwrap();
        assert!(fetched.success());
        let shown = crate::support::openssl(&["crl", "-inform", "DER", "-in", &file, "-noout", "-text"]);
        let shown = text(&shown);
        let from = shown.find(&serial.to_uppercase()).unwrap_or(shown.len());
        let entry = shown[from..].split("Serial Number").next().unwrap_or_default();
        entry.to_owned()
    };
    wait(20, "the CRL", || entry().contains("Affiliation Changed"));
    assert!(entry().contains("Invalidity Date"), "{}", entry());
}

/// A clerk who may approve, too, approves nothing of an event of the own; nor does correcting it by another help.
fn recorded_and_decided_by_one(ca: &mut Ca, old: &str, token: &str) -> String {
    ca.new_staff("both", "两职", "clerk,reviewer");
    ca.serve(&[]);
    let path = format!("/api/v1/units/{USCC}/events");
    let change = body(json!({ "kind": "rename", "name": "南京签印数字认证有限公司" }));
    let recorded = ca.post("both", &path, &change);
    let id = id_of(&entered(ca, &recorded)).to_owned();
    let decide = |who: &str| ca.post(who, &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert_eq!(decide("both")["title"], "same-person", "{}", decide("both"));
    let reasons = json!({ "reasons": "重录" });
    let rejected = ca.post("both", &format!("/api/v1/applications/{id}/rejection"), &reasons);
    assert_eq!(rejected["title"], "same-person", "{rejected}");
    let corrected = crate::kinds::body(ca, "change", old);
    ca.post("officer", &format!("/api/v1/applications/{id}/rejection"), &reasons);
    let put = ca.call("clerk", "PUT", &format!("/api/v1/applications/{id}"), Some(&corrected), None).unwrap();
    assert_eq!(put["state"], "submitted", "{put}");
    assert_eq!(decide("both")["title"], "same-person");
    assert_eq!(id_of(&entered(ca, &recorded)), id, "it is the event's still");
    assert_eq!(decide("officer")["state"], "paid");
    assert!(renew(ca, token).status.success());
    let new = entered(ca, &recorded)["serial"].as_str().unwrap().to_owned();
    assert_eq!(standing_of(ca, &new), good());
    new
}

/// The certificate names no agent and stays; what waits is the new agent's. Gives the new one.
fn other_agent(ca: &Ca, serial: &str) -> String {
    let made =
        ca.post("clerk", "/api/v1/agents", &json!({ "name": "李四", "id_card": "110105199001010010" }));
    let new = id_of(&made).to_owned();
    let ask =
        |from: &str, to: &str| event(ca, json!({ "kind": "agent", "from_agent": from, "to_agent": to }));
    for (from, to, rule) in [
        (&*ca.agent, &*ca.agent, "field.invalid"),
        (&new, &ca.agent, "field.invalid"),
        (&ca.agent, &new, "agent.not-qualified"),
        (&ca.agent, &"0".repeat(32), "agent.unknown"),
    ] {
        assert_eq!(ask(from, to)["title"], rule, "{from} {to}");
    }
    assert_eq!(event(ca, json!({ "kind": "agent", "to_agent": new }))["title"], "field.invalid");
    ca.call("officer", "PUT", &format!("/api/v1/agents/{new}/qualification"), None, None).unwrap();
    assert_eq!(ask(&ca.agent, &new)["title"], "agent.not-confirmed");
    let pair = format!("/api/v1/agents/{new}/units");
    ca.call("clerk", "PUT", &pair, Some(&json!({ "uscc": USCC })), None).unwrap();
    // Something of the old agent's that is not finished.
    let waiting = enter(ca, &ca.application_body());
    let before = ca.notices("unit-changed").len();
    let recorded = ask(&ca.agent, &new);
    assert_eq!(recorded["event"]["state"], "applied", "{recorded}");
    assert_eq!((&recorded["event"]["before"], &recorded["event"]["to"]), (&json!(ca.agent), &json!(new)));
    assert_eq!(recorded["applications"], json!([]), "{recorded}");
    assert_eq!(
        (&recorded["certificates"][0]["serial"], &recorded["certificates"][0]["remedy"]),
        (&json!(serial), &Value::Null),
        "{recorded}"
    );
    assert_eq!((standing_of(ca, serial), ca.application(&waiting)["agent"].clone()), (good(), json!(new)));
    assert!(message(ca, before + 1).contains("更换经办人"));
    assert_eq!(ask(&ca.agent, &new)["title"], "field.invalid", "that agent acts for the unit no more");
    assert_eq!(approve(ca, &waiting)["state"], "approved");
    new
}

/// The unit goes into another: each certificate is to be revoked, and is when an officer says so.
fn ended(ca: &Ca, serial: &str, agent: &str) {
    let recorded = event(ca, json!({ "kind": "merger", "successor": OTHER }));
    let application = entered(ca, &recorded);
    assert_eq!((&application["kind"], &application["certificate"]), (&json!("revoke"), &json!(serial)));
    let id = id_of(&application);
    let known = ca.application(id);
    assert_eq!(
        (&known["cause"], &known["agent"]),
        (&json!("cessationOfOperation"), &json!(agent)),
        "{known}"
    );
    assert_eq!(standing_of(ca, serial), good(), "nothing happens before the decision");
    assert_eq!(approve(ca, id)["state"], "done");
    assert_eq!(standing_of(ca, serial), revoked("cessationOfOperation"));
    assert_eq!(event(ca, json!({ "kind": "dissolution" }))["title"], "unit.ended");
    let status = ca.rows("status").into_iter().find(|row| row["serial"] == serial).unwrap();
    assert!(status["invalid_since"].as_i64().unwrap() < status["revoked_at"].as_i64().unwrap(), "{status}");
}

/// What the auditor finds: an approval by the recorder, and an application of an event that there is not.
fn forged(ca: &Ca) {
    let honest = std::fs::read_to_string(ca.path("export.jsonl")).unwrap();
    let rows = || honest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_of_event =
        |row: &Value| row["table"] == "application" && row["entered_by"].to_string().contains("unit-event:");
    let of_event = rows().find(is_of_event).unwrap();
    let recorder = of_event["entered_by"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let found = |bend: &dyn Fn(&mut Value)| {
        let bent = rows().map(|mut row| {
            bend(&mut row);
            format!("{row}\n")
        });
        let file = ca.path("forged.jsonl");
        std::fs::write(&file, bent.collect::<String>()).unwrap();
        let check = ["check", &file, "--root", &ca.path("root.pem")];
        let output = std::process::Command::new(crate::support::program("ca-audit")).args(check).output();
        text(&output.unwrap())
    };
    let by_recorder = found(&|row| {
        if row["action"] == "approve-application" && row["object_id"] == of_event["id"] {
            row["actor"] = json!(format!("staff:{recorder}"));
        }
    });
    assert!(by_recorder.contains(of_event["id"].as_str().unwrap()), "{by_recorder}");
    assert!(by_recorder.contains(&recorder), "{by_recorder}");
    let without = found(&|row| {
        if row["table"] == "unit_event" {
            row["state"] = json!("cancelled");
        }
    });
    assert!(without.contains("没有与之相符"), "{without}");
}

/// The day comes by itself, and the server dies as it does. A renewal that ordered itself makes way, and is not ordered
/// beside the change.
#[test]
fn a_renewal_makes_way_when_the_day_comes() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    ca.change_policy("applications.toml", "days-before = 90", "days-before = 400");
    ca.serve(&[]);
    let renewals = |ca: &Ca| ca.get("clerk", "/api/v1/renewals?days=366")["renewals"].clone();
    wait(20, "the order", || renewals(&ca)[0]["state"] == "approved");
    let renewal = renewals(&ca)[0]["application"].as_str().unwrap().to_owned();
    let recorded = event(&ca, json!({ "kind": "rename", "name": NAME, "effective_on": "2099-01-01" }));
    assert_eq!(recorded["certificates"][0]["serial"], serial, "{recorded}");
    assert_eq!(ca.application(&renewal)["state"], "approved", "nothing happens before its day");
    for moment in ["before", "after"] {
        ca.stop_server();
        ca.sql("UPDATE unit_event SET effective_at = 1000");
        ca.serve(&[("QIANYIN_CRASH", &format!("unit-event:{moment}"))]);
        wait(20, moment, || ca.server_is_gone());
    }
    ca.serve(&[]);
    assert_eq!(entered(&ca, &recorded)["state"], "submitted");
    assert_eq!(ca.application(&renewal)["state"], "expired");
    let order = ca.get("clerk", &format!("/api/v1/applications/{renewal}/order"));
    assert_eq!(order["state"], "cancelled", "{order}");
    assert!(message(&ca, 1).contains("换发后再办理续期"));
    ca.serve(&[]);
    let listed = renewals(&ca);
    assert_eq!(listed[0]["application"], entered(&ca, &recorded)["id"], "{listed}");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}
