//! The fault module between crate hsm and SoftHSM2: signatures are counted, faults strike where they should, and a
//! pulled token comes back.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;

use hsm::{
    Error, Input, KeyAlgorithm, KeyId, Pin, SessionPool, Token,
    testing::{SoftHsm, in_softhsm_with},
};

const ECDSA: &str = "mechanism=0x00001041";
const HMAC: &str = "mechanism=0x00000251";

fn with_faults(test: &str, faults: &str, body: impl FnOnce(&SoftHsm)) {
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables = [
        ("P11_FAULT", faults),
        ("P11_FAULT_GONE", "{dir}/gone"),
        ("P11_FAULT_JOURNAL", "{dir}/journal"),
        ("P11_FAULT_MODULE", real.to_str().unwrap()),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ];
    in_softhsm_with(test, &variables, body);
}

fn pin() -> Pin {
    Pin::new("123456".to_owned()).unwrap()
}

fn id() -> KeyId {
    KeyId::new(b"k").unwrap()
}

fn token_with_key(softhsm: &SoftHsm) -> Token {
    let token = softhsm.init_token("unit", "so-pin-1", "123456");
    let session = token.session(&pin()).unwrap();
    session.generate_key_pair(KeyAlgorithm::EcP256, &id(), "k").unwrap();
    session.generate_secret("derive", &id()).unwrap();
    token
}

fn sign(pool: &SessionPool, octet: u8) -> Result<Vec<u8>, Error> {
    pool.sign("k", Input::Sha256(&[octet; 32]))
}

/// Lines that begin a signature over 32 times `octet`.
fn begun(softhsm: &SoftHsm, octet: u8) -> usize {
    let data = format!("{ECDSA} length=32 data={}", format!("{octet:02x}").repeat(32));
    let journal = fs::read_to_string(softhsm.dir().join("journal")).unwrap();
    journal.lines().filter(|line| line.starts_with("sign begin") && line.ends_with(&data)).count()
}

fn journal(softhsm: &SoftHsm, text: &str) -> usize {
    let journal = fs::read_to_string(softhsm.dir().join("journal")).unwrap_or_default();
    journal.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn signatures_are_counted() {
    with_faults("signatures_are_counted", "", |softhsm| {
        let token = token_with_key(softhsm);
        assert_eq!(journal(softhsm, "sign begin"), 0);
        let pool = SessionPool::open(&token, pin(), 2).unwrap();
        for octet in [1, 2, 2] {
            sign(&pool, octet).unwrap();
        }
        pool.hmac_sha256("derive", b"x").unwrap();
        assert_eq!([begun(softhsm, 1), begun(softhsm, 2), begun(softhsm, 3)], [1, 2, 0]);
        assert_eq!((journal(softhsm, ECDSA), journal(softhsm, HMAC)), (3, 1));
        assert_eq!(journal(softhsm, "made=true rv=0x00000000"), 4);
    });
}

#[test]
fn a_signature_of_unknown_outcome_is_not_repeated() {
    with_faults(
        "a_signature_of_unknown_outcome_is_not_repeated",
        "C_Sign:2:after:0x30,C_Sign:4:before:0x31",
        |softhsm| {
            let token = token_with_key(softhsm);
            let pool = SessionPool::open(&token, pin(), 2).unwrap();
            let outcomes: Vec<_> = (1..=5).map(|octet| sign(&pool, octet)).collect();
            let unknown: Vec<_> =
                outcomes.iter().map(|outcome| matches!(outcome, Err(Error::OutcomeUnknown { .. }))).collect();
            assert_eq!(unknown, [false, true, false, true, false]);
            assert!(outcomes.iter().step_by(2).all(Result::is_ok));
            for octet in 1..=5 {
                assert_eq!(begun(softhsm, octet), 1, "{octet}");
            }
            assert_eq!(journal(softhsm, "made=true rv=0x00000030"), 1);
            assert_eq!(journal(softhsm, "made=false rv=0x00000031"), 1);
        },
    );
}

#[test]
fn a_failure_before_the_signature_is_mended() {
    let faults = "C_SignInit:2:before:0xb3,C_SignInit:4:before:0x32,C_SignInit:6:before:0x101";
    with_faults("a_failure_before_the_signature_is_mended", faults, |softhsm| {
        let token = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin(), 2).unwrap();
        for octet in 1..=4 {
            sign(&pool, octet).unwrap();
            assert_eq!(begun(softhsm, octet), 1, "{octet}");
        }
    });
}

#[test]
fn a_key_made_behind_an_error_is_found() {
    with_faults("a_key_made_behind_an_error_is_found", "C_GenerateKeyPair:1:after:0x32", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let session = token.session(&pin()).unwrap();
        let error = session.generate_key_pair(KeyAlgorithm::EcP256, &id(), "k").unwrap_err();
        assert!(matches!(error, Error::TokenRemoved { .. }), "{error}");
        drop(session);
        let session = token.session(&pin()).unwrap();
        assert!(session.find_key(&id()).unwrap().is_some());
    });
}

#[test]
fn a_full_token_says_so() {
    with_faults("a_full_token_says_so", "C_GenerateKeyPair:1:before:0x31", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let session = token.session(&pin()).unwrap();
        let error = session.generate_key_pair(KeyAlgorithm::EcP256, &id(), "k").unwrap_err();
        assert!(matches!(error, Error::TokenFull { .. }), "{error}");
        assert!(session.find_key(&id()).unwrap().is_none());
    });
}

#[test]
fn a_locked_pin_is_locked() {
    with_faults("a_locked_pin_is_locked", "C_Login:2:before:0xa4", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        assert!(matches!(token.session(&pin()), Err(Error::PinLocked { .. })));
    });
}

#[test]
fn a_token_pulled_between_two_commands_comes_back() {
    with_faults("a_token_pulled_between_two_commands_comes_back", "", |softhsm| {
        let other = softhsm.init_token("other", "so-pin-1", "123456");
        let token = token_with_key(softhsm);
        let session = token.session(&pin()).unwrap();
        let key = session.find_key(&id()).unwrap().unwrap();
        session.sign(&key, Input::Sha256(&[1; 32])).unwrap();

        let gone = softhsm.dir().join("gone");
        fs::write(&gone, "unit\n").unwrap();
        let error = session.sign(&key, Input::Sha256(&[2; 32])).unwrap_err();
        assert!(matches!(error, Error::TokenRemoved { .. }), "{error}");
        assert!(
            matches!(token.session(&pin()), Err(Error::TokenBusy { .. })),
            "the old session still holds the login"
        );
        drop(session);
        assert!(matches!(token.session(&pin()), Err(Error::TokenAbsent { .. })));
        assert!(other.session(&pin()).is_ok(), "the other token stays");

        fs::remove_file(&gone).unwrap();
        let session = token.session(&pin()).unwrap();
        session.sign(&key, Input::Sha256(&[3; 32])).unwrap();
        assert_eq!([begun(softhsm, 1), begun(softhsm, 2), begun(softhsm, 3)], [1, 0, 1]);
    });
}

#[test]
fn a_session_does_not_outlive_its_token() {
    with_faults("a_session_does_not_outlive_its_token", "", |softhsm| {
        let token = token_with_key(softhsm);
        let session = token.session(&pin()).unwrap();
        let gone = softhsm.dir().join("gone");
        fs::write(&gone, "").unwrap();
        assert!(softhsm.module().tokens().unwrap().is_empty());
        assert!(matches!(
            session.find_key(&id()),
            Err(Error::SessionLost { .. } | Error::TokenRemoved { .. })
        ));
        fs::remove_file(&gone).unwrap();
        assert!(matches!(session.find_key(&id()), Err(Error::SessionLost { .. })));
    });
}

#[test]
fn a_pool_mends_after_its_token_was_pulled() {
    with_faults("a_pool_mends_after_its_token_was_pulled", "", |softhsm| {
        let token = token_with_key(softhsm);
        let pool = SessionPool::open(&token, pin(), 2).unwrap();
        sign(&pool, 1).unwrap();
        let gone = softhsm.dir().join("gone");
        fs::write(&gone, "").unwrap();
        for _ in 0..2 {
            let error = sign(&pool, 2).unwrap_err();
            assert!(matches!(error, Error::TokenAbsent { .. }), "{error}");
        }
        fs::remove_file(&gone).unwrap();
        sign(&pool, 3).unwrap();
        assert_eq!([begun(softhsm, 1), begun(softhsm, 2), begun(softhsm, 3)], [1, 0, 1]);
    });
}
