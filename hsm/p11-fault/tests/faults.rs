//! The fault module between crate hsm and SoftHSM2: signatures are counted, faults strike where they should, and a
//! pulled token comes back.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fs,
    time::{Duration, Instant},
};

use hsm::{
    Class, Error, Input, KeyAlgorithm, KeyId, Patience, Pin, PinState, SessionPool, SoPin, Token,
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
        ("P11_FAULT_PIN_COUNTERS", "{dir}"),
        ("P11_FAULT_RELEASE", "{dir}/release"),
        ("P11_FAULT_SWAP", "{dir}/swap"),
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

/// A network HSM that does not answer: its calls are answered for, others go on, and it is back when it answers again.
#[test]
fn a_call_that_hangs_holds_up_nothing() {
    with_faults(
        "a_call_that_hangs_holds_up_nothing",
        "C_Sign:2:before:hang,C_Sign:3:after:hang",
        |softhsm| {
            let token = token_with_key(softhsm);
            let patience =
                Patience { reinitialise_every: Duration::ZERO, answer_within: Duration::from_secs(1) };
            let pool = SessionPool::open_with(&token, pin(), 1, patience).unwrap();
            sign(&pool, 1).unwrap();
            for octet in [2, 3] {
                let error = sign(&pool, octet).unwrap_err();
                assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{error}");
                assert!(matches!(error.cause(), Error::ModuleHangs { .. }), "{error}");
                assert_eq!(error.class(), Class::Permanent, "never asked for again");
            }
            // The only session hangs, and another one that is left to itself: the next caller gets its own.
            sign(&pool, 4).unwrap();
            // Calls under way are waited for only so long; then everybody goes on as before.
            assert!(matches!(softhsm.module().reinitialise(), Err(Error::ModuleHangs { .. })));
            sign(&pool, 5).unwrap();
            assert!(!softhsm.module().tokens().unwrap().is_empty());
            fs::write(softhsm.dir().join("release"), "").unwrap();
            let until = Instant::now() + Duration::from_secs(30);
            while softhsm.module().reinitialise().is_err() {
                assert!(Instant::now() < until, "the calls came back, but the module is not free");
            }
            sign(&pool, 6).unwrap();
            for octet in 1..=6 {
                assert_eq!(begun(softhsm, octet), 1, "{octet}");
            }
        },
    );
}

/// When nothing comes back, callers are refused at once and threads are not piled up; one try now and then finds out.
#[test]
fn a_module_that_answers_nobody_is_asked_seldom() {
    let hangs: Vec<String> = (1..=40).map(|nth| format!("C_Sign:{nth}:before:hang")).collect();
    with_faults("a_module_that_answers_nobody_is_asked_seldom", &hangs.join(","), |softhsm| {
        let token = token_with_key(softhsm);
        let patience = Patience { answer_within: Duration::from_millis(300), ..Patience::default() };
        let pool = SessionPool::open_with(&token, pin(), 2, patience).unwrap();
        let mut unknown = 0;
        for octet in 1..=60 {
            match sign(&pool, octet).unwrap_err() {
                Error::OutcomeUnknown { .. } => unknown += 1,
                error => assert!(matches!(error, Error::ModuleHangs { .. }), "{error}"),
            }
        }
        assert!((16..40).contains(&unknown), "tried: {unknown}");
        assert_eq!(journal(softhsm, "sign begin"), unknown, "what was refused did not reach the module");
        fs::write(softhsm.dir().join("release"), "").unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while let Err(error) = sign(&pool, 61) {
            assert!(!matches!(error, Error::OutcomeUnknown { .. }), "{error}");
            assert!(Instant::now() < until, "not back after 30 s");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(begun(softhsm, 61), 1);
    });
}

#[test]
fn a_login_that_hangs_is_answered_for() {
    with_faults("a_login_that_hangs_is_answered_for", "C_Login:3:before:hang", |softhsm| {
        let token = token_with_key(softhsm);
        let patience = Patience { answer_within: Duration::from_millis(300), ..Patience::default() };
        let open = || SessionPool::open_with(&token, pin(), 1, patience);
        assert!(matches!(open(), Err(Error::ModuleHangs { .. })));
        assert!(
            matches!(open(), Err(Error::TokenBusy { .. })),
            "the PIN is on its way: it is not given twice"
        );
        fs::write(softhsm.dir().join("release"), "").unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while open().is_err() {
            assert!(Instant::now() < until, "not back after 30 s");
        }
    });
}

#[test]
fn a_pin_counter_really_locks() {
    with_faults("a_pin_counter_really_locks", "", |softhsm| {
        let token = token_with_key(softhsm);
        let wrong = || Pin::new("654321".to_owned()).unwrap();
        let state = |token: &Token| token.info().unwrap().pin;
        for expected in [PinState::CountLow, PinState::FinalTry, PinState::Locked] {
            let error = token.session(&wrong()).err().unwrap();
            assert!(matches!(error, Error::PinIncorrect { state, .. } if state == expected), "{error}");
            assert_eq!(state(&token), expected);
        }
        assert!(matches!(token.session(&pin()), Err(Error::PinLocked { .. })), "the right one does not help");
        assert!(matches!(SessionPool::open(&token, pin(), 1), Err(Error::PinLocked { .. })));
        softhsm.module().reinitialise().unwrap();
        assert_eq!(state(&token), PinState::Locked, "the token keeps it");
        let so_pin = SoPin::new("so-pin-1".to_owned()).unwrap();
        token.so_session(&so_pin).unwrap().init_user_pin(&pin()).unwrap();
        assert_eq!(state(&token), PinState::Ok);
        let session = token.session(&pin()).unwrap();
        let error = session.change_pin(&wrong(), &pin()).unwrap_err();
        assert!(matches!(error, Error::PinIncorrect { state: PinState::CountLow, .. }), "{error}");
        drop(session);
        token.session(&pin()).unwrap();
        assert_eq!(state(&token), PinState::Ok, "the right PIN clears it");
    });
}

/// Another token lies in the reader from one call to the next: nothing is done on it, and no PIN is given to it.
#[test]
fn a_token_exchanged_between_two_calls_is_noticed() {
    for fault in ["C_Login:4:before:swap", "C_SignInit:1:before:swap", "C_Sign:1:before:swap"] {
        with_faults("a_token_exchanged_between_two_calls_is_noticed", fault, |softhsm| {
            let other = softhsm.init_token("other", "so-pin-2", "765432");
            let token = token_with_key(softhsm);
            fs::write(softhsm.dir().join("gone"), "other").unwrap();
            fs::write(softhsm.dir().join("swap"), "unit").unwrap();
            let result = token.session(&pin()).and_then(|session| {
                let key = session.find_key(&id())?.unwrap();
                session.sign(&key, Input::Sha256(&[9; 32]))
            });
            let error = result.unwrap_err();
            assert!(
                matches!(error.cause(), Error::TokenRemoved { .. } | Error::SessionLost { .. }),
                "{fault}: {error}"
            );
            assert!(matches!(token.session(&pin()), Err(Error::TokenAbsent { .. })), "{fault}");
            assert_eq!(other.info().unwrap().pin, PinState::Ok, "{fault}: its PIN was not tried");
            assert_eq!(journal(softhsm, "made=true"), 0, "{fault}: nothing was signed");
            fs::write(softhsm.dir().join("gone"), "other").unwrap();
            let session = token.session(&pin()).unwrap();
            assert!(session.find_key(&id()).unwrap().is_some());
        });
    }
}
