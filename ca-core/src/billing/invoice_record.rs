//! An invoice with where it stands, as it is kept.

use ca_verifier::Time;

use super::{InvoiceKind, InvoiceState, Payer};
use crate::{Ciphertext, Fen, InvoiceId, OrderId, policy::Deadline};

/// What stands on an invoice, as long as it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptForm {
    /// Sealed: names, addresses and accounts are personal data.
    Sealed(Ciphertext),
    /// Erased with the person whose it was. Number, amount and state stay: the tax law wants them.
    Erased {
        /// When.
        at: Time,
    },
}

/// An invoice that a payer asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Ours.
    pub id: InvoiceId,
    /// What was paid for.
    pub order: OrderId,
    /// Who paid.
    pub payer: Payer,
    /// Which invoice.
    pub kind: InvoiceKind,
    /// How much, in fen.
    pub amount: Fen,
    /// What stands on it.
    pub form: KeptForm,
    /// Who asked, as the log writes it.
    pub requested_by: String,
    /// When.
    pub requested_at: Time,
    /// Until when it is to be written.
    pub due: Deadline,
    /// Where it stands.
    pub state: InvoiceState,
}
