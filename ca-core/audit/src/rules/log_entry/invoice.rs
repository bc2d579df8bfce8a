//! Each 发票 stands in the log as it was asked for, and as often as it was written, got its file, was refused or taken back.

use super::{another_amount, once, times};
use crate::{Rule, Violation, book::Book, log::Action, report::Findings, row::Invoice};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (id, known) in &book.invoices {
        let place = ("invoice", id.as_str());
        once(&book.log, place, Action::RequestInvoice, findings);
        for event in book.log.events(id, Action::RequestInvoice) {
            let by = event.by.as_deref().unwrap_or("NULL");
            let place = (Rule::LogEntry, "invoice", id as &dyn ToString);
            findings.compare(place, "requested_by", (by, known.requested_by.as_str()));
            let amount = known.amount_fen.to_string();
            if event.fact.as_deref() != Some(&amount) {
                findings.add(Rule::LogEntry, "invoice", id, another_amount(event, amount));
            }
        }
        times(&book.log, place, (Action::IssueInvoice, steps(known)), findings);
        let steps = book.log.events(id, Action::IssueInvoice);
        let logged = steps.last().map_or("requested", |event| event.fact.as_deref().unwrap_or("?"));
        if known.state != logged {
            let (state, logged) = (known.state.clone(), logged.to_owned());
            findings.add(Rule::LogEntry, "invoice", id, Violation::StateNotLogged { state, logged });
        }
    }
}

/// What a cashier did to come to this state.
fn steps(invoice: &Invoice) -> usize {
    let file = usize::from(invoice.file_sha256.is_some());
    match invoice.state.as_str() {
        "issued" => 1 + file,
        "red-lettered" => 2 + file,
        "refused" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Rule, Violation,
        testing::{CLERK, Export, differs},
    };

    fn books() -> Export {
        let mut export = Export::clean();
        export.add_invoice("i-asked", "01", ("requested", 100), [None, None]);
        export.add_invoice("i-issued", "01", ("issued", 200), [Some("10000001"), None]);
        export.add_invoice("i-taken", "01", ("red-lettered", 300), [Some("10000002"), Some("10000003")]);
        export.add_invoice("i-refused", "01", ("refused", 400), [None, None]);
        export.add_file("i-issued");
        assert_eq!(export.violations(Rule::LogEntry), []);
        export
    }

    #[test]
    fn an_entry_for_each_step() {
        for (id, action) in [
            ("i-asked", "request-invoice"),
            ("i-issued", "issue-invoice"),
            ("i-taken", "issue-invoice"),
            ("i-refused", "issue-invoice"),
        ] {
            let mut export = books();
            export.log(action, id, json!({ "amount": "100", "to": "issued" }));
            let found = export.violations(Rule::LogEntry);
            let repeated = |violation: &Violation| matches!(violation, Violation::EntryRepeated { action: found, .. } if *found == action);
            assert!(
                found
                    .iter()
                    .any(|(table, of, violation)| (*table, of.as_str()) == ("invoice", id)
                        && repeated(violation)),
                "{found:?}"
            );
        }
        let mut export = books();
        export.remove_entry("request-invoice", "i-asked");
        let missing = Violation::EntryMissing { action: "request-invoice" };
        assert_eq!(export.violations(Rule::LogEntry), [("invoice", "i-asked".to_owned(), missing)]);
        let mut export = books();
        export.remove_entry("issue-invoice", "i-refused");
        let missing = Violation::EntryMissing { action: "issue-invoice" };
        let state = Violation::StateNotLogged { state: "refused".to_owned(), logged: "requested".to_owned() };
        let of = |violation| ("invoice", "i-refused".to_owned(), violation);
        assert_eq!(export.violations(Rule::LogEntry), [of(missing), of(state)]);
    }

    #[test]
    fn another_state_amount_or_person() {
        let mut export = books();
        export.change("invoice", "id", "i-refused", "state", json!("issued"));
        let state = Violation::StateNotLogged { state: "issued".to_owned(), logged: "refused".to_owned() };
        assert_eq!(export.violations(Rule::LogEntry), [("invoice", "i-refused".to_owned(), state)]);
        let mut export = books();
        export.change("invoice", "id", "i-asked", "amount_fen", json!(101));
        let amount = differs("amount in the log", "100", "101");
        assert_eq!(export.violations(Rule::LogEntry), [("invoice", "i-asked".to_owned(), amount)]);
        let mut export = books();
        export.change("invoice", "id", "i-asked", "requested_by", json!("unit:9"));
        let by = differs("requested_by", &format!("staff:{CLERK}"), "unit:9");
        assert_eq!(export.violations(Rule::LogEntry), [("invoice", "i-asked".to_owned(), by)]);
    }
}
