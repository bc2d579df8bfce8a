//! Money that went back to whoever sent it: asked for and decided in the log as often as the row says. A decision without an
//! amount is a rejection, after which it may be asked for again.

use super::{another_amount, times};
use crate::{Rule, book::Book, log::Action, report::Findings};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (id, line) in &book.bank_lines {
        let place = ("bank_line", id.as_str());
        let rejected =
            book.log.events(id, Action::ApproveReturn).filter(|event| event.fact.is_none()).count();
        let (asked, returned) = (line.state == "return-requested", line.state == "returned");
        let requests = rejected + usize::from(asked || returned);
        times(&book.log, place, (Action::RequestReturn, requests), findings);
        times(&book.log, place, (Action::ApproveReturn, rejected + usize::from(returned)), findings);
        let amount = line.amount_fen.to_string();
        for action in [Action::RequestReturn, Action::ApproveReturn] {
            let mut wrong = book.log.events(id, action).filter(|event| match &event.fact {
                Some(fact) => **fact != *amount,
                None => action == Action::RequestReturn,
            });
            if let Some(event) = wrong.next() {
                findings.add(Rule::LogEntry, "bank_line", id, another_amount(event, amount.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Rule, Violation,
        testing::{Export, OFFICER, differs},
    };

    /// Two that wait, one of them rejected before; one that went back.
    fn books() -> Export {
        let mut export = Export::clean();
        for line in ["l-waits", "l-asked", "l-back"] {
            export.add_unmatched(line, &line.replace('l', "p"), 100);
        }
        export.ask_back("l-waits");
        export.reject_back("l-waits");
        export.ask_back("l-asked");
        export.ask_back("l-back");
        export.send_back("l-back", "OUT-1");
        assert_eq!(export.violations(Rule::LogEntry), []);
        export
    }

    #[test]
    fn as_often_as_it_was_done() {
        for (id, action, expected) in [
            ("l-waits", "request-return", 1),
            ("l-asked", "request-return", 1),
            ("l-back", "request-return", 1),
            ("l-back", "approve-return", 1),
        ] {
            let of = |violation| ("bank_line", id.to_owned(), violation);
            let mut export = books();
            export.log(action, id, json!({ "amount": "100" }));
            let twice = Violation::EntryRepeated { action, count: expected + 1, expected };
            assert_eq!(export.violations(Rule::LogEntry), [of(twice)]);
            let mut export = books();
            export.remove_entry(action, id);
            assert_eq!(export.violations(Rule::LogEntry), [of(Violation::EntryMissing { action })]);
        }
        let mut export = books();
        export.log_by(OFFICER, "approve-return", "l-asked", json!({ "amount": "100" }));
        let none = Violation::EntryRepeated { action: "approve-return", count: 1, expected: 0 };
        assert_eq!(export.violations(Rule::LogEntry), [("bank_line", "l-asked".to_owned(), none)]);
    }

    #[test]
    fn another_amount() {
        for action in ["request-return", "approve-return"] {
            let mut export = books();
            export.change_entry(action, "l-back", "detail", json!({ "amount": "1" }));
            let other = differs("amount in the log", "1", "100");
            assert_eq!(export.violations(Rule::LogEntry), [("bank_line", "l-back".to_owned(), other)]);
        }
    }
}
