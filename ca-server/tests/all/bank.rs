//! 银行对账单：一行到账一次，对得上的自动入账，对不上的留给人认领。A bank's statement, to a clean audit.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    online::{due, order, payments, text_of},
    support::{Ca, Database, USCC, text, wait},
};

const PRICE: i64 = 20_000;
const UNIT: &str = "南京示例科技有限公司";
const HEADER: &str = "交易日期,交易流水号,收入金额,付款人户名,付款人账号,摘要\n";

#[test]
fn on_sqlite() {
    bank(Database::Sqlite);
}

#[test]
fn on_postgres() {
    bank(Database::Postgres);
}

fn bank(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    let (clean, other) = (due(&ca), due(&ca));
    let code = text_of(&order(&ca, &clean.1), "transfer_code").to_owned();
    assert_eq!(code.len(), 8);
    let statement = [
        format!("2026-11-24,B-1,200.00,{UNIT},6222000000000001,订单{code} 服务费"),
        "2026-11-24,B-2,150.00,李四,6222000000000002,110105199001010010 买证书".to_owned(),
        format!("2026-11-24,B-3,-200.00,{UNIT},6222000000000001,退款"),
        format!("2026-11-24,B-1,200.00,{UNIT},6222000000000001,订单{code} 服务费"),
        "2026-11-24,B-4,0.005,王五,1,x".to_owned(),
        "2026-13-24,B-5,1.00,王五,1,x".to_owned(),
        "2026-11-24,B-6,-1,王五,1,x".to_owned(),
        "2026-11-24,B-7,92233720368547758.08,王五,1,x".to_owned(),
        "2026-11-24,B-8,0.00,王五,1,x".to_owned(),
    ];
    let file = format!("{HEADER}{}\n", statement.join("\n"));
    for (bad, rule) in [("", "sheet."), (HEADER, "sheet."), ("a,b\n1,2\n", "sheet.")] {
        let refused = import(&ca, bad, "");
        assert!(refused["title"].as_str().unwrap_or_default().starts_with(rule), "{bad}: {refused}");
    }
    let tried = import(&ca, &file, "?dry_run=true");
    assert_eq!((&tried["matched"], payments(&ca, &clean.1)), (&json!(1), 0), "{tried}");
    let report = import(&ca, &file, "");
    let counts = ["matched", "unmatched", "duplicate", "refused"].map(|name| report[name].as_i64().unwrap());
    assert_eq!(counts, [1, 2, 1, 5], "{report}");
    assert_eq!(report["lines"][0]["order"], *clean.1, "{report}");
    assert_eq!(report["lines"][2]["reason"], "outgoing", "{report}");
    let paid = order(&ca, &clean.1);
    assert_eq!((&paid["state"], &paid["payments"][0]["method"]), (&json!("paid"), &json!("transfer")));
    assert_eq!(paid["payments"][0]["reference"], "B-1");
    // The whole file again, and the same transfer at a counter: nothing is counted twice.
    let again = import(&ca, &file, "");
    assert_eq!((&again["matched"], &again["duplicate"]), (&json!(0), &json!(3)), "{again}");
    let typed = json!({ "amount_fen": PRICE, "currency": "CNY", "method": "transfer", "receipt_no": "B-2" });
    let typed = ca.post("clerk", &format!("/api/v1/orders/{}/payments", other.1), &typed);
    assert_eq!(typed["title"], "payment.doubled", "{typed}");
    assigned(&mut ca, &other);
    cut_short(&mut ca);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// `Err` without an answer.
fn send(ca: &Ca, file: &str, query: &str) -> Result<Value, String> {
    let path = ca.path("statement.csv");
    std::fs::write(&path, file).unwrap();
    let mut command = ca.ukey_command(&["--json", "api", "--token", "clerk"]);
    command.args(["--server", &format!("https://{}", ca.https), "--anchor", &ca.path("root.pem")]);
    command.args(["--pin-file", &ca.path("staff/clerk.pin"), "--file", &path]);
    let output = command.args(["POST", &format!("/api/v1/bank-statements{query}")]).output().unwrap();
    serde_json::from_slice(&output.stdout).map_err(|_| text(&output))
}

fn import(ca: &Ca, file: &str, query: &str) -> Value {
    send(ca, file, query).unwrap()
}

fn unmatched(ca: &Ca) -> Vec<Value> {
    ca.get("clerk", "/api/v1/bank-lines?state=unmatched").as_array().unwrap().clone()
}

/// 150 of 200 yuan, from somebody's own account: a person says for which order.
fn assigned(ca: &mut Ca, (application, id): &(String, String)) {
    let waiting = unmatched(ca);
    assert_eq!(waiting.len(), 1, "what went out is not kept: {waiting:?}");
    let line = &waiting[0];
    assert_eq!((&line["amount_fen"], &line["payer"]), (&json!(15_000), &json!("李四")));
    assert!(!line.to_string().contains("110105199001010010"), "no number of a person: {line}");
    let path = format!("/api/v1/bank-lines/{}/assignment", text_of(line, "id"));
    for (body, rule) in
        [(json!({ "order": "0".repeat(32) }), "not-found"), (json!({ "order": "x" }), "field.invalid")]
    {
        assert_eq!(ca.post("clerk", &path, &body)["title"], rule);
    }
    assert_eq!(unmatched(ca).len(), 1, "nothing was changed");
    // Killed on either side of the write, and asked again.
    for when in ["before", "after"] {
        ca.serve(&[("QIANYIN_CRASH", &format!("{}:{when}", WriteSite::AssignMoney.name()))]);
        assert!(ca.call("clerk", "POST", &path, Some(&json!({ "order": id })), None).is_err(), "{when}");
        wait(10, "the crash", || ca.server_is_gone());
    }
    ca.serve(&[]);
    let twice = ca.post("clerk", &path, &json!({ "order": id }));
    assert_eq!(twice["title"], "wrong-state", "{twice}");
    let known = order(ca, id);
    assert_eq!((&known["state"], &known["outstanding_fen"]), (&json!("part-paid"), &json!(5_000)), "{known}");
    assert_eq!(ca.application(application)["state"], "approved");
    let line = ca.get("clerk", "/api/v1/bank-lines?state=assigned")[0].clone();
    assert_eq!((&line["order"], &line["payer"]), (&json!(id), &Value::Null), "{line}");
    let statement = ca.get("clerk", &format!("/api/v1/units/{USCC}/statement"));
    assert_eq!(statement["credit_fen"], 0, "{statement}");
}

/// The server dies in the middle of a file; the same file again counts the rest.
fn cut_short(ca: &mut Ca) {
    let orders = [due(ca), due(ca)];
    let lines: Vec<String> = orders
        .iter()
        .zip(["C-1", "C-2"])
        .map(|((_, id), number)| {
            let code = text_of(&order(ca, id), "transfer_code").to_owned();
            format!("2026-11-25,{number},200.00,{UNIT},,{code}")
        })
        .collect();
    let file = format!("{HEADER}{}\n", lines.join("\n"));
    for when in ["before", "after"] {
        ca.serve(&[("QIANYIN_CRASH", &format!("{}:{when}", WriteSite::ImportStatement.name()))]);
        assert!(send(ca, &file, "").is_err(), "{when}");
        wait(10, "the crash", || ca.server_is_gone());
    }
    ca.serve(&[]);
    let report = import(ca, &file, "");
    assert_eq!((&report["matched"], &report["duplicate"]), (&json!(1), &json!(1)), "{report}");
    for (application, id) in &orders {
        assert_eq!(payments(ca, id), 1);
        assert_eq!(ca.application(application)["state"], "paid");
    }
}
