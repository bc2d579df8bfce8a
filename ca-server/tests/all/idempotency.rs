//! The same request sent by 64 clients at once with one Idempotency-Key has one effect, and everybody is told the same.

use std::process::{Command, Stdio};

use crate::support::{Ca, Database, openssl, text};
use serde_json::{Value, json};

const CLIENTS: usize = 64;

#[test]
fn on_sqlite() {
    one_effect(Database::Sqlite);
}

#[test]
fn on_postgres() {
    one_effect(Database::Postgres);
}

fn one_effect(database: Database) {
    let mut ca = Ca::new(database);
    let identity = clerk(&ca);
    ca.serve(&[]);
    let unit = Ca::unit_body("91110000101623741K", "30000021", "南京同时登记有限公司");
    let agent = json!({ "name": "赵同时", "id_card": "110105199001010010" });
    let application = ca.application_body();
    for (path, body) in
        [("/api/v1/units", &unit), ("/api/v1/agents", &agent), ("/api/v1/applications", &application)]
    {
        let answers = at_once(&ca, &identity, path, body, "key-of-all");
        let first = answers[0].1["id"].as_str().unwrap_or_else(|| panic!("{path}: {answers:?}"));
        assert!(answers.iter().all(|(_, answer)| answer["id"] == *first), "{path}: {answers:?}");
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        assert_eq!(made, 1, "{path}: one made it, the others were told of it");
        // The key belongs to this request for ever.
        let mut other = body.clone();
        other["years"] = json!(2);
        let reused = at_once(&ca, &identity, "/api/v1/applications", &other, "key-of-all");
        assert!(
            reused.iter().all(|(status, _)| *status >= 400) || path != "/api/v1/applications",
            "{reused:?}"
        );
    }
    let list = ca.get("clerk", "/api/v1/applications");
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let id = list[0]["id"].as_str().unwrap();
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let payment = json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": "R-ALL" });
    let paid =
        at_once(&ca, &identity, &format!("/api/v1/applications/{id}/payments"), &payment, "pay-of-all");
    let first = paid[0].1["id"].as_str().unwrap_or_else(|| panic!("{paid:?}"));
    assert!(paid.iter().all(|(_, answer)| answer["id"] == *first), "{paid:?}");
    assert_eq!(ca.application(id)["state"], "paid");
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// A clerk and cashier whose key is a file, so that many clients can have it at once.
fn clerk(ca: &Ca) -> [String; 2] {
    let (key, csr, certificate) = (ca.path("many.key"), ca.path("many.csr"), ca.path("many.pem"));
    let request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let files = ["-subj", "/CN=qianyin-staff", "-keyout", &key, "-out", &csr];
    let made = openssl(&[&request[..], &files[..]].concat());
    assert!(made.status.success(), "{}", text(&made));
    let add = [
        "staff",
        "add",
        "--name",
        "众人",
        "--role",
        "clerk,cashier",
        "--csr",
        &csr,
        "--output",
        &certificate,
    ];
    let added = ca.ca_server(&add);
    assert!(added.status.success(), "{}", text(&added));
    [key, certificate]
}

fn at_once(ca: &Ca, identity: &[String; 2], path: &str, body: &Value, key: &str) -> Vec<(u16, Value)> {
    let data = body.to_string();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut command = Command::new("curl");
            command.args(["-sS", "--retry", "5", "--cacert", &ca.path("root.pem"), "-w", "\n%{http_code}"]);
            command.args([
                "--key",
                &identity[0],
                "--cert",
                &identity[1],
                "-H",
                "Content-Type: application/json",
            ]);
            command.args(["-H", &format!("Idempotency-Key: {key}"), "--data", &data]);
            command.arg(format!("https://{}{path}", ca.https)).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    clients
        .into_iter()
        .map(|client| {
            let output = client.wait_with_output().unwrap();
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            let (json, status) = answer.rsplit_once('\n').unwrap_or_else(|| panic!("{}", text(&output)));
            (status.parse().unwrap(), serde_json::from_str(json).unwrap_or(Value::Null))
        })
        .collect()
}
