//! Renewal over EST, interrupted: the server dies at each write in turn and the holder's program asks again; the token,
//! the program and the counter want to finish the same renewal.

use std::{path::Path, process::Output};

use crate::{
    crash::{assert_nothing_signed_twice, count_signatures},
    est::{Held, REENROLL, allow, on_a_token, renewed, send, settled, state},
    support::{
        Ca, Database, USCC,
        est::{Answer, Identity, PKCS10, answer},
        rows, text, wait,
    },
};
use ca_core::AttemptId;
use serde_json::{Value, json};

const WRITES: [&str; 5] =
    ["claim-application", "record-intent", "sign", "commit-issued", "activate-certificate"];

#[test]
fn a_crash_at_any_write_on_sqlite() {
    crash_everywhere(Database::Sqlite);
}

#[test]
fn a_crash_at_any_write_on_postgres() {
    crash_everywhere(Database::Postgres);
}

fn crash_everywhere(database: Database) {
    let mut ca = Ca::new(database);
    let journal = count_signatures(&ca);
    allow(&ca);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (first, _) = on_a_token(&ca, USCC);
    let second = crashes(&mut ca, &first, "before");
    let third = crashes(&mut ca, &second, "after");
    let fourth = the_key_is_lost(&mut ca, &third);
    ca.stop_others();
    ca.stop_server();
    assert_eq!(good(&ca), json!([fourth.serial]), "one certificate in use");
    ca.assert_audit_is_clean();
    assert_nothing_signed_twice(&journal);
}

fn good(ca: &Ca) -> Value {
    let rows = rows(ca);
    let of = |table: &'static str| rows.iter().filter(move |row| row["table"] == table);
    let of_units: Vec<&Value> =
        of("certificate").filter(|row| row["unit"].is_string()).map(|row| &row["serial"]).collect();
    of("status")
        .filter(|row| row["state"] == "good" && of_units.contains(&&row["serial"]))
        .map(|row| row["serial"].clone())
        .collect()
}

/// A holder's program, and the key that it asks with.
struct Program<'a> {
    old: &'a Held,
    request: (Vec<u8>, String),
    keys: u32,
}

impl<'a> Program<'a> {
    fn new(ca: &Ca, old: &'a Held) -> Self {
        Self { old, request: ca.est_request(&old.file, &format!("{}-0", old.serial)), keys: 0 }
    }

    fn new_key(&mut self, ca: &Ca) {
        self.keys += 1;
        self.request = ca.est_request(&self.old.file, &format!("{}-{}", self.old.serial, self.keys));
    }

    fn ask(&self, ca: &Ca) -> Output {
        ca.est_output(&self.old.identity, REENROLL, Some((PKCS10, &self.request.0[..])))
    }

    /// Asks a server that dies at this point; a key whose signing was interrupted is not taken again.
    fn ask_until_it_dies(&mut self, ca: &mut Ca, crash: &str) {
        ca.serve(&[("QIANYIN_CRASH", crash)]);
        let mut output = self.ask(ca);
        if output.status.success() {
            answer(&output).says(409, "est.key-used");
            self.new_key(ca);
            output = self.ask(ca);
        }
        assert!(!output.status.success(), "{crash} was not reached: {}", text(&output));
        wait(10, &format!("{crash}: {}", text(&output)), || ca.server_is_gone());
    }

    fn takes(&self, ca: &Ca, answer: &Answer, kind: &str) -> Held {
        let file = ca.path(&format!("after-{}.pem", self.old.serial));
        answer.write_certificate(&file);
        renewed(ca, self.old, &file, &self.request.1, kind)
    }
}

fn crashes(ca: &mut Ca, old: &Held, moment: &str) -> Held {
    let renewal = settled(ca, old, "rekey");
    let mut program = Program::new(ca, old);
    for write in WRITES {
        program.ask_until_it_dies(ca, &format!("{write}:{moment}"));
    }
    ca.serve(&[]);
    let given = answer(&program.ask(ca));
    let new = program.takes(ca, &given, "rekey");
    assert_eq!(ca.application(&renewal)["serial"], json!(new.serial));
    new
}

/// The certificate was made and the answer never came; the key is gone as well. The counter gives that attempt up.
fn the_key_is_lost(ca: &mut Ca, old: &Held) -> Held {
    let renewal = settled(ca, old, "rekey");
    let mut program = Program::new(ca, old);
    program.ask_until_it_dies(ca, "commit-issued:after");
    ca.serve(&[]);
    let made = ca.application(&renewal)["serial"].as_str().unwrap().to_owned();
    program.new_key(ca);
    answer(&program.ask(ca)).says(409, "est.other-key");
    assert_eq!(state(ca, old), json!(["good", null]));
    let give_up = format!("/api/v1/applications/{renewal}/personalisation/abandonment");
    ca.post("clerk", &give_up, &json!({ "reasons": "密钥丢失" }));
    assert_eq!(ca.get("auditor", &format!("/api/v1/certificates/{made}"))["state"], "revoked");
    let given = answer(&program.ask(ca));
    program.takes(ca, &given, "rekey")
}

#[test]
fn token_and_program() {
    let mut ca = Ca::new(Database::Sqlite);
    allow(&ca);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (first, token) = on_a_token(&ca, USCC);
    // Begun on the token, it is finished there.
    let renewal = settled(&ca, &first, "rekey");
    let program = Program::new(&ca, &first);
    ca.serve(&[("QIANYIN_CRASH", "claim-application:after")]);
    assert!(!renew(&ca, &token).status.success());
    ca.serve(&[]);
    send(&ca, &first, &program.request.0).says(409, "est.by-token");
    assert!(renew(&ca, &token).status.success());
    let second = of_token(&ca, &renewal, &token);

    // Begun by a program and come to nothing, it is finished on the token.
    let renewal = settled(&ca, &second, "rekey");
    let mut program = Program::new(&ca, &second);
    program.ask_until_it_dies(&mut ca, "claim-application:after");
    ca.serve(&[]);
    let output = renew(&ca, &token);
    assert!(output.status.success(), "{}", text(&output));
    let third = of_token(&ca, &renewal, &token);

    // A certificate that was made for the program is the program's.
    settled(&ca, &third, "rekey");
    let mut program = Program::new(&ca, &third);
    program.ask_until_it_dies(&mut ca, "commit-issued:after");
    ca.serve(&[]);
    let output = renew(&ca, &token);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("正在通过 EST 办理"), "{}", text(&output));
    let given = answer(&program.ask(&ca));
    let fourth = program.takes(&ca, &given, "rekey");
    ca.stop_others();
    ca.stop_server();
    assert_eq!(good(&ca), json!([fourth.serial]));
    ca.assert_audit_is_clean();
}

fn renew(ca: &Ca, token: &str) -> Output {
    let (server, anchor, pin) = (format!("https://{}", ca.https), ca.path("root.pem"), ca.path("unit.pin"));
    ca.ukey(&["renew", "--server", &server, "--anchor", &anchor, "--token", token, "--pin-file", &pin])
}

/// What a renewal left on the token.
fn of_token(ca: &Ca, renewal: &str, token: &str) -> Held {
    let serial = ca.application(renewal)["serial"].as_str().unwrap().to_owned();
    ca.write_certificate(&serial);
    let file = ca.path(&format!("{serial}.pem"));
    std::fs::rename(Path::new(&ca.path("unit.pem")), &file).unwrap();
    // The old key lies there still: the attempt says which is the new one.
    let done = |row: &Value| row["application"] == *renewal && row["state"] == "delivered";
    let attempt = ca.rows("attempt").into_iter().find(done).unwrap();
    let id = AttemptId::parse(attempt["id"].as_str().unwrap()).unwrap().cka_id();
    let id: String = id.iter().map(|octet| format!("%{octet:02x}")).collect();
    let key = format!("{};id={id}", ca.key_uri(token));
    let identity = Identity::Token { certificate: file.clone(), key };
    Held { serial, file, identity }
}
