//! What a payment gateway says of an online payment, and the comparison with what was asked for.
//!
//! ```text
//! octets + signature ──GatewayKey::verify──▶ AuthenticBody ──GatewayNotice::parse──▶ GatewayNotice ──check──▶ ConfirmedPayment
//! ```
//! Each arrow is the only way to the type behind it, so that a [`ConfirmedPayment`] cannot be had of octets that are not
//! the gateway's, nor of another merchant's, order's or amount's. A callback and the answer of a query go the same way.

mod notice;
mod signature;

use ca_verifier::Time;

pub use self::notice::{GatewayNotice, NoticeForm, NoticeState, gateway_text};
pub use self::signature::{
    AuthenticBody, GatewayAlgorithm, GatewayKey, KeyUnfit, MerchantKey, SIGNATURE_HEADER, SignatureRefusal,
};
use crate::Fen;

/// What we asked the gateway for when the online payment was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Our number at the gateway.
    pub merchant: String,
    /// The online payment's identifier.
    pub order: String,
    /// What is to be paid.
    pub amount: Fen,
    /// ISO 4217.
    pub currency: String,
    /// Random text that only the gateway was told.
    pub nonce: String,
}

/// Proof that money came: signed by the gateway, and equal to what was asked for in every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedPayment {
    order: String,
    transaction: String,
    amount: Fen,
    paid_at: Time,
}

impl ConfirmedPayment {
    /// The online payment's identifier.
    #[must_use]
    pub fn order(&self) -> &str {
        &self.order
    }

    /// The gateway's own number of the payment.
    #[must_use]
    pub fn transaction(&self) -> &str {
        &self.transaction
    }

    /// What was paid.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.amount
    }

    /// When, by the gateway's clock.
    #[must_use]
    pub fn paid_at(&self) -> Time {
        self.paid_at
    }

    /// Of tests in this crate, which need no signature for the table of states.
    #[cfg(test)]
    pub(crate) fn testing(transaction: &str) -> Self {
        Self {
            order: "0".repeat(32),
            transaction: transaction.to_owned(),
            amount: Fen::new(20_000),
            paid_at: Time::from_secs(1_795_392_000),
        }
    }
}

/// What an authentic notice that fits says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayStanding {
    /// Paid.
    Paid(ConfirmedPayment),
    /// Nobody can pay it any more.
    Closed,
    /// Not paid yet.
    Pending,
}

/// A field in which a notice differs from what was asked for. Our nonce is no part of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another merchant's.
    #[error("merchant: {found} instead of {expected}")]
    Merchant {
        /// As the gateway says.
        found: String,
        /// As asked for.
        expected: String,
    },
    /// Another online payment's.
    #[error("order: {found} instead of {expected}")]
    Order {
        /// As the gateway says.
        found: String,
        /// As asked for.
        expected: String,
    },
    /// More or less than was asked for.
    #[error("amount: {found} instead of {expected}")]
    Amount {
        /// As the gateway says.
        found: Fen,
        /// As asked for.
        expected: Fen,
    },
    /// Another currency.
    #[error("currency: {found} instead of {expected}")]
    Currency {
        /// As the gateway says.
        found: String,
        /// As asked for.
        expected: String,
    },
    /// Not what only the gateway was told.
    #[error("nonce: not the one of this payment")]
    Nonce,
    /// Everything fits, and it is not paid.
    #[error("state: {found} instead of success")]
    State {
        /// As the gateway says.
        found: &'static str,
    },
}

impl Mismatch {
    /// The name of the field.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Merchant { .. } => "merchant",
            Self::Order { .. } => "order",
            Self::Amount { .. } => "amount",
            Self::Currency { .. } => "currency",
            Self::Nonce => "nonce",
            Self::State { .. } => "state",
        }
    }
}

impl GatewayNotice {
    /// That money came, and as it was asked for.
    ///
    /// # Errors
    /// The first field that differs; [`Mismatch::State`] when all fit and it is not paid.
    pub fn check(self, expected: &Expected) -> Result<ConfirmedPayment, Mismatch> {
        match self.standing(expected)? {
            GatewayStanding::Paid(payment) => Ok(payment),
            GatewayStanding::Closed => Err(Mismatch::State { found: "closed" }),
            GatewayStanding::Pending => Err(Mismatch::State { found: "pending" }),
        }
    }

    /// What the notice says of this payment, paid or not.
    ///
    /// # Errors
    /// The first field that differs.
    pub fn standing(self, expected: &Expected) -> Result<GatewayStanding, Mismatch> {
        // Taken apart without `..`: a field that is added and not compared does not compile.
        let Self { merchant, order, amount, currency, state, nonce } = self;
        if merchant != expected.merchant {
            return Err(Mismatch::Merchant { found: merchant, expected: expected.merchant.clone() });
        }
        if order != expected.order {
            return Err(Mismatch::Order { found: order, expected: expected.order.clone() });
        }
        if amount != expected.amount {
            return Err(Mismatch::Amount { found: amount, expected: expected.amount });
        }
        if currency != expected.currency {
            return Err(Mismatch::Currency { found: currency, expected: expected.currency.clone() });
        }
        if nonce != expected.nonce {
            return Err(Mismatch::Nonce);
        }
        Ok(match state {
            NoticeState::Success { transaction, paid_at } => {
                GatewayStanding::Paid(ConfirmedPayment { order, transaction, amount, paid_at })
            }
            NoticeState::Closed => GatewayStanding::Closed,
            NoticeState::Pending => GatewayStanding::Pending,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            merchant: "M001".into(),
            order: "019abc".into(),
            amount: Fen::new(20_000),
            currency: "CNY".into(),
            nonce: "n-1".into(),
        }
    }

    fn notice(state: NoticeState) -> GatewayNotice {
        let Expected { merchant, order, amount, currency, nonce } = expected();
        GatewayNotice { merchant, order, amount, currency, state, nonce }
    }

    fn paid() -> NoticeState {
        NoticeState::Success { transaction: "T9".into(), paid_at: Time::from_secs(1_795_392_000) }
    }

    #[test]
    fn a_notice_that_fits_is_a_payment() {
        let payment = notice(paid()).check(&expected()).unwrap();
        assert_eq!((payment.order(), payment.transaction()), ("019abc", "T9"));
        assert_eq!((payment.amount(), payment.paid_at().secs()), (Fen::new(20_000), 1_795_392_000));
    }

    #[test]
    fn each_field_is_compared_and_named() {
        let all: [fn(&mut Expected); 5] = [
            |e| e.merchant = "M002".into(),
            |e| e.order = "019abd".into(),
            |e| e.amount = Fen::new(20_001),
            |e| e.currency = "USD".into(),
            |e| e.nonce = "n-2".into(),
        ];
        let fields = ["merchant", "order", "amount", "currency", "nonce"];
        for (change, field) in all.into_iter().zip(fields) {
            let mut other = expected();
            change(&mut other);
            for state in [paid(), NoticeState::Closed, NoticeState::Pending] {
                let mismatch = notice(state.clone()).check(&other).unwrap_err();
                assert_eq!(mismatch.field(), field);
                assert!(mismatch.to_string().starts_with(&format!("{field}: ")), "{mismatch}");
                assert_eq!(notice(state).standing(&other), Err(mismatch));
            }
        }
        assert!(!Mismatch::Nonce.to_string().contains("n-1"), "the nonce is not told");
    }

    #[test]
    fn what_is_not_paid_is_no_payment() {
        for (state, standing, name) in [
            (NoticeState::Closed, GatewayStanding::Closed, "closed"),
            (NoticeState::Pending, GatewayStanding::Pending, "pending"),
        ] {
            assert_eq!(notice(state.clone()).check(&expected()), Err(Mismatch::State { found: name }));
            assert_eq!(notice(state).standing(&expected()), Ok(standing));
        }
    }
}
