//! Money that a bank or a gateway took back after it had paid: arrears.
//!
//! ```text
//! open ──hold──▶ held
//!   └──settle──▶ settled ◀──settle──┘
//! ```
//! Held: the certificates that were bought with it are on hold. That is done only after the unit was told, and never is
//! one revoked for money.

use ca_verifier::Time;

use super::PaymentMethod;
use crate::{ChargebackId, Error, Fen, OrderId, PaymentId, Refusal, StaffId};

/// A payment that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chargeback {
    /// Ours.
    pub id: ChargebackId,
    /// What was taken back, or a part of it.
    pub payment: PaymentId,
    /// The order that it had paid.
    pub order: OrderId,
    /// How much, in fen.
    pub amount: Fen,
    /// The number that the bank or the gateway gives it.
    pub reference: String,
    /// Who recorded it.
    pub recorded_by: StaffId,
    /// When.
    pub recorded_at: Time,
    /// Where it stands.
    pub state: ChargebackState,
}

/// Where a chargeback stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargebackState {
    /// The money is missing.
    Open,
    /// Still missing, and what was bought with it is on hold.
    Held {
        /// Since when.
        at: Time,
    },
    /// It came again.
    Settled {
        /// By this payment.
        payment: PaymentId,
    },
}

/// What can happen to a chargeback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargebackCommand {
    /// The unit was told and did not pay.
    Hold {
        /// Now.
        at: Time,
    },
    /// The money came.
    Settle {
        /// As this payment.
        payment: PaymentId,
    },
}

impl ChargebackState {
    /// Every name.
    pub const NAMES: [&str; 3] = ["open", "held", "settled"];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Held { .. } => "held",
            Self::Settled { .. } => "settled",
        }
    }

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]; it stays as it was.
    pub fn transition(self, command: ChargebackCommand) -> Result<Self, Refusal> {
        use ChargebackCommand as C;
        match (self, command) {
            (Self::Open, C::Hold { at }) => Ok(Self::Held { at }),
            (Self::Open | Self::Held { .. }, C::Settle { payment }) => Ok(Self::Settled { payment }),
            (state, C::Hold { .. }) => Err(Refusal::WrongState { state: state.name(), command: "hold" }),
            (state, C::Settle { .. }) => Err(Refusal::WrongState { state: state.name(), command: "settle" }),
        }
    }
}

/// Whether a payment can be taken back so far: nobody takes notes and coins out of a till from afar.
///
/// # Errors
/// [`Error::NotTakenBack`].
pub fn check_chargeback(method: PaymentMethod, paid: Fen, amount: Fen) -> Result<(), Error> {
    let possible = method != PaymentMethod::Cash && amount > Fen::ZERO && amount <= paid;
    if possible { Ok(()) } else { Err(Error::NotTakenBack { method: method.name(), paid, amount }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let (at, payment) = (Time::from_secs(9), PaymentId::new(Time::from_secs(1), [1; 10]));
        let (held, settled) =
            (ChargebackState::Held { at }, ChargebackState::Settled { payment: payment.clone() });
        let hold = ChargebackCommand::Hold { at };
        let settle = ChargebackCommand::Settle { payment };
        let refused = |state, command| Err(Refusal::WrongState { state, command });
        for (state, command, next) in [
            (ChargebackState::Open, &hold, Ok(held.clone())),
            (ChargebackState::Open, &settle, Ok(settled.clone())),
            (held.clone(), &hold, refused("held", "hold")),
            (held, &settle, Ok(settled.clone())),
            (settled.clone(), &hold, refused("settled", "hold")),
            (settled, &settle, refused("settled", "settle")),
        ] {
            assert!(ChargebackState::NAMES.contains(&state.name()));
            assert_eq!(state.transition(command.clone()), next);
        }
    }

    #[test]
    fn no_more_than_was_paid_and_never_cash() {
        let check = |method, amount| check_chargeback(method, Fen::new(100), Fen::new(amount)).is_ok();
        assert!(check(PaymentMethod::Card, 100) && check(PaymentMethod::Online, 1));
        for amount in [0, -1, 101, i64::MAX, i64::MIN] {
            assert!(!check(PaymentMethod::Card, amount), "{amount}");
        }
        assert!(!check(PaymentMethod::Cash, 100));
    }
}
