//! Every kind of application to its end: what each needs, what it costs, and what becomes of the old certificate.

use std::process::{Command, Output};

use crate::support::{CPS, Ca, Database, USCC, text, wait};
use serde_json::{Value, json};

#[test]
fn on_sqlite() {
    kinds(Database::Sqlite);
}

#[test]
fn on_postgres() {
    kinds(Database::Postgres);
}

fn kinds(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, first, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    refusals(&ca, &first);
    correction(&ca);
    standing(&ca, &first);
    unlock(&ca, &first);
    let second = change(&ca, &first, &token);
    let third = rekey(&ca, &second, &token);
    assert_eq!(stands(&ca, &token), ("active".to_owned(), third.clone()));
    let (fourth, second_token) = damaged(&ca, &third);
    assert_eq!(stands(&ca, &token), ("damaged".to_owned(), third));
    let (fifth, third_token) = lost(&ca, &fourth);
    assert_eq!(stands(&ca, &second_token), ("lost".to_owned(), fourth));
    revocation(&ca, &fifth);
    assert_eq!(stands(&ca, &third_token), ("terminated".to_owned(), fifth));
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    for file in ["export.jsonl", "server.log", "ca.db", "ca.db-wal"] {
        let octets = std::fs::read(ca.dir.join(file)).unwrap_or_default();
        assert!(!octets.windows(8).any(|part| part == b"86590921"), "a contact in clear in {file}");
    }
}

/// Papers of the kind, one seen for each that `policies/documents.toml` wants.
pub(crate) fn body(ca: &Ca, kind: &str, certificate: &str) -> Value {
    let seen = |kind: &str, form: &str| json!({ "kind": kind, "form": form, "sha256": "44".repeat(32) });
    json!({
        "uscc": USCC, "agent": ca.agent, "kind": kind, "certificate": certificate, "cps": CPS,
        "counter": "municipal", "contact": "025-86590921",
        "documents": [
            seen("nanjing-hrss-application", "original"), seen("agent-card", "original"), seen("agent-card", "copy"),
            seen("business-licence", "copy"), seen("loss-statement", "original"),
        ],
    })
}

/// Where a token stands, and the certificate on it.
fn stands(ca: &Ca, token: &str) -> (String, String) {
    let known = crate::stock::token(ca, token);
    let text = |name: &str| known[name].as_str().unwrap_or_else(|| panic!("{known}")).to_owned();
    (text("state"), text("certificate"))
}

pub(crate) fn enter(ca: &Ca, body: &Value) -> String {
    let made = ca.post("clerk", "/api/v1/applications", body);
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

pub(crate) fn approve(ca: &Ca, id: &str) -> Value {
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null)
}

pub(crate) fn certificate(ca: &Ca, serial: &str) -> Value {
    ca.get("auditor", &format!("/api/v1/certificates/{serial}"))
}

pub(crate) fn standing_of(ca: &Ca, serial: &str) -> (String, String) {
    let view = certificate(ca, serial);
    (view["state"].as_str().unwrap().to_owned(), view["reason"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn revoked(reason: &str) -> (String, String) {
    ("revoked".to_owned(), reason.to_owned())
}

pub(crate) fn good() -> (String, String) {
    ("good".to_owned(), String::new())
}

fn by_holder(ca: &Ca, token: &str) -> Output {
    let (server, anchor, pin) = (format!("https://{}", ca.https), ca.path("root.pem"), ca.path("unit.pin"));
    ca.ukey(&["renew", "--server", &server, "--anchor", &anchor, "--token", token, "--pin-file", &pin])
}

fn refusals(ca: &Ca, serial: &str) {
    let with = |kind: &str, name: &str, value: Value| {
        let mut body = body(ca, kind, serial);
        body[name] = value;
        ca.post("clerk", "/api/v1/applications", &body)["title"].as_str().unwrap_or("made").to_owned()
    };
    for (kind, name, value, rule) in [
        ("upgrade", "years", json!(0), "field.invalid"),
        ("new", "years", json!(1), "field.invalid"),
        ("replace", "years", json!(0), "field.invalid"),
        ("replace", "cause", json!("stolen"), "field.invalid"),
        ("revoke", "cause", json!("certificateHold"), "field.invalid"),
        ("hold", "cause", json!("lost"), "field.invalid"),
        ("rekey", "years", json!(1), "years.outside-tariff"),
        ("renew", "years", json!(0), "years.outside-tariff"),
        ("rekey", "certificate", json!("0100"), "not-found"),
        ("rekey", "certificate", json!("zz"), "not-found"),
        ("rekey", "certificate", Value::Null, "field.invalid"),
        ("release", "years", json!(0), "certificate.unfit"),
        ("hold", "documents", json!([]), "document.missing"),
        ("hold", "cps", json!("2020-1"), "cps.outdated"),
        ("hold", "contact", json!("x".repeat(101)), "field.invalid"),
        ("hold", "counter", json!("nowhere"), "counter.unknown"),
    ] {
        assert_eq!(with(kind, name, value.clone()), rule, "{kind} with {name} {value}");
    }
    assert_eq!(standing_of(ca, serial), good());
}

/// 退回、更正、再提交；录入过的人都不能审核；过期自动终止。
fn correction(ca: &Ca) {
    let id = enter(ca, &ca.application_body());
    let path = format!("/api/v1/applications/{id}");
    ca.post("officer", &format!("{path}/rejection"), &json!({ "reasons": "年限有误" }));
    assert_eq!(ca.application(&id)["reasons"], "年限有误");
    let put = |body: &Value| ca.call("clerk", "PUT", &path, Some(body), None).unwrap();
    let mut corrected = ca.application_body();
    corrected["documents"] = json!([]);
    assert_eq!(put(&corrected)["title"], "document.missing");
    let mut other = corrected.clone();
    other["uscc"] = json!("91320106MA1X00017N");
    other["documents"] = Ca::documents();
    assert_eq!(put(&other)["title"], "field.invalid", "another unit is another application");
    assert_eq!(ca.application(&id)["state"], "rejected");
    corrected["documents"] = Ca::documents();
    corrected["years"] = json!(2);
    assert_eq!(put(&corrected)["state"], "submitted");
    let known = ca.application(&id);
    assert_eq!((&known["years"], &known["fee_fen"]), (&json!(2), &json!(35_000)), "{known}");
    // The officer looked at it before it was corrected.
    let stale = ca.post("officer", &format!("{path}/approval?revision=1"), &Value::Null);
    assert_eq!(stale["title"], "stale", "{stale}");
    assert_eq!(known["revision"], 2);
    let approved = ca.post("officer", &format!("{path}/approval?revision=2"), &Value::Null);
    assert_eq!(approved["state"], "approved", "{approved}");
    assert_eq!(put(&corrected)["title"], "wrong-state");
    ca.post("clerk", &format!("{path}/withdrawal"), &Value::Null);
}

/// Hold and release happen as they are approved; the hotline's hold is a call of its own.
fn standing(ca: &Ca, serial: &str) {
    let hold = enter(ca, &body(ca, "hold", serial));
    assert_eq!(ca.application(&hold)["contact"], "025-86590921");
    let listed = ca.get("clerk", "/api/v1/applications?state=submitted").to_string();
    assert!(listed.contains(&hold) && !listed.contains("86590921"), "no contact in a list: {listed}");
    assert_eq!(standing_of(ca, serial), good(), "nothing happens before the decision");
    assert_eq!(approve(ca, &hold)["state"], "done");
    assert_eq!(standing_of(ca, serial).0, "held");
    assert_eq!(ca.application(&hold)["fee_fen"], 0);
    let rekey = ca.post("clerk", "/api/v1/applications", &body(ca, "rekey", serial));
    assert_eq!(rekey["title"], "certificate.unfit", "{rekey}");
    let release = enter(ca, &body(ca, "release", serial));
    assert_eq!(approve(ca, &release)["state"], "done");
    assert_eq!(standing_of(ca, serial), good());
    let withdrawn = ca.post("clerk", &format!("/api/v1/applications/{release}/withdrawal"), &Value::Null);
    assert_eq!(withdrawn["title"], "wrong-state");
}

/// Fewer papers, a smaller gate, no fee: no certificate may come of it, and no other token is opened.
fn unlock(ca: &Ca, serial: &str) {
    let id = enter(ca, &body(ca, "unlock", serial));
    assert_eq!(approve(ca, &id)["state"], "paid");
    let claimed = ca.claim(&id, &ca.blank_token());
    assert_eq!(claimed["title"], "token.other", "{claimed}");
    assert_eq!(ca.application(&id)["state"], "paid");
}

/// The unit has a new name: its certificate says so, for the rest of the paid time, free of charge.
fn change(ca: &Ca, old: &str, token: &str) -> String {
    let recorded = rename(ca, "南京签印认证有限公司");
    assert_eq!(
        (&recorded["certificates"][0]["serial"], &recorded["certificates"][0]["remedy"]),
        (&json!(old), &json!("change")),
        "{recorded}"
    );
    let entered = &recorded["applications"][0];
    let id = entered["id"].as_str().unwrap_or_else(|| panic!("{recorded}"));
    let new = carried_out(ca, ("change", id), old, token);
    assert_eq!(standing_of(ca, old), revoked("affiliationChanged"));
    let output = subject(ca, &new);
    assert!(output.contains("南京签印认证有限公司"), "{output}");
    new
}

fn rename(ca: &Ca, name: &str) -> Value {
    let event = json!({ "kind": "rename", "name": name, "effective_on": "2026-01-05", "basis": "变更通知书", "sha256": "33".repeat(32) });
    ca.post("clerk", &format!("/api/v1/units/{USCC}/events"), &event)
}

fn rekey(ca: &Ca, old: &str, token: &str) -> String {
    let new = executed(ca, "rekey", old, token);
    assert_eq!(standing_of(ca, old), revoked("superseded"));
    new
}

/// Free of charge, executed by the holder, for the rest of the paid time.
fn executed(ca: &Ca, kind: &str, old: &str, token: &str) -> String {
    let id = enter(ca, &body(ca, kind, old));
    carried_out(ca, (kind, &id), old, token)
}

fn carried_out(ca: &Ca, (kind, id): (&str, &str), old: &str, token: &str) -> String {
    let doubled = ca.post("clerk", "/api/v1/applications", &body(ca, kind, old));
    assert_eq!(doubled["title"], "successor.doubled", "{doubled}");
    let early = by_holder(ca, token);
    assert!(!early.status.success() && text(&early).contains("尚不能执行"), "{}", text(&early));
    assert_eq!(approve(ca, id)["state"], "paid", "there is nothing to pay");
    let blank = ca.blank_token();
    assert_eq!(ca.claim(id, &blank)["title"], "renewal.by-holder");
    let output = by_holder(ca, token);
    assert!(output.status.success(), "{}", text(&output));
    let new = ca.application(id)["serial"].as_str().unwrap().to_owned();
    assert_eq!(standing_of(ca, &new), good());
    assert_eq!(certificate(ca, &new)["not_after"], certificate(ca, old)["not_after"]);
    new
}

/// A token that broke within its first year is exchanged free; the old certificate serves until the new one is activated.
fn damaged(ca: &Ca, old: &str) -> (String, String) {
    let mut asked = body(ca, "replace", old);
    asked["cause"] = json!("damaged");
    let id = enter(ca, &asked);
    // What the officer sees is what the certificate will say: who looked before the name changed looks again.
    rename(ca, "南京签印数字认证有限公司");
    let path = format!("/api/v1/applications/{id}");
    let stale = ca.post("officer", &format!("{path}/approval?revision=1"), &Value::Null);
    assert_eq!(stale["title"], "stale", "{stale}");
    assert_eq!(ca.application(&id)["unit_name"], "南京签印数字认证有限公司");
    assert_eq!(ca.call("clerk", "PUT", &path, Some(&asked), None).unwrap()["state"], "submitted");
    assert_eq!(approve(ca, &id)["state"], "paid", "there is nothing to pay");
    let (new, token) = replaced(ca, &id, || assert_eq!(standing_of(ca, old), good()));
    assert_eq!(certificate(ca, &new)["not_after"], certificate(ca, old)["not_after"], "the paid time");
    assert_eq!(standing_of(ca, old), revoked("superseded"));
    (new, token)
}

/// On hold as soon as it is told, revoked when the officer has seen the papers.
fn lost(ca: &Ca, old: &str) -> (String, String) {
    let mut asked = body(ca, "replace", old);
    asked["cause"] = json!("lost");
    asked["documents"].as_array_mut().unwrap().pop();
    let refused = ca.post("clerk", "/api/v1/applications", &asked);
    assert!(refused["facts"]["documents"].as_str().unwrap().contains("遗失声明"), "{refused}");
    assert_eq!(standing_of(ca, old), good(), "a refused application changes nothing");
    let mut asked = body(ca, "replace", old);
    asked["cause"] = json!("lost");
    let id = enter(ca, &asked);
    assert_eq!(standing_of(ca, old).0, "held");
    // A new token for 50 yuan.
    assert_eq!(approve(ca, &id)["state"], "approved");
    assert_eq!(ca.application(&id)["fee_fen"], 5_000);
    let payment =
        json!({ "amount_fen": 5_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
    ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    let (new, token) = replaced(ca, &id, || assert_eq!(standing_of(ca, old), revoked("keyCompromise")));
    assert_eq!(certificate(ca, &new)["not_after"], certificate(ca, old)["not_after"], "the paid time");
    (new, token)
}

pub(crate) fn replaced(ca: &Ca, id: &str, before_activation: impl Fn()) -> (String, String) {
    // Recorded after the approval: nobody approved that name for this certificate, until somebody does.
    let later = format!("南京更名{}有限公司", &id[26..]);
    assert_eq!(rename(ca, &later)["event"]["state"], "applied");
    let token = ca.blank_token();
    assert_eq!(ca.claim(id, &token)["title"], "application.approve-anew");
    assert_eq!(approve(ca, id)["state"], "paid", "what is paid stays paid");
    ca.claim(id, &token);
    wait(60, "personalisation", || ca.application(id)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{id}/hand-over"), &Value::Null);
    let new = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
    before_activation();
    assert!(subject(ca, &new).contains(&later), "{}", subject(ca, &new));
    let output = ca.activate(id, &token);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(standing_of(ca, &new), good());
    (new, token)
}

fn revocation(ca: &Ca, serial: &str) {
    let mut asked = body(ca, "revoke", serial);
    asked["cause"] = json!("cessationOfOperation");
    // An agent who has left, and a unit that has ended, can still have a certificate revoked.
    let pair = format!("/api/v1/agents/{}/units/{USCC}", ca.agent);
    ca.call("clerk", "DELETE", &pair, None, None).unwrap();
    let id = enter(ca, &asked);
    assert_eq!(approve(ca, &id)["state"], "done");
    assert_eq!(standing_of(ca, serial), revoked("cessationOfOperation"));
    let again = ca.post("clerk", "/api/v1/applications", &asked);
    assert_eq!(again["title"], "certificate.unfit");
}

pub(crate) fn subject(ca: &Ca, serial: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let der = STANDARD.decode(certificate(ca, serial)["certificate"].as_str().unwrap()).unwrap();
    let file = ca.dir.join("changed.der");
    std::fs::write(&file, der).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["x509", "-inform", "DER", "-in"])
        .arg(&file)
        .args(["-noout", "-subject", "-nameopt", "utf8"]);
    text(&command.output().unwrap())
}

/// Nobody decided for longer than the policy's days: it ends by itself, and the log says so.
#[test]
fn what_nobody_goes_on_with_expires() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let (old, fresh) = (enter(&ca, &ca.application_body()), enter(&ca, &ca.application_body()));
    ca.stop_server();
    let age = format!(
        "import sqlite3; db = sqlite3.connect({:?}); \
         db.execute('UPDATE application SET entered_at = entered_at - 61 * 86400000 WHERE id = ?', ({old:?},)); db.commit()",
        database_file(&ca)
    );
    assert!(Command::new("python3").args(["-c", &age]).status().unwrap().success());
    ca.serve(&[]);
    wait(10, "the expiry", || ca.application(&old)["state"] == "expired");
    assert_eq!(ca.application(&fresh)["state"], "submitted");
    assert_eq!(approve(&ca, &old)["title"], "wrong-state");
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn database_file(ca: &Ca) -> String {
    let config = std::fs::read_to_string(ca.dir.join("ca-server.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("database")).unwrap();
    let file = line.split('"').nth(1).unwrap().trim_start_matches("sqlite:").to_owned();
    ca.dir.join(file).to_str().unwrap().to_owned()
}
