//! One attempt at personalising a token (steps 5 to 8 of the path), as the server drives it.
//!
//! The database keeps this state; the workstation keeps none. After a crash on either side the server asks again
//! for the step that the state names, and every step may be repeated without harm, except the signature: an
//! attempt whose signature's outcome is unknown is abandoned (I3).
//!
//! ```text
//! claimed ▶ bound ▶ initialised ▶ intended ▶ signed ▶ written ▶ proved ▶ delivered
//!     any of them ──abandon──▶ abandoned            an unlock: claimed ▶ bound ──unlock──▶ delivered
//! ```
//! A key of which no token gave evidence (EST, RFC 7030) has [`UNATTESTED`] in the token's place: such an attempt is
//! neither written nor proved on a token, its certificate goes out with the answer (`signed ─answer▶ delivered`).

use ca_verifier::Serial;

use crate::Refusal;

/// Stands for the token's serial number where no token gave evidence of the key. Longer than the 16 characters that
/// PKCS#11 has for a serial number, so that it can be none.
pub const UNATTESTED: &str = "origin:unattested";

/// How far the attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptState {
    /// A workstation holds the application; no token is known yet.
    Claimed,
    /// This token, by its serial number, and no other.
    Bound {
        /// The token's own serial number.
        token: String,
    },
    /// The token has our SO PIN and the initial user PIN.
    Initialised {
        /// The token.
        token: String,
    },
    /// The key pair is on the token, its CSR was validated and the intent is durable; a signature may exist.
    Intended {
        /// The token.
        token: String,
        /// The serial number that may have been signed.
        serial: Serial,
    },
    /// The certificate is durable.
    Signed {
        /// The token.
        token: String,
        /// The certificate.
        serial: Serial,
    },
    /// The certificate is on the token and was read back, byte for byte.
    Written {
        /// The token.
        token: String,
        /// The certificate.
        serial: Serial,
    },
    /// The token signed a fresh challenge with the certificate's key.
    Proved {
        /// The token.
        token: String,
        /// The certificate.
        serial: Serial,
    },
    /// Handed over.
    Delivered {
        /// The token.
        token: String,
        /// The certificate.
        serial: Serial,
    },
    /// Ended without a certificate in anybody's hands.
    Abandoned {
        /// Why, for the log and the counter.
        reason: String,
    },
}

/// What can happen to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptCommand {
    /// The workstation saw the token.
    Bind {
        /// Its serial number.
        token: String,
    },
    /// PINs are set.
    Initialise,
    /// The CSR was validated and the intent is being recorded.
    Intend {
        /// Its serial number.
        serial: Serial,
    },
    /// The certificate is being committed.
    Sign {
        /// Its serial number.
        serial: Serial,
    },
    /// It was written and read back.
    Write,
    /// The challenge was signed.
    Prove,
    /// The token was handed over.
    Deliver,
    /// The certificate goes to its holder with the answer to the request.
    Answer,
    /// The holder's own token has a new PIN; what is on it stays.
    Unlock {
        /// The certificate on it.
        serial: Serial,
    },
    /// Give up.
    Abandon {
        /// Why.
        reason: String,
    },
}

impl AttemptState {
    /// The next state.
    ///
    /// # Errors
    /// [`Refusal`]: the attempt stays as it was.
    pub fn transition(self, command: AttemptCommand) -> Result<Self, Refusal> {
        use AttemptCommand as C;
        use AttemptState as S;
        match (self, command) {
            (S::Claimed, C::Bind { token }) => Ok(S::Bound { token }),
            (S::Bound { token }, C::Initialise) => Ok(S::Initialised { token }),
            (S::Initialised { token }, C::Intend { serial }) => Ok(S::Intended { token, serial }),
            (S::Intended { token, serial: held }, C::Sign { serial }) if held == serial => {
                Ok(S::Signed { token, serial })
            }
            (S::Signed { token, serial }, C::Write) if token != UNATTESTED => {
                Ok(S::Written { token, serial })
            }
            (S::Signed { token, serial }, C::Answer) if token == UNATTESTED => {
                Ok(S::Delivered { token, serial })
            }
            (S::Written { token, serial }, C::Prove) => Ok(S::Proved { token, serial }),
            (S::Proved { token, serial }, C::Deliver) => Ok(S::Delivered { token, serial }),
            (S::Bound { token }, C::Unlock { serial }) => Ok(S::Delivered { token, serial }),
            (state, C::Abandon { reason }) if !state.is_over() => Ok(S::Abandoned { reason }),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// Nothing more will happen to it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Abandoned { .. })
    }

    /// Whether a token is to give evidence that it holds the key.
    #[must_use]
    pub fn is_attested(&self) -> bool {
        self.token() != Some(UNATTESTED)
    }

    /// The token that it is bound to.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Claimed | Self::Abandoned { .. } => None,
            Self::Bound { token }
            | Self::Initialised { token }
            | Self::Intended { token, .. }
            | Self::Signed { token, .. }
            | Self::Written { token, .. }
            | Self::Proved { token, .. }
            | Self::Delivered { token, .. } => Some(token),
        }
    }

    /// The serial number that it reserved.
    #[must_use]
    pub fn serial(&self) -> Option<Serial> {
        match self {
            Self::Intended { serial, .. }
            | Self::Signed { serial, .. }
            | Self::Written { serial, .. }
            | Self::Proved { serial, .. }
            | Self::Delivered { serial, .. } => Some(*serial),
            _ => None,
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Bound { .. } => "bound",
            Self::Initialised { .. } => "initialised",
            Self::Intended { .. } => "intended",
            Self::Signed { .. } => "signed",
            Self::Written { .. } => "written",
            Self::Proved { .. } => "proved",
            Self::Delivered { .. } => "delivered",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

impl AttemptCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Initialise => "initialise",
            Self::Intend { .. } => "intend",
            Self::Sign { .. } => "sign",
            Self::Write => "write",
            Self::Prove => "prove",
            Self::Deliver => "deliver",
            Self::Answer => "answer",
            Self::Unlock { .. } => "unlock",
            Self::Abandon { .. } => "abandon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let serial = Serial::from_content(&[9]).unwrap();
        let token = || "T1".to_owned();
        let states = [
            AttemptState::Claimed,
            AttemptState::Bound { token: token() },
            AttemptState::Initialised { token: token() },
            AttemptState::Intended { token: token(), serial },
            AttemptState::Signed { token: token(), serial },
            AttemptState::Written { token: token(), serial },
            AttemptState::Proved { token: token(), serial },
            AttemptState::Delivered { token: token(), serial },
            AttemptState::Abandoned { reason: "pulled".into() },
            AttemptState::Initialised { token: UNATTESTED.into() },
            AttemptState::Intended { token: UNATTESTED.into(), serial },
            AttemptState::Signed { token: UNATTESTED.into(), serial },
            AttemptState::Delivered { token: UNATTESTED.into(), serial },
        ];
        let commands = [
            AttemptCommand::Bind { token: token() },
            AttemptCommand::Initialise,
            AttemptCommand::Intend { serial },
            AttemptCommand::Sign { serial },
            AttemptCommand::Write,
            AttemptCommand::Prove,
            AttemptCommand::Deliver,
            AttemptCommand::Answer,
            AttemptCommand::Unlock { serial },
            AttemptCommand::Abandon { reason: "pulled".into() },
        ];
        let mut table = String::new();
        for state in &states {
            for command in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                let state =
                    format!("{}{}", state.name(), if state.is_attested() { "" } else { " unattested" });
                table.push_str(&format!("{state:<22} {:<10} {outcome}\n", command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn another_serial_is_refused() {
        let intended =
            AttemptState::Intended { token: "T1".into(), serial: Serial::from_content(&[9]).unwrap() };
        let other = AttemptCommand::Sign { serial: Serial::from_content(&[8]).unwrap() };
        assert!(intended.transition(other).is_err());
    }
}
