//! Step 11: the holder renews on the own token. What is refused, and what a crash at each write leaves behind.

use std::process::Output;

use crate::support::{CPS, Ca, Database, USCC, text, wait};
use serde_json::{Value, json};

/// A unit that `testdata/units.toml` registers besides.
const OTHER: &str = "91320106MA1X00017N";
pub(crate) const WRITES: [&str; 7] = [
    "claim-application",
    "record-intent",
    "sign",
    "commit-issued",
    "write-certificate",
    "prove-key",
    "activate-certificate",
];

#[test]
fn a_crash_at_any_write_on_sqlite() {
    crash_everywhere(Database::Sqlite);
}

#[test]
fn a_crash_at_any_write_on_postgres() {
    crash_everywhere(Database::Postgres);
}

/// The server dies at each write in turn; the holder starts the same command again each time.
fn crash_everywhere(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, mut old, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    for moment in ["before", "after"] {
        let renewal = paid_renewal(&ca, &old);
        for write in WRITES {
            let crash = format!("{write}:{moment}");
            ca.serve(&[("QIANYIN_CRASH", &crash)]);
            let output = renew(&ca, &token);
            assert!(!output.status.success(), "{crash} was not reached: {}", text(&output));
            wait(10, &crash, || ca.server_is_gone());
        }
        ca.serve(&[]);
        let output = renew(&ca, &token);
        assert!(output.status.success(), "{}", text(&output));
        let new = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
        assert!(text(&output).contains(&new), "{}", text(&output));
        assert_eq!(certificate(&ca, &new)["state"], "good");
        let ended = certificate(&ca, &old);
        assert_eq!((&ended["state"], &ended["reason"]), (&json!("revoked"), &json!("superseded")));
        assert_eq!(ca.application(&renewal)["state"], "active");
        old = new;
    }
    ca.stop_others();
    ca.stop_server();
    // Who renews has the token in hand: nobody is called to the counter for it.
    let ready = ca.rows("notice").into_iter().filter(|row| row["template"] == "ready-for-collection").count();
    assert_eq!(ready, 1);
    ca.assert_audit_is_clean();
}

#[test]
fn what_is_refused() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    let before_activation = enter(&ca, &serial, 1);
    assert_eq!(before_activation["title"], "certificate.unfit", "{before_activation}");
    assert!(ca.activate(&application, &token).status.success());

    stops(&renew(&ca, &token), "没有为证书");
    let too_long = enter(&ca, &serial, 3);
    assert_eq!(too_long["title"], "renewal.too-long", "{too_long}");
    let unknown = enter(&ca, "0100", 1);
    assert_eq!(unknown["title"], "not-found", "{unknown}");
    // Another unit of the imported ones, with the same agent.
    let pair = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &pair, Some(&json!({ "uscc": OTHER })), None).unwrap();
    let mut of_other = body(&ca, &serial, 1);
    of_other["uscc"] = json!(OTHER);
    let of_other = ca.post("clerk", "/api/v1/applications", &of_other);
    assert_eq!(of_other["title"], "certificate.of-other-unit", "{of_other}");
    let mut without = body(&ca, &serial, 1);
    without["documents"] = json!([]);
    assert_eq!(ca.post("clerk", "/api/v1/applications", &without)["title"], "document.missing");

    let entered = enter(&ca, &serial, 1);
    let id = entered["id"].as_str().unwrap_or_else(|| panic!("{entered}")).to_owned();
    assert_eq!(ca.application(&id)["fee_fen"], 15_000, "a renewal needs no token");
    let doubled = enter(&ca, &serial, 1);
    assert_eq!(doubled["title"], "successor.doubled", "{doubled}");
    stops(&renew(&ca, &token), "尚不能执行");
    // While the certificate is on hold, its renewal is neither approved nor paid for.
    let change =
        |what: &str| ca.post("officer", &format!("/api/v1/certificates/{serial}/{what}"), &Value::Null);
    change("hold");
    let approval = format!("/api/v1/applications/{id}/approval");
    assert_eq!(ca.post("officer", &approval, &Value::Null)["title"], "certificate.unfit");
    change("release");
    ca.post("officer", &approval, &Value::Null);
    change("hold");
    let payment = json!({ "amount_fen": 15_000, "currency": "CNY", "method": "cash", "receipt_no": "R-0" });
    let refused = ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    assert_eq!(refused["title"], "certificate.unfit", "{refused}");
    change("release");
    approve_and_pay(&ca, &id);

    // Nothing is made at the counter: the token is the holder's, and so is its PIN.
    let claimed = ca.claim(&id, &ca.blank_token());
    assert_eq!(claimed["title"], "renewal.by-holder", "{claimed}");
    std::fs::write(ca.dir.join("wrong.pin"), "99887766").unwrap();
    stops(&renew_with(&ca, &token, "wrong.pin"), "口令");
    std::fs::write(ca.dir.join("initial.pin"), "123456").unwrap();
    stops(&renew_with(&ca, &token, "initial.pin"), "初始口令");
    ca.post("officer", &format!("/api/v1/certificates/{serial}/hold"), &Value::Null);
    stops(&renew(&ca, &token), "held");
    ca.post("officer", &format!("/api/v1/certificates/{serial}/release"), &Value::Null);

    let output = renew(&ca, &token);
    assert!(output.status.success(), "{}", text(&output));
    // Said again, nothing happens again.
    let again = renew(&ca, &token);
    assert!(again.status.success() && text(&again).contains("已续期"), "{}", text(&again));
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// Whoever entered a renewal and may personalise tokens must not get a key of their own certified by it.
#[test]
fn nobody_but_the_holder_can_execute_a_renewal() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let renewal = paid_renewal(&ca, &serial);
    // The holder's program stops after its claim: the attempt waits, with the clerk as the one who entered it.
    ca.serve(&[("QIANYIN_CRASH", "claim-application:after")]);
    assert!(!renew(&ca, &token).status.success());
    ca.serve(&[]);
    assert_eq!(ca.application(&renewal)["personalisation"]["state"], "initialised");
    let exchange = json!({ "tokens": [{ "serial": token }], "report": null });
    for name in [format!("holder:{serial}"), format!("holder%3A{serial}")] {
        let path = format!("/api/v1/workstations/{name}/exchange");
        let answer = ca.call("clerk", "POST", &path, Some(&exchange), None).unwrap();
        assert_eq!(answer["title"], "field.invalid", "{answer}");
    }
    // Nor can a counter take the name, so that the holder would find it taken.
    let (other, blank) = (ca.paid_application(), ca.blank_token());
    let claim = json!({ "workstation": format!("holder:{serial}"), "token": blank });
    let refused = ca.post("clerk", &format!("/api/v1/applications/{other}/personalisation"), &claim);
    assert_eq!(refused["title"], "field.invalid", "{refused}");

    // Given up after the certificate was made, the attempt's certificate authenticates nobody, though its key is there.
    ca.serve(&[("QIANYIN_CRASH", "write-certificate:after")]);
    assert!(!renew(&ca, &token).status.success());
    ca.serve(&[]);
    let made = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
    let give_up = format!("/api/v1/applications/{renewal}/personalisation/abandonment");
    ca.post("clerk", &give_up, &json!({ "reasons": "给错了" }));
    assert_eq!(certificate(&ca, &made)["state"], "revoked");
    // Its holder goes on with the old one, which is still good, and gets another certificate; nothing is paid twice.
    let output = renew(&ca, &token);
    assert!(output.status.success(), "{}", text(&output));
    let again = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
    assert!(again != made && certificate(&ca, &again)["state"] == "good");
    assert_eq!(certificate(&ca, &made)["state"], "revoked");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn body(ca: &Ca, serial: &str, years: u32) -> Value {
    let form = json!({ "kind": "nanjing-hrss-application", "sha256": "00".repeat(32) });
    json!({ "uscc": USCC, "agent": ca.agent, "years": years, "kind": "renew", "certificate": serial, "cps": CPS, "documents": [form] })
}

pub(crate) fn enter(ca: &Ca, serial: &str, years: u32) -> Value {
    ca.post("clerk", "/api/v1/applications", &body(ca, serial, years))
}

pub(crate) fn paid_renewal(ca: &Ca, serial: &str) -> String {
    let entered = enter(ca, serial, 1);
    let id = entered["id"].as_str().unwrap_or_else(|| panic!("{entered}")).to_owned();
    approve_and_pay(ca, &id);
    id
}

fn approve_and_pay(ca: &Ca, id: &str) {
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let payment =
        json!({ "amount_fen": 15_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
    let paid = ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    assert!(paid["id"].is_string(), "{paid}");
}

pub(crate) fn renew(ca: &Ca, token: &str) -> Output {
    renew_with(ca, token, "unit.pin")
}

fn renew_with(ca: &Ca, token: &str, pin: &str) -> Output {
    let (server, anchor, pin) = (format!("https://{}", ca.https), ca.path("root.pem"), ca.path(pin));
    ca.ukey(&["renew", "--server", &server, "--anchor", &anchor, "--token", token, "--pin-file", &pin])
}

fn stops(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    assert!(text(output).contains(says), "{says} is not in: {}", text(output));
}

pub(crate) fn certificate(ca: &Ca, serial: &str) -> Value {
    ca.get("auditor", &format!("/api/v1/certificates/{serial}"))
}
