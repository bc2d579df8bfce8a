//! The auditor's own program: checks what `ca-server export` writes, with its own code and its own trust anchor.
//!
//! Shares no code with the CA, so that a mistake there cannot hide itself here; what both must know (names of tables,
//! columns, states and actions) stands here a second time on purpose. Each rule is one file of `rules/` and speaks of
//! one invariant of ARCHITECTURE.md §3.
//!
//! What deliberately does not live here: anything that writes, asks a network, or trusts the database's own root.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod anchor;
mod book;
mod cli;
mod error;
mod language;
mod lines;
mod log;
mod octets;
mod report;
mod row;
mod rules;
mod summary;
#[cfg(test)]
mod testing;
mod violation;
mod x509;

use std::io::{self, BufRead};

pub use self::{
    anchor::{Anchor, AnchorProblem},
    cli::main,
    error::Error,
    language::Language,
    lines::LINE_OCTETS,
    report::{Finding, Outcome, Report},
    rules::Rule,
    summary::Summary,
    violation::Violation,
};

/// What to check beside the rows themselves.
#[derive(Debug, Default)]
pub struct Options {
    /// The root that the auditor trusts; without it no signature is checked.
    pub anchor: Option<Anchor>,
    /// The CA was at rest while it was exported: an intent without outcome is a finding.
    pub at_rest: bool,
}

/// Reads an export to its end, row by row, and applies every rule.
///
/// # Errors
/// What the reader gives. A line that cannot be understood is a finding and no error.
pub fn check(export: impl BufRead, options: Options) -> io::Result<Report> {
    let Options { anchor, at_rest } = options;
    let signatures = anchor.is_some();
    let (book, mut findings) = book::Book::read(export, anchor)?;
    rules::check(&book, at_rest, &mut findings);
    Ok(Report::new(findings, book.summary(), signatures))
}

#[cfg(test)]
mod tests {
    use super::{testing::Export, *};

    fn with_root(export: &Export) -> Report {
        let anchor = Some(Anchor::from_pem(export.pki.root_pem().as_bytes()).unwrap());
        export.report(Options { anchor, at_rest: true })
    }

    #[test]
    fn a_clean_export_has_no_finding() {
        let report = with_root(&Export::clean());
        assert_eq!(report.findings(), []);
        assert!(Rule::ALL.into_iter().all(|rule| report.outcome(rule) == Outcome::Passed));
    }

    #[test]
    fn the_summary_counts() {
        let mut export = Export::clean();
        export.add_burned();
        let (serial, refused) =
            (export.serial.clone(), export.log("issue-certificate", "x", serde_json::json!({})));
        export.change("audit", "id", &refused.to_string(), "rule", serde_json::json!("csr"));
        export.log("revoke-certificate", &serial, serde_json::json!({ "to": "revoked" }));
        export.change("status", "serial", &serial, "state", serde_json::json!("revoked"));
        let report = with_root(&export);
        assert_eq!(report.findings(), []);
        let Summary { certificates, burned, revoked, payments, paid, refusals } = report.summary();
        assert_eq!((*certificates, *burned, *revoked, *payments), (4, 1, 1, 1));
        assert_eq!(paid.to_string(), "¥200.00");
        assert_eq!(refusals.iter().collect::<Vec<_>>(), [(&"csr".to_owned(), &1)]);
    }

    #[test]
    fn a_line_that_is_no_row_is_a_finding_and_no_end() {
        let export = Export::clean();
        let long = "x".repeat(LINE_OCTETS + 1);
        let text = format!("{long}\n\n{}{{\"table\":\"unit\"", export.text());
        let report = check(text.as_bytes(), Options::default()).unwrap();
        let codes: Vec<&str> = report.findings().iter().map(|finding| finding.violation.code()).collect();
        assert_eq!(codes, ["line-too-long", "not-a-row", "not-a-row"]);
    }
}
