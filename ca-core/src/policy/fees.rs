//! `policies/fees.toml`: the tariffs that quotes name (the guide, fee section; domain rule: integers in fen).

use std::collections::{BTreeMap, BTreeSet};

use ca_verifier::Time;

use super::reader::{PolicyError, Reader, Section};
use crate::billing::{FeeItem, Item, Tariff};
use crate::day::midnight;
use crate::{ApplicationKind, Fen};

/// 100,000 yuan: a larger price is a slip of the pen.
const PRICE_FEN_MAX: i64 = 10_000_000;
/// Ten years: no unit certificate outlives its issuing CA.
const YEARS_MAX: i64 = 10;
const DAYS_MAX: i64 = 3650;

/// Every tariff, the past ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees {
    tariffs: Vec<Tariff>,
    waiver_reasons: Vec<String>,
    arrears_days: u16,
    sha256: [u8; 32],
}

impl Fees {
    /// The tariff of a project that is quoted at a moment.
    #[must_use]
    pub fn at(&self, project: &str, now: Time) -> Option<&Tariff> {
        let begun = self.tariffs.iter().filter(|one| one.project == project && one.valid_from <= now);
        begun.max_by_key(|one| one.valid_from)
    }

    /// Every tariff, as the file gives them.
    #[must_use]
    pub fn tariffs(&self) -> &[Tariff] {
        &self.tariffs
    }

    /// For which reasons a fee may be waived.
    #[must_use]
    pub fn waiver_reasons(&self) -> &[String] {
        &self.waiver_reasons
    }

    /// Days between the message that a payment was taken back and the hold.
    #[must_use]
    pub fn arrears_days(&self) -> u16 {
        self.arrears_days
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<Fees, Vec<PolicyError>> {
    reader.read(|section| {
        let reasons = section.list("waiver-reasons", "lower-case letters and hyphens", |text| {
            let allowed = !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
            allowed.then(|| text.to_owned())
        });
        let arrears_days = section.integer("arrears-days", 1..=DAYS_MAX);
        let tariffs = section.tables("tariff", tariff)?;
        let (mut versions, mut days) = (BTreeSet::new(), BTreeSet::new());
        for tariff in &tariffs {
            if !versions.insert(&tariff.version) {
                section.refuse("tariff", "version must not repeat", tariff.version.clone());
            }
            if !days.insert((&tariff.project, tariff.valid_from)) {
                section.refuse(
                    "tariff",
                    "valid-from must not repeat in a project",
                    tariff.valid_from.to_string(),
                );
            }
        }
        let waiver_reasons = reasons?.into_iter().map(|(_, reason)| reason).collect();
        let arrears_days = u16::try_from(arrears_days?).ok()?;
        Some(Fees { tariffs, waiver_reasons, arrears_days, sha256: reader.sha256() })
    })
}

fn tariff(section: &Section<'_>) -> Option<Tariff> {
    let (version, project) = (section.text("version"), section.text("project"));
    let valid_from = section.date("valid-from");
    let days = |key, least| section.integer(key, least..=DAYS_MAX).and_then(|days| u16::try_from(days).ok());
    let (quote_days, free_exchange_days) = (days("quote-days", 1), days("free-exchange-days", 0));
    let years_max = section.integer("years-max", 1..=YEARS_MAX);
    // All of them are read before one is missed, so that each error is told.
    let priced: Vec<_> = ApplicationKind::NAMES.into_iter().filter(|kind| section.has(kind)).collect();
    let prices: Vec<_> = priced.into_iter().map(|kind| (kind, section.table(kind, items))).collect();
    let prices: Option<BTreeMap<_, _>> =
        prices.into_iter().map(|(kind, items)| items.map(|items| (kind, items))).collect();
    for (kind, items) in prices.iter().flatten() {
        // Years are bought with a new certificate and with a renewal, and with nothing else.
        let years = items.iter().any(|priced| priced.item == Item::CertificateYear);
        if years && !matches!(*kind, "new" | "renew") {
            section.refuse(kind, "certificate-year must stand in new and renew only", *kind);
        }
    }
    Some(Tariff {
        version: version?.to_owned(),
        project: project?.to_owned(),
        valid_from: midnight(valid_from?)?,
        quote_days: quote_days?,
        years_max: u16::try_from(years_max?).ok()?,
        free_exchange_days: free_exchange_days?,
        prices: prices?,
    })
}

fn items(section: &Section<'_>) -> Option<Vec<FeeItem>> {
    let charged: Vec<Item> = Item::ALL.into_iter().filter(|item| section.has(item.name())).collect();
    charged
        .into_iter()
        .map(|item| {
            let price = section.integer(item.name(), 0..=PRICE_FEN_MAX)?;
            Some(FeeItem { item, price: Fen::new(price) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_guides_fees() {
        let policies = testing::policies();
        let now = Time::from_secs(1_790_000_000);
        let tariff = policies.tariff(now).unwrap();
        let total = |years| tariff.quote(ApplicationKind::New, years, None, now).unwrap().total;
        assert_eq!((total(1), total(3)), (Fen::new(20_000), Fen::new(50_000)));
        assert_eq!(tariff.valid_from.to_string(), "2025-12-31T16:00:00Z");
        assert!(policies.tariff(tariff.valid_from).is_some());
        assert_eq!(policies.tariff(tariff.valid_from.plus_secs(-1)), None);
    }

    #[test]
    fn the_latest_that_has_begun_is_quoted() {
        let mut files = testing::files();
        let text = files.get_mut("fees.toml").unwrap();
        text.push_str(
            "[[tariff]]\nversion = \"2027-1\"\nproject = \"nanjing-hrss\"\nvalid-from = 2027-01-01\nquote-days = 30\n\
             years-max = 5\nfree-exchange-days = 0\n[tariff.new]\ntoken = 1\n",
        );
        let policies = super::super::Policies::parse(&files).unwrap();
        let at = |text: &str| {
            let day = midnight(text.parse().unwrap()).unwrap();
            policies.tariff(day).unwrap().version.clone()
        };
        assert_eq!((at("2026-12-31").as_str(), at("2027-01-01").as_str()), ("2026-1", "2027-1"));
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
            ("quote-days = 60", "quote-days = 0", "quote-days must be 1 to 3650, found 0"),
            (
                "valid-from = 2026-01-01",
                "valid-from = \"2026-01-01\"",
                "valid-from must be a date YYYY-MM-DD, found 2026-01-01",
            ),
            (
                "waiver-reasons = [",
                "waiver-reasons = [\"Other reason\", ",
                "each of waiver-reasons must be lower-case letters and hyphens, found Other reason",
            ),
        ] {
            let errors = testing::errors_after("fees.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
        let years =
            testing::errors_after("fees.toml", "[tariff.change]", "[tariff.change]\ncertificate-year = 1");
        assert!(years.len() == 1 && years[0].contains("new and renew only"), "{years:?}");
        let unknown = testing::errors_after("fees.toml", "[tariff.new]", "[tariff.newer]");
        assert!(unknown.iter().any(|error| error.contains("the key must be one of")), "{unknown:?}");
    }

    #[test]
    fn a_version_is_one_tariff() {
        let text = testing::files()["fees.toml"].clone();
        let tariff = &text[text.find("[[tariff]]").unwrap()..];
        let errors = testing::errors_after("fees.toml", "[[tariff]]", &format!("{tariff}\n[[tariff]]"));
        assert!(errors[0].ends_with("version must not repeat, found 2026-1"), "{errors:?}");
        assert!(errors[1].contains("valid-from must not repeat in a project"), "{errors:?}");
    }
}
