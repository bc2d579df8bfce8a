//! What the counter can get wrong: each refusal by its rule, in the log, in both languages, and with nothing changed.

use crate::support::{Ca, Database, USCC, curl};
use serde_json::{Value, json};

#[test]
fn on_sqlite() {
    refusals(Database::Sqlite);
}

#[test]
fn on_postgres() {
    refusals(Database::Postgres);
}

fn refusals(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    units_and_agents(&ca);
    applications(&ca);
    decisions_and_money(&ca);
    rights(&ca);
    bodies(&ca);
    repeated_requests(&ca);
    nobody_forges_the_log(&ca);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// What somebody types cannot look like an entry of its own.
fn nobody_forges_the_log(ca: &Ca) {
    let typed = "91320104000000019U\n     1 2026-01-01T00:00:00Z revoke-certificate     done         staff:x\u{1b}[2J";
    ca.post("clerk", "/api/v1/units", &Ca::unit_body(typed, "12345678", "某公司"));
    let application = ca.post("clerk", "/api/v1/applications", &ca.application_body())["id"].clone();
    let path = format!("/api/v1/applications/{}/rejection", application.as_str().unwrap());
    refused(ca, "officer", &path, &json!({ "reasons": "不符\u{1b}[2J" }), "field.invalid", 422);
    ca.post("officer", &path, &json!({ "reasons": "不符\n     2 2026-01-01T00:00:00Z start done" }));
    let output = ca.ca_server(&["log", "show", "--limit", "100000"]);
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> =
        log.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "{log}");
    assert!(!log.contains('\u{1b}') && log.contains("revoke-certificate     done"), "{log}");
}

/// The request is refused by this rule with this status, in both languages, and the log has it.
fn refused(ca: &Ca, role: &str, path: &str, body: &Value, rule: &str, status: u16) -> Value {
    let before = logged(ca, rule);
    let problem = ca.post(role, path, body);
    assert_eq!(
        (problem["title"].as_str(), problem["status"].as_u64()),
        (Some(rule), Some(u64::from(status))),
        "{problem}"
    );
    for text in [&problem["situation"], &problem["remedy"]] {
        let (zh, en) = (text["zh"].as_str().unwrap(), text["en"].as_str().unwrap());
        assert!(!zh.contains('{') && !en.contains('{') && zh.chars().any(|c| c > '\u{2e80}'), "{problem}");
    }
    assert!(logged(ca, rule) > before, "{rule} is not in the log");
    problem
}

fn logged(ca: &Ca, rule: &str) -> usize {
    let output = ca.ca_server(&["--json", "log", "show", "--limit", "100000"]);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(&format!("\"rule\":\"{rule}\"")))
        .count()
}

fn units_and_agents(ca: &Ca) {
    let unit = Ca::unit_body;
    let wrong_digit = refused(
        ca,
        "clerk",
        "/api/v1/units",
        &unit("91310115MA1H8R7C6D", "12345678", "某公司"),
        "uscc.check-digit",
        422,
    );
    assert_eq!(wrong_digit["facts"], json!({ "found": "D", "expected": "7" }));
    refused(
        ca,
        "clerk",
        "/api/v1/units",
        &unit("9131011５MA1H8R7C67", "12345678", "某公司"),
        "uscc.form",
        422,
    );
    refused(
        ca,
        "clerk",
        "/api/v1/units",
        &unit("91310115MA1H8R7C67", "1234567", "某公司"),
        "field.invalid",
        422,
    );
    refused(
        ca,
        "clerk",
        "/api/v1/units",
        &unit("91310115MA1H8R7C67", "12345678", "某\u{202e}公司"),
        "field.invalid",
        422,
    );
    refused(ca, "clerk", "/api/v1/units", &unit(USCC, "87654321", "某公司"), "duplicate", 409);
    let unknown = ca.get("clerk", "/api/v1/units/91310115MA1H8R7C67");
    assert_eq!(unknown["title"], "not-found", "a refused unit was registered: {unknown}");
    for card in ["110105194912310021", "11010519490231002X", "1101051949123100２X"] {
        refused(
            ca,
            "clerk",
            "/api/v1/agents",
            &json!({ "name": "李四", "id_card": card }),
            "field.invalid",
            422,
        );
    }
}

fn applications(ca: &Ca) {
    let path = "/api/v1/applications";
    let with = |name: &str, value: Value| {
        let mut body = ca.application_body();
        body[name] = value;
        body
    };
    refused(ca, "clerk", path, &with("uscc", json!("91310115MA1H8R7C67")), "unit.unknown", 422);
    refused(ca, "clerk", path, &with("agent", json!("0".repeat(32))), "agent.unknown", 422);
    refused(ca, "clerk", path, &with("years", json!(0)), "years.outside-tariff", 422);
    refused(ca, "clerk", path, &with("years", json!(4)), "years.outside-tariff", 422);
    let mut documents = Ca::documents();
    documents.as_array_mut().unwrap().remove(0);
    let missing = refused(ca, "clerk", path, &with("documents", documents), "document.missing", 422);
    assert!(
        missing["facts"]["documents"].as_str().unwrap().contains("南京社保项目证书业务申请表"),
        "{missing}"
    );
    let stranger =
        ca.post("clerk", "/api/v1/agents", &json!({ "name": "李四", "id_card": "110105199001010010" }));
    let stranger = stranger["id"].as_str().unwrap_or_else(|| panic!("{stranger}"));
    // Everything that is missing is said at once.
    let mut nothing = with("agent", json!(stranger));
    nothing["documents"] = json!([]);
    nothing["cps"] = json!("2020-1");
    let closed = refused(ca, "clerk", path, &nothing, "gate.closed", 422);
    let rules: Vec<&str> =
        closed["missing"].as_array().unwrap().iter().map(|part| part["title"].as_str().unwrap()).collect();
    assert_eq!(rules, ["agent.not-qualified", "agent.not-confirmed", "document.missing", "cps.outdated"]);
    let zh = closed["situation"]["zh"].as_str().unwrap();
    assert!(
        zh.contains("尚未通过培训") && zh.contains("南京社保项目证书业务申请表") && zh.contains("2026-1"),
        "{zh}"
    );
    refused(ca, "clerk", path, &with("cps", json!("2020-1")), "cps.outdated", 422);
    ca.call("officer", "PUT", &format!("/api/v1/agents/{stranger}/qualification"), None, None).unwrap();
    refused(ca, "clerk", path, &with("agent", json!(stranger)), "agent.not-confirmed", 422);
    assert_eq!(ca.get("clerk", path), json!([]), "a refused application was entered");
}

fn decisions_and_money(ca: &Ca) {
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let id = made["id"].as_str().unwrap();
    let approval = format!("/api/v1/applications/{id}/approval");
    let payments = format!("/api/v1/applications/{id}/payments");
    let pay = |amount: i64, currency: &str, receipt: &str| json!({ "amount_fen": amount, "currency": currency, "method": "cash", "receipt_no": receipt });
    refused(ca, "clerk", &approval, &Value::Null, "auth.not-permitted", 403);
    refused(ca, "clerk", &payments, &pay(20_000, "CNY", "R-1"), "order.state", 409);
    assert_eq!(ca.post("officer", &approval, &Value::Null)["state"], "approved");
    refused(ca, "officer", &approval, &Value::Null, "wrong-state", 409);
    refused(ca, "clerk", &payments, &pay(19_999, "CNY", "R-1"), "payment.short", 422);
    refused(ca, "clerk", &payments, &pay(20_001, "CNY", "R-1"), "payment.over", 422);
    for amount in [0, -20_000, i64::MAX] {
        assert!(
            ca.post("clerk", &payments, &pay(amount, "CNY", "R-1"))["title"]
                .as_str()
                .unwrap()
                .starts_with("payment.")
        );
    }
    refused(ca, "clerk", &payments, &pay(20_000, "USD", "R-1"), "payment.currency", 422);
    let half = json!({ "amount_fen": 0.5, "currency": "CNY", "method": "cash", "receipt_no": "R-1" });
    refused(ca, "clerk", &payments, &half, "request.malformed", 400);
    assert_eq!(ca.application(id)["state"], "approved");
    assert!(ca.post("clerk", &payments, &pay(20_000, "CNY", "R-1"))["id"].is_string());
    refused(ca, "clerk", &payments, &pay(20_000, "CNY", "R-2"), "payment.doubled", 409);
    let other = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let other = other["id"].as_str().unwrap();
    ca.post("officer", &format!("/api/v1/applications/{other}/approval"), &Value::Null);
    refused(
        ca,
        "clerk",
        &format!("/api/v1/applications/{other}/payments"),
        &pay(20_000, "CNY", "R-1"),
        "payment.doubled",
        409,
    );
    assert_eq!(ca.application(other)["state"], "approved");
}

/// One person with both roles: what the roles allow, the transaction forbids (I10). And who may do nothing.
fn rights(ca: &Ca) {
    for (role, path) in [
        ("auditor", "/api/v1/units"),
        ("officer", "/api/v1/units"),
        ("administrator", "/api/v1/applications"),
    ] {
        let problem = ca.post(role, path, &json!({}));
        assert_eq!(problem["title"], "auth.not-permitted", "{role} {path}: {problem}");
    }
    let anchor = ca.path("root.pem");
    let output = curl(&[
        "-sS",
        "--cacert",
        &anchor,
        "-w",
        "%{http_code}",
        &format!("https://{}/api/v1/log", ca.https),
    ]);
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.ends_with("401") && answer.contains("auth.no-certificate"), "{answer}");
    let both = ca.new_staff("both", "周兼职", "clerk,reviewer");
    let made = ca.post("both", "/api/v1/applications", &ca.application_body());
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    refused(ca, "both", &format!("/api/v1/applications/{id}/approval"), &Value::Null, "same-person", 403);
    assert_eq!(ca.application(id)["state"], "submitted");
    ca.revoke(&both, "privilegeWithdrawn");
    refused(ca, "both", "/api/v1/applications", &ca.application_body(), "auth.certificate-not-good", 403);
}

fn bodies(ca: &Ca) {
    let large = json!({ "name": "x".repeat(70_000), "id_card": "" });
    refused(ca, "clerk", "/api/v1/agents", &large, "request.too-large", 413);
    let unknown = json!({ "name": "李四", "id_card": "110105199001010010", "admin": true });
    refused(ca, "clerk", "/api/v1/agents", &unknown, "request.malformed", 400);
    let agent = json!({ "name": "王五", "id_card": "110105199001010037" });
    let without = ca.call("clerk", "POST", "/api/v1/agents", Some(&agent), None).unwrap();
    assert_eq!(without["title"], "idempotency-key.missing");
    assert_eq!(logged(ca, "idempotency-key.missing"), 1);
    assert_eq!(ca.get("clerk", "/api/v1/nothing")["title"], "not-found");
    assert_eq!(ca.get("clerk", "/api/v1/applications/xyz")["title"], "field.invalid");
}

fn repeated_requests(ca: &Ca) {
    let body = ca.application_body();
    // SoftHSM fails now and then when many processes use one token; then nothing was sent.
    let send = || loop {
        if let Ok(answer) = ca.call("clerk", "POST", "/api/v1/applications", Some(&body), Some("one-key")) {
            return answer;
        }
    };
    let ids: Vec<Value> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|thread| thread.join().unwrap()["id"].clone()).collect()
    });
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let mut other = body.clone();
    other["years"] = json!(2);
    let reused = ca.call("clerk", "POST", "/api/v1/applications", Some(&other), Some("one-key")).unwrap();
    assert_eq!(reused["title"], "idempotency-key.reused");
}
