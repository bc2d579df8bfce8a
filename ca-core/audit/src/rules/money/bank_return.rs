//! Two persons for every fen that went back to whoever sent it, each under a number of its own.

use std::collections::BTreeSet;

use crate::{
    Rule, Violation,
    book::Book,
    log::Action,
    report::{Findings, Place},
    row::BankLine,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let refunds = book.adjustments.values().filter(|known| known.method.as_deref() == Some("transfer"));
    let mut sent: BTreeSet<&str> = refunds.filter_map(|known| known.reference.as_deref()).collect();
    for (id, line) in &book.bank_lines {
        if !fits(line) {
            let state = line.state.clone();
            findings.add(Rule::Money, "bank_line", id, Violation::SumsAndState { state });
        }
        if let Some(person) =
            line.return_by.as_ref().filter(|by| line.return_approved_by.as_ref() == Some(*by))
        {
            findings.add(Rule::Money, "bank_line", id, Violation::SamePerson { person: person.clone() });
        }
        if line.return_reference.as_deref().is_some_and(|number| !sent.insert(number)) {
            findings.add(Rule::Money, "bank_line", id, Violation::Twice);
        }
        // The last word counts: it may have been rejected before.
        for (what, column, action) in [
            ("return_by", &line.return_by, Action::RequestReturn),
            ("return_approved_by", &line.return_approved_by, Action::ApproveReturn),
        ] {
            let last = book.log.events(id, action).last().and_then(|event| event.by.as_deref());
            if let (Some(person), Some(logged)) = (column, last) {
                let place: Place<'_> = (Rule::Money, "bank_line", id);
                findings.compare(place, what, (format!("staff:{person}"), logged.to_owned()));
            }
        }
    }
}

/// Whether the columns are those of the state.
fn fits(line: &BankLine) -> bool {
    let known = [&line.return_by, &line.return_approved_by, &line.return_reference].map(Option::is_some);
    match line.state.as_str() {
        "return-requested" => known == [true, false, false],
        "returned" => known == [true; 3],
        _ => known == [false; 3],
    }
}
