//! A whole personalisation whose commands can be disturbed one by one, and what must be true at its end.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::PROVE_CONTEXT;
use hsm::{KeyId, Pin, PinState, SoPin, Token, testing::SoftHsm};
use serde_json::Value;
use ukey::protocol::{Done, Outcome};
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use super::{
    ATTEMPT, Ca,
    commands::{self, CHALLENGE, DERIVED, FACTORY},
    spki_of_csr,
};

pub(crate) const PIN: &str = "59302817";
const LABEL: &str = "QY 1";
/// In the order in which a server sends them.
pub(crate) const COMMANDS: [&str; 4] = ["initialise", "request", "write", "prove"];
/// A clerk plugs the token in again once or twice.
const TRIES: usize = 4;

/// How a command ends: `Err` when its process did not live to say so.
pub(crate) type Ended = Result<Outcome, String>;

/// A token as it leaves the factory, and nothing else of its kind.
pub(crate) fn from_factory(softhsm: &SoftHsm) -> Token {
    softhsm.init_token("from the factory", FACTORY, "000000")
}

pub(crate) struct Personalisation<'a> {
    pub(crate) ca: &'a Ca,
    pub(crate) algorithm: &'a str,
    /// Said when something is wrong.
    pub(crate) fault: &'a str,
}

impl Personalisation<'_> {
    /// Each command, again and again until it is done. `run` gets its number and how often it was tried. Gives what each
    /// was told before, and the certificate.
    pub(crate) fn finish(
        &self,
        mut run: impl FnMut(usize, usize, Value) -> Ended,
    ) -> ([Vec<String>; 4], Vec<u8>) {
        let mut told: [Vec<String>; 4] = Default::default();
        let mut one = |number: usize, command: Value| {
            for tried in 0..TRIES {
                match run(number, tried, command.clone()) {
                    Ok(Outcome::Done(done)) => return done,
                    Ok(Outcome::Failed { code, message }) => {
                        self.tells_no_pin(&message);
                        told[number].push(code.as_str().to_owned());
                    }
                    Err(death) => {
                        self.tells_no_pin(&death);
                        told[number].push("dies".to_owned());
                    }
                }
            }
            panic!("{}: {}: {:?}", self.fault, COMMANDS[number], told[number])
        };
        one(0, commands::initialise(LABEL, PIN));
        let made = one(1, commands::request(ATTEMPT, self.algorithm, PIN));
        let Done::Request { csr, .. } = made else { unreachable!() };
        let csr = BASE64.decode(csr).unwrap();
        let (_, request) = X509CertificationRequest::from_der(&csr).unwrap();
        request.verify_signature().unwrap();
        let der = self.ca.issue(&spki_of_csr(&csr), "unit");
        let written = one(2, commands::write(ATTEMPT, &der, "x", PIN));
        assert_eq!(written, Done::Write { certificate: BASE64.encode(&der) }, "{}", self.fault);
        let Done::Prove { signature } = one(3, commands::prove(ATTEMPT, PIN)) else { unreachable!() };
        let message = [PROVE_CONTEXT, &CHALLENGE].concat();
        ca_core::verify_with_certificate(&der, &message, &BASE64.decode(signature).unwrap()).unwrap();
        (told, der)
    }

    fn tells_no_pin(&self, text: &str) {
        for secret in [PIN, FACTORY, DERIVED] {
            assert!(!text.contains(secret), "{}: {text}", self.fault);
        }
    }

    /// One key pair with its certificate and nothing else; both PINs are the new ones.
    pub(crate) fn is_good(&self, token: &Token, der: &[u8]) {
        let info = token.info().unwrap();
        assert_eq!((info.label.as_str(), info.pin, info.so_pin), (LABEL, PinState::Ok, PinState::Ok));
        let session = token.session(&Pin::new(PIN.to_owned()).unwrap()).unwrap();
        let id = KeyId::new(&hex::decode(ATTEMPT).unwrap()).unwrap();
        let mut classes: Vec<_> =
            session.objects(&id).unwrap().into_iter().map(|object| object.class).collect();
        classes.sort();
        assert_eq!(classes, ["CKO_CERTIFICATE", "CKO_PRIVATE_KEY", "CKO_PUBLIC_KEY"], "{}", self.fault);
        assert_eq!(session.keys_and_certificates().unwrap().len(), 3, "{}", self.fault);
        assert_eq!(session.certificates().unwrap()[0].der, der, "{}", self.fault);
        drop(session);
        token.so_session(&SoPin::new(DERIVED.to_owned()).unwrap()).unwrap();
    }
}

/// `mended` when nothing was told.
pub(crate) fn told(codes: &[String]) -> String {
    if codes.is_empty() { "mended".to_owned() } else { codes.join("+") }
}
