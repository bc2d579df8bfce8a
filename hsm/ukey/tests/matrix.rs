//! Every call that personalisation makes × answers that a token can give instead × before and after its effect: the command
//! fails with a code that says what to do, tells no PIN, and the same commands again end with one good certificate.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{fmt::Write, fs};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hsm::{
    KeyId, Module, Pin, Token,
    testing::{SoftHsm, in_softhsm_with},
};
use serde_json::{Value, json};
use ukey::protocol::{Done, Outcome};

use common::{ATTEMPT, Ca, run, spki_of_csr};

const FUNCTIONS: [&str; 14] = [
    "C_GetSlotList",
    "C_GetTokenInfo",
    "C_InitToken",
    "C_OpenSession",
    "C_Login",
    "C_InitPIN",
    "C_SetPIN",
    "C_FindObjectsInit",
    "C_FindObjects",
    "C_GenerateKeyPair",
    "C_GetAttributeValue",
    "C_SignInit",
    "C_Sign",
    "C_CreateObject",
];

const CODES: [(&str, u32); 9] = [
    ("GENERAL_ERROR", 0x05),
    ("DEVICE_ERROR", 0x30),
    ("DEVICE_MEMORY", 0x31),
    ("DEVICE_REMOVED", 0x32),
    ("PIN_INCORRECT", 0xa0),
    ("SESSION_HANDLE_INVALID", 0xb3),
    ("TOKEN_NOT_PRESENT", 0xe0),
    ("TOKEN_WRITE_PROTECTED", 0xe2),
    ("USER_NOT_LOGGED_IN", 0x101),
];

const PIN: &str = "59302817";
const FACTORY: &str = "factory-so";
const DERIVED: &str = "derived-so";
/// A clerk plugs the token in again once or twice.
const TRIES: usize = 4;

#[test]
fn every_answer_of_every_call_while_personalising() {
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables = [
        ("P11_FAULT_CONTROL", "{dir}/control"),
        ("P11_FAULT_MODULE", real.to_str().unwrap()),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ];
    in_softhsm_with("every_answer_of_every_call_while_personalising", &variables, |softhsm| {
        let mut table = String::new();
        let ca = Ca::new();
        for function in FUNCTIONS {
            for (name, code) in CODES {
                let told = ["before", "after"].map(|moment| {
                    let token = softhsm.init_token("from the factory", FACTORY, "000000");
                    let cell = Cell { softhsm, module: softhsm.module(), token, ca: &ca };
                    cell.personalise(&format!("{function}:1:{moment}:{code:#x}"))
                });
                writeln!(table, "{function:<20} {name:<23} before: {:<30} after: {}", told[0], told[1])
                    .unwrap();
            }
        }
        insta::assert_snapshot!(table);
    });
}

struct Cell<'a> {
    softhsm: &'a SoftHsm,
    module: Module,
    token: Token,
    ca: &'a Ca,
}

impl Cell<'_> {
    /// The first call of this function after the token left the factory goes wrong. Gives the codes of the failures.
    fn personalise(&self, fault: &str) -> String {
        let control = self.softhsm.dir().join("control");
        fs::write(&control, fault).unwrap();
        let mut codes = Vec::new();
        self.finish(
            json!({ "command": "initialise", "label": "QY 1", "factory_so_pin": FACTORY, "so_pin": DERIVED,
            "user_pin": PIN }),
            fault,
            &mut codes,
        );
        let request = json!({ "command": "request", "cka_id": ATTEMPT, "algorithm": "ec-p256", "user_pin": PIN,
            "subject_cn": ATTEMPT });
        let Done::Request { csr, .. } = self.finish(request, fault, &mut codes) else { unreachable!() };
        let der = self.ca.issue(&spki_of_csr(&BASE64.decode(csr).unwrap()), "unit");
        let certificate = BASE64.encode(&der);
        self.finish(
            json!({ "command": "write", "cka_id": ATTEMPT, "certificate": certificate, "label": "x",
            "user_pin": PIN }),
            fault,
            &mut codes,
        );
        self.finish(
            json!({ "command": "prove", "cka_id": ATTEMPT, "challenge": BASE64.encode([7; 32]),
            "user_pin": PIN }),
            fault,
            &mut codes,
        );
        fs::write(&control, "").unwrap();

        let id = KeyId::new(&hex::decode(ATTEMPT).unwrap()).unwrap();
        let session = self.token.session(&Pin::new(PIN.to_owned()).unwrap()).unwrap();
        assert_eq!(session.objects(&id).unwrap().len(), 3, "{fault}: one key pair and one certificate");
        let certificates = self.token.certificates().unwrap();
        assert_eq!((certificates.len(), &certificates[0].der), (1, &der), "{fault}");
        if codes.is_empty() { "mended".to_owned() } else { codes.join(", ") }
    }

    fn finish(&self, command: Value, fault: &str, codes: &mut Vec<&'static str>) -> Done {
        for _ in 0..TRIES {
            match run(&self.module, self.token.serial().as_str(), command.clone()) {
                Outcome::Done(done) => return done,
                Outcome::Failed { code, message } => {
                    for secret in [PIN, FACTORY, DERIVED] {
                        assert!(!message.contains(secret), "{fault}: {message}");
                    }
                    codes.push(code.as_str());
                }
            }
        }
        panic!("{fault}: {codes:?}")
    }
}
