//! `policies/eligibility.toml`: which units may have a certificate, by the agency that insures them and the day.

use std::collections::BTreeMap;

use ca_verifier::Time;
use jiff::civil::Date;

use super::reader::{PolicyError, Reader, Section};
use crate::day::day_of;

/// What one agency's rule says for a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyRule {
    zh: String,
    en: String,
    eligible: bool,
    from: Date,
    to: Option<Date>,
    basis: String,
}

/// Whether a unit may have a certificate, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eligibility<'a> {
    /// It may.
    Eligible,
    /// Its agency's units may not.
    Excluded(&'a AgencyRule),
    /// No rule stands for this agency on this day: it was merged, or its rule is missing. Unsure means refuse.
    NoRule,
}

/// The rules of all agencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EligibilityRules {
    agencies: BTreeMap<String, Vec<AgencyRule>>,
    sha256: [u8; 32],
}

impl AgencyRule {
    /// The agency's name in Chinese.
    #[must_use]
    pub fn zh(&self) -> &str {
        &self.zh
    }

    /// The agency's name in English.
    #[must_use]
    pub fn en(&self) -> &str {
        &self.en
    }

    /// Where the rule comes from.
    #[must_use]
    pub fn basis(&self) -> &str {
        &self.basis
    }

    fn stands(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

impl EligibilityRules {
    /// Whether units of an agency may have a certificate at a moment.
    #[must_use]
    pub fn check(&self, agency: &str, at: Time) -> Eligibility<'_> {
        let rules = self.agencies.get(agency).map_or(&[][..], Vec::as_slice);
        match day_of(at).and_then(|day| rules.iter().find(|rule| rule.stands(day))) {
            Some(AgencyRule { eligible: true, .. }) => Eligibility::Eligible,
            Some(rule) => Eligibility::Excluded(rule),
            None => Eligibility::NoRule,
        }
    }

    /// The codes of all agencies.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.agencies.keys().map(String::as_str)
    }

    /// The code of the agency that has this code or Chinese name, be its rule over or not.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&str> {
        let named = |rules: &[AgencyRule]| rules.iter().any(|rule| rule.zh == text);
        let found = self.agencies.iter().find(|(code, rules)| *code == text || named(rules));
        found.map(|(code, _)| code.as_str())
    }

    /// Whether there is an agency of this code, be its rule over or not.
    #[must_use]
    pub fn knows(&self, agency: &str) -> bool {
        self.agencies.contains_key(agency)
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<EligibilityRules, Vec<PolicyError>> {
    reader.read(|section| {
        let mut agencies: BTreeMap<String, Vec<AgencyRule>> = BTreeMap::new();
        for (code, rule) in section.tables("agency", rule)? {
            let others = agencies.entry(code.clone()).or_default();
            let overlaps = |other: &AgencyRule| {
                other.to.is_none_or(|to| rule.from <= to) && rule.to.is_none_or(|to| other.from <= to)
            };
            if others.iter().any(overlaps) {
                section.refuse("agency", "the periods of one agency must not overlap", code);
            }
            others.push(rule);
        }
        Some(EligibilityRules { agencies, sha256: reader.sha256() })
    })
}

fn rule(section: &Section<'_>) -> Option<(String, AgencyRule)> {
    let code = section.parsed("code", "lower-case letters, digits and hyphens", |text| {
        text.bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            .then(|| text.to_owned())
    });
    let (zh, en, basis) = (section.text("zh"), section.text("en"), section.text("basis"));
    let (eligible, from) = (section.flag("eligible"), section.date("from"));
    let to = if section.has("to") { section.date("to").map(Some) } else { Some(None) };
    let rule = AgencyRule {
        zh: zh?.to_owned(),
        en: en?.to_owned(),
        eligible: eligible?,
        from: from?,
        to: to?,
        basis: basis?.to_owned(),
    };
    if rule.to.is_some_and(|to| to < rule.from) {
        section.refuse("to", "to must not be before from", rule.from.to_string());
    }
    Some((code?, rule))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::day::midnight;

    fn on(agency: &str, day: &str) -> String {
        let policies = testing::policies();
        let at = midnight(day.parse().unwrap()).unwrap().plus_secs(3600);
        match policies.eligibility().check(agency, at) {
            Eligibility::Eligible => "eligible".to_owned(),
            Eligibility::Excluded(rule) => format!("{}: {}", rule.zh(), rule.basis()),
            Eligibility::NoRule => "no rule".to_owned(),
        }
    }

    #[test]
    fn the_city_without_the_five_counties() {
        for agency in
            ["nanjing", "xuanwu", "qinhuai", "jianye", "gulou", "pukou", "dachang", "qixia", "yuhuatai"]
        {
            assert_eq!(on(agency, "2026-11-25"), "eligible", "{agency}");
        }
        for agency in ["jiangning", "jiangpu", "luhe", "lishui", "gaochun"] {
            assert!(on(agency, "2026-11-25").ends_with("原五县除外"), "{agency}");
        }
        assert_eq!(on("suzhou", "2026-11-25"), "no rule");
        let policies = testing::policies();
        let found =
            ["gulou", "鼓楼区社会保险经办机构", "鼓楼区"].map(|text| policies.eligibility().find(text));
        assert_eq!(found, [Some("gulou"), Some("gulou"), None]);
    }

    #[test]
    fn districts_that_were_merged_end_with_the_day() {
        assert_eq!(on("baixia", "2013-02-19"), "eligible");
        assert_eq!(on("baixia", "2013-02-20"), "no rule");
        assert_eq!(on("xiaguan", "1995-12-31"), "no rule");
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            (
                "code = \"xuanwu\"",
                "code = \"nanjing\"",
                "the periods of one agency must not overlap, found nanjing",
            ),
            (
                "code = \"xuanwu\"",
                "code = \"Xuanwu\"",
                "code must be lower-case letters, digits and hyphens, found Xuanwu",
            ),
            ("to = 2013-02-19", "to = 1990-01-01", "to must not be before from, found 1996-01-01"),
            ("eligible = true", "eligible = \"yes\"", "eligible must be true or false, found yes"),
        ] {
            let errors = testing::errors_after("eligibility.toml", old, new);
            assert!(errors.iter().any(|error| error.ends_with(rule)), "{rule}: {errors:?}");
        }
    }
}
