//! The life of an online payment at a gateway.
//!
//! ```text
//! created ──offer──▶ offered ──pay──▶ paid
//!    ├──pay─────────────┼──────────────▲▲
//!    ├──close, expire───┴▶ closed ─pay─┘│
//!    └──────────────────▶ expired ──pay─┘
//! ```
//! Money that comes late is money: `paid` is reached from every other state. A gateway tells of one payment more than
//! once, so the same transaction again changes nothing; another transaction is a second payment, and a person must look.

use ca_verifier::Time;

use crate::{ConfirmedPayment, Expected, Fen, OnlinePaymentId, OrderId, Refusal};

/// An order that is to be paid at a gateway: everything that the gateway was told, so that it can be told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlinePayment {
    /// Ours; the gateway knows it by this.
    pub id: OnlinePaymentId,
    /// What is paid.
    pub order: OrderId,
    /// Our name for the gateway.
    pub gateway: String,
    /// What was outstanding then, in fen.
    pub amount: Fen,
    /// Random text that only the gateway was told.
    pub nonce: String,
    /// Opens the receipt's public page once it is paid.
    pub code: String,
    /// What the payer reads.
    pub description: String,
    /// Who asked for it, as the log names them.
    pub opened_by: String,
    /// When, in whole seconds.
    pub created_at: Time,
    /// When the gateway was told of it last.
    pub told_at: Time,
    /// When nobody can pay any more, in whole seconds.
    pub expires_at: Time,
    /// Where it stands.
    pub state: OnlinePaymentState,
}

impl OnlinePayment {
    /// What a notice must say to count.
    #[must_use]
    pub fn expected(&self, merchant: &str) -> Expected {
        Expected {
            merchant: merchant.to_owned(),
            order: self.id.to_string(),
            amount: self.amount,
            currency: "CNY".to_owned(),
            nonce: self.nonce.clone(),
        }
    }

    /// The payment's number for our book: a gateway's number is its own, and two gateways may use the same.
    #[must_use]
    pub fn reference(&self, transaction: &str) -> String {
        format!("{}:{transaction}", self.gateway)
    }
}

/// Where an online payment stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlinePaymentState {
    /// Written down here; what the gateway made of it is not known.
    Created,
    /// The gateway has a page for it.
    Offered {
        /// Where the payer pays.
        url: String,
    },
    /// Money came.
    Paid {
        /// The gateway's own number of the payment.
        transaction: String,
    },
    /// Ended at the gateway, or given up by the payer.
    Closed,
    /// Nobody paid in time.
    Expired,
}

/// What can happen to an online payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlinePaymentCommand {
    /// The gateway gave a page.
    Offer {
        /// Where the payer pays.
        url: String,
    },
    /// Money came.
    Pay(ConfirmedPayment),
    /// It ended at the gateway, or is given up.
    Close,
    /// Nobody paid in time.
    Expire,
}

impl OnlinePaymentState {
    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::PaidTwice`] when a person must look, [`Refusal::WrongState`] otherwise: it stays as it was.
    pub fn transition(self, command: OnlinePaymentCommand) -> Result<Self, Refusal> {
        use OnlinePaymentCommand as C;
        match (self, command) {
            (Self::Created, C::Offer { url }) => Ok(Self::Offered { url }),
            // The gateway answers a repeated request with the same page.
            (Self::Offered { url: held }, C::Offer { url }) if held == url => Ok(Self::Offered { url }),
            (Self::Created | Self::Offered { .. } | Self::Closed | Self::Expired, C::Pay(payment)) => {
                Ok(Self::Paid { transaction: payment.transaction().to_owned() })
            }
            (Self::Paid { transaction }, C::Pay(payment)) if transaction == payment.transaction() => {
                Ok(Self::Paid { transaction })
            }
            (Self::Paid { transaction: first }, C::Pay(payment)) => {
                Err(Refusal::PaidTwice { first, second: payment.transaction().to_owned() })
            }
            (Self::Created | Self::Offered { .. }, C::Close) => Ok(Self::Closed),
            (Self::Created | Self::Offered { .. }, C::Expire) => Ok(Self::Expired),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// Whether it can still be paid at the gateway, as far as is known here.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Created | Self::Offered { .. })
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Offered { .. } => "offered",
            Self::Paid { .. } => "paid",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

impl OnlinePaymentCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::Pay(_) => "pay",
            Self::Close => "close",
            Self::Expire => "expire",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offer(url: &str) -> OnlinePaymentCommand {
        OnlinePaymentCommand::Offer { url: url.to_owned() }
    }

    fn pay(transaction: &str) -> OnlinePaymentCommand {
        OnlinePaymentCommand::Pay(ConfirmedPayment::testing(transaction))
    }

    fn shown(state: &OnlinePaymentState) -> String {
        match state {
            OnlinePaymentState::Offered { url } => format!("offered {url}"),
            OnlinePaymentState::Paid { transaction } => format!("paid {transaction}"),
            other => other.name().to_owned(),
        }
    }

    #[test]
    fn the_whole_table() {
        use OnlinePaymentCommand as C;
        use OnlinePaymentState as S;
        let states = [
            S::Created,
            S::Offered { url: "u1".into() },
            S::Paid { transaction: "t1".into() },
            S::Closed,
            S::Expired,
        ];
        let commands = [
            ("offer u1", offer("u1")),
            ("offer u2", offer("u2")),
            ("pay t1", pay("t1")),
            ("pay t2", pay("t2")),
            ("close", C::Close),
            ("expire", C::Expire),
        ];
        let mut table = String::new();
        for state in &states {
            for (name, command) in &commands {
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(next) => shown(&next),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                table.push_str(&format!("{:<10}  {name:<8}  {outcome}\n", shown(state)));
            }
        }
        insta::assert_snapshot!(table);
    }

    fn commands() -> impl Strategy<Value = OnlinePaymentCommand> {
        let text = |one: bool| if one { "1" } else { "2" };
        prop_oneof![
            any::<bool>().prop_map(move |one| offer(text(one))),
            any::<bool>().prop_map(move |one| pay(text(one))),
            Just(OnlinePaymentCommand::Close),
            Just(OnlinePaymentCommand::Expire),
        ]
    }

    proptest! {
        /// In whatever order things are told: the first transaction counts, and nothing takes it away.
        #[test]
        fn the_first_payment_counts_whatever_comes(commands in proptest::collection::vec(commands(), 0..12)) {
            let first = commands.iter().find_map(|command| match command {
                OnlinePaymentCommand::Pay(payment) => Some(payment.transaction().to_owned()),
                _ => None,
            });
            let mut state = OnlinePaymentState::Created;
            for command in commands {
                if let Ok(next) = state.clone().transition(command) {
                    state = next;
                }
            }
            let counted = match state {
                OnlinePaymentState::Paid { transaction } => Some(transaction),
                _ => None,
            };
            prop_assert_eq!(counted, first);
        }
    }
}
