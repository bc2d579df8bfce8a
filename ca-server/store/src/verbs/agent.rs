//! Agents, their training, and the units that they may act for (step 1).

use ca_core::{Agent, AgentId, BlindIndex, Identity, Sealed, UnitId};
use ca_verifier::Time;
use diesel::{dsl::exists, prelude::*, select};

use super::{intact, person::sealed, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{agent, agent_card, agent_unit},
    tx::{all, change_one, insert, one, run},
};

/// An agent's pair with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRecord {
    /// Which unit.
    pub unit: UnitId,
    /// Since when the agent may act for it.
    pub confirmed_at: Time,
    /// Since when no longer.
    pub ended_at: Option<Time>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agent, treat_none_as_default_value = false)]
struct Row {
    id: String,
    qualified_at: Option<i64>,
    name_sealed: Option<Vec<u8>>,
    name_index: Option<Vec<u8>>,
    id_card_sealed: Option<Vec<u8>>,
    id_card_index: Option<Vec<u8>>,
    erased_at: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = agent_unit)]
struct PairRow {
    unit: String,
    confirmed_at: i64,
    ended_at: Option<i64>,
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
    pub fn agent_by_id_card(&mut self, number: &BlindIndex) -> Result<Option<Agent>, StoreError> {
        let query = agent::table.filter(agent::id_card_index.eq(number.as_bytes().as_slice()));
        let row = one!(self, Row, query)?;
        row.map(Agent::try_from).transpose()
    }

    /// An agent by the number of the social security card that is theirs now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent_by_card(&mut self, number: &BlindIndex) -> Result<Option<Agent>, StoreError> {
        let holder = agent_card::table
            .filter(agent_card::number_index.eq(number.as_bytes().as_slice()))
            .filter(agent_card::ended_at.is_null())
            .select(agent_card::agent);
        let query = agent::table.filter(agent::id.eq_any(holder));
        let row = one!(self, Row, query)?;
        row.map(Agent::try_from).transpose()
    }

    /// Agents of a name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agents_by_name(&mut self, name: &BlindIndex, limit: i64) -> Result<Vec<Agent>, StoreError> {
        let query = agent::table
            .filter(agent::name_index.eq(name.as_bytes().as_slice()))
            .order(agent::id)
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(Agent::try_from).collect()
    }

    /// Agents in the order of their registration, only after the one given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agents(&mut self, after: Option<&AgentId>, limit: i64) -> Result<Vec<Agent>, StoreError> {
        let query = agent::table
            .filter(agent::id.gt(after.map_or("", AgentId::as_str)))
            .order(agent::id)
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(Agent::try_from).collect()
    }

    /// The units that the agent acts or acted for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent_pairs(&mut self, id: &AgentId) -> Result<Vec<PairRecord>, StoreError> {
        let query = agent_unit::table.filter(agent_unit::agent.eq(id.as_str())).order(agent_unit::unit);
        let rows = all!(self, PairRow, query)?;
        let record = |row: PairRow| {
            Ok(PairRecord {
                unit: intact(UnitId::parse(&row.unit), "agent_unit", id)?,
                confirmed_at: Time::from_millis(row.confirmed_at),
                ended_at: times(row.ended_at),
            })
        };
        rows.into_iter().map(record).collect()
    }

    /// The agents who may act for a unit now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agents_of_unit(&mut self, unit: &UnitId) -> Result<Vec<Agent>, StoreError> {
        let confirmed = agent_unit::table
            .filter(agent_unit::unit.eq(unit.as_str()))
            .filter(agent_unit::ended_at.is_null())
            .select(agent_unit::agent);
        let query = agent::table.filter(agent::id.eq_any(confirmed)).order(agent::id);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(Agent::try_from).collect()
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
        let (name, id_card, erased_at) = match &new.identity {
            Identity::Known { name, id_card } => (Some(name), id_card.as_ref(), None),
            Identity::Erased { at } => (None, None, Some(at.millis())),
        };
        let cipher = |sealed: &Sealed| sealed.cipher.as_bytes().to_vec();
        let index = |sealed: &Sealed| sealed.index.as_bytes().to_vec();
        let row = Row {
            id: new.id.to_string(),
            qualified_at: new.qualified_at.map(Time::millis),
            name_sealed: name.map(cipher),
            name_index: name.map(index),
            id_card_sealed: id_card.map(cipher),
            id_card_index: id_card.map(index),
            erased_at,
        };
        insert!(self, agent::table, &row)
    }

    /// Gives an agent who was registered without one an identity card number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `agent-id-card`; [`StoreError::Stale`] `agent` when it has one, or was erased.
    pub fn set_id_card(&mut self, id: &AgentId, number: &Sealed) -> Result<(), StoreError> {
        let without = agent::table
            .find(id.as_str())
            .filter(agent::id_card_index.is_null())
            .filter(agent::erased_at.is_null());
        let change = (
            agent::id_card_sealed.eq(number.cipher.as_bytes()),
            agent::id_card_index.eq(number.index.as_bytes().as_slice()),
        );
        change_one!(self, "agent", diesel::update(without).set(change))
    }

    /// Takes the agent's row, so that what follows from a qualification is decided one after the other.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent` when there is none.
    pub fn lock_agent(&mut self, id: &AgentId) -> Result<(), StoreError> {
        let same = agent::qualified_at.eq(agent::qualified_at);
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
        let corrupt = || StoreError::Corrupt { table: "agent", id: row.id.clone() };
        let name = sealed(row.name_sealed, row.name_index, "agent", &row.id)?;
        let id_card = sealed(row.id_card_sealed, row.id_card_index, "agent", &row.id)?;
        let identity = match (name, id_card, row.erased_at) {
            (Some(name), id_card, None) => Identity::Known { name, id_card },
            (None, None, Some(at)) => Identity::Erased { at: Time::from_millis(at) },
            _ => return Err(corrupt()),
        };
        Ok(Self {
            id: intact(AgentId::parse(&row.id), "agent", &row.id)?,
            identity,
            qualified_at: times(row.qualified_at),
        })
    }
}
