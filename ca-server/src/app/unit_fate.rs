//! Step 11, before it: an event of a unit goes through all that the unit has, certificates and applications, in the
//! transaction that applies it. What becomes of each is `ca-core`'s table; here it is done, and the log says it of each one.
//! The log is also where the answer of the API comes from: no second record can disagree with it.

use ca_core::{
    Action, Actor, Application, ApplicationFacts, ApplicationFate, ApplicationState, AttemptState,
    AuditEntry, Author, CertificateFacts, CertificateFate, CertificateState, Found, StaffId, Successor, Unit,
    UnitEvent, UnitEventId, UnitEventKind, UnitId, billing::Tariff,
};
use ca_store::{ApplicationFilter, AuditFilter, Reader, Tx};
use ca_verifier::Time;

use super::{
    claim::give_up,
    gate::says_former,
    unit_change::{self, Touched},
    unit_event::EVENTS,
};
use crate::problem::{Failure, Problem};

/// Why an attempt ended, for its row and the log.
const GIVEN_UP: &str = "unit-event";

/// What an event did, in numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Applications that it entered.
    pub(super) entered: usize,
    /// Certificates and applications that did not stay as they were.
    pub(super) changed: usize,
}

/// A certificate of the unit as the event finds it, before anything is done.
struct Finding {
    touched: Touched,
    found: Found,
    /// Whether the event is about what it says.
    about: bool,
}

/// All that an event goes through.
pub(super) struct Findings {
    certificates: Vec<Finding>,
    applications: Vec<Application>,
}

/// What became of one of them, as the log says it.
pub(crate) struct Outcome {
    /// `certificate` or `application`.
    pub(crate) object: &'static str,
    pub(crate) id: String,
    /// Where it stood.
    pub(crate) before: String,
    pub(crate) fate: String,
    /// What was entered about it, or goes on for it.
    pub(crate) application: Option<String>,
    pub(crate) texts: (&'static str, &'static str),
}

/// What there is, before the unit changes.
pub(super) fn find(reader: &mut Reader<'_>, event: &UnitEvent, now: Time) -> Result<Findings, Problem> {
    let mut certificates = Vec::new();
    for touched in unit_change::touched(reader, &event.unit, now)? {
        let former = unit_change::former(reader, &touched)?;
        let found = found(touched.state, former.as_ref());
        let about = unit_change::touches(event, former.as_ref());
        certificates.push(Finding { touched, found, about });
    }
    let applications = all(reader, &event.unit)?;
    Ok(Findings { certificates, applications })
}

fn all(reader: &mut Reader<'_>, unit: &UnitId) -> Result<Vec<Application>, Problem> {
    let filter = ApplicationFilter { unit: Some(unit.clone()), limit: i64::MAX, ..Default::default() };
    Ok(reader.applications(&filter)?)
}

fn found(state: CertificateState, own: Option<&Application>) -> Found {
    let in_hand = !own.is_some_and(|own| matches!(own.state, ApplicationState::Issued { .. }));
    let temporary = own.is_some_and(|own| own.kind.is_temporary());
    match state {
        CertificateState::Revoked { .. } => Found::Over,
        CertificateState::NotActivated | CertificateState::Held { activated: false } if !in_hand => {
            Found::Made
        }
        _ if temporary => Found::Temporary,
        CertificateState::NotActivated | CertificateState::Held { activated: false } => Found::Delivered,
        CertificateState::Good => Found::Good,
        CertificateState::Held { activated: true } => Found::Held,
    }
}

/// Whether a signature for the unit is under way: nobody knows yet whether there will be a certificate.
pub(super) fn signature_under_way(reader: &mut Reader<'_>, unit: &UnitId) -> Result<bool, Problem> {
    for application in all(reader, unit)? {
        if matches!(application.state, ApplicationState::Personalising { .. }) {
            let attempt = reader.live_attempt_of(&application.id)?;
            if attempt.is_some_and(|attempt| matches!(attempt.state, AttemptState::Intended { .. })) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Goes through what there was, after the unit has changed.
pub(super) fn go_through(
    tx: &mut Tx<'_>,
    event: &UnitEvent,
    findings: Findings,
    tariff: &Tariff,
    now: Time,
) -> Result<Tally, Problem> {
    let unit = tx.unit(&event.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    let mut tally = Tally::default();
    for application in &findings.applications {
        let fate = application_fate(tx, event, application, &unit)?;
        if fate == ApplicationFate::Unaffected {
            continue;
        }
        settle(tx, event, application, (&unit, fate), now)?;
        let entry = entry(event, "application", application.id.as_str(), application.state.name(), now);
        tx.append_audit(&entry.with("fate", fate.name()))?;
        tally.changed += 1;
    }
    for finding in &findings.certificates {
        let (fate, application) = certificate(tx, event, (finding, &unit), tariff, now)?;
        let serial = finding.touched.serial.to_string();
        let entry = entry(event, "certificate", &serial, finding.touched.state.name(), now);
        let entry = entry.with("fate", fate.name());
        tx.append_audit(&match &application {
            Some(id) => entry.with("application", id),
            None => entry,
        })?;
        tally.changed += usize::from(fate != CertificateFate::Unaffected);
        let entered = matches!(fate, CertificateFate::ChangeEntered | CertificateFate::RevocationEntered);
        tally.entered += usize::from(entered);
    }
    Ok(tally)
}

fn entry(event: &UnitEvent, object: &'static str, id: &str, before: &str, now: Time) -> AuditEntry {
    let (actor, action) = (Actor::System(EVENTS), Action::ApplyUnitEvent);
    AuditEntry::done(now, &actor, action, object, id).with("event", &event.id).with("before", before)
}

fn application_fate(
    reader: &mut Reader<'_>,
    event: &UnitEvent,
    application: &Application,
    unit: &Unit,
) -> Result<ApplicationFate, Problem> {
    let touched = match &event.kind {
        UnitEventKind::Agent { from, .. } => application.agent == *from,
        _ => says_former(application, unit),
    };
    let by_itself = unit_change::waits_by_itself(reader, application)?;
    let facts = ApplicationFacts { touched, by_itself };
    Ok(event.kind.impact().on_application(application.kind, &application.state, facts))
}

fn settle(
    tx: &mut Tx<'_>,
    event: &UnitEvent,
    application: &Application,
    (unit, fate): (&Unit, ApplicationFate),
    now: Time,
) -> Result<(), Problem> {
    let actor = Actor::System(EVENTS);
    // Changes nothing and takes the row: nobody decides or claims meanwhile what is another thing then.
    tx.move_application(&application.id, &application.state, &application.state)?;
    match fate {
        // The agent's were passed all at once.
        ApplicationFate::Unaffected | ApplicationFate::Passed => Ok(()),
        ApplicationFate::CarriedOver => {
            let mut next = by_event(event, application)?;
            (next.unit_name, next.unit_code) = (unit.name.clone(), unit.code);
            Ok(tx.correct_application(&next)?)
        }
        ApplicationFate::ApproveAnew => {
            if tx.live_attempt_of(&application.id)?.is_some() {
                give_up(tx, &actor, &application.id, GIVEN_UP, now)?;
            }
            // Its old name and code say that nobody approved the new ones.
            Ok(tx.correct_application(&by_event(event, application)?)?)
        }
        ApplicationFate::Expired => unit_change::expire(tx, &application.id, now),
        ApplicationFate::Stopped => match tx.live_attempt_of(&application.id)? {
            Some(_) => give_up(tx, &actor, &application.id, GIVEN_UP, now),
            None => Ok(()),
        },
    }
}

/// The same application, which the event had a hand in: whoever recorded that decides nothing of it from now on.
fn by_event(event: &UnitEvent, application: &Application) -> Result<Application, Problem> {
    let mut next = application.clone();
    let recorded_by = recorder(event)?;
    next.entered_before.push(next.entered_by);
    next.entered_by = Author::Event { event: event.id.clone(), recorded_by };
    Ok(next)
}

/// The person who recorded an event.
pub(super) fn recorder(event: &UnitEvent) -> Result<StaffId, Problem> {
    let recorder = event.recorded_by.strip_prefix("staff:").map(StaffId::parse).transpose()?;
    recorder.ok_or_else(|| Failure::inconsistent("an event that no person recorded").into())
}

/// Does what becomes of a certificate; gives that, and the application that it has to do with.
fn certificate(
    tx: &mut Tx<'_>,
    event: &UnitEvent,
    (finding, unit): (&Finding, &Unit),
    tariff: &Tariff,
    now: Time,
) -> Result<(CertificateFate, Option<String>), Problem> {
    let Finding { touched, found, about } = finding;
    let next = tx.successor_of(&touched.serial)?;
    let successor = match &next {
        None => Successor::None,
        Some(id) => match tx.application_state(id)?.map(|(_, state)| state) {
            Some(ApplicationState::Delivered { .. } | ApplicationState::Active { .. }) => {
                Successor::HandedOver
            }
            _ => Successor::UnderWay,
        },
    };
    let former = unit_change::former(tx, touched)?;
    let agent = unit_change::agent(tx, unit, former.as_ref())?;
    let facts = CertificateFacts { found: *found, touched: *about, successor, agent: agent.is_some() };
    let fate = event.kind.impact().on_certificate(facts);
    let application = match (fate, agent) {
        (CertificateFate::ChangeEntered | CertificateFate::RevocationEntered, Some(agent)) => {
            Some(unit_change::enter(tx, event, unit, (touched.serial, agent, former), tariff, now)?)
        }
        (CertificateFate::CarriedOver | CertificateFate::ReplacedSoon, _) => next,
        (CertificateFate::Withdrawn, _) => touched.made_for.clone(),
        _ => None,
    };
    Ok((fate, application.map(|id| id.to_string())))
}

/// What became of each certificate and application of the unit, in the order of the log.
pub(crate) fn outcomes(reader: &mut Reader<'_>, event: &UnitEvent) -> Result<Vec<Outcome>, Problem> {
    let mut objects: Vec<(&'static str, String)> = Vec::new();
    for record in reader.certificates_of_unit(&event.unit)? {
        objects.push(("certificate", record.serial.to_string()));
    }
    for application in all(reader, &event.unit)? {
        objects.push(("application", application.id.to_string()));
    }
    let mut outcomes = Vec::new();
    for (object, id) in objects {
        outcomes.extend(outcome_of(reader, &event.id, object, &id)?);
    }
    Ok(outcomes)
}

fn outcome_of(
    reader: &mut Reader<'_>,
    event: &UnitEventId,
    object: &'static str,
    id: &str,
) -> Result<Option<Outcome>, Problem> {
    let filter = AuditFilter {
        action: Some(Action::ApplyUnitEvent),
        object_id: Some(id.to_owned()),
        ..AuditFilter::default()
    };
    for (_, record) in reader.audit_log(&filter)? {
        let fact = |name: &str| {
            let mut facts = record.detail.iter();
            facts.find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        if fact("event").as_deref() != Some(event.as_str()) {
            continue;
        }
        let fate = fact("fate").unwrap_or_default();
        let texts = match object {
            "certificate" => CertificateFate::from_name(&fate)?.texts(),
            _ => ApplicationFate::from_name(&fate)?.texts(),
        };
        let before = fact("before").unwrap_or_default();
        let application = fact("application");
        return Ok(Some(Outcome { object, id: id.to_owned(), before, fate, application, texts }));
    }
    Ok(None)
}
