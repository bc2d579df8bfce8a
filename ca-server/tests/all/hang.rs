//! The HSM hangs while a certificate is being signed: what needs no signature goes on answering, the attempt ends as one
//! whose outcome is unknown, and issuing is back when the HSM is, without a restart.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::support::{Ca, Database, MODULE, USCC, curl, openssl, text, wait};

/// Everything that the HSM is asked for from now on.
const CALLS: u32 = 400;

#[test]
fn on_sqlite() {
    the_hsm_hangs(Database::Sqlite);
}

#[test]
fn on_postgres() {
    the_hsm_hangs(Database::Postgres);
}

fn the_hsm_hangs(database: Database) {
    let mut ca = Ca::new(database);
    let module = p11_fault::shared_library().unwrap().to_string_lossy().into_owned();
    between(&ca, &module);
    ca.serve(&[]);
    let variables = [
        ("PKCS11_MODULE", module.as_str()),
        ("P11_FAULT_MODULE", MODULE),
        // The second token's key pair waits for this test.
        ("P11_FAULT", "C_GenerateKeyPair:2:before:hang"),
        ("P11_FAULT_CALLS", &ca.path("counter.calls")),
        ("P11_FAULT_RELEASE", &ca.path("counter.release")),
    ];
    ca.start_counter(&variables);
    ca.start_portal();
    let (application, _, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    wait(20, "the login", || ca.login(&token).0 == 200);
    let hangs = ca.paid_application();
    let blank = ca.blank_token();
    ca.claim(&hangs, &blank);
    let calls = || fs::read_to_string(ca.path("counter.calls")).unwrap_or_default();
    wait(60, "the second key pair", || calls().contains("C_GenerateKeyPair 2"));
    wait(20, "an OCSP answer that is kept", || ocsp(&ca).contains("unit.pem: good"));

    // Nothing is left to be asked of the HSM for this attempt but the signature.
    let all: Vec<String> = (1..=CALLS).map(|nth| format!("C_Sign:{nth}:before:hang")).collect();
    fs::write(ca.path("control"), all.join(",")).unwrap();
    fs::write(ca.path("counter.release"), "").unwrap();
    let state = |id: &str| ca.application(id)["state"].as_str().unwrap_or_default().to_owned();
    let attempt = |id: &str| ca.application(id)["personalisation"]["state"].as_str().map(str::to_owned);
    wait(30, "the signature that hangs", || attempt(&hangs).as_deref() == Some("intended"));
    everything_else_answers(&ca, &token);
    // Whether there will be a certificate with the old name nobody knows yet: the event waits.
    let events = format!("/api/v1/units/{USCC}/events");
    let renamed = json!({
        "kind": "rename", "name": "南京签印认证有限公司", "effective_on": "2026-01-05", "basis": "变更通知书",
        "sha256": "33".repeat(32),
    });
    let recorded = ca.post("clerk", &events, &renamed);
    assert_eq!((&recorded["event"]["state"], &recorded["outcomes"]), (&json!("pending"), &json!([])));
    assert_eq!(attempt(&hangs).as_deref(), Some("intended"), "and the signature hangs still");

    // What was never answered may have been signed: it is given up, and the money stays.
    wait(60, "the end of the attempt", || state(&hangs) == "paid");
    everything_else_answers(&ca, &token);
    let event = format!("{events}/{}", recorded["event"]["id"].as_str().unwrap());
    wait(90, "the event", || ca.get("officer", &event)["event"]["state"] == "applied");
    let approved = ca.post("officer", &format!("/api/v1/applications/{hangs}/approval"), &Value::Null);
    assert_eq!(approved["state"], "paid", "approved anew: {approved}");
    let begun = hanging(&ca);
    assert!(!begun.is_empty());

    fs::write(ca.path("control"), "").unwrap();
    fs::write(ca.path("release"), "").unwrap();
    // The same server: the clerk asks for the token again.
    let mut claimed = false;
    wait(90, "the certificate", || {
        if state(&hangs) == "paid" {
            claimed = ca.claim(&hangs, &blank)["id"].is_string();
        }
        attempt(&hangs).as_deref() == Some("proved")
    });
    assert!(claimed && !ca.server_is_gone(), "{claimed}");
    for (data, count) in signatures(&ca) {
        assert!(count == 1 || !begun.contains(&data), "signed again: {data}");
    }
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// Puts the fault module between server and HSM.
fn between(ca: &Ca, module: &str) {
    let file = ca.dir.join("ca-server.toml");
    let mut config: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    let hsm = config["hsm"].as_table_mut().unwrap();
    let real = hsm.insert("module".to_owned(), module.into()).unwrap();
    let environment = hsm["environment"].as_table_mut().unwrap();
    environment.insert("P11_FAULT_MODULE".to_owned(), real);
    for (name, value) in
        [("P11_FAULT_CONTROL", "control"), ("P11_FAULT_RELEASE", "release"), ("P11_FAULT_JOURNAL", "journal")]
    {
        environment.insert(name.to_owned(), ca.path(value).into());
    }
    fs::write(ca.path("control"), "").unwrap();
    fs::write(file, toml::to_string(&config).unwrap()).unwrap();
}

fn ocsp(ca: &Ca) -> String {
    let (issuer, certificate, anchor) = (ca.path("issuing.pem"), ca.path("unit.pem"), ca.path("root.pem"));
    let url = format!("http://{}/ocsp", ca.http);
    let question = ["ocsp", "-no_nonce", "-issuer", &issuer, "-cert", &certificate, "-CAfile", &anchor];
    text(&openssl(&[&question[..], &["-url", &url, "-timeout", "60"]].concat()))
}

/// OCSP from memory, the CRL, the API, the operator's pages, and a login at the portal.
fn everything_else_answers(ca: &Ca, token: &str) {
    assert!(ocsp(ca).contains(": good"), "{}", ocsp(ca));
    for path in ["crl/issuing/0.crl", "ca/issuing.cer", "readyz", "metrics"] {
        let output = curl(&["-fsS", "-o", "/dev/null", &format!("http://{}/{path}", ca.http)]);
        assert!(output.status.success(), "{path}: {}", text(&output));
    }
    assert_eq!(ca.get("clerk", &format!("/api/v1/units/{USCC}"))["uscc"], USCC);
    let (status, page) = ca.login(token);
    assert_eq!(status, 200, "{page}");
}

fn journal(ca: &Ca) -> String {
    fs::read_to_string(ca.path("journal")).unwrap()
}

/// What was given to C_Sign, and how often.
fn signatures(ca: &Ca) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for line in journal(ca).lines().filter(|line| line.starts_with("sign begin")) {
        // HMACs give the same for the same on purpose; signatures are ECDSA's.
        if let (true, Some((_, data))) = (line.contains("mechanism=0x00001041"), line.split_once("data=")) {
            *counted.entry(data.to_owned()).or_default() += 1;
        }
    }
    counted
}

/// Of those, what was begun and has not ended: each session has one at a time.
fn hanging(ca: &Ca) -> Vec<String> {
    let mut open = BTreeMap::new();
    for line in journal(ca).lines() {
        let session =
            line.split("session=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        match line.split_once("data=") {
            Some((_, data)) if line.contains("mechanism=0x00001041") => {
                open.insert(session.to_owned(), data.to_owned());
            }
            _ => drop(open.remove(session)),
        }
    }
    open.into_values().collect()
}
