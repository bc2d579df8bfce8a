//! A line of a bank statement that brought money: it paid an order by itself, or a person says which.

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
}

impl BankLineState {
    /// Every name.
    pub const NAMES: [&str; 3] = ["matched", "unmatched", "assigned"];

    /// A person says which order it is for.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] when that is known.
    pub fn assign(self, order: OrderId, by: StaffId) -> Result<Self, Refusal> {
        match self {
            Self::Unmatched { .. } => Ok(Self::Assigned { order, by }),
            state => Err(Refusal::WrongState { state: state.name(), command: "assign" }),
        }
    }

    /// The name in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Matched { .. } => "matched",
            Self::Unmatched { .. } => "unmatched",
            Self::Assigned { .. } => "assigned",
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

    #[test]
    fn a_person_decides_once() {
        let order = OrderId::parse(&"1".repeat(32)).unwrap();
        let by = StaffId::parse(&"2".repeat(32)).unwrap();
        let unmatched = BankLineState::Unmatched {
            reason: UnmatchedReason::Unknown,
            payer: "张三".to_owned(),
            remark: String::new(),
        };
        assert!(!format!("{unmatched:?}").contains("张三"));
        let assigned = unmatched.assign(order.clone(), by.clone()).unwrap();
        assert_eq!(assigned, BankLineState::Assigned { order: order.clone(), by: by.clone() });
        for state in [assigned, BankLineState::Matched { order: order.clone() }] {
            let name = state.name();
            let refusal = state.assign(order.clone(), by.clone()).unwrap_err();
            assert_eq!(refusal, Refusal::WrongState { state: name, command: "assign" });
        }
    }
}
