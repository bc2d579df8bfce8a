//! Days that were closed or opened behind the log's back, or by one person.

use serde_json::json;

use super::honest::books;
use crate::{
    Rule, Violation,
    testing::{CLERK, OFFICER},
};

const REOPENED: &str = "gulou:2026-01-06";

#[test]
fn one_person_opens_a_day_again() {
    let mut export = books();
    export.change("shift", "day", "2026-01-06", "decided_by", json!(CLERK));
    let same = Violation::SamePerson { person: CLERK.to_owned() };
    assert_eq!(export.violations(Rule::TwoPersons), [("shift", REOPENED.to_owned(), same)]);
    let mut export = books();
    export.change_entry("decide-reopen", REOPENED, "actor", json!(format!("staff:{CLERK}")));
    let same = Violation::SamePerson { person: OFFICER.to_owned() };
    assert_eq!(export.violations(Rule::TwoPersons), [("shift", REOPENED.to_owned(), same)]);
}

#[test]
fn a_step_that_is_not_in_the_log() {
    for action in ["close-shift", "request-reopen", "decide-reopen"] {
        let mut export = books();
        export.remove_entry(action, REOPENED);
        let missing = Violation::EntryMissing { action };
        assert_eq!(export.violations(Rule::LogEntry), [("shift", REOPENED.to_owned(), missing)]);
    }
    let mut export = books();
    export.remove("shift", "day", "2026-01-05");
    let found = export.violations(Rule::LogEntry);
    let gone = Violation::RecordMissing { action: "close-shift", table: "shift" };
    assert!(found.len() == 1 && found[0].0 == "audit" && found[0].2 == gone, "{found:?}");
}
