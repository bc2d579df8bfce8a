//! Mutual TLS with the key in a token, and a connection that is kept, lost and made anew.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::sync::atomic::Ordering;

use hsm::{Pin, PinState, testing::in_softhsm};
use hyper::Method;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use ukey::{Error, client::Client, tls::Identity};

use common::{Ca, Reply, Server, personalised};

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn anchors(ca: &Ca) -> Vec<CertificateDer<'static>> {
    vec![ca.root.clone().into()]
}

#[test]
fn one_connection_for_many_requests_with_either_kind_of_key() {
    in_softhsm("one_connection_for_many_requests_with_either_kind_of_key", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |number, _| Reply::Json(200, json!({ "number": number })));
        for (label, algorithm) in [("clerk 1", "ec-p256"), ("clerk 2", "rsa-2048")] {
            let token = personalised(softhsm, &ca, label, algorithm);
            let identity = Identity::open(&token, pin("271828"), None).unwrap();
            assert_eq!(identity.certificate().common_name, label);
            let before = server.handshakes.load(Ordering::SeqCst);
            block_on(async {
                let mut client = Client::connect(&server.url, &anchors(&ca), Some(&identity)).await.unwrap();
                for _ in 0..3 {
                    let body = json!({ "token": label });
                    let headers = [("idempotency-key", "k-1")];
                    let answer = client.request(Method::POST, "/x?y=1", Some(&body), &headers).await.unwrap();
                    assert_eq!(answer.status, 200);
                    assert!(answer.json()["number"].is_u64());
                }
            });
            assert_eq!(server.handshakes.load(Ordering::SeqCst), before + 1);
            let last = server.received().pop().unwrap();
            assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/x?y=1"));
            assert_eq!((last.idempotency_key.as_deref(), &last.body["token"]), (Some("k-1"), &json!(label)));
            assert_eq!(last.certificate, token.certificates().unwrap()[0].der);
            // The login of the handshake is over: others may use the token.
            token.session(&pin("271828")).unwrap();
        }
    });
}

#[test]
fn a_lost_connection_is_made_anew_but_no_request_is_sent_twice() {
    in_softhsm("a_lost_connection_is_made_anew_but_no_request_is_sent_twice", |softhsm| {
        let ca = Ca::new();
        let server =
            Server::start(&ca, |number, _| if number == 1 { Reply::Hang } else { Reply::Empty(204) });
        let token = personalised(softhsm, &ca, "clerk", "ec-p256");
        let identity = Identity::open(&token, pin("271828"), None).unwrap();
        block_on(async {
            let mut client = Client::connect(&server.url, &anchors(&ca), Some(&identity)).await.unwrap();
            assert_eq!(client.request(Method::GET, "/0", None, &[]).await.unwrap().status, 204);
            let lost = client.request(Method::POST, "/1", Some(&json!({})), &[]).await;
            assert!(matches!(lost, Err(Error::AnswerLost { .. })), "{lost:?}");
            assert_eq!(client.request(Method::GET, "/2", None, &[]).await.unwrap().status, 204);
        });
        let paths: Vec<_> = server.received().into_iter().map(|received| received.path).collect();
        assert_eq!(paths, ["/0", "/1", "/2"]);
        assert_eq!(server.handshakes.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn refusals_keep_the_problem_document() {
    in_softhsm("refusals_keep_the_problem_document", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |_, _| Reply::Json(422, json!({ "title": "wrong-code" })));
        let token = personalised(softhsm, &ca, "unit", "ec-p256");
        let identity = Identity::open(&token, pin("271828"), None).unwrap();
        let answer = block_on(async {
            let mut client = Client::connect(&server.url, &anchors(&ca), Some(&identity)).await.unwrap();
            client.request(Method::POST, "/", Some(&Value::Null), &[]).await.unwrap()
        });
        let refused = answer.accepted().unwrap_err();
        assert!(
            matches!(refused, Error::Refused { status: 422, problem } if problem["title"] == "wrong-code")
        );
    });
}

#[test]
fn a_wrong_pin_is_tried_once_whatever_is_asked() {
    in_softhsm("a_wrong_pin_is_tried_once_whatever_is_asked", |softhsm| {
        let ca = Ca::new();
        let server = Server::start(&ca, |_, _| Reply::Empty(204));
        let token = personalised(softhsm, &ca, "clerk", "ec-p256");
        let wrong = Identity::open(&token, pin("314159"), None).unwrap_err();
        assert!(
            matches!(wrong, Error::Hsm(hsm::Error::PinIncorrect { state: PinState::CountLow, .. })),
            "{wrong}"
        );

        let identity = Identity::open(&token, pin("271828"), None).unwrap();
        token.session(&pin("271828")).unwrap().change_pin(&pin("271828"), &pin("161803")).unwrap();
        block_on(async {
            let first = Client::connect(&server.url, &anchors(&ca), Some(&identity)).await.err().unwrap();
            assert!(matches!(first, Error::Hsm(hsm::Error::PinIncorrect { .. })), "{first}");
            // The right PIN clears the token's flag; another try would set it again.
            token.session(&pin("161803")).unwrap();
            let second = Client::connect(&server.url, &anchors(&ca), Some(&identity)).await.err().unwrap();
            assert!(matches!(second, Error::Hsm(hsm::Error::PinLocked { .. })), "{second}");
        });
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
    });
}

#[test]
fn strangers_are_refused_on_both_sides() {
    in_softhsm("strangers_are_refused_on_both_sides", |softhsm| {
        let (ca, other) = (Ca::new(), Ca::new());
        let server = Server::start(&ca, |_, _| Reply::Empty(204));
        let token = personalised(softhsm, &ca, "clerk", "ec-p256");
        let stranger = personalised(softhsm, &other, "stranger", "ec-p256");
        let empty = softhsm.init_token("empty", "so-pin-1", "271828");
        let none = Identity::open(&empty, pin("271828"), None).unwrap_err();
        assert!(matches!(none, Error::NoCertificate { .. }), "{none}");
        let identity = Identity::open(&token, pin("271828"), None).unwrap();
        let foreign = Identity::open(&stranger, pin("271828"), None).unwrap();
        block_on(async {
            let wrong_server =
                Client::connect(&server.url, &anchors(&other), Some(&identity)).await.err().unwrap();
            assert!(matches!(wrong_server, Error::Untrusted { .. }), "{wrong_server}");
            let mut client = Client::connect(&server.url, &anchors(&ca), Some(&foreign)).await.unwrap();
            let wrong_client = client.request(Method::GET, "/", None, &[]).await.unwrap_err();
            assert!(matches!(wrong_client, Error::Tls { .. } | Error::AnswerLost { .. }), "{wrong_client}");
            let nobody =
                Client::connect("https://127.0.0.1:1", &anchors(&ca), Some(&identity)).await.err().unwrap();
            assert!(matches!(nobody, Error::Unreachable { .. }), "{nobody}");
        });
        assert!(server.received().is_empty());
    });
}
