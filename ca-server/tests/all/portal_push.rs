//! A portal and a sidecar that listen instead of asking: logins by what the CA's stream says, a revocation within the
//! second, nobody while the CA is silent, and everybody again when it is back.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Ca, Database, curl, program, root, text, wait};

/// The shortest that a portal may set.
const SILENCE_SECS: u64 = 2;

#[test]
fn a_portal_listens() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    ca.start_portal_with(&push_table(&ca));
    let sidecar = Sidecar::start(&ca);
    let (application, serial, token) = ca.issue();
    assert_eq!(sidecar.check(&ca)["code"], json!("not-activated"));
    assert!(ca.activate(&application, &token).status.success());
    wait(10, "the login", || ca.login(&token).0 == 200);
    assert_eq!(sidecar.check(&ca)["decision"], json!("accepted"));

    let health = health(&ca);
    let source = &health["push"][0];
    assert!(source["ok"] == json!(true) && source["epoch"].as_u64() > Some(0), "{health}");
    assert!(health["sources"] == json!([]) && health["fetch"] == json!([]), "no CRL: {health}");

    // The CA is gone: what was good may be revoked by now.
    ca.stop_server();
    wait(20, "the refusal of everybody", || ca.login(&token).0 == 503);
    assert_eq!(sidecar.check(&ca)["code"], json!("status-unavailable"));
    let url = format!("https://{}/healthz", ca.portal);
    let answer = curl(&["-sS", "-w", "\n%{http_code}", "--cacert", &ca.path("root.pem"), &url]);
    assert!(text(&answer).ends_with("\n503"), "{}", text(&answer));
    ca.serve(&[]);
    wait(20, "the login after it", || ca.login(&token).0 == 200);

    ca.revoke(&serial, "keyCompromise");
    wait(10, "the refusal", || {
        let (status, body) = ca.login(&token);
        status == 403 && body.contains("revoked")
    });
    wait(10, "the sidecar's", || sidecar.check(&ca)["code"] == json!("revoked"));
}

/// An instance whose answers begin and never come to a message is left for the next one.
#[test]
fn a_stream_that_says_nothing_is_left() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let url = format!("http://{}/api/v1/status/snapshot", ca.http);
    let snapshot = curl(&["-sSf", &url]).stdout;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, snapshot) = (stream.unwrap(), snapshot.clone());
            std::thread::spawn(move || say_nothing(stream, &snapshot));
        }
    });
    let genuine = format!("\"http://{}\"", ca.http);
    let table = push_table(&ca).replace(&genuine, &format!("\"http://{mute}\", {genuine}"));
    // It is ready only when the second one was heard.
    ca.start_portal_with(&table);
    assert_eq!(health(&ca)["push"][0]["ok"], json!(true));
}

/// A snapshot as it should be, and a stream of comments.
fn say_nothing(mut stream: TcpStream, snapshot: &[u8]) {
    let mut head = [0; 4096];
    let count = stream.read(&mut head).unwrap_or_default();
    let asked = String::from_utf8_lossy(&head[..count]).into_owned();
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    if asked.contains("/snapshot") {
        let _ = stream.write_all(snapshot);
        return;
    }
    while stream.write_all(b": still here\n\n").is_ok() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// As `docs/portal.md` shows it.
fn push_table(ca: &Ca) -> String {
    let page = std::fs::read_to_string(root().join("docs/portal.md")).unwrap();
    let (_, from) = page.split_once("[[push]]\n").unwrap();
    let table = from.split_once("```").unwrap().0;
    assert!(table.contains("silence_secs = 10"), "{table}");
    let table = table.replace("silence_secs = 10", &format!("silence_secs = {SILENCE_SECS}"));
    let table = table.replace("ca.example", &ca.http);
    format!("[[push]]\n{table}")
}

fn health(ca: &Ca) -> Value {
    let url = format!("https://{}/healthz", ca.portal);
    serde_json::from_slice(&curl(&["-sS", "--cacert", &ca.path("root.pem"), &url]).stdout).unwrap()
}

struct Sidecar {
    child: std::process::Child,
    socket: String,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sidecar {
    fn start(ca: &Ca) -> Self {
        let (file, socket) = (ca.path("check.toml"), ca.path("check.sock"));
        let config = format!(
            "listen = \"unix:{socket}\"\nform = \"rfc9440\"\nanchors = [\"root.pem\"]\n\
             intermediates = [\"issuing.pem\"]\n\n{}",
            push_table(ca)
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program("portal"));
        command.args(["check", "--config", &file]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        wait(20, "the sidecar", || {
            let answer = curl(&["-fsS", "--unix-socket", &socket, "http://localhost/healthz"]);
            answer.status.success()
        });
        Self { child, socket }
    }

    fn check(&self, ca: &Ca) -> Value {
        let body = format!("@{}", ca.path("unit.pem"));
        let url = "http://localhost/check";
        let answer = curl(&["-sS", "--unix-socket", &self.socket, "--data-binary", &body, url]);
        serde_json::from_slice(&answer.stdout).unwrap()
    }
}
