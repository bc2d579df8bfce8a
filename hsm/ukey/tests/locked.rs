//! A token that really locks: how many tries are left is said before each one, and the counter's command opens it again.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use hsm::{
    Pin, PinState,
    testing::{SoftHsm, in_softhsm_with},
};
use serde_json::json;

use common::{
    ATTEMPT, done,
    program::{run as run_program, secret, with_module},
};

#[test]
fn wrong_pins_lock_and_the_counter_unlocks() {
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables = [
        ("P11_FAULT_PIN_COUNTERS", "{dir}"),
        ("P11_FAULT_MODULE", real.to_str().unwrap()),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ];
    in_softhsm_with("wrong_pins_lock_and_the_counter_unlocks", &variables, |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "84620917");
        let [right, wrong, new] = [("right", "84620917"), ("wrong", "17026489"), ("new", "59302817")]
            .map(|(name, text)| secret(softhsm, name, text));
        let change = |old: &str| {
            let arguments = ["--lang", "en", "pin", "change", "--token", "unit", "--pin-file", old];
            run_program(with_module(&[&arguments[..], &["--new-pin-file", &new]].concat()))
        };
        let state = || {
            token.module().reinitialise().unwrap();
            token.info().unwrap().pin
        };
        let mut said = String::new();
        for left in [PinState::CountLow, PinState::FinalTry, PinState::Locked] {
            let (code, out, error) = change(&wrong);
            assert_eq!((code, state()), (1, left), "one try a command: {error}");
            said.push_str(&format!("{out}{error}\n"));
        }
        let (code, out, error) = change(&right);
        assert_eq!((code, state()), (1, PinState::Locked));
        said.push_str(&format!("{out}{error}"));
        assert!(!said.contains("17026489") && !said.contains("84620917"));
        insta::assert_snapshot!(said.replace(token.serial().as_str(), "SERIAL"));

        let unlock =
            json!({ "command": "unlock", "attempt": ATTEMPT, "so_pin": "so-pin-1", "user_pin": "20461837" });
        done(common::run(token.module(), token.serial().as_str(), unlock));
        assert_eq!(state(), PinState::Ok);
        assert!(token.session(&Pin::new("20461837".to_owned()).unwrap()).is_ok());
        let (code, _, error) = change(&secret(softhsm, "unlocked", "20461837"));
        assert_eq!(code, 0, "{error}");
    });
}
