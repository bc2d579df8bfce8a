//! 银行对账单：一行到账一次，对得上的自动入账，对不上的留给人认领。A bank's statement, to a clean audit.

use ca_store::WriteSite;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use crate::{
    online::{due, order, payments, text_of},
    receipt::{code_of, document},
    roles::probe,
    support::{Ca, Database, USCC, patiently, text, wait},
};

const PRICE: i64 = 20_000;
pub(crate) const UNIT: &str = "南京示例科技有限公司";
pub(crate) const HEADER: &str = "交易日期,交易流水号,收入金额,付款人户名,付款人账号,摘要\n";

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
    assert_eq!(report["lines"].as_array().unwrap().len(), statement.len(), "every line stands in the report");
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
    assert_eq!((&again["lines"][0]["line"], &again["lines"][0]["outcome"]), (&json!(2), &json!("duplicate")));
    let typed = json!({ "amount_fen": PRICE, "currency": "CNY", "method": "transfer", "receipt_no": "B-2" });
    let typed = ca.post("clerk", &format!("/api/v1/orders/{}/payments", other.1), &typed);
    assert_eq!(typed["title"], "payment.doubled", "{typed}");
    assigned(&mut ca, &other);
    refunded(&ca, &other);
    cut_short(&mut ca);
    number_used(&ca);
    at_once(&ca);
    hidden_characters(&ca);
    two_of_one_name(&ca);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// `Err` without an answer.
fn send(ca: &Ca, file: &str, query: &str) -> Result<Value, String> {
    send_as(ca, "statement.csv", file.as_bytes(), query)
}

fn send_as(ca: &Ca, name: &str, file: &[u8], query: &str) -> Result<Value, String> {
    let path = ca.path(name);
    std::fs::write(&path, file).unwrap();
    patiently(|| {
        let mut command = ca.ukey_command(&["--json", "api", "--token", "clerk"]);
        command.args(["--server", &format!("https://{}", ca.https), "--anchor", &ca.path("root.pem")]);
        command.args(["--pin-file", &ca.path("staff/clerk.pin"), "--file", &path]);
        let output = command.args(["POST", &format!("/api/v1/bank-statements{query}")]).output().unwrap();
        serde_json::from_slice(&output.stdout).map_err(|_| text(&output))
    })
}

/// The outcome of the only line, with the reason.
fn only(report: &Value) -> (String, String) {
    assert_eq!(report["lines"].as_array().unwrap().len(), 1, "{report}");
    let of = |name| report["lines"][0][name].as_str().unwrap_or_default().to_owned();
    (of("outcome"), of("reason"))
}

pub(crate) fn line(number: &str, yuan: &str, payer: &str, remark: &str) -> String {
    format!("2026-11-25,{number},{yuan},{payer},,{remark}\n")
}

fn transfer_code(ca: &Ca, id: &str) -> String {
    text_of(&order(ca, id), "transfer_code").to_owned()
}

pub(crate) fn import(ca: &Ca, file: &str, query: &str) -> Value {
    send(ca, file, query).unwrap()
}

pub(crate) fn unmatched(ca: &Ca) -> Vec<Value> {
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
    assert_eq!((&known["payments"][0]["id"], payments(ca, id)), (&line["payment"], 1), "the order lists it");
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

/// The receipt of money that a person assigned is one like any other.
fn refunded(ca: &Ca, (application, id): &(String, String)) {
    let (key, certificate, _) = probe(ca);
    let assigned = text_of(&order(ca, id)["payments"][0], "id").to_owned();
    let code = code_of(ca, &["--cert", &certificate, "--key", &key], &assigned);
    let known = document(ca, &code);
    assert_eq!((&known["unit"], &known["state"]), (&json!(UNIT), &json!("valid")), "{known}");
    assert_eq!(known["items"], json!([{ "kind": "new", "count": 1 }]), "{known}");
    let rest = json!({ "amount_fen": 5_000, "currency": "CNY", "method": "cash", "receipt_no": "R-rest" });
    let rest = ca.post("clerk", &format!("/api/v1/orders/{id}/payments"), &rest);
    assert!(rest["id"].is_string(), "{rest}");
    let refund = json!({ "kind": "refund", "amount_fen": PRICE, "reason": "不再需要" });
    let asked = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &refund);
    let approval = format!("/api/v1/adjustments/{}/approval", text_of(&asked, "id"));
    assert_eq!(ca.post("officer", &approval, &Value::Null)["state"], "approved");
    assert_eq!(document(ca, &code)["state"], "refunded");
}

/// A number that was counted, with another amount: told, kept in the log, and not counted. A reversal has no number.
fn number_used(ca: &Ca) {
    let waiting = unmatched(ca).len();
    for query in ["?dry_run=true", ""] {
        let report = import(ca, &format!("{HEADER}{}", line("B-1", "100.00", UNIT, "")), query);
        assert_eq!(only(&report), ("unmatched".to_owned(), "number-used".to_owned()), "{report}");
        let problem = text_of(&report["lines"][0], "problem");
        assert!(problem.contains("另一金额") && problem.contains("another amount"), "{problem}");
    }
    assert_eq!(unmatched(ca).len(), waiting, "not counted");
    let log = ca.ca_server(&["--json", "log", "show", "--action", "import-statement"]);
    let log = text(&log);
    assert_eq!(log.matches("statement.number-used").count(), 1, "{log}");
    let (application, id) = due(ca);
    let code = transfer_code(ca, &id);
    let file =
        format!("{HEADER}{}{}", line("N-1", "-200.00", UNIT, &code), line("N-1", "200.00", UNIT, &code));
    let report = import(ca, &file, "");
    assert_eq!((&report["matched"], &report["unmatched"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(ca.application(&application)["state"], "paid");
}

/// The same file from two at the same moment: each line is counted once, and neither stops.
fn at_once(ca: &Ca) {
    let orders = [due(ca), due(ca), due(ca)];
    let lines: Vec<String> = (0..)
        .zip(&orders)
        .map(|(n, (_, id))| line(&format!("O-{n}"), "200.00", UNIT, &transfer_code(ca, id)))
        .collect();
    let file = format!("{HEADER}{}", lines.concat());
    let reports: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = ["one.csv", "two.csv"]
            .map(|name| {
                let file = &file;
                scope.spawn(move || send_as(ca, name, file.as_bytes(), "").unwrap())
            })
            .into_iter()
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let sum = |name: &str| -> i64 { reports.iter().map(|report| report[name].as_i64().unwrap()).sum() };
    assert_eq!((sum("matched"), sum("duplicate")), (3, 3), "{reports:?}");
    for (_, id) in &orders {
        assert_eq!(payments(ca, id), 1);
    }
}

/// What a spreadsheet hides in a cell stops nothing.
fn hidden_characters(ca: &Ca) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let rows = [
        ["交易日期", "交易流水号", "收入金额", "付款人户名", "摘要"],
        ["2026-11-25", "X-1", "1.00", "赵\u{0}六", "费\u{0}\u{1}用"],
        ["2026-11-25", "X-2", "2.00", "钱七", "费用"],
    ];
    for (at, row) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(row) {
            sheet.write_string(at, column, cell).unwrap();
        }
    }
    let report = send_as(ca, "statement.xlsx", &book.save_to_buffer().unwrap(), "").unwrap();
    assert_eq!((&report["unmatched"], &report["refused"]), (&json!(2), &json!(0)), "{report}");
    let kept = unmatched(ca);
    assert!(kept.iter().any(|line| line["payer"] == "赵 六" && line["remark"] == "费  用"), "{kept:?}");
}

/// A name that two units have does not say whose money it is; the code does.
fn two_of_one_name(ca: &Ca) {
    let by_name = |number: &str| format!("{HEADER}{}", line(number, "200.00", UNIT, "年费"));
    let (_, first) = due(ca);
    let report = import(ca, &by_name("S-1"), "");
    assert_eq!((&report["matched"], &report["lines"][0]["order"]), (&json!(1), &json!(first)), "{report}");
    let twin = Ca::unit_body("91350100M000100Y43", "30000009", UNIT);
    assert!(ca.post("clerk", "/api/v1/units", &twin)["id"].is_string());
    let (_, second) = due(ca);
    for query in ["?dry_run=true", ""] {
        let report = import(ca, &by_name("S-2"), query);
        assert_eq!(only(&report), ("unmatched".to_owned(), "several".to_owned()), "{report}");
        assert_eq!(report["lines"][0]["candidates"], json!([second]), "{report}");
    }
    let by_code = format!("{HEADER}{}", line("S-3", "200.00", UNIT, &transfer_code(ca, &second)));
    assert_eq!(import(ca, &by_code, "")["matched"], 1);
}
