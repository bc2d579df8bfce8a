//! `policies/fees.toml`: the tariff that quotes name (the guide, fee section; domain rule: integers in fen).

use ca_verifier::Time;

use super::reader::{PolicyError, Reader};
use crate::day::midnight;
use crate::{Fen, Tariff};

/// 100,000 yuan: a larger price is a slip of the pen.
const PRICE_FEN_MAX: i64 = 10_000_000;
/// Ten years: no unit certificate outlives its issuing CA.
const YEARS_MAX: i64 = 10;

/// The tariff and the day it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees {
    tariff: Tariff,
    valid_from: Time,
    sha256: [u8; 32],
}

impl Fees {
    /// The prices.
    #[must_use]
    pub fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// The first moment of the first day, in China, on which it is quoted.
    #[must_use]
    pub fn valid_from(&self) -> Time {
        self.valid_from
    }

    /// SHA-256 of the file, kept with orders.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<Fees, Vec<PolicyError>> {
    reader.read(|section| {
        let version = section.text("version");
        let valid_from = section.date("valid-from");
        let token = section.integer("token", 0..=PRICE_FEN_MAX);
        let certificate_year = section.integer("certificate-year", 0..=PRICE_FEN_MAX);
        let years_max = section.integer("years-max", 1..=YEARS_MAX);
        let tariff = Tariff {
            version: version?.to_owned(),
            token: Fen::new(token?),
            certificate_year: Fen::new(certificate_year?),
            years_max: u16::try_from(years_max?).ok()?,
        };
        Some(Fees { tariff, valid_from: midnight(valid_from?)?, sha256: reader.sha256() })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_guides_fees() {
        let policies = testing::policies();
        assert_eq!(policies.tariff().quote(crate::ApplicationKind::New, 1).unwrap().1, Fen::new(20_000));
        assert_eq!(policies.tariff().quote(crate::ApplicationKind::New, 3).unwrap().1, Fen::new(50_000));
        assert_eq!(policies.fees().valid_from().to_string(), "2025-12-31T16:00:00Z");
    }

    #[test]
    fn prices_and_years_have_limits() {
        for (old, new, rule) in [
            ("token = 5000", "token = -1", "token must be 0 to 10000000, found -1"),
            ("token = 5000", "token = 50.00", "token must be 0 to 10000000, found float"),
            (
                "certificate-year = 15000",
                "certificate-year = 99999999",
                "certificate-year must be 0 to 10000000, found 99999999",
            ),
            ("years-max = 3", "years-max = 11", "years-max must be 1 to 10, found 11"),
            (
                "valid-from = 2026-01-01",
                "valid-from = \"2026-01-01\"",
                "valid-from must be a date YYYY-MM-DD, found 2026-01-01",
            ),
        ] {
            let errors = testing::errors_after("fees.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
    }
}
