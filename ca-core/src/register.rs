//! The life of an imported register of insured units: staged in pieces, then in force all at once.
//!
//! ```text
//! staging ──activate──▶ active ──supersede──▶ superseded
//!    └─────abandon────▶ abandoned
//! ```

use crate::{Error, Refusal};

/// Where an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// Rows come in; nobody reads them.
    Staging,
    /// The register that the counter reads.
    Active,
    /// Another one took its place.
    Superseded,
    /// Thrown away before it was in force.
    Abandoned,
}

/// What can be asked of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportCommand {
    /// It is complete: from now on it counts.
    Activate,
    /// Another one counts from now on.
    Supersede,
    /// It is not wanted.
    Abandon,
}

impl ImportState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Staging, Self::Active, Self::Superseded, Self::Abandoned];

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]: the import stays as it was.
    pub fn transition(self, command: ImportCommand) -> Result<Self, Refusal> {
        match (self, command) {
            (Self::Staging, ImportCommand::Activate) => Ok(Self::Active),
            (Self::Staging, ImportCommand::Abandon) => Ok(Self::Abandoned),
            (Self::Active, ImportCommand::Supersede) => Ok(Self::Superseded),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "state of an import", value: name.to_owned() })
    }
}

impl ImportCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Supersede => "supersede",
            Self::Abandon => "abandon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let commands = [ImportCommand::Activate, ImportCommand::Supersede, ImportCommand::Abandon];
        let mut table = Vec::new();
        for state in ImportState::ALL {
            assert_eq!(ImportState::from_name(state.name()), Ok(state));
            for command in commands {
                if let Ok(next) = state.transition(command) {
                    table.push(format!("{} {} {}", state.name(), command.name(), next.name()));
                }
            }
        }
        assert_eq!(
            table,
            ["staging activate active", "staging abandon abandoned", "active supersede superseded"]
        );
        assert!(ImportState::from_name("").is_err());
    }
}
