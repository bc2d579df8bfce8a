//! A workstation that lies: requests that must not be certified, a certificate that was not written, a challenge that
//! was not signed. The test speaks the exchange itself; each refusal is in the log and changes nothing.

use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::support::{Ca, Database, WORKSTATION, openssl, text, wait};

const TOKEN: &str = "LYING0000000001";

#[test]
fn nothing_that_is_wrong_is_certified() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let mut liar = Liar::claim(&ca, TOKEN);

    // Another token is in: nothing is asked of it, and the counter sees which one is awaited.
    assert_eq!(liar.exchange("ANOTHER000000001", Value::Null), Value::Null);
    let note = liar.note();
    assert!(note.contains(TOKEN) && note.contains("token.absent"), "{note}");

    let command = liar.exchange(TOKEN, Value::Null);
    assert_eq!(command["command"], "initialise", "{command}");
    let command = liar.done("initialise", json!({}));
    assert_eq!(command["command"], "request", "{command}");
    let attempt = command["subject_cn"].as_str().unwrap().to_owned();

    let good = liar.csr("good", "ec", &format!("/CN={attempt}"), &[]);
    let cases = [
        ("trailing octets", [&good[..], &[0]].concat(), "csr.refused"),
        ("a wrong signature", flipped(&good), "csr.refused"),
        ("SHA-1", liar.csr("sha1", "ec", &format!("/CN={attempt}"), &["-sha1"]), "csr.refused"),
        ("RSA-1024", liar.csr("rsa", "rsa:1024", &format!("/CN={attempt}"), &[]), "csr.refused"),
        ("P-384", liar.csr("p384", "secp384r1", &format!("/CN={attempt}"), &[]), "csr.refused"),
        (
            "CA:TRUE",
            liar.csr("ca", "ec", &format!("/CN={attempt}"), &["-addext", "basicConstraints=CA:TRUE"]),
            "csr.refused",
        ),
        ("a foreign subject", liar.csr("foreign", "ec", "/CN=别家公司", &["-utf8"]), "csr.refused"),
        ("no request", b"not DER".to_vec(), "csr.refused"),
        ("nothing", Vec::new(), "csr.refused"),
    ];
    let (before, intents) = (liar.certificates(), liar.logged("record-intent", None));
    for (what, csr, rule) in cases {
        liar.refused(what, "request", request(&csr, true), rule);
    }
    // The key must be born on the token and stay there.
    for attribute in ["local", "sensitive", "always_sensitive", "extractable", "never_extractable"] {
        let mut done = request(&good, true);
        done["attributes"][attribute] = json!(attribute == "extractable");
        liar.refused(attribute, "request", done, "key.origin");
    }
    liar.refused(
        "attributes that are not told",
        "request",
        json!({ "csr": BASE64.encode(&good) }),
        "key.origin",
    );
    assert_eq!(liar.certificates(), before, "nothing was certified");
    assert_eq!(liar.logged("record-intent", None), intents, "nothing was intended");

    // Now the right one. The certificate is sent when the CRL lists it; what is read back must be it.
    liar.done("request", request(&good, true));
    let command = liar.next("write");
    let certificate = command["certificate"].as_str().unwrap().to_owned();
    let other = BASE64.encode(flipped(&BASE64.decode(&certificate).unwrap()));
    liar.refused("another certificate", "write", json!({ "certificate": other }), "token.read-back");
    liar.refused("no certificate", "write", json!({}), "token.read-back");
    liar.done("write", json!({ "certificate": certificate }));
    let command = liar.next("prove");
    let challenge = BASE64.decode(command["challenge"].as_str().unwrap()).unwrap();
    liar.csr("stranger", "ec", "/CN=x", &[]);
    let of_stranger = json!({ "signature": liar.proof("stranger", &challenge) });
    liar.refused("another key's signature", "prove", of_stranger, "token.challenge");
    liar.refused("no signature", "prove", json!({ "signature": "" }), "token.challenge");
    let early = ca.post("clerk", &format!("/api/v1/applications/{}/hand-over", liar.id), &Value::Null);
    assert_eq!(early["title"], "wrong-state", "{early}");
    liar.done("prove", json!({ "signature": liar.proof("good", &challenge) }));
    assert_eq!(ca.application(&liar.id)["personalisation"]["state"], "proved");

    // A key belongs to one token and one unit for ever.
    ca.post("clerk", &format!("/api/v1/applications/{}/hand-over", liar.id), &Value::Null);
    let mut second = Liar::claim(&ca, "LYING0000000002");
    second.exchange("LYING0000000002", Value::Null);
    let command = second.done("initialise", json!({}));
    let subject = format!("/CN={}", command["subject_cn"].as_str().unwrap());
    let again = second.csr_with_key("again", "good", &subject);
    second.refused("a key that was used before", "request", request(&again, true), "key.used");

    // Somebody else's workstation, and a body over the limit.
    let body = json!({ "tokens": [], "report": null });
    let stranger = ca.call("officer", "POST", &second.path(), Some(&body), None).unwrap();
    assert_eq!(stranger["title"], "auth.not-permitted", "{stranger}");
    let long = json!({ "tokens": [], "report": null, "x": "0".repeat(70_000) });
    let refused = ca.call("clerk", "POST", &second.path(), Some(&long), None).unwrap();
    assert_eq!(refused["title"], "request.too-large", "{refused}");
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn request(csr: &[u8], born_here: bool) -> Value {
    json!({ "csr": BASE64.encode(csr), "attributes": { "local": born_here, "sensitive": true,
        "always_sensitive": true, "extractable": false, "never_extractable": true } })
}

fn flipped(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    *octets.last_mut().unwrap() ^= 1;
    octets
}

/// A workstation without tokens, and the application that it holds.
struct Liar<'a> {
    ca: &'a Ca,
    id: String,
    token: String,
    attempt: String,
}

impl<'a> Liar<'a> {
    fn claim(ca: &'a Ca, token: &str) -> Self {
        let id = ca.paid_application();
        ca.list_token(token, &["--counter", "municipal"]);
        let mut liar = Self { ca, id, token: token.to_owned(), attempt: String::new() };
        liar.claim_again();
        liar.attempt = ca.application(&liar.id)["personalisation"]["attempt"].as_str().unwrap().to_owned();
        liar
    }

    /// What the clerk does after a failure: the command is asked for again.
    fn claim_again(&self) {
        self.ca.claim(&self.id, &self.token);
    }

    fn path(&self) -> String {
        format!("/api/v1/workstations/{WORKSTATION}/exchange")
    }

    fn exchange(&mut self, token: &str, report: Value) -> Value {
        let body = json!({ "tokens": [{ "serial": token }], "report": report });
        self.ca.call("clerk", "POST", &self.path(), Some(&body), None).unwrap()
    }

    fn done(&mut self, command: &str, results: Value) -> Value {
        let report = json!({ "attempt": self.attempt, "command": command, "outcome": { "done": results } });
        self.exchange(&self.token.clone(), report)
    }

    /// Waits for a command of this name.
    fn next(&mut self, name: &str) -> Value {
        let mut command = Value::Null;
        wait(20, name, || {
            command = self.exchange(&self.token.clone(), Value::Null);
            command["command"] == *name
        });
        command
    }

    fn refused(&mut self, what: &str, command: &str, results: Value, rule: &str) {
        let before = self.logged("personalise", Some(rule));
        assert_eq!(self.done(command, results), Value::Null, "{what}: something else is asked for");
        let note = self.note();
        assert!(note.contains(rule), "{what}: {note}");
        assert_eq!(self.logged("personalise", Some(rule)), before + 1, "{what} is not in the log");
        self.claim_again();
        let again = self.next(command);
        assert_eq!(again["command"], command, "{what}: {again}");
    }

    fn note(&self) -> String {
        self.ca.application(&self.id)["personalisation"]["note"].as_str().unwrap_or("").to_owned()
    }

    fn certificates(&self) -> usize {
        self.logged("issue-certificate", None)
    }

    fn logged(&self, action: &str, rule: Option<&str>) -> usize {
        let output = self.ca.ca_server(&["--json", "log", "show", "--limit", "100000"]);
        let is = |line: &&str| {
            line.contains(&format!("\"action\":\"{action}\""))
                && rule.is_none_or(|rule| line.contains(&format!("\"rule\":\"{rule}\"")))
        };
        text(&output).lines().filter(is).count()
    }

    /// DER of a request by OpenSSL, with a new key of this name.
    fn csr(&self, name: &str, algorithm: &str, subject: &str, options: &[&str]) -> Vec<u8> {
        let key = self.ca.path(&format!("{name}.key"));
        let made = match algorithm {
            "rsa:1024" => openssl(&["genrsa", "-out", &key, "1024"]),
            "ec" => openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]),
            curve => openssl(&["ecparam", "-name", curve, "-genkey", "-noout", "-out", &key]),
        };
        assert!(made.status.success(), "{}", text(&made));
        self.csr_of(name, &key, subject, options)
    }

    fn csr_with_key(&self, name: &str, key: &str, subject: &str) -> Vec<u8> {
        self.csr_of(name, &self.ca.path(&format!("{key}.key")), subject, &[])
    }

    fn csr_of(&self, name: &str, key: &str, subject: &str, options: &[&str]) -> Vec<u8> {
        let file = self.ca.path(&format!("{name}.csr"));
        let arguments =
            [&["req", "-new", "-key", key, "-subj", subject, "-outform", "DER", "-out", &file], options]
                .concat();
        let made = openssl(&arguments);
        assert!(made.status.success(), "{}", text(&made));
        std::fs::read(file).unwrap()
    }

    /// The challenge signed with the key of this name, base64.
    fn proof(&self, key: &str, challenge: &[u8]) -> String {
        let message = self.ca.path("challenge");
        std::fs::write(&message, [ca_core::PROVE_CONTEXT, challenge].concat()).unwrap();
        let output = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign", &self.ca.path(&format!("{key}.key")), &message])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        BASE64.encode(output.stdout)
    }
}
