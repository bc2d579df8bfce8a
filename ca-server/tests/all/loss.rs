//! U-key 丢失：弱证明只能挂失，恢复与吊销须经申请；到期自动结束。A token that is gone: weak proof holds and does nothing else, a hold
//! ends by an application or by itself; on both databases, with a crash at each write.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    kinds::{approve, body, certificate, enter, standing_of},
    money_crash::points,
    support::{Ca, Database, USCC, text, wait},
};

const DAY: i64 = 86_400_000;
const OTHER: &str = "91320106MA1X00017N";

#[test]
fn on_sqlite() {
    loss(Database::Sqlite);
}

#[test]
fn on_postgres() {
    loss(Database::Postgres);
}

fn loss(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    crashes(&mut ca, &serial);
    refusals(&ca, &serial);
    by_telephone(&ca, &serial, &token);
    another_reason(&ca, &serial);
    by_account(&ca, &serial);
    ends_by_itself(&mut ca, &serial);
    // The paid time is not lost with it.
    let mut asked = body(&ca, "replace", &serial);
    asked["cause"] = json!("lost");
    enter(&ca, &asked);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    let stolen = ca.stolen();
    for file in ["export.jsonl", "server.log"] {
        let octets = std::fs::read(ca.dir.join(file)).unwrap();
        for clear in ["13912345678", "出租车"] {
            assert!(!contains(&octets, clear), "{clear} in {file}");
        }
    }
    assert!(!contains(&stolen, "13912345678") && !contains(&stolen, "出租车"), "in the database");
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|part| part == text.as_bytes())
}

fn call(certificate: &str) -> Value {
    json!({
        "uscc": USCC, "agent_name": "张三", "id_card_tail": "002x", "certificate": certificate,
        "phone": "13912345678", "reason": "忘在出租车上",
    })
}

fn report(ca: &Ca, body: &Value) -> Value {
    ca.post("clerk", "/api/v1/hotline/holds", body)
}

fn holds(ca: &Ca, serial: &str) -> Vec<Value> {
    ca.get("auditor", &format!("/api/v1/certificates/{serial}/holds")).as_array().unwrap().clone()
}

fn state(ca: &Ca, serial: &str) -> String {
    certificate(ca, serial)["state"].as_str().unwrap().to_owned()
}

/// Entered by a clerk, decided by an officer: the only way back.
fn release(ca: &Ca, serial: &str) {
    let id = enter(ca, &body(ca, "release", serial));
    assert_eq!(approve(ca, &id)["state"], "done");
    assert_eq!(state(ca, serial), "good");
}

/// Cut short and sent again: on hold once, told once.
fn crashes(ca: &mut Ca, serial: &str) {
    for point in points(WriteSite::ReportLoss) {
        let told = ca.notices("certificate-held").len();
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        let cut = ca.call("clerk", "POST", "/api/v1/hotline/holds", Some(&call("all")), Some("loss"));
        assert!(cut.is_err(), "{point}");
        wait(10, "the crash", || ca.server_is_gone());
        ca.serve(&[]);
        let again = report(ca, &call("all"));
        let one = &again["certificates"][0];
        assert_eq!((&one["state"], &one["before"]), (&json!("held"), &json!(point.ends_with("after"))));
        let open: Vec<Value> =
            holds(ca, serial).into_iter().filter(|hold| hold["ended_at"] == Value::Null).collect();
        assert_eq!(open.len(), 1, "{point}");
        assert_eq!(ca.notices("certificate-held").len(), told + 1, "{point}");
        release(ca, serial);
    }
}

/// Whatever part is wrong, the answer is the same; five of them, and the unit is not served for an hour, right or wrong.
fn refusals(ca: &Ca, serial: &str) {
    let of_other = |certificate: &str| {
        let mut body = call(certificate);
        body["uscc"] = json!(OTHER);
        body
    };
    let changed = |name: &str, value: &str| {
        let mut body = of_other("all");
        body[name] = json!(value);
        report(ca, &body)
    };
    assert_eq!(report(ca, &of_other("all"))["certificates"], json!([]), "it has none");
    for (name, value) in [("phone", "12"), ("reason", ""), ("reason", "证件 11010519491231002X")] {
        assert_eq!(changed(name, value)["title"], "field.invalid", "{name} {value}");
    }
    let mut answers = Vec::new();
    for (name, value) in [
        ("agent_name", "李四"),
        ("id_card_tail", "0021"),
        ("id_card_tail", "X"),
        ("certificate", "NOSUCHTOKEN"),
        // Another unit's certificate.
        ("certificate", serial),
        // A code of nobody, and no code at all: not counted for this one.
        ("uscc", "91310115MA1H8R7C67"),
        ("uscc", "11010519491231002X"),
    ] {
        answers.push(changed(name, value));
    }
    for answer in &answers {
        assert_eq!(answer["title"], "hotline.wrong", "{answer}");
        assert_eq!(answer, &answers[0], "the same whatever was wrong");
    }
    let locked = report(ca, &of_other("all"));
    assert_eq!((&locked["title"], &locked["status"]), (&json!("hotline.locked"), &json!(429)), "{locked}");
    for role in ["officer", "auditor"] {
        let refused = ca.post(role, "/api/v1/hotline/holds", &call("all"));
        assert_eq!(refused["title"], "auth.not-permitted", "{role}: {refused}");
    }
    assert_eq!(state(ca, serial), "good");
    let log = ca.rows("audit").into_iter().filter(|entry| entry["action"] == "report-loss");
    let log = log.map(|entry| entry.to_string()).collect::<String>();
    assert!(log.contains("hotline.wrong") && log.contains("hotline.locked"), "{log}");
    assert!(!log.contains("李四") && !log.contains("11010519491231002X"), "{log}");
}

/// An hour after the first of five wrong tries the unit is served again.
#[test]
fn the_hour_passes() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let mut wrong = call("all");
    wrong["id_card_tail"] = json!("0000");
    for _ in 0..5 {
        assert_eq!(report(&ca, &wrong)["title"], "hotline.wrong");
    }
    assert_eq!(report(&ca, &call("all"))["title"], "hotline.locked");
    ca.stop_server();
    // Past the program: it cannot change the log.
    ca.sql("DROP TRIGGER audit_no_update; UPDATE audit SET at = at - 3600000 WHERE rule = 'hotline.wrong'");
    ca.serve(&[]);
    assert_eq!(report(&ca, &call("all"))["certificates"], json!([]));
}

fn by_telephone(ca: &Ca, serial: &str, token: &str) {
    let held = report(ca, &call(token));
    let one = &held["certificates"][0];
    assert_eq!((&one["serial"], &one["token"]), (&json!(serial), &json!(token)), "{held}");
    assert_eq!(
        (&one["state"], &one["before"], &one["end"]),
        (&json!("held"), &json!(false), &json!("revoke"))
    );
    assert_eq!(crate::stock::token(ca, token)["state"], "held");
    let again = report(ca, &call(serial));
    assert_eq!(again["certificates"][0]["before"], true, "{again}");
    assert_eq!(again["certificates"][0]["held_since"], one["held_since"], "{again}");
    let known = holds(ca, serial).pop().unwrap();
    assert_eq!((&known["reason"], &known["caller"]), (&json!("lost"), &json!("13912345678\n忘在出租车上")));
    // An officer alone does not release it, nor does the command line.
    let path = format!("/api/v1/certificates/{serial}/release");
    assert_eq!(ca.post("officer", &path, &Value::Null)["title"], "hold.lost");
    let output = ca.ca_server(&["release", serial]);
    assert!(!output.status.success() && text(&output).contains("挂失"), "{}", text(&output));
    // Who answers the telephone neither releases nor revokes.
    assert_eq!(ca.post("clerk", &path, &Value::Null)["title"], "auth.not-permitted");
    let revoke = format!("/api/v1/certificates/{serial}/revocation");
    let body = json!({ "reason": "keyCompromise" });
    assert_eq!(ca.post("clerk", &revoke, &body)["title"], "auth.not-permitted");
    assert_eq!(state(ca, serial), "held");
    release(ca, serial);
    assert_eq!(holds(ca, serial).pop().unwrap()["outcome"], "released");
}

/// On hold for another reason, then said to be gone: what would have released it before does so no longer.
fn another_reason(ca: &Ca, serial: &str) {
    let path = format!("/api/v1/certificates/{serial}/hold");
    assert_eq!(ca.post("officer", &path, &Value::Null)["state"], "held");
    let reported = report(ca, &call("all"));
    assert_eq!(reported["certificates"][0]["before"], true, "{reported}");
    let release_path = format!("/api/v1/certificates/{serial}/release");
    assert_eq!(ca.post("officer", &release_path, &Value::Null)["title"], "hold.lost");
    let known = holds(ca, serial);
    let [.., before, now] = &known[..] else { panic!("{known:?}") };
    assert_eq!((&before["reason"], &before["outcome"]), (&json!("staff"), &json!("replaced")));
    assert_eq!((&now["reason"], &now["outcome"]), (&json!("lost"), &Value::Null));
    release(ca, serial);
    ca.post("officer", &path, &Value::Null);
    assert_eq!(ca.post("officer", &release_path, &Value::Null)["state"], "good", "as before");
}

fn by_account(ca: &Ca, serial: &str) {
    let unit = account(ca, &format!("/api/v1/units/{USCC}/account"), "unit", None);
    let other = account(ca, &format!("/api/v1/units/{OTHER}/account"), "unit", None);
    let path = format!("/api/v1/agents/{}/account", ca.agent);
    let agent = account(ca, &path, "agent", Some("11010519491231002X"));
    let hold = format!("/api/v1/own/certificates/{serial}/hold");
    let (status, answer) = ca.account(&other, "POST", &hold, Some(&json!({})));
    assert_eq!((status, &answer["title"]), (404, &json!("not-found")), "another's is not there: {answer}");
    for token in [&unit, &agent] {
        let (status, held) = ca.account(token, "POST", &hold, Some(&json!({})));
        assert_eq!((status, &held["state"], &held["before"]), (200, &json!("held"), &json!(false)), "{held}");
        let (_, again) = ca.account(token, "POST", &hold, Some(&json!({})));
        assert_eq!((&again["before"], &again["held_since"]), (&json!(true), &held["held_since"]));
        // A password neither releases nor revokes, on whatever path it is tried.
        for end in ["release", "revocation"] {
            for place in ["certificates", "own/certificates"] {
                let path = format!("/api/v1/{place}/{serial}/{end}");
                let body = json!({ "reason": "keyCompromise" });
                let (status, refused) = ca.account(token, "POST", &path, Some(&body));
                assert!(matches!(status, 401 | 404), "{path}: {status} {refused}");
            }
        }
        let (status, _) =
            ca.account(token, "POST", "/api/v1/applications", Some(&body(ca, "release", serial)));
        assert_eq!(status, 401);
        assert_eq!(state(ca, serial), "held");
        release(ca, serial);
    }
}

fn account(ca: &Ca, path: &str, role: &str, name: Option<&str>) -> String {
    let opened = ca.call("clerk", "PUT", path, Some(&json!({})), None).unwrap();
    let name = name.unwrap_or_else(|| opened["name"].as_str().unwrap());
    ca.settle_account(role, name, opened["password"].as_str().unwrap(), "梧桐树下-2026")
}

/// Told 7 days before, ended on its day; killed at each write, once.
fn ends_by_itself(ca: &mut Ca, serial: &str) {
    report(ca, &call("all"));
    let id = holds(ca, serial).pop().unwrap()["id"].as_str().unwrap().to_owned();
    ca.serve(&[]);
    assert_eq!(ca.notices("hold-ending").len(), 0, "too early");
    ca.stop_server();
    ca.sql(&format!("UPDATE hold SET due_at = due_at - {} WHERE id = '{id}'", 24 * DAY));
    killed(ca);
    let told = holds(ca, serial).pop().unwrap();
    assert!(told["told_at"].is_string() && told["ended_at"] == Value::Null, "{told}");
    assert_eq!(state(ca, serial), "held");
    assert_eq!(ca.notices("hold-ending").len(), 1);
    // Asked to be released, and nobody decided it: nothing ends before that.
    let asked = enter(ca, &body(ca, "release", serial));
    ca.stop_server();
    ca.sql(&format!("UPDATE hold SET due_at = due_at - {} WHERE id = '{id}'", 8 * DAY));
    ca.serve(&[]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(state(ca, serial), "held");
    ca.post("officer", &format!("/api/v1/applications/{asked}/rejection"), &json!({ "reasons": "证件不符" }));
    ca.stop_server();
    killed(ca);
    assert_eq!(standing_of(ca, serial), ("revoked".to_owned(), "keyCompromise".to_owned()));
    let ended = holds(ca, serial).pop().unwrap();
    assert_eq!((&ended["outcome"], &ended["ended_by"]), (&json!("revoked"), &json!("system:holds")));
    assert_eq!(ca.notices("hold-ended").len(), 1);
    let entries = ca.rows("audit");
    let by_itself = entries.iter().filter(|entry| entry["actor"] == "system:holds").count();
    assert_eq!(by_itself, 1, "once");
}

/// The server dies before and after the next write of a hold, then lives.
fn killed(ca: &mut Ca) {
    for point in points(WriteSite::EndHold) {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        wait(20, "the crash", || ca.server_is_gone());
    }
    ca.serve(&[]);
}

/// What the policy releases by itself; and a lost token is never among it.
#[test]
fn released_by_itself_where_the_policy_says_so() {
    let mut ca = Ca::new(Database::Sqlite);
    let never = "[hold.application]\nhold-end = \"never\"";
    ca.change_policy("status.toml", never, "[hold.application]\nhold-days = 10\nhold-end = \"release\"");
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let id = enter(&ca, &body(&ca, "hold", &serial));
    assert_eq!(approve(&ca, &id)["state"], "done");
    ca.stop_server();
    ca.sql(&format!("UPDATE hold SET due_at = due_at - {}", 4 * DAY));
    killed(&mut ca);
    assert_eq!(state(&ca, &serial), "held");
    ca.stop_server();
    ca.sql(&format!("UPDATE hold SET due_at = due_at - {}", 8 * DAY));
    killed(&mut ca);
    assert_eq!(state(&ca, &serial), "good");
    assert_eq!(crate::stock::token(&ca, &token)["state"], "active");
    let ended = holds(&ca, &serial).pop().unwrap();
    assert_eq!((&ended["outcome"], &ended["ended_by"]), (&json!("released"), &json!("system:holds")));
    ca.stop_server();
    ca.change_policy("status.toml", "hold-end = \"revoke\"", "hold-end = \"release\"");
    let refused = ca.ca_server(&["serve"]);
    assert!(!refused.status.success() && text(&refused).contains("lost token"), "{}", text(&refused));
}

/// One visit: the old certificate is revoked, the new one has the rest of the paid time, and the portal knows the same unit.
#[test]
fn replaced_in_one_visit() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_portal();
    ca.start_counter(&[]);
    let (application, old, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let unit = |page: &str| serde_json::from_str::<Value>(page).unwrap();
    wait(20, "the portal", || ca.login(&token).0 == 200);
    let before = unit(&ca.login(&token).1);
    let mut asked = body(&ca, "replace", &old);
    asked["cause"] = json!("lost");
    let id = enter(&ca, &asked);
    assert_eq!(holds(&ca, &old).pop().unwrap()["reason"], "lost");
    approve(&ca, &id);
    wait(20, "the refusal", || ca.login(&token).0 == 403);
    let fee = ca.application(&id)["fee_fen"].clone();
    let payment =
        json!({ "amount_fen": fee, "currency": "CNY", "method": "cash", "receipt_no": "R-replace" });
    ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    let (new, second) = crate::kinds::replaced(&ca, &id, || {
        assert_eq!(standing_of(&ca, &old), ("revoked".to_owned(), "keyCompromise".to_owned()));
    });
    assert_eq!(certificate(&ca, &new)["not_after"], certificate(&ca, &old)["not_after"]);
    let key = |serial: &str| {
        let rows = ca.rows("intent");
        rows.into_iter().find(|row| row["serial"] == serial).unwrap()["spki_sha256"].clone()
    };
    assert_ne!(key(&old), key(&new), "a new key");
    ca.write_certificate(&new);
    wait(20, "the portal", || ca.login(&second).0 == 200);
    let after = unit(&ca.login(&second).1);
    assert_eq!(after["code"], before["code"], "{after}");
    assert_eq!(holds(&ca, &old).pop().unwrap()["outcome"], "revoked");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

#[test]
fn repaired_on_sqlite() {
    repaired(Database::Sqlite);
}

#[test]
fn repaired_on_postgres() {
    repaired(Database::Postgres);
}

/// While the U-key is repaired another one serves for seven days; when it is back, it serves again and the other no longer.
fn repaired(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, old, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let mut asked = body(&ca, "replace", &old);
    asked["cause"] = json!("repair");
    let id = enter(&ca, &asked);
    let doubled = ca.post("clerk", "/api/v1/applications", &asked);
    assert_eq!(doubled["title"], "successor.doubled", "{doubled}");
    assert_eq!(approve(&ca, &id)["state"], "paid", "there is nothing to pay");
    let (new, lent) = crate::kinds::replaced(&ca, &id, || assert_eq!(state(&ca, &old), "good"));
    assert_eq!(state(&ca, &old), "held");
    assert_eq!(holds(&ca, &old).pop().unwrap()["reason"], "repair");
    assert_eq!(crate::stock::token(&ca, &token)["state"], "held");
    assert_eq!(crate::stock::token(&ca, &lent)["state"], "active");
    let time = |serial: &str, end: &str| {
        certificate(&ca, serial)[end].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
    };
    assert_eq!(time(&new, "not_after") - time(&new, "not_before"), 7 * 86_400 - 1);
    assert!(time(&new, "not_after") < time(&old, "not_after"));
    // Nothing comes after it, and there is one at a time.
    for kind in ["rekey", "renew", "change"] {
        let mut after = body(&ca, kind, &new);
        after["years"] = json!(u8::from(kind == "renew"));
        assert_eq!(ca.post("clerk", "/api/v1/applications", &after)["title"], "certificate.unfit", "{kind}");
    }
    assert_eq!(ca.post("clerk", "/api/v1/applications", &asked)["title"], "certificate.unfit");
    // The server orders no renewal of it by itself, though it ends soon.
    ca.serve(&[]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let renewals = ca.rows("application").into_iter().filter(|row| row["kind"] == "renew").count();
    assert_eq!(renewals, 0);
    release(&ca, &old);
    assert_eq!(standing_of(&ca, &new), ("revoked".to_owned(), "superseded".to_owned()));
    assert_eq!(crate::stock::token(&ca, &token)["state"], "active");
    assert_eq!(crate::stock::token(&ca, &lent)["state"], "terminated");
    // What was repaired can be renewed, repaired again, and replaced as ever.
    let again = enter(&ca, &asked);
    ca.post("clerk", &format!("/api/v1/applications/{again}/withdrawal"), &Value::Null);
    // The unit was renamed meanwhile: the event entered a change, which is the one successor until it is withdrawn.
    let of_event = |row: &Value| row["kind"] == "change";
    let change = ca.rows("application").into_iter().find(of_event).unwrap();
    let rekey = body(&ca, "rekey", &old);
    assert_eq!(ca.post("clerk", "/api/v1/applications", &rekey)["title"], "successor.doubled");
    let change = format!("/api/v1/applications/{}/withdrawal", change["id"].as_str().unwrap());
    ca.post("clerk", &change, &Value::Null);
    enter(&ca, &rekey);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}
