//! Step 11, before it: what an event of a unit enters by itself about the certificates that it touches, in the transaction
//! that applies it: once, therefore. A person who did not record the event decides each application, as if another had
//! entered it. Why no certificate is revoked without that: a slip in a form must not put a unit out of work for ever.

use ca_core::{
    Action, Actor, AgentId, Application, ApplicationCommand, ApplicationId, ApplicationKind,
    ApplicationState, AuditEntry, Author, CertificateState, Document, DocumentForm, Fen, NoticeAbout,
    NoticeKind, StaffId, Unit, UnitEvent, UnitEventKind, UnitId, billing::Tariff,
};
use ca_store::{CertificateStatus, Reader, Tx};
use ca_verifier::{Serial, Time};

use super::{
    apply::{PROFILE, advance, told},
    bill, gate,
    notice::{notice_id, notify},
    unit_event::EVENTS,
};
use crate::{
    problem::{Failure, Problem},
    wire,
};

/// The paper of an event, among the documents of what it entered.
const PAPER: &str = "unit-event";

/// A certificate that an event touches.
pub(crate) struct Touched {
    pub(crate) serial: Serial,
    pub(crate) state: CertificateState,
    pub(crate) not_after: Time,
    /// What it was made for; none only of what was imported.
    former: Option<ApplicationId>,
}

/// The unit's certificates that are neither revoked nor expired.
pub(crate) fn touched(reader: &mut Reader<'_>, unit: &UnitId, now: Time) -> Result<Vec<Touched>, Problem> {
    let mut found = Vec::new();
    for record in reader.certificates_of_unit(unit)? {
        let Some(status) = reader.status(&record.serial)? else { continue };
        if let CertificateStatus::Issued(state) = status.state
            && !matches!(state, CertificateState::Revoked { .. })
            && now <= status.not_after
        {
            let (serial, not_after, former) = (record.serial, record.not_after, record.application);
            found.push(Touched { serial, state, not_after, former });
        }
    }
    Ok(found)
}

/// Those of them that the event touches: that say something else, were applied for by the agent who goes, or must end.
pub(crate) fn touched_by(
    reader: &mut Reader<'_>,
    event: &UnitEvent,
    now: Time,
) -> Result<Vec<Touched>, Problem> {
    let mut found = Vec::new();
    for touched in touched(reader, &event.unit, now)? {
        let former = former(reader, &touched)?;
        let touches = match (&event.kind, &former) {
            (UnitEventKind::Rename { name }, Some(former)) => former.unit_name != *name,
            (UnitEventKind::NewCode { code }, Some(former)) => former.unit_code != (*code).into(),
            (UnitEventKind::Agent { from, .. }, Some(former)) => former.agent == *from,
            (UnitEventKind::Agent { .. }, None) => false,
            _ => true,
        };
        if touches {
            found.push(touched);
        }
    }
    Ok(found)
}

/// Enters an application about each certificate that the event touches and that can be helped; gives how many.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    event: &UnitEvent,
    tariff: &Tariff,
    now: Time,
) -> Result<usize, Problem> {
    let unit = tx.unit(&event.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    let mut entered = 0;
    for touched in touched_by(tx, event, now)? {
        let Some(kind) = event.kind.remedy(touched.serial) else { continue };
        match gate::certificate_fits(tx, kind, &unit) {
            Err(problem) if problem.rule.status() < 500 => continue,
            fits => fits?,
        }
        if let Some(id) = tx.successor_of(&touched.serial)? {
            let gone = make_way(tx, &id, now)?;
            // What a person asked for, or somebody pays, goes on; a person sees to the rest.
            if kind.makes_certificate() && !gone {
                continue;
            }
        }
        let former = former(tx, &touched)?;
        let Some(agent) = agent(tx, &unit, former.as_ref())? else { continue };
        let application = application(event, &unit, (kind, agent), former, now)?;
        tx.insert_application(&application)?;
        let quote = bill::quote(tx, tariff, kind, application.years, now)?;
        bill::quoted(tx, &application, &quote, now)?;
        let (actor, action) = (Actor::System(EVENTS), Action::SubmitApplication);
        let entry = AuditEntry::done(now, &actor, action, "application", &application.id);
        let entry = told(entry, &application).with("uscc", application.unit_code);
        tx.append_audit(&entry.with("fee", quote.total.get()).with("event", &event.id))?;
        entered += 1;
    }
    Ok(entered)
}

/// A renewal that nobody asked for and nobody pays is of old data, and ends; it is ordered again by itself.
fn make_way(tx: &mut Tx<'_>, id: &ApplicationId, now: Time) -> Result<bool, Problem> {
    let known = tx.application(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let by_itself = known.entered_before.is_empty() && !matches!(known.entered_by, Author::Staff(_));
    let waits = matches!(known.state, ApplicationState::Submitted | ApplicationState::Approved { .. });
    let order = bill::bill_of(tx, id)?.order;
    let paying = order.received != Fen::ZERO || bill::live_online_payment(tx, &order.id)?.is_some();
    if !by_itself || !waits || paying {
        return Ok(false);
    }
    advance(tx, id, ApplicationCommand::Expire)?;
    bill::cancel(tx, id, now)?;
    let (actor, action) = (Actor::System(EVENTS), Action::ExpireApplication);
    tx.append_audit(&AuditEntry::done(now, &actor, action, "application", id).with("for", "unit-event"))?;
    Ok(true)
}

fn former(reader: &mut Reader<'_>, touched: &Touched) -> Result<Option<Application>, Problem> {
    match &touched.former {
        Some(id) => Ok(reader.application(id)?),
        None => Ok(None),
    }
}

/// Whoever applied last, or else whoever acts for the unit now; nobody but the one who has left, if there is no other.
fn agent(
    reader: &mut Reader<'_>,
    unit: &Unit,
    former: Option<&Application>,
) -> Result<Option<AgentId>, Problem> {
    let former = former.map(|known| known.agent.clone());
    let mut agents = reader.qualified_agents_of(&unit.id)?;
    agents.sort_by_key(|agent| Some(agent) != former.as_ref());
    Ok(agents.into_iter().next().or(former))
}

fn application(
    event: &UnitEvent,
    unit: &Unit,
    (kind, agent): (ApplicationKind, AgentId),
    former: Option<Application>,
    now: Time,
) -> Result<Application, Problem> {
    let recorder = event.recorded_by.strip_prefix("staff:").map(StaffId::parse).transpose()?;
    let recorder = recorder.ok_or_else(|| Failure::inconsistent("an event that no person recorded"))?;
    let (cps, counter) = former.map(|known| (known.cps, known.counter)).unwrap_or_default();
    Ok(Application {
        id: ApplicationId::new(now, wire::random()?),
        kind,
        unit: unit.id.clone(),
        unit_name: unit.name.clone(),
        unit_code: unit.code,
        agent,
        profile: PROFILE.to_owned(),
        years: 0,
        cps,
        counter,
        contact: None,
        documents: vec![Document {
            kind: PAPER.to_owned(),
            form: DocumentForm::Copy,
            sha256: event.sha256,
            seen_by: recorder.clone(),
            seen_at: event.recorded_at,
        }],
        entered_by: Author::Event { event: event.id.clone(), recorded_by: recorder },
        entered_before: Vec::new(),
        entered_at: now,
        state: ApplicationState::Submitted,
    })
}

/// Tells the unit what happened, where that concerns its certificates or who acts for it.
pub(super) fn tell(tx: &mut Tx<'_>, event: &UnitEvent, now: Time) -> Result<(), Problem> {
    let concerns = matches!(event.kind, UnitEventKind::Agent { .. });
    if !concerns && touched_by(tx, event, now)?.is_empty() {
        return Ok(());
    }
    let about = NoticeAbout::UnitEvent(event.id.clone());
    notify(tx, notice_id(now)?, NoticeKind::UnitChanged, about, &event.unit)
}

/// Since when a certificate that ends for an event should have ended: the event's day, if the certificate is older.
pub(super) fn invalid_since(
    reader: &mut Reader<'_>,
    authors: &[Author],
    of: Serial,
) -> Result<Option<Time>, Problem> {
    let Some(event) = authors.iter().find_map(Author::event) else { return Ok(None) };
    let event = reader.unit_event(event)?.ok_or_else(|| Problem::not_found("event"))?;
    let record = reader.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
    Ok(Some(event.effective_at.max(record.not_before)))
}
