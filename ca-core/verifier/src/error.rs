//! The crate's errors, with the values that were compared.

/// What can be wrong with input.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a serial number (RFC 5280 §4.1.2.2).
    #[error("serial number: {0}")]
    Serial(&'static str),
    /// Not 18 characters of the code's alphabet (GB 32100-2015).
    #[error("unified social credit code: 18 characters of 0-9 and A-Y without I, O, S, V, Z are needed")]
    UsccForm,
    /// The check digit does not fit (GB 32100-2015 §4.6).
    #[error("unified social credit code: check digit is {found}, computed {expected}")]
    UsccCheck {
        /// As written.
        found: char,
        /// As computed.
        expected: char,
    },
}
