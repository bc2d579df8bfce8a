//! 收据：付款之后能打印，任何人能凭核验码查询，页面上没有个人信息。Receipts, and what their public pages say.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{
    roles::probe,
    support::{Ca, Database, USCC, curl, text},
};

/// Of testdata/units.toml.
const UNIT: &str = "南京示例科技有限公司";
const AGENT: &str = "张三";

#[test]
fn on_sqlite() {
    receipts(Database::Sqlite);
}

#[test]
fn on_postgres() {
    receipts(Database::Postgres);
}

fn receipts(database: Database) {
    let mut ca = Ca::new(database);
    // What is traced most of all must not open a page either.
    ca.serve(&[("RUST_LOG", "trace")]);
    let (key, certificate, _) = probe(&ca);
    let staff = ["--cert", &*certificate, "--key", &*key];
    let application = ca.paid_application();
    let payment = payment_of(&ca, &application);

    printed_for_staff_only(&ca, &staff, &payment);
    let code = code_of(&ca, &staff, &payment);
    told_to_whoever_has_it(&ca, &payment, &code);
    unknown_to_everybody_else(&ca, &code);
    refunds_are_seen(&ca, &application, &code);
    a_person_is_not_named(&ca, &staff);
    a_payment_that_cannot_be_printed(&mut ca, &staff, &payment);
    let log = std::fs::read_to_string(ca.dir.join("server.log")).unwrap();
    assert!(log.contains("/receipts/") && log.contains("/api/v1/payments/"), "requests are traced");
    assert!(!log.contains(&code), "what opens a page is in no log");
}

fn payment_of(ca: &Ca, application: &str) -> String {
    let order = ca.get("clerk", &format!("/api/v1/applications/{application}/order"));
    order["payments"][0]["id"].as_str().unwrap_or_else(|| panic!("{order}")).to_owned()
}

fn ask(ca: &Ca, identity: &[&str], path: &str, more: &[&str]) -> Output {
    let (url, anchor) = (format!("https://{}{path}", ca.https), ca.path("root.pem"));
    curl(&[&["-sS", "-i", "--path-as-is", "--cacert", &*anchor], identity, more, &[&*url]].concat())
}

/// Status line and headers in small letters, and the body.
fn answer(output: &Output) -> (String, Vec<u8>) {
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{}", text(output)));
    let (head, body) = output.stdout.split_at(end);
    (String::from_utf8(head.to_vec()).unwrap().to_lowercase(), body[4..].to_vec())
}

pub(crate) fn pdf(ca: &Ca, staff: &[&str], payment: &str) -> (String, Vec<u8>) {
    answer(&ask(ca, staff, &format!("/api/v1/payments/{payment}/receipt"), &[]))
}

fn printed(ca: &Ca, staff: &[&str], payment: &str) -> String {
    let (head, body) = pdf(ca, staff, payment);
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/pdf"), "{head}");
    let file = ca.dir.join("receipt.pdf");
    std::fs::write(&file, body).unwrap();
    let output = Command::new("pdftotext").arg("-layout").arg(file).arg("-").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn code_of(ca: &Ca, staff: &[&str], payment: &str) -> String {
    let text = printed(ca, staff, payment);
    let code = text.split("核验码 Code").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(code.len() == 32 && code.bytes().all(|c| c.is_ascii_hexdigit()), "{text}");
    code.to_owned()
}

fn printed_for_staff_only(ca: &Ca, staff: &[&str], payment: &str) {
    let shown = printed(ca, staff, payment);
    for part in ["贰佰元整", "¥200.00", UNIT, payment, "现金 Cash", "新办证书：U-key", "2026-1", "签印演示"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains(&format!("https://{}/receipts/", ca.https)), "{shown}");
    assert_eq!(pdf(ca, staff, payment).1, pdf(ca, staff, payment).1, "the same receipt is the same file");
    let (head, body) = pdf(ca, &[], payment);
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert_eq!(problem(&body), "auth.no-certificate");
    for (payment, status, title) in
        [("0".repeat(32), "404", "not-found"), ("1".to_owned(), "422", "field.invalid")]
    {
        let (head, body) = pdf(ca, staff, &payment);
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        assert_eq!(problem(&body), title);
    }
}

fn problem(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap();
    document["title"].as_str().unwrap().to_owned()
}

fn page(ca: &Ca, code: &str) -> (String, String) {
    let (head, body) = answer(&ask(ca, &[], &format!("/receipts/{code}"), &[]));
    (head, String::from_utf8(body).unwrap())
}

/// What the public page says, as JSON.
pub(crate) fn document(ca: &Ca, code: &str) -> Value {
    let accept = ["-H", "Accept: application/json"];
    let (_, body) = answer(&ask(ca, &[], &format!("/receipts/{code}"), &accept));
    serde_json::from_slice(&body).unwrap()
}

fn told_to_whoever_has_it(ca: &Ca, payment: &str, code: &str) {
    let (head, html) = page(ca, code);
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/html"), "{head}");
    for header in [
        "content-security-policy: default-src 'none'",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    for part in ["有效 Valid", payment, "¥200.00", UNIT, "新办证书 New certificate × 1"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    // Nobody who works here or acts for the unit, nothing that runs, and not the code once more.
    for part in [AGENT, "<script", "R-", code, &*ca.agent, USCC] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    let told = document(ca, code);
    let day = told["day"].as_str().unwrap();
    assert_eq!((day.len(), &day[..2]), (10, "20"));
    let expected = json!({
        "number": payment, "day": day, "amount_fen": 20_000, "currency": "CNY", "unit": UNIT,
        "items": [{ "kind": "new", "count": 1 }], "state": "valid",
    });
    assert_eq!(told, expected);
}

fn unknown_to_everybody_else(ca: &Ca, code: &str) {
    let (long, upper) = ("a".repeat(5_000), code.to_uppercase());
    for unknown in ["0".repeat(32).as_str(), &code[..31], "%00", "%E6%94%B6", "'--", &long, &upper] {
        let (head, html) = page(ca, unknown);
        assert!(head.starts_with("http/1.1 404") && head.contains("text/html"), "{unknown}: {head}");
        assert!(html.contains("没有找到收据") && html.contains("No such receipt"), "{unknown}: {html}");
        assert_eq!(document(ca, unknown)["title"], "not-found", "{unknown}");
    }
    // Not over plain HTTP, where anybody on the way could change what it says.
    let plain = curl(&[
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("http://{}/receipts/{code}", ca.http),
    ]);
    assert_eq!(text(&plain).trim(), "404");
}

fn refunds_are_seen(ca: &Ca, application: &str, code: &str) {
    for (amount, state, words) in [
        (5_000, "refunded-in-part", "已部分退款 Refunded in part"),
        (15_000, "refunded", "已全额退款 Refunded"),
    ] {
        let before = document(ca, code)["state"].clone();
        let refund = json!({ "kind": "refund", "amount_fen": amount, "reason": "不再需要" });
        let asked = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &refund);
        let id = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
        assert_eq!(document(ca, code)["state"], before, "asked for is not decided");
        ca.post("officer", &format!("/api/v1/adjustments/{id}/approval"), &Value::Null);
        assert_eq!(document(ca, code)["state"], state);
        assert!(page(ca, code).1.contains(words));
    }
    assert_eq!(document(ca, code)["items"], json!([{ "kind": "new", "count": 1 }]), "what it was for stays");
}

/// An agent who pays is on the paper that the agent is given, and nowhere else.
fn a_person_is_not_named(ca: &Ca, staff: &[&str]) {
    let orders = [(); 2].map(|()| {
        let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
        let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
        ca.get("clerk", &format!("/api/v1/applications/{id}/order"))["id"].clone()
    });
    let order = ca.post("clerk", "/api/v1/orders", &json!({ "orders": orders, "agent": ca.agent }));
    let order = order["id"].as_str().unwrap_or_else(|| panic!("{order}")).to_owned();
    let part = json!({
        "amount_fen": 7_005, "currency": "CNY", "method": "transfer", "receipt_no": "B-1", "part": true,
        "counter": "municipal",
    });
    let paid = ca.post("clerk", &format!("/api/v1/orders/{order}/payments"), &part);
    let payment = paid["id"].as_str().unwrap_or_else(|| panic!("{paid}"));
    let shown = printed(ca, staff, payment);
    for part in [AGENT, "柒拾元零伍分", "订单合计 Order total", "银行转账 Bank transfer", "B-1", &*order]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let code = code_of(ca, staff, payment);
    let told = document(ca, &code);
    assert_eq!((&told["unit"], &told["amount_fen"]), (&Value::Null, &json!(7_005)), "{told}");
    assert_eq!(told["items"], json!([{ "kind": "new", "count": 2 }]));
    let html = page(ca, &code).1;
    assert!(!html.contains(AGENT) && !html.contains(UNIT), "{html}");
}

/// Without a font no receipt is made, and the page goes on telling.
fn a_payment_that_cannot_be_printed(ca: &mut Ca, staff: &[&str], payment: &str) {
    let code = code_of(ca, staff, payment);
    let file = ca.dir.join("ca-server.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let mut changed: toml::Table = config.parse().unwrap();
    changed.insert(
        "receipts".to_owned(),
        toml::Value::Table(toml::toml! { font = "nowhere.ttf"  url = "https://ca.example.org" }),
    );
    std::fs::write(&file, changed.to_string()).unwrap();
    ca.serve(&[]);
    let (head, body) = pdf(ca, staff, payment);
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(problem(&body), "receipt.font");
    let told = String::from_utf8(body).unwrap();
    assert!(told.contains("nowhere.ttf") && told.contains("fonts-wqy-microhei"), "{told}");
    assert_eq!(document(ca, &code)["state"], "refunded");
    let doctor = text(&ca.ca_server(&["doctor"]));
    assert!(doctor.contains("警告：收据字体不可用") && doctor.contains("nowhere.ttf"), "{doctor}");
    // Installing it is enough.
    std::fs::copy("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", ca.dir.join("nowhere.ttf")).unwrap();
    assert!(printed(ca, staff, payment).contains(&format!("https://ca.example.org/receipts/{code}")));
    let doctor = text(&ca.ca_server(&["doctor"]));
    assert!(doctor.contains("收据字体正常"), "{doctor}");
}
