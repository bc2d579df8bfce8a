//! What happens to a unit from a day on: a new name, a unified code instead of the old one, another agent, a merger, its end.
//!
//! An event is recorded when its paper is seen and applied when its day has come; until then it can be cancelled.

use ca_verifier::{Reason, Serial, Time, Uscc};

use crate::{AgentId, ApplicationKind, Error, Name, Refusal, UnitEventId, UnitId};

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitEventKind {
    /// A new legal name.
    Rename {
        /// The new one.
        name: Name,
    },
    /// A unified social credit code, new or in the place of an organisation code.
    NewCode {
        /// The new one.
        code: Uscc,
    },
    /// Another agent in the place of one.
    Agent {
        /// Who acted for the unit.
        from: AgentId,
        /// Who does from now on: qualified and confirmed for the unit already.
        to: AgentId,
    },
    /// It goes into another unit, and nothing more is made for it.
    Merger {
        /// The other.
        successor: UnitId,
    },
    /// It is dissolved, and nothing more is made for it.
    Dissolution,
}

impl UnitEventKind {
    /// The name in the API, the log and the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::NewCode { .. } => "new-code",
            Self::Agent { .. } => "agent",
            Self::Merger { .. } => "merger",
            Self::Dissolution => "dissolution",
        }
    }

    /// What is to be applied for about a certificate that it touches. No certificate names an agent.
    #[must_use]
    pub fn remedy(&self, of: Serial) -> Option<ApplicationKind> {
        match self {
            Self::Rename { .. } | Self::NewCode { .. } => Some(ApplicationKind::Change { of }),
            Self::Merger { .. } | Self::Dissolution => {
                Some(ApplicationKind::Revoke { of, reason: Reason::CessationOfOperation })
            }
            Self::Agent { .. } => None,
        }
    }

    /// Whether the unit ends with it.
    #[must_use]
    pub fn ends_unit(&self) -> bool {
        matches!(self, Self::Merger { .. } | Self::Dissolution)
    }
}

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitEventState {
    /// Its day has not come, or the server has not seen it come.
    Pending,
    /// The unit is what the event made it.
    Applied,
    /// Taken back before its day.
    Cancelled,
}

impl UnitEventState {
    /// The name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Cancelled => "cancelled",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        [Self::Pending, Self::Applied, Self::Cancelled]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| Error::Unknown { what: "state of an event", value: name.to_owned() })
    }

    /// Applied, when it is its turn.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] unless it is pending.
    pub fn apply(self) -> Result<Self, Refusal> {
        self.leave(Self::Applied, "apply")
    }

    /// Cancelled.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] unless it is pending.
    pub fn cancel(self) -> Result<Self, Refusal> {
        self.leave(Self::Cancelled, "cancel")
    }

    fn leave(self, next: Self, command: &'static str) -> Result<Self, Refusal> {
        match self {
            Self::Pending => Ok(next),
            _ => Err(Refusal::WrongState { state: self.name(), command }),
        }
    }
}

/// Something that happens to a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitEvent {
    /// Our identifier.
    pub id: UnitEventId,
    /// Which unit.
    pub unit: UnitId,
    /// What happens.
    pub kind: UnitEventKind,
    /// What the unit had before: its name or code; `None` until the event is applied, and for its end.
    pub before: Option<String>,
    /// The paper that says so.
    pub basis: String,
    /// SHA-256 of the paper's scan.
    pub sha256: [u8; 32],
    /// From when on it holds.
    pub effective_at: Time,
    /// Who recorded it, as the log writes it.
    pub recorded_by: String,
    /// When.
    pub recorded_at: Time,
    /// How far it has come.
    pub state: UnitEventState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_pending_moves() {
        use UnitEventState as S;
        for state in [S::Pending, S::Applied, S::Cancelled] {
            assert_eq!(S::from_name(state.name()), Ok(state));
            assert_eq!(state.apply().is_ok(), state == S::Pending);
            assert_eq!(state.cancel().is_ok(), state == S::Pending);
        }
        assert!(S::from_name("undone").is_err());
    }
}
