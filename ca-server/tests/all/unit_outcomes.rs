//! 单位变更、注销时，每张证书和每件未办结申请各得其所，无一遗漏。What becomes of each certificate and each open application of a unit
//! when its name or code changes, and when it ends, wherever each of them stands on that day.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    clients::ocsp,
    kinds::{approve, body, certificate, enter, good, revoked, standing_of, subject},
    renewal::{paid_renewal, renew},
    stock::token,
    support::{Ca, Database, USCC, text, wait},
};

const NAME: &str = "南京签印认证有限公司";
const CODE: &str = "91310115MA1H8R7C67";

#[test]
fn renamed_on_sqlite() {
    renamed(Database::Sqlite);
}

#[test]
fn renamed_on_postgres() {
    renamed(Database::Postgres);
}

#[test]
fn dissolved_on_sqlite() {
    dissolved(Database::Sqlite);
}

#[test]
fn dissolved_on_postgres() {
    dissolved(Database::Postgres);
}

/// What a unit has on the event's day.
struct Unit {
    /// In use, with its token and its renewal, which is paid.
    used: (String, String),
    renewal: String,
    /// On hold: its serial number.
    held: String,
    /// Handed over, not activated: application, certificate, token.
    delivered: (String, String, String),
    /// Made, not handed over: application, certificate, token.
    made: (String, String, String),
    submitted: String,
    approved: String,
    paid: String,
}

fn unit(ca: &Ca) -> Unit {
    let (application, used, used_token) = ca.issue();
    assert!(ca.activate(&application, &used_token).status.success());
    let (application, held, held_token) = ca.issue();
    assert!(ca.activate(&application, &held_token).status.success());
    ca.post("officer", &format!("/api/v1/certificates/{held}/hold"), &Value::Null);
    let delivered = ca.issue();
    let made = made(ca);
    let submitted = enter(ca, &ca.application_body());
    let approved = enter(ca, &ca.application_body());
    assert_eq!(approve(ca, &approved)["state"], "approved");
    let (renewal, paid) = (paid_renewal(ca, &used), ca.paid_application());
    Unit { used: (used, used_token), renewal, held, delivered, made, submitted, approved, paid }
}

/// Personalised, and nobody came for it yet.
fn made(ca: &Ca) -> (String, String, String) {
    let (application, token) = (ca.paid_application(), ca.blank_token());
    let serial = personalised(ca, &application, &token);
    (application, serial, token)
}

fn personalised(ca: &Ca, application: &str, token: &str) -> String {
    let claimed = ca.claim(application, token);
    assert!(claimed["id"].is_string(), "{claimed}");
    wait(60, "personalisation", || ca.application(application)["personalisation"]["state"] == "proved");
    let known = ca.application(application);
    known["serial"].as_str().unwrap_or_else(|| panic!("{known}")).to_owned()
}

fn hand_over(ca: &Ca, application: &str) -> Value {
    ca.post("clerk", &format!("/api/v1/applications/{application}/hand-over"), &Value::Null)
}

fn event(ca: &Ca, who: &str, code: &str, change: Value) -> Value {
    let mut event = json!({ "effective_on": "2026-01-05", "basis": "准予变更登记通知书 18 号", "sha256": "33".repeat(32) });
    event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let recorded = ca.post(who, &format!("/api/v1/units/{code}/events"), &event);
    assert_eq!(recorded["event"]["state"], "applied", "{recorded}");
    recorded
}

/// By object, where it stood and what became of it; each with words for a person in both languages.
fn fates(recorded: &Value) -> BTreeMap<String, (String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_else(|| panic!("{one}")).to_owned();
    let outcomes = recorded["outcomes"].as_array().unwrap_or_else(|| panic!("{recorded}"));
    for one in outcomes {
        assert!(text(one, "zh").ends_with('。') && text(one, "en").ends_with('.'), "{one}");
    }
    outcomes.iter().map(|one| (text(one, "id"), (text(one, "before"), text(one, "fate")))).collect()
}

fn expected(list: &[(&str, &str, &str)]) -> BTreeMap<String, (String, String)> {
    list.iter()
        .map(|(id, before, fate)| ((*id).to_owned(), ((*before).to_owned(), (*fate).to_owned())))
        .collect()
}

/// What the event entered about a certificate, or lets go on for it.
fn application_of(recorded: &Value, serial: &str) -> String {
    let outcomes = recorded["outcomes"].as_array().unwrap();
    let own = outcomes.iter().find(|one| one["id"] == serial).unwrap_or_else(|| panic!("{recorded}"));
    own["application"].as_str().unwrap_or_else(|| panic!("{own}")).to_owned()
}

fn pay(ca: &Ca, application: &str) {
    let fee = ca.application(application)["fee_fen"].clone();
    let payment = json!({ "amount_fen": fee, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{application}") });
    let paid = ca.post("clerk", &format!("/api/v1/applications/{application}/payments"), &payment);
    assert!(paid["id"].is_string(), "{paid}");
}

/// Since when the CRL says that a certificate should have been revoked.
fn invalid_since(ca: &Ca, serial: &str) -> Value {
    ca.rows("status").into_iter().find(|row| row["serial"] == serial).unwrap()["invalid_since"].clone()
}

fn renamed(database: Database) {
    let mut ca = Ca::new(database);
    // Whoever records the event could approve, too, but for having recorded it.
    ca.new_staff("both", "两职", "clerk,reviewer");
    ca.serve(&[]);
    ca.start_counter(&[]);
    let there = unit(&ca);
    let recorded = event(&ca, "both", USCC, json!({ "kind": "rename", "name": NAME }));
    let list = [
        (&*there.used.0, "good", "carried-over"),
        (&there.held, "held", "change-entered"),
        (&there.delivered.1, "not-activated", "change-entered"),
        (&there.made.1, "not-activated", "withdrawn"),
        (&there.made.0, "issued", "approve-anew"),
        (&there.submitted, "submitted", "carried-over"),
        (&there.approved, "approved", "approve-anew"),
        (&there.paid, "paid", "approve-anew"),
        (&there.renewal, "paid", "approve-anew"),
    ];
    assert_eq!(fates(&recorded), expected(&list), "{recorded}");
    let id = recorded["event"]["id"].as_str().unwrap();
    let log = ca.rows("audit");
    for (object, _, fate) in list {
        let said = log.iter().any(|row| {
            let detail = &row["detail"];
            row["action"] == "apply-unit-event"
                && row["object_id"] == object
                && detail["event"] == id
                && detail["fate"] == fate
        });
        assert!(said, "the log says nothing of {object}");
    }
    unmade(&ca, &there);
    not_begun(&ca, &there);
    renewal_goes_on(&ca, &there);
    not_activated(&ca, &there, &application_of(&recorded, &there.delivered.1));
    on_hold(&ca, &there, &application_of(&recorded, &there.held));
    recoded(&mut ca, &there.made);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// Nobody had it: revoked, its token blank; approved anew by another person it is made once more, and nothing is paid twice.
fn unmade(ca: &Ca, there: &Unit) {
    let (application, old, was_on) = &there.made;
    assert_eq!(standing_of(ca, old), revoked("cessationOfOperation"));
    assert_eq!(token(ca, was_on)["state"], "blank");
    assert_eq!(hand_over(ca, application)["title"], "application.approve-anew");
    let blank = ca.blank_token();
    assert_eq!(ca.claim(application, &blank)["title"], "application.approve-anew");
    let own = ca.post("both", &format!("/api/v1/applications/{application}/approval"), &Value::Null);
    assert_eq!(own["title"], "same-person", "{own}");
    assert_eq!(approve(ca, application)["state"], "paid");
    assert_eq!(ca.application(application)["unit_name"], NAME);
    assert_eq!(approve(ca, application)["title"], "wrong-state", "once");
    let new = personalised(ca, application, was_on);
    assert!(subject(ca, &new).contains(NAME), "{}", subject(ca, &new));
    assert!(hand_over(ca, application)["serial"].is_string());
    ca.write_certificate(&new);
    let output = ca.activate(application, was_on);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(standing_of(ca, &new), good());
}

fn not_begun(ca: &Ca, there: &Unit) {
    let known = ca.application(&there.submitted);
    assert_eq!((&known["unit_name"], &known["revision"]), (&json!(NAME), &json!(2)), "{known}");
    let stale = ca.post(
        "officer",
        &format!("/api/v1/applications/{}/approval?revision=1", there.submitted),
        &Value::Null,
    );
    assert_eq!(stale["title"], "stale", "{stale}");
    let own = ca.post("both", &format!("/api/v1/applications/{}/approval", there.submitted), &Value::Null);
    assert_eq!(own["title"], "same-person", "{own}");
    assert_eq!(approve(ca, &there.submitted)["state"], "approved");
    // Paid in the meantime, it waits all the same.
    pay(ca, &there.approved);
    for waiting in [&there.approved, &there.paid] {
        let refused = ca.claim(waiting, &ca.blank_token());
        assert_eq!(refused["title"], "application.approve-anew", "{refused}");
        assert_eq!(approve(ca, waiting)["state"], "paid");
        assert_eq!(ca.application(waiting)["unit_name"], NAME);
    }
}

/// The renewal of the certificate in use says the new name and ends the old one; there is no change beside it.
fn renewal_goes_on(ca: &Ca, there: &Unit) {
    let (old, on) = &there.used;
    std::fs::write(ca.dir.join("unit.pin"), "70718293").unwrap();
    ca.write_certificate(old);
    let early = renew(ca, on);
    assert!(!early.status.success() && text(&early).contains("再次审核"), "{}", text(&early));
    assert_eq!(approve(ca, &there.renewal)["state"], "paid");
    let output = renew(ca, on);
    assert!(output.status.success(), "{}", text(&output));
    let new = ca.application(&there.renewal)["serial"].as_str().unwrap().to_owned();
    assert_eq!((standing_of(ca, old), standing_of(ca, &new)), (revoked("superseded"), good()));
    assert!(subject(ca, &new).contains(NAME), "{}", subject(ca, &new));
    assert!(invalid_since(ca, old).is_i64(), "the CRL says since when");
}

/// It does not begin to serve before its change is decided; then it is changed at once.
fn not_activated(ca: &Ca, there: &Unit, change: &str) {
    let (application, old, on) = &there.delivered;
    ca.write_certificate(old);
    let refused = ca.activate(application, on);
    assert!(!refused.status.success() && text(&refused).contains(change), "{}", text(&refused));
    assert_eq!(standing_of(ca, old).0, "not-activated");
    assert_eq!(approve(ca, change)["state"], "paid", "there is nothing to pay");
    let output = ca.activate_again(on);
    assert!(output.status.success(), "{}", text(&output));
    let output = renew(ca, on);
    assert!(output.status.success(), "{}", text(&output));
    let new = ca.application(change)["serial"].as_str().unwrap().to_owned();
    assert_eq!((standing_of(ca, old), standing_of(ca, &new)), (revoked("affiliationChanged"), good()));
    assert!(subject(ca, &new).contains(NAME), "{}", subject(ca, &new));
}

/// Its change waits for the release, and gives way when the token turns out to be lost.
fn on_hold(ca: &Ca, there: &Unit, change: &str) {
    assert_eq!(approve(ca, change)["title"], "certificate.unfit");
    let mut asked = body(ca, "replace", &there.held);
    asked["cause"] = json!("lost");
    let replacement = enter(ca, &asked);
    assert_eq!(ca.application(change)["state"], "expired");
    assert_eq!(ca.application(&replacement)["unit_name"], NAME);
    assert_eq!(standing_of(ca, &there.held).0, "held");
    let withdrawal = format!("/api/v1/applications/{replacement}/withdrawal");
    assert_eq!(ca.post("clerk", &withdrawal, &Value::Null)["state"], "withdrawn");
}

/// 换发统一社会信用代码: the certificate in use says the new code after its change, and the old one ends.
fn recoded(ca: &mut Ca, (application, _, on): &(String, String, String)) {
    let old = ca.application(application)["serial"].as_str().unwrap().to_owned();
    ca.write_certificate(&old);
    ca.start_portal();
    wait(20, "the portal", || ca.login(on).0 == 200);
    assert!(ca.login(on).1.contains(USCC));
    let recorded = event(ca, "clerk", USCC, json!({ "kind": "new-code", "uscc": CODE }));
    assert_eq!(fates(&recorded)[&old], ("good".to_owned(), "change-entered".to_owned()), "{recorded}");
    let change = application_of(&recorded, &old);
    wait(20, "the portal: nothing ends before the decision", || ca.login(on).0 == 200);
    assert_eq!(approve(ca, &change)["state"], "paid");
    let output = renew(ca, on);
    assert!(output.status.success(), "{}", text(&output));
    let new = ca.application(&change)["serial"].as_str().unwrap().to_owned();
    assert_eq!((standing_of(ca, &old), standing_of(ca, &new)), (revoked("affiliationChanged"), good()));
    wait(20, "OCSP", || ocsp(ca, "unit.pem", &[]).contains("affiliationChanged"));
    // Both keys are on the token until the next renewal clears it.
    let key = ca.key_uri_of(&old, on);
    wait(20, "the portal's refusal", || ca.login_by(&key).0 == 403);
    let key = ca.key_uri_of(&new, on);
    ca.write_certificate(&new);
    wait(20, "the portal", || ca.login_by(&key).0 == 200);
    assert!(ca.login_by(&key).1.contains(CODE), "{}", ca.login_by(&key).1);
}

/// Everything ends: at once what nobody has, by another person's decision what somebody uses; nothing begins meanwhile.
fn dissolved(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_portal();
    ca.start_counter(&[]);
    let there = unit(&ca);
    let (used, on) = &there.used;
    ca.write_certificate(used);
    wait(20, "the portal", || ca.login(on).0 == 200);
    let recorded = event(&ca, "clerk", USCC, json!({ "kind": "dissolution" }));
    let list = [
        (&**used, "good", "revocation-entered"),
        (&there.held, "held", "revocation-entered"),
        (&there.delivered.1, "not-activated", "revocation-entered"),
        (&there.made.1, "not-activated", "withdrawn"),
        (&there.made.0, "issued", "stopped"),
        (&there.submitted, "submitted", "expired"),
        (&there.approved, "approved", "expired"),
        (&there.paid, "paid", "stopped"),
        (&there.renewal, "paid", "stopped"),
    ];
    assert_eq!(fates(&recorded), expected(&list), "{recorded}");

    // What nobody has is revoked; nothing is made, activated or released.
    assert_eq!(standing_of(&ca, &there.made.1), revoked("cessationOfOperation"));
    assert_eq!(token(&ca, &there.made.2)["state"], "blank");
    for stopped in [&there.made.0, &there.paid] {
        assert_eq!(ca.claim(stopped, &ca.blank_token())["title"], "unit.ended");
    }
    let refused = renew(&ca, on);
    assert!(!refused.status.success() && text(&refused).contains("合并或注销"), "{}", text(&refused));
    ca.write_certificate(&there.delivered.1);
    let refused = ca.activate(&there.delivered.0, &there.delivered.2);
    assert!(!refused.status.success() && text(&refused).contains("合并或注销"), "{}", text(&refused));
    let released = ca.post("officer", &format!("/api/v1/certificates/{}/release", there.held), &Value::Null);
    assert_eq!(released["title"], "unit.ended", "{released}");
    assert_eq!(standing_of(&ca, &there.held).0, "held");
    let order = ca.get("clerk", &format!("/api/v1/applications/{}/order", there.approved));
    assert_eq!((&order["state"], &order["outstanding_fen"]), (&json!("cancelled"), &json!(0)), "{order}");
    refunded(&ca, &there.paid);

    // Another person decides, and every relying party hears it.
    ca.write_certificate(used);
    wait(20, "the portal: nothing ends before the decision", || ca.login(on).0 == 200);
    for serial in [used, &there.held, &there.delivered.1] {
        let revocation = application_of(&recorded, serial);
        let known = ca.application(&revocation);
        assert_eq!((&known["kind"], &known["cause"]), (&json!("revoke"), &json!("cessationOfOperation")));
        assert_eq!(approve(&ca, &revocation)["state"], "done");
        assert_eq!(standing_of(&ca, serial), revoked("cessationOfOperation"));
        // It is younger than the dissolution: it should never have been.
        let row = ca.rows("certificate").into_iter().find(|row| row["serial"] == **serial).unwrap();
        assert_eq!(invalid_since(&ca, serial), row["not_before"]);
    }
    wait(20, "OCSP", || ocsp(&ca, "unit.pem", &[]).contains("cessationOfOperation"));
    wait(20, "the portal's refusal", || ca.login(on).0 == 403);
    assert_eq!(certificate(&ca, used)["state"], "revoked");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// What was paid for nothing goes back, by two persons.
fn refunded(ca: &Ca, application: &str) {
    let refund = json!({ "kind": "refund", "amount_fen": 20_000, "reason": "单位注销", "into_credit": true });
    let asked = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &refund);
    let id = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}"));
    let decided = ca.post("officer", &format!("/api/v1/adjustments/{id}/approval"), &Value::Null);
    assert_eq!(decided["state"], "approved", "{decided}");
    assert_eq!(ca.application(application)["state"], "withdrawn");
}
