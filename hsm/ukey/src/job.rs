//! The commands of personalisation on a token (steps 5 and 8 of the path).
//!
//! Each can be repeated after a crash or an unplug at any point: what is done is found and not done again, and the
//! last thing written is the one that says "done". A PIN is tried once; the SO PIN is one of two known ones. What a token
//! signs is checked before it leaves, what it writes is read back, and a call that hangs is answered for.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::{PROVE_CONTEXT, SignatureAlgorithm};
use hsm::{
    CertificateObject, Class, Error, Input, KeyAlgorithm, KeyId, KeyRef, Module, Pin, PinState, PublicKey,
    Session, SoPin, Token, TokenSerial,
};
use ring::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};

use crate::{
    certificate, leftover,
    protocol::{Attributes, Done, FailureCode, Outcome, Step},
};

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Token(Error),
    /// The command does not fit what is on the token.
    Command(&'static str),
    /// Nothing was discarded.
    Kept(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

/// A slow token takes half a minute for C_InitToken, and longer for the primes of an RSA key.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Tokens that a command of this process is at work on.
static BUSY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Does a command on the token with this serial number. While another one is at work on it, perhaps for ever because its
/// driver hangs, the token is refused: no PIN is given to it while another one is on its way there.
#[must_use]
pub fn execute(module: &Module, token: &str, step: Step) -> Outcome {
    match Busy::new(token) {
        Some(_busy) => settled(module, token, &step),
        None => hangs(token),
    }
}

/// As [`execute`], answered for after so long. The command then goes on by itself, and holds up no other token.
#[must_use]
pub fn execute_within(module: &Module, token: &str, step: Step, limit: Duration) -> Outcome {
    let (its_module, its_token) = (module.clone(), token.to_owned());
    let outcome = hsm::within(limit, move || execute(&its_module, &its_token, step));
    outcome.unwrap_or_else(|| hangs(token))
}

fn hangs(token: &str) -> Outcome {
    let error = Error::ModuleHangs { token: TokenSerial::new(token) };
    Outcome::Failed { code: FailureCode::of(&error), message: error.to_string() }
}

/// The token is at work, until dropped.
struct Busy(String);

impl Busy {
    /// `None` when it is already.
    fn new(token: &str) -> Option<Self> {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(token.to_owned()).then(|| Self(token.to_owned()))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn settled(module: &Module, token: &str, step: &Step) -> Outcome {
    let mut result = perform(module, token, step);
    if matches!(&result, Err(Failure::Token(error)) if matches!(error.cause(), Error::TokenBusy { .. })) {
        // A call that failed after its effect can leave a session behind. Nothing was tried with the PIN yet.
        result = match module.reinitialise() {
            // Nor can it be cleared: an earlier command on this token hangs.
            Err(error @ Error::ModuleHangs { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "C_Initialize");
                perform(module, token, step)
            }
            Ok(()) => perform(module, token, step),
        };
    }
    match result {
        Ok(done) => Outcome::Done(done),
        Err(Failure::Command(message)) => {
            Outcome::Failed { code: FailureCode::BadCommand, message: message.to_owned() }
        }
        Err(Failure::Kept(message)) => {
            Outcome::Failed { code: FailureCode::Kept, message: message.to_owned() }
        }
        Err(Failure::Token(error)) => {
            let mut code = FailureCode::of(&error);
            // Some modules (SoftHSM) give a general error for a token that was pulled out.
            let unclear = error.cause().class() == Class::Transient;
            if unclear && module.token(&TokenSerial::new(token)).is_err() {
                code = FailureCode::TokenRemoved;
            }
            Outcome::Failed { code, message: error.to_string() }
        }
    }
}

fn perform(module: &Module, token: &str, step: &Step) -> Result<Done, Failure> {
    // SoftHSM's ever-present blank token has no serial number: nothing can be bound to it.
    if token.is_empty() {
        return Err(Error::TokenAbsent { name: token.to_owned() }.into());
    }
    let token = module.token(&TokenSerial::new(token))?;
    match step {
        Step::Initialise { label, factory_so_pin, so_pin, user_pin } => {
            initialise(&token, label, factory_so_pin, so_pin, user_pin).map(|()| Done::Nothing {})
        }
        Step::Request { cka_id, algorithm, user_pin, subject_cn } => {
            request(&token.session(user_pin)?, cka_id, *algorithm, subject_cn)
        }
        Step::Write { cka_id, certificate, label, user_pin } => {
            write(&token.session(user_pin)?, cka_id, certificate, label)
        }
        Step::Prove { cka_id, challenge, user_pin } => prove(&token.session(user_pin)?, cka_id, challenge),
        Step::Unlock { so_pin, user_pin } => {
            // The SO PIN is tried once; what is on the token stays.
            token.so_session(so_pin)?.init_user_pin(user_pin)?;
            Ok(Done::Nothing {})
        }
        Step::Discard { cka_id, user_pin, revoked } => {
            leftover::discard(&token.session(user_pin)?, cka_id, revoked)
        }
    }
}

/// C_InitToken, SO PIN, user PIN, in this order: a token with our label and a user PIN is one where all was done.
fn initialise(
    token: &Token,
    label: &str,
    factory: &SoPin,
    so_pin: &SoPin,
    user_pin: &Pin,
) -> Result<(), Failure> {
    let info = token.info()?;
    if info.label == label && info.user_pin_initialised {
        return Ok(());
    }
    let (token, is_factory) = match token.init(factory, label) {
        Ok(token) => (token, true),
        // A second wrong SO PIN could destroy the token for good.
        Err(error @ Error::PinIncorrect { state: PinState::FinalTry | PinState::Locked, .. }) => {
            return Err(error.into());
        }
        // After a crash between the SO PIN and the user PIN it is the other known one.
        Err(Error::PinIncorrect { .. }) => (token.init(so_pin, label)?, false),
        Err(error) => return Err(error.into()),
    };
    let session = token.so_session(if is_factory { factory } else { so_pin })?;
    if is_factory {
        session.change_so_pin(factory, so_pin)?;
    }
    session.init_user_pin(user_pin)?;
    Ok(())
}

fn request(
    session: &Session,
    cka_id: &KeyId,
    algorithm: KeyAlgorithm,
    subject_cn: &str,
) -> Result<Done, Failure> {
    let key = match session.find_key(cka_id) {
        Ok(Some(key)) => key,
        Ok(None) => session.generate_key_pair(algorithm, cka_id, subject_cn)?,
        // Half a key pair is what a crash left; no request was ever made with it.
        Err(Error::KeyAbsent { .. }) => {
            session.delete_objects(cka_id)?;
            session.generate_key_pair(algorithm, cka_id, subject_cn)?
        }
        Err(error) => return Err(error.into()),
    };
    if key.algorithm() != algorithm {
        return Err(Failure::Command("the key with this CKA_ID has another algorithm"));
    }
    let attributes = session.attributes(&key)?;
    let spki = certificate::spki(key.public()).ok_or(Failure::Command("no request with this algorithm"))?;
    let info = ca_core::csr_info(subject_cn, &spki);
    let signature = sign(session, &key, &info)?;
    let csr = ca_core::assemble_csr(&info, signature_algorithm(&key), &signature);
    Ok(Done::Request {
        csr: BASE64.encode(csr),
        attributes: Attributes {
            local: attributes.local,
            sensitive: attributes.sensitive,
            always_sensitive: attributes.always_sensitive,
            extractable: attributes.extractable,
            never_extractable: attributes.never_extractable,
        },
    })
}

/// Beside older certificates, which stay until somebody retires them.
fn write(session: &Session, cka_id: &KeyId, der: &[u8], label: &str) -> Result<Done, Failure> {
    let fields = certificate::read(der).ok_or(Failure::Command("not a certificate"))?;
    let key = session.find_key(cka_id)?.ok_or(Failure::Command("no key with this CKA_ID"))?;
    if certificate::spki(key.public()).as_deref() != Some(&fields.spki) {
        return Err(Failure::Command("the certificate is not for the key with this CKA_ID"));
    }
    let object = CertificateObject {
        cka_id: cka_id.as_bytes().to_vec(),
        label: label.to_owned(),
        der: der.to_vec(),
        subject: fields.subject,
        issuer: fields.issuer,
        serial: fields.serial,
    };
    let before = under(session, cka_id)?;
    // What a write that was cut off left of it is no use to anybody.
    for cut in before.iter().filter(|old| old.len() < der.len() && der.starts_with(old)) {
        session.delete_certificate(cka_id, cut)?;
    }
    session.write_certificate(&object)?;
    let after = under(session, cka_id)?;
    if !after.iter().any(|read| read == der) {
        for spoilt in after.iter().filter(|read| !before.contains(read)) {
            session.delete_certificate(cka_id, spoilt)?;
        }
        return Err(encoding(session, "the certificate does not read back as written").into());
    }
    Ok(Done::Write { certificate: BASE64.encode(der) })
}

/// Certificates with this CKA_ID, DER.
fn under(session: &Session, cka_id: &KeyId) -> Result<Vec<Vec<u8>>, Error> {
    let all = session.certificates()?;
    Ok(all.into_iter().filter(|object| object.cka_id == cka_id.as_bytes()).map(|object| object.der).collect())
}

fn prove(session: &Session, cka_id: &KeyId, challenge: &[u8; 32]) -> Result<Done, Failure> {
    let key = session.find_key(cka_id)?.ok_or(Failure::Command("no key with this CKA_ID"))?;
    let signature = sign(session, &key, &[PROVE_CONTEXT, challenge].concat())?;
    Ok(Done::Prove { signature: BASE64.encode(signature) })
}

/// With SHA-256, in the form that X.509 writes it. A signature that is wrong does not leave.
pub(crate) fn sign(session: &Session, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = || encoding(session, "it made a wrong signature");
    match key.public() {
        PublicKey::Ec(point) => {
            let raw = session.sign(key, Input::Sha256(&sha256(message)))?;
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            public.verify(message, &raw).map_err(|_| wrong())?;
            ca_core::ecdsa_der(&raw).map_err(|_| wrong())
        }
        PublicKey::Rsa { n, e } => {
            let signature = session.sign(key, Input::Message(message))?;
            let public = RsaPublicKeyComponents { n, e };
            public.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature).map_err(|_| wrong())?;
            Ok(signature)
        }
        PublicKey::Ed25519(_) => session.sign(key, Input::Message(message)),
    }
}

fn encoding(session: &Session, what: &'static str) -> Error {
    Error::Encoding { token: session.token().clone(), what }
}

fn signature_algorithm(key: &KeyRef) -> SignatureAlgorithm {
    match key.algorithm() {
        KeyAlgorithm::EcP256 => SignatureAlgorithm::EcdsaP256Sha256,
        _ => SignatureAlgorithm::RsaSha256,
    }
}

/// SHA-256 in the form that tokens take.
pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, message).as_ref());
    octets
}
