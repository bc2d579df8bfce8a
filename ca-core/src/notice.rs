//! Notices: what the CA tells agents and units by message, and the life of one delivery of one.
//!
//! ```text
//! waiting ──claim──▶ waiting ──succeed──▶ sent
//!    ▲                  └──────fail─────▶ waiting (later) or failed
//!    └───────────────retry──────────────────────────────────┘
//! ```
//! A delivery is made at least once: whoever claims one and dies leaves it waiting, until the claim has run out.

use ca_verifier::{Serial, Time};

use crate::{ApplicationId, Error, HoldId, InvoiceId, Refusal, TrainingId, UnitEventId};

const DAY_SECS: i64 = 86_400;

macro_rules! names {
    ($(#[$outer:meta])* $type:ident, $what:literal { $($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$doc])* $name),+ }

        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name that stands in the database, the log and the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// From its name.
            ///
            /// # Errors
            /// [`Error::Unknown`].
            pub fn from_name(name: &str) -> Result<Self, Error> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
                    .ok_or_else(|| Error::Unknown { what: $what, value: name.to_owned() })
            }
        }
    };
}

names! {
    /// What a notice tells.
    NoticeKind, "notice" {
        /// The application for training is accepted.
        TrainingAccepted = "training-accepted",
        /// It is rejected, and why.
        TrainingRejected = "training-rejected",
        /// The agent has a seat: when and where.
        TrainingInvited = "training-invited",
        /// The agent is qualified.
        TrainingPassed = "training-passed",
        /// The agent did not pass, and why.
        TrainingFailed = "training-failed",
        /// The agent did not come.
        TrainingAbsent = "training-absent",
        /// The application is approved, and what is to be paid.
        ApplicationApproved = "application-approved",
        /// The renewal is ordered, and what is to be paid.
        RenewalOrdered = "renewal-ordered",
        /// The application is rejected, and why.
        ApplicationRejected = "application-rejected",
        /// A payment was taken back: what is to be paid again, and until when.
        Arrears = "arrears",
        /// It was not paid again: the certificate is on hold.
        ArrearsHeld = "arrears-held",
        /// The certificate is on hold, since when, and how to go on.
        CertificateHeld = "certificate-held",
        /// The hold ends by itself in some days, and how.
        HoldEnding = "hold-ending",
        /// It ended by itself, and how.
        HoldEnded = "hold-ended",
        /// Something happened to the unit: which certificates it touches, and what to do.
        UnitChanged = "unit-changed",
        /// Somebody who has the key revoked the certificate.
        KeyRevoked = "key-revoked",
        /// The token waits at the counter.
        ReadyForCollection = "ready-for-collection",
        /// The activation code.
        Activation = "activation",
        /// The invoice is written: its number, and where its file is.
        InvoiceIssued = "invoice-issued",
        /// It is not written, and why.
        InvoiceRefused = "invoice-refused",
        /// It was taken back by one over less than nothing.
        InvoiceRedLettered = "invoice-red-lettered",
        /// The certificate ends within 90 days.
        Expiry90 = "expiry-90",
        /// The certificate ends within 30 days.
        Expiry30 = "expiry-30",
        /// The certificate ends within 7 days.
        Expiry7 = "expiry-7",
    }
}

names! {
    /// A way on which notices go out.
    NoticeChannel, "channel" {
        /// A file in the outbox, for another program.
        File = "file",
        /// Mail to the unit.
        Mail = "mail",
        /// A request to another program's URL.
        Webhook = "webhook",
    }
}

impl NoticeKind {
    /// The reminders of a certificate's end, nearest first.
    pub const EXPIRY: [Self; 3] = [Self::Expiry7, Self::Expiry30, Self::Expiry90];

    /// How many days before a certificate's end this one goes out; `None` for what is no such reminder.
    #[must_use]
    pub const fn expiry_days(self) -> Option<u16> {
        match self {
            Self::Expiry90 => Some(90),
            Self::Expiry30 => Some(30),
            Self::Expiry7 => Some(7),
            _ => None,
        }
    }

    /// The ends of validity for which this reminder, and no nearer one, is due at `now`: later than the first, not
    /// later than the second.
    #[must_use]
    pub fn expiry_window(self, now: Time) -> Option<(Time, Time)> {
        let end = |days: u16| now.plus_secs(i64::from(days) * DAY_SECS);
        let days = self.expiry_days()?;
        let nearer =
            Self::EXPIRY.iter().filter_map(|kind| kind.expiry_days()).filter(|other| *other < days).max();
        Some((nearer.map_or(now, end), end(days)))
    }

    /// Whether the message carries a secret.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Activation)
    }
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeAbout {
    /// An application for a certificate.
    Application(ApplicationId),
    /// An application for training.
    Training(TrainingId),
    /// A certificate that is about to end.
    Certificate(Serial),
    /// An invoice that its payer asked for.
    Invoice(InvoiceId),
    /// A hold on a certificate.
    Hold(HoldId),
    /// What happened to a unit.
    UnitEvent(UnitEventId),
}

/// Where one delivery of a notice stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried.
    Waiting {
        /// Tries whose outcome is known.
        attempts: u16,
        /// Not before.
        next_at: Time,
        /// What went wrong last.
        error: Option<String>,
    },
    /// The other side took it.
    Sent {
        /// Tries.
        attempts: u16,
        /// When.
        at: Time,
    },
    /// Given up, until somebody asks for it again.
    Failed {
        /// Tries.
        attempts: u16,
        /// What went wrong.
        error: String,
    },
}

/// What can happen to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryCommand {
    /// Somebody is about to try; nobody else does before `until`.
    Claim {
        /// Now.
        at: Time,
        /// When the claim runs out.
        until: Time,
    },
    /// The other side took it.
    Succeed {
        /// When.
        at: Time,
    },
    /// It was not taken.
    Fail {
        /// Why.
        error: String,
        /// When to try again; `None` to give up.
        next_at: Option<Time>,
    },
    /// Once more from the beginning.
    Retry {
        /// Now.
        at: Time,
    },
}

impl DeliveryState {
    /// Of a new delivery.
    #[must_use]
    pub fn due(at: Time) -> Self {
        Self::Waiting { attempts: 0, next_at: at, error: None }
    }

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]: the delivery stays as it was.
    pub fn transition(self, command: DeliveryCommand) -> Result<Self, Refusal> {
        use DeliveryCommand as C;
        match (self, command) {
            (Self::Waiting { attempts, next_at, error }, C::Claim { at, until }) if next_at <= at => {
                Ok(Self::Waiting { attempts, next_at: until, error })
            }
            (Self::Waiting { attempts, .. }, C::Succeed { at }) => {
                Ok(Self::Sent { attempts: attempts.saturating_add(1), at })
            }
            (Self::Waiting { attempts, .. }, C::Fail { error, next_at }) => {
                let attempts = attempts.saturating_add(1);
                Ok(match next_at {
                    Some(next_at) => Self::Waiting { attempts, next_at, error: Some(error) },
                    None => Self::Failed { attempts, error },
                })
            }
            (Self::Failed { error, .. }, C::Retry { at }) => {
                Ok(Self::Waiting { attempts: 0, next_at: at, error: Some(error) })
            }
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// Tries whose outcome is known.
    #[must_use]
    pub fn attempts(&self) -> u16 {
        match self {
            Self::Waiting { attempts, .. } | Self::Sent { attempts, .. } | Self::Failed { attempts, .. } => {
                *attempts
            }
        }
    }

    /// What went wrong last.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Waiting { error, .. } => error.as_deref(),
            Self::Failed { error, .. } => Some(error),
            Self::Sent { .. } => None,
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Sent { .. } => "sent",
            Self::Failed { .. } => "failed",
        }
    }
}

impl DeliveryCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Succeed { .. } => "succeed",
            Self::Fail { .. } => "fail",
            Self::Retry { .. } => "retry",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    #[test]
    fn the_whole_table() {
        let (later, error) = (NOW.plus_secs(60), || "notice.unreachable".to_owned());
        let states = [
            DeliveryState::due(NOW),
            DeliveryState::Waiting { attempts: 2, next_at: later, error: Some(error()) },
            DeliveryState::Sent { attempts: 1, at: NOW },
            DeliveryState::Failed { attempts: 7, error: error() },
        ];
        let commands = [
            DeliveryCommand::Claim { at: NOW, until: later },
            DeliveryCommand::Succeed { at: NOW },
            DeliveryCommand::Fail { error: error(), next_at: Some(later) },
            DeliveryCommand::Fail { error: error(), next_at: None },
            DeliveryCommand::Retry { at: NOW },
        ];
        let mut table = String::new();
        for state in &states {
            for command in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => format!("{} after {}", next.name(), next.attempts()),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                let (from, attempts) = (state.name(), state.attempts());
                table.push_str(&format!("{from:<7} after {attempts}  {:<7} {outcome}\n", command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn each_end_of_validity_has_one_reminder() {
        let due = |days_and_secs: i64| {
            let end = NOW.plus_secs(days_and_secs);
            let due = NoticeKind::EXPIRY.into_iter().filter(|kind| {
                kind.expiry_window(NOW).is_some_and(|(after, until)| after < end && end <= until)
            });
            due.map(NoticeKind::name).collect::<Vec<_>>()
        };
        assert_eq!(due(0), Vec::<&str>::new(), "it has ended");
        assert_eq!(due(1), ["expiry-7"]);
        assert_eq!(due(7 * DAY_SECS), ["expiry-7"]);
        assert_eq!(due(7 * DAY_SECS + 1), ["expiry-30"]);
        assert_eq!(due(30 * DAY_SECS), ["expiry-30"]);
        assert_eq!(due(30 * DAY_SECS + 1), ["expiry-90"]);
        assert_eq!(due(90 * DAY_SECS), ["expiry-90"]);
        assert_eq!(due(90 * DAY_SECS + 1), Vec::<&str>::new());
    }

    #[test]
    fn names_come_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::from_name(kind.name()), Ok(*kind));
        }
        for channel in NoticeChannel::ALL {
            assert_eq!(NoticeChannel::from_name(channel.name()), Ok(*channel));
        }
        assert!(NoticeKind::from_name("activation ").is_err());
    }
}
