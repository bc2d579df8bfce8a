//! The life of a unit's application to have its agent trained (step 1 of the path; the guide, step 2).
//!
//! ```text
//! submitted ──accept──▶ accepted ──invite──▶ invited ──pass──▶ passed
//!   ▲  └─────reject───▶ rejected     ▲  ▲──miss──┘ └────fail──▶ failed
//!   └──────resubmit───────┘          └──────────invite────────────┘
//! ```
//! What has not been passed can be withdrawn. One training serves every unit that applied for the same person, so an
//! accepted application can be passed without an invitation of its own.

use crate::{Enterer, Refusal, SessionId, StaffId};

/// Where an application for training stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingState {
    /// Waits for a decision, which is due within the working days of the policy.
    Submitted,
    /// Waits for an invitation.
    Accepted {
        /// Who decided.
        by: StaffId,
    },
    /// Refused; can be corrected and submitted again.
    Rejected {
        /// Who decided.
        by: StaffId,
        /// Why, for the unit to read.
        reasons: String,
    },
    /// Taken back by the unit.
    Withdrawn,
    /// Has a seat in a session.
    Invited {
        /// Who decided.
        by: StaffId,
        /// Which session.
        session: SessionId,
    },
    /// The agent is qualified.
    Passed {
        /// Who decided.
        by: StaffId,
        /// Where the agent was trained; `None` when it had been before the decision.
        session: Option<SessionId>,
    },
    /// The agent attended and did not pass.
    Failed {
        /// Who decided.
        by: StaffId,
        /// Where.
        session: SessionId,
        /// Why, for agent and unit to read.
        reasons: String,
    },
}

/// What can be asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingCommand {
    /// The trainer accepts.
    Accept {
        /// The trainer.
        by: StaffId,
    },
    /// The trainer rejects.
    Reject {
        /// The trainer.
        by: StaffId,
        /// Why.
        reasons: String,
    },
    /// Corrected and submitted again.
    Resubmit,
    /// The unit takes it back.
    Withdraw,
    /// A seat in a session.
    Invite {
        /// Which.
        session: SessionId,
    },
    /// The agent did not come.
    Miss,
    /// The agent passed.
    Pass {
        /// In which session.
        session: Option<SessionId>,
    },
    /// The agent did not pass.
    Fail {
        /// Why.
        reasons: String,
    },
}

impl TrainingState {
    /// Every name.
    pub const NAMES: [&str; 7] =
        ["submitted", "accepted", "rejected", "withdrawn", "invited", "passed", "failed"];

    /// The next state. `entered_by` is who entered the application and so cannot decide it (I10).
    ///
    /// # Errors
    /// [`Refusal`]: the application stays as it was.
    pub fn transition(self, entered_by: &Enterer, command: TrainingCommand) -> Result<Self, Refusal> {
        use TrainingCommand as C;
        use TrainingState as S;
        match (self, command) {
            (S::Submitted, C::Accept { by } | C::Reject { by, .. })
                if Enterer::Staff(by.clone()) == *entered_by =>
            {
                Err(Refusal::SamePerson)
            }
            (S::Submitted, C::Accept { by }) => Ok(S::Accepted { by }),
            (S::Submitted, C::Reject { by, reasons }) => Ok(S::Rejected { by, reasons }),
            (S::Rejected { .. }, C::Resubmit) => Ok(S::Submitted),
            (S::Accepted { by } | S::Failed { by, .. }, C::Invite { session }) => {
                Ok(S::Invited { by, session })
            }
            (S::Invited { by, .. }, C::Miss) => Ok(S::Accepted { by }),
            (S::Invited { by, .. } | S::Accepted { by } | S::Failed { by, .. }, C::Pass { session }) => {
                Ok(S::Passed { by, session })
            }
            (S::Invited { by, session }, C::Fail { reasons }) => Ok(S::Failed { by, session, reasons }),
            (
                S::Submitted | S::Accepted { .. } | S::Rejected { .. } | S::Invited { .. } | S::Failed { .. },
                C::Withdraw,
            ) => Ok(S::Withdrawn),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// The session in which it has or had a seat.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Invited { session, .. } | Self::Failed { session, .. } => Some(session),
            Self::Passed { session, .. } => session.as_ref(),
            _ => None,
        }
    }

    /// Why it was refused or not passed.
    #[must_use]
    pub fn reasons(&self) -> Option<&str> {
        match self {
            Self::Rejected { reasons, .. } | Self::Failed { reasons, .. } => Some(reasons),
            _ => None,
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Invited { .. } => "invited",
            Self::Passed { .. } => "passed",
            Self::Failed { .. } => "failed",
        }
    }
}

impl TrainingCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Reject { .. } => "reject",
            Self::Resubmit => "resubmit",
            Self::Withdraw => "withdraw",
            Self::Invite { .. } => "invite",
            Self::Miss => "miss",
            Self::Pass { .. } => "pass",
            Self::Fail { .. } => "fail",
        }
    }
}

#[cfg(test)]
mod tests {
    use ca_verifier::Time;

    use super::*;

    #[test]
    fn the_whole_table() {
        let clerk = StaffId::new(Time::from_secs(1), [1; 10]);
        let by = StaffId::new(Time::from_secs(1), [2; 10]);
        let session = SessionId::new(Time::from_secs(1), [3; 10]);
        let reasons = || "no attendance".to_owned();
        let states = [
            TrainingState::Submitted,
            TrainingState::Accepted { by: by.clone() },
            TrainingState::Rejected { by: by.clone(), reasons: reasons() },
            TrainingState::Withdrawn,
            TrainingState::Invited { by: by.clone(), session: session.clone() },
            TrainingState::Passed { by: by.clone(), session: None },
            TrainingState::Failed { by: by.clone(), session: session.clone(), reasons: reasons() },
        ];
        assert_eq!(states.each_ref().map(TrainingState::name), TrainingState::NAMES);
        let commands = [
            TrainingCommand::Accept { by: by.clone() },
            TrainingCommand::Accept { by: clerk.clone() },
            TrainingCommand::Reject { by, reasons: reasons() },
            TrainingCommand::Resubmit,
            TrainingCommand::Withdraw,
            TrainingCommand::Invite { session: session.clone() },
            TrainingCommand::Miss,
            TrainingCommand::Pass { session: Some(session) },
            TrainingCommand::Fail { reasons: reasons() },
        ];
        let mut table = String::new();
        for state in &states {
            for command in &commands {
                let outcome = match state.clone().transition(&Enterer::Staff(clerk.clone()), command.clone())
                {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{:<10} {:<9} {outcome}\n", state.name(), command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }
}
