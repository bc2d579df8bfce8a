//! The life of a batch: a department's list of units for new certificates, checked line by line before anything is made.
//!
//! ```text
//! checked ──begin──▶ submitting ──finish──▶ submitted
//!    └────withdraw──▶ withdrawn
//! ```
//! In `submitting` some lines have their application and others not yet: whoever is interrupted there goes on.

use crate::{Error, Refusal};

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// Each line has its verdict; no application was made.
    Checked,
    /// Applications are being made, some lines at a time.
    Submitting,
    /// Every line that can be has its application.
    Submitted,
    /// Taken back before anything was made.
    Withdrawn,
}

/// What can be asked of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchCommand {
    /// The documents are there: make the applications.
    Begin,
    /// No line is left.
    Finish,
    /// The department takes it back.
    Withdraw,
}

impl BatchState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Checked, Self::Submitting, Self::Submitted, Self::Withdrawn];

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]: the batch stays as it was.
    pub fn transition(self, command: BatchCommand) -> Result<Self, Refusal> {
        match (self, command) {
            (Self::Checked, BatchCommand::Begin) => Ok(Self::Submitting),
            (Self::Checked, BatchCommand::Withdraw) => Ok(Self::Withdrawn),
            (Self::Submitting, BatchCommand::Finish) => Ok(Self::Submitted),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "state of a batch", value: name.to_owned() })
    }
}

impl BatchCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Finish => "finish",
            Self::Withdraw => "withdraw",
        }
    }
}

/// What the check says of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes an application.
    Good,
    /// It becomes one when a clerk says to have looked at it.
    Review,
    /// It comes back with its reasons.
    Bad,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Good, Self::Review, Self::Bad];

    /// The name that stands in the database and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Review => "review",
            Self::Bad => "bad",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|verdict| verdict.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "verdict", value: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let commands = [BatchCommand::Begin, BatchCommand::Finish, BatchCommand::Withdraw];
        let mut table = Vec::new();
        for state in BatchState::ALL {
            assert_eq!(BatchState::from_name(state.name()), Ok(state));
            for command in commands {
                if let Ok(next) = state.transition(command) {
                    table.push(format!("{} {} {}", state.name(), command.name(), next.name()));
                }
            }
        }
        assert_eq!(
            table,
            ["checked begin submitting", "checked withdraw withdrawn", "submitting finish submitted"]
        );
        assert!(BatchState::from_name("").is_err() && Verdict::from_name("Good").is_err());
    }
}
