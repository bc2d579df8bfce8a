//! Money: integers in fen (1/100 yuan), never floats.

use std::fmt;

use crate::Error;

/// An amount in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fen(i64);

impl Fen {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From fen.
    #[must_use]
    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    /// The amount in fen.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Sum.
    ///
    /// # Errors
    /// [`Error::Overflow`] past 2^63 fen.
    pub fn plus(self, other: Self) -> Result<Self, Error> {
        self.0.checked_add(other.0).map(Self).ok_or(Error::Overflow)
    }

    /// Product.
    ///
    /// # Errors
    /// [`Error::Overflow`] past 2^63 fen.
    pub fn times(self, count: u16) -> Result<Self, Error> {
        self.0.checked_mul(i64::from(count)).map(Self).ok_or(Error::Overflow)
    }
}

impl fmt::Display for Fen {
    /// `¥1,234.00`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (self.0.unsigned_abs() / 100).to_string();
        let mut yuan = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                yuan.push(',');
            }
            yuan.push(digit);
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}¥{yuan}.{:02}", self.0.unsigned_abs() % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_yuan() {
        assert_eq!(Fen::new(123_400).to_string(), "¥1,234.00");
        assert_eq!(Fen::new(-5).to_string(), "-¥0.05");
        assert_eq!(Fen::new(100_000_000).to_string(), "¥1,000,000.00");
        assert!(Fen::new(i64::MAX).plus(Fen::new(1)).is_err());
    }
}
