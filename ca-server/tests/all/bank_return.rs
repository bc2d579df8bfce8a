//! 对不上订单的到账由两人退回：一人申请，另一人同意并登记转出流水号。Money that fits no order goes back by two persons, to a
//! clean audit; killed around each write, it goes back once.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    bank::{HEADER, import, line, unmatched},
    online::{due, text_of},
    receipt::{code_of, document},
    roles::probe,
    support::{Ca, Database, wait},
};

#[test]
fn on_sqlite() {
    goes_back(Database::Sqlite);
}

#[test]
fn on_postgres() {
    goes_back(Database::Postgres);
}

fn goes_back(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    let lines = [("B-1", "12.34"), ("B-2", "5.00"), ("B-3", "6.00"), ("B-4", "7.00")];
    let lines = lines.map(|(number, yuan)| line(number, yuan, "李四", "打错了"));
    assert_eq!(import(&ca, &format!("{HEADER}{}", lines.concat()), "")["unmatched"], 4);
    let waiting = unmatched(&ca);
    asked_and_decided(&ca, &waiting[0]);
    refused(&ca, &waiting[1]);
    by_one_person(&ca, &waiting[2]);
    cut_short(&mut ca, &waiting[3]);
    told_by_the_receipt(&ca, &waiting[0]);
    let left = ["unmatched", "return-requested", "returned"]
        .map(|state| ca.get("clerk", &format!("/api/v1/bank-lines?state={state}")).as_array().unwrap().len());
    assert_eq!(left, [1, 1, 2]);
    ca.stop_server();
    nobody_is_named(&ca);
    ca.assert_audit_is_clean();
}

fn path(line: &Value) -> String {
    format!("/api/v1/bank-lines/{}/return", text_of(line, "id"))
}

fn ask(ca: &Ca, line: &Value) -> Value {
    ca.post("clerk", &path(line), &json!({ "reason": "李四打错账户" }))
}

fn approve(ca: &Ca, role: &str, line: &Value, number: &str) -> Value {
    ca.post(role, &format!("{}/approval", path(line)), &json!({ "reference": number }))
}

fn seen(ca: &Ca, line: &Value, state: &str) -> Value {
    let all = ca.get("clerk", &format!("/api/v1/bank-lines?state={state}"));
    let found = all.as_array().unwrap().iter().find(|other| other["id"] == line["id"]);
    found.unwrap_or_else(|| panic!("not {state}: {all}")).clone()
}

fn asked_and_decided(ca: &Ca, line: &Value) {
    assert_eq!(approve(ca, "officer", line, "OUT-1")["title"], "wrong-state", "nobody asked");
    let asked = ask(ca, line);
    assert_eq!((&asked["state"], &asked["payer"]), (&json!("return-requested"), &json!("李四")), "{asked}");
    assert_eq!(ask(ca, line)["title"], "wrong-state", "once");
    let (_, order) = due(ca);
    let assign = format!("/api/v1/bank-lines/{}/assignment", text_of(line, "id"));
    assert_eq!(ca.post("clerk", &assign, &json!({ "order": order }))["title"], "wrong-state");
    // Not agreed to, it waits as before, and can be asked for again.
    let rejection = format!("{}/rejection", path(line));
    let rejected = ca.post("officer", &rejection, &json!({ "reasons": "请先核对" }));
    assert_eq!((&rejected["state"], &rejected["payer"]), (&json!("unmatched"), &json!("李四")), "{rejected}");
    assert_eq!(rejected["return_by"], Value::Null, "{rejected}");
    assert_eq!(ca.post("officer", &rejection, &json!({ "reasons": "x" }))["title"], "wrong-state");
    assert_eq!(ask(ca, line)["state"], "return-requested");
    let returned = approve(ca, "officer", line, "OUT-1");
    assert_eq!((&returned["state"], &returned["return_reference"]), (&json!("returned"), &json!("OUT-1")));
    assert_eq!(seen(ca, line, "returned"), returned);
    for gone in ["payer", "remark", "reason", "return_reason"] {
        assert_eq!(returned[gone], Value::Null, "who it was is forgotten: {returned}");
    }
    for again in [approve(ca, "officer", line, "OUT-9"), ask(ca, line)] {
        assert_eq!(again["title"], "wrong-state", "{again}");
    }
    // The bank's own number was counted, and stays so.
    let report = import(ca, &format!("{HEADER}{}", self::line("B-1", "12.34", "李四", "打错了")), "");
    assert_eq!(report["duplicate"], 1, "{report}");
}

/// Bad input changes nothing.
fn refused(ca: &Ca, line: &Value) {
    let nowhere = json!({ "id": "0".repeat(32) });
    assert_eq!(ask(ca, &nowhere)["title"], "not-found");
    for reason in ["", " ", "a\u{7}b", "110105199001010010", &"长".repeat(201)] {
        let answer = ca.post("clerk", &path(line), &json!({ "reason": reason }));
        assert_eq!(answer["title"], "field.invalid", "{reason}: {answer}");
    }
    assert_eq!(seen(ca, line, "unmatched"), *line, "nothing was changed");
    ask(ca, line);
    for number in ["", "流水", "a b", &"9".repeat(65)] {
        assert_eq!(approve(ca, "officer", line, number)["title"], "field.invalid", "{number}");
    }
    // The first one's number, and that of a refund.
    assert_eq!(approve(ca, "officer", line, "OUT-1")["title"], "transfer.sent");
    let application = ca.paid_application();
    let refund = json!({ "kind": "refund", "amount_fen": 20_000, "reason": "不再需要" });
    let refund = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &refund);
    let refund = format!("/api/v1/adjustments/{}", text_of(&refund, "id"));
    assert_eq!(ca.post("officer", &format!("{refund}/approval"), &Value::Null)["state"], "approved");
    let out = |number: &str| {
        let body = json!({ "method": "transfer", "reference": number });
        ca.post("clerk", &format!("{refund}/pay-out"), &body)
    };
    assert_eq!(out("OUT-1")["title"], "transfer.sent", "neither may a refund have it");
    assert_eq!(out("OUT-2")["state"], "paid-out");
    assert_eq!(approve(ca, "officer", line, "OUT-2")["title"], "transfer.sent");
    assert_eq!(seen(ca, line, "return-requested")["payer"], "李四", "nothing was changed");
}

/// Whoever asked does not decide, with whatever roles.
fn by_one_person(ca: &Ca, line: &Value) {
    assert_eq!(approve(ca, "clerk", line, "OUT-3")["title"], "auth.not-permitted");
    assert_eq!(ca.post("officer", &path(line), &json!({ "reason": "x" }))["title"], "auth.not-permitted");
    ca.new_staff("both", "两岗", "cashier,reviewer");
    assert_eq!(ca.post("both", &path(line), &json!({ "reason": "打错账户" }))["state"], "return-requested");
    assert_eq!(approve(ca, "both", line, "OUT-3")["title"], "same-person");
    let rejection = format!("{}/rejection", path(line));
    assert_eq!(ca.post("both", &rejection, &json!({ "reasons": "不退" }))["title"], "same-person");
    let rejected = ca.post("officer", &rejection, &json!({ "reasons": "不退" }));
    assert_eq!(rejected["state"], "unmatched", "{rejected}");
}

/// Killed on either side of a write, and asked again: it goes back once.
fn cut_short(ca: &mut Ca, line: &Value) {
    let (asked, approved) = (json!({ "reason": "打错账户" }), json!({ "reference": "OUT-4" }));
    for (role, path, body, state) in [
        ("clerk", path(line), asked, "return-requested"),
        ("officer", format!("{}/approval", path(line)), approved, "returned"),
    ] {
        for when in ["before", "after"] {
            ca.serve(&[("QIANYIN_CRASH", &format!("{}:{when}", WriteSite::ReturnMoney.name()))]);
            assert!(ca.call(role, "POST", &path, Some(&body), None).is_err(), "{state} {when}");
            wait(10, "the crash", || ca.server_is_gone());
        }
        ca.serve(&[]);
        let again = ca.post(role, &path, &body);
        assert!(matches!(again["title"].as_str(), Some("wrong-state" | "transfer.sent")), "{again}");
        seen(ca, line, state);
    }
}

/// Whoever has the receipt's code sees that the money went back.
fn told_by_the_receipt(ca: &Ca, line: &Value) {
    let (key, certificate, _) = probe(ca);
    let code = code_of(ca, &["--cert", &certificate, "--key", &key], text_of(line, "payment"));
    let known = document(ca, &code);
    assert_eq!((&known["state"], &known["amount_fen"]), (&json!("returned"), &json!(1_234)), "{known}");
    assert_eq!((&known["unit"], &known["items"]), (&Value::Null, &json!([])), "{known}");
}

/// Neither the payer nor what a clerk wrote of the payer leaves the table of lines.
fn nobody_is_named(ca: &Ca) {
    for entry in ca.rows("audit") {
        assert!(!entry.to_string().contains("李四"), "{entry}");
    }
    let rows = ca.rows("bank_line");
    for row in &rows {
        let kept = row["state"] != "returned";
        assert_eq!(row["payer_name"] == "withheld", kept, "{row}");
    }
    let out = |row: &&Value| row["return_reference"].is_string();
    assert_eq!(rows.iter().filter(out).count(), 2);
}
