//! Step 11: whoever can sign with a key revokes its certificates for ever (docs/counter.md, "Revocation with the key").
//!
//! No certificate is offered to the server: one that is on hold, not activated or revoked already would be let in nowhere.
//! What is signed is put together here from the server's challenge, so that the server cannot have anything else signed.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::key_revocation_text;
use ca_verifier::Serial;
use hsm::{KeyId, Pin, Token};
use hyper::Method;
use serde_json::json;

use crate::{
    Error,
    certificate::{self, Fields},
    client::Client,
    job,
};

const PATH: &str = "/api/v1/key-revocations";

/// A certificate on the token.
#[derive(Debug)]
pub struct Candidate {
    /// What it says.
    pub fields: Fields,
    cka_id: KeyId,
    serial: Serial,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is revoked, since then.
    Revoked(String),
    /// It was revoked before.
    Already,
    /// The CA has no such certificate.
    Unknown,
    /// The token has not its key.
    NoKey,
}

/// The certificates of a token that have not ended, or the one with this serial number.
///
/// # Errors
/// [`Error::NoCertificate`], [`Error::Hsm`].
pub fn candidates(token: &Token, serial: Option<&str>, now: i64) -> Result<Vec<Candidate>, Error> {
    let read = token.certificates()?.into_iter().filter_map(|object| {
        let fields = certificate::read(&object.der)?;
        let (cka_id, serial) = (KeyId::new(&object.cka_id).ok()?, Serial::from_hex(&fields.serial_hex).ok()?);
        Some(Candidate { fields, cka_id, serial })
    });
    let wanted = |candidate: &Candidate| match serial {
        Some(named) => candidate.fields.serial_hex.eq_ignore_ascii_case(named),
        None => now <= candidate.fields.not_after,
    };
    let found: Vec<_> = read.filter(wanted).collect();
    if found.is_empty() {
        return Err(Error::NoCertificate { token: token.serial().to_string() });
    }
    Ok(found)
}

/// Revokes them; `told` hears of each. The PIN is tried once, after the server has answered.
///
/// # Errors
/// The client's, the token's; [`Error::Refused`] when the server says something else than that it is revoked already or unknown.
pub async fn revoke(
    client: &mut Client,
    token: &Token,
    pin: &Pin,
    candidates: &[Candidate],
    mut told: impl FnMut(&Candidate, &Outcome),
) -> Result<(), Error> {
    let mut challenges = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let body = json!({ "serial": candidate.serial.to_string() });
        let path = format!("{PATH}/challenge");
        let made = client.request(Method::POST, &path, Some(&body), &[]).await?.accepted()?.json();
        challenges.push(made["challenge"].as_str().unwrap_or_default().to_owned());
    }
    let signatures = sign(token, pin, candidates, &challenges)?;
    for ((candidate, challenge), signature) in candidates.iter().zip(&challenges).zip(signatures) {
        let outcome = match signature {
            Some(signature) => send(client, candidate, challenge, &signature).await?,
            None => Outcome::NoKey,
        };
        told(candidate, &outcome);
    }
    Ok(())
}

/// One login for all of them; `None` for one whose key is not there.
fn sign(
    token: &Token,
    pin: &Pin,
    candidates: &[Candidate],
    challenges: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let session = token.session(pin)?;
    let mut signatures = Vec::with_capacity(candidates.len());
    for (candidate, challenge) in candidates.iter().zip(challenges) {
        let key = session.find_key(&candidate.cka_id)?;
        let key = key.filter(|key| certificate::spki(key.public()).as_ref() == Some(&candidate.fields.spki));
        let text = key_revocation_text(&candidate.serial, challenge);
        signatures.push(key.map(|key| job::sign(&session, &key, text.as_bytes())).transpose()?);
    }
    Ok(signatures)
}

async fn send(
    client: &mut Client,
    candidate: &Candidate,
    challenge: &str,
    signature: &[u8],
) -> Result<Outcome, Error> {
    let body = json!({ "serial": candidate.serial.to_string(), "challenge": challenge,
        "signature": BASE64.encode(signature) });
    let answer = client.request(Method::POST, PATH, Some(&body), &[]).await?;
    let document = answer.json();
    match (answer.status, document["title"].as_str()) {
        (409, Some("revoked-for-ever")) => Ok(Outcome::Already),
        (404, _) => Ok(Outcome::Unknown),
        _ => {
            answer.accepted()?;
            Ok(Outcome::Revoked(document["revoked_at"].as_str().unwrap_or_default().to_owned()))
        }
    }
}
