//! Payments, and what two persons decide about money: waivers and refunds.

use ca_verifier::Time;

use super::{Payer, PaymentMethod};
use crate::{AdjustmentId, ApplicationId, Error, Fen, OrderId, PaymentId, Refusal, StaffId};

/// Money that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Our identifier.
    pub id: PaymentId,
    /// For which order; `None` while nobody knows.
    pub order: Option<OrderId>,
    /// From whom; `None` while nobody knows.
    pub payer: Option<Payer>,
    /// How.
    pub method: PaymentMethod,
    /// The number that the other side gave it: of the paper receipt, of the bank, of the gateway. Counts once, for ever.
    pub reference: String,
    /// How much, in CNY.
    pub amount: Fen,
    /// Who took it; `None` when nobody did.
    pub cashier: Option<StaffId>,
    /// At which counter; `None` when at none.
    pub counter: Option<String>,
    /// Opens the receipt's public page: random, for whoever has the receipt.
    pub code: String,
    /// When.
    pub at: Time,
}

/// What two persons decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustmentKind {
    /// Part of a fee is not asked for.
    Waiver,
    /// Part of what was paid goes back.
    Refund {
        /// Into the payer's credit, instead of out of our hands.
        into_credit: bool,
        /// Though the certificate stays good.
        keeps_certificate: bool,
    },
}

impl AdjustmentKind {
    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiver => "waiver",
            Self::Refund { .. } => "refund",
        }
    }

    /// Reads a name and its particulars.
    ///
    /// # Errors
    /// [`Error::Unknown`], also for a waiver with particulars.
    pub fn from_parts(name: &str, into_credit: bool, keeps_certificate: bool) -> Result<Self, Error> {
        match (name, into_credit, keeps_certificate) {
            ("waiver", false, false) => Ok(Self::Waiver),
            ("refund", ..) => Ok(Self::Refund { into_credit, keeps_certificate }),
            _ => Err(Error::Unknown { what: "adjustment", value: name.to_owned() }),
        }
    }
}

/// Where a waiver or a refund stands.
///
/// ```text
/// requested ──approve──▶ approved ──pay out──▶ paid-out
///     ├──────reject────▶ rejected
///     └─────withdraw───▶ withdrawn
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdjustmentState {
    /// Asked for by one person.
    Requested,
    /// Decided by another; the book says so.
    Approved {
        /// Who.
        by: StaffId,
    },
    /// Refused.
    Rejected {
        /// Who.
        by: StaffId,
        /// Why.
        reasons: String,
    },
    /// Taken back by whoever asked.
    Withdrawn,
    /// The money left our hands.
    PaidOut {
        /// Who decided it.
        by: StaffId,
        /// How it left.
        method: PaymentMethod,
        /// The number of the proof: what the payer signed, the bank's, the gateway's.
        reference: String,
    },
}

/// What can be asked of a waiver or a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdjustmentCommand {
    /// Another person agrees.
    Approve {
        /// Who.
        by: StaffId,
    },
    /// Another person refuses.
    Reject {
        /// Who.
        by: StaffId,
        /// Why.
        reasons: String,
    },
    /// Whoever asked takes it back.
    Withdraw {
        /// Who.
        by: StaffId,
    },
    /// The money left our hands.
    PayOut {
        /// How it left.
        method: PaymentMethod,
        /// The number of the proof.
        reference: String,
    },
}

impl AdjustmentState {
    /// Every name.
    pub const NAMES: [&str; 5] = ["requested", "approved", "rejected", "withdrawn", "paid-out"];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::PaidOut { .. } => "paid-out",
        }
    }

    /// The next state of what `adjustment` is.
    ///
    /// # Errors
    /// A [`Refusal`]; it stays as it was. Who asked does not decide (I9), and only who asked takes it back.
    pub fn transition(self, adjustment: &Adjustment, command: AdjustmentCommand) -> Result<Self, Refusal> {
        use AdjustmentCommand as C;
        use AdjustmentState as S;
        match (self, command) {
            (S::Requested, C::Approve { by } | C::Reject { by, .. }) if by == adjustment.requested_by => {
                Err(Refusal::SamePerson)
            }
            (S::Requested, C::Approve { by }) => Ok(S::Approved { by }),
            (S::Requested, C::Reject { by, reasons }) => Ok(S::Rejected { by, reasons }),
            (S::Requested, C::Withdraw { by }) if by == adjustment.requested_by => Ok(S::Withdrawn),
            (S::Approved { by }, C::PayOut { method, reference })
                if matches!(adjustment.kind, AdjustmentKind::Refund { into_credit: false, .. }) =>
            {
                Ok(S::PaidOut { by, method, reference })
            }
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }
}

impl AdjustmentCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Withdraw { .. } => "withdraw",
            Self::PayOut { .. } => "pay-out",
        }
    }
}

/// A waiver or a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Our identifier.
    pub id: AdjustmentId,
    /// What it is.
    pub kind: AdjustmentKind,
    /// On which order.
    pub order: OrderId,
    /// For which application.
    pub application: ApplicationId,
    /// How much.
    pub amount: Fen,
    /// Why; of a waiver one of the tariff's reasons.
    pub reason: String,
    /// Who asked for it.
    pub requested_by: StaffId,
    /// When.
    pub requested_at: Time,
    /// Where it stands.
    pub state: AdjustmentState,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staff(n: u8) -> StaffId {
        StaffId::new(Time::from_secs(0), [n; 10])
    }

    fn adjustment(kind: AdjustmentKind) -> Adjustment {
        let now = Time::from_secs(0);
        Adjustment {
            id: AdjustmentId::new(now, [1; 10]),
            kind,
            order: OrderId::new(now, [2; 10]),
            application: ApplicationId::new(now, [3; 10]),
            amount: Fen::new(1),
            reason: String::new(),
            requested_by: staff(1),
            requested_at: now,
            state: AdjustmentState::Requested,
        }
    }

    #[test]
    fn the_whole_table() {
        let out = || (PaymentMethod::Cash, "R-1".to_owned());
        let mut table = String::new();
        for into_credit in [false, true] {
            let refund = adjustment(AdjustmentKind::Refund { into_credit, keeps_certificate: false });
            for state in [
                AdjustmentState::Requested,
                AdjustmentState::Approved { by: staff(2) },
                AdjustmentState::Rejected { by: staff(2), reasons: String::new() },
                AdjustmentState::Withdrawn,
                AdjustmentState::PaidOut { by: staff(2), method: out().0, reference: out().1 },
            ] {
                assert!(AdjustmentState::NAMES.contains(&state.name()));
                for (who, command) in [
                    (1, AdjustmentCommand::Approve { by: staff(1) }),
                    (2, AdjustmentCommand::Approve { by: staff(2) }),
                    (1, AdjustmentCommand::Reject { by: staff(1), reasons: String::new() }),
                    (2, AdjustmentCommand::Reject { by: staff(2), reasons: String::new() }),
                    (1, AdjustmentCommand::Withdraw { by: staff(1) }),
                    (2, AdjustmentCommand::Withdraw { by: staff(2) }),
                    (0, AdjustmentCommand::PayOut { method: out().0, reference: out().1 }),
                ] {
                    let outcome = match state.clone().transition(&refund, command.clone()) {
                        Ok(next) => next.name().to_owned(),
                        Err(refusal) => format!("refused: {refusal}"),
                    };
                    let to = if into_credit { "credit" } else { "out" };
                    let by = ["", "asker", "other"][who];
                    table.push_str(&format!(
                        "{to:<6} {:<9} {:<8} {by:<5} {outcome}\n",
                        state.name(),
                        command.name()
                    ));
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_waiver_is_never_paid_out() {
        let waiver = adjustment(AdjustmentKind::Waiver);
        let command = AdjustmentCommand::PayOut { method: PaymentMethod::Cash, reference: String::new() };
        assert!(AdjustmentState::Approved { by: staff(2) }.transition(&waiver, command).is_err());
        assert!(AdjustmentKind::from_parts("waiver", true, false).is_err());
        assert!(AdjustmentKind::from_parts("gift", false, false).is_err());
    }
}
