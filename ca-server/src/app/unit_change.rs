//! Step 11, before it: what an event of a unit enters by itself about the certificates that it touches, in the transaction
//! that applies it: once, therefore (`unit_fate` goes through them). A person who did not record the event decides each application, as if another had
//! entered it. Why no certificate is revoked without that: a slip in a form must not put a unit out of work for ever.

use ca_core::{
    Action, Actor, AgentId, Application, ApplicationCommand, ApplicationId, ApplicationKind,
    ApplicationState, AuditEntry, Author, CertificateState, Document, DocumentForm, Fen, NoticeAbout,
    NoticeKind, Unit, UnitEvent, UnitEventKind, UnitId, billing::Tariff,
};
use ca_store::{CertificateStatus, Reader, Tx};
use ca_verifier::{Serial, Time};

use super::{
    apply::{PROFILE, advance, told},
    bill,
    notice::{notice_id, notify},
    unit_event::EVENTS,
    unit_fate::recorder,
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
    pub(super) made_for: Option<ApplicationId>,
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
            let (serial, not_after, made_for) = (record.serial, record.not_after, record.application);
            found.push(Touched { serial, state, not_after, made_for });
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
        if touches(event, former.as_ref()) {
            found.push(touched);
        }
    }
    Ok(found)
}

/// Whether the event is about a certificate that was made for `former`.
pub(super) fn touches(event: &UnitEvent, former: Option<&Application>) -> bool {
    match (&event.kind, former) {
        (UnitEventKind::Rename { name }, Some(former)) => former.unit_name != *name,
        (UnitEventKind::NewCode { code }, Some(former)) => former.unit_code != (*code).into(),
        (UnitEventKind::Agent { from, .. }, Some(former)) => former.agent == *from,
        (UnitEventKind::Agent { .. }, None) => false,
        _ => true,
    }
}

/// Enters what the event asks for about a certificate.
pub(super) fn enter(
    tx: &mut Tx<'_>,
    event: &UnitEvent,
    unit: &Unit,
    (serial, agent, former): (Serial, AgentId, Option<Application>),
    tariff: &Tariff,
    now: Time,
) -> Result<ApplicationId, Problem> {
    let kind = event.kind.remedy(serial);
    let kind = kind.ok_or_else(|| Failure::inconsistent("an event that asks for nothing"))?;
    let application = application(event, unit, (kind, agent), former, now)?;
    tx.insert_application(&application)?;
    let quote = bill::quote(tx, tariff, kind, application.years, now)?;
    bill::quoted(tx, &application, &quote, now)?;
    let (actor, action) = (Actor::System(EVENTS), Action::SubmitApplication);
    let entry = AuditEntry::done(now, &actor, action, "application", &application.id);
    let entry = told(entry, &application).with("uscc", application.unit_code);
    tx.append_audit(&entry.with("fee", quote.total.get()).with("event", &event.id))?;
    Ok(application.id)
}

/// A renewal that nobody asked for and nobody pays is of old data, and ends; it is ordered again by itself.
pub(super) fn waits_by_itself(reader: &mut Reader<'_>, known: &Application) -> Result<bool, Problem> {
    let by_itself = known.entered_before.is_empty() && known.entered_by == Author::Policy;
    Ok(by_itself && unpaid(reader, known)?)
}

/// Neither decided and settled, nor about to be paid.
fn unpaid(reader: &mut Reader<'_>, known: &Application) -> Result<bool, Problem> {
    if !matches!(known.state, ApplicationState::Submitted | ApplicationState::Approved { .. }) {
        return Ok(false);
    }
    let order = bill::bill_of(reader, &known.id)?.order;
    Ok(order.received == Fen::ZERO && bill::live_online_payment(reader, &order.id)?.is_none())
}

/// A change that an event entered is no use any more where the token is gone or broken: its replacement says the new data.
pub(super) fn make_way(tx: &mut Tx<'_>, kind: ApplicationKind, now: Time) -> Result<(), Problem> {
    let ApplicationKind::Replace { of, .. } = kind else { return Ok(()) };
    let Some(id) = tx.successor_of(&of)?.filter(|_| !kind.is_temporary()) else { return Ok(()) };
    let known = tx.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
    let by_event = known.entered_before.first().unwrap_or(&known.entered_by).event().is_some();
    match by_event && unpaid(tx, &known)? {
        true => expire(tx, &id, now),
        false => Ok(()),
    }
}

/// An application ends, and so does what is due for it.
pub(super) fn expire(tx: &mut Tx<'_>, id: &ApplicationId, now: Time) -> Result<(), Problem> {
    advance(tx, id, ApplicationCommand::Expire)?;
    bill::cancel(tx, id, now)?;
    let (actor, action) = (Actor::System(EVENTS), Action::ExpireApplication);
    Ok(tx.append_audit(&AuditEntry::done(now, &actor, action, "application", id).with("for", "unit-event"))?)
}

/// What a certificate was made for.
pub(super) fn former(reader: &mut Reader<'_>, touched: &Touched) -> Result<Option<Application>, Problem> {
    match &touched.made_for {
        Some(id) => Ok(reader.application(id)?),
        None => Ok(None),
    }
}

/// Whoever applied last, or else whoever acts for the unit now; nobody but the one who has left, if there is no other.
pub(super) fn agent(
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
    let recorder = recorder(event)?;
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
pub(super) fn tell(tx: &mut Tx<'_>, event: &UnitEvent, changed: usize, now: Time) -> Result<(), Problem> {
    let concerns = matches!(event.kind, UnitEventKind::Agent { .. });
    if !concerns && changed == 0 {
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
