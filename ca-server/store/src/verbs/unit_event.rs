//! What happens to units (step 1): recorded ahead or afterwards, applied when its day has come.

use ca_core::{AgentId, Name, UnitEvent, UnitEventId, UnitEventKind, UnitEventState, UnitId};
use ca_verifier::{Time, Uscc};
use diesel::prelude::*;

use super::{digest, intact};
use crate::{
    Reader, StoreError, Tx,
    schema::unit_event,
    tx::{all, change_one, insert, one},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = unit_event, treat_none_as_default_value = false)]
struct Row {
    id: String,
    unit: String,
    kind: String,
    name: Option<String>,
    code: Option<String>,
    successor: Option<String>,
    agent_from: Option<String>,
    agent_to: Option<String>,
    before: Option<String>,
    basis: String,
    sha256: Vec<u8>,
    effective_at: i64,
    recorded_by: String,
    recorded_at: i64,
    state: String,
}

impl Reader<'_> {
    /// An event by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_event(&mut self, id: &UnitEventId) -> Result<Option<UnitEvent>, StoreError> {
        let row = one!(self, Row, unit_event::table.find(id.as_str()))?;
        row.map(UnitEvent::try_from).transpose()
    }

    /// Every event of a unit, by its day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_events(&mut self, unit: &UnitId) -> Result<Vec<UnitEvent>, StoreError> {
        let query = unit_event::table
            .filter(unit_event::unit.eq(unit.as_str()))
            .order((unit_event::effective_at, unit_event::id));
        all!(self, Row, query)?.into_iter().map(UnitEvent::try_from).collect()
    }

    /// Pending events whose day has come, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn due_unit_events(&mut self, now: Time, limit: i64) -> Result<Vec<UnitEvent>, StoreError> {
        let query = unit_event::table
            .filter(unit_event::state.eq("pending"))
            .filter(unit_event::effective_at.le(now.millis()))
            .order((unit_event::effective_at, unit_event::id))
            .limit(limit);
        all!(self, Row, query)?.into_iter().map(UnitEvent::try_from).collect()
    }
}

impl Tx<'_> {
    /// Records an event.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `unit-event`; [`StoreError::NotFound`] without unit or successor.
    pub fn insert_unit_event(&mut self, new: &UnitEvent) -> Result<(), StoreError> {
        let (mut name, mut code, mut successor, mut agents) = (None, None, None, None);
        match &new.kind {
            UnitEventKind::Rename { name: new } => name = Some(new.as_str().to_owned()),
            UnitEventKind::NewCode { code: new } => code = Some(new.to_string()),
            UnitEventKind::Agent { from, to } => agents = Some((from.to_string(), to.to_string())),
            UnitEventKind::Merger { successor: other } => successor = Some(other.to_string()),
            UnitEventKind::Dissolution => {}
        }
        let (agent_from, agent_to) = agents.unzip();
        let row = Row {
            id: new.id.to_string(),
            unit: new.unit.to_string(),
            kind: new.kind.name().to_owned(),
            name,
            code,
            successor,
            agent_from,
            agent_to,
            before: new.before.clone(),
            basis: new.basis.clone(),
            sha256: new.sha256.to_vec(),
            effective_at: new.effective_at.millis(),
            recorded_by: new.recorded_by.clone(),
            recorded_at: new.recorded_at.millis(),
            state: new.state.name().to_owned(),
        };
        insert!(self, unit_event::table, &row)
    }

    /// Moves an event, if it is still in the state that was read; `before` is what the unit had until now.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `unit-event`.
    pub fn move_unit_event(
        &mut self,
        id: &UnitEventId,
        from: UnitEventState,
        to: UnitEventState,
        before: Option<&str>,
    ) -> Result<(), StoreError> {
        let row = unit_event::table.find(id.as_str()).filter(unit_event::state.eq(from.name()));
        let change = (unit_event::state.eq(to.name()), unit_event::before.eq(before));
        change_one!(self, "unit-event", diesel::update(row).set(change))
    }
}

impl TryFrom<Row> for UnitEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = &row.id;
        let agents = row.agent_from.zip(row.agent_to);
        let kind = match (row.kind.as_str(), row.name, row.code, row.successor, agents) {
            ("rename", Some(name), None, None, None) => {
                UnitEventKind::Rename { name: intact(Name::parse(&name), "unit_event", id)? }
            }
            ("new-code", None, Some(code), None, None) => {
                UnitEventKind::NewCode { code: intact(Uscc::parse(&code), "unit_event", id)? }
            }
            ("agent", None, None, None, Some((from, to))) => UnitEventKind::Agent {
                from: intact(AgentId::parse(&from), "unit_event", id)?,
                to: intact(AgentId::parse(&to), "unit_event", id)?,
            },
            ("merger", None, None, Some(other), None) => {
                UnitEventKind::Merger { successor: intact(UnitId::parse(&other), "unit_event", id)? }
            }
            ("dissolution", None, None, None, None) => UnitEventKind::Dissolution,
            _ => return Err(StoreError::Corrupt { table: "unit_event", id: id.clone() }),
        };
        Ok(Self {
            kind,
            unit: intact(UnitId::parse(&row.unit), "unit_event", id)?,
            before: row.before,
            basis: row.basis,
            sha256: digest(row.sha256, "unit_event", id)?,
            effective_at: Time::from_millis(row.effective_at),
            recorded_by: row.recorded_by,
            recorded_at: Time::from_millis(row.recorded_at),
            state: intact(UnitEventState::from_name(&row.state), "unit_event", id)?,
            id: intact(UnitEventId::parse(id), "unit_event", id)?,
        })
    }
}
