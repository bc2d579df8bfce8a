//! Whether a U-key does what it is for, step by step: it is there, it has a certificate, the PIN is right, the key is the
//! certificate's, the portal is reached and trusted, and lets the unit in.
//!
//! The first step that fails ends the trial: what comes after needs it. The PIN is tried once.

use ca_core::PROVE_CONTEXT;
use hsm::{Input, KeyAlgorithm, KeyRef, Module, Session, Token, TokenInfo};
use hyper::Method;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::{
    Error,
    certificate::{self, Fields},
    client::Client,
    job::sha256,
    tls::Identity,
};

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The token is plugged in.
    Token,
    /// It has a certificate that is valid by its dates.
    Certificate,
    /// It takes the PIN.
    Pin,
    /// Its key signs, and the certificate verifies that.
    Key,
    /// The portal answers, and its certificate is trusted.
    Portal,
    /// The portal lets the unit in.
    Login,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Token, Self::Certificate, Self::Pin, Self::Key, Self::Portal, Self::Login];

    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Pin => "pin",
            Self::Key => "key",
            Self::Portal => "portal",
            Self::Login => "login",
        }
    }
}

/// What is wrong.
#[derive(Debug)]
pub enum Fault {
    /// As everywhere.
    Error(Error),
    /// No certificate is on the token.
    NoCertificate,
    /// Its last certificate ended, at this second.
    Expired(i64),
    /// Its certificate begins at this second.
    NotYetValid(i64),
    /// No key lies beside the certificate.
    NoKey,
    /// The key beside the certificate is another one, or its signature does not verify.
    KeyDiffers,
    /// The portal refuses: its own word for why, and its document.
    Refused {
        /// Such as `not-activated`.
        code: String,
        /// HTTP status.
        status: u16,
        /// Why in detail, English.
        detail: String,
    },
}

impl Fault {
    /// The portal refuses because the certificate is revoked: another one on the token may do.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "revoked")
    }
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// The certificate that the portal would be shown.
pub struct Candidate {
    fields: Fields,
    der: Vec<u8>,
    cka_id: Vec<u8>,
}

impl Candidate {
    /// What it says.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// The token with this label or serial number; without a name, the only one that is initialised.
///
/// # Errors
/// [`Error::NoToken`], [`Error::SeveralTokens`], [`Error::Hsm`].
pub fn find_token(module: &Module, name: Option<&str>) -> Result<Token, Error> {
    if let Some(name) = name {
        return Ok(module.token_named(name)?);
    }
    let usable: Vec<TokenInfo> = module.tokens()?.into_iter().filter(|info| info.initialised).collect();
    match &usable[..] {
        [only] => Ok(module.token(&only.serial)?),
        [] => Err(Error::NoToken),
        several => Err(Error::SeveralTokens(several.len())),
    }
}

/// Of the token's certificates, the one that ends last.
///
/// # Errors
/// [`Fault::NoCertificate`], [`Fault::Expired`], [`Fault::NotYetValid`].
pub fn find_certificate(token: &Token, now: i64) -> Result<Candidate, Fault> {
    let read = token.certificates()?.into_iter().filter_map(|object| {
        let fields = certificate::read(&object.der)?;
        Some(Candidate { fields, der: object.der, cka_id: object.cka_id })
    });
    let last = read.max_by_key(|candidate| (candidate.fields.not_after, candidate.fields.not_before));
    let last = last.ok_or(Fault::NoCertificate)?;
    if now > last.fields.not_after {
        return Err(Fault::Expired(last.fields.not_after));
    }
    if now < last.fields.not_before {
        return Err(Fault::NotYetValid(last.fields.not_before));
    }
    Ok(last)
}

/// Signs something with the key beside the certificate and verifies it with the certificate.
///
/// # Errors
/// [`Fault::NoKey`], [`Fault::KeyDiffers`], [`Fault::Error`].
pub fn sign(session: &Session, candidate: &Candidate) -> Result<(), Fault> {
    let cka_id = hsm::KeyId::new(&candidate.cka_id).map_err(|_| Fault::NoKey)?;
    let key = session.find_key(&cka_id)?.ok_or(Fault::NoKey)?;
    if certificate::spki(key.public()).as_ref() != Some(&candidate.fields.spki) {
        return Err(Fault::KeyDiffers);
    }
    let mut challenge = [0; 32];
    SystemRandom::new().fill(&mut challenge).map_err(|_| Error::Enrolment(crate::Enrolment::Randomness))?;
    // Never a bare challenge: it could be the hash of a document.
    let message = [PROVE_CONTEXT, &challenge].concat();
    let signature = signature(session, &key, &message)?;
    ca_core::verify_with_certificate(&candidate.der, &message, &signature).map_err(|_| Fault::KeyDiffers)
}

fn signature(session: &Session, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, Fault> {
    if key.algorithm() != KeyAlgorithm::EcP256 {
        return Ok(session.sign(key, Input::Message(message))?);
    }
    let raw = session.sign(key, Input::Sha256(&sha256(message)))?;
    ca_core::ecdsa_der(&raw).map_err(|_| Fault::KeyDiffers)
}

/// Makes the connection, without asking for anything.
///
/// # Errors
/// The client's.
pub async fn reach(
    portal: &str,
    anchors: &[CertificateDer<'static>],
    identity: &Identity,
) -> Result<Client, Fault> {
    Ok(Client::connect(portal, anchors, Some(identity)).await?)
}

/// Logs in; gives the name by which the portal greets.
///
/// # Errors
/// [`Fault::Refused`], the client's.
pub async fn log_in(client: &mut Client) -> Result<String, Fault> {
    let answer = client.request(Method::GET, "/", None, &[]).await?;
    let document = answer.json();
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if answer.status == 200 {
        return Ok(text("name"));
    }
    Err(Fault::Refused { code: text("code"), status: answer.status, detail: text("detail") })
}
