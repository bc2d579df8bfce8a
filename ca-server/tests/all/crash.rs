//! The server killed with SIGKILL at every write of the path and around the signature, before and after it is
//! durable, on both databases; then started again. Enumerated from `WriteSite::ALL`: a new write is tested from the
//! day it has a name, and one that this path does not reach fails the test.
//!
//! After each crash the same application goes on to its end, by sending the same requests again. Then: exactly one
//! certificate that is not revoked, the money once, no octets signed twice (counted at the PKCS#11 module), and
//! nothing for ca-audit to find.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::support::{CPS, Ca, Database, WORKSTATION, rows};
use ca_store::WriteSite;
use serde_json::{Value, json};

/// The writes of one walk, in the order in which the path reaches them.
const PATH: [WriteSite; 26] = [
    WriteSite::AppendAudit,
    WriteSite::RegisterUnit,
    WriteSite::Account,
    WriteSite::UnitEvent,
    WriteSite::RegisterAgent,
    WriteSite::SubmitTraining,
    WriteSite::DecideTraining,
    WriteSite::PlanTraining,
    WriteSite::InviteAgent,
    WriteSite::QualifyAgent,
    WriteSite::ConfirmAgent,
    WriteSite::SubmitApplication,
    WriteSite::DecideApplication,
    WriteSite::RecordPayment,
    WriteSite::ClaimApplication,
    WriteSite::BindToken,
    WriteSite::InitialiseToken,
    WriteSite::RecordIntent,
    WriteSite::CommitIssued,
    WriteSite::ReserveCrlNumber,
    WriteSite::PublishCrl,
    WriteSite::WriteCertificate,
    WriteSite::ProveKey,
    WriteSite::DeliverToken,
    WriteSite::StoreNotice,
    WriteSite::ActivateCertificate,
];
/// The write of a walk whose signature's outcome is unknown.
const UNKNOWN: [WriteSite; 1] = [WriteSite::BurnSerial];
/// Writes of a walk that goes wrong: a token that is not there, a clerk who gives up.
const GIVING_UP: [WriteSite; 3] =
    [WriteSite::NoteAttempt, WriteSite::AbandonAttempt, WriteSite::ChangeStatus];
/// Writes that other walks make: their crashes are in `ceremony_crash.rs`, `staff_crash.rs`, `person_crash.rs`,
/// `money_crash.rs`, `bank.rs`, `bank_return.rs`, `register.rs`, `batch.rs` and `loss.rs`; `Import` is the benchmark's seed.
const ELSEWHERE: [WriteSite; 29] = [
    WriteSite::IssuingLine,
    WriteSite::UnlockToken,
    WriteSite::ReportLoss,
    WriteSite::EndHold,
    WriteSite::RevokeByKey,
    WriteSite::Stock,
    WriteSite::Ceremony,
    WriteSite::RegisterStaff,
    WriteSite::Import,
    WriteSite::ChangeAgent,
    WriteSite::SealPersonal,
    WriteSite::ErasePersonal,
    WriteSite::StageRegister,
    WriteSite::ActivateRegister,
    WriteSite::CheckBatch,
    WriteSite::SubmitBatch,
    WriteSite::BookAppointment,
    WriteSite::AdjustMoney,
    WriteSite::CollectOrders,
    WriteSite::RenewQuote,
    WriteSite::CloseShift,
    WriteSite::Invoice,
    WriteSite::Chargeback,
    WriteSite::OrderRenewal,
    WriteSite::ImportStatement,
    WriteSite::AssignMoney,
    WriteSite::ReturnMoney,
    WriteSite::OpenOnlinePayment,
    WriteSite::ChangeOnlinePayment,
];

#[test]
fn every_write_is_on_a_list() {
    let mut listed: Vec<&str> =
        PATH.iter().chain(&UNKNOWN).chain(&GIVING_UP).chain(&ELSEWHERE).map(|site| site.name()).collect();
    let mut all: Vec<&str> = WriteSite::ALL.iter().map(|site| site.name()).collect();
    listed.sort_unstable();
    all.sort_unstable();
    assert_eq!(listed, all, "a new write needs its place in a crash test");
}

/// Each walk is a test of its own, so that they run side by side. A walk fails when it does not reach one of its points;
/// the lists above share out every write among them.
macro_rules! walks {
    ($($name:ident: $database:ident, $crashes:expr, $gives_up:expr;)+) => { $(
        #[test]
        fn $name() {
            crash_everywhere(Database::$database, $crashes, $gives_up);
        }
    )+ };
}

walks! {
    before_every_write_on_sqlite: Sqlite, points(&PATH, &["before"]), false;
    before_every_write_on_postgres: Postgres, points(&PATH, &["before"]), false;
    after_every_write_on_sqlite: Sqlite, points(&PATH, &["after"]), false;
    after_every_write_on_postgres: Postgres, points(&PATH, &["after"]), false;
    around_the_signature_on_sqlite: Sqlite, around_the_signature(), false;
    around_the_signature_on_postgres: Postgres, around_the_signature(), false;
    giving_up_on_sqlite: Sqlite, points(&GIVING_UP, &["before", "after"]), true;
    giving_up_on_postgres: Postgres, points(&GIVING_UP, &["before", "after"]), true;
}

fn points(sites: &[WriteSite], moments: &[&str]) -> Vec<String> {
    let of =
        |site: &WriteSite| moments.iter().map(|when| format!("{}:{when}", site.name())).collect::<Vec<_>>();
    sites.iter().flat_map(of).collect()
}

/// A signature that may have been made is burned at the next start: the write that follows it dies, too.
fn around_the_signature() -> Vec<String> {
    let burned = points(&UNKNOWN, &["before", "after"]);
    ["sign:before", "sign:after"]
        .iter()
        .zip(burned)
        .flat_map(|(sign, burn)| [(*sign).to_owned(), burn])
        .collect()
}

fn crash_everywhere(database: Database, crashes: Vec<String>, gives_up: bool) {
    let mut ca = Ca::new(database);
    let journal = count_signatures(&ca);
    ca.serve(&[]);
    ca.start_counter(&[]);
    walk(&mut ca, 1, crashes, gives_up);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    // One walk: at least the certificate and a CRL before and after it.
    assert_each_signed_once(&journal, 3);
}

/// One application from registration to activation. The server dies at the first point, is started again to die at
/// the second, and so on; then to its end.
fn walk(ca: &mut Ca, number: u32, crashes: Vec<String>, gives_up: bool) {
    let first = crashes[0].clone();
    ca.serve(&[("QIANYIN_CRASH", &first)]);
    let mut walk = Walk::new(ca, number, crashes);
    walk.enroll_and_pay();
    if gives_up {
        walk.claim_a_token_that_is_not_there();
    }
    walk.personalise(gives_up);
    let handed = walk.post("clerk", &format!("/api/v1/applications/{}/hand-over", walk.id), &Value::Null);
    let done_before = handed["title"] == "not-found" || handed["title"] == "wrong-state";
    assert!(handed["serial"].is_string() || done_before, "{handed}");
    walk.activate();
    if gives_up {
        let serial = walk.application()["serial"].as_str().unwrap().to_owned();
        for change in ["hold", "release", "hold", "release"] {
            walk.post("officer", &format!("/api/v1/certificates/{serial}/{change}"), &Value::Null);
        }
    }
    walk.mend();
    assert!(walk.left.is_empty(), "never reached: {:?}", walk.left);
    assert_one_certificate(ca, number);
}

/// Walks the path, sending each request until it is answered, and starting the server anew when it is gone.
struct Walk<'a> {
    ca: &'a mut Ca,
    number: u32,
    id: String,
    token: String,
    /// Where the server has still to die; the first is the running one's.
    left: VecDeque<String>,
    requests: u32,
}

impl<'a> Walk<'a> {
    fn new(ca: &'a mut Ca, number: u32, crashes: Vec<String>) -> Self {
        let token = ca.blank_token();
        Self { ca, number, id: String::new(), token, left: crashes.into(), requests: 0 }
    }

    fn enroll_and_pay(&mut self) {
        let uscc = uscc(self.number);
        let labour_no = format!("2{:07}", self.number);
        let unit = Ca::unit_body(&uscc, &labour_no, "南京崩溃试验厂");
        let made = self.post("clerk", "/api/v1/units", &unit);
        assert!(made["id"].is_string(), "{made}");
        let path = format!("/api/v1/units/{uscc}/account");
        let account = self.send("clerk", "PUT", &path, Some(&json!({})), None);
        assert!(account["password"].is_string(), "{account}");
        let renamed = json!({ "kind": "rename", "name": "南京崩溃试验有限公司", "effective_on": "2026-01-01", "basis": "准予变更登记通知书", "sha256": "22".repeat(32) });
        let event = self.post("clerk", &format!("/api/v1/units/{uscc}/events"), &renamed);
        assert_eq!(event["event"]["state"], "applied", "{event}");
        let card = json!({ "name": "李四", "id_card": id_card(self.number) });
        let agent = self.post("clerk", "/api/v1/agents", &card)["id"].as_str().unwrap().to_owned();
        self.train(&uscc, &agent);
        self.put("clerk", &format!("/api/v1/agents/{agent}/units"), Some(&json!({ "uscc": uscc })));
        let application =
            json!({ "uscc": uscc, "agent": agent, "years": 1, "cps": CPS, "documents": Ca::documents() });
        let made = self.post("clerk", "/api/v1/applications", &application);
        self.id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let approved =
            self.post("officer", &format!("/api/v1/applications/{}/approval", self.id), &Value::Null);
        assert!(approved["state"] == "approved" || approved["title"] == "wrong-state", "{approved}");
        let payment = json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{}", self.number) });
        let paid = self.post("clerk", &format!("/api/v1/applications/{}/payments", self.id), &payment);
        assert!(paid["id"].is_string(), "{paid}");
    }

    /// A session that begins before a crash is over is planned anew.
    fn train(&mut self, uscc: &str, agent: &str) {
        let applied = self.post("clerk", "/api/v1/trainings", &json!({ "uscc": uscc, "agent": agent }));
        let id = applied["id"].as_str().unwrap_or_else(|| panic!("{applied}"));
        let path = format!("/api/v1/trainings/{id}");
        self.post("officer", &format!("{path}/acceptance"), &Value::Null);
        let session = loop {
            let starts_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
            let plan = json!({ "starts_at": starts_at.to_string(), "place": "水西门大街61号", "seats": 1 });
            let planned = self.post("officer", "/api/v1/training-sessions", &plan);
            let Some(session) = planned["id"].as_str().map(str::to_owned) else { continue };
            self.post("officer", &format!("{path}/invitation"), &json!({ "session": session }));
            let state = self.send("clerk", "GET", &path, None, None);
            if state["state"] == "invited" && state["session"] == *session {
                break session;
            }
        };
        let result = json!({ "agent": agent, "result": "passed" });
        let results = format!("/api/v1/training-sessions/{session}/results");
        while self.send("clerk", "GET", &path, None, None)["state"] != "passed" {
            self.post("officer", &results, &result);
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// The workstation waits for the token and the row says so; then the clerk gives that attempt up.
    fn claim_a_token_that_is_not_there(&mut self) {
        self.ca.list_token("0000ABSENT", &["--counter", "municipal"]);
        let path = format!("/api/v1/applications/{}/personalisation", self.id);
        let claim = json!({ "workstation": WORKSTATION, "token": "0000ABSENT" });
        self.post("clerk", &path, &claim);
        while !self.application()["personalisation"]["note"].as_str().unwrap_or("").contains("0000ABSENT")
            || self.left.iter().any(|crash| crash.starts_with("note-attempt"))
        {
            // The note that a crash took away is written again; claiming again clears one that stands.
            let claimed = self.post("clerk", &path, &claim);
            assert!(claimed["id"].is_string(), "{claimed}");
            self.mend();
            std::thread::sleep(Duration::from_millis(200));
        }
        self.give_up();
    }

    fn give_up(&mut self) {
        let path = format!("/api/v1/applications/{}/personalisation/abandonment", self.id);
        let gone = self.post("clerk", &path, &json!({ "reasons": "another token is asked for" }));
        assert!(gone.is_null() || gone["title"] == "not-found", "{gone}");
    }

    fn personalise(&mut self, mut gives_up: bool) {
        let claim = json!({ "workstation": WORKSTATION, "token": self.token });
        let path = format!("/api/v1/applications/{}/personalisation", self.id);
        let until = Instant::now() + Duration::from_secs(180);
        loop {
            let application = self.application();
            let state = application["personalisation"]["state"].as_str().unwrap_or("").to_owned();
            match (application["state"].as_str().unwrap(), state.as_str()) {
                ("issued", "proved") if gives_up => {
                    self.give_up();
                    gives_up = false;
                }
                ("issued", "proved") | ("delivered" | "active", _) => return,
                ("paid", _) => drop(self.post("clerk", &path, &claim)),
                _ => {}
            }
            assert!(
                Instant::now() < until,
                "personalisation does not end: {application}, left: {:?}",
                self.left
            );
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
                let arguments = [
                    "activate",
                    "--server",
                    &format!("https://{}", self.ca.https),
                    "--anchor",
                    &self.ca.path("root.pem"),
                    "--token",
                    &self.token,
                    "--pin-file",
                    &self.ca.path("unit.pin"),
                    "--code-file",
                    &self.ca.path("code"),
                ]
                .map(str::to_owned);
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
    fn send(
        &mut self,
        role: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.ca.call(role, method, path, body, key) {
                Ok(answer) if answer["status"] != 503 => return answer,
                other => assert!(Instant::now() < until, "{method} {path}: {other:?}"),
            }
            self.mend();
        }
    }

    /// Starts a server that is gone, to die at the next point.
    fn mend(&mut self) {
        while self.ca.server_is_gone() {
            self.left.pop_front();
            match self.left.front() {
                Some(crash) => self.ca.serve(&[("QIANYIN_CRASH", crash)]),
                None => return self.ca.serve(&[]),
            }
        }
    }
}

fn assert_one_certificate(ca: &Ca, number: u32) {
    let uscc = uscc(number);
    let rows = rows(ca);
    let of = |table: &str| rows.iter().filter(|row| row["table"] == table).cloned().collect::<Vec<_>>();
    let unit = of("unit").into_iter().find(|unit| unit["code"] == *uscc).unwrap();
    let serials: Vec<Value> = of("certificate")
        .into_iter()
        .filter(|row| row["unit"] == unit["id"])
        .map(|row| row["serial"].clone())
        .collect();
    let good = of("status")
        .into_iter()
        .filter(|row| serials.contains(&row["serial"]) && row["state"] == "good")
        .count();
    assert_eq!(good, 1, "certificates in use of {uscc}");
    let receipt = format!("R-{number}");
    assert_eq!(of("payment").iter().filter(|row| row["reference"] == *receipt).count(), 1);
}

/// Puts the counting module between server and SoftHSM2. Gives its journal. No OCSP answer is signed ahead or kept, for of
/// those two of the same second may have the same octets, and what is counted here is certificates and CRLs.
pub(crate) fn count_signatures(ca: &Ca) -> std::path::PathBuf {
    let journal = ca.dir.join("signatures.journal");
    let module = p11_fault::shared_library().unwrap();
    let file = ca.dir.join("ca-server.toml");
    let mut config: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let hsm = config["hsm"].as_table_mut().unwrap();
    let real = hsm.insert("module".to_owned(), module.to_string_lossy().into_owned().into()).unwrap();
    let environment = hsm["environment"].as_table_mut().unwrap();
    environment.insert("P11_FAULT_MODULE".to_owned(), real);
    environment.insert("P11_FAULT_JOURNAL".to_owned(), journal.to_string_lossy().into_owned().into());
    let ocsp = toml::Table::from_iter([("cached".to_owned(), 0.into())]);
    config.insert("ocsp".to_owned(), ocsp.into());
    std::fs::write(file, toml::to_string(&config).unwrap()).unwrap();
    journal
}

pub(crate) fn assert_nothing_signed_twice(journal: &std::path::Path) {
    assert_each_signed_once(journal, 11);
}

/// With fewer signatures than `least`, the module was not between.
fn assert_each_signed_once(journal: &std::path::Path, least: usize) {
    let text = std::fs::read_to_string(journal).unwrap();
    let mut seen = HashSet::new();
    // HMACs (SO PINs, challenges, codes) give the same for the same on purpose; signatures are ECDSA's.
    let ecdsa = "mechanism=0x00001041";
    let begun: Vec<&str> =
        text.lines().filter(|line| line.contains("begin") && line.contains(ecdsa)).collect();
    assert!(begun.len() >= least, "the module was not between: {} signatures", begun.len());
    for line in begun {
        let data = line.rsplit(' ').next().unwrap();
        assert!(seen.insert(data), "signed twice: {line}");
    }
}

/// A unified social credit code of the test's own (GB 32100-2015).
pub(crate) fn uscc(number: u32) -> String {
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
pub(crate) fn id_card(number: u32) -> String {
    let body = format!("11010519900101{number:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 =
        body.chars().zip(weights).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    format!("{body}{}", "10X98765432".chars().nth(usize::try_from(sum % 11).unwrap()).unwrap())
}
