//! 收费：报价、合并、部分付款、余额、减免、退款，直到账目相符。Money through the counter's interface, to a clean audit.

use crate::support::{Ca, Database, USCC, text, wait};
use serde_json::{Value, json};

#[test]
fn on_sqlite() {
    money(Database::Sqlite);
}

#[test]
fn on_postgres() {
    money(Database::Postgres);
}

fn money(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    quotes(&ca);
    let (one, two) = (approved(&ca), approved(&ca));
    collected(&ca, &one, &two);
    collected_with_a_waiver(&ca);
    spent_credit(&ca);
    waiver(&ca);
    refunded_before_it_is_made(&ca, &one);
    refunded_in_use(&mut ca, &two);
    withdrawn_with_a_part_paid(&ca);
    let day = ca.get("clerk", &format!("/api/v1/units/{USCC}/statement"));
    let sum: i64 = entries(&day).iter().map(|entry| entry["amount_fen"].as_i64().unwrap()).sum();
    assert_eq!(day["credit_fen"], sum, "the statement adds up to what is left: {day}");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn entries(statement: &Value) -> &Vec<Value> {
    statement["entries"].as_array().unwrap()
}

/// Every line says what it is for.
fn quotes(ca: &Ca) {
    let quote = ca.get("clerk", "/api/v1/quote?kind=new&years=2");
    assert_eq!((&quote["tariff"], &quote["total_fen"]), (&json!("2026-1"), &json!(35_000)), "{quote}");
    let lines: Vec<(&str, i64, i64)> = quote["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let number = |name: &str| line[name].as_i64().unwrap();
            (line["item"].as_str().unwrap(), number("quantity"), number("amount_fen"))
        })
        .collect();
    assert_eq!(lines, [("token", 1, 5_000), ("certificate-year", 2, 30_000)]);
    for (query, rule) in [
        ("kind=new&years=4", "years.outside-tariff"),
        ("kind=new&years=0", "years.outside-tariff"),
        ("kind=tea&years=1", "field.invalid"),
        ("kind=renew&years=1", "field.invalid"),
    ] {
        assert_eq!(ca.get("clerk", &format!("/api/v1/quote?{query}"))["title"], rule, "{query}");
    }
}

fn entered(ca: &Ca) -> String {
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn approved(ca: &Ca) -> String {
    let id = entered(ca);
    assert_eq!(order_of(ca, &id)["state"], "quoted");
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert_eq!(order_of(ca, &id)["state"], "due");
    id
}

fn order_of(ca: &Ca, application: &str) -> Value {
    ca.get("clerk", &format!("/api/v1/applications/{application}/order"))
}

fn state(ca: &Ca, application: &str) -> String {
    ca.application(application)["state"].as_str().unwrap().to_owned()
}

fn payment(amount: i64, receipt: &str) -> Value {
    json!({ "amount_fen": amount, "currency": "CNY", "method": "cash", "receipt_no": receipt, "counter": "municipal" })
}

/// As many as one request may name; none of them is there.
fn many(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("{number:032x}")).collect()
}

/// One payer for two applications, in two parts; what is too much is credit.
fn collected(ca: &Ca, one: &str, two: &str) {
    let orders = [one, two].map(|id| order_of(ca, id)["id"].as_str().unwrap().to_owned());
    let unit = ca.get("clerk", &format!("/api/v1/units/{USCC}"))["id"].clone();
    for (bad, rule) in [
        (json!({ "orders": [orders[0]], "unit": unit }), "field.invalid"),
        (json!({ "orders": [orders[0], orders[0]], "unit": unit }), "field.invalid"),
        (json!({ "orders": orders, "unit": unit, "agent": ca.agent }), "field.invalid"),
        (json!({ "orders": orders }), "field.invalid"),
        (json!({ "orders": [orders[0], "0".repeat(32)], "unit": unit }), "not-found"),
        (json!({ "orders": orders, "unit": "0".repeat(32) }), "not-found"),
        (json!({ "orders": many(5_000), "unit": unit }), "not-found"),
        (json!({ "orders": many(5_001), "unit": unit }), "field.invalid"),
    ] {
        assert_eq!(ca.post("clerk", "/api/v1/orders", &bad)["title"], rule, "{bad}");
    }
    let made = ca.post("clerk", "/api/v1/orders", &json!({ "orders": orders, "unit": unit }));
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let known = ca.get("clerk", &format!("/api/v1/orders/{id}"));
    assert_eq!((&known["state"], &known["total_fen"]), (&json!("due"), &json!(40_000)), "{known}");
    assert_eq!(known["charges"].as_array().unwrap().len(), 2);
    assert_eq!(ca.get("clerk", &format!("/api/v1/orders/{}", orders[0]))["state"], "cancelled");
    let again = ca.post("clerk", "/api/v1/orders", &json!({ "orders": [orders[0], id], "unit": unit }));
    assert_eq!(again["title"], "order.payers", "{again}");

    let payments = format!("/api/v1/orders/{id}/payments");
    for (amount, rule) in [
        (json!(0), "payment.short"),
        (json!(-1), "payment.short"),
        (json!(39_999), "payment.short"),
        (json!(40_001), "payment.over"),
        (json!(i64::MAX), "payment.over"),
        (json!(9_223_372_036_854_775_808_u64), "request.malformed"),
        (json!(0.005), "request.malformed"),
        (json!("40000"), "request.malformed"),
    ] {
        let mut bad = payment(0, "A-1");
        bad["amount_fen"] = amount;
        assert_eq!(ca.post("clerk", &payments, &bad)["title"], rule, "{bad}");
    }
    let with = |mut body: Value, name: &str| {
        body[name] = json!(true);
        ca.post("clerk", &payments, &body)
    };
    assert_eq!(with(payment(0, "A-1"), "part")["title"], "field.invalid");
    assert_eq!(with(payment(-1, "A-1"), "part")["title"], "field.invalid");
    assert_eq!(with(payment(i64::MAX, "A-1"), "surplus_to_credit")["title"], "amount.too-much");
    assert!(with(payment(15_000, "A-1"), "part")["id"].is_string());
    let known = ca.get("clerk", &format!("/api/v1/orders/{id}"));
    assert_eq!(
        (&known["state"], &known["outstanding_fen"]),
        (&json!("part-paid"), &json!(25_000)),
        "{known}"
    );
    assert_eq!(state(ca, one), "approved", "nothing is made of half a payment");
    // The number of a receipt counts once, whatever it is for.
    assert_eq!(ca.post("clerk", &payments, &payment(25_000, "A-1"))["title"], "payment.doubled");
    assert!(with(payment(55_000, "A-2"), "surplus_to_credit")["id"].is_string());
    let known = ca.get("clerk", &format!("/api/v1/orders/{id}"));
    assert_eq!((&known["state"], &known["received_fen"]), (&json!("paid"), &json!(40_000)), "{known}");
    assert_eq!([one, two].map(|id| state(ca, id)), ["paid", "paid"]);
    assert_eq!(known["payments"].as_array().unwrap().len(), 2);
    assert_eq!(ca.post("clerk", &payments, &payment(1, "A-3"))["title"], "payment.doubled");
    assert_eq!(credit(ca), 30_000);
}

fn collected_in_one(ca: &Ca, applications: [&str; 2]) -> String {
    let orders = applications.map(|id| order_of(ca, id)["id"].as_str().unwrap().to_owned());
    let unit = ca.get("clerk", &format!("/api/v1/units/{USCC}"))["id"].clone();
    let made = ca.post("clerk", "/api/v1/orders", &json!({ "orders": orders, "unit": unit }));
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// Part of a price is not asked for; the order is collected; both are handed over, or the one with the waiver ends.
fn collected_with_a_waiver(ca: &Ca) {
    for ends in [false, true] {
        let (one, two) = (approved(ca), approved(ca));
        let waiver = json!({ "kind": "waiver", "amount_fen": 5_000, "reason": "hardship" });
        let first = asked(ca, &one, &waiver);
        assert_eq!(decide(ca, &first, "approval", &Value::Null)["state"], "approved");
        // This one is decided when the order is another one already.
        let second = asked(ca, &one, &waiver);
        let id = collected_in_one(ca, [&one, &two]);
        assert_eq!(decide(ca, &second, "approval", &Value::Null)["state"], "approved");
        let known = ca.get("clerk", &format!("/api/v1/orders/{id}"));
        assert_eq!(known["outstanding_fen"], 30_000, "{known}");
        assert_eq!(known["adjustments"].as_array().unwrap().len(), 2, "{known}");
        let mut due = 30_000;
        if ends {
            let gone = ca.post("clerk", &format!("/api/v1/applications/{one}/withdrawal"), &Value::Null);
            assert_eq!(gone["state"], "withdrawn", "{gone}");
            due = 20_000;
        }
        let paid =
            ca.post("clerk", &format!("/api/v1/orders/{id}/payments"), &payment(due, &format!("V-{due}")));
        assert!(paid["id"].is_string(), "{paid}");
        for application in [&one, &two].into_iter().skip(usize::from(ends)) {
            let token = ca.blank_token();
            ca.claim(application, &token);
            wait(60, "personalisation", || {
                ca.application(application)["personalisation"]["state"] == "proved"
            });
            let path = format!("/api/v1/applications/{application}/hand-over");
            let handed = ca.post("clerk", &path, &Value::Null);
            assert!(handed["serial"].is_string(), "{handed}");
        }
    }
}

fn credit(ca: &Ca) -> i64 {
    ca.get("clerk", &format!("/api/v1/units/{USCC}/statement"))["credit_fen"].as_i64().unwrap()
}

/// 30,000 fen of credit settle one order, and part of the next.
fn spent_credit(ca: &Ca) {
    let (first, second) = (approved(ca), approved(ca));
    let spend = |application: &str| {
        let order = order_of(ca, application)["id"].as_str().unwrap().to_owned();
        ca.post("clerk", &format!("/api/v1/orders/{order}/credit"), &Value::Null)
    };
    assert_eq!(spend(&first)["state"], "paid");
    assert_eq!(state(ca, &first), "paid");
    let part = spend(&second);
    assert_eq!((&part["state"], &part["outstanding_fen"]), (&json!("part-paid"), &json!(10_000)), "{part}");
    assert_eq!(spend(&second)["title"], "credit.none");
    assert_eq!(credit(ca), 0);
    let paid = ca.post("clerk", &format!("/api/v1/applications/{second}/payments"), &payment(10_000, "B-1"));
    assert!(paid["id"].is_string(), "{paid}");
    assert_eq!(state(ca, &second), "paid");
}

fn ask(ca: &Ca, application: &str, body: &Value) -> Value {
    ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), body)
}

fn asked(ca: &Ca, application: &str, body: &Value) -> String {
    let made = ask(ca, application, body);
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn decide(ca: &Ca, id: &str, how: &str, body: &Value) -> Value {
    ca.post("officer", &format!("/api/v1/adjustments/{id}/{how}"), body)
}

fn waiver(ca: &Ca) {
    let id = approved(ca);
    let of = |amount: i64, reason: &str| json!({ "kind": "waiver", "amount_fen": amount, "reason": reason });
    for (bad, rule) in [
        (of(0, "hardship"), "field.invalid"),
        (of(-1, "hardship"), "field.invalid"),
        (of(20_001, "hardship"), "amount.too-much"),
        (of(1, "朋友"), "field.invalid"),
        (json!({ "kind": "gift", "amount_fen": 1, "reason": "hardship" }), "field.invalid"),
        (
            json!({ "kind": "waiver", "amount_fen": 1, "reason": "hardship", "into_credit": true }),
            "field.invalid",
        ),
        (json!({ "kind": "refund", "amount_fen": 1, "reason": "退款" }), "order.state"),
    ] {
        assert_eq!(ask(ca, &id, &bad)["title"], rule, "{bad}");
    }
    let first = asked(ca, &id, &of(20_000, "hardship"));
    let second = asked(ca, &id, &of(20_000, "trial"));
    let third = asked(ca, &id, &of(5_000, "promotion"));
    assert_eq!(ca.get("officer", "/api/v1/adjustments?state=requested").as_array().unwrap().len(), 3);
    let own = ca.post("clerk", &format!("/api/v1/adjustments/{first}/approval"), &Value::Null);
    assert_eq!(own["title"], "auth.not-permitted", "{own}");
    assert_eq!(state(ca, &id), "approved");
    assert_eq!(decide(ca, &third, "rejection", &json!({ "reasons": "不符合条件" }))["state"], "rejected");
    assert_eq!(decide(ca, &first, "approval", &Value::Null)["state"], "approved");
    assert_eq!(state(ca, &id), "paid", "nothing is outstanding");
    // What both asked for at once is decided once.
    assert_eq!(decide(ca, &second, "approval", &Value::Null)["title"], "order.state");
    let back = ca.post("clerk", &format!("/api/v1/adjustments/{second}/withdrawal"), &Value::Null);
    assert_eq!(back["state"], "withdrawn");
    for how in ["approval", "withdrawal"] {
        let by = if how == "approval" { "officer" } else { "clerk" };
        let again = ca.post(by, &format!("/api/v1/adjustments/{first}/{how}"), &Value::Null);
        assert_eq!(again["title"], "wrong-state", "{how}: {again}");
    }
    let out = json!({ "method": "cash", "reference": "X-1" });
    let never = ca.post("clerk", &format!("/api/v1/adjustments/{first}/pay-out"), &out);
    assert_eq!(never["title"], "wrong-state", "a waiver is never paid out");
    let refund = ask(ca, &id, &json!({ "kind": "refund", "amount_fen": 1, "reason": "退款" }));
    assert_eq!(refund["title"], "amount.too-much", "what was waived was never paid");
}

/// All of it goes back: the application ends, half of the money as credit.
fn refunded_before_it_is_made(ca: &Ca, id: &str) {
    let part = json!({ "kind": "refund", "amount_fen": 12_000, "reason": "不再需要", "into_credit": true });
    let part = asked(ca, id, &part);
    let out = json!({ "method": "cash", "reference": "X-1" });
    let early = ca.post("clerk", &format!("/api/v1/adjustments/{part}/pay-out"), &out);
    assert_eq!(early["title"], "wrong-state", "{early}");
    assert_eq!(decide(ca, &part, "approval", &Value::Null)["state"], "approved");
    assert_eq!((state(ca, id).as_str(), credit(ca)), ("paid", 12_000));
    let never = ca.post("clerk", &format!("/api/v1/adjustments/{part}/pay-out"), &out);
    assert_eq!(never["title"], "wrong-state", "it is credit already");
    let more = ask(ca, id, &json!({ "kind": "refund", "amount_fen": 8_001, "reason": "多退" }));
    assert_eq!(more["title"], "amount.too-much", "{more}");
    let rest = asked(ca, id, &json!({ "kind": "refund", "amount_fen": 8_000, "reason": "不再需要" }));
    assert_eq!(decide(ca, &rest, "approval", &Value::Null)["state"], "approved");
    assert_eq!(state(ca, id), "withdrawn");
    for (out, rule) in [
        (json!({ "method": "barter", "reference": "X-1" }), "field.invalid"),
        (json!({ "method": "cash", "reference": "" }), "field.invalid"),
        (json!({ "method": "cash", "reference": "退 1" }), "field.invalid"),
    ] {
        let refused = ca.post("clerk", &format!("/api/v1/adjustments/{rest}/pay-out"), &out);
        assert_eq!(refused["title"], rule, "{out}");
    }
    let paid = ca.post("clerk", &format!("/api/v1/adjustments/{rest}/pay-out"), &out);
    assert_eq!(paid["state"], "paid-out", "{paid}");
    let twice = ca.post("clerk", &format!("/api/v1/adjustments/{rest}/pay-out"), &out);
    assert_eq!(twice["title"], "wrong-state");
    let token = ca.blank_token();
    assert_eq!(ca.claim(id, &token)["title"], "wrong-state", "nothing is made of what was given back");
}

/// Money that goes back for a certificate in use ends it, unless two persons say that it stays.
fn refunded_in_use(ca: &mut Ca, id: &str) {
    let token = ca.blank_token();
    ca.claim(id, &token);
    let early = ask(ca, id, &json!({ "kind": "refund", "amount_fen": 1, "reason": "正在制证" }));
    let early = decide(ca, early["id"].as_str().unwrap(), "approval", &Value::Null);
    assert_eq!(early["title"], "wrong-state", "first the token that is being made is given up: {early}");
    wait(60, "personalisation", || ca.application(id)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{id}/hand-over"), &Value::Null);
    let serial = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
    let earned = order_of(ca, id);
    let charge = earned["charges"].as_array().unwrap().iter().find(|one| one["application"] == id).unwrap();
    assert_eq!(charge["earned_fen"], 20_000);
    let activated = ca.activate(id, &token);
    assert!(activated.status.success(), "{}", text(&activated));
    let standing = |ca: &Ca| ca.get("auditor", &format!("/api/v1/certificates/{serial}"))["state"].clone();
    let kept = json!({ "kind": "refund", "amount_fen": 1_000, "reason": "多收", "keeps_certificate": true });
    let kept = asked(ca, id, &kept);
    assert_eq!(decide(ca, &kept, "approval", &Value::Null)["state"], "approved");
    assert_eq!(standing(ca), "good");
    let all = asked(ca, id, &json!({ "kind": "refund", "amount_fen": 19_000, "reason": "单位注销" }));
    assert_eq!(standing(ca), "good", "nothing happens before the decision");
    assert_eq!(decide(ca, &all, "approval", &Value::Null)["state"], "approved");
    assert_eq!(standing(ca), "revoked");
    assert_eq!(order_of(ca, id)["state"], "refunded");
}

/// What was paid for an application that ends is credit.
fn withdrawn_with_a_part_paid(ca: &Ca) {
    let before = credit(ca);
    let id = approved(ca);
    let mut part = payment(7_000, "W-1");
    part["part"] = json!(true);
    assert!(ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &part)["id"].is_string());
    let gone = ca.post("clerk", &format!("/api/v1/applications/{id}/withdrawal"), &Value::Null);
    assert_eq!(gone["state"], "withdrawn");
    assert_eq!(order_of(ca, &id)["state"], "cancelled");
    assert_eq!(credit(ca), before + 7_000);
}
