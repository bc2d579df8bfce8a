//! A U-key in our stock and in a holder's hands: where it is, where it stands, and what each move means for its
//! certificate.
//!
//! ```text
//! blank ─claim▶ claimed ─personalise▶ personalised ─deliver▶ delivered ─activate▶ active ◀─release─ held
//!   ▲              │                       │                                         └──────hold──────▲
//!   └────free──────┴───────────────────────┘            delivered, active, held ─▶ lost, damaged or terminated
//! blank ─spoil▶ spoiled ─return▶ returned ─relist▶ blank
//! ```
//! The certificate leads from hand-over on: whatever puts it on hold, releases or revokes it moves the token along
//! ([`TokenState::follow`]). What people say of a token leads the certificate ([`Consequence`]).

use std::fmt;

use ca_verifier::{Reason, Serial, Time};

use crate::{AttemptId, CertificateState, Error, Refusal, TokenDeliveryId};

/// PKCS#11 has 16 characters for a token's serial number.
const SERIAL_CHARS_MAX: usize = 16;
const WORD_CHARS_MAX: usize = 40;

/// A token's serial number, as the token itself says it (`CK_TOKEN_INFO.serialNumber`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenSerial(String);

impl TokenSerial {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Token`] for what is not 1 to 16 printable ASCII characters without spaces.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=SERIAL_CHARS_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::Token { part: "serial" }) }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A model, batch or box: a word as it stands on the vendor's papers or on our shelf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StockWord(String);

impl StockWord {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Token`] for what is not 1 to 40 letters, digits, spaces, `-`, `_`, `.` or `/`, or begins or ends with a
    /// space.
    pub fn parse(part: &'static str, text: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/');
        let count = text.chars().count();
        if (1..=WORD_CHARS_MAX).contains(&count) && text.trim() == text && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Token { part })
        }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StockWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a token of ours is, or was last before somebody got it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// In a box of the store room.
    Box(StockWord),
    /// At a counter, by its code in `policies/counters.toml`.
    Counter(String),
}

impl Location {
    /// `box` or `counter`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Box(_) => "box",
            Self::Counter(_) => "counter",
        }
    }

    /// Which one.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Box(word) => word.as_str(),
            Self::Counter(code) => code,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

/// A token that a vendor delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its own serial number.
    pub serial: TokenSerial,
    /// The vendor's name for what it is; rules for PINs hang on it.
    pub model: StockWord,
    /// Which lot of it: a flaw is a lot's.
    pub batch: StockWord,
    /// The delivery that brought it; `None` for tokens that were in use before there was a stock.
    pub delivery: Option<TokenDeliveryId>,
    /// Where it is, or was last.
    pub location: Location,
    /// Where it stands.
    pub state: TokenState,
    /// Since when.
    pub moved_at: Time,
}

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Nothing of anybody is on it, and nobody has it in work.
    Blank,
    /// An attempt is personalising it.
    Claimed {
        /// Which.
        attempt: AttemptId,
    },
    /// It has a certificate, proved to be on it, and waits at the counter.
    Personalised {
        /// Which attempt did it.
        attempt: AttemptId,
        /// The certificate.
        certificate: Serial,
    },
    /// Its holder has it and has not activated it.
    Delivered {
        /// The certificate.
        certificate: Serial,
    },
    /// In use.
    Active {
        /// The certificate.
        certificate: Serial,
    },
    /// Its certificate is on hold.
    Held {
        /// The certificate.
        certificate: Serial,
    },
    /// Blank and no use: it does not work.
    Spoiled,
    /// The vendor has it back.
    Returned,
    /// Nobody knows where it is.
    Lost {
        /// The certificate on it, if it had one.
        certificate: Option<Serial>,
    },
    /// Its holder brought it back broken.
    Damaged {
        /// The certificate on it.
        certificate: Serial,
    },
    /// Its certificate ended for ever, and the token is the holder's still.
    Terminated {
        /// The certificate on it.
        certificate: Serial,
    },
}

/// What can happen to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCommand {
    /// An attempt takes it.
    Claim {
        /// Which.
        attempt: AttemptId,
    },
    /// The attempt is given up.
    Free {
        /// Which.
        attempt: AttemptId,
    },
    /// The token proved that it has the certificate's key.
    Personalise {
        /// The certificate.
        certificate: Serial,
    },
    /// It is handed over.
    Deliver,
    /// Its certificate was renewed on it.
    Renew {
        /// The new certificate.
        certificate: Serial,
    },
    /// It is gone.
    Lose,
    /// It is broken.
    Damage,
    /// It does not work, before anybody got it.
    Spoil,
    /// It was a mistake: it works, or was found.
    Restore,
    /// It goes back to the vendor.
    Return,
    /// The vendor delivers it once more.
    Relist,
}

/// What a move means for the token's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing: there is none, or it stays as it is.
    Nothing,
    /// It stays on hold until its holder activates it (I7).
    NotActivated,
    /// It is revoked, if it was made at all and is not revoked yet.
    Revoked(Reason),
}

impl TokenState {
    /// Every state's name.
    pub const NAMES: [&'static str; 11] = [
        "blank",
        "claimed",
        "personalised",
        "delivered",
        "active",
        "held",
        "spoiled",
        "returned",
        "lost",
        "damaged",
        "terminated",
    ];

    /// The next state, and what becomes of the certificate in the same transaction.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]: the token stays as it was.
    pub fn transition(self, command: TokenCommand) -> Result<(Self, Consequence), Refusal> {
        use Consequence::{NotActivated, Nothing, Revoked};
        use TokenCommand as C;
        use TokenState as S;
        let name = command.name();
        match (self, command) {
            (S::Blank, C::Claim { attempt }) => Ok((S::Claimed { attempt }, Nothing)),
            // The same attempt asks again after a crash.
            (S::Claimed { attempt: held }, C::Claim { attempt }) if held == attempt => {
                Ok((S::Claimed { attempt }, Nothing))
            }
            (S::Claimed { attempt: held }, C::Free { attempt })
            | (S::Personalised { attempt: held, .. }, C::Free { attempt })
                if held == attempt =>
            {
                Ok((S::Blank, Revoked(Reason::CessationOfOperation)))
            }
            (S::Claimed { attempt }, C::Personalise { certificate }) => {
                Ok((S::Personalised { attempt, certificate }, NotActivated))
            }
            (S::Personalised { certificate, .. }, C::Deliver) => {
                Ok((S::Delivered { certificate }, NotActivated))
            }
            (S::Active { .. }, C::Renew { certificate }) => Ok((S::Active { certificate }, Nothing)),
            (S::Blank, C::Lose) => Ok((S::Lost { certificate: None }, Nothing)),
            (
                S::Personalised { certificate, .. }
                | S::Delivered { certificate }
                | S::Active { certificate }
                | S::Held { certificate },
                C::Lose,
            ) => Ok((S::Lost { certificate: Some(certificate) }, Revoked(Reason::KeyCompromise))),
            (
                S::Delivered { certificate } | S::Active { certificate } | S::Held { certificate },
                C::Damage,
            ) => Ok((S::Damaged { certificate }, Revoked(Reason::Superseded))),
            (S::Blank, C::Spoil) => Ok((S::Spoiled, Nothing)),
            (S::Spoiled | S::Lost { certificate: None }, C::Restore) | (S::Returned, C::Relist) => {
                Ok((S::Blank, Nothing))
            }
            (
                S::Blank | S::Spoiled | S::Lost { .. } | S::Damaged { .. } | S::Terminated { .. },
                C::Return,
            ) => Ok((S::Returned, Nothing)),
            (state, _) => Err(Refusal::WrongState { state: state.name(), command: name }),
        }
    }

    /// Where it stands after the standing of `certificate` has changed to `state`.
    #[must_use]
    pub fn follow(self, certificate: Serial, state: CertificateState) -> Self {
        let of = |held: &Serial| *held == certificate;
        match (self, state) {
            (
                Self::Delivered { certificate: held } | Self::Held { certificate: held },
                CertificateState::Good,
            ) if of(&held) => Self::Active { certificate },
            (
                Self::Delivered { certificate: held } | Self::Active { certificate: held },
                CertificateState::Held { .. },
            ) if of(&held) => Self::Held { certificate },
            (Self::Held { certificate: held }, CertificateState::NotActivated) if of(&held) => {
                Self::Delivered { certificate }
            }
            (
                Self::Delivered { certificate: held }
                | Self::Active { certificate: held }
                | Self::Held { certificate: held },
                CertificateState::Revoked { .. },
            ) if of(&held) => Self::Terminated { certificate },
            (stays, _) => stays,
        }
    }

    /// The certificate on it.
    #[must_use]
    pub fn certificate(&self) -> Option<Serial> {
        match self {
            Self::Personalised { certificate, .. }
            | Self::Delivered { certificate }
            | Self::Active { certificate }
            | Self::Held { certificate }
            | Self::Damaged { certificate }
            | Self::Terminated { certificate } => Some(*certificate),
            Self::Lost { certificate } => *certificate,
            Self::Blank | Self::Claimed { .. } | Self::Spoiled | Self::Returned => None,
        }
    }

    /// The attempt that has it in work.
    #[must_use]
    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Claimed { attempt } | Self::Personalised { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Whether it lies in a box or at a counter of ours.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Blank | Self::Claimed { .. } | Self::Personalised { .. } | Self::Spoiled)
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Claimed { .. } => "claimed",
            Self::Personalised { .. } => "personalised",
            Self::Delivered { .. } => "delivered",
            Self::Active { .. } => "active",
            Self::Held { .. } => "held",
            Self::Spoiled => "spoiled",
            Self::Returned => "returned",
            Self::Lost { .. } => "lost",
            Self::Damaged { .. } => "damaged",
            Self::Terminated { .. } => "terminated",
        }
    }
}

impl TokenCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Free { .. } => "free",
            Self::Personalise { .. } => "personalise",
            Self::Deliver => "deliver",
            Self::Renew { .. } => "renew",
            Self::Lose => "lose",
            Self::Damage => "damage",
            Self::Spoil => "spoil",
            Self::Restore => "restore",
            Self::Return => "return",
            Self::Relist => "relist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial() -> Serial {
        Serial::from_content(&[9]).unwrap()
    }

    fn attempt(n: u8) -> AttemptId {
        AttemptId::new(Time::from_secs(0), [n; 10])
    }

    fn states() -> Vec<TokenState> {
        let (attempt, certificate) = (attempt(1), serial());
        vec![
            TokenState::Blank,
            TokenState::Claimed { attempt: attempt.clone() },
            TokenState::Personalised { attempt, certificate },
            TokenState::Delivered { certificate },
            TokenState::Active { certificate },
            TokenState::Held { certificate },
            TokenState::Spoiled,
            TokenState::Returned,
            TokenState::Lost { certificate: None },
            TokenState::Lost { certificate: Some(certificate) },
            TokenState::Damaged { certificate },
            TokenState::Terminated { certificate },
        ]
    }

    #[test]
    fn what_each_move_means_for_the_certificate() {
        let (attempt, certificate) = (attempt(1), Serial::from_content(&[10]).unwrap());
        let commands = [
            TokenCommand::Claim { attempt: attempt.clone() },
            TokenCommand::Free { attempt },
            TokenCommand::Personalise { certificate },
            TokenCommand::Deliver,
            TokenCommand::Renew { certificate },
            TokenCommand::Lose,
            TokenCommand::Damage,
            TokenCommand::Spoil,
            TokenCommand::Restore,
            TokenCommand::Return,
            TokenCommand::Relist,
        ];
        let mut table = String::new();
        for state in states() {
            for command in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok((next, consequence)) => format!("{:<13} certificate: {consequence:?}", next.name()),
                    Err(_) => "refused".to_owned(),
                };
                let state = match &state {
                    TokenState::Lost { certificate: None } => "lost (blank)",
                    state => state.name(),
                };
                table.push_str(&format!("{state:<13} {:<12} {outcome}\n", command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_token_follows_its_certificate() {
        let standings = [
            CertificateState::NotActivated,
            CertificateState::Good,
            CertificateState::Held { activated: true },
            CertificateState::Revoked { reason: Reason::KeyCompromise, at: Time::from_secs(0) },
        ];
        let mut table = String::new();
        for state in states() {
            for standing in standings {
                let next = state.clone().follow(serial(), standing);
                table.push_str(&format!("{:<13} {:<14} {}\n", state.name(), standing.name(), next.name()));
                let other = state.clone().follow(Serial::from_content(&[1]).unwrap(), standing);
                assert_eq!(other, state, "another certificate moves nothing");
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn another_attempts_token_is_not_taken() {
        let claimed = TokenState::Claimed { attempt: attempt(1) };
        for command in
            [TokenCommand::Claim { attempt: attempt(2) }, TokenCommand::Free { attempt: attempt(2) }]
        {
            assert!(claimed.clone().transition(command).is_err());
        }
    }

    #[test]
    fn words_and_numbers() {
        for good in ["1", "0123456789abcdef", "A-1_2"] {
            assert_eq!(TokenSerial::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "0123456789abcdef0", "a b", "a\n", "号", "\u{202e}1"] {
            assert_eq!(TokenSerial::parse(bad), Err(Error::Token { part: "serial" }), "{bad:?}");
        }
        for good in ["SoftHSM v2", "海泰 UKey-2000", "B/2026-01"] {
            assert_eq!(StockWord::parse("batch", good).unwrap().as_str(), good);
        }
        let long = "a".repeat(41);
        for bad in ["", " a", "a ", "a\tb", "=1+1", "a,b", "\u{202e}b", long.as_str()] {
            assert_eq!(StockWord::parse("batch", bad), Err(Error::Token { part: "batch" }), "{bad:?}");
        }
    }

    #[test]
    fn every_name_is_listed() {
        let found: std::collections::BTreeSet<&str> = states().iter().map(TokenState::name).collect();
        assert_eq!(found, TokenState::NAMES.into_iter().collect());
    }
}
