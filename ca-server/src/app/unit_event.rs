//! Step 1, later: what happens to a unit. Recorded with its paper and its day, applied when the day has come. What that
//! enters about the certificates that it touches is in `unit_change`.

use ca_core::{
    Action, Actor, AgentId, AuditEntry, Unit, UnitEvent, UnitEventId, UnitEventKind, UnitEventState,
    billing::Tariff,
};
use ca_store::{Reader, Tx, WriteSite};
use ca_verifier::{Time, UnitCode, Uscc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    enroll::{living_agent, locked_agent, registered_unit, suspicion, unit_name},
    free_text, gate, once,
    unit_change::tell,
    unit_fate::{find, go_through, signature_under_way},
};
use crate::{
    permit::{Permit, RecordUnitEvent},
    problem::Problem,
    rule::Rule,
    wire,
};

/// The program in the log, where it acts by an event.
pub(super) const EVENTS: &str = "unit-events";
const BASIS_MAX: usize = 200;
/// Events that are applied in one turn.
const TURN: i64 = 100;

/// An event, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnitEvent {
    /// `rename`, `new-code`, `agent`, `merger` or `dissolution`.
    pub(crate) kind: String,
    /// The new legal name, for `rename`.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The new unified social credit code, for `new-code`.
    #[serde(default)]
    pub(crate) uscc: Option<String>,
    /// The agent who acted for the unit, by our identifier, for `agent`.
    #[serde(default)]
    pub(crate) from_agent: Option<String>,
    /// The one who does from then on, for `agent`: qualified, and confirmed for the unit.
    #[serde(default)]
    pub(crate) to_agent: Option<String>,
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
        let tariff = self.tariff(now)?;
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
                // Whether there will be a certificate is known in a moment: the day's worker applies it then.
                if effective_at <= now && !signature_under_way(tx, &event.unit)? {
                    apply(tx, permit.actor(), &event, &tariff, now)?;
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
            let (id, tariff) = (event.id.clone(), self.tariff(now)?);
            let work = self.store.write(WriteSite::UnitEvent, move |tx| {
                tx.lock_unit(&event.unit)?;
                if signature_under_way(tx, &event.unit)? {
                    return Ok(false);
                }
                apply(tx, &Actor::System(EVENTS), &event, &tariff, now).map(|()| true)
            });
            match work.await {
                Ok(done) => applied += usize::from(done),
                Err(problem) => tracing::error!(event = %id, "unit event: {}", problem.rule.name()),
            }
        }
        Ok(applied)
    }
}

fn kind(reader: &mut Reader<'_>, unit: &Unit, new: &NewUnitEvent) -> Result<UnitEventKind, Problem> {
    let agents = (&new.from_agent, &new.to_agent);
    match (new.kind.as_str(), &new.name, &new.uscc, &new.successor, agents) {
        ("rename", Some(name), None, None, (None, None)) => {
            let name = unit_name(name)?;
            if name == unit.name {
                return Err(Problem::new(Rule::Duplicate).with("object", "unit-name"));
            }
            Ok(UnitEventKind::Rename { name })
        }
        ("agent", None, None, None, (Some(from), Some(to))) => {
            let (from, to) = (AgentId::parse(from)?, AgentId::parse(to)?);
            if from == to || !reader.pair_confirmed(&from, &unit.id)? {
                return Err(Problem::field("from_agent", "another agent, who acts for the unit, is needed"));
            }
            can_act(reader, unit, &to)?;
            Ok(UnitEventKind::Agent { from, to })
        }
        ("new-code", None, Some(uscc), None, (None, None)) => {
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
        ("merger", None, None, Some(successor), (None, None)) => {
            let successor = registered_unit(reader, &UnitCode::parse(successor)?)?;
            if successor.id == unit.id || successor.ended_at.is_some() {
                return Err(Problem::field("successor", "another unit that has not ended is needed"));
            }
            Ok(UnitEventKind::Merger { successor: successor.id })
        }
        ("dissolution", None, None, None, (None, None)) => Ok(UnitEventKind::Dissolution),
        _ => Err(Problem::field(
            "kind",
            "rename with name, new-code with uscc, agent with from_agent and to_agent, merger with successor, or \
             dissolution alone is needed",
        )),
    }
}

/// Nobody takes over who could not apply.
fn can_act(reader: &mut Reader<'_>, unit: &Unit, agent: &AgentId) -> Result<(), Problem> {
    if living_agent(reader, agent)?.qualified_at.is_none() {
        return Err(Problem::new(Rule::AgentNotQualified));
    }
    match reader.pair_confirmed(agent, &unit.id)? {
        true => Ok(()),
        false => Err(Problem::new(Rule::AgentNotConfirmed)),
    }
}

/// The pair with the one ends; what waits for the one waits for the other.
fn replace_agent(
    tx: &mut Tx<'_>,
    actor: &Actor,
    unit: &Unit,
    (from, to): (&AgentId, &AgentId),
    now: Time,
) -> Result<(), Problem> {
    locked_agent(tx, to)?;
    can_act(tx, unit, to)?;
    if tx.pair_confirmed(from, &unit.id)? {
        tx.end_pair(from, &unit.id, now, &actor.to_string())?;
        let entry = AuditEntry::done(now, actor, Action::ReleaseAgent, "agent", from);
        tx.append_audit(&entry.with("unit", &unit.id).with("successor", to))?;
    }
    tx.pass_applications(&unit.id, from, to)?;
    Ok(())
}

fn apply(
    tx: &mut Tx<'_>,
    actor: &Actor,
    event: &UnitEvent,
    tariff: &Tariff,
    now: Time,
) -> Result<(), Problem> {
    let unit = tx.unit(&event.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    let findings = find(tx, event, now)?;
    let before: Option<String> = match &event.kind {
        UnitEventKind::Rename { name } => {
            tx.rename_unit(&unit.id, name, suspicion(name).as_deref())?;
            Some(unit.name.as_str().to_owned())
        }
        UnitEventKind::NewCode { code } => {
            tx.recode_unit(&unit.id, (*code).into())?;
            Some(unit.code.to_string())
        }
        UnitEventKind::Agent { from, to } => {
            replace_agent(tx, actor, &unit, (from, to), now)?;
            Some(from.to_string())
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
    let tally = go_through(tx, event, findings, tariff, now)?;
    let entry = AuditEntry::done(now, actor, Action::ApplyUnitEvent, "unit", &unit.id);
    let entry = entry.with("event", &event.id).with("kind", event.kind.name());
    let entry = entry.with("applications", tally.entered).with("changed", tally.changed);
    tx.append_audit(&match before {
        Some(before) => entry.with("before", before),
        None => entry,
    })?;
    tell(tx, event, tally.changed, now)
}
