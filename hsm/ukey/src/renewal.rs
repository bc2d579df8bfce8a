//! Step 11, the holder's side: a new key on the holder's own token, over mutual TLS with the certificate that is
//! renewed. The server says what is to be done next, as it does to a workstation; the PIN stays here.
//!
//! Resumable: what was done is found and not done again. A command that failed ends the program, so that no PIN is
//! tried twice; starting it again goes on where it ended. What an attempt that was given up left on the token is cleared
//! away first, if the server and this program agree that it is over.

use std::time::{SystemTime, UNIX_EPOCH};

use ca_verifier::Time;
use hsm::{KeyId, Pin};
use hyper::Method;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    Error, certificate,
    client::Client,
    counter::Event,
    job, leftover,
    protocol::{Envelope, FailureCode, Outcome, Report, Step, TokenSeen},
    standing::{Known, Question, Standing},
    tls::Identity,
};

/// A renewal on a token.
pub struct Renewal {
    /// The certificate that the server knows this program by, and its token.
    pub identity: Identity,
    /// The token's PIN, given to each command; no command of the server carries one.
    pub pin: Zeroizing<String>,
    /// The roots that the holder trusts: what they lead to is believed about a certificate that is to be cleared away.
    pub anchors: Vec<CertificateDer<'static>>,
}

impl Renewal {
    /// Renews; gives the new certificate's serial number, hexadecimal.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no renewal to be executed or the certificate is not good;
    /// [`Error::Renewal`] when the token failed; the client's errors.
    pub async fn run(self, client: &mut Client, mut notify: impl FnMut(Event)) -> Result<String, Error> {
        let token = self.identity.token().clone();
        let (pin, in_use) = (Pin::new(self.pin.clone())?, self.identity.cka_id().clone());
        let (seen, mut leftovers) = blocking(move || {
            let session = token.session(&pin)?;
            Ok::<_, Error>((TokenSeen::from(token.info()?), leftover::identifiers(&session, &in_use)?))
        })
        .await??;
        let mut report: Option<Report> = None;
        let mut start = true;
        loop {
            let body = json!({ "tokens": [&seen], "report": report, "start": start, "leftovers": leftovers });
            let answer = client.request(Method::POST, "/api/v1/renewals/exchange", Some(&body), &[]).await?;
            let answer = answer.accepted()?;
            if let Some(Report { outcome: Outcome::Failed { code, message }, .. }) = report
                && code != FailureCode::Kept
            {
                return Err(Error::Renewal { code, message });
            }
            (report, start) = (None, false);
            if answer.status == 200 {
                let mut command = answer.json();
                if let Some(serial) = command.get("renewed").and_then(Value::as_str) {
                    return Ok(serial.to_owned());
                }
                command["user_pin"] = Value::String(self.pin.to_string());
                let done = self.obey(&seen.serial, command, &leftovers, &mut notify).await?;
                // Asked once: what was kept is not offered again.
                leftovers.retain(|id| *id != done.attempt);
                report = Some(done);
            }
        }
    }

    async fn obey(
        &self,
        serial: &str,
        command: Value,
        leftovers: &[String],
        notify: &mut impl FnMut(Event),
    ) -> Result<Report, Error> {
        let Envelope { attempt, command, token, step, .. } = Envelope::read(command);
        notify(Event::Begun { command: command.clone(), token: token.clone() });
        let step = match step {
            // Nothing else can be asked of a token that holds a certificate in use.
            Some(step @ (Step::Request { .. } | Step::Write { .. } | Step::Prove { .. })) => Some(step),
            Some(Step::Discard { cka_id, user_pin, .. })
                if cka_id.to_string() == attempt && leftovers.contains(&attempt) =>
            {
                let revoked = self.revoked(&cka_id).await?;
                Some(Step::Discard { cka_id, user_pin, revoked })
            }
            _ => None,
        };
        let outcome = match step.filter(|_| token == serial) {
            Some(step) => {
                let (module, name) = (self.identity.token().module().clone(), token.clone());
                blocking(move || job::execute_within(&module, &name, step, job::ANSWER_WITHIN)).await?
            }
            None => Outcome::Failed {
                code: FailureCode::BadCommand,
                message: "not a command of a renewal".to_owned(),
            },
        };
        match &outcome {
            Outcome::Done(_) => notify(Event::Done { command: command.clone(), token }),
            Outcome::Failed { code: code @ FailureCode::Kept, message } => {
                let (code, message) = (*code, message.clone());
                notify(Event::Failed { command: command.clone(), token, code, message });
            }
            Outcome::Failed { .. } => {}
        }
        Ok(Report { attempt, command, outcome })
    }

    /// The certificates with this CKA_ID that the CA itself calls revoked, in an answer that leads to the holder's root.
    async fn revoked(&self, id: &KeyId) -> Result<Vec<Vec<u8>>, Error> {
        let token = self.identity.token().clone();
        let objects = blocking(move || token.certificates()).await??;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = Time::from_secs(i64::try_from(now).unwrap_or(i64::MAX));
        let mut revoked = Vec::new();
        for object in objects.into_iter().filter(|object| object.cka_id == id.as_bytes()) {
            let Some(fields) = certificate::read(&object.der) else { continue };
            let (anchors, issuers) = (self.anchors.as_slice(), self.identity.chain());
            let question = Question { der: &object.der, fields: &fields, anchors, issuers, now };
            if matches!(
                question.ask().await,
                Ok(Known { standing: Some(Standing::Revoked(_)), proved: true, .. })
            ) {
                revoked.push(object.der);
            }
        }
        Ok(revoked)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::System(std::io::Error::other(error)))
}
