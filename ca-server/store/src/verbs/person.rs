//! What belongs to a person beside the agent's row: cards with their history, openings of the log's commitments, and rows of
//! older programs that are still to be sealed.

use ca_core::{
    AgentCard, AgentId, BlindIndex, CardId, CardReason, Ciphertext, IdCard, Name, OpeningId, Sealed,
    personal::Field,
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::{digest, intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{agent, agent_card, agent_clear, personal_opening},
    tx::{all, change_one, insert, run},
};

/// What opens one commitment of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningRecord {
    /// Our identifier.
    pub id: OpeningId,
    /// Whose.
    pub agent: AgentId,
    /// What was committed to.
    pub field: Field,
    /// The commitment, as the log has it.
    pub commitment: [u8; 32],
    /// Salt and value.
    pub sealed: Ciphertext,
    /// When.
    pub at: Time,
}

/// An agent that an older program wrote in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearAgent {
    /// Our identifier.
    pub id: AgentId,
    /// The name.
    pub name: Name,
    /// The identity card number.
    pub id_card: IdCard,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agent_card, treat_none_as_default_value = false)]
struct CardRow {
    id: String,
    agent: String,
    number_sealed: Option<Vec<u8>>,
    number_index: Option<Vec<u8>>,
    valid_from: i64,
    registered_by: String,
    reason: String,
    ended_at: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = personal_opening)]
struct OpeningRow {
    id: String,
    agent: String,
    field: String,
    commitment: Vec<u8>,
    opening_sealed: Vec<u8>,
    at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = agent_clear)]
struct ClearRow {
    agent: String,
    name: String,
    id_card: String,
}

/// Two columns as one value, or nothing.
pub(super) fn sealed(
    cipher: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    table: &'static str,
    id: &str,
) -> Result<Option<Sealed>, StoreError> {
    match (cipher, index) {
        (None, None) => Ok(None),
        (Some(cipher), Some(index)) => Ok(Some(Sealed {
            index: BlindIndex::from_stored(digest(index, table, id)?),
            cipher: intact(Ciphertext::from_stored(cipher), table, id)?,
        })),
        _ => Err(StoreError::Corrupt { table, id: id.to_owned() }),
    }
}

impl Reader<'_> {
    /// The cards that the agent has and had, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent_cards(&mut self, id: &AgentId) -> Result<Vec<AgentCard>, StoreError> {
        let query = agent_card::table
            .filter(agent_card::agent.eq(id.as_str()))
            .order((agent_card::valid_from, agent_card::id));
        let rows = all!(self, CardRow, query)?;
        rows.into_iter().map(AgentCard::try_from).collect()
    }

    /// What opens the log's commitments to the agent's data; nothing when it was erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn openings(&mut self, id: &AgentId) -> Result<Vec<OpeningRecord>, StoreError> {
        let query = personal_opening::table
            .filter(personal_opening::agent.eq(id.as_str()))
            .order((personal_opening::at, personal_opening::id));
        let rows = all!(self, OpeningRow, query)?;
        rows.into_iter().map(OpeningRecord::try_from).collect()
    }

    /// Agents that are still to be sealed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_agents(&mut self) -> Result<Vec<ClearAgent>, StoreError> {
        let query = agent_clear::table.order(agent_clear::agent);
        let rows = all!(self, ClearRow, query)?;
        rows.into_iter().map(ClearAgent::try_from).collect()
    }
}

impl Tx<'_> {
    /// Enters a card.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `agent-card-number` when it is somebody's, `agent-card-live` when the agent has another.
    pub fn insert_card(&mut self, new: &AgentCard) -> Result<(), StoreError> {
        let row = CardRow {
            id: new.id.to_string(),
            agent: new.agent.to_string(),
            number_sealed: new.number.as_ref().map(|number| number.cipher.as_bytes().to_vec()),
            number_index: new.number.as_ref().map(|number| number.index.as_bytes().to_vec()),
            valid_from: new.valid_from.millis(),
            registered_by: new.registered_by.clone(),
            reason: new.reason.name().to_owned(),
            ended_at: new.ended_at.map(Time::millis),
        };
        insert!(self, agent_card::table, &row)
    }

    /// The agent's card is no longer theirs; gives whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_card(&mut self, agent: &AgentId, at: Time) -> Result<bool, StoreError> {
        let live = agent_card::table
            .filter(agent_card::agent.eq(agent.as_str()))
            .filter(agent_card::ended_at.is_null());
        let end = diesel::update(live).set(agent_card::ended_at.eq(at.millis()));
        Ok(run!(self, connection => end.execute(connection))? == 1)
    }

    /// Keeps what opens a commitment.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `commitment`.
    pub fn insert_opening(&mut self, new: &OpeningRecord) -> Result<(), StoreError> {
        let row = OpeningRow {
            id: new.id.to_string(),
            agent: new.agent.to_string(),
            field: new.field.name().to_owned(),
            commitment: new.commitment.to_vec(),
            opening_sealed: new.sealed.as_bytes().to_vec(),
            at: new.at.millis(),
        };
        insert!(self, personal_opening::table, &row)
    }

    /// Puts sealed values in the place of clear ones.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent-clear` when it was done before.
    pub fn seal_agent(&mut self, id: &AgentId, name: &Sealed, id_card: &Sealed) -> Result<(), StoreError> {
        change_one!(self, "agent-clear", diesel::delete(agent_clear::table.find(id.as_str())))?;
        let unsealed = agent::table.find(id.as_str()).filter(agent::name_sealed.is_null());
        let change = (
            agent::name_sealed.eq(name.cipher.as_bytes()),
            agent::name_index.eq(name.index.as_bytes().as_slice()),
            agent::id_card_sealed.eq(id_card.cipher.as_bytes()),
            agent::id_card_index.eq(id_card.index.as_bytes().as_slice()),
        );
        change_one!(self, "agent-clear", diesel::update(unsealed).set(change))
    }
}

impl TryFrom<CardRow> for AgentCard {
    type Error = StoreError;

    fn try_from(row: CardRow) -> Result<Self, StoreError> {
        let id = row.id;
        Ok(Self {
            agent: intact(AgentId::parse(&row.agent), "agent_card", &id)?,
            number: sealed(row.number_sealed, row.number_index, "agent_card", &id)?,
            valid_from: Time::from_millis(row.valid_from),
            registered_by: row.registered_by,
            reason: intact(CardReason::from_name(&row.reason), "agent_card", &id)?,
            ended_at: times(row.ended_at),
            id: intact(CardId::parse(&id), "agent_card", &id)?,
        })
    }
}

impl TryFrom<OpeningRow> for OpeningRecord {
    type Error = StoreError;

    fn try_from(row: OpeningRow) -> Result<Self, StoreError> {
        let id = row.id;
        Ok(Self {
            agent: intact(AgentId::parse(&row.agent), "personal_opening", &id)?,
            field: intact(Field::from_name(&row.field), "personal_opening", &id)?,
            commitment: digest(row.commitment, "personal_opening", &id)?,
            sealed: intact(Ciphertext::from_stored(row.opening_sealed), "personal_opening", &id)?,
            at: Time::from_millis(row.at),
            id: intact(OpeningId::parse(&id), "personal_opening", &id)?,
        })
    }
}

impl TryFrom<ClearRow> for ClearAgent {
    type Error = StoreError;

    fn try_from(row: ClearRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: intact(Name::parse(&row.name), "agent_clear", &row.agent)?,
            id_card: intact(IdCard::parse(&row.id_card), "agent_clear", &row.agent)?,
            id: intact(AgentId::parse(&row.agent), "agent_clear", &row.agent)?,
        })
    }
}
