//! I10: who enters or corrects an application does not decide it.

use crate::{
    Rule, Violation,
    book::Book,
    log::{Action, Log},
    report::Findings,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (id, application) in &book.applications {
        let entered = application.entered_before.iter().chain([&application.entered_by]);
        let decision = Decision {
            place: (Rule::TwoPersons, "application", id),
            actions: &[Action::ApproveApplication, Action::RejectApplication],
            decided_by: application.decided_by.as_deref(),
        };
        decision.check(&book.log, entered, findings);
    }
}

/// What one person asks for and another decides.
pub(super) struct Decision<'a> {
    pub(super) place: (Rule, &'static str, &'a str),
    /// How the log calls it.
    pub(super) actions: &'static [Action],
    /// The person, by the row.
    pub(super) decided_by: Option<&'a str>,
}

impl Decision<'_> {
    /// Neither the row nor the log names one of those who asked, and both name the same person.
    pub(super) fn check<'a>(
        &self,
        log: &Log,
        entered: impl Iterator<Item = &'a String>,
        findings: &mut Findings,
    ) {
        let (rule, table, id) = self.place;
        let decided_by = self.decided_by.map(|person| format!("staff:{person}"));
        let decisions = log.of(id).iter().filter(|event| self.actions.contains(&event.action));
        let actors: Vec<&str> = decisions.filter_map(|event| event.by.as_deref()).collect();
        let deciders: Vec<&str> = actors.iter().copied().chain(decided_by.as_deref()).collect();
        for person in entered {
            if deciders.contains(&format!("staff:{person}").as_str()) {
                let person = person.clone();
                findings.add(rule, table, id, Violation::SamePerson { person });
            }
        }
        if let (Some(column), Some(logged)) = (decided_by.as_deref(), actors.last()) {
            findings.compare((rule, table, &id), "decided_by", (column, *logged));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{CLERK, Export, OFFICER, differs};

    #[test]
    fn the_same_person_enters_and_approves() {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change_entry("approve-application", &application, "actor", json!(format!("staff:{CLERK}")));
        let same = Violation::SamePerson { person: CLERK.to_owned() };
        assert_eq!(export.violations(Rule::TwoPersons), [("application", application, same)]);
    }

    #[test]
    fn who_corrected_it_before_approves() {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change("application", "id", &application, "entered_before", json!(["x", OFFICER]));
        let same = Violation::SamePerson { person: OFFICER.to_owned() };
        assert_eq!(export.violations(Rule::TwoPersons), [("application", application, same)]);
    }

    #[test]
    fn the_row_names_another_than_the_log() {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change("application", "id", &application, "decided_by", json!(OFFICER));
        assert_eq!(export.violations(Rule::TwoPersons), []);
        export.change("application", "id", &application, "decided_by", json!("other"));
        let differs = differs("decided_by", "staff:other", &format!("staff:{OFFICER}"));
        assert_eq!(export.violations(Rule::TwoPersons), [("application", application.clone(), differs)]);
        export.change("application", "id", &application, "decided_by", json!(CLERK));
        let same = Violation::SamePerson { person: CLERK.to_owned() };
        assert!(export.violations(Rule::TwoPersons).contains(&("application", application, same)));
    }
}
