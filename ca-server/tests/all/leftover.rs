//! What renewals that came to nothing leave on the holder's token: the next one clears it away, and nothing else. At the
//! counter a token is wiped for the attempt that takes it.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    assistant::serve_where_certificates_say,
    renewal::{certificate, paid_renewal, renew},
    support::{Ca, Database, MODULE, text, wait},
};

/// As long as an attempt's identifier, and nobody's here.
const FOREIGN: &str = "00112233445566778899aabbccddeeff";
const CLEARED: &str = "清除未完成的密钥，完成";

#[test]
fn on_sqlite() {
    cleared_by_the_next_renewal(Database::Sqlite);
}

#[test]
fn on_postgres() {
    cleared_by_the_next_renewal(Database::Postgres);
}

fn cleared_by_the_next_renewal(database: Database) {
    let mut ca = Ca::new(database);
    serve_where_certificates_say(&mut ca);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let label = label(&ca, &token);
    let own = identifiers(&ca, &label, "privkey");
    tool(&ca, &label, &["--keypairgen", "--key-type", "EC:prime256v1", "--id", FOREIGN, "--label", "mail"]);
    let renewal = paid_renewal(&ca, &serial);

    // Burned: the signature's outcome is unknown, the key is on the token and has no certificate.
    let burned = stopped_at(&mut ca, &token, "sign:after", &label);
    // Given up: the certificate is on the token, too, and revoked.
    let given_up = stopped_at(&mut ca, &token, "write-certificate:after", &label);
    assert_ne!(burned, given_up);
    assert!(!identifiers(&ca, &label, "privkey").contains(&burned), "the second renewal cleared the first");
    assert!(identifiers(&ca, &label, "cert").contains(&given_up));
    let made = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
    let abandonment = format!("/api/v1/applications/{renewal}/personalisation/abandonment");
    ca.post("clerk", &abandonment, &json!({ "reasons": "给错了" }));
    assert_eq!(certificate(&ca, &made)["state"], "revoked");

    // The CA cannot be asked how that certificate stands: it stays, and holds nothing up.
    let (status, elsewhere) = (ca.http.clone(), ca.portal.clone());
    move_status(&mut ca, &elsewhere);
    let output = renew(&ca, &token);
    let said = text(&output);
    assert!(output.status.success() && said.contains("有一个未完成的密钥没有清除"), "{said}");
    assert!(identifiers(&ca, &label, "privkey").contains(&given_up));
    move_status(&mut ca, &status);
    let new = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
    assert_eq!(certificate(&ca, &new)["state"], "good");

    // Asked again, it is cleared: what is in use, what was, and what is another program's stay.
    let output = renew(&ca, &token);
    assert!(output.status.success() && text(&output).contains(CLEARED), "{}", text(&output));
    let keys = identifiers(&ca, &label, "privkey");
    assert!(keys.contains(&own[0]) && keys.contains(&FOREIGN.to_owned()), "{keys:?}");
    assert_eq!((keys.len(), identifiers(&ca, &label, "pubkey").len()), (3, 3), "{keys:?}");
    assert_eq!(identifiers(&ca, &label, "cert").len(), 2);
    let again = renew(&ca, &token);
    assert!(again.status.success() && !text(&again).contains("清除"), "{}", text(&again));
    ca.stop_others();
    ca.stop_server();
    let discarded: Vec<_> = ca.rows("audit").into_iter().filter(is_discard).collect();
    assert_eq!(discarded.len(), 3, "two cleared, one kept: {discarded:?}");
    ca.assert_audit_is_clean();
}

/// The server dies there; it is started again. Gives the identifier of the key that is new on the token.
fn stopped_at(ca: &mut Ca, token: &str, crash: &str, label: &str) -> String {
    let before = identifiers(ca, label, "privkey");
    ca.serve(&[("QIANYIN_CRASH", crash)]);
    assert!(!renew(ca, token).status.success());
    wait(10, crash, || ca.server_is_gone());
    ca.serve(&[]);
    identifiers(ca, label, "privkey").into_iter().find(|id| !before.contains(id)).unwrap()
}

/// Where OCSP is answered; the certificates go on naming the first address.
fn move_status(ca: &mut Ca, address: &str) {
    let file = ca.dir.join("ca-server.toml");
    let mut config: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    config["listen"].as_table_mut().unwrap().insert("http".to_owned(), address.into());
    std::fs::write(file, toml::to_string(&config).unwrap()).unwrap();
    ca.stop_server();
    address.clone_into(&mut ca.http);
    ca.serve(&[]);
}

fn is_discard(row: &Value) -> bool {
    row["action"] == "personalise" && row["detail"].to_string().contains("discard")
}

/// A token's label; with that, tools of others find it.
fn label(ca: &Ca, token: &str) -> String {
    let output = ca.ukey(&["--json", "status", "--offline", "--token", token]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["tokens"][0]["label"].as_str().unwrap().to_owned()
}

fn tool(ca: &Ca, label: &str, arguments: &[&str]) -> String {
    tool_with(ca, label, "70718293", arguments)
}

fn tool_with(ca: &Ca, label: &str, pin: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("pkcs11-tool");
    command.args(["--module", MODULE, "--token-label", label, "--login", "--pin", pin]).args(arguments);
    let output = command.env("SOFTHSM2_CONF", ca.dir.join("ukey/softhsm2.conf")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// CKA_IDs of the token's objects of a kind, each once.
fn identifiers(ca: &Ca, label: &str, kind: &str) -> Vec<String> {
    identifiers_with(ca, label, "70718293", kind)
}

fn identifiers_with(ca: &Ca, label: &str, pin: &str, kind: &str) -> Vec<String> {
    let listed = tool_with(ca, label, pin, &["--list-objects", "--type", kind]);
    let ids = listed.lines().filter_map(|line| line.trim().strip_prefix("ID:"));
    ids.map(|id| id.trim().to_owned()).collect()
}

/// A token of which an attempt was given up is taken by the next one: nothing is left of the first.
#[test]
fn a_counter_s_token_is_wiped_for_the_next_attempt() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, token) = (ca.paid_application(), ca.blank_token());
    let proved = |ca: &Ca| ca.application(&application)["personalisation"]["state"] == "proved";
    ca.claim(&application, &token);
    wait(60, "the first", || proved(&ca));
    let first = identifiers_with(&ca, &label(&ca, &token), "123456", "privkey");
    let abandonment = format!("/api/v1/applications/{application}/personalisation/abandonment");
    ca.post("clerk", &abandonment, &json!({ "reasons": "换人" }));
    ca.claim(&application, &token);
    wait(60, "the second", || proved(&ca));
    let label = label(&ca, &token);
    let second = identifiers_with(&ca, &label, "123456", "privkey");
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    assert_eq!(identifiers_with(&ca, &label, "123456", "cert"), second);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}
