//! Each command of personalisation done twice, after crashes, and refused with its code, on SoftHSM2.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::PROVE_CONTEXT;
use hsm::{
    CertificateObject, Error, KeyId, Pin, PinState, SoPin, Token,
    testing::{SoftHsm, in_softhsm, in_softhsm_with},
};
use ring::signature;
use serde_json::Value;
use ukey::{
    certificate,
    protocol::{Attributes, Done, FailureCode, Outcome},
};

use common::{ATTEMPT, Ca, commands, done, run, spki_of_csr};

const CKA_ID: &str = ATTEMPT;
const PIN: &str = "123456";

fn initialise(label: &str) -> Value {
    commands::initialise(label, PIN)
}

fn request(algorithm: &str) -> Value {
    commands::request(CKA_ID, algorithm, PIN)
}

fn write(der: &[u8]) -> Value {
    commands::write(CKA_ID, der, "单位证书", PIN)
}

fn prove() -> Value {
    commands::prove(CKA_ID, PIN)
}

fn discard() -> Value {
    commands::discard(CKA_ID, PIN)
}

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

fn so_pin(text: &str) -> SoPin {
    SoPin::new(text.to_owned()).unwrap()
}

fn code(outcome: Outcome) -> FailureCode {
    match outcome {
        Outcome::Failed { code, .. } => code,
        Outcome::Done(done) => panic!("{done:?}"),
    }
}

fn is_initialised(token: &Token, label: &str) {
    let info = token.info().unwrap();
    assert_eq!((info.label.as_str(), info.user_pin_initialised), (label, true));
    token.session(&pin("123456")).unwrap();
    token.so_session(&so_pin("derived-so")).unwrap();
}

#[test]
fn the_whole_personalisation_each_step_twice() {
    in_softhsm("the_whole_personalisation_each_step_twice", |softhsm| {
        let ca = Ca::new();
        let module = softhsm.module();
        let token = softhsm.init_token("from the factory", "factory-so", "000000");
        let serial = token.serial().as_str();
        for _ in 0..2 {
            assert_eq!(done(run(&module, serial, initialise("QY 1"))), Done::Nothing {});
            is_initialised(&token, "QY 1");
        }
        let requests: Vec<_> = (0..2)
            .map(|_| match done(run(&module, serial, request("ec-p256"))) {
                Done::Request { csr, attributes } => (BASE64.decode(csr).unwrap(), attributes),
                other => panic!("{other:?}"),
            })
            .collect();
        let born_here = Attributes {
            local: true,
            sensitive: true,
            always_sensitive: true,
            extractable: false,
            never_extractable: true,
        };
        assert!(requests.iter().all(|(_, attributes)| *attributes == born_here));
        let spki = spki_of_csr(&requests[0].0);
        assert_eq!(spki, spki_of_csr(&requests[1].0), "the key is made once");

        let der = ca.issue(&spki, "南京签印科技有限公司");
        for _ in 0..2 {
            let Done::Write { certificate } = done(run(&module, serial, write(&der))) else { unreachable!() };
            assert_eq!(BASE64.decode(certificate).unwrap(), der);
        }
        let objects = token.certificates().unwrap();
        assert_eq!(objects.len(), 1);
        let fields = certificate::read(&der).unwrap();
        assert_eq!((&objects[0].subject, &objects[0].issuer), (&fields.subject, &fields.issuer));
        assert_eq!((&objects[0].serial, objects[0].label.as_str()), (&fields.serial, "单位证书"));

        let point = &spki[spki.len() - 65..];
        for _ in 0..2 {
            let Done::Prove { signature } = done(run(&module, serial, prove())) else { unreachable!() };
            let public = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point);
            public.verify(&[PROVE_CONTEXT, &[7; 32]].concat(), &BASE64.decode(signature).unwrap()).unwrap();
        }
        // A key with a certificate is in use, for all that is known here; without one it is a leftover.
        assert_eq!(code(run(&module, serial, discard())), FailureCode::Kept);
        let id = KeyId::new(&hex::decode(CKA_ID).unwrap()).unwrap();
        token.session(&pin("123456")).unwrap().delete_certificate(&id, &der).unwrap();
        for _ in 0..2 {
            assert_eq!(done(run(&module, serial, discard())), Done::Nothing {});
        }
        assert_eq!(code(run(&module, serial, prove())), FailureCode::BadCommand);
    });
}

#[test]
fn requests_satisfy_openssl() {
    in_softhsm("requests_satisfy_openssl", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        for algorithm in ["ec-p256", "rsa-2048", "rsa-3072"] {
            let outcome = run(&softhsm.module(), token.serial().as_str(), request(algorithm));
            let Done::Request { csr, .. } = done(outcome) else { unreachable!() };
            let file = softhsm.dir().join("csr.der");
            std::fs::write(&file, BASE64.decode(csr).unwrap()).unwrap();
            let openssl = std::process::Command::new("openssl")
                .args([
                    "req",
                    "-verify",
                    "-noout",
                    "-subject",
                    "-inform",
                    "DER",
                    "-in",
                    file.to_str().unwrap(),
                ])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&openssl.stdout).into_owned()
                + &String::from_utf8_lossy(&openssl.stderr);
            assert!(openssl.status.success() && said.contains("verify OK"), "{algorithm}: {said}");
            assert!(said.contains(ATTEMPT), "{said}");
            done(run(&softhsm.module(), token.serial().as_str(), discard()));
        }
    });
}

#[test]
fn initialising_goes_on_after_a_crash_at_each_write() {
    in_softhsm("initialising_goes_on_after_a_crash_at_each_write", |softhsm| {
        let module = softhsm.module();
        let token = softhsm.init_token("from the factory", "factory-so", "000000");
        // After C_InitToken.
        token.init(&so_pin("factory-so"), "QY 1").unwrap();
        done(run(&module, token.serial().as_str(), initialise("QY 1")));
        is_initialised(&token, "QY 1");
        // After the SO PIN was set.
        token.init(&so_pin("derived-so"), "QY 1").unwrap();
        done(run(&module, token.serial().as_str(), initialise("QY 1")));
        is_initialised(&token, "QY 1");
        // A token that was ours before, for another label.
        done(run(&module, token.serial().as_str(), initialise("QY 2")));
        is_initialised(&token, "QY 2");
    });
}

#[test]
fn half_a_key_pair_is_replaced() {
    in_softhsm("half_a_key_pair_is_replaced", |softhsm| {
        let module = softhsm.module();
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        done(run(&module, token.serial().as_str(), request("ec-p256")));
        let deleted = std::process::Command::new("pkcs11-tool")
            .args(["--module", SoftHsm::module_path().to_str().unwrap(), "--login", "--pin", "123456"])
            .args(["--token-label", "unit", "--delete-object", "--type", "pubkey", "--id", CKA_ID])
            .output()
            .unwrap();
        assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
        module.reinitialise().unwrap();
        done(run(&module, token.serial().as_str(), request("ec-p256")));
        let id = KeyId::new(&hex::decode(CKA_ID).unwrap()).unwrap();
        assert_eq!(token.session(&pin("123456")).unwrap().objects(&id).unwrap().len(), 2);
    });
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    in_softhsm("what_does_not_fit_is_refused_and_changes_nothing", |softhsm| {
        let ca = Ca::new();
        let module = softhsm.module();
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let serial = token.serial().as_str();
        done(run(&module, serial, request("ec-p256")));
        assert_eq!(code(run(&module, serial, request("rsa-2048"))), FailureCode::BadCommand);
        assert_eq!(code(run(&module, serial, write(b"no certificate"))), FailureCode::BadCommand);
        assert_eq!(code(run(&module, serial, write(&ca.root))), FailureCode::BadCommand);
        assert!(token.certificates().unwrap().is_empty());
        let long = initialise(&"南".repeat(11));
        assert_eq!(code(run(&module, serial, long)), FailureCode::BadCommand);
        assert_eq!(token.info().unwrap().label, "unit");
    });
}

/// A program that died while the token wrote: the piece goes, other certificates under the same identifier stay.
#[test]
fn what_a_cut_write_left_goes_away() {
    in_softhsm("what_a_cut_write_left_goes_away", |softhsm| {
        let ca = Ca::new();
        let module = softhsm.module();
        let token = softhsm.init_token("unit", "so-pin-1", PIN);
        let serial = token.serial().as_str();
        let Done::Request { csr, .. } = done(run(&module, serial, request("ec-p256"))) else {
            unreachable!()
        };
        let spki = spki_of_csr(&BASE64.decode(csr).unwrap());
        let (older, der) = (ca.issue(&spki, "older"), ca.issue(&spki, "unit"));
        let put = |der: &[u8]| {
            let object = CertificateObject {
                cka_id: hex::decode(CKA_ID).unwrap(),
                label: "x".to_owned(),
                der: der.to_vec(),
                subject: Vec::new(),
                issuer: Vec::new(),
                serial: Vec::new(),
            };
            token.session(&pin(PIN)).unwrap().write_certificate(&object).unwrap();
        };
        put(&older);
        put(&der[..der.len() / 2]);
        for _ in 0..2 {
            done(run(&module, serial, write(&der)));
            let mut found: Vec<_> =
                token.certificates().unwrap().into_iter().map(|object| object.der).collect();
            found.sort();
            let mut wanted = vec![older.clone(), der.clone()];
            wanted.sort();
            assert_eq!(found, wanted);
        }
    });
}

#[test]
fn a_wrong_pin_is_tried_once() {
    in_softhsm("a_wrong_pin_is_tried_once", |softhsm| {
        let module = softhsm.module();
        let token = softhsm.init_token("unit", "so-pin-1", "271828");
        let serial = token.serial().as_str();
        for command in [request("ec-p256"), prove(), discard(), write(&Ca::new().root)] {
            assert_eq!(code(run(&module, serial, command)), FailureCode::WrongPin);
        }
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);
        // Neither of the two known SO PINs is the right one.
        let outcome = run(&module, serial, initialise("QY 1"));
        assert!(matches!(&outcome, Outcome::Failed { message, .. } if !message.contains("derived-so")));
        assert_eq!(code(outcome), FailureCode::WrongPin);
        assert_eq!(token.info().unwrap().label, "unit");
    });
}

#[test]
fn absent_and_blank_tokens() {
    in_softhsm("absent_and_blank_tokens", |softhsm| {
        let module = softhsm.module();
        for serial in ["", "0123456789abcdef"] {
            assert_eq!(code(run(&module, serial, request("ec-p256"))), FailureCode::TokenAbsent);
        }
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        token.init(&so_pin("so-pin-1"), "unit").unwrap();
        assert!(matches!(token.session(&pin("123456")), Err(Error::NotInitialised { .. })));
        assert_eq!(
            code(run(&module, token.serial().as_str(), request("ec-p256"))),
            FailureCode::NotInitialised
        );
    });
}

/// Every call of the module that the four commands make, failing as a pulled token does, before and after its effect.
#[test]
fn a_token_pulled_at_any_call_is_finished_when_it_comes_back() {
    let test = "a_token_pulled_at_any_call_is_finished_when_it_comes_back";
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    // How often each function is called, from the first after the token left the factory.
    let calls = [
        ("C_InitToken", 2..=2),
        ("C_InitPIN", 2..=2),
        ("C_SetPIN", 1..=1),
        ("C_OpenSession", 2..=5),
        ("C_Login", 2..=5),
        ("C_GenerateKeyPair", 1..=1),
        ("C_CreateObject", 1..=1),
        ("C_SignInit", 1..=2),
        ("C_Sign", 1..=2),
        ("C_GetAttributeValue", 1..=12),
        ("C_FindObjectsInit", 1..=12),
        ("C_FindObjects", 1..=12),
    ];
    for (function, numbers) in calls {
        for number in numbers {
            for moment in ["before", "after"] {
                let fault = format!("{function}:{number}:{moment}:0x32");
                let variables = [
                    ("P11_FAULT", fault.as_str()),
                    ("P11_FAULT_MODULE", real.to_str().unwrap()),
                    ("SOFTHSM2_MODULE", module.to_str().unwrap()),
                ];
                in_softhsm_with(test, &variables, personalise_through_one_fault);
            }
        }
    }
}

fn personalise_through_one_fault(softhsm: &SoftHsm) {
    let ca = Ca::new();
    let module = softhsm.module();
    let token = softhsm.init_token("from the factory", "factory-so", "000000");
    let serial = token.serial().as_str();
    let mut failures = Vec::new();
    let mut finish = |command: Value| match run(&module, serial, command.clone()) {
        Outcome::Done(done) => done,
        Outcome::Failed { code, .. } => {
            failures.push(code);
            done(run(&module, serial, command))
        }
    };
    finish(initialise("QY 1"));
    let Done::Request { csr, .. } = finish(request("ec-p256")) else { unreachable!() };
    let der = ca.issue(&spki_of_csr(&BASE64.decode(csr).unwrap()), "unit");
    finish(write(&der));
    finish(prove());
    assert_eq!(failures, [FailureCode::TokenRemoved]);
    is_initialised(&token, "QY 1");
    let id = KeyId::new(&hex::decode(CKA_ID).unwrap()).unwrap();
    assert_eq!(token.session(&pin("123456")).unwrap().objects(&id).unwrap().len(), 3);
    assert_eq!(token.certificates().unwrap()[0].der, der);
}
