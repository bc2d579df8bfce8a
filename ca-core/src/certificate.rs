//! The life of a certificate after its signature (steps 8, 9 and 11 of the path).
//!
//! ```text
//! not-activated ──activate──▶ good ◀──release── held
//!       │  ▲───────release──── held ◀──hold──────┘      held remembers whether it was activated
//!       └────────────revoke (from anywhere)────▶ revoked      revoked stays revoked (I6)
//! ```

use ca_verifier::{Reason, Standing, Time};

use crate::Refusal;

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateState {
    /// Signed, and perhaps handed over, but not activated by its holder.
    NotActivated,
    /// In use.
    Good,
    /// On hold.
    Held {
        /// Whether the holder had activated it before, so that release never activates by the back door.
        activated: bool,
    },
    /// Revoked.
    Revoked {
        /// Why.
        reason: Reason,
        /// Since when.
        at: Time,
    },
}

/// What can be asked of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateCommand {
    /// The holder replaced the initial PIN and gave the activation code.
    Activate,
    /// Suspend.
    Hold,
    /// End a hold.
    Release,
    /// Revoke for ever.
    Revoke {
        /// Why.
        reason: Reason,
        /// Now.
        at: Time,
    },
}

impl CertificateState {
    /// The next state.
    ///
    /// # Errors
    /// [`Refusal`]: the certificate stays as it was.
    pub fn transition(self, command: CertificateCommand) -> Result<Self, Refusal> {
        use CertificateCommand as C;
        use CertificateState as S;
        match (self, command) {
            (S::NotActivated, C::Activate) => Ok(S::Good),
            (S::Good, C::Hold) => Ok(S::Held { activated: true }),
            (S::NotActivated, C::Hold) => Ok(S::Held { activated: false }),
            (S::Held { activated: true }, C::Release) => Ok(S::Good),
            (S::Held { activated: false }, C::Release) => Ok(S::NotActivated),
            (S::Revoked { .. }, _) => Err(Refusal::Revoked),
            (_, C::Revoke { reason, at }) => Ok(S::Revoked { reason, at }),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// What CRL and OCSP say of it.
    #[must_use]
    pub fn standing(self) -> Standing {
        match self {
            Self::NotActivated => Standing::NotActivated,
            Self::Good => Standing::Good,
            Self::Held { .. } => Standing::Held,
            Self::Revoked { reason, .. } => Standing::Revoked(reason),
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotActivated => "not-activated",
            Self::Good => "good",
            Self::Held { .. } => "held",
            Self::Revoked { .. } => "revoked",
        }
    }
}

impl CertificateCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Revoke { .. } => "revoke",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let at = Time::from_secs(0);
        let revoked = CertificateState::Revoked { reason: Reason::KeyCompromise, at };
        let mut table = String::new();
        for state in [
            CertificateState::NotActivated,
            CertificateState::Good,
            CertificateState::Held { activated: false },
            CertificateState::Held { activated: true },
            revoked,
        ] {
            for command in [
                CertificateCommand::Activate,
                CertificateCommand::Hold,
                CertificateCommand::Release,
                CertificateCommand::Revoke { reason: Reason::Superseded, at },
            ] {
                let outcome = match state.transition(command) {
                    Ok(next) => format!("{next:?}"),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{state:?} + {}: {outcome}\n", command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }
}
