//! `policies/retention.toml`: how long personal data is kept after the last certificate has lapsed.

use ca_verifier::Time;
use jiff::Span;

use super::reader::{PolicyError, Reader};
use crate::day::{day_of, midnight};

/// 《电子签名法》第二十四条: at least five years after the certificate has lapsed.
const YEARS: std::ops::RangeInclusive<i64> = 5..=50;

/// How long personal data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    years: u16,
    sha256: [u8; 32],
}

impl RetentionRules {
    /// Years after the last certificate has lapsed.
    #[must_use]
    pub fn years(&self) -> u16 {
        self.years
    }

    /// The first moment at which what ended at `end` need not be kept; `None` when the computer's calendar ends
    /// before. The last day counts to its end, by the calendar of China.
    #[must_use]
    pub fn over_at(&self, end: Time) -> Option<Time> {
        let last = day_of(end)?.checked_add(Span::new().years(i64::from(self.years))).ok()?;
        midnight(last.tomorrow().ok()?)
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<RetentionRules, Vec<PolicyError>> {
    reader.read(|section| {
        let years = section.integer("years-after-lapse", YEARS)?;
        Some(RetentionRules { years: u16::try_from(years).ok()?, sha256: reader.sha256() })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_law_asks_for_five_years() {
        for years in [4, 0, -10, 51] {
            let new = format!("years-after-lapse = {years}");
            let errors = testing::errors_after("retention.toml", "years-after-lapse = 10", &new);
            let rule = format!("years-after-lapse must be 5 to 50, found {years}");
            assert!(errors.len() == 1 && errors[0].ends_with(&rule), "{errors:?}");
        }
    }

    #[test]
    fn the_last_day_counts_to_its_end() {
        let policies = testing::policies();
        let rules = policies.retention();
        assert_eq!(rules.years(), 10);
        let over = |secs| rules.over_at(Time::from_secs(secs)).unwrap().to_string();
        // 2026-11-25 and 2024-02-29 in China.
        assert_eq!(over(1_795_564_800), "2036-11-25T16:00:00Z");
        assert_eq!(over(1_709_164_800), "2034-02-28T16:00:00Z");
        assert_eq!(rules.over_at(Time::from_millis(i64::MAX)), None);
    }
}
