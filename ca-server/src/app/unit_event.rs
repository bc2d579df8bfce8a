//! Step 1, later: what happens to a unit. Recorded with its paper and its day, applied when the day has come, and told
//! together with the certificates that it touches.

use ca_core::{
    Action, Actor, AuditEntry, CertificateState, Unit, UnitEvent, UnitEventId, UnitEventKind, UnitEventState,
    UnitId,
};
use ca_store::{CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::{Serial, Time, UnitCode, Uscc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    enroll::{registered_unit, suspicion, unit_name},
    free_text, gate, once,
};
use crate::{
    permit::{Permit, RecordUnitEvent},
    problem::Problem,
    rule::Rule,
    wire,
};

const BASIS_MAX: usize = 200;
/// Events that are applied in one turn.
const TURN: i64 = 100;

/// An event, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnitEvent {
    /// `rename`, `new-code`, `merger` or `dissolution`.
    pub(crate) kind: String,
    /// The new legal name, for `rename`.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The new unified social credit code, for `new-code`.
    #[serde(default)]
    pub(crate) uscc: Option<String>,
    /// The code of the unit that it goes into, for `merger`.
    #[serde(default)]
    pub(crate) successor: Option<String>,
    /// The day from which on it holds, YYYY-MM-DD in China.
    pub(crate) effective_on: String,
    /// The paper that says so, such as 准予变更登记通知书 with its number.
    pub(crate) basis: String,
    /// SHA-256 of the paper's scan, hexadecimal.
    pub(crate) sha256: String,
}

/// A certificate that an event touches.
pub(crate) struct Touched {
    pub(crate) serial: Serial,
    pub(crate) state: CertificateState,
    pub(crate) not_after: Time,
}

impl App {
    pub(crate) async fn record_unit_event(
        &self,
        permit: Permit<RecordUnitEvent>,
        code: UnitCode,
        new: NewUnitEvent,
        key: Once,
    ) -> Result<Made<UnitEventId>, Problem> {
        let now = wire::now();
        let effective_at = wire::china_midnight(&new.effective_on)
            .ok_or_else(|| Problem::field("effective_on", "a day YYYY-MM-DD is needed"))?;
        let sha256 = gate::sha256("sha256", &new.sha256)?;
        let basis = free_text("basis", new.basis.clone(), BASIS_MAX)?;
        let id = UnitEventId::new(now, wire::random()?);
        self.store
            .write(WriteSite::UnitEvent, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(UnitEventId::parse(&before)?));
                }
                let unit = registered_unit(tx, &code)?;
                tx.lock_unit(&unit.id)?;
                if let Some(ended) = unit.ended_at {
                    return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
                }
                let event = UnitEvent {
                    id: id.clone(),
                    kind: kind(tx, &unit, &new)?,
                    unit: unit.id,
                    before: None,
                    basis,
                    sha256,
                    effective_at,
                    recorded_by: permit.actor().to_string(),
                    recorded_at: now,
                    state: UnitEventState::Pending,
                };
                tx.insert_unit_event(&event)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RecordUnitEvent, "unit", &event.unit);
                let entry = entry.with("event", &id).with("kind", event.kind.name());
                tx.append_audit(&entry.with("effective", effective_at))?;
                if effective_at <= now {
                    apply(tx, permit.actor(), &event, now)?;
                }
                Ok(Made::Now(id))
            })
            .await
    }

    /// It does not happen after all, and its day has not come.
    pub(crate) async fn cancel_unit_event(
        &self,
        permit: Permit<RecordUnitEvent>,
        code: UnitCode,
        id: UnitEventId,
    ) -> Result<(), Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::UnitEvent, move |tx| {
                let unit = registered_unit(tx, &code)?;
                let event = tx.unit_event(&id)?.filter(|event| event.unit == unit.id);
                let event = event.ok_or_else(|| Problem::not_found("event"))?;
                tx.move_unit_event(&id, event.state, event.state.cancel()?, None)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RecordUnitEvent, "unit", &unit.id);
                tx.append_audit(&entry.with("event", &id).with("step", "cancel"))?;
                Ok(())
            })
            .await
    }

    /// Applies the events whose day has come; gives how many. One that cannot be applied does not hold up the others.
    pub(crate) async fn apply_unit_events(&self, now: Time) -> Result<usize, Problem> {
        let due = self.store.read(|reader| reader.due_unit_events(now, TURN))?;
        let mut applied = 0;
        for event in due {
            let id = event.id.clone();
            let work = self.store.write(WriteSite::UnitEvent, move |tx| {
                tx.lock_unit(&event.unit)?;
                apply(tx, &Actor::System("unit-events"), &event, now)
            });
            match work.await {
                Ok(()) => applied += 1,
                Err(problem) => tracing::error!(event = %id, "unit event: {}", problem.rule.name()),
            }
        }
        Ok(applied)
    }
}

fn kind(reader: &mut Reader<'_>, unit: &Unit, new: &NewUnitEvent) -> Result<UnitEventKind, Problem> {
    match (new.kind.as_str(), &new.name, &new.uscc, &new.successor) {
        ("rename", Some(name), None, None) => Ok(UnitEventKind::Rename { name: unit_name(name)? }),
        ("new-code", None, Some(uscc), None) => {
            let code = Uscc::parse(uscc)?;
            // The organisation code stays within the unified one (GB 32100-2015 §4.5).
            if let UnitCode::Org(own) = unit.code
                && UnitCode::Uscc(code).org_code() != Some(own)
            {
                return Err(Problem::field("uscc", format!("characters 9 to 17 must be {own}")));
            }
            match reader.unit_by_code(&code.into())? {
                Some(_) => Err(Problem::new(Rule::Duplicate).with("object", "unit-code")),
                None => Ok(UnitEventKind::NewCode { code }),
            }
        }
        ("merger", None, None, Some(successor)) => {
            let successor = registered_unit(reader, &UnitCode::parse(successor)?)?;
            if successor.id == unit.id || successor.ended_at.is_some() {
                return Err(Problem::field("successor", "another unit that has not ended is needed"));
            }
            Ok(UnitEventKind::Merger { successor: successor.id })
        }
        ("dissolution", None, None, None) => Ok(UnitEventKind::Dissolution),
        _ => Err(Problem::field(
            "kind",
            "rename with name, new-code with uscc, merger with successor, or dissolution alone is needed",
        )),
    }
}

fn apply(tx: &mut Tx<'_>, actor: &Actor, event: &UnitEvent, now: Time) -> Result<(), Problem> {
    let unit = tx.unit(&event.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    let before: Option<String> = match &event.kind {
        UnitEventKind::Rename { name } => {
            tx.rename_unit(&unit.id, name, suspicion(name).as_deref())?;
            Some(unit.name.as_str().to_owned())
        }
        UnitEventKind::NewCode { code } => {
            tx.recode_unit(&unit.id, (*code).into())?;
            Some(unit.code.to_string())
        }
        UnitEventKind::Merger { .. } | UnitEventKind::Dissolution => {
            tx.end_unit(&unit.id, event.effective_at)?;
            if let Some(account) = tx.account_of_unit(&unit.id)? {
                tx.end_sessions(&account.id)?;
            }
            None
        }
    };
    tx.move_unit_event(&event.id, event.state, event.state.apply()?, before.as_deref())?;
    let touched = touched(tx, &unit.id, now)?.len();
    let entry = AuditEntry::done(now, actor, Action::ApplyUnitEvent, "unit", &unit.id);
    let entry = entry.with("event", &event.id).with("kind", event.kind.name()).with("certificates", touched);
    tx.append_audit(&match before {
        Some(before) => entry.with("before", before),
        None => entry,
    })?;
    Ok(())
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
            found.push(Touched { serial: record.serial, state, not_after: record.not_after });
        }
    }
    Ok(found)
}
