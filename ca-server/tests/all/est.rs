//! Step 11 over EST, with the clients that people have: OpenSSL and curl, strongSwan's pki. From a certificate on a
//! U-key to one whose key a program keeps, and on from there; what is refused changes nothing and stands in the log.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::est_refusals::{
    bad_requests, key_seen_before, no_first_certificate, nobody_else, not_before_it_is_settled, refused,
    standing,
};
use crate::support::{
    CPS, Ca, Database, USCC,
    est::{Answer, Identity, PKCS10, answer, certificates},
    openssl, root, rows, text, wait,
};
use serde_json::{Value, json};

/// A unit that `testdata/units.toml` registers besides.
pub(crate) const OTHER: &str = "91320106MA1X00017N";
pub(crate) const REENROLL: &str = "simplereenroll";

#[test]
fn on_sqlite() {
    est(Database::Sqlite);
}

#[test]
fn on_postgres() {
    est(Database::Postgres);
}

fn est(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    open_to_everybody(&ca);
    let (mut first, token) = on_a_token(&ca, USCC);
    not_unless_the_profile_allows_it(&mut ca, &mut first);
    no_first_certificate(&ca, &first);
    nobody_else(&ca, &first);
    let renewal = not_before_it_is_settled(&ca, &first);
    bad_requests(&ca, &first);
    let second = renewed_from_a_token(&ca, &first, &token, &renewal);
    settled(&ca, &second, "renew");
    let third = renewed_by_the_document(&ca, &second, 0);
    key_seen_before(&ca, &first, &third);
    let fourth = renewed_by_the_document(&ca, &third, 1);
    let fifth = at_the_same_time(&ca, &fourth);
    let sixth = with_the_same_key(&mut ca, &fifth);
    revoked(&ca, &sixth);
    ca.stop_others();
    ca.stop_server();
    everything_says_where_it_came_from(&ca, &first);
    ca.assert_audit_is_clean();
}

/// A certificate in use, and how its holder shows it.
pub(crate) struct Held {
    pub(crate) serial: String,
    /// PEM.
    pub(crate) file: String,
    pub(crate) identity: Identity,
}

/// A unit's certificate as it comes from a counter. Gives its token, too.
pub(crate) fn on_a_token(ca: &Ca, uscc: &str) -> (Held, String) {
    let mut application = ca.application_body();
    application["uscc"] = json!(uscc);
    let id = made(&ca.post("clerk", "/api/v1/applications", &application));
    approve(ca, &id);
    pay(ca, &id, 20_000);
    let token = ca.blank_token();
    ca.claim(&id, &token);
    wait(60, "personalisation", || ca.application(&id)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{id}/hand-over"), &Value::Null);
    let serial = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
    let activated = ca.activate(&id, &token);
    assert!(activated.status.success(), "{}", text(&activated));
    ca.write_certificate(&serial);
    let file = ca.path(&format!("{uscc}.pem"));
    std::fs::rename(ca.path("unit.pem"), &file).unwrap();
    let identity = Identity::Token { certificate: file.clone(), key: ca.key_uri(&token) };
    (Held { serial, file, identity }, token)
}

pub(crate) fn made(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// `renew` buys a year, `rekey` is free and buys none.
pub(crate) fn apply(ca: &Ca, held: &Held, kind: &str) -> String {
    let form = json!({ "kind": "nanjing-hrss-application", "sha256": "00".repeat(32) });
    let mut renewal = json!({
        "uscc": USCC, "agent": ca.agent, "kind": kind, "certificate": held.serial, "cps": CPS, "documents": [form],
    });
    if kind == "renew" {
        renewal["years"] = json!(1);
    }
    made(&ca.post("clerk", "/api/v1/applications", &renewal))
}

pub(crate) fn approve(ca: &Ca, id: &str) {
    let approved = ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert!(approved["state"].is_string(), "{approved}");
}

pub(crate) fn pay(ca: &Ca, id: &str, fen: u32) {
    let payment =
        json!({ "amount_fen": fen, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
    let paid = ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    assert!(paid["id"].is_string(), "{paid}");
}

pub(crate) fn settled(ca: &Ca, held: &Held, kind: &str) -> String {
    let id = apply(ca, held, kind);
    approve(ca, &id);
    if kind == "renew" {
        pay(ca, &id, 15_000);
    }
    assert_eq!(ca.application(&id)["state"], "paid");
    id
}

pub(crate) fn send(ca: &Ca, held: &Held, request: &[u8]) -> Answer {
    ca.est(&held.identity, REENROLL, Some((PKCS10, request)))
}

pub(crate) fn state(ca: &Ca, held: &Held) -> Value {
    let view = ca.get("auditor", &format!("/api/v1/certificates/{}", held.serial));
    json!([view["state"], view["reason"]])
}

fn fingerprints(ca: &Ca, file: &str) -> Vec<String> {
    let pem = std::fs::read_to_string(file).unwrap();
    let each = pem.split_inclusive("-----END CERTIFICATE-----").filter(|part| part.contains("BEGIN"));
    let mut found: Vec<String> = each
        .map(|part| {
            std::fs::write(ca.path("one.pem"), part).unwrap();
            text(&openssl(&["x509", "-in", &ca.path("one.pem"), "-noout", "-fingerprint", "-sha256"]))
        })
        .collect();
    found.sort();
    found
}

/// The certificates of the CA, to anybody; attributes only where requests are taken.
fn open_to_everybody(ca: &Ca) {
    let mut chain = fingerprints(ca, &ca.path("issuing.pem"));
    chain.extend(fingerprints(ca, &ca.path("root.pem")));
    chain.sort();
    for path in ["cacerts", "unit-sign/cacerts", "staff-auth/cacerts"] {
        let answer = ca.est(&Identity::Nobody, path, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(fingerprints(ca, &certificates(&answer, &ca.path("cacerts.pem"))), chain);
    }
    for path in ["csrattrs", "unit-sign/csrattrs", "staff-auth/csrattrs"] {
        let answer = ca.est(&Identity::Nobody, path, None);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "the profile does not allow it yet");
    }
    for operation in ["cacerts", "csrattrs"] {
        ca.est(&Identity::Nobody, &format!("no-such-profile/{operation}"), None).says(404, "est.label");
    }
    for path in ["serverkeygen", "fullcmc", "unit-sign/x/cacerts"] {
        assert_eq!(ca.est(&Identity::Nobody, path, None).status, 404, "{path}");
    }
    assert_eq!(ca.est(&Identity::Nobody, REENROLL, None).status, 405);
}

/// From the server's next start.
pub(crate) fn allow(ca: &Ca) {
    let old = "proof-of-possession = true";
    ca.change_policy("profiles/unit-sign.toml", old, &format!("{old}\nest-reenroll = true"));
}

/// Off unless an operator wrote it down; then the attributes say which key to make.
fn not_unless_the_profile_allows_it(ca: &mut Ca, first: &mut Held) {
    settled_is_not_enough(ca, first);
    allow(ca);
    ca.serve(&[]);
    for path in ["csrattrs", "unit-sign/csrattrs"] {
        let answer = ca.est(&Identity::Nobody, path, None);
        assert!(answer.headers.contains("content-type: application/csrattrs"), "{answer:?}");
        std::fs::write(ca.path("csrattrs"), &answer.body).unwrap();
        let (file, der) = (ca.path("csrattrs"), ca.path("csrattrs.der"));
        assert!(openssl(&["base64", "-d", "-A", "-in", &file, "-out", &der]).status.success());
        let shown = text(&openssl(&["asn1parse", "-inform", "DER", "-in", &der]));
        for name in ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"] {
            assert!(shown.contains(name), "{shown}");
        }
    }
    assert_eq!(ca.est(&Identity::Nobody, "staff-auth/csrattrs", None).status, 204);
}

fn settled_is_not_enough(ca: &Ca, first: &Held) {
    let (request, _) = ca.est_request(&first.file, "early");
    refused(ca, 403, "est.not-allowed", || send(ca, first, &request));
}

/// The new one is good, the old one is not, and the new one is what was asked and paid for.
pub(crate) fn renewed(ca: &Ca, old: &Held, file: &str, key: &str, kind: &str) -> Held {
    let line =
        |file: &str, option: &str| text(&openssl(&["x509", "-in", file, "-noout", option])).trim().to_owned();
    let serial = line(file, "-serial").trim_start_matches("serial=").to_lowercase();
    let identity = Identity::Files { certificate: file.to_owned(), key: key.to_owned() };
    let new = Held { serial, file: file.to_owned(), identity };
    assert_eq!(state(ca, &new), json!(["good", null]));
    assert_eq!(state(ca, old), json!(["revoked", "superseded"]));
    assert_eq!(line(file, "-pubkey"), text(&openssl(&["pkey", "-in", key, "-pubout"])).trim());
    for option in ["-subject", "-issuer"] {
        assert_eq!(line(file, option), line(&old.file, option));
    }
    let chain = ["verify", "-CAfile", &ca.path("root.pem"), "-untrusted", &ca.path("issuing.pem"), file];
    assert!(openssl(&chain).status.success(), "{}", text(&openssl(&chain)));
    // Good at once; it ends where the old one ends, or a paid year later.
    let time = |file: &str, option: &str| {
        let text = line(file, option);
        let date = text.split_once('=').unwrap().1.trim_end_matches(" GMT");
        let plain = jiff::civil::DateTime::strptime("%b %e %H:%M:%S %Y", date).unwrap();
        jiff::tz::TimeZone::UTC.to_timestamp(plain).unwrap()
    };
    let age = jiff::Timestamp::now().duration_since(time(file, "-startdate"));
    assert!(age.as_secs() >= 0 && age.as_secs() < 60, "it begins now: {age:?}");
    let china = |time: jiff::Timestamp| time.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
    let (was, is) = (china(time(&old.file, "-enddate")), china(time(file, "-enddate")));
    let years = i64::from(kind == "renew");
    assert_eq!(is, was.checked_add(jiff::Span::new().years(years)).unwrap(), "no paid second is lost");
    new
}

/// curl with the key in the token; then the answer is lost.
fn renewed_from_a_token(ca: &Ca, first: &Held, token: &str, renewal: &str) -> Held {
    let (request, key) = ca.est_request(&first.file, "second");
    // Broken into lines, as RFC 2045 has it, it is the same request.
    let lines: Vec<u8> = request.chunks(64).flat_map(|line| [line, b"\r\n"].concat()).collect();
    let given = ca.est(&first.identity, "unit-sign/simplereenroll", Some((PKCS10, &lines)));
    given.write_certificate(&ca.path("second.pem"));
    let second = renewed(ca, first, &ca.path("second.pem"), &key, "renew");
    assert_eq!(ca.application(renewal)["state"], "active");
    let before = standing(ca);
    for who in [first, &second] {
        let again = send(ca, who, &request);
        assert_eq!((again.status, &again.body), (200, &given.body), "the same certificate again");
    }
    assert!(standing(ca) == before, "signed once");
    let (another, _) = ca.est_request(&first.file, "another");
    refused(ca, 403, "auth.certificate-not-good", || send(ca, first, &another));
    refused(ca, 404, "renewal.none", || send(ca, &second, &another));
    // The token is told that its certificate was renewed elsewhere.
    let (server, anchor, pin) = (format!("https://{}", ca.https), ca.path("root.pem"), ca.path("unit.pin"));
    let output =
        ca.ukey(&["renew", "--server", &server, "--anchor", &anchor, "--token", token, "--pin-file", &pin]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&second.serial) && text(&output).contains("EST"), "{}", text(&output));
    second
}

/// The commands of docs/est.md, as they stand there: the first block is openssl and curl, the second strongSwan.
fn renewed_by_the_document(ca: &Ca, old: &Held, last: usize) -> Held {
    let kind = ["renew", "rekey"][last];
    let document = std::fs::read_to_string(root().join("docs/est.md")).unwrap();
    let blocks: Vec<&str> =
        document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "docs/est.md has other examples now");
    let folder = ca.dir.join(format!("document-{last}"));
    std::fs::create_dir(&folder).unwrap();
    let Identity::Files { certificate, key } = &old.identity else { panic!("{:?}", old.identity) };
    let (root, issuing) = (ca.path("root.pem"), ca.path("issuing.pem"));
    for (from, to) in
        [(certificate, "old.pem"), (key, "old.key"), (&root, "root.pem"), (&issuing, "issuing.pem")]
    {
        std::fs::copy(from, folder.join(to)).unwrap();
    }
    // The second begins with the request of the first.
    let request = if last == 0 { "" } else { blocks[0].split("base64 -w").next().unwrap() };
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("{request}{}", blocks[last])])
        .current_dir(&folder)
        // A name that certificate and Host header agree on.
        .env("EST", ca.https.replace("127.0.0.1", "localhost"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    if last == 1 {
        let mut found = fingerprints(ca, &file("ca.pem"));
        found.extend(fingerprints(ca, &file("ca-1.pem")));
        let mut chain = fingerprints(ca, &root);
        chain.extend(fingerprints(ca, &issuing));
        found.sort();
        chain.sort();
        assert_eq!(found, chain, "pki --estca");
    }
    renewed(ca, old, &file("new.pem"), &file("new.key"), kind)
}

/// Four requests with two keys at the same time: one of the keys has one certificate, and the other has none.
fn at_the_same_time(ca: &Ca, fourth: &Held) -> Held {
    let renewal = settled(ca, fourth, "rekey");
    let requests = ["left", "right"].map(|name| ca.est_request(&fourth.file, name));
    let clients: Vec<_> = [0, 1, 0, 1]
        .into_iter()
        .map(|which| {
            let body = Some((PKCS10, &requests[which].0[..]));
            let mut command = ca.est_command(&fourth.identity, REENROLL, body);
            (which, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        })
        .collect();
    let answers: Vec<(usize, Answer)> = clients
        .into_iter()
        .map(|(which, client)| (which, answer(&client.wait_with_output().unwrap())))
        .collect();
    let given: Vec<&(usize, Answer)> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
    assert!(!given.is_empty(), "{answers:?}");
    let (winner, first) = given[0];
    assert!(given.iter().all(|(which, answer)| which == winner && answer.body == first.body), "{answers:?}");
    for (_, answer) in &answers {
        assert!([200, 202, 403, 409].contains(&answer.status), "{answers:?}");
    }
    // Whoever was told to wait asks again.
    assert_eq!(send(ca, fourth, &requests[*winner].0).body, first.body);
    send(ca, fourth, &requests[1 - winner].0).says(403, "auth.certificate-not-good");
    let made = rows(ca).into_iter().filter(|row| row["table"] == "intent" && row["application"] == *renewal);
    assert_eq!(made.count(), 1, "one certificate was signed: {answers:?}");
    first.write_certificate(&ca.path("fifth.pem"));
    renewed(ca, fourth, &ca.path("fifth.pem"), &requests[*winner].1, "rekey")
}

/// A program keeps its key where the profile says so, and only the key of the certificate that is renewed.
fn with_the_same_key(ca: &mut Ca, fifth: &Held) -> Held {
    let renewal = settled(ca, fifth, "rekey");
    let Identity::Files { key, .. } = &fifth.identity else { panic!("{:?}", fifth.identity) };
    let request = ca.est_request_of_key(&fifth.file, "kept", key);
    refused(ca, 403, "est.same-key", || send(ca, fifth, &request));
    let allowed = "est-reenroll = true";
    ca.change_policy("profiles/unit-sign.toml", allowed, &format!("{allowed}\nest-same-key = true"));
    ca.serve(&[]);
    let older = ca.est_request_of_key(&fifth.file, "older", &ca.path("second.key"));
    send(ca, fifth, &older).says(409, "est.key-used");
    let given = send(ca, fifth, &request);
    given.write_certificate(&ca.path("sixth.pem"));
    let sixth = renewed(ca, fifth, &ca.path("sixth.pem"), key, "rekey");
    for who in [fifth, &sixth] {
        assert_eq!(send(ca, who, &request).body, given.body, "the lost answer again");
    }
    assert_eq!(ca.application(&renewal)["serial"], json!(sixth.serial));
    sixth
}

/// Revoked, it is refused at the next request, on whatever its renewal waits.
fn revoked(ca: &Ca, fifth: &Held) {
    let renewal = apply(ca, fifth, "rekey");
    let (request, _) = ca.est_request(&fifth.file, "late");
    send(ca, fifth, &request).says(202, "est.pending");
    let asked = Instant::now();
    ca.revoke(&fifth.serial, "keyCompromise");
    let revoked = Instant::now();
    let mut last = send(ca, fifth, &request);
    while last.status == 202 && revoked.elapsed() < Duration::from_secs(10) {
        last = send(ca, fifth, &request);
    }
    println!("revoking took {:?}, refused after {:?}", revoked - asked, revoked.elapsed());
    last.says(403, "auth.certificate-not-good");
    refused(ca, 403, "auth.certificate-not-good", || send(ca, fifth, &request));
    assert_eq!(ca.application(&renewal)["serial"], Value::Null);
}

/// Every certificate but those of counters is marked in the log and in the records.
fn everything_says_where_it_came_from(ca: &Ca, first: &Held) {
    let of_unit = |row: &Value| row["table"] == "intent" && row["application"].is_string();
    let intents: Vec<Value> = rows(ca).into_iter().filter(of_unit).collect();
    let unattested = intents.iter().filter(|row| row["token"] == "origin:unattested").count();
    assert_eq!(unattested, 5, "{intents:?}");
    let output = ca.ca_server(&["--json", "log", "show", "--limit", "100000"]);
    let log = text(&output);
    let issued = |line: &&str| {
        line.contains("\"issue-certificate\"") && line.contains("unattested") && line.contains("holder:")
    };
    assert_eq!(log.lines().filter(issued).count(), 5, "{log}");
    assert!(log.contains(&format!("holder:{}", first.serial)), "{log}");
}
