//! Findings, and the report that lists them by rule.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::{Language, Rule, Summary, Violation};

/// One row that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The row's table; `line` for a line of the export.
    pub table: &'static str,
    /// The row's key.
    pub key: String,
    /// What is wrong with it.
    pub violation: Violation,
}

/// Where a comparison was made: rule, table, key.
pub(crate) type Place<'a> = (Rule, &'static str, &'a dyn ToString);

/// Findings while they are being collected.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, rule: Rule, table: &'static str, key: impl ToString, violation: Violation) {
        self.0.push(Finding { rule, table, key: key.to_string(), violation });
    }

    /// Adds [`Violation::Differs`] unless both are equal.
    pub(crate) fn compare<T: PartialEq + ToString>(
        &mut self,
        (rule, table, key): Place<'_>,
        what: &'static str,
        (found, expected): (T, T),
    ) {
        if found != expected {
            let (found, expected) = (found.to_string(), expected.to_string());
            self.add(rule, table, key.to_string(), Violation::Differs { what, found, expected });
        }
    }
}

/// How a rule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No row breaks it.
    Passed,
    /// Some row breaks it.
    Failed,
    /// It was not applied: there is no root.
    NotChecked,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    findings: Vec<Finding>,
    summary: Summary,
    signatures: bool,
}

impl Report {
    pub(crate) fn new(findings: Findings, summary: Summary, signatures: bool) -> Self {
        Self { findings: findings.0, summary, signatures }
    }

    /// Every finding, in the order of the check.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The figures.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// How one rule came out.
    #[must_use]
    pub fn outcome(&self, rule: Rule) -> Outcome {
        if self.of(rule).next().is_some() {
            Outcome::Failed
        } else if rule == Rule::Signature && !self.signatures {
            Outcome::NotChecked
        } else {
            Outcome::Passed
        }
    }

    fn of(&self, rule: Rule) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.rule == rule)
    }

    /// Writes it for people: one line a rule, below it the offending rows, at the end the figures.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_text(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        for rule in Rule::ALL {
            let word = match self.outcome(rule) {
                Outcome::Passed => language.choose("通过", "pass"),
                Outcome::Failed => language.choose("不符", "FAIL"),
                Outcome::NotChecked => language.choose("未查（需要 --root）", "not checked (needs --root)"),
            };
            writeln!(out, "{:<9} {word}  {}", rule.id(), rule.title(language))?;
            for Finding { table, key, violation, .. } in self.of(rule) {
                writeln!(out, "          {table} {key} {}", violation.text(language))?;
            }
        }
        let Summary { certificates, burned, revoked, payments, paid, refusals } = &self.summary;
        let refusals: Vec<String> = refusals.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let refusals = if refusals.is_empty() { "0".to_owned() } else { refusals.join(", ") };
        let found = self.findings.len();
        match language {
            Language::Zh => writeln!(
                out,
                "证书 {certificates}，作废序列号 {burned}，吊销 {revoked}；收款 {payments} 笔共 {paid}；拒绝：{refusals}\n发现 {found} 处问题"
            ),
            Language::En => writeln!(
                out,
                "certificates {certificates}, burned {burned}, revoked {revoked}; payments {payments}, {paid}; refusals: {refusals}\n{found} findings"
            ),
        }
    }

    /// Writes it for machines: one JSON document.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_json(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        let rules: Vec<Value> = Rule::ALL
            .into_iter()
            .map(|rule| {
                let findings: Vec<Value> = self
                    .of(rule)
                    .map(|Finding { table, key, violation, .. }| {
                        json!({ "table": table, "key": key, "code": violation.code(), "text": violation.text(language) })
                    })
                    .collect();
                let outcome = match self.outcome(rule) {
                    Outcome::Passed => "passed",
                    Outcome::Failed => "failed",
                    Outcome::NotChecked => "not-checked",
                };
                json!({ "rule": rule.id(), "outcome": outcome, "title": rule.title(language), "findings": findings })
            })
            .collect();
        let Summary { certificates, burned, revoked, payments, paid, refusals } = &self.summary;
        let summary = json!({
            "certificates": certificates, "burned": burned, "revoked": revoked,
            "payments": payments, "paid": paid.to_string(), "refusals": refusals,
        });
        writeln!(out, "{}", json!({ "findings": self.findings.len(), "rules": rules, "summary": summary }))
    }
}
