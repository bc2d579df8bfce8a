//! Agents, their training, and the units that they may act for (step 1).

use ca_core::{Agent, AgentId, IdCard, Name, UnitId};
use ca_verifier::Time;
use diesel::{dsl::exists, prelude::*, select};

use super::{intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{agent, agent_unit},
    tx::{change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agent, treat_none_as_default_value = false)]
struct Row {
    id: String,
    name: String,
    id_card: String,
    qualified_at: Option<i64>,
}

impl Reader<'_> {
    /// An agent by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent(&mut self, id: &AgentId) -> Result<Option<Agent>, StoreError> {
        let query = agent::table.find(id.as_str());
        let row = one!(self, Row, query)?;
        row.map(Agent::try_from).transpose()
    }

    /// An agent by identity card number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent_by_id_card(&mut self, id_card: &IdCard) -> Result<Option<Agent>, StoreError> {
        let query = agent::table.filter(agent::id_card.eq(id_card.reveal()));
        let row = one!(self, Row, query)?;
        row.map(Agent::try_from).transpose()
    }

    /// Whether the agent may act for the unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pair_confirmed(&mut self, agent: &AgentId, unit: &UnitId) -> Result<bool, StoreError> {
        let pair =
            agent_unit::table.find((agent.as_str(), unit.as_str())).filter(agent_unit::ended_at.is_null());
        run!(self, connection => select(exists(pair)).get_result(connection))
    }
}

impl Tx<'_> {
    /// Registers an agent.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `agent-id-card`.
    pub fn insert_agent(&mut self, new: &Agent) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            name: new.name.as_str().to_owned(),
            id_card: new.id_card.reveal().to_owned(),
            qualified_at: new.qualified_at.map(Time::millis),
        };
        insert!(self, agent::table, &row)
    }

    /// Takes the agent's row, so that what follows from a qualification is decided one after the other.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent` when there is none.
    pub fn lock_agent(&mut self, id: &AgentId) -> Result<(), StoreError> {
        let same = agent::name.eq(agent::name);
        change_one!(self, "agent", diesel::update(agent::table.find(id.as_str())).set(same))
    }

    /// The agent passed the training.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent` when there is none or it is qualified already.
    pub fn qualify_agent(&mut self, id: &AgentId, at: Time) -> Result<(), StoreError> {
        let unqualified = agent::table.find(id.as_str()).filter(agent::qualified_at.is_null());
        change_one!(self, "agent", diesel::update(unqualified).set(agent::qualified_at.eq(at.millis())))
    }

    /// The agent may act for the unit, for the first time or again; `by` as the log writes it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `agent-unit` when it may already; [`StoreError::NotFound`] without agent or unit.
    pub fn confirm_pair(
        &mut self,
        agent: &AgentId,
        unit: &UnitId,
        at: Time,
        by: &str,
    ) -> Result<(), StoreError> {
        let row = (
            agent_unit::agent.eq(agent.as_str()),
            agent_unit::unit.eq(unit.as_str()),
            agent_unit::confirmed_at.eq(at.millis()),
            agent_unit::confirmed_by.eq(by),
        );
        let ended = agent_unit::table
            .find((agent.as_str(), unit.as_str()))
            .filter(agent_unit::ended_at.is_not_null());
        let again = (
            agent_unit::confirmed_at.eq(at.millis()),
            agent_unit::confirmed_by.eq(by),
            agent_unit::ended_at.eq(None::<i64>),
            agent_unit::ended_by.eq(None::<String>),
        );
        match run!(self, connection => diesel::update(ended).set(again).execute(connection))? {
            0 => insert!(self, agent_unit::table, row),
            _ => Ok(()),
        }
    }

    /// The agent no longer acts for the unit.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent-unit` when it does not.
    pub fn end_pair(&mut self, agent: &AgentId, unit: &UnitId, at: Time, by: &str) -> Result<(), StoreError> {
        let live =
            agent_unit::table.find((agent.as_str(), unit.as_str())).filter(agent_unit::ended_at.is_null());
        let end = (agent_unit::ended_at.eq(at.millis()), agent_unit::ended_by.eq(by));
        change_one!(self, "agent-unit", diesel::update(live).set(end))
    }
}

impl TryFrom<Row> for Agent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(AgentId::parse(&row.id), "agent", &row.id)?,
            name: intact(Name::parse(&row.name), "agent", &row.id)?,
            id_card: intact(IdCard::parse(&row.id_card), "agent", &row.id)?,
            qualified_at: times(row.qualified_at),
        })
    }
}
