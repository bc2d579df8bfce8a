//! A counter's day: what people counted against what was recorded, and the life of its close.
//!
//! ```text
//! closed ──ask──▶ reopen-requested ──approve──▶ reopened ──close──▶ closed
//!    ▲                 │
//!    └─────reject──────┘
//! ```

use crate::{Fen, Refusal, StaffId, billing::PaymentMethod};

/// What is taken and counted at a counter.
pub const COUNTED: [PaymentMethod; 3] = [PaymentMethod::Cash, PaymentMethod::Card, PaymentMethod::Transfer];

/// What people counted at the end of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Blank tokens at the beginning, and those that came during the day.
    pub tokens_in: u32,
    /// Tokens that cannot be used any more.
    pub tokens_spoiled: u32,
    /// Tokens at the end that work and that nobody has got: blank, or made and waiting.
    pub tokens_out: u32,
    /// Money by [`COUNTED`]: what came in less what went out, as till, terminal and bank slips say.
    pub money: [Fen; 3],
}

/// What was recorded of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Tokens that were handed over.
    pub tokens_issued: u32,
    /// Tokens that are listed here now and that nobody has got; `None` for a day that is over.
    pub tokens_listed: Option<u32>,
    /// Payments less refunds that were paid out, by [`COUNTED`].
    pub money: [Fen; 3],
    /// Certificates that were made for this counter.
    pub certificates: u32,
    /// Entries of the log that say so.
    pub entries: u32,
}

/// Something that does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Tokens in, less those that were handed over, less spoiled ones, are not the tokens out.
    Tokens {
        /// How many there should be.
        expected: i64,
        /// How many were counted.
        found: i64,
    },
    /// The stock and the tokens that were counted.
    Stock {
        /// How many are listed.
        listed: u32,
        /// How many were counted.
        found: u32,
    },
    /// Receipts and money.
    Money {
        /// Of which kind.
        method: PaymentMethod,
        /// As recorded.
        expected: Fen,
        /// As counted.
        found: Fen,
    },
    /// Certificates and the log.
    Log {
        /// Certificates that were made.
        certificates: u32,
        /// Entries that say so.
        entries: u32,
    },
}

/// Everything that does not agree.
#[must_use]
pub fn differences(counted: &Counted, recorded: &Recorded) -> Vec<Difference> {
    let mut found = Vec::new();
    let left =
        i64::from(counted.tokens_in) - i64::from(recorded.tokens_issued) - i64::from(counted.tokens_spoiled);
    if left != i64::from(counted.tokens_out) {
        found.push(Difference::Tokens { expected: left, found: i64::from(counted.tokens_out) });
    }
    if let Some(listed) = recorded.tokens_listed.filter(|listed| *listed != counted.tokens_out) {
        found.push(Difference::Stock { listed, found: counted.tokens_out });
    }
    for ((method, expected), counted) in COUNTED.into_iter().zip(recorded.money).zip(counted.money) {
        if expected != counted {
            found.push(Difference::Money { method, expected, found: counted });
        }
    }
    if recorded.certificates != recorded.entries {
        let (certificates, entries) = (recorded.certificates, recorded.entries);
        found.push(Difference::Log { certificates, entries });
    }
    found
}

/// Where a close stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShiftState {
    /// Nothing more is recorded for that day.
    Closed,
    /// Somebody asks to open it again.
    ReopenRequested {
        /// Who.
        by: StaffId,
        /// Why.
        reason: String,
    },
    /// Two persons opened it again.
    Reopened {
        /// Who asked.
        asked_by: StaffId,
        /// Why.
        reason: String,
        /// Who agreed.
        by: StaffId,
    },
}

/// What can happen to a close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShiftCommand {
    /// Everything agrees.
    Close,
    /// Something must be put right.
    Ask {
        /// Who asks.
        by: StaffId,
        /// Why.
        reason: String,
    },
    /// Another person agrees.
    Approve {
        /// Who.
        by: StaffId,
    },
    /// Another person does not.
    Reject {
        /// Who.
        by: StaffId,
    },
}

impl ShiftState {
    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ReopenRequested { .. } => "reopen-requested",
            Self::Reopened { .. } => "reopened",
        }
    }

    /// Whether nothing more is recorded.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !matches!(self, Self::Reopened { .. })
    }

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]; [`Refusal::SamePerson`] for whoever asked.
    pub fn transition(self, command: ShiftCommand) -> Result<Self, Refusal> {
        use ShiftCommand as C;
        match (self, command) {
            (Self::Reopened { .. }, C::Close) => Ok(Self::Closed),
            (Self::Closed, C::Ask { by, reason }) => Ok(Self::ReopenRequested { by, reason }),
            (Self::ReopenRequested { by: asked, .. }, C::Approve { by } | C::Reject { by })
                if asked == by =>
            {
                Err(Refusal::SamePerson)
            }
            (Self::ReopenRequested { by: asked_by, reason }, C::Approve { by }) => {
                Ok(Self::Reopened { asked_by, reason, by })
            }
            (Self::ReopenRequested { .. }, C::Reject { .. }) => Ok(Self::Closed),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }
}

impl ShiftCommand {
    /// The name in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Ask { .. } => "ask",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
        }
    }
}

#[cfg(test)]
mod tests {
    use ca_verifier::Time;

    use super::*;

    fn staff(n: u8) -> StaffId {
        StaffId::new(Time::from_secs(0), [n; 10])
    }

    #[test]
    fn the_whole_table() {
        let reason = || "收据号录错".to_owned();
        let mut table = String::new();
        for state in [
            ShiftState::Closed,
            ShiftState::ReopenRequested { by: staff(1), reason: reason() },
            ShiftState::Reopened { asked_by: staff(1), reason: reason(), by: staff(2) },
        ] {
            for (who, command) in [
                ("", ShiftCommand::Close),
                ("", ShiftCommand::Ask { by: staff(1), reason: reason() }),
                ("same", ShiftCommand::Approve { by: staff(1) }),
                ("other", ShiftCommand::Approve { by: staff(2) }),
                ("same", ShiftCommand::Reject { by: staff(1) }),
                ("other", ShiftCommand::Reject { by: staff(2) }),
            ] {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{:<16} {:<7} {who:<5} {outcome}\n", state.name(), command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn every_difference_is_named() {
        let counted = Counted {
            tokens_in: 50,
            tokens_spoiled: 1,
            tokens_out: 46,
            money: [Fen::new(60_000), Fen::ZERO, Fen::new(15_000)],
        };
        let recorded = Recorded {
            tokens_issued: 3,
            tokens_listed: Some(46),
            money: counted.money,
            certificates: 3,
            entries: 3,
        };
        assert_eq!(differences(&counted, &recorded), []);
        let other = Recorded {
            tokens_issued: 4,
            tokens_listed: Some(45),
            money: [Fen::new(40_000), Fen::ZERO, Fen::new(-5_000)],
            certificates: 3,
            entries: 2,
        };
        assert_eq!(
            differences(&counted, &other),
            [
                Difference::Tokens { expected: 45, found: 46 },
                Difference::Stock { listed: 45, found: 46 },
                Difference::Money {
                    method: PaymentMethod::Cash,
                    expected: Fen::new(40_000),
                    found: Fen::new(60_000)
                },
                Difference::Money {
                    method: PaymentMethod::Transfer,
                    expected: Fen::new(-5_000),
                    found: Fen::new(15_000)
                },
                Difference::Log { certificates: 3, entries: 2 },
            ]
        );
        // More handed over than there were: less than nothing is left.
        let none = Counted::default();
        let left = differences(&none, &Recorded { tokens_issued: 1, ..Recorded::default() });
        assert_eq!(left, [Difference::Tokens { expected: -1, found: 0 }]);
    }
}
