//! I10: who enters or corrects an application does not decide it. What the policy entered and approved by itself is the
//! renewal of what two persons approved before, with the unit as it was then. What an event of a unit entered is about that
//! unit's certificate, and whoever recorded the event has entered it.

use crate::{
    Rule, Violation,
    book::Book,
    log::{Action, Log},
    report::Findings,
    row::Application,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (id, application) in &book.applications {
        by_policy(book, id, application, findings);
        by_event(book, id, application, findings);
        let entered = authors(application).enumerate().filter(|(position, author)| {
            // Who recorded an event later may have decided before.
            *position == 0 || !author.starts_with(EVENT)
        });
        let entered = entered.map(|(_, author)| event_of(author).map_or(author, |(_, person)| person));
        let decision = Decision {
            place: (Rule::TwoPersons, "application", id),
            actions: &[Action::ApproveApplication, Action::RejectApplication],
            decided_by: application.decided_by.as_deref(),
        };
        decision.check(&book.log, entered, findings);
    }
}

/// The name of the program, in the log and in rows, where it acts by the policy.
const POLICY: &str = "system:renewals";

fn by_policy(book: &Book, id: &str, application: &Application, findings: &mut Findings) {
    let mut add = |violation| findings.add(Rule::TwoPersons, "application", id, violation);
    // An event may have had a hand in it since; then a person approved it anew.
    let mut others = authors(application).skip(1).peekable();
    let by_itself = authors(application).next() == Some(POLICY);
    let (touched, by_itself) =
        (others.peek().is_some(), by_itself && others.all(|author| author.starts_with(EVENT)));
    let approvals = book.log.events(id, Action::ApproveApplication);
    let by_program =
        approvals.filter(|event| event.by.as_deref().is_some_and(|by| by.starts_with("system:")));
    if !by_itself {
        let named = authors(application).any(|name| name == POLICY);
        if by_program.count() > 0 || application.decided_by.as_deref() == Some(POLICY) || named {
            add(Violation::DecidedByProgram);
        }
        return;
    }
    let former = application.certificate.as_ref().and_then(|serial| book.certificates.get(serial));
    let former = former.and_then(|known| known.row.application.as_ref());
    let former = former.and_then(|former| book.applications.get(former));
    let by_person =
        book.log.events(id, Action::ApproveApplication).any(|event| event.by.as_deref() != Some(POLICY));
    let data = |of: &Application| (of.unit_name.clone(), of.unit_code.clone());
    let anew = touched && by_person;
    let what = |of: &Application| (of.unit.clone(), (!anew).then(|| data(of)));
    if application.kind != "renew" || former.is_none_or(|former| what(former) != what(application)) {
        add(Violation::NotARenewal);
    }
}

/// Before an event and the person who recorded it, with a colon between, in the place of who entered an application.
const EVENT: &str = "unit-event:";
/// The name of the program, in the log, where it enters what an event asks for.
const EVENTS: &str = "system:unit-events";

fn authors(application: &Application) -> impl Iterator<Item = &str> {
    application.entered_before.iter().chain([&application.entered_by]).map(String::as_str)
}

fn event_of(author: &str) -> Option<(&str, &str)> {
    author.strip_prefix(EVENT)?.split_once(':')
}

fn by_event(book: &Book, id: &str, application: &Application, findings: &mut Findings) {
    let mut entries = book.log.events(id, Action::SubmitApplication);
    let logged = entries.any(|entry| entry.by.as_deref() == Some(EVENTS));
    let mut authors = authors(application);
    // An event enters an application first; persons may correct it, and other events have a hand in it later.
    let own = authors.next().and_then(event_of);
    let later: Vec<&str> = authors.filter(|author| author.starts_with(EVENT)).collect();
    let later = later.into_iter().any(|author| !had_a_hand(book, id, application, author, findings));
    let of = application.certificate.as_ref().and_then(|serial| book.certificates.get(serial));
    let of = of.and_then(|known| known.row.unit.as_deref());
    let fits = |(event, person): (&str, &str)| {
        book.unit_events.get(event).is_some_and(|event| {
            let remedy = match event.kind.as_str() {
                "rename" | "new-code" => "change",
                "merger" | "dissolution" => "revoke",
                _ => "",
            };
            event.state == "applied"
                && event.recorded_by == format!("staff:{person}")
                && event.unit == application.unit
                && of == Some(event.unit.as_str())
                && application.kind == remedy
        })
    };
    if later || logged != own.is_some() || own.is_some_and(|own| !fits(own)) {
        findings.add(Rule::TwoPersons, "application", id, Violation::NotOfEvent);
    }
}

/// Whether an event went through an application that was there before it, as the log says too. From then on whoever recorded
/// it decides nothing of that.
fn had_a_hand(
    book: &Book,
    id: &str,
    application: &Application,
    author: &str,
    findings: &mut Findings,
) -> bool {
    let Some((event, person)) = event_of(author) else { return false };
    let recorder = format!("staff:{person}");
    let fits = book.unit_events.get(event).is_some_and(|known| {
        matches!(known.kind.as_str(), "rename" | "new-code")
            && known.state == "applied"
            && known.recorded_by == recorder
            && known.unit == application.unit
    });
    let mut entries = book.log.events(id, Action::ApplyUnitEvent);
    let of_event = |fact: &str| fact.split_once(' ').is_some_and(|(known, _)| known == event);
    let Some(entry) = entries.find(|entry| entry.fact.as_deref().is_some_and(of_event)) else { return false };
    let decisions = book.log.of(id).iter().filter(|known| {
        known.id > entry.id && matches!(known.action, Action::ApproveApplication | Action::RejectApplication)
    });
    if decisions.filter_map(|known| known.by.as_deref()).any(|by| by == recorder) {
        let person = person.to_owned();
        findings.add(Rule::TwoPersons, "application", id, Violation::SamePerson { person });
    }
    fits
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
        entered: impl Iterator<Item = &'a str>,
        findings: &mut Findings,
    ) {
        let (rule, table, id) = self.place;
        let decided_by = self.decided_by.map(|person| match person {
            POLICY => POLICY.to_owned(),
            person => format!("staff:{person}"),
        });
        let decisions = log.of(id).iter().filter(|event| self.actions.contains(&event.action));
        let actors: Vec<&str> = decisions.filter_map(|event| event.by.as_deref()).collect();
        let deciders: Vec<&str> = actors.iter().copied().chain(decided_by.as_deref()).collect();
        for person in entered {
            if deciders.contains(&format!("staff:{person}").as_str()) {
                let person = person.to_owned();
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
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{CLERK, Export, OFFICER, USCC, differs};

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

    /// A renewal by itself of the clean book's certificate, as the server writes it.
    fn renewal(export: &mut Export) -> String {
        let (id, serial) = ("9".repeat(32), export.serial.clone());
        let unit = export.unit.clone();
        export.add(json!({
            "table": "application", "id": id, "unit": unit, "unit_name": "单位", "unit_code": USCC,
            "profile": "unit-sign", "years": 1, "kind": "renew", "certificate": serial, "entered_by": POLICY,
            "entered_before": [], "state": "approved", "decided_by": POLICY, "payment": null,
        }));
        for action in ["submit-application", "approve-application"] {
            let entry = export.log(action, &id, json!({}));
            export.change("audit", "id", &entry.to_string(), "actor", json!(POLICY));
        }
        id
    }

    #[test]
    fn the_policy_renews_what_two_persons_approved() {
        let mut export = Export::clean();
        let id = renewal(&mut export);
        assert_eq!(export.violations(Rule::TwoPersons), []);
        for (column, value) in [
            ("kind", json!("new")),
            ("certificate", Value::Null),
            ("unit_name", json!("别的单位")),
            ("unit_code", json!("91320106MA1X00017N")),
            ("unit", json!("other")),
        ] {
            let mut export = Export::clean();
            let id = renewal(&mut export);
            export.change("application", "id", &id, column, value);
            let expected = [("application", id, Violation::NotARenewal)];
            assert_eq!(export.violations(Rule::TwoPersons), expected, "{column}");
        }
        for (column, value) in [("entered_by", json!(CLERK)), ("entered_before", json!([CLERK]))] {
            export.change("application", "id", &id, column, value);
            let found = export.violations(Rule::TwoPersons);
            assert!(found.contains(&("application", id.clone(), Violation::DecidedByProgram)), "{found:?}");
        }
    }

    /// What an event entered of the clean book's certificate, and an officer approved, as the server writes it.
    fn change(export: &mut Export) -> String {
        let (id, serial) = ("8".repeat(32), export.serial.clone());
        let (unit, event) = (export.unit.clone(), "7".repeat(32));
        export.add(json!({
            "table": "unit_event", "id": event, "unit": unit, "kind": "rename", "before": "单位", "state": "applied",
            "recorded_by": format!("staff:{CLERK}"),
        }));
        export.add(json!({
            "table": "application", "id": id, "unit": unit, "unit_name": "新名", "unit_code": USCC,
            "profile": "unit-sign", "years": 0, "kind": "change", "certificate": serial,
            "entered_by": format!("unit-event:{event}:{CLERK}"), "entered_before": [], "state": "approved",
            "decided_by": OFFICER, "payment": null,
        }));
        let entry = export.log("submit-application", &id, json!({}));
        export.change("audit", "id", &entry.to_string(), "actor", json!(EVENTS));
        let entry = export.log("approve-application", &id, json!({}));
        export.change("audit", "id", &entry.to_string(), "actor", json!(format!("staff:{OFFICER}")));
        id
    }

    #[test]
    fn an_event_enters_what_its_unit_needs() {
        let mut export = Export::clean();
        let id = change(&mut export);
        assert_eq!(export.violations(Rule::TwoPersons), []);
        // Corrected by a person, it is the event's still.
        let author = export.row("application", "id", &id)["entered_by"].clone();
        export.change("application", "id", &id, "entered_before", json!([author]));
        export.change("application", "id", &id, "entered_by", json!("other"));
        assert_eq!(export.violations(Rule::TwoPersons), []);
        let event = "7".repeat(32);
        for (table, key, column, value) in [
            ("application", &id, "kind", json!("revoke")),
            ("application", &id, "certificate", Value::Null),
            ("application", &id, "unit", json!("other")),
            ("application", &id, "entered_by", json!("other")),
            ("application", &id, "entered_before", json!(["someone"])),
            ("application", &id, "entered_by", json!(format!("unit-event:{}:{CLERK}", "6".repeat(32)))),
            ("application", &id, "entered_by", json!(format!("unit-event:{event}:other"))),
            ("unit_event", &event, "state", json!("pending")),
            ("unit_event", &event, "unit", json!("other")),
            ("unit_event", &event, "kind", json!("agent")),
            ("unit_event", &event, "recorded_by", json!("staff:other")),
        ] {
            let mut export = Export::clean();
            change(&mut export);
            export.change(table, "id", key, column, value);
            let expected = [("application", id.clone(), Violation::NotOfEvent)];
            assert_eq!(export.violations(Rule::TwoPersons), expected, "{table}.{column}");
        }
        let mut export = Export::clean();
        change(&mut export);
        export.remove("unit_event", "id", &event);
        let expected = [("application", id, Violation::NotOfEvent)];
        assert_eq!(export.violations(Rule::TwoPersons), expected, "there is no such event");
    }

    /// An event goes through the clean book's application, which an officer approved before.
    fn gone_through(export: &mut Export, recorder: &str) -> String {
        let (unit, event, id) = (export.unit.clone(), "7".repeat(32), export.application.clone());
        export.add(json!({
            "table": "unit_event", "id": event, "unit": unit, "kind": "rename", "before": "单位", "state": "applied",
            "recorded_by": format!("staff:{recorder}"),
        }));
        export.log("apply-unit-event", &id, json!({ "event": event, "fate": "approve-anew" }));
        let first = export.row("application", "id", &id)["entered_by"].clone();
        export.change("application", "id", &id, "entered_before", json!([first]));
        let author = format!("unit-event:{event}:{recorder}");
        export.change("application", "id", &id, "entered_by", json!(author));
        id
    }

    #[test]
    fn an_event_has_a_hand_in_what_was_there_before() {
        let mut export = Export::clean();
        // Who approved it before recorded the event: that is no fault, if another approves it anew.
        let id = gone_through(&mut export, OFFICER);
        assert_eq!(export.violations(Rule::TwoPersons), []);
        export.log_by("third", "approve-application", &id, json!({}));
        assert_eq!(export.violations(Rule::TwoPersons), []);
        export.log_by(OFFICER, "approve-application", &id, json!({}));
        let same = Violation::SamePerson { person: OFFICER.to_owned() };
        assert_eq!(export.violations(Rule::TwoPersons), [("application", id, same)]);
        let event = "7".repeat(32);
        for (column, value) in [
            ("state", json!("cancelled")),
            ("unit", json!("other")),
            ("kind", json!("dissolution")),
            ("recorded_by", json!("staff:other")),
        ] {
            let mut export = Export::clean();
            let id = gone_through(&mut export, OFFICER);
            export.change("unit_event", "id", &event, column, value);
            let expected = [("application", id, Violation::NotOfEvent)];
            assert_eq!(export.violations(Rule::TwoPersons), expected, "{column}");
        }
        let mut export = Export::clean();
        let id = gone_through(&mut export, OFFICER);
        export.remove_entry("apply-unit-event", &id);
        assert_eq!(export.violations(Rule::TwoPersons), [("application", id, Violation::NotOfEvent)]);
    }

    #[test]
    fn a_renewal_by_the_policy_is_approved_anew_by_a_person() {
        let mut export = Export::clean();
        let (id, event) = (renewal(&mut export), "7".repeat(32));
        let unit = export.unit.clone();
        export.add(json!({
            "table": "unit_event", "id": event, "unit": unit, "kind": "rename", "before": "单位", "state": "applied",
            "recorded_by": format!("staff:{CLERK}"),
        }));
        export.log("apply-unit-event", &id, json!({ "event": event, "fate": "approve-anew" }));
        export.change("application", "id", &id, "entered_before", json!([POLICY]));
        export.change("application", "id", &id, "entered_by", json!(format!("unit-event:{event}:{CLERK}")));
        assert_eq!(export.violations(Rule::TwoPersons), []);
        export.change("application", "id", &id, "unit_name", json!("新名"));
        let expected = [("application", id.clone(), Violation::NotARenewal)];
        assert_eq!(export.violations(Rule::TwoPersons), expected, "nobody approved the new name");
        export.log_by(OFFICER, "approve-application", &id, json!({}));
        export.change("application", "id", &id, "state", json!("paid"));
        export.change("application", "id", &id, "decided_by", Value::Null);
        assert_eq!(export.violations(Rule::TwoPersons), []);
    }

    #[test]
    fn who_recorded_the_event_approves_nothing_that_it_entered() {
        let mut export = Export::clean();
        let id = change(&mut export);
        export.change("application", "id", &id, "decided_by", json!(CLERK));
        export.change_entry("approve-application", &id, "actor", json!(format!("staff:{CLERK}")));
        let same = Violation::SamePerson { person: CLERK.to_owned() };
        assert_eq!(export.violations(Rule::TwoPersons), [("application", id.clone(), same)]);
        let mut export = Export::clean();
        change(&mut export);
        export.change_entry("approve-application", &id, "actor", json!(EVENTS));
        let found = export.violations(Rule::TwoPersons);
        assert!(found.contains(&("application", id, Violation::DecidedByProgram)), "{found:?}");
    }

    #[test]
    fn the_program_decides_nothing_that_a_person_entered() {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change_entry("approve-application", &application, "actor", json!("system:server"));
        let expected = [("application", application, Violation::DecidedByProgram)];
        assert_eq!(export.violations(Rule::TwoPersons), expected);
    }
}
