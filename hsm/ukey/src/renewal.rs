//! Step 11, the holder's side: a new key on the holder's own token, over mutual TLS with the certificate that is
//! renewed. The server says what is to be done next, as it does to a workstation; the PIN stays here.
//!
//! Resumable: what was done is found and not done again. A command that failed ends the program, so that no PIN is
//! tried twice; starting it again goes on where it ended.

use hsm::Token;
use hyper::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    Error,
    client::Client,
    counter::Event,
    job,
    protocol::{Envelope, Outcome, Report, Step, TokenSeen},
};

/// The token that is renewed, and its PIN.
pub struct Renewal {
    /// The token.
    pub token: Token,
    /// Its PIN, given to each command; no command of the server carries one.
    pub pin: Zeroizing<String>,
}

impl Renewal {
    /// Renews; gives the new certificate's serial number, hexadecimal.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no renewal to be executed or the certificate is not good;
    /// [`Error::Renewal`] when the token failed; the client's errors.
    pub async fn run(self, client: &mut Client, mut notify: impl FnMut(Event)) -> Result<String, Error> {
        let seen = TokenSeen::from(self.token.info()?);
        let mut report: Option<Report> = None;
        let mut start = true;
        loop {
            let body = json!({ "tokens": [&seen], "report": report, "start": start });
            let answer = client.request(Method::POST, "/api/v1/renewals/exchange", Some(&body), &[]).await?;
            let answer = answer.accepted()?;
            if let Some(Report { outcome: Outcome::Failed { code, message }, .. }) = report {
                return Err(Error::Renewal { code, message });
            }
            (report, start) = (None, false);
            if answer.status == 200 {
                let mut command = answer.json();
                if let Some(serial) = command.get("renewed").and_then(Value::as_str) {
                    return Ok(serial.to_owned());
                }
                command["user_pin"] = Value::String(self.pin.to_string());
                report = Some(self.obey(&seen.serial, command, &mut notify).await?);
            }
        }
    }

    async fn obey(
        &self,
        serial: &str,
        command: Value,
        notify: &mut impl FnMut(Event),
    ) -> Result<Report, Error> {
        let Envelope { attempt, command, token, step, .. } = Envelope::read(command);
        notify(Event::Begun { command: command.clone(), token: token.clone() });
        let outcome = match step {
            // Nothing else can be asked of a token that holds a certificate in use.
            Some(step @ (Step::Request { .. } | Step::Write { .. } | Step::Prove { .. }))
                if token == serial =>
            {
                let (module, name) = (self.token.module().clone(), token.clone());
                tokio::task::spawn_blocking(move || job::execute(&module, &name, step))
                    .await
                    .map_err(|error| Error::System(std::io::Error::other(error)))?
            }
            _ => Outcome::Failed {
                code: crate::protocol::FailureCode::BadCommand,
                message: "not a command of a renewal".to_owned(),
            },
        };
        if let Outcome::Done(_) = outcome {
            notify(Event::Done { command: command.clone(), token });
        }
        Ok(Report { attempt, command, outcome })
    }
}
