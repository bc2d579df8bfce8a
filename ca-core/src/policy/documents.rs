//! `policies/documents.toml`: which papers lie with an application (the guide, step 3).

use std::collections::BTreeMap;

use super::reader::{PolicyError, Reader, Section};
use crate::{Document, DocumentForm};

/// Registering a unit, and each [`crate::ApplicationKind::operation`].
const OPERATIONS: [&str; 12] = [
    "register-unit",
    "new",
    "renew",
    "rekey",
    "replace-lost",
    "replace-damaged",
    "replace-repair",
    "change",
    "revoke",
    "hold",
    "release",
    "unlock",
];
const PIECES_MAX: i64 = 9;

/// One paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRule {
    kind: String,
    originals: u8,
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

    /// How many originals the counter sees, or forms that are signed and sealed.
    #[must_use]
    pub fn originals(&self) -> u8 {
        self.originals
    }

    /// How many copies stay at the counter.
    #[must_use]
    pub fn copies(&self) -> u8 {
        self.copies
    }

    fn pieces(&self, form: DocumentForm) -> usize {
        usize::from(match form {
            DocumentForm::Original => self.originals,
            DocumentForm::Copy => self.copies,
        })
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

/// A paper that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDocument<'a> {
    /// Which.
    pub rule: &'a DocumentRule,
    /// The original, or a copy.
    pub form: DocumentForm,
    /// How many.
    pub count: usize,
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

    /// What is missing when these are there, and how many of it; a form in duplicate is there when it stands twice.
    #[must_use]
    pub fn missing(&self, operation: &str, seen: &[Document]) -> Vec<MissingDocument<'_>> {
        let mut missing = Vec::new();
        for rule in self.of(operation) {
            for form in [DocumentForm::Original, DocumentForm::Copy] {
                let of = |document: &&Document| document.kind == rule.kind && document.form == form;
                let count = rule.pieces(form).saturating_sub(seen.iter().filter(of).count());
                if count > 0 {
                    missing.push(MissingDocument { rule, form, count });
                }
            }
        }
        missing
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
    let originals = section.integer("originals", 0..=PIECES_MAX);
    let copies = section.integer("copies", 0..=PIECES_MAX);
    let (zh, en) = (section.text("zh"), section.text("en"));
    Some(DocumentRule {
        kind: kind?,
        originals: u8::try_from(originals?).ok()?,
        copies: u8::try_from(copies?).ok()?,
        zh: zh?.to_owned(),
        en: en?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_three_papers_of_the_guide() {
        let policies = testing::policies();
        let kinds: Vec<(&str, u8)> =
            policies.documents().of("new").iter().map(|rule| (rule.kind(), rule.originals())).collect();
        assert_eq!(
            kinds,
            [("nanjing-hrss-application", 2), ("seal-application", 1), ("service-contract", 1)]
        );
        let seen = [
            seen("seal-application", DocumentForm::Original),
            seen("nanjing-hrss-application", DocumentForm::Original),
            seen("service-contract", DocumentForm::Copy),
            seen("other", DocumentForm::Original),
        ];
        let missing = policies.documents().missing("new", &seen);
        assert_eq!(
            missing.iter().map(|missing| (missing.rule.kind(), missing.count)).collect::<Vec<_>>(),
            [("nanjing-hrss-application", 1), ("service-contract", 1)]
        );
        assert!(policies.documents().of("lost").is_empty());
    }

    fn seen(kind: &str, form: DocumentForm) -> Document {
        let now = ca_verifier::Time::from_secs(0);
        let seen_by = crate::StaffId::new(now, [1; 10]);
        Document { kind: kind.to_owned(), form, sha256: [0; 32], seen_by, seen_at: now }
    }

    #[test]
    fn original_and_copy_of_a_registration() {
        let policies = testing::policies();
        let rules = policies.documents();
        let all: Vec<Document> = rules
            .of("register-unit")
            .iter()
            .flat_map(|rule| {
                let copies = (0..rule.copies()).map(|_| seen(rule.kind(), DocumentForm::Copy));
                (0..rule.originals()).map(|_| seen(rule.kind(), DocumentForm::Original)).chain(copies)
            })
            .collect();
        assert_eq!(all.len(), 6, "labour certificate and identity card twice each, the form in duplicate");
        assert!(rules.missing("register-unit", &all).is_empty());
        let missing = rules.missing("register-unit", &all[1..]);
        assert!(matches!(missing[..], [MissingDocument { form: DocumentForm::Original, count: 1, .. }]));
        for operation in OPERATIONS {
            assert!(!rules.of(operation).is_empty(), "{operation}");
        }
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            ("originals = 2", "originals = 10", "originals must be 0 to 9, found 10"),
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
