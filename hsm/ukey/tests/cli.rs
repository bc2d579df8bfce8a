//! The program as a person or a script meets it: texts in both languages, exit codes, commands given twice.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{io::Write, process::Stdio};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hsm::{Pin, PinState, Token, testing::in_softhsm};
use serde_json::{Value, json};

use common::{
    Ca, Reply, Server, personalised,
    program::{run, said, secret, setsid, ukey, with_module},
};

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

/// What another process did is seen after C_Initialize only.
fn accepts(token: &Token, text: &str) -> bool {
    token.module().reinitialise().unwrap();
    token.session(&pin(text)).is_ok()
}

#[test]
fn help_is_complete() {
    let mut text = String::new();
    for arguments in [
        &["--help"][..],
        &["counter", "--help"],
        &["status", "--help"],
        &["pin", "change", "--help"],
        &["activate", "--help"],
        &["renew", "--help"],
        &["revoke", "--help"],
        &["test", "--help"],
        &["root", "install", "--help"],
        &["root", "remove", "--help"],
        &["doctor", "--help"],
        &["api", "--help"],
    ] {
        let (code, out, _) = run(ukey(arguments));
        assert_eq!(code, 0);
        text.push_str(&format!("$ ukey {}\n{out}\n", arguments.join(" ")));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        &[][..],
        &["dance"],
        &["pin", "change", "--token", "x", "--pin", "123456"],
        &["activate", "--token", "x"],
        &["test"],
        &["root"],
        &["root", "install"],
        &["root", "install", "--server", "http://x", "--file", "x"],
        &["api", "STEAL", "/api/v1/units", "--server", "https://x", "--anchor", "x", "--token", "x"],
        &["api", "GET", "no-slash", "--server", "https://x", "--anchor", "x", "--token", "x"],
        &["counter", "--workstation", "a/b", "--server", "https://x", "--anchor", "x", "--token", "x"],
    ] {
        let (code, _, error) = run(ukey(arguments));
        assert_eq!(code, 2, "{arguments:?}: {error}");
    }
}

#[test]
fn errors_say_what_happened_and_what_to_do_in_both_languages() {
    in_softhsm("errors_say_what_happened_and_what_to_do_in_both_languages", |softhsm| {
        let token = softhsm.init_token("单位", "so-pin-1", "271828");
        let wrong = secret(softhsm, "wrong", "314159");
        let weak = secret(softhsm, "weak", "123456");
        let short = secret(softhsm, "short", "2718");
        let good = secret(softhsm, "good", "161803");
        let change = ["pin", "change", "--token"];
        let cases: [(&str, Vec<&str>); 8] = [
            ("no module", vec!["--module", "/nowhere/pkcs11.so", "status"]),
            ("absent", [&change[..], &["nobody", "--pin-file", &wrong, "--new-pin-file", &good]].concat()),
            ("wrong PIN", [&change[..], &["单位", "--pin-file", &wrong, "--new-pin-file", &good]].concat()),
            (
                "well-known PIN",
                [&change[..], &["单位", "--pin-file", &good, "--new-pin-file", &weak]].concat(),
            ),
            ("short PIN", [&change[..], &["单位", "--pin-file", &good, "--new-pin-file", &short]].concat()),
            (
                "no file",
                [&change[..], &["单位", "--pin-file", "/nowhere/pin", "--new-pin-file", &good]].concat(),
            ),
            ("no terminal", [&change[..], &["单位", "--new-pin-file", &good]].concat()),
            (
                "no anchor",
                vec![
                    "api",
                    "GET",
                    "/",
                    "--server",
                    "https://x",
                    "--anchor",
                    "/nowhere/root.pem",
                    "--token",
                    "单位",
                ],
            ),
        ];
        let mut text = String::new();
        for (name, arguments) in &cases {
            for language in ["zh", "en"] {
                let mut command = with_module(&[&["--lang", language], &arguments[..]].concat());
                if *name == "no terminal" {
                    // Without a controlling terminal there is nobody to ask.
                    command = setsid(command);
                }
                let (code, out, error) = run(command);
                assert_eq!((code, out.as_str()), (1, ""), "{name}: {error}");
                assert!(!error.contains("314159"));
                text.push_str(&format!("[{name}]\n{error}"));
            }
        }
        let (code, _, error) = run(ukey(&["status"]));
        assert_eq!(code, 1);
        text.push_str(&format!("[module not named]\n{error}"));
        let text = text.replace(token.serial().as_str(), "SERIAL");
        insta::assert_snapshot!(text.replace(softhsm.dir().to_str().unwrap(), "DIR"));

        // One wrong try for each run that could be one, and none by the program itself.
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);
        assert!(accepts(&token, "271828"));
    });
}

#[test]
fn errors_are_json_for_programs() {
    in_softhsm("errors_are_json_for_programs", |_| {
        let (code, out, error) = run(with_module(&["--json", "--lang", "en", "status", "--token", "nobody"]));
        assert_eq!((code, out.as_str()), (1, ""));
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(
            (&error["error"], &error["situation"]),
            (&json!("token-absent"), &json!("Token nobody is not there."))
        );
    });
}

#[test]
fn status_and_doctor_tell_what_is_there() {
    in_softhsm("status_and_doctor_tell_what_is_there", |softhsm| {
        let (code, out, _) = run(with_module(&["status"]));
        assert_eq!((code, out.as_str()), (0, "没有插入 U-key。请插入后重试。\n"));
        let ca = Ca::new();
        let token = personalised(softhsm, &ca, "南京签印科技", "ec-p256");
        let _ = token.session(&pin("314159"));

        let (code, out, _) = run(with_module(&["status"]));
        assert_eq!(code, 0);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines[0], format!("南京签印科技  {}  SoftHSM v2", token.serial()));
        assert_eq!(lines[1], "  口令：已输错过，连续输错将被锁定");
        assert!(
            lines[2].starts_with("  南京签印科技  ") && lines[2].contains("有效至 4096-01-01，剩余 "),
            "{out}"
        );
        let (_, out, _) = run(with_module(&["status", "--lang", "en"]));
        assert!(out.contains("PIN: was wrong before") && out.contains("valid to 4096-01-01, "), "{out}");

        let (_, out, _) = run(with_module(&["--json", "status", "--token", token.serial().as_str()]));
        let status: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["tokens"][0]["pin"], "count-low");
        assert_eq!(status["tokens"][0]["certificates"][0]["common_name"], "南京签印科技");
        assert!(status["tokens"][0]["certificates"][0]["days_left"].as_i64().unwrap() > 700_000);

        let (code, out, _) = run(with_module(&["--json", "doctor"]));
        let doctor: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &doctor["module"]["manufacturer"]), (0, &json!("SoftHSM")));
        assert_eq!(doctor["tokens"][0]["missing"], json!([]));
        let (_, out, _) = run(with_module(&["doctor"]));
        assert!(out.contains("模块：") && out.contains("可用：CKM_EC_KEY_PAIR_GEN"), "{out}");
    });
}

#[test]
fn a_pin_is_changed_once() {
    in_softhsm("a_pin_is_changed_once", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let (old, new) = (secret(softhsm, "old", "123456"), secret(softhsm, "new", "271828"));
        let change =
            || with_module(&["pin", "change", "--token", "unit", "--pin-file", &old, "--new-pin-file", &new]);
        let (code, out, error) = run(change());
        assert_eq!((code, error.as_str()), (0, ""));
        assert_eq!(out, format!("U-key {} 的口令已修改。\n", token.serial()));
        let (code, _, _) = run(change());
        assert_eq!(code, 1);
        assert!(accepts(&token, "271828"));
    });
}

#[test]
fn a_pin_comes_through_a_descriptor_too() {
    in_softhsm("a_pin_comes_through_a_descriptor_too", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let new = secret(softhsm, "new", "271828");
        let mut command =
            with_module(&["pin", "change", "--token", "unit", "--pin-fd", "0", "--new-pin-file", &new]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"123456\n").unwrap();
        assert!(child.wait().unwrap().success());
        assert!(accepts(&token, "271828"));
    });
}

#[test]
fn activation_replaces_the_initial_pin_and_can_be_resumed() {
    in_softhsm("activation_replaces_the_initial_pin_and_can_be_resumed", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |_, received| match received.body["code"].as_str() {
            Some("ABCDE-12345") => Reply::Json(200, json!({ "serial": "0a", "state": "good" })),
            _ => Reply::Json(
                422,
                json!({ "situation": { "zh": "激活码不正确，还可再试 2 次。" }, "remedy": { "zh": "请核对短信。" } }),
            ),
        });
        let token = personalised(softhsm, &ca, "unit", "ec-p256");
        token.session(&pin("271828")).unwrap().change_pin(&pin("271828"), &pin("123456")).unwrap();
        let root = ca.root_pem(softhsm.dir());
        let base =
            ["activate", "--server", &server.url, "--anchor", root.to_str().unwrap(), "--token", "unit"];
        let initial = secret(softhsm, "initial", "123456");
        let new = secret(softhsm, "new", "161803");
        let wrong_code = secret(softhsm, "wrong-code", "ZZZZZ-99999");
        let code_file = secret(softhsm, "code", "ABCDE-12345");

        let (code, out, error) =
            run(with_module(&[&base[..], &["--pin-file", &initial, "--code-file", &code_file]].concat()));
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("人人皆知的初始口令"), "{error}");
        assert!(server.received().is_empty());

        let pins = ["--pin-file", &initial, "--new-pin-file", &new];
        let (code, out, error) =
            run(with_module(&[&base[..], &pins, &["--code-file", &wrong_code]].concat()));
        assert_eq!((code, out.contains("的口令已修改")), (1, true), "{error}");
        assert!(error.ends_with("错误：激活码不正确，还可再试 2 次。\n处理：请核对短信。\n"), "{error}");
        assert!(accepts(&token, "161803"));

        for _ in 0..2 {
            let (code, out, error) =
                run(with_module(&[&base[..], &["--pin-file", &new, "--code-file", &code_file]].concat()));
            assert_eq!((code, error.as_str()), (0, ""));
            assert!(out.starts_with("“unit”的证书已激活（序列号 "), "{out}");
        }
        let received = server.received();
        assert_eq!(received.len(), 3);
        assert!(
            received.iter().all(|r| (r.method.as_str(), r.path.as_str()) == ("POST", "/api/v1/activations"))
        );
        assert_eq!(received[2].certificate, token.certificates().unwrap()[0].der);
    });
}

#[test]
fn the_api_is_called_with_the_token() {
    in_softhsm("the_api_is_called_with_the_token", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |_, received| match received.method.as_str() {
            "GET" => Reply::Json(200, json!({ "units": [] })),
            "DELETE" => Reply::Empty(204),
            _ => Reply::Json(
                409,
                json!({ "title": "unit-known", "situation": { "en": "The unit is known." }, "remedy": { "en": "Use it." } }),
            ),
        });
        personalised(softhsm, &ca, "clerk", "ec-p256");
        let root = ca.root_pem(softhsm.dir());
        let pin_file = secret(softhsm, "pin", "271828");
        let call = |first: &[&str], last: &[&str]| {
            let rest = [
                "--server",
                &server.url,
                "--anchor",
                root.to_str().unwrap(),
                "--token",
                "clerk",
                "--pin-file",
                &pin_file,
            ];
            with_module(&[&["--lang", "en", "api"], first, &rest, last].concat())
        };
        let (code, out, error) = run(call(&["GET", "/api/v1/units?limit=1"], &[]));
        assert_eq!((code, error.as_str()), (0, ""));
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "units": [] }));
        assert_eq!(run(call(&["delete", "/api/v1/units/1"], &[])), (0, String::new(), String::new()));

        let mut command = call(&["POST", "/api/v1/units"], &["--data", "-", "--idempotency-key", "k-1"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(br#"{ "name": "x" }"#).unwrap();
        let (code, out, error) = said(&child.wait_with_output().unwrap());
        assert_eq!(code, 1);
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["title"], "unit-known");
        assert_eq!(error, "Error: The unit is known.\nWhat to do: Use it. [unit-known]\n");
        let last = server.received().pop().unwrap();
        assert_eq!((last.body, last.idempotency_key.as_deref()), (json!({ "name": "x" }), Some("k-1")));
    });
}

#[test]
fn a_certificate_is_revoked_with_its_key() {
    in_softhsm("a_certificate_is_revoked_with_its_key", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |number, _| match number {
            0 | 2 | 4 | 6 => {
                Reply::Json(200, json!({ "challenge": "Y2hhbGxlbmdl", "text": "sign this instead" }))
            }
            1 => Reply::Json(200, json!({ "revoked_at": "2026-11-26T12:00:00Z" })),
            3 | 5 => Reply::Json(409, json!({ "title": "revoked-for-ever" })),
            _ => Reply::Json(404, json!({ "title": "not-found" })),
        });
        let token = personalised(softhsm, &ca, "南京签印科技", "ec-p256");
        let der = token.certificates().unwrap().remove(0).der;
        let number = ukey::certificate::read(&der).unwrap().serial_hex;
        let root = ca.root_pem(softhsm.dir());
        let (good, wrong) = (secret(softhsm, "good", "271828"), secret(softhsm, "wrong", "314159"));
        let base = ["revoke", "--server", &server.url, "--anchor", root.to_str().unwrap(), "--pin-file"];
        let revoke = |more: &[&str]| {
            let (code, out, error) = run(with_module(&[&base[..], more].concat()));
            let hide =
                |text: String| text.replace(&number, "NUMBER").replace(token.serial().as_str(), "TOKEN");
            (code, without_days(&hide(out)), hide(error))
        };
        let mut text = String::new();
        let mut told = |name: &str, (code, out, error): (i32, String, String)| {
            text.push_str(&format!("[{name}] {code}\n{out}{error}"));
        };

        // Nobody confirmed, or another certificate was meant: the server hears nothing, and no PIN is tried.
        told("nobody confirms", revoke(&[&good]));
        told("nobody confirms, for programs", revoke(&[&good, "--json"]));
        told("another one is meant", revoke(&[&wrong, "--yes", "--serial", "0badc0de"]));
        assert!(server.received().is_empty());
        told("revoked", revoke(&[&good, "--yes"]));
        let sent = server.received();
        assert_eq!(
            (sent[0].path.as_str(), &sent[0].body),
            ("/api/v1/key-revocations/challenge", &json!({ "serial": number }))
        );
        assert!(sent.iter().all(|received| received.certificate.is_empty()), "no certificate is offered");
        let serial = ca_verifier::Serial::from_hex(&number).unwrap();
        let signed = ca_core::key_revocation_text(&serial, "Y2hhbGxlbmdl");
        let signature = BASE64.decode(sent[1].body["signature"].as_str().unwrap()).unwrap();
        ca_core::verify_with_certificate(&der, signed.as_bytes(), &signature).unwrap();
        told("a second time", revoke(&[&good, "--yes", "--lang", "en", "--serial", &number]));
        told("a second time, for programs", revoke(&[&good, "--yes", "--json"]));
        told("not the server's", revoke(&[&good, "--yes", "--lang", "en"]));
        assert_eq!(server.received().len(), 8);
        insta::assert_snapshot!(text);
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
    });
}

#[test]
fn a_wrong_pin_is_tried_once_and_revokes_nothing() {
    in_softhsm("a_wrong_pin_is_tried_once_and_revokes_nothing", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |_, _| Reply::Json(200, json!({ "challenge": "Y2hhbGxlbmdl" })));
        let token = personalised(softhsm, &ca, "unit", "rsa-2048");
        let root = ca.root_pem(softhsm.dir());
        let wrong = secret(softhsm, "wrong", "314159");
        let (code, _, error) = run(with_module(&[
            "revoke",
            "--server",
            &server.url,
            "--anchor",
            root.to_str().unwrap(),
            "--pin-file",
            &wrong,
            "--yes",
        ]));
        assert_eq!(
            (code, error.contains("口令只试了一次"), error.contains("314159")),
            (1, true, false),
            "{error}"
        );
        assert_eq!(server.received().len(), 1, "the challenge, and nothing that revokes");
        token.module().reinitialise().unwrap();
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);
        assert!(accepts(&token, "271828"));
    });
}

/// Days left depend on the day.
fn without_days(text: &str) -> String {
    let hidden = |line: &str| match (line.find("剩余 "), line.rfind(" 天")) {
        (Some(start), Some(end)) => format!("{}剩余 DAYS{}", &line[..start], &line[end..]),
        _ => match (line.find("4096-01-01, "), line.rfind(" days left")) {
            (Some(start), Some(end)) => format!("{}4096-01-01, DAYS{}", &line[..start], &line[end..]),
            _ => line.to_owned(),
        },
    };
    text.lines().map(|line| hidden(line) + "\n").collect()
}
