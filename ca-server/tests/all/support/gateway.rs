//! `test-gateway` as a program of its own: starts it with new keys, pays, and tells it what to do wrong
//! (`docs/gateway.md` §8). Uses nothing of this crate, for the server's unit tests start it as well.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Our number at the gateway.
pub(crate) const MERCHANT: &str = "M-0001";

/// How the gateway signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signs {
    Hmac,
    Rsa,
}

/// A running gateway; program and files go away with the value.
pub(crate) struct TestGateway {
    /// Base of the operations.
    pub(crate) url: String,
    /// Holds the keys.
    pub(crate) dir: PathBuf,
    signs: Signs,
    child: Child,
}

impl TestGateway {
    /// `program` is `test-gateway` as `cargo build --bins` made it. A callback that is not taken comes again after
    /// `retry_ms`, then after twice that, and so on. `ca_file`: whom it trusts for callbacks over https.
    pub(crate) fn start(program: &Path, signs: Signs, retry_ms: u32, ca_file: Option<&Path>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("qianyin-gateway-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        secret(&dir.join("merchant.key"));
        match signs {
            Signs::Hmac => {
                secret(&dir.join("gateway.key"));
                secret(&dir.join("other.key"));
            }
            Signs::Rsa => {
                rsa(&dir, "gateway");
                rsa(&dir, "other");
            }
        }
        let mut command = Command::new(program);
        command.args(["--control", "--merchant", MERCHANT, "--retry-ms", &retry_ms.to_string()]);
        command.args(["--algorithm", signs.name()]);
        for (option, file) in [
            ("--key-file", "gateway.key"),
            ("--merchant-key-file", "merchant.key"),
            ("--other-key-file", "other.key"),
        ] {
            command.arg(option).arg(dir.join(file));
        }
        if let Some(file) = ca_file {
            command.arg("--ca-file").arg(file);
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{}: {error}: run cargo build --bins first", program.display())
            });
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { url: url.trim().to_owned(), dir, signs, child }
    }

    /// What the server checks its signatures with.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.join(match self.signs {
            Signs::Hmac => "gateway.key",
            Signs::Rsa => "gateway.pub",
        })
    }

    /// The section of `ca-server.toml`.
    pub(crate) fn section(&self, name: &str) -> String {
        let (key, merchant) = (self.key_file(), self.dir.join("merchant.key"));
        format!(
            "\n[[gateway]]\nname = \"{name}\"\nmerchant = \"{MERCHANT}\"\nalgorithm = \"{}\"\nkey_file = \"{}\"\n\
             merchant_key_file = \"{}\"\nurl = \"{}\"\n",
            self.signs.name(),
            key.display(),
            merchant.display(),
            self.url
        )
    }

    /// The payer opens a page and presses its button. Gives the page that comes then.
    pub(crate) fn press_button(&self, page: &str) -> String {
        let path = page.strip_prefix(self.origin()).unwrap_or_else(|| panic!("{page} is elsewhere"));
        let html = self.ask("GET", path, "").1;
        assert!(html.contains("<button>"), "nobody can pay here: {html}");
        assert_eq!(self.ask("POST", path, "").0, 303);
        self.ask("GET", path, "").1
    }

    /// Money comes without a page; `anyway`, also when the payment is paid, closed or expired.
    pub(crate) fn pay(&self, order: &str, anyway: bool) {
        self.control("pay", &json!({ "order": order, "anyway": anyway }));
    }

    /// One more callback: how the payment stands now.
    pub(crate) fn call_back(&self, order: &str) {
        self.control("call-back", &json!({ "order": order }));
    }

    /// What becomes of the next callbacks and answers: `{"callbacks": […], "answers": […]}`.
    pub(crate) fn faults(&self, faults: &Value) {
        self.control("faults", faults);
    }

    /// Sends what is held, in its order or the other way round.
    pub(crate) fn release(&self, reverse: bool) {
        self.control("release", &json!({ "reverse": reverse }));
    }

    /// How the next refunds stand at first: `accepted`, `done`, `failed`.
    pub(crate) fn refunds(&self, states: &[&str]) {
        self.control("refunds", &json!(states));
    }

    /// What the bank says of a refund later.
    pub(crate) fn settle_refund(&self, order: &str, refund: &str, state: &str) {
        self.control("refund", &json!({ "order": order, "refund": refund, "state": state }));
    }

    /// An order as the gateway has it.
    pub(crate) fn order(&self, order: &str) -> Option<Value> {
        let orders = self.control("orders", &json!({}));
        orders.as_array().unwrap().iter().find(|held| held["order"] == order).cloned()
    }

    /// Callbacks that went out, each try of each: `order`, `body`, `signature`, and `status` of the answer. Waits until
    /// there are `least`.
    pub(crate) fn callbacks(&self, least: usize) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(15);
        loop {
            let Value::Array(sent) = self.control("callbacks", &json!({})) else { panic!("no list") };
            if sent.len() >= least {
                return sent;
            }
            assert!(Instant::now() < until, "only {} callbacks of {least}", sent.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn control(&self, command: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", &format!("/control/{command}"), &body.to_string());
        assert_eq!(status, 200, "{command}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    fn origin(&self) -> &str {
        self.url.trim_end_matches("/v1")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.origin().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Signs {
    fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac-sha256",
            Self::Rsa => "rsa-sha256",
        }
    }
}

fn secret(file: &Path) {
    let output = Command::new("openssl").args(["rand", "-hex", "32"]).output().unwrap();
    assert!(output.status.success());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).unwrap();
    file.write_all(&output.stdout).unwrap();
}

/// `NAME.key` and `NAME.pub`.
fn rsa(dir: &Path, name: &str) {
    let (key, public) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.pub")));
    // `openssl genpkey` makes it 0600.
    let made = Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let written =
        Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(public).status();
    assert!(written.unwrap().success());
}
