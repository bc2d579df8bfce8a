//! The HSM's half of the matrix of `p11_fault::table`: every function that signing calls × every answer of the table × before
//! and after its effect: what class of error the caller is told, that nothing is signed twice, that no PIN is told, and that
//! the next signature works within 30 s, without a restart.
//!
//! In the same table: a call that hangs, a token that is exchanged for another one around the call, a signature with a wrong
//! bit and half of one. Left out: those two at every other function, which gives no signature; the same before C_Sign, when
//! there is none yet; truncated writes, for signing writes nothing (`ukey`'s matrix does); and a module that crashes, because
//! the process goes with it: the server's crash walks start it again.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fmt::Write,
    fs,
    time::{Duration, Instant},
};

use hsm::{
    Class, Error, Input, KeyAlgorithm, KeyId, Patience, Pin, PublicKey, SessionPool, Token,
    testing::{SoftHsm, in_softhsm_with},
};
use p11_fault::table::{CODES, Half, functions};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

const PIN: &str = "59302817";
/// Back within so long, without a restart of the process.
const BACK: Duration = Duration::from_secs(30);
/// A call that hangs is answered for so soon.
const HANGS_AFTER: Duration = Duration::from_millis(500);

#[test]
fn every_answer_of_every_call_while_signing() {
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables = [
        ("P11_FAULT_CONTROL", "{dir}/control"),
        ("P11_FAULT_JOURNAL", "{dir}/journal"),
        ("P11_FAULT_GONE", "{dir}/gone"),
        ("P11_FAULT_RELEASE", "{dir}/release"),
        ("P11_FAULT_SWAP", "{dir}/swap"),
        ("P11_FAULT_MODULE", real.to_str().unwrap()),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ];
    in_softhsm_with("every_answer_of_every_call_while_signing", &variables, |softhsm| {
        let _ = softhsm.init_token("other", "so-pin-1", "765432");
        let token = softhsm.init_token("hsm", "so-pin-1", PIN);
        let id = KeyId::new(b"k").unwrap();
        let key = token.session(&pin()).unwrap().generate_key_pair(KeyAlgorithm::EcP256, &id, "k").unwrap();
        let PublicKey::Ec(point) = *key.public() else { unreachable!() };
        let mut table = String::new();
        let mut matrix = Matrix { softhsm, token, point, message: 0 };
        for function in functions(Half::Hsm) {
            for (name, code) in CODES {
                let told: Vec<_> = ["before", "after"]
                    .map(|moment| matrix.cell(function, moment, &format!("{code:#x}")))
                    .into_iter()
                    .collect();
                writeln!(table, "{function:<20} {name:<25} before: {:<28} after: {}", told[0], told[1])
                    .unwrap();
            }
            for what in ["hang", "swap"] {
                let told = ["before", "after"].map(|moment| matrix.cell(function, moment, what));
                writeln!(table, "{function:<20} {what:<25} before: {:<28} after: {}", told[0], told[1])
                    .unwrap();
            }
        }
        for what in ["flip", "truncate"] {
            let told = matrix.cell("C_Sign", "after", what);
            writeln!(table, "{:<20} {what:<25} before: {:<28} after: {told}", "C_Sign", "-").unwrap();
        }
        matrix.nothing_was_signed_twice();
        insta::with_settings!({ snapshot_path => "snapshots" }, { insta::assert_snapshot!(table) });
    });
}

/// What each code of the standard is, is decided in one place for all functions: the table need not have all of them.
#[test]
fn every_code_is_a_situation() {
    let real = SoftHsm::module_path();
    let module = p11_fault::shared_library().unwrap();
    let variables = [
        ("P11_FAULT_CONTROL", "{dir}/control"),
        ("P11_FAULT_MODULE", real.to_str().unwrap()),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ];
    in_softhsm_with("every_code_is_a_situation", &variables, |softhsm| {
        let module = softhsm.module();
        let mut situations: Vec<(String, Vec<String>)> = Vec::new();
        // The standard's numbers up to v3.2, gaps too; a vendor's first and last.
        for code in (0x01..=0x20f_u64).chain([0x8000_0000, 0xffff_ffff]) {
            fs::write(softhsm.dir().join("control"), format!("C_GetSlotList:1:before:{code:#x}")).unwrap();
            let error = module.tokens().unwrap_err();
            let name = format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
            let situation = format!("{:?}: {name}", error.class());
            let code = if name == "ModuleFailed" { "all others".to_owned() } else { format!("{code:x}") };
            match situations.iter_mut().find(|(known, _)| *known == situation) {
                Some((_, codes)) if codes.contains(&code) => {}
                Some((_, codes)) => codes.push(code),
                None => situations.push((situation, vec![code])),
            }
        }
        let table: String =
            situations.iter().map(|(name, codes)| format!("{name}\n    {}\n", codes.join(" "))).collect();
        insta::assert_snapshot!(table);
    });
}

fn pin() -> Pin {
    Pin::new(PIN.to_owned()).unwrap()
}

struct Matrix<'a> {
    softhsm: &'a SoftHsm,
    token: Token,
    point: [u8; 65],
    message: u32,
}

impl Matrix<'_> {
    /// One fault at the first call: at the login of a new pool, or at its first signature. Gives what the caller was told.
    fn cell(&mut self, function: &str, moment: &str, what: &str) -> String {
        let control = self.softhsm.dir().join("control");
        fs::write(&control, "").unwrap();
        let warm = [
            "C_FindObjectsInit",
            "C_FindObjects",
            "C_FindObjectsFinal",
            "C_GetAttributeValue",
            "C_SignInit",
            "C_Sign",
        ];
        let fault = format!("{function}:1:{moment}:{what}");
        if what == "swap" {
            fs::write(self.softhsm.dir().join("gone"), "other").unwrap();
            fs::write(self.softhsm.dir().join("swap"), "hsm").unwrap();
        }
        let answer_within = if what == "hang" { HANGS_AFTER } else { Patience::default().answer_within };
        let mut told = Vec::new();
        let begun = Instant::now();
        if !warm.contains(&function) {
            fs::write(&control, &fault).unwrap();
        }
        let pool = loop {
            match SessionPool::open_with(
                &self.token,
                pin(),
                2,
                Patience { reinitialise_every: Duration::ZERO, answer_within },
            ) {
                Ok(pool) => break pool,
                // The login that was given up holds the token until it is over.
                Err(Error::TokenBusy { .. }) if what == "hang" && !told.is_empty() => {
                    assert!(begun.elapsed() < BACK, "{fault}: {told:?}");
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => {
                    told.push(of(&error));
                    assert!(begun.elapsed() < BACK && told.len() < 4, "{fault}: {told:?}");
                    self.put_right(what);
                }
            }
        };
        if warm.contains(&function) {
            fs::write(&control, &fault).unwrap();
        }
        loop {
            // Another message each time: one whose outcome is unknown is never asked for again.
            self.message += 1;
            match pool.sign("k", Input::Sha256(&digest(self.message))) {
                Ok(signature) if self.is_right(&signature) => break,
                // Whoever has the public key finds out: nothing is issued before that.
                Ok(_) if ["flip", "truncate"].contains(&what) && told.is_empty() => {
                    told.push("fails its check".to_owned());
                }
                Ok(signature) => panic!("{fault}: {signature:?}"),
                Err(error) => {
                    told.push(of(&error));
                    assert!(begun.elapsed() < BACK && told.len() < 4, "{fault}: {told:?}");
                    self.put_right(what);
                }
            }
        }
        fs::write(&control, "").unwrap();
        self.put_right(what);
        if told.is_empty() { "mended".to_owned() } else { told.join(", ") }
    }

    /// The module answers again, or a person puts the token back.
    fn put_right(&self, what: &str) {
        let _ = fs::remove_file(self.softhsm.dir().join("gone"));
        let _ = fs::remove_file(self.softhsm.dir().join("swap"));
        if what == "hang" {
            let release = self.softhsm.dir().join("release");
            fs::write(&release, "").unwrap();
            let until = Instant::now() + BACK;
            while self.token.module().reinitialise().is_err() {
                assert!(Instant::now() < until, "the calls came back, but the module is not free");
            }
            fs::remove_file(release).unwrap();
        }
    }

    fn is_right(&self, signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point);
        public.verify(&message(self.message), signature).is_ok()
    }

    fn nothing_was_signed_twice(&self) {
        let journal = fs::read_to_string(self.softhsm.dir().join("journal")).unwrap();
        let mut begun: Vec<&str> = journal.lines().filter(|line| line.starts_with("sign begin")).collect();
        let count = begun.len();
        begun.sort_unstable();
        begun.dedup_by_key(|line| line.split("data=").nth(1).unwrap_or_default().to_owned());
        assert_eq!(begun.len(), count, "a message was given to C_Sign twice");
        assert!(!journal.contains(PIN));
    }
}

/// No text of an error has the PIN.
fn of(error: &Error) -> String {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(PIN), "{text}");
    match error {
        Error::OutcomeUnknown { .. } => "outcome unknown".to_owned(),
        other => match other.class() {
            Class::Transient => "transient".to_owned(),
            Class::Permanent => "permanent".to_owned(),
            Class::AskPerson => "ask a person".to_owned(),
        },
    }
}

fn digest(message: u32) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, &self::message(message)).as_ref().try_into().unwrap()
}

fn message(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}
