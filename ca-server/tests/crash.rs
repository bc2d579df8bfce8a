//! The server killed with SIGKILL at every write of the path and around the signature, before and after it is
//! durable, on both databases; then started again. Enumerated from `WriteSite::ALL`: a new write is tested from the
//! day it has a name, and one that this path does not reach fails the test.
//!
//! After each crash the same application goes on to its end, by sending the same requests again. Then: exactly one
//! certificate that is not revoked, the money once, no octets signed twice (counted at the PKCS#11 module), and
//! nothing for ca-audit to find.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::{collections::HashSet, time::{Duration, Instant}};

use ca_store::WriteSite;
use serde_json::{Value, json};
use support::{Ca, Database, WORKSTATION, program};

/// Writes that other commands make, and the test that covers them.
const ELSEWHERE: [(WriteSite, &str); 3] = [
    (WriteSite::Ceremony, "ceremony.rs"),
    (WriteSite::RegisterStaff, "ceremony.rs"),
    (WriteSite::Import, "the benchmark's seed; no command of production"),
];
/// Reached only while another crash is being mended, or by the clerk's own decision: driven on purpose below.
const MENDING: [WriteSite; 3] = [WriteSite::BurnSerial, WriteSite::AbandonAttempt, WriteSite::ChangeStatus];

#[test]
fn every_write_on_sqlite() {
    crash_everywhere(Database::Sqlite);
}

#[test]
fn every_write_on_postgres() {
    crash_everywhere(Database::Postgres);
}

fn crash_everywhere(database: Database) {
    let mut ca = Ca::new(database);
    let journal = count_signatures(&ca);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let mut number = 0;
    for site in WriteSite::ALL {
        if MENDING.contains(site) || ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == site) {
            continue;
        }
        for when in ["before", "after"] {
            // A site may be reached several times on the path: each time is a crash of its own.
            for nth in 1..=repeats(*site) {
                number += 1;
                crash_once(&mut ca, number, &format!("{}:{when}:{nth}", site.name()));
            }
        }
    }
    for crash in ["sign:before", "sign:after"] {
        number += 1;
        crash_once(&mut ca, number, crash);
        for mending in ["before", "after"] {
            number += 1;
            crash_twice(&mut ca, number, crash, &format!("burn-serial:{mending}"));
        }
    }
    for site in ["abandon-attempt", "change-status"] {
        for when in ["before", "after"] {
            number += 1;
            give_up_and_revoke(&mut ca, number, &format!("{site}:{when}"));
        }
    }
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    assert_nothing_signed_twice(&journal);
}

fn repeats(site: WriteSite) -> u32 {
    match site {
        // bind, initialise, write, prove.
        WriteSite::AdvanceAttempt => 4,
        // The lease with its number, and the CRL.
        WriteSite::PublishCrl => 2,
        _ => 1,
    }
}

/// One application from registration to activation, with one crash on the way.
fn crash_once(ca: &mut Ca, number: u32, crash: &str) {
    ca.serve(&[("QIANYIN_CRASH", crash)]);
    let mut path = Walk::new(ca, number);
    path.to_the_end();
    assert!(path.crashes > 0, "{crash} was never reached: it stands on no path that this test takes");
    assert_one_certificate(ca, number);
}

/// The server dies at the signature, and again while it mends that.
fn crash_twice(ca: &mut Ca, number: u32, first: &str, second: &str) {
    ca.serve(&[("QIANYIN_CRASH", first)]);
    let mut path = Walk::new(ca, number);
    path.after_crash = Some(second.to_owned());
    path.to_the_end();
    assert!(path.crashes > 1, "{second} after {first} was never reached");
    assert_one_certificate(ca, number);
}

/// The clerk gives an attempt up whose certificate exists: it is revoked, and the next one is delivered.
fn give_up_and_revoke(ca: &mut Ca, number: u32, crash: &str) {
    ca.serve(&[("QIANYIN_CRASH", crash)]);
    let mut path = Walk::new(ca, number);
    path.give_up_once = true;
    path.to_the_end();
    let serial = path.application()["serial"].as_str().unwrap().to_owned();
    path.post("officer", &format!("/api/v1/certificates/{serial}/hold"), &Value::Null);
    path.post("officer", &format!("/api/v1/certificates/{serial}/release"), &Value::Null);
    assert!(path.crashes > 0, "{crash} was never reached");
    assert_one_certificate(ca, number);
}

/// Walks the path, sending each request until it is answered, and starting the server anew when it is gone.
struct Walk<'a> {
    ca: &'a mut Ca,
    number: u32,
    id: String,
    token: String,
    crashes: u32,
    after_crash: Option<String>,
    give_up_once: bool,
    requests: u32,
}

impl<'a> Walk<'a> {
    fn new(ca: &'a mut Ca, number: u32) -> Self {
        let token = ca.blank_token();
        Self { ca, number, id: String::new(), token, crashes: 0, after_crash: None, give_up_once: false, requests: 0 }
    }

    fn to_the_end(&mut self) {
        self.enroll_and_pay();
        self.personalise();
        let handed = self.post("clerk", &format!("/api/v1/applications/{}/hand-over", self.id), &Value::Null);
        assert!(handed["serial"].is_string() || handed["title"] == "not-found" || handed["title"] == "wrong-state", "{handed}");
        self.activate();
    }

    fn enroll_and_pay(&mut self) {
        let uscc = uscc(self.number);
        let labour_no = format!("2{:07}", self.number);
        let unit = json!({ "uscc": uscc, "labour_no": labour_no, "name": "南京崩溃试验有限公司", "province": "江苏省", "city": "南京市" });
        let made = self.post("clerk", "/api/v1/units", &unit);
        assert!(made["id"].is_string(), "{made}");
        let card = json!({ "name": "李四", "id_card": id_card(self.number) });
        let agent = self.post("clerk", "/api/v1/agents", &card)["id"].as_str().unwrap().to_owned();
        self.put("officer", &format!("/api/v1/agents/{agent}/qualification"), None);
        self.put("clerk", &format!("/api/v1/agents/{agent}/units"), Some(&json!({ "uscc": uscc })));
        let application = json!({ "uscc": uscc, "agent": agent, "years": 1, "documents": Ca::documents() });
        let made = self.post("clerk", "/api/v1/applications", &application);
        self.id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let approved = self.post("officer", &format!("/api/v1/applications/{}/approval", self.id), &Value::Null);
        assert!(approved["state"] == "approved" || approved["title"] == "wrong-state", "{approved}");
        let payment = json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{}", self.number) });
        let paid = self.post("clerk", &format!("/api/v1/applications/{}/payments", self.id), &payment);
        assert!(paid["id"].is_string(), "{paid}");
    }

    fn personalise(&mut self) {
        let claim = json!({ "workstation": WORKSTATION, "token": self.token });
        let path = format!("/api/v1/applications/{}/personalisation", self.id);
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let application = self.application();
            let state = application["personalisation"]["state"].as_str().unwrap_or("").to_owned();
            match (application["state"].as_str().unwrap(), state.as_str()) {
                ("issued", "proved") if self.give_up_once => {
                    let reasons = json!({ "reasons": "the holder asked for another token" });
                    let gone = self.post("clerk", &format!("{path}/abandonment"), &reasons);
                    assert!(gone.is_null() || gone["title"] == "not-found", "{gone}");
                    self.give_up_once = false;
                }
                ("issued", "proved") | ("delivered" | "active", _) => return,
                ("paid", _) => drop(self.post("clerk", &path, &claim)),
                _ => {}
            }
            assert!(Instant::now() < until, "personalisation does not end: {application}");
            self.mend();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn activate(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        let message = self.ca.dir.join(format!("outbox/{}.txt", self.id));
        while self.application()["state"] != "active" {
            assert!(Instant::now() < until, "activation does not end");
            self.mend();
            if !message.exists() {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            let output = self.ca.activate(&self.id, &self.token);
            if !output.status.success() {
                // The PIN was replaced before the crash: the holder gives the new one alone.
                let arguments = ["activate", "--server", &format!("https://{}", self.ca.https), "--anchor", &self.ca.path("root.pem"),
                    "--token", &self.token, "--pin-file", &self.ca.path("unit.pin"), "--code-file", &self.ca.path("code")].map(str::to_owned);
                self.mend();
                let _ = self.ca.ukey(&arguments.each_ref().map(String::as_str));
            }
        }
    }

    fn application(&mut self) -> Value {
        let path = format!("/api/v1/applications/{}", self.id);
        self.send("clerk", "GET", &path, None, None)
    }

    fn post(&mut self, role: &str, path: &str, body: &Value) -> Value {
        self.requests += 1;
        let key = format!("crash-{}-{}", self.number, self.requests);
        self.send(role, "POST", path, Some(body), Some(&key))
    }

    fn put(&mut self, role: &str, path: &str, body: Option<&Value>) {
        let answer = self.send(role, "PUT", path, body, None);
        assert!(answer.is_null(), "{answer}");
    }

    /// The same request with the same key until there is an answer.
    fn send(&mut self, role: &str, method: &str, path: &str, body: Option<&Value>, key: Option<&str>) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.ca.call(role, method, path, body, key) {
                Ok(answer) if answer["status"] != 503 => return answer,
                other => assert!(Instant::now() < until, "{method} {path}: {other:?}"),
            }
            self.mend();
        }
    }

    /// Starts a server that is gone.
    fn mend(&mut self) {
        if !self.ca.server_is_gone() {
            return;
        }
        self.crashes += 1;
        match self.after_crash.take() {
            Some(crash) => self.ca.serve(&[("QIANYIN_CRASH", &crash)]),
            None => self.ca.serve(&[]),
        }
    }
}

fn assert_one_certificate(ca: &Ca, number: u32) {
    let uscc = uscc(number);
    let export = ca.path("export.jsonl");
    let output = ca.ca_server(&["export", "--output", &export]);
    assert!(output.status.success());
    let rows: Vec<Value> = std::fs::read_to_string(&export).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |table: &str| rows.iter().filter(|row| row["table"] == table).cloned().collect::<Vec<_>>();
    let unit = of("unit").into_iter().find(|unit| unit["uscc"] == *uscc).unwrap();
    let serials: Vec<Value> = of("certificate").into_iter().filter(|row| row["unit"] == unit["id"]).map(|row| row["serial"].clone()).collect();
    let good = of("status").into_iter().filter(|row| serials.contains(&row["serial"]) && row["state"] == "good").count();
    assert_eq!(good, 1, "certificates in use of {uscc}");
    let receipt = format!("R-{number}");
    assert_eq!(of("payment").iter().filter(|row| row["receipt_no"] == *receipt).count(), 1);
}

/// Puts the counting module between server and SoftHSM2. Gives its journal.
fn count_signatures(ca: &Ca) -> std::path::PathBuf {
    let journal = ca.dir.join("signatures.journal");
    let module = program("libp11_fault.so");
    let file = ca.dir.join("ca-server.toml");
    let mut config: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let hsm = config["hsm"].as_table_mut().unwrap();
    let real = hsm.insert("module".to_owned(), module.to_string_lossy().into_owned().into()).unwrap();
    let environment = hsm["environment"].as_table_mut().unwrap();
    environment.insert("P11_FAULT_MODULE".to_owned(), real);
    environment.insert("P11_FAULT_JOURNAL".to_owned(), journal.to_string_lossy().into_owned().into());
    std::fs::write(file, toml::to_string(&config).unwrap()).unwrap();
    journal
}

fn assert_nothing_signed_twice(journal: &std::path::Path) {
    let text = std::fs::read_to_string(journal).unwrap();
    let mut seen = HashSet::new();
    let begun: Vec<&str> = text.lines().filter(|line| line.contains("begin")).collect();
    assert!(begun.len() > 50, "the module was not between: {} signatures", begun.len());
    for line in begun {
        let data = line.rsplit(' ').next().unwrap();
        assert!(seen.insert(data), "signed twice: {line}");
    }
}

/// A unified social credit code of the test's own (GB 32100-2015).
fn uscc(number: u32) -> String {
    let alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let body = format!("91320106{number:09}");
    let mut weight = 1;
    let mut sum = 0;
    for character in body.chars() {
        sum += alphabet.find(character).unwrap() * weight;
        weight = weight * 3 % 31;
    }
    format!("{body}{}", alphabet.chars().nth((31 - sum % 31) % 31).unwrap())
}

/// An identity card number of the test's own (GB 11643-1999).
fn id_card(number: u32) -> String {
    let body = format!("11010519900101{number:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    format!("{body}{}", "10X98765432".chars().nth(usize::try_from(sum % 11).unwrap()).unwrap())
}
