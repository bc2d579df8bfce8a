//! The session pool under many threads, and after its token or module went away.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{collections::BTreeSet, fs, time::Duration};

use hsm::{
    Class, Error, Input, KeyAlgorithm, KeyId, Patience, Pin, PinState, PublicKey, SessionPool, Token,
    testing::{SoftHsm, in_softhsm},
};
use ring::{digest, signature};

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

fn token_with_key(softhsm: &SoftHsm) -> (Token, [u8; 65]) {
    let token = softhsm.init_token("ca", "so-pin-1", "123456");
    let session = token.session(&pin("123456")).unwrap();
    let key = session.generate_key_pair(KeyAlgorithm::EcP256, &KeyId::new(b"ca").unwrap(), "ca key").unwrap();
    session.generate_secret("derive", &KeyId::new(b"derive").unwrap()).unwrap();
    let PublicKey::Ec(point) = key.public() else { unreachable!() };
    (token, *point)
}

fn sign(pool: &SessionPool, message: &[u8]) -> Result<Vec<u8>, Error> {
    let digest = digest::digest(&digest::SHA256, message);
    pool.sign("ca key", Input::Sha256(digest.as_ref().try_into().unwrap()))
}

fn verify(point: &[u8; 65], message: &[u8], signed: &[u8]) {
    let public = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
    public.verify(message, signed).unwrap();
}

#[test]
fn eight_threads_on_four_sessions() {
    in_softhsm("eight_threads_on_four_sessions", |softhsm| {
        let (token, point) = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin("123456"), 4).unwrap();
        assert_eq!(*pool.key("ca key").unwrap().public(), PublicKey::Ec(point));
        let tag = pool.hmac_sha256("derive", b"token 1").unwrap();
        let seen: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let pool = &pool;
                    scope.spawn(move || {
                        let signatures = (0..200).map(|number| {
                            let message = format!("certificate {thread}.{number}");
                            let signed = sign(pool, message.as_bytes()).unwrap();
                            verify(&point, message.as_bytes(), &signed);
                            signed
                        });
                        let signatures: Vec<_> = signatures.collect();
                        assert_eq!(pool.hmac_sha256("derive", b"token 1").unwrap(), tag);
                        signatures
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 1600);
    });
}

#[test]
fn a_pool_has_the_token_for_itself() {
    in_softhsm("a_pool_has_the_token_for_itself", |softhsm| {
        let (token, _) = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin("123456"), 2).unwrap();
        assert!(matches!(SessionPool::open(&token, pin("123456"), 2), Err(Error::TokenBusy { .. })));
        assert!(matches!(token.session(&pin("123456")), Err(Error::TokenBusy { .. })));
        assert!(matches!(pool.sign("no key", Input::Sha256(&[0; 32])), Err(Error::KeyAbsent { .. })));
        assert!(matches!(pool.sign("ca key", Input::Message(b"x")), Err(Error::Input { .. })));
        drop(pool);
        token.session(&pin("123456")).unwrap();
    });
}

#[test]
fn a_wrong_pin_opens_no_pool() {
    in_softhsm("a_wrong_pin_opens_no_pool", |softhsm| {
        let (token, _) = token_with_key(softhsm);
        let error = SessionPool::open(&token, pin("654321"), 2).unwrap_err();
        assert!(matches!(error, Error::PinIncorrect { state: PinState::CountLow, .. }), "{error}");
        SessionPool::open(&token, pin("123456"), 2).unwrap();
    });
}

#[test]
fn a_module_initialised_anew_is_noticed_and_mended() {
    in_softhsm("a_module_initialised_anew_is_noticed_and_mended", |softhsm| {
        let (token, point) = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin("123456"), 2).unwrap();
        for _ in 0..3 {
            verify(&point, b"before", &sign(&pool, b"before").unwrap());
            softhsm.module().reinitialise().unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| verify(&point, b"after", &sign(&pool, b"after").unwrap()));
            }
        });
    });
}

#[test]
fn a_token_that_comes_back_signs_again() {
    in_softhsm("a_token_that_comes_back_signs_again", |softhsm| {
        let (token, point) = token_with_key(softhsm);
        let pool = SessionPool::open_with(
            &token,
            pin("123456"),
            2,
            Patience { reinitialise_every: Duration::ZERO, ..Patience::default() },
        )
        .unwrap();
        sign(&pool, b"before").unwrap();
        let away = softhsm.dir().join("away");
        fs::rename(softhsm.tokens_dir(), &away).unwrap();
        fs::create_dir(softhsm.tokens_dir()).unwrap();
        // SoftHSM signs on from memory until it is asked to look.
        softhsm.module().reinitialise().unwrap();
        for _ in 0..3 {
            let error = sign(&pool, b"away").unwrap_err();
            assert!(matches!(error, Error::TokenAbsent { .. }), "{error}");
            assert_eq!(error.class(), Class::AskPerson);
        }
        fs::remove_dir(softhsm.tokens_dir()).unwrap();
        fs::rename(&away, softhsm.tokens_dir()).unwrap();
        verify(&point, b"back", &sign(&pool, b"back").unwrap());
    });
}

#[test]
fn re_initialisation_is_rare() {
    in_softhsm("re_initialisation_is_rare", |softhsm| {
        let (token, _) = token_with_key(softhsm);
        let pool = SessionPool::open_with(
            &token,
            pin("123456"),
            2,
            Patience { reinitialise_every: Duration::from_secs(3600), ..Patience::default() },
        )
        .unwrap();
        let away = softhsm.dir().join("away");
        fs::rename(softhsm.tokens_dir(), &away).unwrap();
        fs::create_dir(softhsm.tokens_dir()).unwrap();
        softhsm.module().reinitialise().unwrap();
        assert!(matches!(sign(&pool, b"away"), Err(Error::TokenAbsent { .. })));
        fs::remove_dir(softhsm.tokens_dir()).unwrap();
        fs::rename(&away, softhsm.tokens_dir()).unwrap();
        // SoftHSM sees the token only after C_Initialize, and the pool has just done one.
        assert!(matches!(sign(&pool, b"back"), Err(Error::TokenAbsent { .. })));
    });
}

#[test]
fn a_pin_changed_elsewhere_is_tried_once() {
    in_softhsm("a_pin_changed_elsewhere_is_tried_once", |softhsm| {
        let (token, _) = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin("123456"), 2).unwrap();
        sign(&pool, b"before").unwrap();
        tool(&["--pin", "123456", "--change-pin", "--new-pin", "271828"]);
        softhsm.module().reinitialise().unwrap();
        assert!(matches!(sign(&pool, b"after"), Err(Error::PinIncorrect { .. })));
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);

        // The right PIN clears the token's flag; another try of the pool would set it again.
        tool(&["--pin", "271828", "--list-objects"]);
        for _ in 0..2 {
            softhsm.module().reinitialise().unwrap();
            assert!(matches!(sign(&pool, b"after"), Err(Error::PinIncorrect { .. })));
            assert_eq!(token.info().unwrap().pin, PinState::Ok);
        }
    });
}

fn tool(arguments: &[&str]) {
    let module = SoftHsm::module_path();
    let output = std::process::Command::new("pkcs11-tool")
        .args(["--module", module.to_str().unwrap(), "--token-label", "ca", "--login"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
