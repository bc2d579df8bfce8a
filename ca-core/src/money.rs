//! Money: integers in fen (1/100 yuan), never floats.

use std::fmt;

use crate::{ApplicationKind, Error};

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

/// What a certificate costs: the tariff of `policies/fees.toml` that a quote names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The tariff's own version, kept with every order.
    pub version: String,
    /// One U-key.
    pub token: Fen,
    /// One year of the certificate with its electronic seal.
    pub certificate_year: Fen,
    /// Years that can be bought at once, at most.
    pub years_max: u16,
}

/// One line of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteLine {
    /// What is paid for: `token` or `certificate-year`.
    pub item: &'static str,
    /// How many.
    pub quantity: u16,
    /// Price of one.
    pub price: Fen,
}

impl Tariff {
    /// The lines and the sum: what comes on a new token pays for that, what buys time for `years` years, the rest is
    /// free of charge.
    ///
    /// # Errors
    /// [`Error::Years`] outside 1..=`years_max`, or other than 0 where no time is bought; [`Error::Overflow`].
    pub fn quote(&self, kind: ApplicationKind, years: u16) -> Result<(Vec<QuoteLine>, Fen), Error> {
        let most = if kind.buys_time() { self.years_max } else { 0 };
        if years > most || (years == 0) == kind.buys_time() {
            return Err(Error::Years { asked: years, most });
        }
        let mut lines = Vec::new();
        if matches!(kind, ApplicationKind::New | ApplicationKind::Replace { .. }) {
            lines.push(QuoteLine { item: "token", quantity: 1, price: self.token });
        }
        if kind.buys_time() {
            lines.push(QuoteLine { item: "certificate-year", quantity: years, price: self.certificate_year });
        }
        let mut total = Fen::ZERO;
        for line in &lines {
            total = total.plus(line.price.times(line.quantity)?)?;
        }
        Ok((lines, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_guides_fees() {
        let tariff = Tariff {
            version: "1".into(),
            token: Fen::new(5_000),
            certificate_year: Fen::new(15_000),
            years_max: 3,
        };
        let of = ca_verifier::Serial::from_content(&[9]).unwrap();
        let (new, renew) = (ApplicationKind::New, ApplicationKind::Renew { of });
        assert_eq!(tariff.quote(new, 1).unwrap().1, Fen::new(20_000));
        assert_eq!(tariff.quote(new, 3).unwrap().1, Fen::new(50_000));
        assert_eq!(tariff.quote(renew, 2).unwrap().1, Fen::new(30_000));
        let lost = ApplicationKind::Replace { of, cause: crate::Loss::Lost };
        assert_eq!(tariff.quote(lost, 0).unwrap().1, Fen::new(5_000));
        assert_eq!(tariff.quote(ApplicationKind::Unlock { of }, 0).unwrap().1, Fen::ZERO);
        assert!(matches!(tariff.quote(lost, 1), Err(Error::Years { asked: 1, most: 0 })));
        assert!(matches!(tariff.quote(new, 0), Err(Error::Years { asked: 0, most: 3 })));
        assert!(matches!(tariff.quote(renew, 4), Err(Error::Years { asked: 4, most: 3 })));
    }

    #[test]
    fn prints_yuan() {
        assert_eq!(Fen::new(123_400).to_string(), "¥1,234.00");
        assert_eq!(Fen::new(-5).to_string(), "-¥0.05");
        assert_eq!(Fen::new(100_000_000).to_string(), "¥1,000,000.00");
        assert!(Fen::new(i64::MAX).plus(Fen::new(1)).is_err());
    }
}
