//! Why a 发票 is not asked for, not written or not taken back.

use crate::Fen;

/// Why nothing can be asked for. Says nothing of what was filled in: forms have names and accounts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvoiceError {
    /// Not a kind.
    #[error("kind: ordinary or special is needed")]
    Kind,
    /// The buyer's name.
    #[error("title: 1 to 100 characters without control, direction or zero-width characters are needed")]
    Title,
    /// Something that this invoice needs.
    #[error("{field}: this invoice needs it")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// Something that a person's invoice does not have.
    #[error("{field}: an invoice to a person has a name and nothing else")]
    Unwanted {
        /// Which field.
        field: &'static str,
    },
    /// A special invoice to a person.
    #[error("kind: a special invoice is written to a unit only")]
    PersonSpecial,
    /// A unit that is registered with its organisation code only.
    #[error("tax_number: the unit has no unified social credit code on record, and so no tax number")]
    NoTaxNumber,
    /// A tax number that is none.
    #[error("tax_number: {0}")]
    TaxNumber(ca_verifier::Error),
    /// Another unit's.
    #[error("tax_number: it is not the payer's unified social credit code")]
    OtherUnit,
    /// Address or bank.
    #[error("{field}: 1 to {most} characters without control, direction or zero-width characters are needed")]
    Text {
        /// Which field.
        field: &'static str,
        /// Characters, at most.
        most: usize,
    },
    /// Telephone number.
    #[error("phone: a mobile number of 11 digits, or a landline with its area code, is needed")]
    Phone,
    /// Account number.
    #[error("account: 6 to 32 digits are needed")]
    Account,
    /// Mail address.
    #[error("mail: an address as name@example.com is needed, in ASCII, 254 characters at most")]
    Mail,
    /// The number that the tax bureau gave.
    #[error("number: eight or twenty digits are needed")]
    Number,
    /// Why it was refused.
    #[error("reasons: 1 to 500 characters without control characters are needed")]
    Reasons,
    /// A red-letter invoice with the number of the invoice that it takes back.
    #[error("number: a red-letter invoice has a number of its own")]
    SameNumber,
    /// The command does not fit the state.
    #[error("{command} is not possible in state {state}")]
    WrongState {
        /// Where it stands.
        state: &'static str,
        /// What was asked.
        command: &'static str,
    },
    /// Nothing or less.
    #[error("an amount of more than nothing is needed")]
    Amount,
    /// More than was paid, was not given back and is not invoiced.
    #[error("{asked} is more than {most}")]
    TooMuch {
        /// As asked.
        asked: Fen,
        /// What is possible.
        most: Fen,
    },
}
