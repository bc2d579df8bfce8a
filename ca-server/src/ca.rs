//! The CA as a running server holds it: certificates, and signers whose keys stay in the issuing token.

use std::{collections::HashMap, sync::Arc};

use ca_core::{Issuer, Responder, Urls};
use hsm::{Input, KeyAlgorithm, Module, Pin, PublicKey, SessionPool, Token};
use ring::digest::{SHA256, digest};

use crate::{config::Config, files, problem::Failure};

/// Labels of the keys on the issuing token.
pub(crate) mod label {
    /// Signs certificates and CRLs.
    pub(crate) const ISSUING: &str = "issuing";
    /// Signs OCSP answers.
    pub(crate) const OCSP: &str = "ocsp";
    /// Will sign the log's checkpoints (Ed25519).
    pub(crate) const LOG: &str = "log";
    /// HMAC key: SO PINs, activation codes, challenges are computed by it and stored nowhere.
    pub(crate) const SECRETS: &str = "secrets";
    /// The root's own token has this one key.
    pub(crate) const ROOT: &str = "root";
}

/// What the server needs of its CA.
pub(crate) struct Ca {
    pub(crate) issuing: Issuer,
    pub(crate) responder: Responder,
    pub(crate) urls: Urls,
    pool: Arc<SessionPool>,
    issuing_algorithm: KeyAlgorithm,
    responder_algorithm: KeyAlgorithm,
    certificates: HashMap<String, Vec<u8>>,
}

impl Ca {
    /// Opens the issuing token and compares its keys with the registered certificates.
    pub(crate) fn open(config: &Config, certificates: HashMap<String, Vec<u8>>) -> Result<Self, Failure> {
        let module = Module::load(&config.hsm.module)?;
        let token = module.token_named(&config.hsm.issuing_token)?;
        let pin = Pin::new(files::read_secret(&config.hsm.issuing_pin_file)?)?;
        let pool = Arc::new(SessionPool::open(&token, pin, config.hsm.sessions)?);
        let find = |name: &str| {
            certificates.get(name).ok_or_else(|| Failure::inconsistent(format!("no certificate {name}")))
        };
        let issuing = Issuer::load(find(label::ISSUING)?).map_err(Failure::inconsistent)?;
        let responder = Responder::load(find(label::OCSP)?).map_err(Failure::inconsistent)?;
        let issuing_algorithm = matching_key(&pool, label::ISSUING, find(label::ISSUING)?)?;
        let responder_algorithm = matching_key(&pool, label::OCSP, find(label::OCSP)?)?;
        let urls = urls(&config.urls.status, &config.urls.cps)?;
        Ok(Self { issuing, responder, urls, pool, issuing_algorithm, responder_algorithm, certificates })
    }

    /// Signs certificates and CRLs.
    pub(crate) fn issuing_signer(&self) -> Signer {
        Signer { pool: Arc::clone(&self.pool), label: label::ISSUING, algorithm: self.issuing_algorithm }
    }

    /// Signs OCSP answers.
    pub(crate) fn responder_signer(&self) -> Signer {
        Signer { pool: Arc::clone(&self.pool), label: label::OCSP, algorithm: self.responder_algorithm }
    }

    /// Computes secrets that are stored nowhere.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets { pool: Arc::clone(&self.pool) }
    }

    /// A CA certificate, by the name in `/ca/{name}.cer`.
    pub(crate) fn certificate(&self, name: &str) -> Option<&[u8]> {
        self.certificates.get(name).map(Vec::as_slice)
    }
}

/// Signs the root's CRLs. The root's token is there for one command, not for the server.
pub(crate) fn root_signer(token: &Token, pin: Pin, certificate: &[u8]) -> Result<Signer, Failure> {
    let pool = Arc::new(SessionPool::open(token, pin, 1)?);
    let algorithm = matching_key(&pool, label::ROOT, certificate)?;
    Ok(Signer { pool, label: label::ROOT, algorithm })
}

/// What certificates say of where to ask.
pub(crate) fn urls(status: &str, cps: &str) -> Result<Urls, Failure> {
    let (ocsp, ca, crl) = (format!("{status}/ocsp"), format!("{status}/ca"), format!("{status}/crl"));
    Urls::new(&ocsp, &ca, &crl, cps).map_err(Failure::inconsistent)
}

fn matching_key(pool: &SessionPool, label: &str, certificate: &[u8]) -> Result<KeyAlgorithm, Failure> {
    let key = pool.key(label)?;
    if spki(key.public())? != ca_core::spki_of_certificate(certificate).map_err(Failure::inconsistent)? {
        let what = format!(
            "the key {label} on token {} does not belong to the registered certificate",
            pool.token()
        );
        return Err(Failure::inconsistent(what));
    }
    Ok(key.algorithm())
}

/// SubjectPublicKeyInfo of a key on a token.
pub(crate) fn spki(public: &PublicKey) -> Result<Vec<u8>, Failure> {
    match public {
        PublicKey::Ec(point) => Ok(ca_core::spki_from_ec_point(point)),
        PublicKey::Rsa { n, e } => Ok(ca_core::spki_from_rsa(n, e)),
        other => Err(Failure::inconsistent(format!("{other:?} cannot be in a certificate here"))),
    }
}

/// A key in a token of the CA that signs.
#[derive(Clone)]
pub(crate) struct Signer {
    pool: Arc<SessionPool>,
    label: &'static str,
    algorithm: KeyAlgorithm,
}

impl Signer {
    /// One C_Sign, in the form that X.509 wants.
    pub(crate) fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, hsm::Error> {
        sign_with(self.algorithm, tbs, |input| self.pool.sign(self.label, input))
    }
}

/// One signature over `message`, in the form that X.509 wants; ECDSA tokens sign the digest.
pub(crate) fn sign_with(
    algorithm: KeyAlgorithm,
    message: &[u8],
    sign: impl FnOnce(Input<'_>) -> Result<Vec<u8>, hsm::Error>,
) -> Result<Vec<u8>, hsm::Error> {
    if algorithm != KeyAlgorithm::EcP256 {
        return sign(Input::Message(message));
    }
    let sha256: [u8; 32] = digest(&SHA256, message).as_ref().try_into().unwrap_or_default();
    let raw = sign(Input::Sha256(&sha256))?;
    // A raw signature of another length cannot be encoded; it fails the check with the public key that follows.
    Ok(ca_core::ecdsa_der(&raw).unwrap_or(raw))
}

/// The HMAC key in the issuing token.
pub(crate) struct Secrets {
    pool: Arc<SessionPool>,
}

impl Secrets {
    /// HMAC-SHA-256.
    pub(crate) fn hmac(&self, message: &[u8]) -> Result<[u8; 32], hsm::Error> {
        self.pool.hmac_sha256(label::SECRETS, message)
    }
}
