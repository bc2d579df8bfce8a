//! 付款被收回：先通知，再暂停，绝不因此吊销。A payment that is taken back: told, then held, never revoked; on both databases, with a
//! crash at each write.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::{cut_short, points},
    online::{due, order, text_of},
    receipt::{code_of, document, pdf},
    renewal::certificate,
    roles::probe,
    support::{Ca, Database, wait},
};

const PRICE: i64 = 20_000;

#[test]
fn on_sqlite() {
    taken_back(Database::Sqlite);
}

#[test]
fn on_postgres() {
    taken_back(Database::Postgres);
}

/// An application that is paid in this way, its order and its payment.
fn paid(ca: &Ca, method: &str) -> (String, String, String) {
    let (application, id) = due(ca);
    let payment = json!({
        "amount_fen": PRICE, "currency": "CNY", "method": method, "receipt_no": format!("{method}-{id}"),
    });
    let made = ca.post("clerk", &format!("/api/v1/orders/{id}/payments"), &payment);
    let payment = text_of(&made, "id").to_owned();
    (application, id, payment)
}

fn settlement(amount: i64, number: &str) -> Value {
    json!({ "amount_fen": amount, "currency": "CNY", "method": "cash", "receipt_no": number })
}

fn known(ca: &Ca, id: &str) -> Value {
    ca.get("clerk", &format!("/api/v1/chargebacks/{id}"))
}

fn taken_back(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    refused(&ca);
    // Before a write on one database where it is after it on the other.
    let mut points = points(WriteSite::Chargeback);
    if database == Database::Postgres {
        points.reverse();
    }
    let [point, other] = &points;
    let (application, of_order, payment) = paid(&ca, "card");
    let token = ca.blank_token();
    ca.claim(&application, &token);
    wait(60, "personalisation", || ca.application(&application)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{application}/hand-over"), &Value::Null);
    let serial = text_of(&handed, "serial").to_owned();
    ca.write_certificate(&serial);
    assert!(ca.activate(&application, &token).status.success());

    let path = format!("/api/v1/payments/{payment}/chargeback");
    let body = json!({ "amount_fen": PRICE, "reference": "CB-1" });
    let made = cut_short(&mut ca, point, "clerk", &path, &body);
    let id = text_of(&made, "id").to_owned();
    let open = known(&ca, &id);
    assert_eq!((&open["state"], &open["certificates"]), (&json!("open"), &json!([serial])), "{open}");
    assert_eq!(order(&ca, &of_order)["state"], "paid");
    let refund = json!({ "kind": "refund", "amount_fen": PRICE, "reason": "不再需要" });
    let path = format!("/api/v1/applications/{application}/adjustments");
    assert_eq!(ca.post("clerk", &path, &refund)["title"], "order.arrears", "the money went back already");
    wait(20, "the message", || {
        ca.notices("arrears").last().is_some_and(|told| told["deliveries"][0]["state"] == "sent")
    });
    assert_eq!(ca.notices("arrears").len(), 1);

    // Told just now: nothing happens. Told long ago: on hold, once.
    ca.serve(&[]);
    assert_eq!(known(&ca, &id)["state"], "open");
    ca.stop_server();
    ca.sql("UPDATE notice_delivery SET sent_at = sent_at - 1296000000 WHERE sent_at IS NOT NULL");
    ca.serve(&[("QIANYIN_CRASH", other)]);
    wait(20, "the hold", || ca.server_is_gone());
    ca.serve(&[]);
    wait(20, "the hold", || known(&ca, &id)["state"] == "held");
    assert_eq!(certificate(&ca, &serial)["state"], "held");
    wait(20, "the message", || ca.notices("arrears-held").len() == 1);

    let path = format!("/api/v1/chargebacks/{id}/settlement");
    let short = ca.post("clerk", &path, &settlement(PRICE - 1, "S-short"));
    assert_eq!(short["title"], "payment.short", "{short}");
    let over = ca.post("clerk", &path, &settlement(PRICE + 1, "S-over"));
    assert_eq!(over["title"], "payment.over", "{over}");
    let settled = cut_short(&mut ca, point, "clerk", &path, &settlement(PRICE, "S-1"));
    let again = ca.post("clerk", &path, &settlement(PRICE, "S-2"));
    assert_eq!(again["title"], "wrong-state", "{again}");
    let done = known(&ca, &id);
    assert_eq!((&done["state"], &done["settlement"]), (&json!("settled"), &settled["id"]), "{done}");
    // Whether there is another reason to hold it is a person's to know.
    assert_eq!(certificate(&ca, &serial)["state"], "held");
    ca.post("officer", &format!("/api/v1/certificates/{serial}/release"), &Value::Null);
    assert_eq!(certificate(&ca, &serial)["state"], "good");
    not_made(&ca);
    assert_eq!(ca.get("clerk", "/api/v1/chargebacks?state=settled").as_array().unwrap().len(), 2);
    assert_eq!(ca.get("clerk", "/api/v1/chargebacks?state=gone")["title"], "field.invalid");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// What changes nothing.
fn refused(ca: &Ca) {
    let back = |payment: &str, amount: Value, reference: &str| {
        let body = json!({ "amount_fen": amount, "reference": reference });
        ca.post("clerk", &format!("/api/v1/payments/{payment}/chargeback"), &body)
    };
    let (_, _, cash) = paid(ca, "cash");
    assert_eq!(back(&cash, json!(PRICE), "CB-cash")["title"], "field.invalid");
    let (_, _, card) = paid(ca, "card");
    for amount in [0, -1, PRICE + 1, i64::MAX] {
        assert_eq!(back(&card, json!(amount), "CB-x")["title"], "field.invalid", "{amount}");
    }
    for amount in [json!(0.005), json!(9_223_372_036_854_775_808_u64), json!("1")] {
        assert_eq!(back(&card, amount, "CB-x")["title"], "request.malformed");
    }
    assert_eq!(back(&card, json!(1), "CB\u{7f}")["title"], "field.invalid");
    assert_eq!(back(&"0".repeat(32), json!(1), "CB-x")["title"], "not-found");
    assert_eq!(ca.get("clerk", "/api/v1/chargebacks"), json!([]));
}

/// What is paid with money that is missing is not made until it is there again.
fn not_made(ca: &Ca) {
    let (application, _, payment) = paid(ca, "transfer");
    let body = json!({ "amount_fen": 5_000, "reference": "CB-part" });
    let path = format!("/api/v1/payments/{payment}/chargeback");
    let made = ca.post("clerk", &path, &body);
    let id = text_of(&made, "id").to_owned();
    let again = json!({ "amount_fen": 5_000, "reference": "CB-again" });
    assert_eq!(ca.post("clerk", &path, &again)["title"], "duplicate", "once a payment");
    let token = ca.blank_token();
    assert_eq!(ca.claim(&application, &token)["title"], "order.arrears");
    let settled =
        ca.post("clerk", &format!("/api/v1/chargebacks/{id}/settlement"), &settlement(5_000, "S-part"));
    let (key, certificate, _) = probe(ca);
    let (head, receipt) = pdf(ca, &["--cert", &certificate, "--key", &key], text_of(&settled, "id"));
    assert!(receipt.starts_with(b"%PDF"), "{head}");
    // Whoever has the first receipt sees what became of the money.
    let code = code_of(ca, &["--cert", &certificate, "--key", &key], &payment);
    assert_eq!(document(ca, &code)["state"], "taken-back");
    assert_eq!(ca.claim(&application, &token)["title"], Value::Null);
    wait(60, "personalisation", || ca.application(&application)["personalisation"]["state"] == "proved");
}
