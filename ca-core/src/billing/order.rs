//! Orders and their charges, as they stand in the database.
//!
//! ```text
//! quoted ──open──▶ due ──receive──▶ part-paid ──receive──▶ paid ──refund──▶ refunded
//!   │               │                   │                    ▲
//!   └────cancel─────┴──────cancel───────┘     waive, draw ───┘
//!          ▼
//!      cancelled
//! ```

use ca_verifier::Time;

use super::Payer;
use crate::{ApplicationId, Error, Fen, OrderId};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Priced; what it is for is not decided yet.
    Quoted,
    /// To be paid.
    Due,
    /// Paid in part.
    PartPaid,
    /// Nothing is outstanding.
    Paid,
    /// All that was paid was given back.
    Refunded,
    /// Nothing of it is wanted any more.
    Cancelled,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Quoted, Self::Due, Self::PartPaid, Self::Paid, Self::Refunded, Self::Cancelled];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quoted => "quoted",
            Self::Due => "due",
            Self::PartPaid => "part-paid",
            Self::Paid => "paid",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "order state", value: name.to_owned() })
    }
}

/// An order: what one payer is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our identifier.
    pub id: OrderId,
    /// Who pays.
    pub payer: Payer,
    /// The tariff that was quoted.
    pub tariff: String,
    /// When it was quoted.
    pub quoted_at: Time,
    /// The last moment at which the quoted prices are honoured.
    pub honoured_until: Time,
    /// Where it stands.
    pub state: OrderState,
    /// Σ of its charges.
    pub total: Fen,
    /// Of the total, what is not asked for.
    pub waived: Fen,
    /// Of the total, what was paid.
    pub received: Fen,
    /// Of what was paid, what was given back.
    pub refunded: Fen,
}

impl Order {
    /// What a payer writes into the remark of a bank transfer, so that the bank's statement tells which order it is for:
    /// the last 8 of the identifier's random characters, in capitals.
    #[must_use]
    pub fn transfer_code(&self) -> String {
        self.id.as_str()[24..].to_ascii_uppercase()
    }

    /// What is still to be paid.
    #[must_use]
    pub fn outstanding(&self) -> Fen {
        Fen::new(self.total.get() - self.waived.get() - self.received.get())
    }
}

/// What one application costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The application.
    pub application: ApplicationId,
    /// What the application asks for: the revenue account.
    pub kind: &'static str,
    /// Its price.
    pub total: Fen,
    /// Of the price, what is not asked for.
    pub waived: Fen,
    /// Of what was paid for it, what was given back.
    pub refunded: Fen,
    /// Of the price, what was earned by handing over.
    pub earned: Fen,
    /// Whether it is still wanted.
    pub live: bool,
}
