//! 持有私钥者自行吊销。Whoever has the key revokes: with the commands of docs/counter.md, over both listeners, once.

use std::process::{Command, Output};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    kinds::standing_of,
    money_crash::points,
    support::{Ca, Database, curl, openssl, root, text, wait},
};

#[test]
fn on_sqlite() {
    by_key(Database::Sqlite);
}

#[test]
fn on_postgres() {
    by_key(Database::Postgres);
}

fn by_key(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, good, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    refusals(&ca, &good);
    as_documented(&ca, &good, &token);
    let [before, after] = points(WriteSite::RevokeByKey);
    // Not activated: its PIN is the initial one still.
    let (_, born, token) = ca.issue();
    std::fs::write(ca.dir.join("unit.pin"), "123456").unwrap();
    cut_short(&mut ca, &before, &born, &token, 200);
    let (_, held, token) = ca.issue();
    ca.post("officer", &format!("/api/v1/certificates/{held}/hold"), &Value::Null);
    assert_eq!(standing_of(&ca, &held).0, "held");
    cut_short(&mut ca, &after, &held, &token, 409);
    let (application, good, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    by_program(&ca, &good, &token);
    let hold = ca.get("auditor", &format!("/api/v1/certificates/{held}/holds"));
    assert_eq!(
        (&hold[0]["outcome"], &hold[0]["ended_by"]),
        (&json!("revoked"), &json!(format!("holder:{held}")))
    );
    wait(20, "the messages", || ca.notices("key-revoked").len() == 4);
    turns(&ca);
    ca.stop_others();
    ca.stop_server();
    let ends = ca
        .rows("audit")
        .into_iter()
        .filter(|entry| entry["action"] == "revoke-certificate" && entry["rule"] == Value::Null);
    assert_eq!(ends.count(), 4, "each once");
    ca.assert_audit_is_clean();
}

fn revoked() -> (String, String) {
    ("revoked".to_owned(), "keyCompromise".to_owned())
}

/// Gives the HTTP status and the answer.
fn post(ca: &Ca, url: &str, body: &Value) -> (u16, Value) {
    let (anchor, data) = (ca.path("root.pem"), body.to_string());
    let json = "Content-Type: application/json";
    let output = curl(&["-sS", "--cacert", &anchor, "-H", json, "-d", &data, "-w", "\n%{http_code}", url]);
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let (answer, status) = answer.rsplit_once('\n').unwrap_or_else(|| panic!("{}", text(&output)));
    (status.parse().unwrap_or(0), serde_json::from_str(answer).unwrap_or(Value::Null))
}

fn plain(ca: &Ca, end: &str) -> String {
    format!("http://{}/api/v1/key-revocations{end}", ca.http)
}

fn secure(ca: &Ca, end: &str) -> String {
    format!("https://{}/api/v1/key-revocations{end}", ca.https)
}

fn challenge(ca: &Ca, serial: &str) -> Value {
    let (status, made) = post(ca, &plain(ca, "/challenge"), &json!({ "serial": serial }));
    assert_eq!(status, 200, "{made}");
    made
}

/// A signature by the key on the token, base64.
fn signed(ca: &Ca, token: &str, octets: &str) -> String {
    std::fs::write(ca.dir.join("text"), octets).unwrap();
    let mut command = ca.with_engine("openssl");
    command.args(["dgst", "-sha256", "-engine", "pkcs11", "-keyform", "engine", "-sign", &ca.key_uri(token)]);
    let output = command.args(["-out", &ca.path("signature"), &ca.path("text")]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    BASE64.encode(std::fs::read(ca.dir.join("signature")).unwrap())
}

/// The commands of the document, as they stand there.
fn as_documented(ca: &Ca, serial: &str, token: &str) {
    let document = std::fs::read_to_string(root().join("docs/counter.md")).unwrap();
    let section = document.split("### Revocation with the key").nth(1).unwrap();
    let commands = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(commands.contains("openssl dgst") && commands.contains("curl -fsS"), "{commands}");
    let run = |server: &str| -> Output {
        let mut command = ca.with_engine("bash");
        command.args(["-euc", commands]).current_dir(&ca.dir);
        command.env("SERIAL", serial).env("CA", server).env("KEY", ca.key_uri(token));
        command.env("CURL_CA_BUNDLE", ca.path("root.pem")).output().unwrap()
    };
    let output = run(&format!("http://{}", ca.http));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("\"state\":\"revoked\""), "{}", text(&output));
    assert_eq!(standing_of(ca, serial), revoked());
    assert_eq!(crate::stock::token(ca, token)["state"], "terminated");
    // The same request again: it does nothing a second time.
    let sent: Value =
        serde_json::from_slice(&std::fs::read(ca.dir.join("revocation.json")).unwrap()).unwrap();
    let (status, again) = post(ca, &secure(ca, ""), &sent);
    assert_eq!((status, &again["title"]), (409, &json!("revoked-for-ever")), "{again}");
    let output = run(&format!("https://{}", ca.https));
    assert!(!output.status.success(), "a new challenge does not change that");
}

/// `ukey revoke`: a wrong PIN is tried once and revokes nothing; then it is revoked, also as OCSP says; then it was before.
fn by_program(ca: &Ca, serial: &str, token: &str) {
    std::fs::write(ca.dir.join("wrong.pin"), "99887766").unwrap();
    let (server, anchor) = (format!("https://{}", ca.https), ca.path("root.pem"));
    let run = |pin: &str| {
        let pin = ca.path(pin);
        let base = ["revoke", "--server", &server, "--anchor", &anchor, "--token", token];
        let output = ca.ukey(&[&base[..], &["--yes", "--pin-file", &pin]].concat());
        (output.status.success(), text(&output))
    };
    let (done, said) = run("wrong.pin");
    assert!(!done && said.contains("口令只试了一次") && !said.contains("99887766"), "{said}");
    assert_eq!(standing_of(ca, serial).0, "good");
    let (done, said) = run("unit.pin");
    assert!(done && said.contains("南京示例科技有限公司") && said.contains("不能恢复"), "{said}");
    assert!(said.contains("已输错过") && said.contains(&format!("{serial}  已吊销（")), "{said}");
    assert_eq!(standing_of(ca, serial), revoked());
    ca.write_certificate(serial);
    let ocsp = format!("http://{}/ocsp", ca.http);
    let asked = openssl(&[
        "ocsp",
        "-issuer",
        &ca.path("issuing.pem"),
        "-cert",
        &ca.path("unit.pem"),
        "-url",
        &ocsp,
        "-CAfile",
        &anchor,
    ]);
    assert!(text(&asked).contains("unit.pem: revoked"), "{}", text(&asked));
    // The portal and every login refuse it now; the key still says whose it is.
    let (done, said) = run("unit.pin");
    assert!(done && said.contains("此前已吊销"), "{said}");
}

/// Signed once, sent to a server that dies, and sent again with the same challenge.
fn cut_short(ca: &mut Ca, point: &str, serial: &str, token: &str, then: u16) {
    let made = challenge(ca, serial);
    let signature = signed(ca, token, made["text"].as_str().unwrap());
    ca.serve(&[("QIANYIN_CRASH", point)]);
    // With the certificate instead of its number.
    let der = std::fs::read(ca.dir.join("unit.der")).unwrap();
    let body = json!({
        "certificate": BASE64.encode(der), "challenge": made["challenge"], "signature": signature,
    });
    let (status, cut) = post(ca, &secure(ca, ""), &body);
    assert_eq!(status, 0, "{point}: {cut}");
    wait(10, "the crash", || ca.server_is_gone());
    ca.serve(&[]);
    let (status, again) = post(ca, &plain(ca, ""), &body);
    assert_eq!(status, then, "{point}: {again}");
    assert_eq!(standing_of(ca, serial), revoked(), "{point}");
}

fn refusals(ca: &Ca, serial: &str) {
    let key = ca.path("stranger.key");
    let made = openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
    assert!(made.status.success(), "{}", text(&made));
    let made = challenge(ca, serial);
    std::fs::write(ca.dir.join("text"), made["text"].as_str().unwrap()).unwrap();
    let arguments = ["dgst", "-sha256", "-sign", &key, "-out", &ca.path("signature"), &ca.path("text")];
    assert!(Command::new("openssl").args(arguments).status().unwrap().success());
    let strange = BASE64.encode(std::fs::read(ca.dir.join("signature")).unwrap());
    let of_other = challenge(ca, "0100");
    let sent = |name: &str, value: Value| {
        let mut body = json!({ "serial": serial, "challenge": made["challenge"], "signature": strange });
        body[name] = value;
        let (_, answer) = post(ca, &plain(ca, ""), &body);
        answer["title"].as_str().unwrap_or("done").to_owned()
    };
    for (name, value, rule) in [
        ("signature", json!(strange), "key-revocation.signature"),
        ("signature", json!(""), "key-revocation.signature"),
        ("signature", json!("?"), "field.invalid"),
        ("challenge", json!(""), "key-revocation.challenge"),
        ("challenge", json!("A".repeat(75)), "key-revocation.challenge"),
        ("challenge", of_other["challenge"].clone(), "key-revocation.challenge"),
        ("serial", json!("zz"), "not-found"),
        ("serial", json!("0100"), "key-revocation.challenge"),
        ("serial", Value::Null, "field.invalid"),
        ("certificate", json!("AAAA"), "field.invalid"),
        ("reason", json!("superseded"), "request.malformed"),
        ("signature", json!("A".repeat(9_000)), "request.too-large"),
    ] {
        assert_eq!(sent(name, value.clone()), rule, "{name} {value}");
    }
    let (_, unknown) = post(
        ca,
        &secure(ca, ""),
        &json!({ "serial": "0100", "challenge": of_other["challenge"], "signature": strange }),
    );
    assert_eq!(unknown["title"], "not-found", "{unknown}");
    assert_eq!(standing_of(ca, serial).0, "good");
    // Only signatures under a good challenge for a certificate of ours are written down.
    let entries = ca.rows("audit").into_iter().filter(|entry| entry["actor"] == "system:key-revocation");
    assert_eq!(entries.count(), 2);
}

/// Whoever asks too often waits.
fn turns(ca: &Ca) {
    let asked = |_| post(ca, &plain(ca, "/challenge"), &json!({ "serial": "0100" })).0;
    let answers: Vec<u16> = (0..70).map(asked).collect();
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    assert!(curl(&["-fsS", &format!("http://{}/readyz", ca.http)]).status.success());
}
