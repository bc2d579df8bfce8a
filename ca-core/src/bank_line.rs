//! A line of a bank statement that brought money: it paid an order by itself, a person says which, or two persons send it
//! back.

use ca_verifier::Time;
use jiff::civil::Date;

use crate::{BankLineId, Fen, OrderId, PaymentId, Refusal, StaffId, UnmatchedReason};

/// A line of a statement that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankLine {
    /// Ours.
    pub id: BankLineId,
    /// The money.
    pub payment: PaymentId,
    /// When the bank booked it.
    pub booked_on: Date,
    /// How much, in fen.
    pub amount: Fen,
    /// Who imported the statement.
    pub imported_by: StaffId,
    /// When.
    pub imported_at: Time,
    /// Where it stands.
    pub state: BankLineState,
}

/// Where a line stands, with what is known there.
///
/// ```text
/// matched      unmatched ──assign──▶ assigned
///               │     ▲
///       request-return └reject-return┐
///               ▼                    │
///          return-requested ─────────┘──approve-return──▶ returned
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum BankLineState {
    /// It paid an order by itself.
    Matched {
        /// Which.
        order: OrderId,
    },
    /// A person must look. What the bank says of the payer is kept until then, and no longer.
    Unmatched {
        /// Why.
        reason: UnmatchedReason,
        /// Who paid, as the bank says.
        payer: String,
        /// What the payer wrote.
        remark: String,
    },
    /// A person said what it is for.
    Assigned {
        /// Which order.
        order: OrderId,
        /// Who.
        by: StaffId,
    },
    /// It is to go back, if another person agrees. Whoever sends it must know to whom.
    ReturnRequested {
        /// Why a person had to look.
        reason: UnmatchedReason,
        /// Who paid, as the bank says.
        payer: String,
        /// What the payer wrote.
        remark: String,
        /// Why it goes back.
        why: String,
        /// Who asked.
        by: StaffId,
    },
    /// It went back.
    Returned {
        /// Who asked.
        by: StaffId,
        /// Who agreed.
        approved_by: StaffId,
        /// The bank's number of our transfer.
        reference: String,
    },
}

/// What can be done about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankLineCommand {
    /// A person says for which order it is.
    Assign {
        /// Which.
        order: OrderId,
        /// Who.
        by: StaffId,
    },
    /// A person asks that it go back.
    RequestReturn {
        /// Why.
        why: String,
        /// Who.
        by: StaffId,
    },
    /// Another person agrees, and it went back.
    ApproveReturn {
        /// Who.
        by: StaffId,
        /// The bank's number of our transfer.
        reference: String,
    },
    /// Another person does not agree.
    RejectReturn {
        /// Who.
        by: StaffId,
    },
}

impl BankLineCommand {
    /// The name in refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Assign { .. } => "assign",
            Self::RequestReturn { .. } => "request-return",
            Self::ApproveReturn { .. } => "approve-return",
            Self::RejectReturn { .. } => "reject-return",
        }
    }
}

impl BankLineState {
    /// Every name.
    pub const NAMES: [&str; 5] = ["matched", "unmatched", "assigned", "return-requested", "returned"];

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::SamePerson`]; [`Refusal::WrongState`]; it stays as it was.
    pub fn transition(self, command: BankLineCommand) -> Result<Self, Refusal> {
        use BankLineCommand as C;
        match (self, command) {
            (Self::Unmatched { .. }, C::Assign { order, by }) => Ok(Self::Assigned { order, by }),
            (Self::Unmatched { reason, payer, remark }, C::RequestReturn { why, by }) => {
                Ok(Self::ReturnRequested { reason, payer, remark, why, by })
            }
            (
                Self::ReturnRequested { by: asked, .. },
                C::ApproveReturn { by, .. } | C::RejectReturn { by },
            ) if by == asked => Err(Refusal::SamePerson),
            (Self::ReturnRequested { by, .. }, C::ApproveReturn { by: approved_by, reference }) => {
                Ok(Self::Returned { by, approved_by, reference })
            }
            (Self::ReturnRequested { reason, payer, remark, .. }, C::RejectReturn { .. }) => {
                Ok(Self::Unmatched { reason, payer, remark })
            }
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// The name in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Matched { .. } => "matched",
            Self::Unmatched { .. } => "unmatched",
            Self::Assigned { .. } => "assigned",
            Self::ReturnRequested { .. } => "return-requested",
            Self::Returned { .. } => "returned",
        }
    }
}

impl std::fmt::Debug for BankLineState {
    /// Not who paid.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> OrderId {
        OrderId::parse(&"1".repeat(32)).unwrap()
    }

    fn person(digit: char) -> StaffId {
        StaffId::parse(&digit.to_string().repeat(32)).unwrap()
    }

    fn unmatched() -> BankLineState {
        let (payer, remark) = ("张三".to_owned(), String::new());
        BankLineState::Unmatched { reason: UnmatchedReason::Unknown, payer, remark }
    }

    fn asked() -> BankLineCommand {
        BankLineCommand::RequestReturn { why: "打错账户".to_owned(), by: person('2') }
    }

    #[test]
    fn the_whole_table() {
        let requested = unmatched().transition(asked()).unwrap();
        let approve = |by| BankLineCommand::ApproveReturn { by: person(by), reference: "OUT-1".to_owned() };
        let commands = [
            ("", BankLineCommand::Assign { order: order(), by: person('2') }),
            ("", asked()),
            (" by the same", approve('2')),
            (" by another", approve('3')),
            (" by the same", BankLineCommand::RejectReturn { by: person('2') }),
            (" by another", BankLineCommand::RejectReturn { by: person('3') }),
        ];
        let mut table = String::new();
        for state in [
            BankLineState::Matched { order: order() },
            unmatched(),
            BankLineState::Assigned { order: order(), by: person('2') },
            requested.clone(),
            requested.transition(approve('3')).unwrap(),
        ] {
            assert!(BankLineState::NAMES.contains(&state.name()));
            assert!(!format!("{state:?}").contains("张三"));
            for (who, command) in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                let command = format!("{}{who}", command.name());
                table.push_str(&format!("{:<16} {command:<26} {outcome}\n", state.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn who_paid_is_known_until_it_went_back() {
        let requested = unmatched().transition(asked()).unwrap();
        let rejected = requested.clone().transition(BankLineCommand::RejectReturn { by: person('3') });
        assert_eq!(rejected, Ok(unmatched()));
        let approved = BankLineCommand::ApproveReturn { by: person('3'), reference: "OUT-1".to_owned() };
        let (by, approved_by) = (person('2'), person('3'));
        let returned = BankLineState::Returned { by, approved_by, reference: "OUT-1".to_owned() };
        assert_eq!(requested.transition(approved), Ok(returned));
    }
}
