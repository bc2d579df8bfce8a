//! Personalisation on kryoptic, another software token than SoftHSM2: it counts wrong PINs and locks, keeps a database, and
//! answers in its own ways. `KRYOPTIC_MODULE` names its module (docs/contributing.md); without it each test says that it is
//! skipped.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use hsm::{Pin, PinState, Token, testing::in_kryoptic};
use p11_fault::table::CODES;
use serde_json::json;
use ukey::protocol::{Done, FailureCode, Outcome};

use common::{
    Ca, commands, done,
    faults::{MOMENTS, in_kryoptic_matrix},
    personalisation::{PIN, Personalisation, from_factory},
    run,
};

/// As many wrong tries as kryoptic allows, and some.
const WRONG_TRIES_MAX: usize = 20;

#[test]
fn a_whole_personalisation_each_command_twice() {
    in_kryoptic("a_whole_personalisation_each_command_twice", &[], |softhsm| {
        let (ca, module) = (Ca::new(), softhsm.module());
        for algorithm in ["ec-p256", "rsa-2048", "rsa-3072"] {
            let _ = from_factory(softhsm);
            let personalisation = Personalisation { ca: &ca, algorithm, fault: algorithm };
            let (told, der) = personalisation.finish(|number, _, command| {
                let first = run(&module, softhsm.only_token().as_str(), command.clone());
                let second = run(&module, softhsm.only_token().as_str(), command);
                assert!(matches!(first, Outcome::Done(_)), "{first:?}");
                match (&first, &second) {
                    // Another signature each time.
                    (Outcome::Done(Done::Request { .. } | Done::Prove { .. }), Outcome::Done(_)) => {}
                    _ => assert_eq!(first, second, "{number}"),
                }
                Ok(second)
            });
            assert!(told.iter().all(Vec::is_empty), "{told:?}");
            personalisation.is_good(&module.token(&softhsm.only_token()).unwrap(), &der);
            softhsm.forget_tokens();
        }
    });
}

/// Every function that personalisation calls, with every answer of the table, ends well here, too: minutes, so it is not part
/// of the everyday suite.
#[test]
fn every_answer_of_every_call() {
    in_kryoptic_matrix("every_answer_of_every_call", |matrix| {
        for function in matrix.first_callers().keys() {
            for moment in MOMENTS {
                for (_, code) in CODES {
                    matrix.disturbed("ec-p256", function, &format!("{function}:1:{moment}:{code:#x}"));
                }
            }
        }
    });
}

#[test]
fn spoilt_signatures_and_cut_certificates() {
    in_kryoptic_matrix("spoilt_signatures_and_cut_certificates", |matrix| {
        for (fault, told) in [
            ("C_Sign:1:after:flip", "-, module-failed, -, module-failed"),
            ("C_Sign:1:after:truncate", "-, module-failed, -, module-failed"),
            ("C_CreateObject:1:before:truncate", "-, -, module-failed, -"),
        ] {
            assert_eq!(matrix.disturbed("ec-p256", fault.split(':').next().unwrap(), fault), told);
        }
    });
}

#[test]
fn wrong_pins_lock_and_the_counters_command_opens() {
    in_kryoptic("wrong_pins_lock_and_the_counters_command_opens", &[], |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", PIN);
        let serial = token.serial().as_str();
        let request = |pin: &str| run(token.module(), serial, commands::request("ab01", "ec-p256", pin));
        let code = |outcome: Outcome| match outcome {
            Outcome::Failed { code, .. } => code,
            Outcome::Done(done) => panic!("{done:?}"),
        };
        let mut wrong = 0;
        while state(&token) != PinState::Locked {
            wrong += 1;
            assert!(wrong < WRONG_TRIES_MAX, "it does not lock");
            assert!(matches!(code(request("17026489")), FailureCode::WrongPin | FailureCode::PinLocked));
        }
        assert_eq!(code(request(PIN)), FailureCode::PinLocked, "the right one does not help");
        let unlock = json!({ "command": "unlock", "so_pin": "so-pin-1", "user_pin": "20461837" });
        done(run(token.module(), serial, unlock));
        // kryoptic says so only to who looks anew, as a workstation does once a second, or logs in.
        token.module().reinitialise().unwrap();
        assert_eq!(state(&token), PinState::Ok);
        assert!(token.session(&Pin::new("20461837".to_owned()).unwrap()).is_ok());
    });
}

fn state(token: &Token) -> PinState {
    token.info().unwrap().pin
}
