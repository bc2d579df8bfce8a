//! `policies/documents.toml`: which papers lie with an application (the guide, step 3).

use std::collections::BTreeMap;

use super::reader::{PolicyError, Reader, Section};

const OPERATIONS: [&str; 2] = ["new", "renew"];
const COPIES_MAX: i64 = 9;

/// One paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRule {
    kind: String,
    copies: u8,
    zh: String,
    en: String,
}

impl DocumentRule {
    /// Its key, as [`crate::Document::kind`] has it.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How many copies the counter collects.
    #[must_use]
    pub fn copies(&self) -> u8 {
        self.copies
    }

    /// Its title in Chinese.
    #[must_use]
    pub fn zh(&self) -> &str {
        &self.zh
    }

    /// Its title in English.
    #[must_use]
    pub fn en(&self) -> &str {
        &self.en
    }
}

/// The papers of each operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRules {
    operations: BTreeMap<&'static str, Vec<DocumentRule>>,
    sha256: [u8; 32],
}

impl DocumentRules {
    /// The papers of an operation, such as `new`; none for an unknown one.
    #[must_use]
    pub fn of(&self, operation: &str) -> &[DocumentRule] {
        self.operations.get(operation).map_or(&[], Vec::as_slice)
    }

    /// What is missing when these are there; a form in duplicate is there when it stands twice.
    #[must_use]
    pub fn missing(&self, operation: &str, kinds: &[&str]) -> Vec<&DocumentRule> {
        let copies = |rule: &DocumentRule| kinds.iter().filter(|kind| **kind == rule.kind).count();
        self.of(operation).iter().filter(|rule| copies(rule) < usize::from(rule.copies)).collect()
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<DocumentRules, Vec<PolicyError>> {
    reader.read(|section| {
        // All are read before one may fail, so that every error is told at once.
        let found = OPERATIONS.map(|operation| (operation, section.tables(operation, rule)));
        let mut operations = BTreeMap::new();
        for (operation, rules) in found {
            let rules = rules?;
            for (index, rule) in rules.iter().enumerate() {
                if rules[..index].iter().any(|other| other.kind == rule.kind) {
                    section.refuse(operation, "kind must not repeat", &rule.kind);
                }
            }
            operations.insert(operation, rules);
        }
        Some(DocumentRules { operations, sha256: reader.sha256() })
    })
}

fn rule(section: &Section<'_>) -> Option<DocumentRule> {
    let kind = section.parsed("kind", "lower-case letters, digits and hyphens", |text| {
        text.bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            .then(|| text.to_owned())
    });
    let copies = section.integer("copies", 1..=COPIES_MAX);
    let (zh, en) = (section.text("zh"), section.text("en"));
    Some(DocumentRule {
        kind: kind?,
        copies: u8::try_from(copies?).ok()?,
        zh: zh?.to_owned(),
        en: en?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn the_three_papers_of_the_guide() {
        let policies = testing::policies();
        let kinds: Vec<(&str, u8)> =
            policies.documents().of("new").iter().map(|rule| (rule.kind(), rule.copies())).collect();
        assert_eq!(
            kinds,
            [("nanjing-hrss-application", 2), ("seal-application", 1), ("service-contract", 1)]
        );
        let missing =
            policies.documents().missing("new", &["seal-application", "nanjing-hrss-application", "other"]);
        assert_eq!(
            missing.iter().map(|rule| rule.kind()).collect::<Vec<_>>(),
            ["nanjing-hrss-application", "service-contract"]
        );
        assert!(policies.documents().of("lost").is_empty());
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            ("copies = 2", "copies = 0", "copies must be 1 to 9, found 0"),
            (
                "kind = \"seal-application\"",
                "kind = \"service-contract\"",
                "kind must not repeat, found service-contract",
            ),
            (
                "kind = \"seal-application\"",
                "kind = \"Seal\"",
                "kind must be lower-case letters, digits and hyphens, found Seal",
            ),
        ] {
            let errors = testing::errors_after("documents.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
    }
}
