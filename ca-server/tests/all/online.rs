//! 在线支付：网关的话只有签名正确、逐项相符才算数，而且只算一次。Payment at a gateway, to a clean audit.

use std::{path::Path, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{
    Ca, Database, USCC,
    gateway::{Signs, TestGateway},
    program, text, wait,
};

const PRICE: i64 = 20_000;

#[test]
fn on_sqlite() {
    online(Database::Sqlite);
}

#[test]
fn on_postgres() {
    online(Database::Postgres);
}

/// The server with two gateways, `pay` (HMAC) and `bank` (RSA), that call back over HTTPS.
pub(crate) fn start(database: Database) -> (Ca, TestGateway, TestGateway) {
    let mut ca = Ca::new(database);
    let root = ca.path("root.pem");
    let start = |signs| TestGateway::start(&program("test-gateway"), signs, 200, Some(Path::new(&root)));
    let (pay, bank) = (start(Signs::Hmac), start(Signs::Rsa));
    let file = ca.dir.join("ca-server.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{config}{}{}", pay.section("pay"), bank.section("bank"))).unwrap();
    ca.serve(&[]);
    (ca, pay, bank)
}

fn online(database: Database) {
    let (mut ca, pay, bank) = start(database);
    assert_eq!(ca.get("clerk", "/api/v1/gateways"), json!(["bank", "pay"]));
    let counted = by_callback(&ca, &pay, "pay");
    by_callback(&ca, &bank, "bank");
    forged(&ca, &pay, &counted);
    at_once(&ca, &pay);
    without_callback(&ca, &bank);
    without_answer(&ca, &pay);
    closed_and_paid_late(&ca, &pay);
    paid_elsewhere_meanwhile(&ca, &bank);
    by_the_unit_itself(&ca, &pay);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// An approved application. Gives it and its order.
pub(crate) fn due(ca: &Ca) -> (String, String) {
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let order = ca.get("clerk", &format!("/api/v1/applications/{id}/order"));
    (id, order["id"].as_str().unwrap_or_else(|| panic!("{order}")).to_owned())
}

pub(crate) fn open(ca: &Ca, order: &str, gateway: &str) -> Value {
    ca.post("clerk", &format!("/api/v1/orders/{order}/online-payments"), &json!({ "gateway": gateway }))
}

pub(crate) fn order(ca: &Ca, order: &str) -> Value {
    ca.get("clerk", &format!("/api/v1/orders/{order}"))
}

pub(crate) fn payments(ca: &Ca, of: &str) -> usize {
    order(ca, of)["payments"].as_array().unwrap().len()
}

fn credit(ca: &Ca) -> i64 {
    ca.get("clerk", &format!("/api/v1/units/{USCC}/statement"))["credit_fen"].as_i64().unwrap()
}

pub(crate) fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// What anybody sees at the address to which the payer comes back.
fn public(ca: &Ca, url: &str) -> String {
    let output = Command::new("curl").args(["-sS", "--cacert", &ca.path("root.pem"), url]).output().unwrap();
    text(&output)
}

/// Gives the gateway's number of the payment.
fn by_callback(ca: &Ca, gateway: &TestGateway, name: &str) -> String {
    let (application, id) = due(ca);
    assert_eq!(open(ca, &id, "nobody")["title"], "gateway.unknown");
    assert_eq!(open(ca, &"0".repeat(32), name)["title"], "not-found");
    let offered = open(ca, &id, name);
    assert_eq!((&offered["state"], &offered["amount_fen"]), (&json!("offered"), &json!(PRICE)), "{offered}");
    assert_eq!(open(ca, &id, name), offered, "the same again is the same");
    let other = if name == "pay" { "bank" } else { "pay" };
    assert_eq!(open(ca, &id, other)["title"], "online-payment.open");
    let online = text_of(&offered, "id");
    let back = gateway.order(online).unwrap();
    let back = text_of(&back, "return_url");
    assert!(public(ca, back).contains("尚未收到付款"), "{}", public(ca, back));
    assert!(gateway.press_button(text_of(&offered, "url")).contains("已支付"));
    wait(10, "the callback", || ca.application(&application)["state"] == "paid");
    let paid = order(ca, &id);
    assert_eq!((&paid["state"], &paid["received_fen"]), (&json!("paid"), &json!(PRICE)), "{paid}");
    let payment = &paid["payments"][0];
    assert_eq!((&payment["method"], &payment["cashier"]), (&json!("online"), &Value::Null), "{paid}");
    let held = &paid["online_payments"][0];
    assert_eq!(held["state"], "paid", "{paid}");
    assert_eq!(payment["reference"], format!("{name}:{}", text_of(held, "transaction")));
    assert!(public(ca, back).contains("有效"), "the receipt's own page: {}", public(ca, back));
    assert_eq!(open(ca, &id, name)["title"], "payment.doubled");
    // The gateway says it again, as often as it likes.
    for _ in 0..3 {
        gateway.call_back(online);
    }
    assert_eq!(payments(ca, &id), 1);
    text_of(held, "transaction").to_owned()
}

/// Signed by the gateway and not what was asked for, or not signed by it: nothing is counted.
fn forged(ca: &Ca, gateway: &TestGateway, counted: &str) {
    let (application, id) = due(ca);
    let offered = open(ca, &id, "pay");
    let online = text_of(&offered, "id").to_owned();
    let set = |field: &str, value: Value| json!({ "forge": { "key": "own", "set": { field: value } } });
    let forgeries = [
        (set("amount", json!(PRICE - 1)), 409),
        (set("amount", json!(PRICE + 1)), 409),
        (set("amount", json!(0)), 400),
        (set("amount", json!(-1)), 400),
        (set("amount", json!(0.005)), 400),
        (set("amount", json!(9_223_372_036_854_775_808_u64)), 400),
        (set("currency", json!("USD")), 409),
        (set("merchant", json!("M-0002")), 409),
        (set("nonce", json!("00")), 409),
        (set("order", json!("0".repeat(32))), 404),
        (set("order", json!("../x")), 404),
        (set("transaction", json!("")), 400),
        // The number of money that was counted for another order.
        (set("transaction", json!(counted)), 409),
        (set("more", json!(1)), 400),
        (json!({ "forge": { "key": "wrong" } }), 401),
        (json!({ "forge": { "key": "none" } }), 401),
        (json!({ "forge": { "key": "own", "shift_secs": -3600 } }), 401),
        (json!({ "forge": { "key": "own", "append": " " } }), 401),
    ];
    let before = gateway.callbacks(0).len();
    let faults: Vec<&Value> = forgeries.iter().map(|(fault, _)| fault).collect();
    gateway.faults(&json!({ "callbacks": faults }));
    // Money has come: the gateway knows it is paid, and each thing that it says now is forged.
    gateway.pay(&online, false);
    for _ in 1..forgeries.len() {
        gateway.call_back(&online);
    }
    let sent = gateway.callbacks(before + forgeries.len());
    let mut answered: Vec<u64> = sent[before..]
        .iter()
        .map(|sent| sent["status"].as_u64().unwrap_or_else(|| panic!("{sent}")))
        .collect();
    let mut expected: Vec<u64> = forgeries.iter().map(|(_, status)| *status).collect();
    answered.sort_unstable();
    expected.sort_unstable();
    assert_eq!(answered, expected, "{sent:#?}");
    assert_eq!(payments(ca, &id), 0, "nothing of that is money");
    let log = ca.rows("audit");
    let refused = log.iter().filter(|entry| !entry["rule"].is_null() && entry["object"] == "online-payment");
    let signed = forgeries.iter().filter(|(_, status)| *status != 401).count();
    assert_eq!(refused.count(), signed, "what the gateway signed is logged, what anybody can send is not");
    assert_eq!(ca.application(&application)["state"], "approved");
    gateway.call_back(&online);
    wait(10, "the true one", || ca.application(&application)["state"] == "paid");
    assert_eq!(payments(ca, &id), 1);
}

/// 64 times the same callback at the same moment, and none before.
fn at_once(ca: &Ca, gateway: &TestGateway) {
    let (application, id) = due(ca);
    let offered = open(ca, &id, "pay");
    let before = gateway.callbacks(0).len();
    gateway.faults(&json!({ "callbacks": [{ "forge": { "key": "wrong" } }] }));
    gateway.pay(text_of(&offered, "id"), false);
    let sent = gateway.callbacks(before + 1);
    let body = text_of(&sent[before], "body").to_owned();
    let secret = std::fs::read_to_string(gateway.key_file()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.trim_end().as_bytes());
    let time = jiff::Timestamp::now().as_second();
    let tag = STANDARD.encode(hmac::sign(&key, format!("{time}.{body}").as_bytes()));
    let header = format!("qianyin-gateway-signature: t={time},alg=hmac-sha256,v={tag}");
    let (url, anchor) = (format!("https://{}/callbacks/pay", ca.https), ca.path("root.pem"));
    let answers: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    let arguments = ["-sS", "--cacert", &anchor, "-o", "/dev/null", "-w", "%{http_code}"];
                    let call = Command::new("curl")
                        .args(arguments)
                        .args(["-H", &header, "--data-binary", &body, &url])
                        .output();
                    text(&call.unwrap())
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer == "204"), "{answers:?}");
    assert_eq!((payments(ca, &id), order(ca, &id)["received_fen"].as_i64()), (1, Some(PRICE)));
    assert_eq!(ca.application(&application)["state"], "paid");
}

/// The callback is lost: the gateway is asked.
fn without_callback(ca: &Ca, gateway: &TestGateway) {
    let (application, id) = due(ca);
    let offered = open(ca, &id, "bank");
    gateway.faults(&json!({ "callbacks": [{ "drop": true }] }));
    gateway.pay(text_of(&offered, "id"), false);
    wait(60, "what was asked for", || ca.application(&application)["state"] == "paid");
    assert_eq!(payments(ca, &id), 1);
}

/// The gateway did as it was told, and its answer was lost: the same request comes to the same page.
fn without_answer(ca: &Ca, gateway: &TestGateway) {
    let (_, id) = due(ca);
    gateway.faults(&json!({ "answers": [{ "hang_up": true }] }));
    assert_eq!(open(ca, &id, "pay")["title"], "gateway.away");
    assert_eq!(order(ca, &id)["online_payments"][0]["state"], "created");
    let offered = open(ca, &id, "pay");
    assert_eq!(offered["state"], "offered", "{offered}");
    assert_eq!(order(ca, &id)["online_payments"].as_array().unwrap().len(), 1);
}

/// Money that comes late is money; what the order needs no more is credit.
fn closed_and_paid_late(ca: &Ca, gateway: &TestGateway) {
    let (application, id) = due(ca);
    let offered = open(ca, &id, "pay");
    let online = text_of(&offered, "id");
    let closing = format!("/api/v1/online-payments/{online}/closing");
    assert_eq!(ca.post("clerk", &closing, &Value::Null)["state"], "closed");
    assert_eq!(ca.post("clerk", &closing, &Value::Null)["title"], "wrong-state");
    gateway.pay(online, true);
    wait(10, "the late one", || ca.application(&application)["state"] == "paid");
    let before = credit(ca);
    gateway.pay(online, true);
    wait(10, "the second one", || credit(ca) == before + PRICE);
    assert_eq!(payments(ca, &id), 2);
    let again = ca.post("clerk", &closing, &Value::Null);
    assert_eq!(again["title"], "wrong-state", "{again}");
}

/// The payer is at the counter and somebody at home pays as well.
fn paid_elsewhere_meanwhile(ca: &Ca, gateway: &TestGateway) {
    let (_, id) = due(ca);
    let offered = open(ca, &id, "bank");
    let mut cash =
        json!({ "amount_fen": PRICE, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
    let path = format!("/api/v1/orders/{id}/payments");
    assert_eq!(ca.post("clerk", &path, &cash)["title"], "online-payment.open");
    let body = json!({ "orders": [id, due(ca).1], "agent": ca.agent });
    assert_eq!(ca.post("clerk", "/api/v1/orders", &body)["title"], "online-payment.open");
    cash["beside_online"] = json!(true);
    let paid = ca.post("clerk", &path, &cash);
    assert!(paid["id"].is_string(), "{paid}");
    let before = credit(ca);
    gateway.pay(text_of(&offered, "id"), false);
    wait(10, "credit", || credit(ca) == before + PRICE);
    assert_eq!(order(ca, &id)["received_fen"], PRICE);
}

/// A unit pays its own order, and sees no other's.
fn by_the_unit_itself(ca: &Ca, gateway: &TestGateway) {
    let path = format!("/api/v1/units/{USCC}/account");
    let opened = ca.call("clerk", "PUT", &path, Some(&json!({})), None).unwrap();
    let unit = ca.get("clerk", &format!("/api/v1/units/{USCC}"));
    let token = ca.settle_account(
        "unit",
        text_of(&unit, "labour_no"),
        text_of(&opened, "password"),
        "新口令-2026-南京",
    );
    let (application, id) = due(ca);
    let (status, orders) = ca.account(&token, "GET", "/api/v1/own/orders", None);
    assert_eq!(status, 200);
    assert!(orders.as_array().unwrap().iter().any(|one| one["id"] == *id), "{orders}");
    let (status, own) = ca.account(&token, "GET", &format!("/api/v1/own/orders/{id}"), None);
    assert_eq!((status, &own["outstanding_fen"]), (200, &json!(PRICE)), "{own}");
    let (status, statement) = ca.account(&token, "GET", "/api/v1/own/statement", None);
    assert_eq!((status, statement["credit_fen"].as_i64()), (200, Some(credit(ca))), "{statement}");
    let body = json!({ "gateway": "pay" });
    let path = |id: &str| format!("/api/v1/own/orders/{id}/online-payments");
    let (status, offered) = ca.account(&token, "POST", &path(&id), Some(&body));
    assert_eq!((status, &offered["state"]), (200, &json!("offered")), "{offered}");
    gateway.press_button(text_of(&offered, "url"));
    wait(10, "the callback", || ca.application(&application)["state"] == "paid");
    let (_, own) = ca.account(&token, "GET", &format!("/api/v1/own/orders/{id}"), None);
    let receipt = format!("https://{}{}", ca.https, text_of(&own["payments"][0], "receipt"));
    assert!(public(ca, &receipt).contains("有效"), "{own}");
    for staff in ["opened_by", "cashier", "requested_by", "adjustments"] {
        assert!(!own.to_string().contains(staff), "{staff} is none of the payer's business: {own}");
    }
    // Another payer's order is not there.
    let (_, other) = due(ca);
    let orders = [due(ca).1, other];
    let collected = ca.post("clerk", "/api/v1/orders", &json!({ "orders": orders, "agent": ca.agent }));
    let other = text_of(&collected, "id");
    assert_eq!(ca.account(&token, "GET", &format!("/api/v1/own/orders/{other}"), None).0, 404);
    assert_eq!(ca.account(&token, "POST", &path(other), Some(&body)).0, 404);
}
