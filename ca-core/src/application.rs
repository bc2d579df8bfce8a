//! The life of an application for a certificate (steps 2 to 8 of the path).
//!
//! ```text
//! submitted ──approve──▶ approved ──settle──▶ paid ──claim──▶ personalising ──issue──▶ issued ──deliver──▶ delivered ──activate──▶ active
//!  ▲  ├─────reject────▶ rejected     ├withdraw▶ withdrawn   ◀──────abandon──┘    ◀────────abandon───┘
//!  │  │                    │          ├─expire──▶ expired
//!  │  ├─withdraw, expire   │          └─execute─▶ done
//!  └──┴──────correct───────┘
//! ```
//! An unlock makes nothing: `personalising ──unlock──▶ active`, with the certificate whose token was unlocked.
//! An event of the unit after the decision: what is approved or paid stays where it is, and is approved anew with the new data.
//! What is paid and given back in full before it is claimed is withdrawn (refund).
//! A free application is settled without a payment as it is approved. One that only changes a certificate's standing is
//! executed as it is approved.

use ca_verifier::Serial;

use crate::{AttemptId, Author, PaymentId, Refusal, StaffId};

/// Where an application stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// Entered by a clerk, complete with its documents.
    Submitted,
    /// Approved by an officer who did not enter it.
    Approved {
        /// The officer, or the policy.
        by: Author,
    },
    /// Refused, with the rules that it broke.
    Rejected {
        /// The officer.
        by: StaffId,
        /// Why, for the unit to read.
        reasons: String,
    },
    /// Taken back by the unit.
    Withdrawn,
    /// Nobody went on with it in time.
    Expired,
    /// Approved and executed: there is nothing to be made.
    Done {
        /// The officer.
        by: Author,
    },
    /// Paid in full, or free of charge.
    Paid {
        /// The payment that settled it; `None` when nothing was due.
        payment: Option<PaymentId>,
    },
    /// A workstation has claimed it.
    Personalising {
        /// The payment that settled it.
        payment: Option<PaymentId>,
        /// The attempt that holds the claim.
        attempt: AttemptId,
    },
    /// The certificate exists and is not yet in anybody's hands.
    Issued {
        /// The payment that settled it.
        payment: Option<PaymentId>,
        /// The attempt that made it.
        attempt: AttemptId,
        /// Its serial number.
        serial: Serial,
    },
    /// Handed over; on hold until the holder activates it.
    Delivered {
        /// Its serial number.
        serial: Serial,
    },
    /// Activated by the holder; of an unlock: carried out.
    Active {
        /// Its serial number.
        serial: Serial,
    },
}

/// What can be asked of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationCommand {
    /// An officer approves, or the policy what it entered itself.
    Approve {
        /// Who.
        by: Author,
    },
    /// The unit's data changed after the decision: an officer approves the new ones.
    ApproveAnew {
        /// The officer.
        by: StaffId,
    },
    /// An officer rejects.
    Reject {
        /// The officer.
        by: StaffId,
        /// Why.
        reasons: String,
    },
    /// Entered anew with what was wrong put right; it is decided from the beginning.
    Correct,
    /// The unit takes it back.
    Withdraw,
    /// Nobody went on with it in time.
    Expire,
    /// It is carried out: there is nothing to be made.
    Execute,
    /// The whole fee has been paid.
    Settle {
        /// The payment; `None` when nothing was due.
        payment: Option<PaymentId>,
    },
    /// All that was paid for it went back before anything was made.
    Refund,
    /// A workstation starts.
    Claim {
        /// Its attempt.
        attempt: AttemptId,
    },
    /// The certificate has been committed.
    Issue {
        /// The attempt.
        attempt: AttemptId,
        /// The certificate.
        serial: Serial,
    },
    /// An attempt ended without a certificate in anybody's hands; another may start. Nothing is paid twice.
    Abandon {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The token was handed over.
    Deliver {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The holder activated.
    Activate {
        /// The certificate.
        serial: Serial,
    },
    /// The holder's token has a new PIN; nothing was made.
    Unlock {
        /// The attempt.
        attempt: AttemptId,
        /// The certificate on the token.
        serial: Serial,
    },
}

impl ApplicationState {
    /// Every name.
    pub const NAMES: [&str; 11] = [
        "submitted",
        "approved",
        "rejected",
        "withdrawn",
        "expired",
        "done",
        "paid",
        "personalising",
        "issued",
        "delivered",
        "active",
    ];

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Done { .. } => "done",
            Self::Paid { .. } => "paid",
            Self::Personalising { .. } => "personalising",
            Self::Issued { .. } => "issued",
            Self::Delivered { .. } => "delivered",
            Self::Active { .. } => "active",
        }
    }

    /// The next state. `entered_by` is everybody who entered or corrected it: none of them decides it (I10), and the policy
    /// decides nothing that a person had a hand in. Whoever recorded an event has entered what it entered.
    ///
    /// # Errors
    /// A [`Refusal`] that names the rule; the application stays as it was.
    pub fn transition(self, entered_by: &[Author], command: ApplicationCommand) -> Result<Self, Refusal> {
        use ApplicationCommand as C;
        use ApplicationState as S;
        let entered = |by: &StaffId| entered_by.iter().any(|author| author.person() == Some(by));
        match (self, command) {
            (S::Submitted, C::Approve { by: Author::Staff(by) } | C::Reject { by, .. }) if entered(&by) => {
                Err(Refusal::SamePerson)
            }
            (S::Submitted, C::Approve { by: Author::Policy }) if *entered_by != [Author::Policy] => {
                Err(Refusal::PersonWanted)
            }
            (S::Submitted, C::Approve { by: Author::Event { .. } }) => Err(Refusal::PersonWanted),
            (S::Submitted, C::Approve { by }) => Ok(S::Approved { by }),
            (S::Approved { .. } | S::Paid { .. }, C::ApproveAnew { by }) if entered(&by) => {
                Err(Refusal::SamePerson)
            }
            (S::Approved { .. }, C::ApproveAnew { by }) => Ok(S::Approved { by: Author::Staff(by) }),
            (paid @ S::Paid { .. }, C::ApproveAnew { .. }) => Ok(paid),
            (S::Submitted, C::Reject { by, reasons }) => Ok(S::Rejected { by, reasons }),
            (S::Submitted | S::Rejected { .. }, C::Correct) => Ok(S::Submitted),
            (S::Submitted | S::Approved { .. }, C::Withdraw) => Ok(S::Withdrawn),
            (S::Submitted | S::Approved { .. }, C::Expire) => Ok(S::Expired),
            (S::Approved { by }, C::Execute) => Ok(S::Done { by }),
            (S::Approved { .. }, C::Settle { payment }) => Ok(S::Paid { payment }),
            (S::Paid { .. }, C::Refund) => Ok(S::Withdrawn),
            (S::Paid { payment }, C::Claim { attempt }) => Ok(S::Personalising { payment, attempt }),
            (S::Personalising { payment, attempt: held }, C::Issue { attempt, serial })
                if held == attempt =>
            {
                Ok(S::Issued { payment, attempt, serial })
            }
            (
                S::Personalising { payment, attempt: held } | S::Issued { payment, attempt: held, .. },
                C::Abandon { attempt },
            ) if held == attempt => Ok(S::Paid { payment }),
            (S::Issued { attempt: held, serial, .. }, C::Deliver { attempt }) if held == attempt => {
                Ok(S::Delivered { serial })
            }
            (S::Delivered { serial: held }, C::Activate { serial }) if held == serial => {
                Ok(S::Active { serial })
            }
            (S::Personalising { attempt: held, .. }, C::Unlock { attempt, serial }) if held == attempt => {
                Ok(S::Active { serial })
            }
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }
}

impl ApplicationCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::ApproveAnew { .. } => "approve-anew",
            Self::Reject { .. } => "reject",
            Self::Correct => "correct",
            Self::Withdraw => "withdraw",
            Self::Expire => "expire",
            Self::Execute => "execute",
            Self::Settle { .. } => "settle",
            Self::Refund => "refund",
            Self::Claim { .. } => "claim",
            Self::Issue { .. } => "issue",
            Self::Abandon { .. } => "abandon",
            Self::Deliver { .. } => "deliver",
            Self::Activate { .. } => "activate",
            Self::Unlock { .. } => "unlock",
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

    fn author(n: u8) -> Author {
        Author::Staff(staff(n))
    }

    fn every_state() -> Vec<ApplicationState> {
        let (payment, attempt, serial) = known();
        vec![
            ApplicationState::Submitted,
            ApplicationState::Approved { by: author(2) },
            ApplicationState::Rejected { by: staff(2), reasons: "documents".into() },
            ApplicationState::Withdrawn,
            ApplicationState::Expired,
            ApplicationState::Done { by: author(2) },
            ApplicationState::Paid { payment: Some(payment.clone()) },
            ApplicationState::Personalising { payment: Some(payment.clone()), attempt: attempt.clone() },
            ApplicationState::Issued { payment: Some(payment), attempt, serial },
            ApplicationState::Delivered { serial },
            ApplicationState::Active { serial },
        ]
    }

    fn every_command() -> Vec<ApplicationCommand> {
        let (payment, attempt, serial) = known();
        vec![
            ApplicationCommand::Approve { by: author(2) },
            ApplicationCommand::Reject { by: staff(2), reasons: "documents".into() },
            ApplicationCommand::Correct,
            ApplicationCommand::Withdraw,
            ApplicationCommand::Expire,
            ApplicationCommand::Execute,
            ApplicationCommand::Settle { payment: Some(payment) },
            ApplicationCommand::Refund,
            ApplicationCommand::Claim { attempt: attempt.clone() },
            ApplicationCommand::Issue { attempt: attempt.clone(), serial },
            ApplicationCommand::Abandon { attempt: attempt.clone() },
            ApplicationCommand::Deliver { attempt },
            ApplicationCommand::Activate { serial },
            ApplicationCommand::ApproveAnew { by: staff(2) },
        ]
    }

    fn known() -> (PaymentId, AttemptId, Serial) {
        let now = Time::from_secs(0);
        (PaymentId::new(now, [7; 10]), AttemptId::new(now, [8; 10]), Serial::from_content(&[9]).unwrap())
    }

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in every_state() {
            assert!(ApplicationState::NAMES.contains(&state.name()));
            for command in every_command() {
                let outcome = match state.clone().transition(&[author(1)], command.clone()) {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{:<13} {:<8} {outcome}\n", state.name(), command.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn who_enters_does_not_decide() {
        for command in [
            ApplicationCommand::Approve { by: author(1) },
            ApplicationCommand::Reject { by: staff(1), reasons: String::new() },
        ] {
            let editors = [author(3), author(1)];
            assert_eq!(ApplicationState::Submitted.transition(&editors, command), Err(Refusal::SamePerson));
        }
        let event = crate::UnitEventId::new(Time::from_secs(0), [6; 10]);
        let editors = [author(3), Author::Event { event, recorded_by: staff(1) }];
        for state in [ApplicationState::Approved { by: author(1) }, ApplicationState::Paid { payment: None }]
        {
            let anew = |by| state.clone().transition(&editors, ApplicationCommand::ApproveAnew { by });
            assert_eq!(anew(staff(1)), Err(Refusal::SamePerson), "who recorded the event");
            assert_eq!(anew(staff(3)), Err(Refusal::SamePerson));
            assert_eq!(anew(staff(2)).unwrap().name(), state.name());
        }
    }

    #[test]
    fn the_policy_approves_only_what_no_person_had_a_hand_in() {
        let by_policy = || ApplicationCommand::Approve { by: Author::Policy };
        let submitted = ApplicationState::Submitted;
        let approved = submitted.clone().transition(&[Author::Policy], by_policy());
        assert_eq!(approved, Ok(ApplicationState::Approved { by: Author::Policy }));
        for entered_by in [&[author(1)][..], &[Author::Policy, author(1)], &[author(1), Author::Policy], &[]]
        {
            assert_eq!(submitted.clone().transition(entered_by, by_policy()), Err(Refusal::PersonWanted));
        }
        let by_officer = ApplicationCommand::Approve { by: author(1) };
        assert!(submitted.transition(&[Author::Policy], by_officer).is_ok());
    }

    #[test]
    fn an_event_decides_nothing_nor_does_who_recorded_it() {
        let event = crate::UnitEventId::new(Time::from_secs(0), [6; 10]);
        let author_event = Author::Event { event, recorded_by: staff(1) };
        assert_eq!(Author::parse(&author_event.to_string()), Ok(author_event.clone()));
        for text in ["unit-event:", "unit-event:x:y", "unit-event:00000000000006060606060606060606"] {
            assert!(Author::parse(text).is_err(), "{text}");
        }
        for entered_by in [vec![author_event.clone()], vec![author_event.clone(), author(3)]] {
            let decide =
                |by| ApplicationState::Submitted.transition(&entered_by, ApplicationCommand::Approve { by });
            assert_eq!(decide(author(1)), Err(Refusal::SamePerson));
            assert_eq!(decide(Author::Policy), Err(Refusal::PersonWanted));
            assert_eq!(decide(author_event.clone()), Err(Refusal::PersonWanted));
            assert_eq!(decide(author(2)), Ok(ApplicationState::Approved { by: author(2) }));
            let reject = ApplicationCommand::Reject { by: staff(1), reasons: String::new() };
            assert_eq!(ApplicationState::Submitted.transition(&entered_by, reject), Err(Refusal::SamePerson));
        }
    }

    #[test]
    fn a_foreign_attempt_moves_nothing() {
        let (payment, attempt, serial) = known();
        let other = AttemptId::new(Time::from_secs(1), [0; 10]);
        let state = ApplicationState::Personalising { payment: Some(payment), attempt };
        for command in [
            ApplicationCommand::Issue { attempt: other.clone(), serial },
            ApplicationCommand::Abandon { attempt: other.clone() },
        ] {
            assert!(state.clone().transition(&[author(1)], command).is_err());
        }
    }

    proptest::proptest! {
        /// Whatever is asked in whatever order: a certificate comes of an application only after somebody who did not
        /// enter it approved it, after it was settled, and while an attempt held it.
        #[test]
        fn no_way_around_the_decision(commands in proptest::collection::vec(0..14_usize, 0..40)) {
            let editors = [author(1), author(3)];
            let mut state = ApplicationState::Submitted;
            let (mut approved, mut settled, mut claimed) = (false, false, false);
            for number in commands {
                let command = every_command()[number].clone();
                let Ok(next) = state.clone().transition(&editors, command.clone()) else { continue };
                match &command {
                    ApplicationCommand::Correct => (approved, settled, claimed) = (false, false, false),
                    ApplicationCommand::Approve { by } => approved = !editors.contains(by),
                    ApplicationCommand::ApproveAnew { by } => {
                        approved &= !editors.contains(&Author::Staff(by.clone()));
                    }
                    ApplicationCommand::Settle { .. } => settled = true,
                    ApplicationCommand::Claim { .. } => claimed = true,
                    ApplicationCommand::Abandon { .. } => claimed = false,
                    _ => {}
                }
                let made = matches!(
                    next,
                    ApplicationState::Issued { .. } | ApplicationState::Delivered { .. } | ApplicationState::Active { .. }
                );
                proptest::prop_assert!(!made || (approved && settled && claimed), "{command:?} from {state:?}");
                let done = matches!(next, ApplicationState::Done { .. });
                proptest::prop_assert!(!done || approved);
                state = next;
            }
        }
    }
}
