//! The program `test-gateway` by itself, as a merchant written from `docs/gateway.md` meets it: signatures are made and
//! checked here with nothing of the server's.

use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{hmac, signature};
use serde_json::{Value, json};

use crate::support::{
    Ca, Database, Receiver,
    gateway::{MERCHANT, Signs, TestGateway},
    program, text, wait,
};

const HEADER: &str = "qianyin-gateway-signature";

fn start(signs: Signs) -> TestGateway {
    TestGateway::start(&program("test-gateway"), signs, 100, None)
}

fn hmac_key(gateway: &TestGateway, file: &str) -> hmac::Key {
    let secret = std::fs::read_to_string(gateway.dir.join(file)).unwrap();
    hmac::Key::new(hmac::HMAC_SHA256, secret.trim_end().as_bytes())
}

/// One request with curl. Gives status and body.
fn ask(gateway: &TestGateway, operation: &str, order: &str, more: &Value) -> (String, Value) {
    let mut body = json!({ "operation": operation, "request": format!("r-{operation}"), "merchant": MERCHANT, "order": order });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = body.to_string();
    let time = jiff::Timestamp::now().as_second();
    let tag = hmac::sign(&hmac_key(gateway, "merchant.key"), format!("{time}.{body}").as_bytes());
    let header = format!("{HEADER}: t={time},alg=hmac-sha256,v={}", STANDARD.encode(tag));
    let url = format!("{}/{operation}", gateway.url);
    let output =
        Command::new("curl").args(["-sS", "-w", "\n%{http_code}", "-H", &header, "-d", &body, &url]).output();
    let output = text(&output.unwrap());
    let (answer, status) = output.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(answer).unwrap_or_else(|_| json!(answer)))
}

/// Opens a payment that calls back to `notify_url`. Gives its page.
fn open(gateway: &TestGateway, order: &str, notify_url: &str) -> String {
    let new = json!({
        "amount": 20_000, "currency": "CNY", "nonce": "n-1", "description": "数字证书服务费", "notify_url": notify_url,
        "return_url": "http://127.0.0.1:9/back", "expires_at": "2099-01-01T00:00:00Z",
    });
    let (status, answer) = ask(gateway, "create", order, &new);
    assert_eq!(status, "200", "{answer}");
    answer["url"].as_str().unwrap().to_owned()
}

/// The bodies that a receiver got.
fn orders(receiver: &Receiver) -> Vec<String> {
    receiver.calls().iter().map(|call| call.json()["order"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_payment_calls_back_until_it_is_taken_with_a_signature_that_others_can_check() {
    for signs in [Signs::Hmac, Signs::Rsa] {
        let (gateway, receiver) = (start(signs), Receiver::start(&[500, 404]));
        let page = open(&gateway, "o-1", &receiver.url);
        assert!(gateway.press_button(&page).contains("已支付"));
        wait(10, "the callback that was taken", || receiver.calls().len() == 3);
        let sent = gateway.callbacks(3);
        let statuses: Vec<&Value> = sent.iter().map(|sent| &sent["status"]).collect();
        assert_eq!(statuses, [&json!(500), &json!(404), &json!(200)]);
        for call in receiver.calls() {
            let header = &call.headers[HEADER];
            let (time, rest) = header.strip_prefix("t=").unwrap().split_once(",alg=").unwrap();
            let (name, tag) = rest.split_once(",v=").unwrap();
            let (message, tag) = (format!("{time}.{}", call.body), STANDARD.decode(tag).unwrap());
            match signs {
                Signs::Hmac => {
                    assert_eq!(name, "hmac-sha256");
                    hmac::verify(&hmac_key(&gateway, "gateway.key"), message.as_bytes(), &tag).unwrap();
                }
                Signs::Rsa => {
                    assert_eq!(name, "rsa-sha256");
                    openssl_verifies(&gateway, &message, &tag);
                }
            }
            assert_eq!(call.json()["state"], "success");
            assert_eq!(call.json()["amount"], 20_000);
        }
    }
}

/// By another library than the one that made it.
fn openssl_verifies(gateway: &TestGateway, message: &str, tag: &[u8]) {
    let (file, made) = (gateway.dir.join("message"), gateway.dir.join("tag"));
    std::fs::write(&file, message).unwrap();
    std::fs::write(&made, tag).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["dgst", "-sha256", "-verify"])
        .arg(gateway.key_file())
        .arg("-signature")
        .arg(made)
        .arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn callbacks_are_dropped_copied_delayed_and_put_out_of_order_as_told() {
    let (gateway, receiver) = (start(Signs::Hmac), Receiver::start(&[]));
    for order in ["o-1", "o-2", "o-3", "o-4", "o-5"] {
        open(&gateway, order, &receiver.url);
    }
    gateway.faults(&json!({ "callbacks": [{ "drop": true }, { "copies": 2 }] }));
    gateway.pay("o-1", false);
    gateway.pay("o-2", false);
    wait(10, "three copies", || receiver.calls().len() == 3);
    assert_eq!(orders(&receiver), ["o-2", "o-2", "o-2"]);

    gateway.faults(&json!({ "callbacks": [{ "hold": true }, { "hold": true }, { "delay_ms": 300 }] }));
    for order in ["o-3", "o-4", "o-5"] {
        gateway.pay(order, false);
    }
    wait(10, "the delayed one", || receiver.calls().len() == 4);
    gateway.release(true);
    wait(10, "the held ones", || receiver.calls().len() == 6);
    assert_eq!(orders(&receiver)[3..], ["o-5", "o-4", "o-3"]);
    gateway.call_back("o-1");
    wait(10, "what was dropped", || receiver.calls().len() == 7);
}

#[test]
fn a_forged_callback_is_sent_once_and_the_true_one_is_not() {
    let (gateway, receiver) = (start(Signs::Rsa), Receiver::start(&[401]));
    open(&gateway, "o-1", &receiver.url);
    gateway.faults(&json!({ "callbacks": [{ "forge": { "set": { "amount": 1 }, "key": "wrong" } }] }));
    gateway.pay("o-1", false);
    gateway.callbacks(1);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let calls = receiver.calls();
    assert_eq!((calls.len(), &calls[0].json()["amount"]), (1, &json!(1)));
    let header = &calls[0].headers[HEADER];
    let (time, rest) = header.strip_prefix("t=").unwrap().split_once(",alg=rsa-sha256,v=").unwrap();
    let message = format!("{time}.{}", calls[0].body);
    let verify = |file: &str| {
        let pem = std::fs::read_to_string(gateway.dir.join(file)).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let spki = STANDARD.decode(der).unwrap();
        // RFC 8017's RSAPublicKey stands at the end of the SubjectPublicKeyInfo, behind 24 octets for 2048 bits.
        let key = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &spki[24..]);
        key.verify(message.as_bytes(), &STANDARD.decode(rest).unwrap()).is_ok()
    };
    assert!(verify("other.pub") && !verify("gateway.pub"), "a true signature of another key");
}

#[test]
fn refunds_stand_as_the_bank_says() {
    let gateway = start(Signs::Hmac);
    open(&gateway, "o-1", "http://127.0.0.1:9/");
    gateway.pay("o-1", false);
    gateway.refunds(&["accepted"]);
    let (_, answer) = ask(&gateway, "refund", "o-1", &json!({ "refund": "f-1", "amount": 500 }));
    assert_eq!(answer["state"], "accepted", "{answer}");
    gateway.settle_refund("o-1", "f-1", "failed");
    let (_, answer) = ask(&gateway, "query-refund", "o-1", &json!({ "refund": "f-1" }));
    assert_eq!((&answer["state"], &answer["amount"]), (&json!("failed"), &json!(500)));
    let order = gateway.order("o-1").unwrap();
    assert_eq!((&order["state"], order["payments"].as_array().unwrap().len()), (&json!("paid"), 1));
}

#[test]
fn a_request_that_is_not_the_merchants_is_not_carried_out_and_not_answered_with_a_signature() {
    let gateway = start(Signs::Hmac);
    let url = format!("{}/close", gateway.url);
    let output = Command::new("curl").args(["-sS", "-i", "-d", "{}", &url]).output().unwrap();
    let answer = text(&output);
    assert!(answer.starts_with("HTTP/1.1 401") && !answer.to_lowercase().contains(HEADER), "{answer}");
    let large = "x".repeat(9_000);
    let output = Command::new("curl").args(["-sS", "-i", "-d", &large, &url]).output().unwrap();
    assert!(text(&output).starts_with("HTTP/1.1 413"), "{}", text(&output));
    assert_eq!(ask(&gateway, "transfer", "o-1", &json!({})).0, "400");
}

#[test]
fn what_would_be_unsafe_does_not_start() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = start(Signs::Hmac);
    let run = |more: &[&str]| {
        let mut command = Command::new(program("test-gateway"));
        command.args(["--merchant", MERCHANT, "--algorithm", "hmac-sha256", "--key-file"]);
        command.arg(gateway.dir.join("gateway.key")).arg("--merchant-key-file");
        command.arg(gateway.dir.join("merchant.key")).args(more);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        text(&output)
    };
    assert!(run(&["--listen", "0.0.0.0:0"]).contains("not on this machine"));
    std::fs::set_permissions(gateway.key_file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(run(&[]).contains("chmod 600"));
    let mut command = Command::new(program("test-gateway"));
    command.args(["--merchant", MERCHANT, "--algorithm", "rsa-sha256", "--control"]);
    command.args(["--key-file", "k", "--merchant-key-file", "m"]);
    assert!(text(&command.output().unwrap()).contains("--other-key-file"), "no forgery without a key for it");
}

#[test]
fn the_servers_configuration_takes_the_section_and_refuses_what_cannot_be() {
    let ca = Ca::new(Database::Sqlite);
    let gateway = start(Signs::Hmac);
    let file = ca.dir.join("ca-server.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}{}", gateway.section("test"))).unwrap();
    let output = ca.ca_server(&["log", "show"]);
    assert!(output.status.success(), "{}", text(&output));
    std::fs::write(&file, format!("{before}{0}{0}", gateway.section("test"))).unwrap();
    let output = ca.ca_server(&["log", "show"]);
    assert!(!output.status.success() && text(&output).contains("stands twice"), "{}", text(&output));
}
