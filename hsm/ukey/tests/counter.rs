//! `ukey counter` against a scripted server: a whole personalisation, each command sent twice; what it refuses; what
//! ends it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hsm::testing::{SoftHsm, in_softhsm};
use serde_json::{Value, json};

use common::{ATTEMPT, Ca, Received, Reply, Server, commands, faults::in_faults, personalised, spki_of_csr};

fn start(softhsm: &SoftHsm, ca: &Ca, server: &Server, more: &[&str]) -> Child {
    let pin = softhsm.dir().join("pin");
    std::fs::write(&pin, "271828\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_ukey"))
        .args(["counter", "--server", &server.url, "--workstation", "gulou-1", "--token", "clerk"])
        .args(["--anchor", ca.root_pem(softhsm.dir()).to_str().unwrap(), "--pin-file", pin.to_str().unwrap()])
        .args(more)
        .env("PKCS11_MODULE", SoftHsm::module_path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits for the program's end; a hang is a failure, not a wait.
fn end(mut child: Child) -> (i32, String, String) {
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn report(received: &Received) -> &Value {
    &received.body["report"]
}

/// Sends each command of a personalisation twice, as a server does that did not get the report.
struct Script {
    ca: Ca,
    unit: String,
    clerk: String,
    csr: Mutex<Option<String>>,
}

impl Script {
    fn reply(&self, number: usize, received: &Received) -> Reply {
        if let Some(csr) = report(received)["outcome"]["done"]["csr"].as_str() {
            *self.csr.lock().unwrap() = Some(csr.to_owned());
        }
        let with = |command: Value, more: Value| {
            let mut command = command;
            command["attempt"] = json!(ATTEMPT);
            command["token"] = json!(self.unit);
            command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Reply::Json(200, command)
        };
        let discard = |more: Value| with(commands::discard(ATTEMPT, "123456"), more);
        match number {
            // A lost connection and a failing server are waited out.
            0 => Reply::Hang,
            1 => Reply::Empty(503),
            2 | 3 => with(commands::initialise("QY 1", "123456"), json!({})),
            4 | 5 => with(commands::request(ATTEMPT, "ec-p256", "123456"), json!({})),
            6 | 7 => with(commands::write(ATTEMPT, &self.certificate(), "x", "123456"), json!({})),
            8 | 9 => with(commands::prove(ATTEMPT, "123456"), json!({})),
            10 => discard(json!({ "command": "dance" })),
            11 => discard(json!({ "token": self.clerk })),
            12 => discard(json!({ "token": "deadbeef" })),
            13 => discard(json!({ "user_pin": "999999" })),
            _ => {
                std::thread::sleep(Duration::from_millis(200));
                Reply::Empty(204)
            }
        }
    }

    fn certificate(&self) -> Vec<u8> {
        let csr = self.csr.lock().unwrap().clone().unwrap();
        let mut issued = self.csr.lock().unwrap();
        // The same certificate both times, as an issuing CA has only one.
        if let Some(kept) = issued.as_ref().and_then(|text| text.strip_prefix("issued ")) {
            return BASE64.decode(kept).unwrap();
        }
        let der = self.ca.issue(&spki_of_csr(&BASE64.decode(csr).unwrap()), "unit");
        *issued = Some(format!("issued {}", BASE64.encode(&der)));
        der
    }
}

#[test]
fn a_whole_personalisation_each_command_twice() {
    in_softhsm("a_whole_personalisation_each_command_twice", |softhsm| {
        let ca = Ca::new();
        let clerk = personalised(softhsm, &ca, "clerk", "ec-p256");
        let unit = softhsm.init_token("from the factory", "factory-so", "000000");
        let (unit_serial, clerk_serial) = (unit.serial().to_string(), clerk.serial().to_string());
        let script = Script {
            ca: Ca::new(),
            unit: unit_serial.clone(),
            clerk: clerk_serial.clone(),
            csr: Mutex::default(),
        };
        let server = Server::start(&ca, move |number, received| script.reply(number, received));
        let mut child = start(softhsm, &ca, &server, &["--lang", "zh"]);
        let mut lines = Vec::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while lines.iter().filter(|line: &&String| line.contains("失败")).count() < 4 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "{lines:?}");
            lines.push(line.replace(&unit_serial, "UNIT").replace(&clerk_serial, "CLERK"));
        }
        // The last report has to arrive before the end.
        let until = Instant::now() + Duration::from_secs(10);
        while server.received().len() < 16 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(&child, "-INT");
        let (code, _, error) = end(child);
        assert_eq!((code, error.as_str()), (0, ""));
        let text = lines.concat().replace(&server.url, "URL");
        insta::assert_snapshot!(text);
        for secret in ["271828", "123456", "factory-so", "derived-so", "999999"] {
            assert!(!text.contains(secret));
        }

        let received = server.received();
        let outcomes: Vec<_> = received[3..15]
            .iter()
            .map(|r| (report(r)["command"].clone(), report(r)["outcome"].clone()))
            .collect();
        for (first, second) in [(0, 1), (2, 3), (4, 5), (6, 7)] {
            assert_eq!(outcomes[first].0, outcomes[second].0);
            assert!(
                outcomes[first].1["done"].is_object() && outcomes[second].1["done"].is_object(),
                "{outcomes:?}"
            );
        }
        let codes: Vec<_> =
            outcomes[8..].iter().map(|(_, outcome)| outcome["failed"]["code"].clone()).collect();
        assert_eq!(codes, ["bad-command", "bad-command", "token-absent", "wrong-pin"]);
        let exchanges = received.iter().filter(|r| r.path == "/api/v1/workstations/gulou-1/exchange").count();
        // Stopped, it takes leave when no exchange is under way.
        let leaves =
            |r: &Received| (r.method.as_str(), r.path.as_str()) == ("DELETE", "/api/v1/workstations/gulou-1");
        let last = usize::from(received.last().is_some_and(leaves));
        assert_eq!(exchanges + last, received.len());
        assert_eq!(
            received[2].body["tokens"].as_array().unwrap().len(),
            1,
            "neither the clerk's nor a blank one"
        );
        assert_eq!(received[2].body["tokens"][0]["serial"], json!(unit_serial));
        assert_eq!(received[2].certificate, clerk.certificates().unwrap()[0].der);
        softhsm.module().reinitialise().unwrap();
        assert_eq!(unit.info().unwrap().label, "QY 1");
        assert_eq!(unit.certificates().unwrap().len(), 1);
    });
}

#[test]
fn a_report_is_sent_until_it_is_answered() {
    in_softhsm("a_report_is_sent_until_it_is_answered", |softhsm| {
        let ca = Ca::new();
        personalised(softhsm, &ca, "clerk", "ec-p256");
        let server = Server::start(&ca, |number, _| match number {
            0 => Reply::Json(200, json!({ "attempt": ATTEMPT, "token": "", "command": "dance" })),
            1 => Reply::Hang,
            2 => Reply::Empty(500),
            3 => Reply::Empty(204),
            _ => Reply::Json(
                403,
                json!({ "situation": { "en": "Not you." }, "remedy": { "en": "Somebody else." } }),
            ),
        });
        let (code, out, error) = end(start(softhsm, &ca, &server, &["--json", "--lang", "en"]));
        let events: Vec<_> =
            out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
        assert_eq!(events, ["connected", "begun", "failed", "lost", "connected"]);
        assert_eq!(code, 1);
        assert!(error.contains("Not you."), "{error}");
        let reports: Vec<_> = server.received().iter().map(|r| report(r)["command"].clone()).collect();
        assert_eq!(reports, [Value::Null, json!("dance"), json!("dance"), json!("dance"), Value::Null]);
    });
}

/// SoftHSM fails a login while another program writes to its token, and vendors' drivers have their moments, too.
#[test]
fn a_clerks_token_that_fails_once_is_asked_again() {
    in_faults("a_clerks_token_that_fails_once_is_asked_again", |softhsm| {
        let ca = Ca::new();
        let _ = personalised(softhsm, &ca, "clerk", "ec-p256");
        let control = softhsm.dir().join("control");
        let server = Server::start(&ca, move |number, _| match number {
            // The next connection is made with a token that fails at first.
            0 => {
                std::fs::write(&control, "C_Login:1:before:0x5,C_Sign:1:after:0x30").unwrap();
                Reply::Hang
            }
            _ => Reply::Json(403, json!({ "situation": { "en": "Enough." }, "remedy": { "en": "Go." } })),
        });
        let (code, out, error) = end(start(softhsm, &ca, &server, &["--json", "--lang", "en"]));
        let events: Vec<_> =
            out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
        assert_eq!(events, ["lost"], "{error}");
        assert!(code == 1 && error.contains("Enough."), "{error}");
        assert_eq!(server.received().len(), 2);
    });
}

/// A driver that hangs in one token's command: the clerk and the server hear of it, and the next token is worked on.
#[test]
fn a_driver_that_hangs_does_not_hold_up_the_other_tokens() {
    in_faults("a_driver_that_hangs_does_not_hold_up_the_other_tokens", |softhsm| {
        let ca = Ca::new();
        let _ = personalised(softhsm, &ca, "clerk", "ec-p256");
        let [sick, well] = ["sick", "well"]
            .map(|label| softhsm.init_token(label, "so-pin-1", "123456").serial().to_string());
        let control = softhsm.dir().join("control");
        let (one, other) = (sick.clone(), well.clone());
        let request = |token: &str| {
            let mut command = commands::request(ATTEMPT, "ec-p256", "123456");
            command["attempt"] = json!(ATTEMPT);
            command["token"] = json!(token);
            command
        };
        let server = Server::start(&ca, move |number, _| match number {
            0 => {
                std::fs::write(&control, "C_GenerateKeyPair:1:before:hang").unwrap();
                Reply::Json(200, request(&one))
            }
            // The same again: nobody waits for it a second time.
            1 => Reply::Json(200, request(&one)),
            2 => Reply::Json(200, request(&other)),
            _ => Reply::Json(403, json!({ "situation": { "en": "Enough." }, "remedy": { "en": "Go." } })),
        });
        let (code, out, error) =
            end(start(softhsm, &ca, &server, &["--lang", "en", "--driver-timeout", "3"]));
        assert!(code == 1 && error.contains("Enough."), "{error}");
        let received = server.received();
        let outcomes: Vec<_> = received[1..].iter().map(|r| report(r)["outcome"].clone()).collect();
        assert_eq!(outcomes[0]["failed"]["code"], json!("driver-hangs"), "{outcomes:?}");
        assert_eq!(outcomes[1]["failed"]["code"], json!("driver-hangs"), "{outcomes:?}");
        assert!(outcomes[2]["done"]["csr"].is_string(), "{outcomes:?}");
        // Told in the order of their serial numbers, which are random.
        let told: String =
            out.split_inclusive('\n').filter(|line| !line.starts_with("Token inserted")).collect();
        insta::assert_snapshot!(
            told.replace(&sick, "SICK").replace(&well, "WELL").replace(&server.url, "URL")
        );
    });
}

/// A clerk's token that hangs while it is to sign for a new connection: the program can still be ended, and goes on by
/// itself when the driver answers again.
#[test]
fn a_clerks_token_that_hangs_in_a_handshake() {
    in_faults("a_clerks_token_that_hangs_in_a_handshake", |softhsm| {
        let ca = Ca::new();
        let _ = personalised(softhsm, &ca, "clerk", "ec-p256");
        let (control, release) = (softhsm.dir().join("control"), softhsm.dir().join("release"));
        let hang = control.clone();
        let server = Server::start(&ca, move |number, _| match number {
            0 => {
                std::fs::write(&hang, "C_Sign:1:before:hang").unwrap();
                Reply::Hang
            }
            _ => {
                std::thread::sleep(Duration::from_millis(200));
                Reply::Empty(204)
            }
        });
        let mut child = start(softhsm, &ca, &server, &["--json", "--lang", "en"]);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut event = || {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "it has ended");
            serde_json::from_str::<Value>(&line).unwrap()
        };
        let lost = event();
        assert!(lost["event"] == "lost" && lost["detail"].as_str().unwrap().contains("answer"), "{lost}");
        std::fs::write(&release, "").unwrap();
        assert_eq!(event()["event"], "connected");
        std::fs::remove_file(&release).unwrap();
        std::fs::write(&control, "C_GetSlotList:3:before:hang").unwrap();
        // The driver does not even say which tokens there are: Ctrl-C ends it all the same.
        std::thread::sleep(Duration::from_secs(1));
        signal(&child, "-INT");
        let (code, _, error) = end(child);
        assert_eq!(code, 0, "{error}");
    });
}

#[test]
fn the_clerks_token_is_waited_for() {
    let test = "the_clerks_token_is_waited_for";
    in_faults(test, |softhsm| {
        let ca = Ca::new();
        personalised(softhsm, &ca, "clerk", "ec-p256");
        let gone = softhsm.dir().join("gone");
        std::fs::write(&gone, "clerk\n").unwrap();
        let server = Server::start(&ca, |_, _| {
            std::thread::sleep(Duration::from_millis(100));
            Reply::Empty(204)
        });
        let mut child = start(softhsm, &ca, &server, &["--lang", "en"]);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "Plug in the clerk's token; it goes on by itself. Ctrl-C ends.\n");
        assert!(server.received().is_empty());
        std::fs::remove_file(gone).unwrap();
        line.clear();
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with("Connected"), "{line}");
        signal(&child, "-INT");
        let (code, _, error) = end(child);
        assert_eq!((code, error.as_str()), (0, ""));
    });
}

#[test]
fn pulling_the_clerks_token_ends_it() {
    in_faults("pulling_the_clerks_token_ends_it", |softhsm| {
        let ca = Ca::new();
        let clerk = personalised(softhsm, &ca, "clerk", "ec-p256");
        let gone = softhsm.dir().join("gone");
        let pull = gone.clone();
        let server = Server::start(&ca, move |_, _| {
            std::fs::write(&pull, "clerk\n").unwrap();
            // Longer than the program may take to notice.
            std::thread::sleep(Duration::from_secs(5));
            Reply::Empty(204)
        });
        let before = Instant::now();
        let (code, _, error) = end(start(softhsm, &ca, &server, &[]));
        assert!(before.elapsed() < Duration::from_secs(4));
        assert_eq!(code, 1);
        assert!(error.starts_with(&format!("错误：操作员的 U-key {} 已拔出", clerk.serial())), "{error}");
    });
}
