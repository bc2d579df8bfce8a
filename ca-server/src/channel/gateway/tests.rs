//! [`HttpGateway`] against the program `test-gateway`, which shares no code with it.

use std::{path::PathBuf, time::Duration};

use ca_core::{Expected, GatewayStanding};
use serde_json::{Value, json};

use self::program::{MERCHANT, Signs, TestGateway};
use super::*;
use crate::{config::GatewaySigns, wire};

#[path = "../../../tests/all/support/gateway.rs"]
mod program;

const AMOUNT: Fen = Fen::new(20_000);

/// `test-gateway`, built beside this test by `cargo build --bins`.
fn start(signs: Signs) -> TestGateway {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().join("test-gateway");
    // Callbacks go to a port where nobody listens: the tests read them from the gateway's own list.
    TestGateway::start(&program, signs, 60_000, None)
}

fn config(gateway: &TestGateway, signs: Signs) -> GatewayConfig {
    GatewayConfig {
        name: "test".into(),
        merchant: MERCHANT.into(),
        algorithm: match signs {
            Signs::Hmac => GatewaySigns::HmacSha256,
            Signs::Rsa => GatewaySigns::RsaSha256,
        },
        key_file: gateway.key_file(),
        merchant_key_file: gateway.dir.join("merchant.key"),
        url: gateway.url.clone(),
        ca_file: None,
    }
}

fn both(signs: Signs) -> (TestGateway, HttpGateway) {
    let gateway = start(signs);
    let client = HttpGateway::open(&config(&gateway, signs)).unwrap().within(Duration::from_secs(1));
    (gateway, client)
}

fn new(order: &str) -> NewOnlinePayment {
    NewOnlinePayment {
        order: order.into(),
        amount: AMOUNT,
        nonce: format!("nonce-of-{order}"),
        description: "数字证书服务费".into(),
        notify_url: "http://127.0.0.1:9/notify".into(),
        return_url: "http://127.0.0.1:9/return".into(),
        expires_at: wire::now().plus_secs(600),
    }
}

fn expected(order: &str) -> Expected {
    Expected {
        merchant: MERCHANT.into(),
        order: order.into(),
        amount: AMOUNT,
        currency: "CNY".into(),
        nonce: format!("nonce-of-{order}"),
    }
}

/// As a callback comes in.
fn received(callback: &Value) -> SignedNotice {
    let text = |field: &str| callback[field].as_str().unwrap_or_default().to_owned();
    SignedNotice { body: text("body").into_bytes(), signature: text("signature") }
}

fn sure<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Sure(sure) => sure,
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Refused { code } => code,
        other => panic!("{other:?}"),
    }
}

fn unknown<T: std::fmt::Debug>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Unknown { why } => why,
        other => panic!("{other:?}"),
    }
}

async fn standing(client: &HttpGateway, order: &str) -> GatewayStanding {
    let notice = sure(client.query(order).await).unwrap();
    client.read(&notice, wire::now()).unwrap().standing(&expected(order)).unwrap()
}

#[tokio::test]
async fn a_payment_from_its_page_to_its_refund() {
    for signs in [Signs::Hmac, Signs::Rsa] {
        let (gateway, client) = both(signs);
        assert_eq!((client.name(), client.merchant()), ("test", MERCHANT));
        assert_eq!(sure(client.query("o-1").await), None, "never heard of");
        let new = new("o-1");
        let link = sure(client.create(&new).await);
        assert_eq!(sure(client.create(&new).await), link, "the same again");
        assert_eq!(standing(&client, "o-1").await, GatewayStanding::Pending);

        let page = gateway.press_button(&link.url);
        assert!(page.contains("已支付"), "{page}");
        let GatewayStanding::Paid(asked) = standing(&client, "o-1").await else { panic!("not paid") };
        let callback = received(&gateway.callbacks(1)[0]);
        let told = client.read(&callback, wire::now()).unwrap().check(&expected("o-1")).unwrap();
        assert_eq!(told, asked, "callback and query say the same");
        assert_eq!((told.order(), told.amount()), ("o-1", AMOUNT));

        assert_eq!(sure(client.close("o-1").await), Closing::Paid);
        assert_eq!(refused(client.create(&new).await), "paid");
        gateway.refunds(&["accepted", "failed"]);
        assert_eq!(sure(client.query_refund("o-1", "r-1", AMOUNT).await), None, "never heard of");
        assert_eq!(sure(client.refund("o-1", "r-1", Fen::new(5_000)).await), RefundStanding::Accepted);
        gateway.settle_refund("o-1", "r-1", "done");
        assert_eq!(sure(client.refund("o-1", "r-1", Fen::new(5_000)).await), RefundStanding::Done, "once");
        let asked = client.query_refund("o-1", "r-1", Fen::new(5_000)).await;
        assert_eq!(sure(asked), Some(RefundStanding::Done));
        assert!(unknown(client.query_refund("o-1", "r-1", Fen::new(5_001)).await).contains("not an answer"));
        assert_eq!(sure(client.refund("o-1", "r-2", Fen::new(1)).await), RefundStanding::Failed);
        assert_eq!(refused(client.refund("o-1", "r-3", Fen::new(15_001)).await), "amount");
        assert_eq!(refused(client.refund("o-1", "r-1", Fen::new(1)).await), "refund-differs");
        assert_eq!(gateway.order("o-1").unwrap()["refunds"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn closed_and_late_and_twice() {
    let (gateway, client) = both(Signs::Hmac);
    assert_eq!(refused(client.close("o-1").await), "unknown-order");
    let _ = sure(client.create(&new("o-1")).await);
    assert_eq!(sure(client.close("o-1").await), Closing::Closed);
    assert_eq!(standing(&client, "o-1").await, GatewayStanding::Closed);
    gateway.pay("o-1", true);
    gateway.pay("o-1", true);
    let transactions: Vec<String> = gateway
        .callbacks(2)
        .iter()
        .map(|sent| client.read(&received(sent), wire::now()).unwrap().check(&expected("o-1")).unwrap())
        .map(|payment| payment.transaction().to_owned())
        .collect();
    assert_ne!(transactions[0], transactions[1], "two payments");
    let mut past = new("o-2");
    past.expires_at = wire::now().plus_secs(-1);
    assert_eq!(refused(client.create(&past).await), "closed");
}

#[tokio::test]
async fn each_forged_field_of_a_callback_is_refused_and_named() {
    for signs in [Signs::Hmac, Signs::Rsa] {
        let (gateway, client) = both(signs);
        let _ = sure(client.create(&new("o-1")).await);
        let forge = |forgery: Value| json!({ "forge": forgery });
        let cases = [
            (forge(json!({ "set": { "merchant": "M-0002" } })), "gateway.mismatch"),
            (forge(json!({ "set": { "order": "o-2" } })), "gateway.mismatch"),
            (forge(json!({ "set": { "amount": 19_999 } })), "gateway.mismatch"),
            (forge(json!({ "set": { "currency": "USD" } })), "gateway.mismatch"),
            (forge(json!({ "set": { "nonce": "guessed" } })), "gateway.mismatch"),
            (forge(json!({ "set": { "state": "refunded" } })), "gateway.notice"),
            (forge(json!({ "set": { "transaction": "" } })), "gateway.notice"),
            (forge(json!({ "set": { "paid_at": "today" } })), "gateway.notice"),
            (forge(json!({ "set": { "amount": "20000" } })), "gateway.notice"),
            (forge(json!({ "set": { "more": 1 } })), "gateway.notice"),
            (forge(json!({ "remove": ["nonce"] })), "gateway.notice"),
            (forge(json!({ "key": "wrong" })), "gateway.signature"),
            (forge(json!({ "key": "none" })), "gateway.signature"),
            (forge(json!({ "algorithm": "none" })), "gateway.signature"),
            (forge(json!({ "shift_secs": -400 })), "gateway.signature"),
            (forge(json!({ "shift_secs": 400 })), "gateway.signature"),
            (forge(json!({ "append": " " })), "gateway.signature"),
            (forge(json!({ "pad": 9_000 })), "gateway.signature"),
        ];
        for (at, (fault, rule)) in cases.iter().enumerate() {
            gateway.faults(&json!({ "callbacks": [fault] }));
            gateway.pay("o-1", true);
            let sent = gateway.callbacks(at + 1).pop().unwrap();
            let notice = client.read(&received(&sent), wire::now());
            let problem = match notice {
                Ok(notice) => Problem::from(notice.check(&expected("o-1")).unwrap_err()),
                Err(problem) => problem,
            };
            assert_eq!(problem.rule.name(), *rule, "{fault} {problem:?}");
        }
        gateway.call_back("o-1");
        let sent = gateway.callbacks(cases.len() + 1).pop().unwrap();
        assert!(client.read(&received(&sent), wire::now()).unwrap().check(&expected("o-1")).is_ok());
    }
}

#[tokio::test]
async fn what_is_not_surely_an_answer_is_not_known() {
    let (gateway, client) = both(Signs::Rsa);
    // Once: a later time of expiry would be another payment.
    let asked = new("o-1");
    let link = sure(client.create(&asked).await);
    for (fault, said) in [
        (json!({ "delay_ms": 1_500 }), "no answer within"),
        (json!({ "hang_up": true }), "connection"),
        (json!({ "status": 500 }), "HTTP 500"),
        (json!({ "status": 302 }), "HTTP 302"),
        (json!({ "status": 404 }), "HTTP 404"),
        (json!({ "skip": true }), "HTTP 500"),
        (json!({ "replay": true }), "not an answer to this request"),
        (json!({ "forge": { "set": { "request": "another" } } }), "not an answer"),
        (json!({ "forge": { "set": { "operation": "refund" } } }), "not an answer"),
        (json!({ "forge": { "set": { "merchant": "M-0002" } } }), "not an answer"),
        (json!({ "forge": { "set": { "order": "o-2" } } }), "not an answer"),
        (json!({ "forge": { "set": { "nonce": "n" } } }), "not an answer"),
        (json!({ "forge": { "set": { "url": "http://pay.example.org/" } } }), "not an answer"),
        (json!({ "forge": { "set": { "url": "javascript:alert(1)" } } }), "not an answer"),
        (json!({ "forge": { "remove": ["url"] } }), "not an answer"),
        (json!({ "forge": { "set": { "more": 1 } } }), "not an answer"),
        (json!({ "forge": { "key": "wrong" } }), "not the gateway's over this body"),
        (json!({ "forge": { "key": "none" } }), "not signed"),
        (json!({ "forge": { "algorithm": "hmac-sha256" } }), "rsa-sha256 is needed"),
        (json!({ "forge": { "shift_secs": -400 } }), "signed 400 seconds ago"),
        (json!({ "forge": { "append": "x" } }), "not the gateway's over this body"),
        (json!({ "forge": { "pad": 10_000 } }), "at most 8192"),
        (json!({ "forge": { "pad": 100_000 } }), "too large"),
    ] {
        gateway.faults(&json!({ "answers": [fault.clone()] }));
        let why = unknown(client.create(&asked).await);
        assert!(why.contains(said), "{fault}: {why}");
        assert!(!why.contains("nonce-of-o-1"), "{why}");
    }
    // Each operation reads its own answer.
    gateway.pay("o-1", false);
    for (field, value) in [("refund", json!("r-2")), ("amount", json!(2)), ("state", json!("paid"))] {
        gateway.faults(&json!({ "answers": [{ "forge": { "set": { field: value } } }] }));
        assert!(unknown(client.refund("o-1", "r-1", Fen::new(1)).await).contains("not an answer"), "{field}");
    }
    gateway.faults(&json!({ "answers": [{ "forge": { "set": { "state": "open" } } }] }));
    assert!(unknown(client.close("o-1").await).contains("not an answer"));
    gateway.faults(&json!({ "answers": [{ "hang_up": true }] }));
    let _ = unknown(client.query("o-1").await);
    assert_eq!(refused(client.create(&asked).await), "paid", "and then all is well");
    assert_eq!(gateway.order("o-1").unwrap()["page"], link.url.rsplit('/').next().unwrap());
}

#[tokio::test]
async fn what_was_lost_is_asked_again_and_done_once() {
    let (gateway, client) = both(Signs::Hmac);
    let hang_up = json!({ "answers": [{ "hang_up": true }] });
    let new = new("o-1");
    gateway.faults(&hang_up);
    let _ = unknown(client.create(&new).await);
    let link = sure(client.create(&new).await);
    gateway.faults(&json!({ "callbacks": [{ "hold": true }] }));
    assert!(gateway.press_button(&link.url).contains("已支付"));
    assert!(matches!(standing(&client, "o-1").await, GatewayStanding::Paid(_)), "no callback, and yet known");
    gateway.faults(&hang_up);
    let _ = unknown(client.refund("o-1", "r-1", AMOUNT).await);
    assert_eq!(sure(client.refund("o-1", "r-1", AMOUNT).await), RefundStanding::Done);
    assert_eq!(gateway.order("o-1").unwrap()["refunds"].as_array().unwrap().len(), 1);
    gateway.release(false);
    assert_eq!(gateway.callbacks(1)[0]["order"], "o-1");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_or_does_not_know_us() {
    let (gateway, _) = both(Signs::Hmac);
    let nobody = GatewayConfig { url: "http://127.0.0.1:9/v1".into(), ..config(&gateway, Signs::Hmac) };
    let _ = unknown(HttpGateway::open(&nobody).unwrap().close("o-1").await);
    let stranger =
        GatewayConfig { merchant_key_file: gateway.dir.join("other.key"), ..config(&gateway, Signs::Hmac) };
    assert_eq!(unknown(HttpGateway::open(&stranger).unwrap().close("o-1").await), "HTTP 401, not signed");
    let other = GatewayConfig { merchant: "M-0002".into(), ..config(&gateway, Signs::Hmac) };
    assert_eq!(refused(HttpGateway::open(&other).unwrap().close("o-1").await), "merchant");
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start() {
    let gateway = start(Signs::Rsa);
    let good = config(&gateway, Signs::Rsa);
    let gateways = Gateways::open(std::slice::from_ref(&good)).unwrap();
    assert_eq!(gateways.names().collect::<Vec<_>>(), ["test"]);
    assert_eq!(gateways.named("test").map(|found| found.name().to_owned()).unwrap(), "test");
    assert_eq!(gateways.named("other").map(|_| ()).unwrap_err().rule.name(), "gateway.unknown");
    // What the tests of the server put into its configuration is this configuration.
    let section: toml::Table = toml::from_str(&gateway.section("test")).unwrap();
    let read: GatewayConfig = section["gateway"][0].clone().try_into().unwrap();
    assert_eq!(format!("{read:?}"), format!("{good:?}"));

    let key = |file: &str| gateway.dir.join(file);
    let open = |config: GatewayConfig| {
        let refusal = HttpGateway::open(&config).map(|_| ()).unwrap_err().to_string();
        assert!(!refusal.contains("PRIVATE"), "{refusal}");
        refusal
    };
    let shared = GatewayConfig { algorithm: GatewaySigns::HmacSha256, ..good.clone() };
    let same = GatewayConfig { key_file: key("merchant.key"), ..shared.clone() };
    assert!(open(same).contains("same key"));
    assert!(open(GatewayConfig { key_file: key("gateway.key"), ..shared }).contains("gateway.key"));
    assert!(!open(GatewayConfig { key_file: key("gateway.key"), ..good.clone() }).is_empty());
    assert!(open(GatewayConfig { key_file: key("none"), ..good.clone() }).contains("none"));
    for url in ["http://pay.example.org/v1", "ftp://127.0.0.1/", "/v1", ""] {
        assert!(
            open(GatewayConfig { url: url.into(), ..good.clone() }).contains("gateway.test.url"),
            "{url}"
        );
    }
}
