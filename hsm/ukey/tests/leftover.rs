//! What `ukey renew` clears away from the holder's token when a server says so, and what it never does: a server that lies
//! has no key in use deleted, and nothing that another program made.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hsm::{
    CertificateObject, KeyAlgorithm, KeyId, Pin, Token,
    testing::{SoftHsm, in_softhsm},
};
use serde_json::{Value, json};
use ukey::{
    certificate,
    protocol::{Done, FailureCode, Outcome},
};

use common::{Ca, Reply, Server, commands, done, plain::plain, program, run, spki_of_csr};

/// Of the certificate in use; an attempt that was given up; another one, of which nobody proves that it is over; not an
/// attempt's, though it is as long.
const IN_USE: &str = "0123456789abcdef0123456789abcde0";
const LEFT: &str = "0123456789abcdef0123456789abcde1";
const UNPROVED: &str = "0123456789abcdef0123456789abcde2";
const FOREIGN: &str = "0123456789abcdef0123456789abcde3";
const PIN: &str = "271828";

fn request(token: &Token, id: &str) -> Vec<u8> {
    let command = commands::request_named(id, "ec-p256", PIN);
    let made = done(run(token.module(), token.serial().as_str(), command));
    let Done::Request { csr, .. } = made else { unreachable!() };
    spki_of_csr(&BASE64.decode(csr).unwrap())
}

fn write(token: &Token, id: &str, der: &[u8]) {
    done(run(token.module(), token.serial().as_str(), commands::write(id, der, "unit", PIN)));
}

fn discard(token: &Token, id: &str) -> Outcome {
    run(token.module(), token.serial().as_str(), commands::discard(id, PIN))
}

fn key_id(id: &str) -> KeyId {
    KeyId::new(&hex::decode(id).unwrap()).unwrap()
}

fn objects(token: &Token) -> Vec<(String, String)> {
    token.module().reinitialise().unwrap();
    let session = token.session(&Pin::new(PIN.to_owned()).unwrap()).unwrap();
    let all = session.keys_and_certificates().unwrap();
    let mut all: Vec<_> = all.into_iter().map(|object| (hex::encode(object.cka_id), object.class)).collect();
    all.sort();
    all
}

/// A token in use, with everything on it that this test is about. The certificate in use is the one that ends last.
fn prepared(softhsm: &SoftHsm, ca: &Ca) -> Token {
    let token = softhsm.init_token("unit", "so-pin-1", PIN);
    // Whoever answers there is not believed.
    let liar = plain("200 OK", "content-type: application/ocsp-response\r\n", b"revoked".to_vec());
    let spki = request(&token, UNPROVED);
    write(&token, UNPROVED, &ca.issue_shorter(&spki, "unproved", &liar, &liar));
    let spki = request(&token, IN_USE);
    write(&token, IN_USE, &ca.issue(&spki, "in use"));
    request(&token, LEFT);
    let session = token.session(&Pin::new(PIN.to_owned()).unwrap()).unwrap();
    session.generate_key_pair(KeyAlgorithm::EcP256, &key_id(FOREIGN), "mail").unwrap();
    token
}

/// A server that has each of these discarded and then says that the certificate is renewed.
fn server(ca: &Ca, token: &Token, discarded: &'static [(&str, &str)]) -> Server {
    let serial = token.serial().to_string();
    Server::start(ca, move |number, received| match number {
        0 => {
            assert_eq!(received.path, "/api/v1/renewals/own");
            Reply::Json(200, json!({ "state": "paid" }))
        }
        _ => match discarded.get(number - 1) {
            Some((attempt, id)) => Reply::Json(
                200,
                json!({ "attempt": attempt, "token": serial, "command": "discard", "cka_id": id }),
            ),
            None => Reply::Json(200, json!({ "renewed": "0a" })),
        },
    })
}

fn renew(softhsm: &SoftHsm, ca: &Ca, server: &Server) -> (i32, String, String) {
    let (root, pin) = (ca.root_pem(softhsm.dir()), program::secret(softhsm, "pin", PIN));
    let root = root.to_str().unwrap().to_owned();
    let arguments = ["--lang", "zh", "renew", "--token", "unit", "--server", &server.url];
    let mut command = program::with_module(&arguments);
    command.args(["--anchor", &root, "--pin-file", &pin]);
    program::run(command)
}

#[test]
fn only_what_is_nobodys_is_cleared() {
    in_softhsm("only_what_is_nobodys_is_cleared", |softhsm| {
        let ca = Ca::new();
        let token = prepared(softhsm, &ca);
        let before = objects(&token);
        let server = server(&ca, &token, &[(UNPROVED, UNPROVED), (LEFT, LEFT)]);
        let (code, out, error) = renew(softhsm, &ca, &server);
        assert_eq!((code, error.as_str()), (0, ""), "{out}");
        assert!(
            out.contains("有一个未完成的密钥没有清除") && out.contains("清除未完成的密钥，完成"),
            "{out}"
        );
        let left: Vec<_> = before.into_iter().filter(|(id, _)| id != LEFT).collect();
        assert_eq!(objects(&token), left);
        // Neither the key in use nor another program's is named; what was asked once is not named again.
        let named: Vec<Value> =
            server.received()[1..].iter().map(|received| received.body["leftovers"].clone()).collect();
        let both: Vec<_> = named[0].as_array().unwrap().clone();
        assert_eq!(both.len(), 2, "{named:?}");
        assert!(both.contains(&json!(LEFT)) && both.contains(&json!(UNPROVED)), "{named:?}");
        assert_eq!(named[1..], [json!([LEFT]), json!([])]);
        let outcomes: Vec<Value> = server.received()[2..]
            .iter()
            .map(|received| received.body["report"]["outcome"]["failed"]["code"].clone())
            .collect();
        assert_eq!(outcomes, [json!("kept"), Value::Null]);
    });
}

#[test]
fn a_lying_server_has_nothing_in_use_deleted() {
    in_softhsm("a_lying_server_has_nothing_in_use_deleted", |softhsm| {
        let ca = Ca::new();
        let token = prepared(softhsm, &ca);
        let before = objects(&token);
        let lies: [&'static [(&str, &str)]; 4] =
            [&[(IN_USE, IN_USE)], &[(FOREIGN, FOREIGN)], &[(LEFT, IN_USE)], &[("abandoned", IN_USE)]];
        for lie in lies {
            let server = server(&ca, &token, lie);
            let (code, out, error) = renew(softhsm, &ca, &server);
            assert_eq!(code, 1, "{lie:?}: {out}");
            assert!(error.contains("not a command of a renewal"), "{lie:?}: {error}");
            assert_eq!(objects(&token), before, "{lie:?}");
        }
    });
}

/// The guard of the token's own side, whoever asks.
#[test]
fn a_key_with_a_certificate_stays() {
    in_softhsm("a_key_with_a_certificate_stays", |softhsm| {
        let ca = Ca::new();
        let token = prepared(softhsm, &ca);
        let kept = |id: &str| {
            let before = objects(&token);
            let outcome = discard(&token, id);
            assert!(matches!(outcome, Outcome::Failed { code: FailureCode::Kept, .. }), "{outcome:?}");
            assert_eq!(objects(&token), before);
        };
        kept(IN_USE);
        kept(UNPROVED);
        kept(FOREIGN);
        // Its certificate lies under another identifier: it is the key's all the same.
        let spki = request(&token, "0123456789abcdef0123456789abcde4");
        let der = ca.issue(&spki, "elsewhere");
        let fields = certificate::read(&der).unwrap();
        let session = token.session(&Pin::new(PIN.to_owned()).unwrap()).unwrap();
        let (cka_id, label) = (vec![7], "elsewhere".to_owned());
        let (subject, issuer, serial) = (fields.subject, fields.issuer, fields.serial);
        session
            .write_certificate(&CertificateObject { cka_id, label, der, subject, issuer, serial })
            .unwrap();
        drop(session);
        kept("0123456789abcdef0123456789abcde4");
        for _ in 0..2 {
            assert_eq!(done(discard(&token, LEFT)), Done::Nothing {});
        }
    });
}
