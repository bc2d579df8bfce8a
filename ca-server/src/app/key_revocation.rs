//! Step 11: whoever can sign with the key may revoke its certificate, with no questions and no other proof: either it is the
//! holder, or the key is in other hands.
//!
//! Anybody may ask, so nothing is kept of a request before its signature is verified: the challenge is computed, and only
//! a wrong signature under a good challenge is an entry in the log.

use ca_core::{
    Action, Actor, CertificateCommand, NoticeAbout, NoticeKind, key_revocation_text, serial_of_certificate,
    verify_with_certificate,
};
use ca_store::{CertificateRecord, WriteSite};
use ca_verifier::{Reason, Serial, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    About, App,
    notice::{notice_id, notify},
    status::change_status,
};
use crate::{problem::Problem, rule::Rule, wire};

/// For which certificate: its serial number, or itself.
#[derive(Debug)]
pub(crate) enum Named {
    /// The serial number.
    Serial(Serial),
    /// The certificate, DER.
    Certificate(Vec<u8>),
}

/// What is to be signed.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) serial: Serial,
    pub(crate) challenge: String,
    pub(crate) text: String,
    pub(crate) expires_at: Time,
}

/// A signature that revokes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRevocation {
    /// The certificate, DER in base64; or `serial`.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    /// The certificate's serial number, hexadecimal; or `certificate`.
    #[serde(default)]
    pub(crate) serial: Option<String>,
    /// From `…/challenge`.
    pub(crate) challenge: String,
    /// Of the text, in base64: SHA-256 with ECDSA (DER) or RSA (PKCS#1 v1.5).
    pub(crate) signature: String,
}

impl App {
    /// What to sign. Whether there is such a certificate is not looked up: nothing is told, and nothing read.
    pub(crate) fn key_challenge(&self, serial: Serial) -> Result<Challenge, Problem> {
        let (challenge, expires_at) = self.revocation_key.challenge(&serial, wire::random()?, wire::now());
        let text = key_revocation_text(&serial, &challenge);
        Ok(Challenge { serial, challenge, text, expires_at })
    }

    /// Revokes for keyCompromise, whatever the certificate's state was; gives since when.
    pub(crate) async fn revoke_by_key(
        &self,
        named: Named,
        challenge: &str,
        signature: &[u8],
    ) -> Result<(Serial, Time), Problem> {
        let serial = match &named {
            Named::Serial(serial) => *serial,
            Named::Certificate(der) => {
                serial_of_certificate(der).map_err(|_| Problem::not_found("certificate"))?
            }
        };
        if !self.revocation_key.is_good(&serial, challenge, wire::now()) {
            return Err(Problem::new(Rule::KeyChallenge));
        }
        let record = self.store.read(|reader| reader.certificate(&serial))?;
        let record = record.ok_or_else(|| Problem::not_found("certificate"))?;
        if matches!(&named, Named::Certificate(der) if *der != record.der) {
            return Err(Problem::not_found("certificate"));
        }
        let text = key_revocation_text(&serial, challenge);
        let right = verify_with_certificate(&record.der, text.as_bytes(), signature).is_ok();
        let (actor, id) = (Actor::System("key-revocation"), serial.to_string());
        let about =
            About { actor: &actor, action: Action::RevokeCertificate, object: "certificate", id: &id };
        self.audited(about, async {
            match right {
                true => self.end_by_key(serial, record).await,
                false => Err(Problem::new(Rule::KeySignature)),
            }
        })
        .await
    }

    async fn end_by_key(&self, serial: Serial, record: CertificateRecord) -> Result<(Serial, Time), Problem> {
        self.store
            .write(WriteSite::RevokeByKey, move |tx| {
                let now = wire::now();
                let actor = Actor::Holder(serial.to_string());
                let command = CertificateCommand::Revoke { reason: Reason::KeyCompromise, at: now };
                change_status(tx, &actor, Action::RevokeCertificate, serial, command, now)?;
                let known = record.application.map(|id| tx.application(&id)).transpose()?.flatten();
                if let Some(known) = known {
                    let about = NoticeAbout::Application(known.id);
                    notify(tx, notice_id(now)?, NoticeKind::KeyRevoked, about, &known.agent)?;
                }
                Ok((serial, now))
            })
            .await
    }
}
