//! Status by push, with curl as the client and the relying parties' own code as the judge: a snapshot, then every change
//! and a heartbeat from every instance, and an end that says why.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ca_verifier::{Error, Gate, Reason, SignedStatus, Standing, StatusSnapshot, Time, Trust};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

use crate::support::{Ca, Database, curl, root, text, wait};

/// Of one place on the network.
const STREAMS: usize = 16;

#[test]
fn changes_are_pushed_on_sqlite() {
    pushed(Database::Sqlite);
}

#[test]
fn changes_are_pushed_on_postgres() {
    pushed(Database::Postgres);
}

/// curl that writes what comes into a file; killed with the value.
struct Stream {
    child: Child,
    file: String,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn open(ca: &Ca, http: &str, name: &str, after: u64) -> Self {
        let line = documented("/api/v1/status/stream").replace("ca.example", http);
        let line = line.replace("after=17", &format!("after={after}"));
        let file = ca.path(name);
        let mut command = Command::new("curl");
        command.args(line.split_whitespace().skip(1).map(|word| word.trim_matches('"'))).args(["-o", &file]);
        Self { child: command.stderr(Stdio::null()).spawn().unwrap(), file }
    }

    /// Name and data of each whole event so far.
    fn events(&self) -> Vec<(String, String)> {
        let content = std::fs::read_to_string(&self.file).unwrap_or_default();
        let Some((whole, _)) = content.rsplit_once("\n\n") else { return Vec::new() };
        let field = |event: &str, name: &str| {
            event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let named = whole.split("\n\n").filter(|event| event.contains("event: "));
        named.map(|event| (field(event, "event: "), field(event, "data: "))).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.events().into_iter().filter(|(name, _)| name == "status").map(|(_, data)| data).collect()
    }

    /// Waits for a message that says this of the certificate. Gives how many came until then.
    fn wait_for(&self, issuing: &[u8], serial: &str, standing: Standing) -> usize {
        wait(20, "the change", || {
            self.messages().iter().any(|jws| {
                let message = read(jws, issuing);
                message
                    .changes()
                    .iter()
                    .any(|one| one.serial.to_string() == serial && one.standing == standing)
            })
        });
        self.messages().len()
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// curl's line for an address, as `docs/portal.md` shows it.
fn documented(address: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/portal.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("curl ") && line.contains(address));
    line.unwrap().to_owned()
}

/// When a message was made: however long a test takes, it is looked at as if it had just come.
fn made_at(jws: &str) -> Time {
    let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    Time::from_millis(payload["at"].as_i64().unwrap())
}

fn read(jws: &str, issuing: &[u8]) -> SignedStatus {
    SignedStatus::verify(jws.as_bytes(), issuing, made_at(jws)).unwrap()
}

fn der(ca: &Ca, file: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(ca.path(file)).unwrap()
}

fn snapshot(ca: &Ca) -> Vec<u8> {
    let line = documented("/api/v1/status/snapshot").replace("ca.example", &ca.http);
    let answer = Command::new("bash").args(["-c", &line]).current_dir(&ca.dir).output().unwrap();
    assert!(answer.status.success(), "{}", text(&answer));
    std::fs::read(ca.path("status.snapshot")).unwrap()
}

fn pushed(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    let (anchor, issuing) = (der(&ca, "root.pem"), der(&ca, "issuing.pem"));
    let trust = Trust::new(&[anchor], std::slice::from_ref(&issuing)).unwrap();
    let gate = Gate::new(trust).expect_push(&issuing, 10).unwrap();
    let epoch = gate.load_snapshot(&snapshot(&ca), &issuing, now()).unwrap();
    let first = Stream::open(&ca, &ca.http, "first", epoch);
    // On PostgreSQL a second instance, which has to hear from the database what others did.
    let second = (database == Database::Postgres).then(|| Instance::start(&ca));
    let second =
        second.as_ref().map(|instance| (instance, Stream::open(&ca, &instance.http, "second", epoch)));

    // Another process revokes: this one hears of it from the database.
    let serial = ca.new_staff("probe", "探测", "auditor");
    first.wait_for(&issuing, &serial, Standing::Good);
    ca.revoke(&serial, "keyCompromise");
    let revoked = Standing::Revoked(Reason::KeyCompromise);
    let told = first.wait_for(&issuing, &serial, revoked);
    if let Some((_, stream)) = &second {
        stream.wait_for(&issuing, &serial, revoked);
    }
    wait(20, "heartbeats", || first.messages().len() >= told + 3);

    // Whoever follows takes each message, in order, and no message that somebody changed.
    let messages = first.messages();
    for jws in &messages {
        let [head, payload, signature] = jws.split('.').collect::<Vec<_>>()[..] else { panic!("{jws}") };
        let edited = format!("{head}.{}A.{signature}", &payload[..payload.len() - 1]);
        if edited != *jws {
            let refused = gate.apply(edited.as_bytes(), &issuing, made_at(jws));
            assert_eq!(refused, Err(Error::Signature { what: "status message" }));
        }
        gate.apply(jws.as_bytes(), &issuing, made_at(jws)).unwrap();
    }
    let last = messages.last().unwrap();
    let again = gate.apply(last.as_bytes(), &issuing, made_at(last));
    assert!(matches!(again, Err(Error::StatusBack { .. })));
    let [source] = &gate.push_status()[..] else { panic!("one issuer") };
    let known = source.epoch.unwrap();
    assert!(known > epoch && source.trusted, "{source:?}");

    catching_up(&ca, &issuing, epoch, &serial);
    snapshots(&ca, &issuing, known, &serial);
    refusals(&ca);
    limits(&ca);
    drop(second);
    // The end is told, and then it is silent.
    ca.stop_server();
    let (name, data) = first.events().pop().unwrap();
    let why: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((name.as_str(), &why["why"]), ("end", &"stopping".into()));
}

/// Whoever was away gets one message of everything, and whoever knows more than there is has to start anew.
fn catching_up(ca: &Ca, issuing: &[u8], epoch: u64, serial: &str) {
    let late = Stream::open(ca, &ca.http, "late", epoch);
    late.wait_for(issuing, serial, Standing::Revoked(Reason::KeyCompromise));
    wait(20, "a message after it", || late.messages().len() >= 2);
    let messages: Vec<_> = late.messages().iter().take(2).map(|jws| read(jws, issuing)).collect();
    let [first, second] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((first.from(), second.from(), second.to()), (epoch, first.to(), first.to()));
    assert!(second.at() > first.at(), "each is later than the one before");

    let mut ahead = Stream::open(ca, &ca.http, "ahead", 1_000_000);
    assert!(ahead.child.wait().unwrap().success(), "the stream ends by itself");
    let (name, data) = ahead.events().pop().unwrap();
    assert_eq!((name.as_str(), data.as_str()), ("snapshot", r#"{"why":"ahead"}"#));
}

fn snapshots(ca: &Ca, issuing: &[u8], known: u64, serial: &str) {
    let octets = snapshot(ca);
    let read = StatusSnapshot::verify(&octets, issuing, now()).unwrap();
    assert_eq!(read.epoch(), known, "as of the last change");
    let records = octets.splitn(2, |octet| *octet == b'\n').nth(1).unwrap();
    let found = records.chunks(19).find(|record| hex::encode(&record[..18]) == serial).unwrap();
    assert_eq!(found[18], Standing::Revoked(Reason::KeyCompromise).code());
    let mut edited = octets.clone();
    *edited.last_mut().unwrap() ^= 1;
    assert!(StatusSnapshot::verify(&edited, issuing, now()).is_err());

    let url = format!("http://{}/api/v1/status/snapshot", ca.http);
    let head = text(&curl(&["-sS", "-D", "-", "-o", &ca.path("snapshot"), &url])).to_lowercase();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim().to_owned();
    assert_eq!(std::fs::read(ca.path("snapshot")).unwrap(), octets, "made once");
    let asked = curl(&["-sS", "-w", "%{http_code}", "-H", &format!("If-None-Match: {tag}"), &url]);
    assert_eq!(text(&asked), "304");
    let secure = format!("https://{}/api/v1/status/snapshot", ca.https);
    assert_eq!(curl(&["-sSf", "--cacert", &ca.path("root.pem"), &secure]).stdout, octets);
}

fn refusals(ca: &Ca) {
    for (query, status) in [
        ("", 400),
        ("?after=", 400),
        ("?after=x", 400),
        ("?after=1&limit=2", 400),
        ("?after=99999999999999999999", 400),
        ("?after=-1", 422),
    ] {
        let url = format!("http://{}/api/v1/status/stream{query}", ca.http);
        let answer = text(&curl(&["-sS", "--max-time", "10", "-w", "\n%{http_code}", &url]));
        let (body, code) = answer.rsplit_once('\n').unwrap();
        assert_eq!(code, status.to_string(), "{query}: {body}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert!(problem["remedy"]["zh"].is_string(), "{body}");
    }
}

fn metric(ca: &Ca, name: &str) -> i64 {
    let text = text(&curl(&["-sS", &format!("http://{}/metrics", ca.http)]));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
    line.unwrap().parse().unwrap()
}

/// One place cannot take all the seats, and whoever leaves gives theirs back.
fn limits(ca: &Ca) {
    let metric = |name: &str| metric(ca, name);
    // Those that were opened before and closed are gone first.
    wait(20, "their seats", || metric("qianyin_push_subscribers") == 1);
    let streams: Vec<Stream> =
        (1..STREAMS).map(|number| Stream::open(ca, &ca.http, &format!("stream-{number}"), 0)).collect();
    wait(20, "the seats", || metric("qianyin_push_subscribers") == i64::try_from(STREAMS).unwrap());
    let url = format!("http://{}/api/v1/status/stream?after=0", ca.http);
    let answer = curl(&["-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", &url]);
    assert_eq!(text(&answer), "429");
    drop(streams);
    wait(20, "free seats", || metric("qianyin_push_subscribers") == 1);
    assert_eq!(metric("qianyin_push_dropped_total"), 0);
    assert!(metric("qianyin_push_epoch") > 0 && metric("qianyin_push_age_milliseconds") >= 0);
}

/// More at once than a message holds, and somebody who does not take what is sent.
#[test]
fn too_much_and_too_slow() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.sql(&inserted(50_001));
    ca.serve(&[]);
    let issuing = der(&ca, "issuing.pem");
    let epoch = StatusSnapshot::verify(&snapshot(&ca), &issuing, now()).unwrap().epoch();
    let too_much = (String::from("snapshot"), String::from(r#"{"why":"too-much"}"#));
    // Whoever was away is told so, and whoever was there when it happened.
    let mut late = Stream::open(&ca, &ca.http, "late", epoch - 1);
    assert!(late.child.wait().unwrap().success(), "the stream ends by itself");
    assert_eq!(late.events(), std::slice::from_ref(&too_much));
    let mut there = Stream::open(&ca, &ca.http, "there", epoch);
    wait(20, "a heartbeat", || !there.messages().is_empty());
    ca.sql(&moved(50_001));
    assert!(there.child.wait().unwrap().success(), "the stream ends by itself");
    assert_eq!(there.events().pop().unwrap(), too_much);

    // Each of these fits a message; all of them are more than the buffers between two programs hold.
    let steady = Stream::open(&ca, &ca.http, "steady", epoch + 1);
    let mut lazy = TcpStream::connect(&ca.http).unwrap();
    let line = format!("GET /api/v1/status/stream?after={} HTTP/1.1\r\nHost: ca\r\n", epoch + 1);
    lazy.write_all(format!("{line}Connection: close\r\n\r\n").as_bytes()).unwrap();
    wait(20, "both streams", || metric(&ca, "qianyin_push_subscribers") == 2);
    for round in 2..6 {
        ca.sql(&moved(40_000));
        let told = i64::try_from(epoch + round).unwrap();
        wait(60, "the message", || metric(&ca, "qianyin_push_epoch") == told);
    }
    wait(60, "the end of whoever takes nothing", || metric(&ca, "qianyin_push_dropped_total") == 1);
    let to = |jws: &str| {
        let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["to"].as_u64().unwrap()
    };
    wait(60, "the last message", || steady.messages().last().is_some_and(|jws| to(jws) == epoch + 5));
    let mut taken = Vec::new();
    lazy.read_to_end(&mut taken).unwrap();
    let taken = String::from_utf8(taken).unwrap();
    assert!(taken.contains("event: end\ndata: {\"why\":\"slow\"}"), "{}", &taken[taken.len() - 200..]);
    wait(20, "the seat", || metric(&ca, "qianyin_push_subscribers") == 1);
}

/// Good certificates that nobody has, all of one epoch: no message has a part of them.
fn inserted(count: u32) -> String {
    format!(
        "PRAGMA foreign_keys = OFF; BEGIN; UPDATE status_epoch SET epoch = epoch + 1;
         INSERT INTO status (serial, issuer, shard, state, not_after, changed_at, epoch)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
         SELECT CAST('~' || printf('%017d', n) AS BLOB), 'issuing', 0, 'good', 4000000000000, 0,
             (SELECT epoch FROM status_epoch) FROM number;
         COMMIT;"
    )
}

/// The first of them move again.
fn moved(count: u32) -> String {
    format!(
        "BEGIN IMMEDIATE; UPDATE status_epoch SET epoch = epoch + 1;
         UPDATE status SET epoch = (SELECT epoch FROM status_epoch)
         WHERE serial BETWEEN CAST('~' AS BLOB) AND CAST('~' || printf('%017d', {count}) AS BLOB);
         COMMIT;"
    )
}

/// A second server on the same database.
struct Instance {
    child: Child,
    http: String,
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Instance {
    fn start(ca: &Ca) -> Self {
        let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, https] = [&held[0], &held[1]].map(|held| held.local_addr().unwrap().to_string());
        drop(held);
        let config = std::fs::read_to_string(ca.path("ca-server.toml")).unwrap();
        let config = config
            .replace(&format!("http = \"{}\"", ca.http), &format!("http = \"{http}\""))
            .replace(&format!("https = \"{}\"", ca.https), &format!("https = \"{https}\""));
        std::fs::write(ca.path("second.toml"), config).unwrap();
        let mut command = ca.ca_server_command(&["serve"]);
        command.env("QIANYIN_CONFIG", ca.path("second.toml")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let url = format!("http://{http}/readyz");
        wait(30, "the second instance", || curl(&["-fsS", &url]).status.success());
        Self { child, http }
    }
}
