//! A CA for tests: the real programs, tokens and databases. A prepared one (ceremony, staff, units) is made once and
//! copied for each test, because ceremonies cost seconds.

mod account;
mod engine;
pub(crate) mod est;
pub(crate) mod gateway;
mod mail;
mod notices;
mod policy;
mod postgres;
mod records;
mod server;
mod stock;
mod webhook;
mod workstation;

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::postgres::Postgres;
pub(crate) use self::{
    mail::{Mail, MailServer, Manner, Tls},
    webhook::Receiver,
    workstation::{Running, Station},
};

pub(crate) const USCC: &str = "91320104000000019U";
/// The statement that is in force (policies/applications.toml).
pub(crate) const CPS: &str = "2026-1";
pub(crate) const WORKSTATION: &str = "counter-1";
/// What the token's vendor sets (policies/tokens.toml).
const FACTORY_SO_PIN: &str = "12345678";
pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A CA of its own: folder, ports, database, running programs. All of it goes away with the value.
pub(crate) struct Ca {
    pub(crate) dir: PathBuf,
    pub(crate) http: String,
    pub(crate) https: String,
    pub(crate) portal: String,
    pub(crate) database_url: Option<String>,
    _postgres: Option<Postgres>,
    server: Option<Child>,
    others: Vec<Child>,
    pub(crate) agent: String,
    keys: AtomicU32,
}

impl Ca {
    /// A copy of the prepared CA. Its rows are in SQLite: on PostgreSQL everything is made anew.
    pub(crate) fn new(database: Database) -> Self {
        let mut ca = Self::bare(database);
        if database == Database::Postgres {
            prepare(&ca.dir, ca.database_url.as_deref());
            ca.read_ports();
        } else {
            let prepared = prepared();
            copy(&prepared, &ca.dir);
            [ca.http, ca.https, ca.portal] = free_ports();
            ca.move_in(&prepared);
        }
        let import = ca.ca_server(&["import", "testdata/units.toml"]);
        assert!(import.status.success(), "{}", text(&import));
        let line = String::from_utf8_lossy(&import.stdout).into_owned();
        ca.agent = line.trim().rsplit('：').next().unwrap().trim().to_owned();
        ca
    }

    /// A folder and a database with nothing in them.
    pub(crate) fn bare(database: Database) -> Self {
        let postgres = (database == Database::Postgres).then(Postgres::start);
        Self {
            dir: temporary("ca"),
            http: String::new(),
            https: String::new(),
            portal: String::new(),
            database_url: postgres.as_ref().map(|server| server.url.clone()),
            _postgres: postgres,
            server: None,
            others: Vec::new(),
            agent: String::new(),
            keys: AtomicU32::new(0),
        }
    }

    /// Paths and ports of the copy; the addresses in certificates stay the prepared ones.
    fn move_in(&self, prepared: &Path) {
        let ports = std::fs::read_to_string(self.dir.join("ports.env")).unwrap();
        let old: Vec<&str> = ports.lines().filter_map(|line| line.split('=').nth(1)).collect();
        for file in ["ca-server.toml", "ceremony.toml", "hsm/softhsm2.conf", "ukey/softhsm2.conf"] {
            let path = self.dir.join(file);
            let mut content = std::fs::read_to_string(&path).unwrap();
            content = content.replace(&*prepared.to_string_lossy(), &self.dir.to_string_lossy());
            // In two steps: a new port may be one of the old ones of another listener.
            for (place, old) in old.iter().enumerate() {
                content = content.replace(&format!("\"{old}\""), &format!("\"@{place}\""));
            }
            for (place, new) in [&self.http, &self.https, &self.portal].iter().enumerate() {
                content = content.replace(&format!("\"@{place}\""), &format!("\"{new}\""));
            }
            std::fs::write(path, content).unwrap();
        }
    }

    /// The addresses that `ca-server init` chose.
    pub(crate) fn read_ports(&mut self) {
        let ports = std::fs::read_to_string(self.dir.join("ports.env")).unwrap();
        let values: Vec<String> =
            ports.lines().filter_map(|line| line.split('=').nth(1)).map(str::to_owned).collect();
        [self.http, self.https, self.portal] = values.try_into().unwrap();
    }

    pub(crate) fn ca_server(&self, arguments: &[&str]) -> Output {
        self.ca_server_command(arguments).output().unwrap()
    }

    pub(crate) fn ca_server_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("ca-server"));
        command.current_dir(root()).args(arguments).env("QIANYIN_CONFIG", self.dir.join("ca-server.toml"));
        command.env("LANG", "zh_CN.UTF-8").env_remove("SOFTHSM2_CONF");
        match &self.database_url {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        };
        command
    }

    pub(crate) fn start_portal(&mut self) {
        let crl =
            format!("[[crl]]\nurl = \"http://{}/crl/issuing/0.crl\"\nissuer = \"issuing.pem\"\n", self.http);
        self.start_portal_with(&crl);
    }

    /// `sources`: where it has status from.
    pub(crate) fn start_portal_with(&mut self, sources: &str) {
        let config = format!(
            "listen = \"{}\"\ncertificate = \"portal.pem\"\nkey = \"portal.key\"\nanchors = [\"root.pem\"]\n\
             intermediates = [\"issuing.pem\"]\n\n{sources}",
            self.portal
        );
        let file = self.dir.join("portal.toml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(self.dir.join("portal.log")).unwrap();
        let mut command = Command::new(program("portal"));
        command.arg("serve").arg("--config").arg(file).stdout(log.try_clone().unwrap()).stderr(log);
        self.others.push(command.spawn().unwrap());
        let url = format!("https://{}/healthz", self.portal);
        let anchor = self.path("root.pem");
        wait(30, "the portal", || curl(&["-fsS", "--cacert", &anchor, &url]).status.success());
    }

    /// Starts the workstation, with the given environment besides.
    pub(crate) fn start_counter(&mut self, variables: &[(&str, &str)]) {
        let said = |ca: &Self| std::fs::read_to_string(ca.dir.join("counter.log")).unwrap_or_default();
        let mut counter = self.counter(WORKSTATION, variables);
        wait(20, "the workstation", || counter.try_wait().unwrap().is_some() || said(self).contains("连接"));
        self.others.push(counter);
    }

    fn counter(&self, workstation: &str, variables: &[(&str, &str)]) -> Child {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("counter.log")).unwrap();
        let mut command = self.ukey_command(&["counter", "--workstation", workstation, "--token", "clerk"]);
        command.args(["--server", &format!("https://{}", self.https), "--anchor", &self.path("root.pem")]);
        command.args(["--pin-file", &self.path("staff/clerk.pin")]);
        command
            .envs(variables.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        command.spawn().unwrap()
    }

    /// A workstation that saw its clerk's token go has ended by itself.
    pub(crate) fn an_other_has_ended(&mut self) -> bool {
        self.others.iter_mut().any(|child| child.try_wait().unwrap().is_some())
    }

    pub(crate) fn stop_others(&mut self) {
        for mut child in self.others.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// One more member of staff, on a token of their own. Gives the certificate's serial number.
    pub(crate) fn new_staff(&self, role: &str, name: &str, roles: &str) -> String {
        let script =
            format!("set -euo pipefail; . ca-server/scripts/lib.sh; make_staff {role} {name} {roles}");
        run_script(&script, &self.dir, self.database_url.as_deref());
        let output = openssl(&["x509", "-in", &self.path(&format!("staff/{role}.pem")), "-noout", "-serial"]);
        text(&output).trim().trim_start_matches("serial=").to_lowercase()
    }

    pub(crate) fn ukey_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("ukey"));
        command.args(["--lang", "zh"]).args(arguments);
        command.env("SOFTHSM2_CONF", self.dir.join("ukey/softhsm2.conf")).env("PKCS11_MODULE", MODULE);
        // A holder of the test's own: no root and no address of whoever runs it.
        command.env("HOME", &self.dir).env_remove("XDG_CONFIG_HOME");
        command
    }

    pub(crate) fn ukey(&self, arguments: &[&str]) -> Output {
        self.ukey_command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Calls the API as a member of staff. Gives the JSON of the answer, problem documents too; `Err` without answer.
    pub(crate) fn call(
        &self,
        role: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value, String> {
        let mut command = self.ukey_command(&["--json", "api", "--token", role]);
        command.args(["--server", &format!("https://{}", self.https), "--anchor", &self.path("root.pem")]);
        command.args(["--pin-file", &self.path(&format!("staff/{role}.pin"))]);
        if body.is_some() {
            command.args(["--data", "-"]);
        }
        if let Some(key) = key {
            command.args(["--idempotency-key", key]);
        }
        command.args([method, path]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(body.map(Value::to_string).unwrap_or_default().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        if output.stdout.is_empty() {
            return if output.status.success() { Ok(Value::Null) } else { Err(text(&output)) };
        }
        serde_json::from_slice(&output.stdout).map_err(|_| text(&output))
    }

    pub(crate) fn get(&self, role: &str, path: &str) -> Value {
        self.call_patiently(role, "GET", path, None, None)
    }

    pub(crate) fn post(&self, role: &str, path: &str, body: &Value) -> Value {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.call_patiently(role, "POST", path, Some(body), Some(&key))
    }

    fn call_patiently(
        &self,
        role: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Value {
        patiently(|| self.call(role, method, path, body, key)).unwrap()
    }

    pub(crate) fn documents() -> Value {
        let sha256 = "00".repeat(32);
        ["nanjing-hrss-application", "nanjing-hrss-application", "seal-application", "service-contract"]
            .map(|kind| json!({ "kind": kind, "sha256": sha256 }))
            .into_iter()
            .collect()
    }

    /// What the counter sees when it registers a unit (the guide, step 1).
    pub(crate) fn registration_documents() -> Value {
        let seen = |kind: &str, form: &str| json!({ "kind": kind, "form": form, "sha256": "11".repeat(32) });
        json!([
            seen("labour-certificate", "original"),
            seen("labour-certificate", "copy"),
            seen("agent-card", "original"),
            seen("agent-card", "copy"),
            seen("registration-form", "original"),
            seen("registration-form", "original"),
        ])
    }

    pub(crate) fn unit_body(uscc: &str, labour_no: &str, name: &str) -> Value {
        json!({
            "uscc": uscc, "labour_no": labour_no, "name": name, "province": "江苏省", "city": "南京市", "region": "320104",
            "agency": "nanjing", "documents": Self::registration_documents(),
        })
    }

    pub(crate) fn application_body(&self) -> Value {
        json!({ "uscc": USCC, "agent": self.agent, "years": 1, "cps": CPS, "documents": Self::documents() })
    }

    /// Steps 2 to 4. Gives the application's identifier.
    pub(crate) fn paid_application(&self) -> String {
        let made = self.post("clerk", "/api/v1/applications", &self.application_body());
        let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        self.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
        let payment = json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
        let paid = self.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
        assert!(paid["id"].is_string(), "{paid}");
        id
    }

    pub(crate) fn application(&self, id: &str) -> Value {
        self.get("clerk", &format!("/api/v1/applications/{id}"))
    }

    pub(crate) fn claim(&self, application: &str, token: &str) -> Value {
        self.claim_at(WORKSTATION, application, token)
    }

    fn claim_at(&self, workstation: &str, application: &str, token: &str) -> Value {
        let body = json!({ "workstation": workstation, "token": token });
        self.post("clerk", &format!("/api/v1/applications/{application}/personalisation"), &body)
    }

    /// Steps 5 to 8 with a running server and workstation. Gives the certificate's serial number and its token's.
    pub(crate) fn issue(&self) -> (String, String, String) {
        let (application, token) = (self.paid_application(), self.blank_token());
        self.claim(&application, &token);
        wait(60, "personalisation", || {
            self.application(&application)["personalisation"]["state"] == "proved"
        });
        let handed =
            self.post("clerk", &format!("/api/v1/applications/{application}/hand-over"), &Value::Null);
        let serial = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
        self.write_certificate(&serial);
        (application, serial, token)
    }

    /// `unit.pem`, as an auditor can fetch it.
    pub(crate) fn write_certificate(&self, serial: &str) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let view = self.get("auditor", &format!("/api/v1/certificates/{serial}"));
        let der = STANDARD.decode(view["certificate"].as_str().unwrap()).unwrap();
        std::fs::write(self.dir.join("unit.der"), der).unwrap();
        let mut command = Command::new("openssl");
        command.args([
            "x509",
            "-inform",
            "DER",
            "-in",
            &self.path("unit.der"),
            "-out",
            &self.path("unit.pem"),
        ]);
        assert!(command.status().unwrap().success());
    }

    /// The holder's part: a PIN of their own, and the code from the message. Gives `ukey activate`'s output.
    pub(crate) fn activate(&self, application: &str, token: &str) -> Output {
        self.read_code(application);
        std::fs::write(self.dir.join("initial.pin"), "123456").unwrap();
        std::fs::write(self.dir.join("unit.pin"), "70718293").unwrap();
        self.ukey(&[
            "activate",
            "--server",
            &format!("https://{}", self.https),
            "--anchor",
            &self.path("root.pem"),
            "--token",
            token,
            "--pin-file",
            &self.path("initial.pin"),
            "--new-pin-file",
            &self.path("unit.pin"),
            "--code-file",
            &self.path("code"),
        ])
    }

    /// The code from the message, as the holder types it.
    pub(crate) fn read_code(&self, application: &str) {
        let message = self.dir.join(format!("outbox/{application}.txt"));
        wait(10, "the message", || message.exists());
        let message = std::fs::read_to_string(message).unwrap();
        let code = message.split("激活码：").nth(1).unwrap().split('。').next().unwrap();
        std::fs::write(self.dir.join("code"), code).unwrap();
    }

    /// `ukey activate` once more, when the PIN was replaced before.
    pub(crate) fn activate_again(&self, token: &str) -> Output {
        let (server, anchor) = (format!("https://{}", self.https), self.path("root.pem"));
        let (pin, code) = (self.path("unit.pin"), self.path("code"));
        self.ukey(&[
            "activate",
            "--server",
            &server,
            "--anchor",
            &anchor,
            "--token",
            token,
            "--pin-file",
            &pin,
            "--code-file",
            &code,
        ])
    }

    pub(crate) fn revoke(&self, serial: &str, reason: &str) {
        let output = self.ca_server(&["revoke", "--reason", reason, serial]);
        assert!(output.status.success(), "{}", text(&output));
    }

    /// The auditor's own program finds nothing wrong.
    pub(crate) fn assert_audit_is_clean(&self) {
        let export = self.path("export.jsonl");
        let output = self.ca_server(&["export", "--output", &export]);
        assert!(output.status.success(), "{}", text(&output));
        let anchor = self.path("root.pem");
        let output =
            Command::new(program("ca-audit")).args(["check", &export, "--root", &anchor]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).to_string_lossy().into_owned()
    }
}

/// SoftHSM does not see a token while another program writes to it, or fails its login; then nothing was sent.
pub(crate) fn patiently<T>(call: impl Fn() -> Result<T, String>) -> Result<T, String> {
    for _ in 0..5 {
        match call() {
            Err(error)
                if ["token-absent", "not-initialised", "C_Login: GeneralError"]
                    .iter()
                    .any(|text| error.contains(text)) =>
            {
                std::thread::sleep(Duration::from_millis(200));
            }
            answer => return answer,
        }
    }
    Err("the token cannot be seen".to_owned())
}

impl Drop for Ca {
    fn drop(&mut self) {
        self.stop_others();
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for log in ["server.log", "counter.log", "portal.log"] {
                let content = std::fs::read_to_string(self.dir.join(log)).unwrap_or_default();
                eprintln!("--- {log}\n{content}");
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Everything in the database, as `ca-server export` gives it.
pub(crate) fn rows(ca: &Ca) -> Vec<Value> {
    let export = ca.path("export.jsonl");
    let output = ca.ca_server(&["export", "--output", &export]);
    assert!(output.status.success(), "{}", text(&output));
    let text = std::fs::read_to_string(&export).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One of our programs, built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_ca-server")).with_file_name(name)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn curl(arguments: &[&str]) -> Output {
    Command::new("curl").args(arguments).output().unwrap()
}

pub(crate) fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

/// Waits until `done`; a test that hangs says for what.
pub(crate) fn wait(seconds: u64, what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ceremony and staff, made by the first test that needs them after a build; others wait for it.
fn prepared() -> PathBuf {
    let built = std::fs::metadata(program("ca-server")).unwrap().modified().unwrap();
    let age = built.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prepared-{age}"));
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let lock = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("prepared.lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("done").exists() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        prepare(&folder, None);
        std::fs::write(folder.join("done"), "").unwrap();
    }
    folder
}

fn prepare(folder: &Path, database_url: Option<&str>) {
    run_script(
        "set -euo pipefail; . ca-server/scripts/lib.sh; make_ca; make_all_staff",
        folder,
        database_url,
    );
}

fn run_script(script: &str, folder: &Path, database_url: Option<&str>) {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .current_dir(root())
        .env("DIR", folder)
        .env("POLICIES", root().join("policies"));
    command.env("BIN", program("ca-server").parent().unwrap()).env("TESTDATA", root().join("testdata"));
    command.env_remove("SOFTHSM2_CONF");
    match database_url {
        Some(url) => command.env("DATABASE_URL", url),
        None => command.env_remove("DATABASE_URL"),
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

pub(crate) fn temporary(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("qianyin-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(unique);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn free_ports() -> [String; 3] {
    let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<String> =
        held.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    addresses.try_into().unwrap()
}
