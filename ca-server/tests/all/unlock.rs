//! A PIN that its holder forgot, and one that the holder chooses at the counter: typed at the workstation, seen by nobody
//! else, neither in the log nor in the database.

use std::process::Command;

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::points,
    support::{CPS, Ca, Database, USCC, WORKSTATION, text, wait},
};

#[test]
fn on_sqlite() {
    pins(Database::Sqlite);
}

#[test]
fn on_postgres() {
    pins(Database::Postgres);
}

const CHOSEN: &str = "83920174";
const ANEW: &str = "59302817";

fn pins(database: Database) {
    let mut ca = Ca::new(database);
    let file = ca.path("holder.pin");
    let variables = [("HOLDER_PIN_FILE", file.as_str())];
    ca.serve(&[]);
    ca.start_counter(&variables);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    let first = forgotten(&mut ca, &serial, &token);
    ended(&ca, &serial);
    chosen(&mut ca);
    on_a_slip(&mut ca);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    no_pin_stays(&ca);
    let audit = text(&ca.ca_server(&["--json", "log", "show", "--limit", "100000"]));
    let unlocked = audit.lines().filter(|line| line.contains("unlock-token") && line.contains(&token));
    assert_eq!(unlocked.count(), 1, "{first}: {audit}");
}

fn body(ca: &Ca, serial: &str) -> Value {
    let seen = |kind: &str, form: &str| json!({ "kind": kind, "form": form, "sha256": "44".repeat(32) });
    json!({
        "uscc": USCC, "agent": ca.agent, "kind": "unlock", "certificate": serial, "cps": CPS, "counter": "municipal",
        "documents": [
            seen("nanjing-hrss-application", "original"), seen("agent-card", "original"), seen("agent-card", "copy"),
            seen("business-licence", "copy"), seen("loss-statement", "original"),
        ],
    })
}

fn approved(ca: &Ca, serial: &str) -> String {
    let made = ca.post("clerk", "/api/v1/applications", &body(ca, serial));
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let path = format!("/api/v1/applications/{id}/approval");
    assert_eq!(ca.post("officer", &path, &Value::Null)["state"], "paid", "there is nothing to pay");
    id
}

fn type_in(ca: &Ca, pin: &str) {
    std::fs::write(ca.path("holder.pin"), pin).unwrap();
}

/// What the portal says to a login with this PIN; with a wrong one the token says so, and nothing is sent.
fn login(ca: &Ca, token: &str, pin: &str) -> String {
    std::fs::write(ca.path("unit.pin"), pin).unwrap();
    let mut command = ca.curl_with_token(token);
    command.args(["-H", "Accept: application/json", &format!("https://{}/", ca.portal)]);
    text(&command.output().unwrap())
}

fn opens(ca: &Ca, token: &str, pin: &str) -> bool {
    login(ca, token, pin).contains(USCC)
}

fn is_wrong(ca: &Ca, token: &str, pin: &str) -> bool {
    login(ca, token, pin).contains("Login failed")
}

/// The server dies on either side of the write; the holder's PIN is set, the certificate stays.
fn forgotten(ca: &mut Ca, serial: &str, token: &str) -> String {
    ca.start_portal();
    let id = approved(ca, serial);
    let blank = ca.blank_token();
    assert_eq!(ca.claim(&id, &blank)["title"], "token.other");
    assert_eq!(ca.claim(&id, "0000000000000000")["title"], "token.other");

    // The end of the unit's code: refused at the workstation, before anything is done on the token.
    type_in(ca, "000019");
    let claimed = ca.claim(&id, token);
    assert!(claimed["id"].is_string(), "{claimed}");
    let note = || ca.application(&id)["personalisation"]["note"].as_str().unwrap_or_default().to_owned();
    wait(20, "the refusal", || note().contains("pin-refused"));
    assert!(note().contains("请持有人重新输入"), "{}", note());
    wait(10, "a login with the old PIN, which is still the PIN", || opens(ca, token, "70718293"));

    type_in(ca, ANEW);
    for point in points(WriteSite::UnlockToken) {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        // What the clerk does after a failure: the command is asked for again.
        let path = format!("/api/v1/applications/{id}/personalisation");
        let again = json!({ "workstation": WORKSTATION, "token": token });
        wait(30, "the crash", || {
            let gone = ca.server_is_gone();
            if !gone {
                let _ = ca.call("clerk", "POST", &path, Some(&again), Some("again"));
            }
            gone
        });
    }
    ca.serve(&[]);
    wait(20, "the unlock", || ca.application(&id)["state"] == "active");
    assert_eq!(ca.application(&id)["serial"], serial, "the certificate that was there");
    wait(10, "a login with the new PIN", || opens(ca, token, ANEW));
    assert!(is_wrong(ca, token, "70718293"));
    let known = ca.get("clerk", &format!("/api/v1/tokens/{token}"));
    assert_eq!((&known["state"], &known["certificate"]), (&json!("active"), &json!(serial)), "{known}");
    id
}

/// A certificate that has ended is not made useful again.
fn ended(ca: &Ca, serial: &str) {
    let id = approved(ca, serial);
    ca.revoke(serial, "keyCompromise");
    let known = ca.get("auditor", &format!("/api/v1/certificates/{serial}"));
    let token =
        ca.get("auditor", "/api/v1/tokens?state=terminated")[0]["serial"].as_str().unwrap().to_owned();
    let refused = ca.claim(&id, &token);
    assert_eq!(refused["title"], "auth.certificate-not-good", "{known}: {refused}");
}

/// The model's rule says that the holder chooses: 123456 never opens the token, and the code alone activates.
fn chosen(ca: &mut Ca) {
    let model = "name = \"SoftHSM v2\"";
    ca.change_policy("tokens.toml", model, &format!("{model}\ninitial-pin = \"chosen\""));
    type_in(ca, CHOSEN);
    ca.serve(&[]);
    let (application, serial, token) = ca.issue();
    assert!(is_wrong(ca, &token, "123456"));
    std::fs::write(ca.path("unit.pin"), CHOSEN).unwrap();
    ca.read_code(&application);
    let activated = ca.activate_again(&token);
    assert!(activated.status.success(), "{}", text(&activated));
    wait(10, "the login", || opens(ca, &token, CHOSEN));
    let view = ca.get("auditor", &format!("/api/v1/certificates/{serial}"));
    assert_eq!(view["state"], "good", "{view}");
}

fn slip(ca: &Ca, application: &str) -> (bool, String) {
    let (server, anchor) = (format!("https://{}", ca.https), ca.path("root.pem"));
    let (pin, file) = (ca.path("staff/clerk.pin"), ca.path("slip.pdf"));
    let path = format!("/api/v1/applications/{application}/pin-slip");
    let arguments = ["api", "--server", &server, "--anchor", &anchor, "--token", "clerk", "--pin-file", &pin];
    let output = ca.ukey(&[&arguments[..], &["--output", &file, "POST", &path]].concat());
    if !output.status.success() {
        return (false, text(&output));
    }
    let read = Command::new("pdftotext").args(["-layout", &file, "-"]).output().unwrap();
    (true, text(&read))
}

/// A random PIN on a slip: printed as often as needed until the certificate is activated, each time in the log.
fn on_a_slip(ca: &mut Ca) {
    // Made with a PIN that its holder chose: another rule of tomorrow prints no slip for it.
    let (made_before, ..) = ca.issue();
    ca.change_policy("tokens.toml", "initial-pin = \"chosen\"", "initial-pin = \"slip\"");
    ca.serve(&[]);
    let (printed, refused) = slip(ca, &made_before);
    assert!(!printed && refused.contains("口令信封"), "{refused}");
    let (application, _, token) = ca.issue();
    let (printed, first) = slip(ca, &application);
    assert!(printed && first.contains(&token) && first.contains("南京示例科技有限公司"), "{first}");
    assert_eq!(slip(ca, &application).1, first, "the printer was out of paper");
    let after = first.split("口令 PIN").nth(1).unwrap_or_else(|| panic!("{first}"));
    let digits: String = after.chars().filter(char::is_ascii_digit).take(8).collect();
    assert_eq!(digits.len(), 8, "{first}");
    assert!(is_wrong(ca, &token, "123456"));
    std::fs::write(ca.path("unit.pin"), &digits).unwrap();
    ca.read_code(&application);
    let activated = ca.activate_again(&token);
    assert!(activated.status.success(), "{}", text(&activated));
    let (printed, refused) = slip(ca, &application);
    assert!(!printed && refused.contains("口令信封"), "{refused}");
    let log = text(&ca.ca_server(&["--json", "log", "show", "--limit", "100000"]));
    assert_eq!(log.lines().filter(|line| line.contains("print-slip")).count(), 2, "{log}");
    assert!(!log.contains(&digits), "a PIN in the log");
}

/// What a holder typed is nowhere but on the token.
fn no_pin_stays(ca: &Ca) {
    let _ = text(&ca.ca_server(&["export", "--output", &ca.path("export.jsonl")]));
    for file in ["export.jsonl", "server.log", "counter.log", "ca.db", "ca.db-wal"] {
        let octets = std::fs::read(ca.dir.join(file)).unwrap_or_default();
        for pin in [CHOSEN, ANEW] {
            assert!(!octets.windows(8).any(|part| part == pin.as_bytes()), "a PIN in {file}");
        }
    }
}
