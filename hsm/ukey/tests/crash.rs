//! The module crashes, and the program with it, at every function of `p11_fault::table`, in each command of a personalisation
//! that calls it, before and after its effect. The next process finishes the same command; at the end there is one good key
//! pair and certificate and nothing else, and what the dying program said tells no PIN. A program that is killed while a call
//! hangs dies at the same places.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    fmt::Write,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use hsm::{
    Module, Token,
    testing::{SoftHsm, in_softhsm_with},
};
use p11_fault::table::{Half, functions};
use serde_json::{Value, json};
use ukey::protocol::{Done, FailureCode, Outcome};

use common::{
    Ca,
    personalisation::{COMMANDS, Ended, Personalisation, from_factory, told},
    run,
};

const TEST: &str = "a_module_that_crashes_while_personalising";
/// File with the one command of a process of its own.
const COMMAND: &str = "QIANYIN_COMMAND";
const ABORTED: i32 = 6;

#[test]
fn a_module_that_crashes_while_personalising() {
    if let Some(file) = std::env::var_os(COMMAND) {
        return one_command(Path::new(&file));
    }
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables =
        [("P11_FAULT_MODULE", real.to_str().unwrap()), ("SOFTHSM2_MODULE", module.to_str().unwrap())];
    in_softhsm_with(TEST, &variables, |softhsm| {
        let mut table = String::new();
        for function in functions(Half::Token) {
            let [before, after] = ["before", "after"].map(|moment| crashes(softhsm, function, moment));
            writeln!(table, "{function:<20} before: {before:<26} after: {after}").unwrap();
        }
        insta::assert_snapshot!(format!("Told in: {}\n\n{table}", COMMANDS.join(", ")));
    });
}

/// At the first call of the function in each of the commands. `-`: it is not called there.
fn crashes(softhsm: &SoftHsm, function: &str, moment: &str) -> String {
    let fault = format!("{function}:1:{moment}:abort");
    let (token, ca) = (from_factory(softhsm), Ca::new());
    let personalisation = Personalisation { ca: &ca, algorithm: "ec-p256", fault: &fault };
    let (codes, der) = personalisation.finish(|_, tried, command| {
        in_a_process(softhsm, &token, &command, if tried == 0 { &fault } else { "" })
    });
    softhsm.module().reinitialise().unwrap();
    personalisation.is_good(&token, &der);
    softhsm.forget_tokens();
    codes.map(|codes| if codes.is_empty() { "-".to_owned() } else { told(&codes) }).join(", ")
}

fn in_a_process(softhsm: &SoftHsm, token: &Token, command: &Value, fault: &str) -> Ended {
    let file = softhsm.dir().join("command");
    let asked = json!({ "token": token.serial().as_str(), "command": command });
    fs::write(&file, asked.to_string()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(COMMAND, &file)
        .env("P11_FAULT", fault)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.signal() == Some(ABORTED) {
        assert!(!output.status.core_dumped());
        return Err(said);
    }
    assert!(output.status.success(), "{fault}: {said}");
    Ok(outcome(&serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap()))
}

/// The second process: takes the command from the file, and leaves the outcome there.
fn one_command(file: &Path) {
    hsm::keep_memory_private().unwrap();
    let asked: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    fs::remove_file(file).unwrap();
    let module = Module::load(SoftHsm::module_path()).unwrap();
    let outcome = run(&module, asked["token"].as_str().unwrap(), asked["command"].clone());
    fs::write(file, serde_json::to_string(&outcome).unwrap()).unwrap();
}

/// Reports are only written by the program; this test reads one.
fn outcome(report: &Value) -> Outcome {
    if let Some(failed) = report.get("failed") {
        let codes = [FailureCode::TokenAbsent, FailureCode::TokenRemoved, FailureCode::ModuleFailed];
        let code = codes.into_iter().find(|code| failed["code"] == code.as_str());
        let message = failed["message"].as_str().unwrap().to_owned();
        return Outcome::Failed { code: code.unwrap_or(FailureCode::BadCommand), message };
    }
    let done = &report["done"];
    let text = |name: &str| done[name].as_str().map(str::to_owned);
    Outcome::Done(match (text("csr"), text("certificate"), text("signature")) {
        (Some(csr), ..) => {
            let flag = |name: &str| done["attributes"][name].as_bool().unwrap();
            let attributes = ukey::protocol::Attributes {
                local: flag("local"),
                sensitive: flag("sensitive"),
                always_sensitive: flag("always_sensitive"),
                extractable: flag("extractable"),
                never_extractable: flag("never_extractable"),
            };
            Done::Request { csr, attributes }
        }
        (_, Some(certificate), _) => Done::Write { certificate },
        (.., Some(signature)) => Done::Prove { signature },
        _ => Done::Nothing {},
    })
}
