//! 收据: what a payer is given for money, as PDF. Pure: no clock and no database; the same receipt is the same octets.
//! It is no 发票 (tax invoice), and says so.

mod font;
mod layout;
mod pdf;
mod slip;
#[cfg(test)]
mod tests;
mod words;

use ca_core::{Fen, billing::PaymentMethod};
use jiff::civil::Date;

pub(crate) use self::{
    font::ReceiptFont,
    pdf::{pdf, slip_pdf},
    slip::PinSlip,
    words::{item_words, kind_words},
};

/// Everything that stands on a receipt.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    /// Who took the money: the CA's name.
    pub(crate) issuer: String,
    /// Its number: our identifier of the payment.
    pub(crate) number: String,
    /// The number that the other side gave: of the paper receipt, of the bank, of the gateway.
    pub(crate) reference: String,
    /// The day in China on which the money came.
    pub(crate) day: Date,
    /// Who paid; `None` while nobody knows.
    pub(crate) payer: Option<String>,
    /// What the order is made of.
    pub(crate) lines: Vec<ReceiptLine>,
    /// The order and what it comes to; `None` for money that is for no order.
    pub(crate) order: Option<ReceiptOrder>,
    /// What was paid.
    pub(crate) amount: Fen,
    /// How.
    pub(crate) method: PaymentMethod,
    /// Identifier of the member of staff who took it; `None` when nobody did.
    pub(crate) cashier: Option<String>,
    /// The counter at which it was taken; `None` when at none.
    pub(crate) counter: Option<String>,
    /// What opens its public page.
    pub(crate) code: String,
    /// The address of its public page.
    pub(crate) url: String,
    /// SHA-256 of the CA's root, in groups: on paper, so that it can be compared before the root is installed.
    pub(crate) root: String,
}

/// The order that was paid.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptOrder {
    /// Our identifier.
    pub(crate) id: String,
    /// The tariff's version.
    pub(crate) tariff: String,
    /// Sum of the lines.
    pub(crate) total: Fen,
    /// Of the total, what is not asked for.
    pub(crate) waived: Fen,
}

/// One line: quantity times price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptLine {
    /// What, in Chinese.
    pub(crate) zh: String,
    /// What, in English.
    pub(crate) en: String,
    /// How many.
    pub(crate) quantity: u32,
    /// Price of one.
    pub(crate) price: Fen,
    /// Quantity times price.
    pub(crate) amount: Fen,
}
