//! 发票：付款前先核对，申请后 15 个工作日内开具，可红冲；别人的订单不可见。Invoices from the check to the red letter, on both databases.

use std::process::Command;

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::{cut_short, points},
    online::{due, order, text_of},
    roles::probe,
    support::{Ca, Database, USCC, text},
};

const PRICE: i64 = 20_000;
const NUMBER: &str = "26322000000000000001";

#[test]
fn on_sqlite() {
    invoices(Database::Sqlite);
}

#[test]
fn on_postgres() {
    invoices(Database::Postgres);
}

pub(crate) fn form(changes: &[(&str, Value)]) -> Value {
    let mut form = json!({
        "kind": "ordinary", "title": "南京示例科技有限公司", "tax_number": USCC, "mail": "caiwu@example.com",
    });
    for (name, value) in changes {
        form[name] = value.clone();
    }
    form
}

fn special() -> Value {
    form(&[
        ("kind", json!("special")),
        ("address", json!("南京市水西门大街61号")),
        ("phone", json!("025-84701234")),
        ("bank", json!("中国银行南京水西门支行")),
        ("account", json!("4889 0000 1234 5678")),
    ])
}

fn invoices(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    let id = due(&ca).1;
    before_it_is_paid(&ca, &id);
    let (key, certificate, member) = probe(&ca);
    let set = ca.ca_server(&["staff", "set-roles", &member, "--role", "cashier"]);
    assert!(set.status.success(), "{}", text(&set));
    let staff = ["--cert", &*certificate, "--key", &*key];
    let paid = ca.paid_application();
    let id =
        ca.get("clerk", &format!("/api/v1/applications/{paid}/order"))["id"].as_str().unwrap().to_owned();

    let mut points = points(WriteSite::Invoice);
    if database == Database::Postgres {
        points.reverse();
    }
    let path = format!("/api/v1/orders/{id}/invoices");
    let mut part = special();
    part["amount_fen"] = json!(15_000);
    let made = cut_short(&mut ca, &points[0], "clerk", &path, &part);
    let invoice = text_of(&made, "id").to_owned();
    too_much(&ca, &path);
    let rest = ca.post("clerk", &path, &form(&[]));
    let rest = text_of(&rest, "id").to_owned();
    assert_eq!(ca.post("clerk", &path, &form(&[]))["title"], "invoice.nothing", "nothing is left");

    let listed = ca.get("clerk", "/api/v1/invoices?state=requested");
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    for secret in ["caiwu", "示例", "4889", "水西门"] {
        assert!(!listed.to_string().contains(secret), "{listed}");
    }
    let whole = ca.get("clerk", &format!("/api/v1/invoices/{invoice}"));
    assert_eq!(
        (&whole["form"]["account"], &whole["amount_fen"]),
        (&json!("4889 0000 1234 5678"), &json!(15_000))
    );
    assert_eq!(ca.get("clerk", "/api/v1/invoices?overdue=true"), json!([]));
    assert_eq!(ca.get("clerk", "/api/v1/invoices?state=lost")["title"], "field.invalid");

    written(&mut ca, &points[1], &invoice, &rest);
    attached(&ca, &staff, &invoice);
    by_the_payer(&ca, &invoice);
    taken_back(&ca, &paid, &id, &invoice);
    ca.stop_server();
    ca.assert_audit_is_clean();
    // Fifteen working days are over.
    ca.serve(&[]);
    let late = ca.post("clerk", &format!("/api/v1/orders/{id}/invoices"), &form(&[]));
    let late = text_of(&late, "id").to_owned();
    ca.stop_server();
    ca.sql(&format!("UPDATE invoice SET requested_at = 1, due_at = 2 WHERE id = '{late}'"));
    ca.serve(&[]);
    let overdue = ca.get("clerk", "/api/v1/invoices?overdue=true");
    assert_eq!((&overdue[0]["id"], &overdue[0]["overdue"]), (&json!(late), &json!(true)), "{overdue}");
    assert_eq!(overdue.as_array().unwrap().len(), 1);
    assert!(!ca.stolen().windows(9).any(|octets| octets == b"4889 0000"), "an account's number in clear");
}

/// What is wrong with a form is said before any money moves.
fn before_it_is_paid(ca: &Ca, id: &str) {
    let check = |form: &Value| ca.post("clerk", &format!("/api/v1/orders/{id}/invoice-check"), form);
    assert_eq!(check(&form(&[]))["invoiceable_fen"], 0);
    assert_eq!(check(&special())["invoiceable_fen"], 0);
    for (name, value, rule) in [
        ("title", json!("南京\u{7}公司"), "title"),
        ("title", json!("南京\u{202e}公司"), "title"),
        ("title", json!(""), "title"),
        ("tax_number", json!("91320104000000018U"), "tax-number-check"),
        ("tax_number", json!("9132010400000001"), "tax-number"),
        ("tax_number", json!("91320106MA1X00017N"), "other-unit"),
        ("tax_number", Value::Null, "missing"),
        ("kind", json!("golden"), "kind"),
        ("mail", json!("财务"), "mail"),
        ("phone", json!("025-84701234"), "missing"),
    ] {
        let refused = check(&form(&[(name, value)]));
        assert_eq!(refused["title"], format!("invoice.form.{rule}"), "{refused}");
        let field = if name == "phone" { "address" } else { name };
        assert_eq!(refused["facts"]["field"], field, "what is missing, of what is wrong itself: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(field), "{refused}");
    }
    let special = check(&form(&[("kind", json!("special"))]));
    assert_eq!(
        (&special["title"], &special["facts"]["field"]),
        (&json!("invoice.form.missing"), &json!("address"))
    );
    let path = format!("/api/v1/orders/{id}/invoices");
    assert_eq!(ca.post("clerk", &path, &form(&[]))["title"], "invoice.nothing", "nothing was paid");
    let nowhere = format!("/api/v1/orders/{}/invoices", "0".repeat(32));
    assert_eq!(ca.post("clerk", &nowhere, &form(&[]))["title"], "not-found");
}

fn too_much(ca: &Ca, path: &str) {
    for (amount, title) in [
        (json!(0), "invoice.form.amount"),
        (json!(-1), "invoice.form.amount"),
        (json!(5_001), "amount.too-much"),
        (json!(i64::MAX), "amount.too-much"),
        (json!(9_223_372_036_854_775_808_u64), "request.malformed"),
        (json!(0.005), "request.malformed"),
    ] {
        let refused = ca.post("clerk", path, &form(&[("amount_fen", amount.clone())]));
        assert_eq!(refused["title"], title, "{amount}: {refused}");
    }
}

fn written(ca: &mut Ca, point: &str, invoice: &str, other: &str) {
    let path = format!("/api/v1/invoices/{invoice}/issue");
    for number in ["", "1234567", "123456789", "２６３２２０００", "-1234567"] {
        let refused = ca.post("clerk", &path, &json!({ "number": number }));
        assert_eq!(refused["title"], "invoice.number", "{refused}");
    }
    let body = json!({ "number": NUMBER });
    let issued = cut_short(ca, point, "clerk", &path, &body);
    match point.ends_with("before") {
        true => {
            assert_eq!((&issued["state"], &issued["number"]), (&json!("issued"), &json!(NUMBER)), "{issued}")
        }
        false => assert_eq!(issued["title"], "wrong-state", "{issued}"),
    }
    let same = ca.post("clerk", &format!("/api/v1/invoices/{other}/issue"), &body);
    assert_eq!(same["title"], "duplicate", "{same}");
    let path = format!("/api/v1/invoices/{other}/refusal");
    assert_eq!(ca.post("clerk", &path, &json!({ "reasons": " " }))["title"], "field.invalid");
    let refused = ca.post("clerk", &path, &json!({ "reasons": "抬头与税务登记不符" }));
    assert_eq!(refused["state"], "refused", "{refused}");
    assert_eq!(ca.post("clerk", &path, &json!({ "reasons": "再次" }))["title"], "wrong-state");
}

pub(crate) fn put(ca: &Ca, staff: &[&str], invoice: &str, media_type: &str, content: &[u8]) -> Value {
    let file = ca.dir.join("invoice.bin");
    std::fs::write(&file, content).unwrap();
    let (anchor, url) = (ca.path("root.pem"), format!("https://{}/api/v1/invoices/{invoice}/file", ca.https));
    let mut command = Command::new("curl");
    command.args(["-sS", "--cacert", &anchor, "-X", "PUT", "-H", &format!("Content-Type: {media_type}")]);
    let output = command
        .args(staff)
        .args(["-H", "Expect:", "--data-binary", &format!("@{}", file.display()), &url])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
}

fn attached(ca: &Ca, staff: &[&str], invoice: &str) {
    let pdf = b"%PDF-1.7 the invoice";
    for (media_type, content) in [
        ("application/pdf", b"MZ".as_slice()),
        ("text/html", b"<html>".as_slice()),
        ("application/ofd", pdf.as_slice()),
        ("", pdf.as_slice()),
    ] {
        assert_eq!(put(ca, staff, invoice, media_type, content)["title"], "invoice.file", "{media_type}");
    }
    let attached = put(ca, staff, invoice, "application/pdf", pdf);
    assert!(attached["file_sha256"].is_string(), "{attached}");
    assert_eq!(put(ca, staff, invoice, "application/pdf", pdf)["title"], "wrong-state", "it has one");
}

fn by_the_payer(ca: &Ca, invoice: &str) {
    let path = format!("/api/v1/units/{USCC}/account");
    let opened = ca.call("clerk", "PUT", &path, Some(&json!({})), None).unwrap();
    let unit = ca.get("clerk", &format!("/api/v1/units/{USCC}"));
    let (name, first) = (text_of(&unit, "labour_no"), text_of(&opened, "password"));
    let token = ca.settle_account("unit", name, first, "新口令-2026-南京");
    let (status, own) = ca.account(&token, "GET", "/api/v1/own/invoices?state=issued", None);
    assert_eq!((status, &own[0]["id"]), (200, &json!(invoice)), "{own}");
    let download = Command::new("curl")
        .args(["-sS", "--cacert", &ca.path("root.pem"), "-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("https://{}/api/v1/own/invoices/{invoice}/file", ca.https))
        .output()
        .unwrap();
    assert_eq!(download.stdout, b"%PDF-1.7 the invoice");
    // Another's order is not there.
    let other = "91320106MA1X00017N";
    let pair = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &pair, Some(&json!({ "uscc": other })), None).unwrap();
    let mut body = ca.application_body();
    body["uscc"] = json!(other);
    let made = ca.post("clerk", "/api/v1/applications", &body);
    let of_other = ca.get("clerk", &format!("/api/v1/applications/{}/order", text_of(&made, "id")));
    for what in ["invoice-check", "invoices"] {
        let path = format!("/api/v1/own/orders/{}/{what}", text_of(&of_other, "id"));
        let (status, answer) = ca.account(&token, "POST", &path, Some(&form(&[])));
        assert_eq!((status, &answer["title"]), (404, &json!("not-found")), "{answer}");
    }
}

/// Money goes back: what was invoiced of it must be taken back, and then can be invoiced anew as far as it stays.
fn taken_back(ca: &Ca, application: &str, id: &str, invoice: &str) {
    let asked = json!({ "kind": "refund", "amount_fen": 8_000, "reason": "多收" });
    let made = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &asked);
    let approval = format!("/api/v1/adjustments/{}/approval", text_of(&made, "id"));
    assert_eq!(ca.post("officer", &approval, &Value::Null)["state"], "approved");
    assert_eq!(order(ca, id)["refunded_fen"], 8_000);
    assert_eq!(PRICE - 8_000 - 15_000, -3_000);
    let shown = ca.get("clerk", &format!("/api/v1/invoices/{invoice}"));
    assert_eq!(shown["to_red_letter_fen"], 3_000, "{shown}");
    let listed = ca.get("clerk", "/api/v1/invoices?to_red_letter=true");
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(invoice)), "{listed}");
    let after = format!("/api/v1/invoices?to_red_letter=true&after={invoice}");
    assert_eq!(ca.get("clerk", &after), json!([]));
    let other = ca.paid_application();
    let other = ca.get("clerk", &format!("/api/v1/applications/{other}/order"));
    let other = text_of(&other, "id");
    let path = format!("/api/v1/invoices/{invoice}/red-letter");
    assert_eq!(
        ca.post("clerk", &path, &json!({ "number": NUMBER }))["title"],
        "invoice.same-number",
        "its own number"
    );
    // Another invoice's number is not its own either.
    let rest = ca.post("clerk", &format!("/api/v1/orders/{other}/invoices"), &form(&[]));
    let rest = format!("/api/v1/invoices/{}/issue", text_of(&rest, "id"));
    let taken = "26322000000000000003";
    assert_eq!(ca.post("clerk", &rest, &json!({ "number": taken }))["state"], "issued");
    assert_eq!(ca.post("clerk", &path, &json!({ "number": taken }))["title"], "duplicate");
    let red = ca.post("clerk", &path, &json!({ "number": "26322000000000000002" }));
    assert_eq!((&red["state"], &red["to_red_letter_fen"]), (&json!("red-lettered"), &json!(0)), "{red}");
    assert_eq!(ca.get("clerk", "/api/v1/invoices?to_red_letter=true"), json!([]));
    let check = ca.post("clerk", &format!("/api/v1/orders/{id}/invoice-check"), &form(&[]));
    assert_eq!(check["invoiceable_fen"], 12_000, "{check}");
}
