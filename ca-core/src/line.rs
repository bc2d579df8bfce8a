//! An issuing line: applications that one workstation makes one after the other, token after token. What fails is set
//! aside and holds nothing up.
//!
//! ```text
//! waiting ──take──▶ working ──finish──▶ made
//!    └──────aside──────┴──▶ aside
//! ```

use crate::{Error, Refusal};

/// Where one application of a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineItemState {
    /// Its turn has not come.
    Waiting,
    /// It is being made on a token.
    Working {
        /// The token's serial number.
        token: String,
    },
    /// Its token is ready and waits for the holder.
    Made {
        /// The token's serial number.
        token: String,
    },
    /// It did not go: a person looks at it later. It is paid still, and may stand in another line.
    Aside {
        /// The token that failed: it is not tried again in this line. One that was only pulled out may be.
        token: Option<String>,
        /// Why, in both languages.
        note: String,
    },
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineItemCommand {
    /// A token is there for it.
    Take {
        /// Which.
        token: String,
    },
    /// The token proved that it has the certificate's key.
    Finish,
    /// It does not go.
    SetAside {
        /// Why.
        note: String,
        /// Whether it was the token that failed.
        blame: bool,
    },
}

impl LineItemState {
    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`].
    pub fn transition(self, command: LineItemCommand) -> Result<Self, Refusal> {
        use LineItemCommand as C;
        match (self, command) {
            (Self::Waiting, C::Take { token }) => Ok(Self::Working { token }),
            (Self::Working { token }, C::Finish) => Ok(Self::Made { token }),
            (Self::Waiting, C::SetAside { note, .. }) => Ok(Self::Aside { token: None, note }),
            (Self::Working { token }, C::SetAside { note, blame }) => {
                Ok(Self::Aside { token: blame.then_some(token), note })
            }
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// Reads the columns back.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn read(name: &str, token: Option<String>, note: String) -> Result<Self, Error> {
        match (name, token) {
            ("waiting", None) => Ok(Self::Waiting),
            ("working", Some(token)) => Ok(Self::Working { token }),
            ("made", Some(token)) => Ok(Self::Made { token }),
            ("aside", token) => Ok(Self::Aside { token, note }),
            _ => Err(Error::Unknown { what: "line item", value: name.to_owned() }),
        }
    }

    /// The token that it has or had.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Waiting => None,
            Self::Working { token } | Self::Made { token } => Some(token),
            Self::Aside { token, .. } => token.as_deref(),
        }
    }

    /// The name that stands in the database and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working { .. } => "working",
            Self::Made { .. } => "made",
            Self::Aside { .. } => "aside",
        }
    }
}

impl LineItemCommand {
    /// The name in a refusal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Take { .. } => "take",
            Self::Finish => "finish",
            Self::SetAside { .. } => "set-aside",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let token = || "T1".to_owned();
        let states = [
            LineItemState::Waiting,
            LineItemState::Working { token: token() },
            LineItemState::Made { token: token() },
            LineItemState::Aside { token: Some(token()), note: "full".into() },
        ];
        let commands = [
            LineItemCommand::Take { token: token() },
            LineItemCommand::Finish,
            LineItemCommand::SetAside { note: "full".into(), blame: true },
        ];
        let mut table = String::new();
        for state in &states {
            for command in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{:<8} {:<10} {outcome}\n", state.name(), command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn columns_are_read_back() {
        for state in [
            LineItemState::Waiting,
            LineItemState::Working { token: "T".into() },
            LineItemState::Made { token: "T".into() },
            LineItemState::Aside { token: None, note: "n".into() },
        ] {
            let note =
                if let LineItemState::Aside { note, .. } = &state { note.clone() } else { String::new() };
            let read = LineItemState::read(state.name(), state.token().map(str::to_owned), note);
            assert_eq!(read, Ok(state));
        }
        assert!(LineItemState::read("working", None, String::new()).is_err());
        assert!(LineItemState::read("gone", None, String::new()).is_err());
    }
}
