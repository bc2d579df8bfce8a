//! The token's half of the matrix of `p11_fault::table`: every function that personalisation calls, at its first call in each
//! of the four commands, × every answer of the table × before and after its effect. The command fails with a code that says
//! what to do, tells no PIN, and the same commands again end with one good key pair, one certificate and nothing else.
//!
//! And what is no answer:
//!
//! * a call that hangs, at every function in the first command that calls it: the command is answered for, its token is
//!   refused meanwhile, another token is not, and all is well once the call is back;
//! * a token exchanged for another one around the call, at the same places: the other one is not touched;
//! * a signature with a wrong bit and half of one, a certificate that is cut off while it is written, with both algorithms;
//! * a module that crashes: `crash.rs`. A PIN counter that locks: `locked.rs`. A token that is pulled at each single call:
//!   `job.rs`.
//!
//! Not covered: C_InitToken on a token that took the other one's place in the very same slot without the driver's noticing.
//! The call names a slot and no token, so nothing could be done about it.
//!
//! A code stands for its class: `module-failed` and `driver-hangs` are transient, or another token is taken; `bad-command` is permanent; at all
//! others a person does what the code says, and the server sends the same command again. `mended` was told nobody.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    fmt::Write,
    fs,
    time::{Duration, Instant},
};

use hsm::{Pin, PinState, Token, testing::SoftHsm};
use p11_fault::table::{CODES, Half, functions};
use ukey::{
    job,
    protocol::{FailureCode, Outcome},
};

use common::{
    faults::{MOMENTS, Matrix, in_matrix},
    personalisation::{COMMANDS, Personalisation, from_factory, told},
    run, step,
};

/// A call that hangs is answered for so soon.
const HANGS_AFTER: Duration = Duration::from_millis(500);
/// Back within so long.
const BACK: Duration = Duration::from_secs(30);

#[test]
fn every_answer_of_calls_about_tokens_and_sessions() {
    every_answer("every_answer_of_calls_about_tokens_and_sessions", |function| !is_about_objects(function));
}

#[test]
fn every_answer_of_calls_about_objects() {
    every_answer("every_answer_of_calls_about_objects", is_about_objects);
}

/// Half of the work, so that it is done side by side.
fn is_about_objects(function: &str) -> bool {
    ["Find", "Generate", "Attribute", "Sign", "Create"].iter().any(|part| function.contains(part))
}

fn every_answer(test: &str, wanted: impl Fn(&str) -> bool) {
    in_matrix(test, |matrix| {
        let called = matrix.first_callers();
        let mut table = String::new();
        let all = functions(Half::Token).filter(|function| called.contains_key(*function));
        for function in all.filter(|function| wanted(function)) {
            for moment in MOMENTS {
                // Cells that are alike, in the order of the first.
                let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
                for (name, code) in CODES {
                    let fault = format!("{function}:1:{moment}:{code:#x}");
                    let row = matrix.disturbed("ec-p256", function, &fault);
                    match rows.iter_mut().find(|(known, _)| *known == row) {
                        Some((_, names)) => names.push(name),
                        None => rows.push((row, vec![name])),
                    }
                }
                for (row, names) in rows {
                    writeln!(table, "{function} {moment}: {row}\n    {}", names.join(" ")).unwrap();
                }
            }
        }
        insta::assert_snapshot!(test, format!("Told in: {}\n\n{table}", COMMANDS.join(", ")));
    });
}

#[test]
fn a_call_that_hangs_while_personalising() {
    in_matrix("a_call_that_hangs_while_personalising", |matrix| {
        let first = matrix.first_callers();
        let mut table = String::new();
        for (function, number) in first {
            let [before, after] = MOMENTS.map(|moment| matrix.hangs(&function, number, moment));
            writeln!(table, "{function:<20} {:<10} before: {before:<15} after: {after}", COMMANDS[number])
                .unwrap();
        }
        insta::assert_snapshot!(table);
    });
}

#[test]
fn a_token_exchanged_while_personalising() {
    in_matrix("a_token_exchanged_while_personalising", |matrix| {
        let first = matrix.first_callers();
        let mut table = String::new();
        for (function, number) in first {
            let [before, after] = MOMENTS.map(|moment| matrix.exchanged(&function, number, moment));
            writeln!(table, "{function:<20} {:<10} before: {before:<15} after: {after}", COMMANDS[number])
                .unwrap();
        }
        insta::assert_snapshot!(table);
    });
}

#[test]
fn spoilt_signatures_and_cut_certificates() {
    in_matrix("spoilt_signatures_and_cut_certificates", |matrix| {
        let mut table = String::new();
        for algorithm in ["ec-p256", "rsa-2048"] {
            for fault in
                ["C_Sign:1:after:flip", "C_Sign:1:after:truncate", "C_CreateObject:1:before:truncate"]
            {
                let row = matrix.disturbed(algorithm, fault.split(':').next().unwrap(), fault);
                writeln!(table, "{algorithm:<8} {fault:<32} {row}").unwrap();
            }
        }
        insta::assert_snapshot!(table);
    });
}

impl Matrix<'_> {
    /// The command is answered for while its call still hangs, its token is refused meanwhile, and another one is not.
    fn hangs(&self, function: &str, at: usize, moment: &str) -> String {
        let fault = format!("{function}:1:{moment}:hang");
        let (token, other) = (from_factory(self.softhsm), Other::new(self.softhsm));
        let release = self.softhsm.dir().join("release");
        let personalisation = Personalisation { ca: &self.ca, algorithm: "ec-p256", fault: &fault };
        let (codes, der) = personalisation.finish(|number, tried, command| {
            if (number, tried) != (at, 0) {
                return Ok(run(&self.module, token.serial().as_str(), command));
            }
            self.arm(&fault);
            let within = |command| {
                job::execute_within(&self.module, token.serial().as_str(), step(command), HANGS_AFTER)
            };
            let outcome = within(command.clone());
            assert!(hangs(&outcome), "{fault}: {outcome:?}");
            let until = Instant::now() + BACK;
            while !self.called().iter().any(|called| called == function) {
                assert!(Instant::now() < until, "{fault}: not called");
                std::thread::sleep(Duration::from_millis(5));
            }
            let calls = self.calls();
            assert!(hangs(&within(command.clone())) && self.calls() == calls, "{fault}: given twice");
            other.works();
            fs::write(&release, "").unwrap();
            let until = Instant::now() + BACK;
            while hangs(&run(&self.module, token.serial().as_str(), command.clone())) {
                assert!(Instant::now() < until, "{fault}: not back");
                std::thread::sleep(Duration::from_millis(5));
            }
            fs::remove_file(&release).unwrap();
            Ok(outcome)
        });
        self.arm("");
        personalisation.is_good(&token, &der);
        other.is_untouched();
        self.softhsm.forget_tokens();
        told(&codes.concat())
    }

    /// From this call on another token is plugged in, until a person puts the right one back.
    fn exchanged(&self, function: &str, at: usize, moment: &str) -> String {
        let fault = format!("{function}:1:{moment}:swap");
        let (token, other) = (from_factory(self.softhsm), Other::new(self.softhsm));
        let (gone, swap) = (self.softhsm.dir().join("gone"), self.softhsm.dir().join("swap"));
        let personalisation = Personalisation { ca: &self.ca, algorithm: "ec-p256", fault: &fault };
        let (codes, der) = personalisation.finish(|number, tried, command| {
            if (number, tried) != (at, 0) {
                return Ok(run(&self.module, token.serial().as_str(), command));
            }
            fs::write(&gone, other.token.serial().as_str()).unwrap();
            fs::write(&swap, token.serial().as_str()).unwrap();
            self.arm(&fault);
            let outcome = run(&self.module, token.serial().as_str(), command);
            assert!(!swap.exists(), "{fault}: not called");
            fs::remove_file(&gone).unwrap();
            Ok(outcome)
        });
        self.arm("");
        personalisation.is_good(&token, &der);
        other.is_untouched();
        self.softhsm.forget_tokens();
        told(&codes.concat())
    }
}

fn hangs(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { code: FailureCode::DriverHangs, .. })
}

/// Another token that came from the same factory.
struct Other {
    token: Token,
}

impl Other {
    fn new(softhsm: &SoftHsm) -> Self {
        Self { token: softhsm.init_token("other", common::commands::FACTORY, "000000") }
    }

    fn works(&self) {
        let session = self.token.session(&Pin::new("000000".to_owned()).unwrap()).unwrap();
        assert!(session.keys_and_certificates().unwrap().is_empty());
    }

    /// Its PIN works, so none was changed; no wrong one was given to it.
    fn is_untouched(&self) {
        let info = self.token.info().unwrap();
        assert_eq!((info.label.as_str(), info.pin, info.so_pin), ("other", PinState::Ok, PinState::Ok));
        self.works();
        let factory = hsm::SoPin::new(common::commands::FACTORY.to_owned()).unwrap();
        self.token.so_session(&factory).unwrap();
    }
}
