//! The holder's assistant as a person meets it: what is wrong at which step, and what is done about roots.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use hsm::{
    CertificateObject, KeyAlgorithm, KeyId, Pin, PinState, Session, Token,
    testing::{SoftHsm, in_softhsm},
};
use serde_json::{Value, json};

use common::{
    Ca, Reply, Server, personalised,
    plain::plain,
    program::{run, secret, with_module},
};

/// Nobody listens there.
const NOWHERE: &str = "https://127.0.0.1:1";

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

fn trial(softhsm: &SoftHsm, portal: &str, root: &Path, pin: &str, more: &[&str]) -> (i32, String) {
    let pin = secret(softhsm, "pin", pin);
    let base = ["test", "--portal", portal, "--anchor", root.to_str().unwrap(), "--pin-file", &pin];
    let (code, out, error) = run(with_module(&[&base[..], more].concat()));
    assert_eq!(error, "", "each step is on standard output");
    (code, out)
}

/// The step that failed, in JSON.
fn failed(softhsm: &SoftHsm, portal: &str, root: &Path, pin: &str) -> (String, String) {
    let (code, out) = trial(softhsm, portal, root, pin, &["--json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["passed"]), (1, &json!(false)));
    let steps = document["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 6);
    let step = steps.iter().find(|step| step["result"] == "failed").unwrap();
    (step["step"].as_str().unwrap().to_owned(), step["error"].as_str().unwrap().to_owned())
}

fn words(step: &str, error: &str) -> (String, String) {
    (step.to_owned(), error.to_owned())
}

#[test]
fn a_trial_stops_at_what_is_wrong_with_the_token() {
    in_softhsm("a_trial_stops_at_what_is_wrong_with_the_token", |softhsm| {
        let ca = Ca::new();
        let root = ca.root_pem(softhsm.dir());
        assert_eq!(failed(softhsm, NOWHERE, &root, "271828"), words("token", "no-token"));
        let bare = softhsm.init_token("bare", "so-pin-1", "271828");
        assert_eq!(failed(softhsm, NOWHERE, &root, "271828"), words("certificate", "no-certificate"));
        let (code, out) = trial(softhsm, NOWHERE, &root, "271828", &[]);
        let expected = format!(
            "✓ U-key：bare  {}\n✗ 证书：U-key 中没有证书。\n    处理：请到柜台制证。\n\
             － 口令：未进行\n－ 密钥：未进行\n－ 门户：未进行\n－ 登录：未进行\n",
            bare.serial()
        );
        assert_eq!((code, out), (1, expected));

        // A certificate that another key was certified with.
        beside_the_wrong_key(&ca, &bare);
        assert_eq!(failed(softhsm, NOWHERE, &root, "271828"), words("key", "key-differs"));
        assert_eq!(failed(softhsm, NOWHERE, &root, "314159"), words("pin", "wrong-pin"));
        bare.module().reinitialise().unwrap();
        assert_eq!(bare.info().unwrap().pin, PinState::CountLow, "tried once, and said");

        let _ = softhsm.init_token("second", "so-pin-1", "271828");
        assert_eq!(failed(softhsm, NOWHERE, &root, "271828"), words("token", "several-tokens"));
    });
}

fn beside_the_wrong_key(ca: &Ca, token: &Token) {
    let session = token.session(&pin("271828")).unwrap();
    let own = KeyId::new(b"own").unwrap();
    session.generate_key_pair(KeyAlgorithm::EcP256, &own, "own").unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let der = ca.issue(&rcgen::PublicKeyData::subject_public_key_info(&other), "单位");
    write(&session, &own, der);
}

fn write(session: &Session, id: &KeyId, der: Vec<u8>) {
    let fields = ukey::certificate::read(&der).unwrap();
    let object = CertificateObject {
        cka_id: id.as_bytes().to_vec(),
        label: fields.common_name,
        der,
        subject: fields.subject,
        issuer: fields.issuer,
        serial: fields.serial,
    };
    session.write_certificate(&object).unwrap();
}

#[test]
fn a_trial_stops_at_what_the_portal_says() {
    in_softhsm("a_trial_stops_at_what_the_portal_says", |softhsm| {
        let ca = Ca::new();
        let root = ca.root_pem(softhsm.dir());
        let token = personalised(softhsm, &ca, "unit", "ec-p256");
        let portal = Server::start(&ca, |number, _| match number {
            0 | 1 => Reply::Json(200, json!({ "decision": "accepted", "name": "南京签印科技有限公司" })),
            2 => Reply::Json(403, json!({ "code": "not-activated", "detail": "d" })),
            3 => Reply::Json(403, json!({ "code": "held", "detail": "d" })),
            4 => Reply::Json(403, json!({ "code": "revoked", "detail": "d" })),
            5 => Reply::Json(503, json!({ "code": "status-unavailable", "detail": "d" })),
            _ => Reply::Json(403, json!({ "code": "unknown-issuer", "detail": "d" })),
        });
        let (code, out) = trial(softhsm, &portal.url, &root, "271828", &[]);
        assert_eq!(code, 0, "{out}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 7);
        assert!(lines[..6].iter().all(|line| line.starts_with("✓ ")), "{out}");
        assert_eq!(lines[5], "✓ 登录：成功，南京签印科技有限公司");
        let (code, out) = trial(softhsm, &portal.url, &root, "271828", &["--json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &document["passed"]), (0, &json!(true)));
        for refused in ["not-activated", "held", "revoked", "status-unavailable", "portal-refused"] {
            assert_eq!(failed(softhsm, &portal.url, &root, "271828"), words("login", refused));
        }
        let (_, out) = trial(softhsm, &portal.url, &root, "271828", &["--lang", "en"]);
        assert!(out.contains("✗ Login: The portal refuses (status 403, unknown-issuer): d\n"), "{out}");

        assert_eq!(failed(softhsm, NOWHERE, &root, "271828"), words("portal", "unreachable"));
        let strangers = softhsm.dir().join("strangers");
        std::fs::create_dir(&strangers).unwrap();
        let stranger = Ca::new().root_pem(&strangers);
        assert_eq!(failed(softhsm, &portal.url, &stranger, "271828"), words("portal", "untrusted"));
        let (_, out) = trial(softhsm, &portal.url, &stranger, "271828", &[]);
        assert!(out.contains("请用 ukey root install 安装 CA 根证书"), "{out}");
        token.module().reinitialise().unwrap();
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
    });
}

#[test]
fn a_revoked_certificate_beside_a_good_one_is_passed_over() {
    in_softhsm("a_revoked_certificate_beside_a_good_one_is_passed_over", |softhsm| {
        let ca = Ca::new();
        let root = ca.root_pem(softhsm.dir());
        let token = personalised(softhsm, &ca, "unit", "ec-p256");
        second_certificate(&ca, &token);
        let portal = Server::start(&ca, |number, _| match number {
            0 => Reply::Json(403, json!({ "code": "revoked", "detail": "d" })),
            1 => Reply::Json(200, json!({ "name": "单位" })),
            _ => Reply::Json(403, json!({ "code": "revoked", "detail": "d" })),
        });
        let (code, out) = trial(softhsm, &portal.url, &root, "271828", &[]);
        assert!(code == 0 && out.contains("✓ 登录：成功，单位\n"), "{out}");
        let shown = portal.received();
        assert_ne!(shown[0].certificate, shown[1].certificate);
        assert_eq!(failed(softhsm, &portal.url, &root, "271828"), words("login", "revoked"));
        assert_eq!(portal.received().len(), 4, "each certificate once");
    });
}

fn second_certificate(ca: &Ca, token: &Token) {
    let session = token.session(&pin("271828")).unwrap();
    let id = KeyId::new(b"second").unwrap();
    let key = session.generate_key_pair(KeyAlgorithm::EcP256, &id, "second").unwrap();
    let der = ca.issue(&ukey::certificate::spki(key.public()).unwrap(), "unit");
    write(&session, &id, der);
}

#[test]
fn an_answer_that_proves_nothing_is_not_believed() {
    in_softhsm("an_answer_that_proves_nothing_is_not_believed", |softhsm| {
        let ca = Ca::new();
        let root = ca.root_pem(softhsm.dir());
        let token = softhsm.init_token("unit", "so-pin-1", "271828");
        let here = plain("200 OK", "", ca.root.clone());
        let cases = [
            (plain("200 OK", "", b"good".to_vec()), here.clone(), "not-verified"),
            // RFC 6960 §4.2.1: tryLater, which nobody signs.
            (plain("200 OK", "", vec![0x30, 3, 0x0a, 1, 3]), here.clone(), "not-verified"),
            (plain("503 Service Unavailable", "", Vec::new()), here.clone(), "no-answer"),
            ("http://127.0.0.1:1".to_owned(), here.clone(), "no-answer"),
            (here, "http://127.0.0.1:2".to_owned(), "no-answer"),
        ];
        let session = token.session(&pin("271828")).unwrap();
        for (number, (ocsp, issuer, _)) in cases.iter().enumerate() {
            let id = KeyId::new(format!("key-{number}").as_bytes()).unwrap();
            let key = session.generate_key_pair(KeyAlgorithm::EcP256, &id, "key").unwrap();
            let spki = ukey::certificate::spki(key.public()).unwrap();
            write(&session, &id, ca.issue_at(&spki, &format!("unit-{number}"), ocsp, issuer));
        }
        drop(session);
        // With the root at hand the issuer need not be fetched: the last one is asked about, and answers nonsense.
        let arguments = ["--json", "status", "--token", "unit"];
        let (_, out, _) = run(with_module(&arguments));
        let with_root = [&arguments[..], &["--anchor", root.to_str().unwrap()]].concat();
        let (code, proved, _) = run(with_module(&with_root));
        assert_eq!(code, 0);
        for said in [out, proved] {
            let document: Value = serde_json::from_str(&said).unwrap();
            for certificate in document["tokens"][0]["certificates"].as_array().unwrap() {
                let name = certificate["common_name"].as_str().unwrap();
                let standing = &certificate["standing"];
                assert_eq!(standing["verified"], false, "{name}: {standing}");
                let number: usize = name.trim_start_matches("unit-").parse().unwrap();
                let state = standing["state"].as_str().unwrap();
                assert!(
                    state == cases[number].2 || number == 4 && state == "not-verified",
                    "{name}: {standing}"
                );
            }
        }
    });
}

#[test]
fn what_a_renewal_costs_is_told_before_anything_is_done() {
    in_softhsm("what_a_renewal_costs_is_told_before_anything_is_done", |softhsm| {
        let ca = Ca::new();
        let root = ca.root_pem(softhsm.dir());
        let renewal = json!({ "certificate": "0a", "application": "A", "kind": "renew", "state": "approved",
            "order": { "id": "O", "total_fen": 30_000, "outstanding_fen": 30_000, "transfer_code": "AB12CD34" },
            "charges": [{ "lines": [{ "zh": "服务费，每年", "en": "Service, a year", "quantity": 2,
                "price_fen": 15_000, "amount_fen": 30_000 }] }], "pay_url": "https://pay.example/1" });
        let answer = renewal.clone();
        let server = Server::start(&ca, move |_, _| Reply::Json(200, answer.clone()));
        personalised(softhsm, &ca, "unit", "ec-p256");
        let pin = secret(softhsm, "pin", "271828");
        let renew = |more: &[&str]| {
            let base =
                ["renew", "--server", &server.url, "--anchor", root.to_str().unwrap(), "--pin-file", &pin];
            run(with_module(&[&base[..], more].concat()))
        };
        let (code, out, error) = renew(&["--lang", "en"]);
        assert_eq!(code, 1);
        let expected = "Renewal: certificate 0a of unit\n  Service, a year  ¥150.00 × 2  ¥300.00\n  \
            Order O: ¥300.00, of which ¥300.00 is to be paid\n  Pay it in one of these ways:\n    \
            online: https://pay.example/1\n    bank transfer: write AB12CD34 as its remark\n    \
            at a counter: give the order's number\n";
        assert_eq!(out, expected);
        assert!(error.contains("then run `ukey renew` again."), "{error}");
        let (code, out, error) = renew(&["--json"]);
        let (out, error): (Value, Value) =
            (serde_json::from_str(&out).unwrap(), serde_json::from_str(&error).unwrap());
        assert_eq!((code, &out["renewal"], &error["error"]), (1, &renewal, &json!("renewal-not-paid")));
        let asked = server.received();
        assert!(asked.iter().all(|one| one.path == "/api/v1/renewals/own"), "nothing is begun: {asked:?}");
    });
}

/// A home folder with a Firefox profile, and a `certutil` that writes down what it is told.
struct Person {
    home: PathBuf,
    log: PathBuf,
}

impl Person {
    fn new(dir: &Path) -> Self {
        let (home, programs) = (dir.join("home"), dir.join("programs"));
        let profile = home.join(".mozilla/firefox/abc.default");
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("cert9.db"), "").unwrap();
        std::fs::create_dir_all(&programs).unwrap();
        let log = dir.join("certutil.log");
        let script = format!("#!/bin/sh\n[ \"$1\" = -H ] || echo \"$@\" >>{}\n", log.display());
        std::fs::write(programs.join("certutil"), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(programs.join("certutil"), mode).unwrap();
        Self { home, log }
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, &format!("{}:/usr/bin:/bin", self.home.with_file_name("programs").display()))
    }

    fn run_with(&self, arguments: &[&str], path: &str) -> (i32, String, String) {
        let mut command: Command = with_module(arguments);
        command.env("HOME", &self.home).env_remove("XDG_CONFIG_HOME").env("PATH", path);
        run(command)
    }

    fn told(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let _ = std::fs::remove_file(&self.log);
        let short = text.replace(self.home.to_str().unwrap(), "HOME");
        short.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_root_is_installed_once_it_was_compared_and_taken_out_again() {
    in_softhsm("a_root_is_installed_once_it_was_compared_and_taken_out_again", |softhsm| {
        let ca = Ca::new();
        let person = Person::new(softhsm.dir());
        let file = ca.root_pem(softhsm.dir());
        let file = file.to_str().unwrap();
        let fingerprint = ca_core::fingerprint(&ca.root);

        let (code, out, error) = person.run(&["root", "install", "--file", file]);
        assert_eq!(code, 1);
        assert!(out.contains(&fingerprint[..39]) && out.contains(&fingerprint[40..]), "{out}");
        assert!(error.contains("没有人核对指纹，什么也没有改动"), "{error}");
        let other = ca_core::fingerprint(b"other");
        let (code, _, error) = person.run(&["root", "install", "--file", file, "--fingerprint", &other]);
        assert_eq!(code, 1);
        assert!(error.contains("指纹不同，什么也没有改动") && error.contains(&fingerprint), "{error}");
        assert_eq!(person.told(), Vec::<String>::new());
        assert!(!person.home.join(".config").exists());

        // Not compared: no other command trusts it.
        let trial = ["test", "--portal", NOWHERE, "--json"];
        let (_, out, _) = person.run(&["status", "--offline"]);
        assert!(out.contains("没有插入 U-key"), "{out}");
        let install = ["root", "install", "--file", file, "--fingerprint", &fingerprint];
        let (code, out, error) = person.run(&install);
        assert_eq!((code, error.as_str()), (0, ""));
        let another = secret(softhsm, "another.pem", &ukey::root::pem(&Ca::new().root));
        let der = ukey::root::read(&std::fs::read(&another).unwrap()).unwrap();
        let words = ["root", "install", "--file", &another, "--fingerprint", &ca_core::fingerprint(&der)];
        let (code, _, error) = person.run(&words);
        assert!(code == 1 && error.contains("请先运行 ukey root remove"), "{error}");
        let name = ukey::root::nickname(&ca.root);
        let kept = "HOME/.config/qianyin/root.pem";
        assert_eq!(
            person.told(),
            [
                "-d sql:HOME/.pki/nssdb -N --empty-password".to_owned(),
                format!("-d sql:HOME/.pki/nssdb -A -t C,, -n {name} -i {kept}"),
                format!("-d sql:HOME/.mozilla/firefox/abc.default -A -t C,, -n {name} -i {kept}"),
            ]
        );
        let shown = out.replace(person.home.to_str().unwrap(), "HOME");
        assert!(shown.contains("  Firefox  HOME/.mozilla/firefox/abc.default  已安装\n"), "{shown}");
        assert!(shown.ends_with("撤销：ukey root remove\n"), "{shown}");
        trusted_from_now_on(softhsm, &ca, &person, &trial);
        removed(&person, &name);
    });
}

fn trusted_from_now_on(softhsm: &SoftHsm, ca: &Ca, person: &Person, trial: &[&str]) {
    personalised(softhsm, ca, "unit", "ec-p256");
    let pin = secret(softhsm, "pin", "271828");
    let portal = Server::start(ca, |_, _| Reply::Json(200, json!({ "name": "单位" })));
    let trial = [&trial[..1], &["--portal", &portal.url, "--pin-file", &pin]].concat();
    let (code, out, error) = person.run(&trial);
    assert_eq!(code, 0, "{out}{error}");
    let (code, _, error) = person.run_with(&["root", "remove"], "/nonexistent");
    assert_eq!((code, error.as_str()), (0, ""));
    let (code, out, _) = person.run(&trial);
    assert_eq!(code, 1);
    assert!(out.contains("✗ 门户：还没有 CA 根证书。\n    处理：请先运行 ukey root install"), "{out}");
    let root = ca.root_pem(softhsm.dir());
    let fingerprint = ca_core::fingerprint(&ca.root);
    let install = ["root", "install", "--file", root.to_str().unwrap(), "--fingerprint", &fingerprint];
    let (code, out, _) = person.run_with(&install, "/nonexistent");
    assert!(code == 0 && out.contains("请先安装") | out.contains("libnss3-tools"), "{out}");
    person.told();
}

fn removed(person: &Person, name: &str) {
    let nssdb = person.home.join(".pki/nssdb");
    std::fs::write(nssdb.join("cert9.db"), "").unwrap();
    let (code, out, error) = person.run(&["--lang", "en", "root", "remove"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.ends_with("ukey trusts this root no longer.\n"), "{out}");
    let store = "-d sql:HOME/.mozilla/firefox/abc.default";
    assert_eq!(person.told()[2..], [format!("{store} -L -n {name}"), format!("{store} -D -n {name}")]);
    let (code, _, error) = person.run(&["--json", "root", "remove"]);
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!((code, &error["error"]), (1, &json!("no-root")));
}

#[test]
fn a_root_is_fetched_and_what_is_none_is_refused() {
    in_softhsm("a_root_is_fetched_and_what_is_none_is_refused", |softhsm| {
        let ca = Ca::new();
        let person = Person::new(softhsm.dir());
        let fingerprint = ca_core::fingerprint(&ca.root);
        let install = |url: &str| {
            let words = ["--json", "root", "install", "--server", url, "--fingerprint", &fingerprint];
            person.run(&words)
        };
        let (code, out, error) = install(&plain("200 OK", "", ca.root.clone()));
        assert_eq!((code, error.as_str()), (0, ""));
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&document["event"], &document["stores"][0]["result"]),
            (&json!("root-installed"), &json!("changed"))
        );
        for (url, word) in [
            (plain("404 Not Found", "", Vec::new()), "unexpected"),
            (plain("200 OK", "", b"<html>".to_vec()), "no-root-there"),
            ("http://127.0.0.1:1".to_owned(), "unreachable"),
            ("ftp://x".to_owned(), "url"),
        ] {
            let (code, _, error) = install(&url);
            let error: Value = serde_json::from_str(&error).unwrap();
            assert_eq!((code, &error["error"]), (1, &json!(word)), "{url}");
        }
        // Over HTTPS the server's certificate leads to the very root that is still to be compared.
        let server = Server::start(&ca, |_, _| Reply::Empty(204));
        let (code, _, error) = install(&server.url);
        assert_eq!(code, 1, "a server that asks for a certificate of ours gets none: {error}");
    });
}

#[test]
fn the_doctor_tells_what_token_and_network_can_do() {
    in_softhsm("the_doctor_tells_what_token_and_network_can_do", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "271828");
        let (code, out, _) = run(with_module(&["doctor"]));
        assert_eq!(code, 0);
        for part in [
            "插拔：",
            "已初始化：是",
            "口令长度：4–255",
            "在读卡器上输入口令：否",
            "写保护：否",
            "自带随机数发生器：是",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        // 1970 is far from now; a person is told what comes of it.
        let past = plain("200 OK", "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", Vec::new());
        let (code, out, _) = run(with_module(&["doctor", "--server", &past]));
        assert!(code == 0 && out.contains("已连接\n  时钟：本机快 "), "{out}");
        let (code, out, _) = run(with_module(&["--json", "doctor", "--server", &past]));
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &document["network"]["reached"]), (0, &json!(true)));
        assert!(document["network"]["clock_ahead_secs"].as_i64().unwrap() > 1_700_000_000);
        let known = document["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["serial"] == token.serial().as_str());
        assert_eq!((&known.unwrap()["pin_length_min"], &known.unwrap()["random"]), (&json!(4), &json!(true)));

        let (code, out, error) = run(with_module(&["doctor", "--server", "http://127.0.0.1:1"]));
        assert!(code == 1 && out.contains("连不上") && error.contains("处理：请检查网络"), "{out}{error}");
    });
}
