//! What an application asks for (step 2), and what follows from it: who executes it, which time it buys.

use ca_verifier::{Reason, Serial};

use crate::Error;

/// What an application asks for. `of` is the certificate that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationKind {
    /// A certificate on a new token.
    New,
    /// A new key on the holder's own token, for the time after the paid time.
    Renew {
        /// The certificate that is renewed.
        of: Serial,
    },
    /// A new key on the holder's own token, for the rest of the paid time.
    Rekey {
        /// The certificate whose key is replaced.
        of: Serial,
    },
    /// A new token for the rest of the paid time.
    Replace {
        /// The certificate on the token that is gone.
        of: Serial,
        /// What happened to the token.
        cause: Loss,
    },
    /// The unit's data as they are now, with a new key on the holder's own token, for the rest of the paid time.
    Change {
        /// The certificate with the old data.
        of: Serial,
    },
    /// The end of a certificate.
    Revoke {
        /// Which one.
        of: Serial,
        /// Why, as the CRL says it.
        reason: Reason,
    },
    /// A hold.
    Hold {
        /// On which certificate.
        of: Serial,
    },
    /// The end of a hold.
    Release {
        /// Of which certificate.
        of: Serial,
    },
    /// A new PIN for a token whose PIN is locked.
    Unlock {
        /// The certificate on the token.
        of: Serial,
    },
}

/// What happened to a token that is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nobody knows who has it: its certificate is revoked for keyCompromise when the application is approved.
    Lost,
    /// It no longer works: its certificate is superseded when the new one is activated.
    Damaged,
    /// It is being repaired: its certificate is on hold while a temporary one on another token serves, for some days.
    Repair,
}

impl Loss {
    /// The name in the API, the policies and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Damaged => "damaged",
            Self::Repair => "repair",
        }
    }
}

impl ApplicationKind {
    /// Every kind's name.
    pub const NAMES: [&'static str; 9] =
        ["new", "renew", "rekey", "replace", "change", "revoke", "hold", "release", "unlock"];

    /// From the parts that stand in a request or a row.
    ///
    /// # Errors
    /// [`Error::Unknown`] `kind`, or `cause` when it is none of the kind's; [`Error::CertificateWanted`] when there is
    /// a certificate too many or too few.
    pub fn from_parts(kind: &str, certificate: Option<Serial>, cause: Option<&str>) -> Result<Self, Error> {
        let unknown = |what, value: &str| Error::Unknown { what, value: value.to_owned() };
        if kind == "new" {
            return match (certificate, cause) {
                (None, None) => Ok(Self::New),
                (Some(_), _) => Err(Error::CertificateWanted { wanted: false }),
                (None, Some(cause)) => Err(unknown("cause", cause)),
            };
        }
        if !Self::NAMES.contains(&kind) {
            return Err(unknown("kind", kind));
        }
        let of = certificate.ok_or(Error::CertificateWanted { wanted: true })?;
        match (kind, cause) {
            ("renew", None) => Ok(Self::Renew { of }),
            ("rekey", None) => Ok(Self::Rekey { of }),
            ("change", None) => Ok(Self::Change { of }),
            ("hold", None) => Ok(Self::Hold { of }),
            ("release", None) => Ok(Self::Release { of }),
            ("unlock", None) => Ok(Self::Unlock { of }),
            ("replace", Some("lost")) => Ok(Self::Replace { of, cause: Loss::Lost }),
            ("replace", Some("damaged")) => Ok(Self::Replace { of, cause: Loss::Damaged }),
            ("replace", Some("repair")) => Ok(Self::Replace { of, cause: Loss::Repair }),
            ("revoke", Some(reason)) => {
                let reason = Reason::from_name(reason).ok_or_else(|| unknown("cause", reason))?;
                Ok(Self::Revoke { of, reason })
            }
            (_, cause) => Err(unknown("cause", cause.unwrap_or_default())),
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Renew { .. } => "renew",
            Self::Rekey { .. } => "rekey",
            Self::Replace { .. } => "replace",
            Self::Change { .. } => "change",
            Self::Revoke { .. } => "revoke",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Unlock { .. } => "unlock",
        }
    }

    /// The operation's name in `policies/documents.toml`: a lost token needs other papers than a damaged one.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Replace { cause: Loss::Lost, .. } => "replace-lost",
            Self::Replace { cause: Loss::Damaged, .. } => "replace-damaged",
            Self::Replace { cause: Loss::Repair, .. } => "replace-repair",
            other => other.name(),
        }
    }

    /// The certificate that it is about.
    #[must_use]
    pub fn certificate(self) -> Option<Serial> {
        match self {
            Self::New => None,
            Self::Renew { of }
            | Self::Rekey { of }
            | Self::Replace { of, .. }
            | Self::Change { of }
            | Self::Revoke { of, .. }
            | Self::Hold { of }
            | Self::Release { of }
            | Self::Unlock { of } => Some(of),
        }
    }

    /// Why a token is replaced or a certificate revoked.
    #[must_use]
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::Replace { cause, .. } => Some(cause.name()),
            Self::Revoke { reason, .. } => Some(reason.name()),
            _ => None,
        }
    }

    /// Whether a certificate comes of it: then the whole gate must be open.
    #[must_use]
    pub fn makes_certificate(self) -> bool {
        matches!(
            self,
            Self::New | Self::Renew { .. } | Self::Rekey { .. } | Self::Replace { .. } | Self::Change { .. }
        )
    }

    /// Whether what comes of it serves for some days beside a certificate that stays, and is not its successor.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Replace { cause: Loss::Repair, .. })
    }

    /// Whether years are bought with it.
    #[must_use]
    pub fn buys_time(self) -> bool {
        matches!(self, Self::New | Self::Renew { .. })
    }

    /// Whether the holder executes it with the own token, and nobody at the counter can.
    #[must_use]
    pub fn by_holder(self) -> bool {
        matches!(self, Self::Renew { .. } | Self::Rekey { .. } | Self::Change { .. })
    }

    /// Why the old certificate ends when the holder has executed it.
    #[must_use]
    pub fn succession(self) -> Reason {
        match self {
            Self::Change { .. } => Reason::AffiliationChanged,
            _ => Reason::Superseded,
        }
    }

    /// Whether it only changes a certificate's standing: that happens as it is approved.
    #[must_use]
    pub fn changes_status(self) -> bool {
        matches!(self, Self::Revoke { .. } | Self::Hold { .. } | Self::Release { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_back() {
        let of = Serial::from_content(&[9]).unwrap();
        for kind in [
            ApplicationKind::New,
            ApplicationKind::Renew { of },
            ApplicationKind::Rekey { of },
            ApplicationKind::Replace { of, cause: Loss::Lost },
            ApplicationKind::Replace { of, cause: Loss::Damaged },
            ApplicationKind::Replace { of, cause: Loss::Repair },
            ApplicationKind::Change { of },
            ApplicationKind::Revoke { of, reason: Reason::KeyCompromise },
            ApplicationKind::Hold { of },
            ApplicationKind::Release { of },
            ApplicationKind::Unlock { of },
        ] {
            assert_eq!(
                ApplicationKind::from_parts(kind.name(), kind.certificate(), kind.cause()),
                Ok(kind),
                "{kind:?}"
            );
            assert!(ApplicationKind::NAMES.contains(&kind.name()));
            assert!(!(kind.changes_status() && kind.makes_certificate()), "{kind:?}");
        }
    }

    #[test]
    fn parts_that_do_not_fit() {
        let of = Serial::from_content(&[9]).ok();
        for (kind, certificate, cause) in [
            ("new", of, None),
            ("new", None, Some("lost")),
            ("renew", None, None),
            ("renew", of, Some("lost")),
            ("replace", of, None),
            ("replace", of, Some("stolen")),
            ("revoke", of, None),
            ("revoke", of, Some("certificateHold")),
            ("upgrade", of, None),
            ("", None, None),
        ] {
            assert!(ApplicationKind::from_parts(kind, certificate, cause).is_err(), "{kind} {cause:?}");
        }
    }
}
