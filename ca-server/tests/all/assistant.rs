//! 持证单位助手：从新 U-key 到门户登录、冻结、续期、吊销，每一步都说人话。The holder's assistant with a real server and portal.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    receipt::pdf,
    renewal::enter,
    roles::probe,
    support::{Ca, Database, text, wait},
};

#[test]
fn a_token_s_whole_life_as_its_holder_sees_it() {
    let mut ca = Ca::new(Database::Sqlite);
    serve_where_certificates_say(&mut ca);
    ca.start_counter(&[]);
    ca.start_portal();
    let (application, serial, token) = ca.issue();
    std::fs::write(ca.dir.join("initial.pin"), "123456").unwrap();

    not_activated(&ca, &token);
    assert!(ca.activate(&application, &token).status.success());
    good(&ca, &token, &serial);
    the_root_is_compared_with_the_receipt(&ca, &application, &token);
    a_wrong_pin_is_tried_once(&ca, &token);
    held_and_released(&ca, &token, &serial);
    let renewed = renewed(&ca, &token, &serial);
    revoked(&mut ca, &token, &renewed);
    ca.stop_others();
    ca.assert_audit_is_clean();
}

/// The certificates of a prepared CA name the addresses of that one; this one's shall be where it listens.
pub(crate) fn serve_where_certificates_say(ca: &mut Ca) {
    let file = ca.dir.join("ca-server.toml");
    let mut config: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let urls = config["urls"].as_table_mut().unwrap();
    urls.insert("status".to_owned(), format!("http://{}", ca.http).into());
    std::fs::write(file, toml::to_string(&config).unwrap()).unwrap();
    ca.serve(&[]);
}

fn status(ca: &Ca, token: &str, more: &[&str]) -> (Value, String) {
    let root = ca.path("root.pem");
    let base = ["status", "--token", token, "--anchor", &root];
    let json = ca.ukey(&[&["--json"], &base[..], more].concat());
    assert!(json.status.success(), "{}", text(&json));
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    let said = ca.ukey(&[&base[..], more].concat());
    (document["tokens"][0]["certificates"].clone(), text(&said))
}

/// The standing of one certificate, and what a person is told.
fn standing(ca: &Ca, token: &str, serial: &str) -> (Value, String) {
    let (certificates, said) = status(ca, token, &[]);
    let known = certificates.as_array().unwrap().iter().find(|one| one["serial"] == serial);
    (known.unwrap_or_else(|| panic!("{certificates}"))["standing"].clone(), said)
}

fn trial(ca: &Ca, token: &str, pin: &str) -> Output {
    let (portal, root, pin) = (format!("https://{}", ca.portal), ca.path("root.pem"), ca.path(pin));
    ca.ukey(&["test", "--portal", &portal, "--anchor", &root, "--token", token, "--pin-file", &pin])
}

/// The portal sees a change a moment later.
fn trial_says(ca: &Ca, token: &str, pin: &str, says: &str) {
    wait(10, says, || text(&trial(ca, token, pin)).contains(says));
}

fn not_activated(ca: &Ca, token: &str) {
    let serial = status(ca, token, &[]).0[0]["serial"].as_str().unwrap().to_owned();
    let (standing, said) = standing(ca, token, &serial);
    assert_eq!((&standing["state"], &standing["verified"]), (&json!("not-activated"), &json!(true)));
    assert!(said.contains("状态：尚未激活。请运行 ukey activate"), "{said}");
    let output = trial(ca, token, "initial.pin");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("✓ 门户：") && said.contains("✗ 登录：门户拒绝登录：证书尚未激活。"), "{said}");
}

fn good(ca: &Ca, token: &str, serial: &str) {
    let (known, said) = standing(ca, token, serial);
    assert_eq!(known, json!({ "state": "good", "reason": null, "since": null, "verified": true }));
    assert!(said.contains("状态：有效，可以使用。\n"), "{said}");
    trial_says(ca, token, "unit.pin", "全部通过：这个 U-key 可以使用。");
    // Without a root nothing is proved; with another one nothing is believed; with the issuing CA at hand it is not fetched.
    let bare = ca.ukey(&["status", "--token", token]);
    assert!(text(&bare).contains("有效，可以使用。（未核验：请先运行 ukey root install"), "{}", text(&bare));
    let other = ca.path("other-root.pem");
    let key = ca.path("other.key");
    crate::support::openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &other,
        "-subj",
        "/CN=Other",
    ]);
    let foreign = ca.ukey(&["status", "--token", token, "--anchor", &other]);
    assert!(text(&foreign).contains("状态：未核验：应答不可信"), "{}", text(&foreign));
    let given = status(ca, token, &["--chain", &ca.path("issuing.pem")]).0;
    assert_eq!(given[0]["standing"]["state"], "good");
    let offline = status(ca, token, &["--offline"]);
    assert_eq!(offline.0[0]["standing"]["state"], "not-asked");
    assert!(!offline.1.contains("状态："), "{}", offline.1);
}

fn the_root_is_compared_with_the_receipt(ca: &Ca, application: &str, token: &str) {
    let (key, certificate, _) = probe(ca);
    let order = ca.get("clerk", &format!("/api/v1/applications/{application}/order"));
    let payment = order["payments"][0]["id"].as_str().unwrap();
    let (_, receipt) = pdf(ca, &["--cert", &certificate, "--key", &key], payment);
    std::fs::write(ca.dir.join("receipt.pdf"), receipt).unwrap();
    let printed =
        std::process::Command::new("pdftotext").args(["-layout", &ca.path("receipt.pdf"), "-"]).output();
    let printed = text(&printed.unwrap());
    let line = printed.split("Root SHA-256").nth(1).unwrap_or_else(|| panic!("{printed}"));
    let fingerprint = line.lines().next().unwrap().split_whitespace().take(16).collect::<Vec<_>>().join(" ");
    let server = format!("http://{}", ca.http);
    let mut command =
        ca.ukey_command(&["root", "install", "--server", &server, "--fingerprint", &fingerprint]);
    let output = command.env("PATH", "/nonexistent").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let said = text(&ca.ukey(&["status", "--token", token]));
    assert!(said.contains("状态：有效，可以使用。\n"), "the root is kept: {said}");
    let checked = ca.ukey(&["doctor", "--server", &format!("https://{}", ca.https)]);
    assert!(text(&checked).contains("已连接，证书可信\n  时钟：相差 "), "{}", text(&checked));
    let mut command = ca.ukey_command(&["root", "remove"]);
    assert!(command.env("PATH", "/nonexistent").output().unwrap().status.success());
    let checked = ca.ukey(&["doctor", "--server", &format!("https://{}", ca.https)]);
    assert!(text(&checked).contains("没有根证书，未核对其证书"), "{}", text(&checked));
}

fn a_wrong_pin_is_tried_once(ca: &Ca, token: &str) {
    std::fs::write(ca.dir.join("wrong.pin"), "99887766").unwrap();
    let output = trial(ca, token, "wrong.pin");
    let said = text(&output);
    assert!(
        said.contains("✗ 口令：") && said.contains("－ 密钥：未进行") && !said.contains("99887766"),
        "{said}"
    );
    // Before the next one is asked for, everybody hears of it.
    let output = trial(ca, token, "unit.pin");
    assert!(
        output.status.success() && text(&output).contains("已输错过，连续输错将被锁定"),
        "{}",
        text(&output)
    );
}

fn held_and_released(ca: &Ca, token: &str, serial: &str) {
    let change =
        |what: &str| ca.post("officer", &format!("/api/v1/certificates/{serial}/{what}"), &Value::Null);
    change("hold");
    let (known, said) = standing(ca, token, serial);
    assert_eq!((&known["state"], known["since"].is_i64()), (&json!("held"), true));
    assert!(said.contains("状态：已冻结，"), "{said}");
    trial_says(ca, token, "unit.pin", "✗ 登录：门户拒绝登录：证书已冻结。");
    change("release");
    trial_says(ca, token, "unit.pin", "全部通过");
}

fn renew(ca: &Ca, token: &str) -> (bool, String) {
    let (server, root, pin) = (format!("https://{}", ca.https), ca.path("root.pem"), ca.path("unit.pin"));
    let output =
        ca.ukey(&["renew", "--server", &server, "--anchor", &root, "--token", token, "--pin-file", &pin]);
    (output.status.success(), text(&output))
}

fn renewed(ca: &Ca, token: &str, serial: &str) -> String {
    let (done, said) = renew(ca, token);
    assert!(!done && said.contains("[renewal.none]"), "{said}");
    let entered = enter(ca, serial, 1);
    let id = entered["id"].as_str().unwrap_or_else(|| panic!("{entered}")).to_owned();
    let (done, said) = renew(ca, token);
    assert!(!done && said.contains("正在审核"), "{said}");
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let order = ca.get("clerk", &format!("/api/v1/applications/{id}/order"));
    let (done, said) = renew(ca, token);
    assert!(!done && said.contains("续期费用尚欠 ¥150.00，尚不能执行。原证书仍可使用。"), "{said}");
    for part in [
        "续期：“南京示例科技有限公司”的证书",
        "每年  ¥150.00 × 1  ¥150.00",
        &format!("订单 {}：共 ¥150.00，尚欠 ¥150.00", order["id"].as_str().unwrap()),
        &format!("银行转账：附言写 {}", order["transfer_code"].as_str().unwrap()),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let payment = json!({ "amount_fen": 15_000, "currency": "CNY", "method": "cash", "receipt_no": "R-9" });
    ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment);
    let (done, said) = renew(ca, token);
    assert!(done && said.contains("共 ¥150.00，尚欠 ¥0.00") && said.contains("已续期"), "{said}");
    let new = ca.application(&id)["serial"].as_str().unwrap().to_owned();
    let (known, said) = standing(ca, token, serial);
    assert_eq!((&known["state"], &known["reason"]), (&json!("revoked"), &json!("superseded")));
    assert!(said.contains("（已由新证书取代）。请使用新证书。"), "{said}");
    assert_eq!(standing(ca, token, &new).0["state"], "good");
    trial_says(ca, token, "unit.pin", "全部通过");
    new
}

fn revoked(ca: &mut Ca, token: &str, serial: &str) {
    ca.revoke(serial, "keyCompromise");
    let (known, said) = standing(ca, token, serial);
    assert_eq!((&known["state"], &known["reason"]), (&json!("revoked"), &json!("keyCompromise")));
    assert!(said.contains("U-key 丢失或密钥可能泄露"), "{said}");
    trial_says(ca, token, "unit.pin", "✗ 登录：门户拒绝登录：证书已吊销，不能恢复。");
    ca.stop_server();
    let (known, said) = standing(ca, token, serial);
    assert_eq!((&known["state"], &known["verified"]), (&json!("no-answer"), &json!(false)));
    assert!(said.contains("状态：没有查到：") && said.contains("请检查网络"), "{said}");
}
