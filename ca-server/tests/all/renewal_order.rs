//! 到期前自动生成续期订单：付款即可执行，新证书从旧证书到期之时起算。Renewals that nobody applies for: ordered, paid at a gateway
//! and executed by the holder, with a crash at each write in between, before it on one database and after
//! it on the other.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    online::{open, order, payments, start, text_of},
    renewal::{WRITES, certificate, enter, renew},
    support::{Ca, Database, USCC, text, wait},
};

#[test]
fn by_itself_on_sqlite() {
    by_itself(Database::Sqlite, ["before", "after"]);
}

#[test]
fn by_itself_on_postgres() {
    by_itself(Database::Postgres, ["after", "before"]);
}

/// A year before its end, so that the certificates of a test are near enough.
fn ahead(ca: &Ca) {
    ca.change_policy("applications.toml", "days-before = 90", "days-before = 400");
}

fn prospects(ca: &Ca, query: &str) -> Vec<Value> {
    let listed = ca.get("clerk", &format!("/api/v1/renewals?days=366{query}"));
    assert_eq!(listed["next"], Value::Null, "{listed}");
    listed["renewals"].as_array().unwrap_or_else(|| panic!("{listed}")).clone()
}

/// Starts the server, and waits until it has looked for renewals to order.
fn serve_and_look(ca: &mut Ca) {
    let file = ca.dir.join("server.log");
    let looks = || std::fs::read_to_string(&file).unwrap().matches("renewals ordered").count();
    let before = looks();
    ca.serve(&[("RUST_LOG", "info")]);
    wait(20, "a look", || looks() > before);
}

/// The server dies at each write from the order to the renewed certificate; it is charged once and issued once.
fn by_itself(database: Database, moments: [&str; 2]) {
    let mut moments = moments.into_iter().cycle();
    let mut crash = |write: &str| format!("{write}:{}", moments.next().unwrap_or_default());
    let (mut ca, gateway, _bank) = start(database);
    ca.start_counter(&[]);
    let (application, old, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    assert_eq!(prospects(&ca, "")[0]["state"], "open");
    ca.stop_server();
    ahead(&ca);
    ca.serve(&[("QIANYIN_CRASH", &crash(WriteSite::OrderRenewal.name()))]);
    wait(20, "the order", || ca.server_is_gone());
    ca.serve(&[]);
    wait(20, "the order", || prospects(&ca, "&state=approved").len() == 1);
    let listed = prospects(&ca, "").remove(0);
    assert_eq!((&listed["certificate"], &listed["by_itself"]), (&json!(old), &json!(true)), "{listed}");
    let id = text_of(&listed, "application").to_owned();
    let known = ca.application(&id);
    assert_eq!(
        (&known["entered_by"], &known["kind"]),
        (&json!("system:renewals"), &json!("renew")),
        "{known}"
    );
    let due = ca.get("clerk", &format!("/api/v1/applications/{id}/order"));
    assert_eq!((&due["state"], &due["total_fen"]), (&json!("due"), &json!(15_000)), "{due}");
    let month = &text_of(&listed, "not_after")[..7];
    // Two months: the end of one in China may be the beginning of the next here.
    let expected = ca.get("clerk", &format!("/api/v1/renewals/expected?from={month}&months=2"));
    let sum =
        |name: &str| expected.as_array().unwrap().iter().map(|one| one[name].as_i64().unwrap()).sum::<i64>();
    let sums = ["ending", "applied", "paid", "expected_fen"].map(sum);
    assert_eq!(sums, [1, 1, 0, 15_000], "{expected}");
    let unpaid = renew(&ca, &token);
    assert!(text(&unpaid).contains("尚不能执行"), "{}", text(&unpaid));
    let due = text_of(&due, "id");
    let notice = &ca.notices("renewal-ordered")[0];
    let file = ca.dir.join(format!("outbox/{}.txt", text_of(notice, "id")));
    wait(10, "the message", || file.exists());
    let message = std::fs::read_to_string(file).unwrap();
    assert!(message.contains("¥150.00") && message.contains(&old), "{message}");

    let offered = open(&ca, due, "pay");
    ca.serve(&[("QIANYIN_CRASH", &crash(WriteSite::RecordPayment.name()))]);
    gateway.press_button(text_of(&offered, "url"));
    wait(20, "the money", || ca.server_is_gone());
    for write in WRITES {
        let crash = crash(write);
        ca.serve(&[]);
        wait(60, "the money", || order(&ca, due)["state"] == "paid");
        ca.serve(&[("QIANYIN_CRASH", &crash)]);
        let output = renew(&ca, &token);
        assert!(!output.status.success(), "{crash} was not reached: {}", text(&output));
        wait(10, &crash, || ca.server_is_gone());
    }
    ca.serve(&[]);
    let output = renew(&ca, &token);
    assert!(output.status.success(), "{}", text(&output));
    let renewed = ca.application(&id);
    assert_eq!(renewed["state"], "active", "{renewed}");
    let new = text_of(&renewed, "serial");
    let (was, is) = (certificate(&ca, &old), certificate(&ca, new));
    assert_eq!((&was["reason"], &is["state"]), (&json!("superseded"), &json!("good")));
    let year = |certificate: &Value| text_of(certificate, "not_after")[..4].parse::<u32>().unwrap();
    assert_eq!(
        (year(&is), &text_of(&is, "not_after")[4..]),
        (year(&was) + 1, &text_of(&was, "not_after")[4..])
    );
    assert_eq!((payments(&ca, due), &order(&ca, due)["received_fen"]), (1, &json!(15_000)));
    assert_eq!(ca.notices("renewal-ordered").len(), 1);
    ca.stop_others();
    ca.stop_server();
    let of_unit = ca.rows("certificate").into_iter().filter(|row| row["application"] == id.as_str()).count();
    assert_eq!(of_unit, 1);
    ca.assert_audit_is_clean();
}

/// What has changed since is a person's to see to; what somebody declined stays so; what nobody paid for ends.
#[test]
fn what_is_not_ordered() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    ahead(&ca);
    let pair = format!("/api/v1/agents/{}/units/{USCC}", ca.agent);
    let released = ca.call("clerk", "DELETE", &pair, None, None).unwrap();
    assert_eq!(released["title"], Value::Null, "{released}");
    ca.serve(&[]);
    let closed = &prospects(&ca, "&state=closed")[0];
    assert_eq!(closed["missing"][0]["title"], "agent.not-confirmed", "{closed}");
    assert!(closed["missing"][0]["remedy"]["zh"].is_string(), "{closed}");
    let units = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &units, Some(&json!({ "uscc": USCC })), None).unwrap();
    // The statement in force is another than the one that was accepted.
    ca.change_policy("applications.toml", "cps = \"2026-1\"", "cps = \"2026-2\"");
    ca.change_policy("cps.md", "版本 Version: 2026-1", "版本 Version: 2026-2");
    ca.serve(&[]);
    assert_eq!(prospects(&ca, "&state=closed")[0]["missing"][0]["title"], "cps.outdated");
    ca.change_policy("applications.toml", "cps = \"2026-2\"", "cps = \"2026-1\"");
    ca.change_policy("cps.md", "版本 Version: 2026-2", "版本 Version: 2026-1");
    ca.change_policy("applications.toml", "automatic = true", "automatic = false");
    serve_and_look(&mut ca);
    assert_eq!(prospects(&ca, "")[0]["state"], "open");
    ca.change_policy("applications.toml", "automatic = false", "automatic = true");
    ca.serve(&[]);
    wait(20, "the order", || prospects(&ca, "&state=approved").len() == 1);
    let listed = prospects(&ca, "").remove(0);
    let id = text_of(&listed, "application").to_owned();
    let withdrawn = ca.post("clerk", &format!("/api/v1/applications/{id}/withdrawal"), &Value::Null);
    assert_eq!(withdrawn["state"], "withdrawn", "{withdrawn}");
    serve_and_look(&mut ca);
    assert_eq!(prospects(&ca, "")[0]["state"], "declined");
    for (query, field) in [("&state=gone", "state"), ("&after=00zz", "certificate")] {
        let refused = ca.get("clerk", &format!("/api/v1/renewals?days=9{query}"));
        assert!(refused.to_string().contains(field), "{refused}");
    }
    for days in ["0", "367"] {
        assert!(ca.get("clerk", &format!("/api/v1/renewals?days={days}"))["title"].is_string());
    }

    // A query that cannot be read, or a word of it that is not known, is no list of everything.
    for query in ["days=soon", "dyas=9", "days=99999999999999999999"] {
        let refused = ca.get("clerk", &format!("/api/v1/renewals?{query}"));
        assert_eq!(refused["title"], "request.malformed", "{query}: {refused}");
        assert!(refused["situation"]["zh"].is_string() && refused["remedy"]["en"].is_string(), "{refused}");
    }

    // At the counter it can still be had; nobody pays, and the certificate simply ends.
    let entered = enter(&ca, &serial, 1);
    let manual = text_of(&entered, "id").to_owned();
    ca.post("officer", &format!("/api/v1/applications/{manual}/approval"), &Value::Null);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    ca.sql(&format!("UPDATE status SET not_after = 1000 WHERE serial = x'{serial}'"));
    ca.serve(&[]);
    wait(20, "the end", || ca.application(&manual)["state"] == "expired");
    let order = ca.get("clerk", &format!("/api/v1/applications/{manual}/order"));
    assert_eq!(order["state"], "cancelled", "{order}");
}
