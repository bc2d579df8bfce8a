//! The server killed with SIGKILL around the writes about money; the same request again, or the gateway's next word, comes
//! to the same end: charged once, given back once. On both databases.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    online::{due, open, order, payments, start, text_of},
    support::{Ca, Database, wait},
};

const PRICE: i64 = 20_000;

pub(crate) fn points(site: WriteSite) -> [String; 2] {
    ["before", "after"].map(|when| format!("{}:{when}", site.name()))
}

#[test]
fn at_the_counter_on_sqlite() {
    at_the_counter(Database::Sqlite);
}

#[test]
fn at_the_counter_on_postgres() {
    at_the_counter(Database::Postgres);
}

/// The request is cut short, then sent again under the same key to a server that lives.
pub(crate) fn cut_short(ca: &mut Ca, point: &str, role: &str, path: &str, body: &Value) -> Value {
    ca.serve(&[("QIANYIN_CRASH", point)]);
    let key = format!("{point}-{path}");
    let key = &key[..key.len().min(90)];
    assert!(ca.call(role, "POST", path, Some(body), Some(key)).is_err(), "{point}");
    wait(10, "the crash", || ca.server_is_gone());
    ca.serve(&[]);
    ca.call(role, "POST", path, Some(body), Some(key)).unwrap()
}

fn at_the_counter(database: Database) {
    let mut ca = Ca::new(database);
    for point in points(WriteSite::CollectOrders) {
        ca.serve(&[]);
        let unit = due(&ca);
        let orders = [unit.1, due(&ca).1];
        let payer = ca.get("clerk", &format!("/api/v1/units/{}", crate::support::USCC))["id"].clone();
        let body = json!({ "orders": orders, "unit": payer });
        let made = cut_short(&mut ca, &point, "clerk", "/api/v1/orders", &body);
        let id = text_of(&made, "id");
        let known = order(&ca, id);
        assert_eq!((&known["state"], &known["total_fen"]), (&json!("due"), &json!(2 * PRICE)), "{point}");
        let left = orders.iter().map(|id| order(&ca, id)["state"].clone()).collect::<Vec<_>>();
        assert_eq!(left, ["cancelled", "cancelled"], "{point}");
    }
    for point in points(WriteSite::AdjustMoney) {
        ca.serve(&[]);
        let application = ca.paid_application();
        let asked = json!({ "kind": "refund", "amount_fen": PRICE, "reason": "不再需要" });
        let path = format!("/api/v1/applications/{application}/adjustments");
        let made = cut_short(&mut ca, &point, "clerk", &path, &asked);
        let id = text_of(&made, "id").to_owned();
        let all = ca.get("clerk", &format!("/api/v1/applications/{application}/order"));
        assert_eq!(all["adjustments"].as_array().unwrap().len(), 1, "{point}: {all}");
        // A decision has no key: what was decided says so the second time.
        let path = format!("/api/v1/adjustments/{id}/approval");
        let decided = cut_short(&mut ca, &point, "officer", &path, &Value::Null);
        match point.ends_with("before") {
            true => assert_eq!(decided["state"], "approved", "{decided}"),
            false => assert_eq!(decided["title"], "wrong-state", "{decided}"),
        }
        let out = json!({ "method": "cash", "reference": format!("OUT-{}", &id[..12]) });
        let path = format!("/api/v1/adjustments/{id}/pay-out");
        let paid = cut_short(&mut ca, &point, "clerk", &path, &out);
        match point.ends_with("before") {
            true => assert_eq!(paid["state"], "paid-out", "{paid}"),
            false => assert_eq!(paid["title"], "wrong-state", "{paid}"),
        }
        let all = ca.get("clerk", &format!("/api/v1/applications/{application}/order"));
        assert_eq!((&all["state"], &all["refunded_fen"]), (&json!("refunded"), &json!(PRICE)), "{all}");
        assert_eq!(ca.application(&application)["state"], "withdrawn");
    }
    ca.stop_server();
    ca.assert_audit_is_clean();
}

#[test]
fn quotes_on_sqlite() {
    quotes(Database::Sqlite);
}

#[test]
fn quotes_on_postgres() {
    quotes(Database::Postgres);
}

/// What was promised is over: the server reckons anew by itself, once, and not where money is on its way.
fn quotes(database: Database) {
    let (mut ca, gateway, _bank) = start(database);
    let (application, id) = due(&ca);
    let (promised, awaited, part) = (due(&ca).1, due(&ca), due(&ca).1);
    let offered = open(&ca, &awaited.1, "pay");
    let cash =
        json!({ "amount_fen": 1, "currency": "CNY", "method": "cash", "receipt_no": "R-1", "part": true });
    assert!(ca.post("clerk", &format!("/api/v1/orders/{part}/payments"), &cash)["id"].is_string());
    ca.stop_server();
    ca.change_policy("fees.toml", "token = 5000", "token = 6000");
    ca.sql(&format!("UPDATE fee_order SET honoured_until = quoted_at WHERE id <> '{promised}'"));
    for point in points(WriteSite::RenewQuote) {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        wait(10, "the crash", || ca.server_is_gone());
    }
    ca.serve(&[]);
    let known = order(&ca, &id);
    assert_eq!((&known["state"], &known["total_fen"]), (&json!("due"), &json!(21_000)), "{known}");
    assert_eq!(known["charges"][0]["lines"][0]["price_fen"], 6_000, "{known}");
    for kept in [&promised, &awaited.1, &part] {
        assert_eq!(order(&ca, kept)["total_fen"], PRICE);
    }
    let cash = json!({ "amount_fen": PRICE, "currency": "CNY", "method": "cash", "receipt_no": "R-2" });
    let path = format!("/api/v1/orders/{id}/payments");
    assert_eq!(ca.post("clerk", &path, &cash)["title"], "payment.short");
    let cash = json!({ "amount_fen": 21_000, "currency": "CNY", "method": "cash", "receipt_no": "R-2" });
    assert!(ca.post("clerk", &path, &cash)["id"].is_string());
    assert_eq!(ca.application(&application)["state"], "paid");
    gateway.press_button(text_of(&offered, "url"));
    wait(20, "the callback", || ca.application(&awaited.0)["state"] == "paid");
    ca.stop_server();
    let renewed = ca.rows("audit").into_iter().filter(|entry| entry["action"] == "renew-quote").count();
    assert_eq!(renewed, 1);
    ca.assert_audit_is_clean();
    // A token that costs nothing by now is not asked for: what is left to do is done without money.
    let free = "[tariff.new]\ntoken = 0\ncertificate-year = 0";
    ca.change_policy("fees.toml", "[tariff.new]\ntoken = 6000\ncertificate-year = 15000", free);
    ca.sql(&format!("UPDATE fee_order SET honoured_until = quoted_at WHERE id = '{promised}'"));
    ca.serve(&[]);
    wait(10, "the free one", || order(&ca, &promised)["state"] == "paid");
    let known = order(&ca, &promised);
    let settled = text_of(&known["charges"][0], "application");
    assert_eq!(ca.application(settled)["state"], "paid");
}

#[test]
fn at_a_gateway_on_sqlite() {
    at_a_gateway(Database::Sqlite);
}

#[test]
fn at_a_gateway_on_postgres() {
    at_a_gateway(Database::Postgres);
}

fn at_a_gateway(database: Database) {
    let (mut ca, gateway, _bank) = start(database);
    let opening =
        points(WriteSite::OpenOnlinePayment).into_iter().chain(points(WriteSite::ChangeOnlinePayment));
    for point in opening {
        ca.serve(&[]);
        let (application, id) = due(&ca);
        let path = format!("/api/v1/orders/{id}/online-payments");
        let offered = cut_short(&mut ca, &point, "clerk", &path, &json!({ "gateway": "pay" }));
        assert_eq!(offered["state"], "offered", "{point}: {offered}");
        let known = order(&ca, &id);
        assert_eq!(known["online_payments"].as_array().unwrap().len(), 1, "{point}: {known}");
        gateway.press_button(text_of(&offered, "url"));
        wait(20, "the callback", || ca.application(&application)["state"] == "paid");
        assert_eq!(payments(&ca, &id), 1, "{point}");
    }
    for point in points(WriteSite::RecordPayment) {
        ca.serve(&[]);
        let (application, id) = due(&ca);
        let offered = open(&ca, &id, "pay");
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        gateway.press_button(text_of(&offered, "url"));
        wait(20, "the crash", || ca.server_is_gone());
        ca.serve(&[]);
        // The gateway was not answered: it calls again, or it is asked.
        wait(60, "the money", || ca.application(&application)["state"] == "paid");
        assert_eq!((payments(&ca, &id), &order(&ca, &id)["received_fen"]), (1, &json!(PRICE)), "{point}");
    }
    ca.stop_server();
    ca.assert_audit_is_clean();
}
