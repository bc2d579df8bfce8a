//! Training of agents: sessions with seats, and the units' applications (step 1). Columns after `due_estimated` hold
//! what the state knows.

use ca_core::policy::Deadline;
use ca_core::{
    AgentId, Enterer, SessionId, StaffId, Training, TrainingId, TrainingSession, TrainingState, UnitId,
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{training, training_session},
    statement::{Column, Shift, Value},
    tx::{all, change_one, insert, one, run},
};

/// Which applications to list, most urgent first. The default lists nothing: `limit` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainingFilter {
    /// Only in the state of this name.
    pub state: Option<String>,
    /// Only of this unit.
    pub unit: Option<UnitId>,
    /// Only for this agent.
    pub agent: Option<AgentId>,
    /// How many at most.
    pub limit: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = training, treat_none_as_default_value = false)]
struct Row {
    id: String,
    unit: String,
    agent: String,
    entered_by: String,
    entered_at: i64,
    due_at: i64,
    due_estimated: i16,
    #[diesel(embed)]
    state: StateColumns,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = training, treat_none_as_default_value = false)]
struct StateColumns {
    state: String,
    decided_by: Option<String>,
    reasons: Option<String>,
    session: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = training_session)]
struct SessionRow {
    id: String,
    starts_at: i64,
    place: String,
    seats: i32,
    planned_by: String,
    planned_at: i64,
}

impl Reader<'_> {
    /// An application for training by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn training(&mut self, id: &TrainingId) -> Result<Option<Training>, StoreError> {
        let query = training::table.find(id.as_str());
        let row = one!(self, Row, query)?;
        row.map(Training::try_from).transpose()
    }

    /// Applications for training, the one that is due first first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn trainings(&mut self, filter: &TrainingFilter) -> Result<Vec<Training>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = training::table.into_boxed();
            if let Some(state) = &filter.state {
                query = query.filter(training::state.eq(state));
            }
            if let Some(unit) = &filter.unit {
                query = query.filter(training::unit.eq(unit.as_str()));
            }
            if let Some(agent) = &filter.agent {
                query = query.filter(training::agent.eq(agent.as_str()));
            }
            query
                .order((training::due_at, training::id))
                .limit(filter.limit)
                .select(Row::as_select())
                .load(connection)
        })?;
        rows.into_iter().map(Training::try_from).collect()
    }

    /// A session by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn training_session(&mut self, id: &SessionId) -> Result<Option<TrainingSession>, StoreError> {
        let query = training_session::table.find(id.as_str());
        let row = one!(self, SessionRow, query)?;
        row.map(TrainingSession::try_from).transpose()
    }

    /// Sessions that start at `from` or later, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn training_sessions(&mut self, from: Time, limit: i64) -> Result<Vec<TrainingSession>, StoreError> {
        let query = training_session::table
            .filter(training_session::starts_at.ge(from.millis()))
            .order((training_session::starts_at, training_session::id))
            .limit(limit);
        let rows = all!(self, SessionRow, query)?;
        rows.into_iter().map(TrainingSession::try_from).collect()
    }

    /// Agents with a seat in the session: one seat an agent, however many units sent the person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn seats_taken(&mut self, session: &SessionId) -> Result<Vec<AgentId>, StoreError> {
        let query = training::table
            .filter(training::session.eq(session.as_str()))
            .select(training::agent)
            .distinct()
            .order(training::agent);
        let agents: Vec<String> = run!(self, connection => query.load(connection))?;
        agents.into_iter().map(|agent| intact(AgentId::parse(&agent), "training", &agent)).collect()
    }
}

impl Tx<'_> {
    /// Enters an application for training.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `training` when the unit has one for this agent that was not withdrawn.
    pub fn insert_training(&mut self, new: &Training) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            unit: new.unit.to_string(),
            agent: new.agent.to_string(),
            entered_by: new.entered_by.to_string(),
            entered_at: new.entered_at.millis(),
            due_at: new.due.at.millis(),
            due_estimated: i16::from(new.due.estimated),
            state: StateColumns::from(&new.state),
        };
        insert!(self, training::table, &row)
    }

    /// Moves an application for training, if it is still in exactly the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `training`.
    pub fn move_training(
        &mut self,
        id: &TrainingId,
        from: &TrainingState,
        to: &TrainingState,
    ) -> Result<(), StoreError> {
        let key = ("id", Value::Text(Some(id.to_string())));
        let (from, to) = (StateColumns::from(from).into_columns(), StateColumns::from(to).into_columns());
        change_one!(self, "training", Shift::new("training", key, from, to))
    }

    /// A new decision is due: it was submitted again.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `training` when there is none.
    pub fn set_training_due(&mut self, id: &TrainingId, due: Deadline) -> Result<(), StoreError> {
        let change =
            (training::due_at.eq(due.at.millis()), training::due_estimated.eq(i16::from(due.estimated)));
        change_one!(self, "training", diesel::update(training::table.find(id.as_str())).set(change))
    }

    /// Plans a session.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `training-session`.
    pub fn insert_training_session(&mut self, new: &TrainingSession) -> Result<(), StoreError> {
        let row = SessionRow {
            id: new.id.to_string(),
            starts_at: new.starts_at.millis(),
            place: new.place.clone(),
            seats: i32::from(new.seats),
            planned_by: new.planned_by.to_string(),
            planned_at: new.planned_at.millis(),
        };
        insert!(self, training_session::table, &row)
    }

    /// Takes the session's row, so that seats that are given at once are counted one after the other.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `training-session` when there is none.
    pub fn lock_training_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        let session = training_session::table.find(id.as_str());
        let same = training_session::seats.eq(training_session::seats);
        change_one!(self, "training-session", diesel::update(session).set(same))
    }
}

impl TryFrom<Row> for Training {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        Ok(Self {
            unit: intact(UnitId::parse(&row.unit), "training", &id)?,
            agent: intact(AgentId::parse(&row.agent), "training", &id)?,
            entered_by: intact(Enterer::parse(&row.entered_by), "training", &id)?,
            entered_at: Time::from_millis(row.entered_at),
            due: Deadline { at: Time::from_millis(row.due_at), estimated: row.due_estimated == 1 },
            state: row.state.read(&id)?,
            id: intact(TrainingId::parse(&id), "training", &id)?,
        })
    }
}

impl TryFrom<SessionRow> for TrainingSession {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let id = row.id;
        Ok(Self {
            starts_at: Time::from_millis(row.starts_at),
            place: row.place,
            seats: intact(row.seats.try_into(), "training_session", &id)?,
            planned_by: intact(StaffId::parse(&row.planned_by), "training_session", &id)?,
            planned_at: Time::from_millis(row.planned_at),
            id: intact(SessionId::parse(&id), "training_session", &id)?,
        })
    }
}

impl From<&TrainingState> for StateColumns {
    fn from(state: &TrainingState) -> Self {
        use TrainingState as S;
        let by = match state {
            S::Submitted | S::Withdrawn => None,
            S::Accepted { by }
            | S::Rejected { by, .. }
            | S::Invited { by, .. }
            | S::Passed { by, .. }
            | S::Failed { by, .. } => Some(by),
        };
        Self {
            state: state.name().to_owned(),
            decided_by: by.map(StaffId::to_string),
            reasons: state.reasons().map(str::to_owned),
            session: state.session().map(SessionId::to_string),
        }
    }
}

impl StateColumns {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("decided_by", Value::Text(self.decided_by)),
            ("reasons", Value::Text(self.reasons)),
            ("session", Value::Text(self.session)),
        ]
    }

    fn read(self, id: &str) -> Result<TrainingState, StoreError> {
        use TrainingState as S;
        let staff = |text: String| intact(StaffId::parse(&text), "training", id);
        let place = |text: String| intact(SessionId::parse(&text), "training", id);
        Ok(match (self.state.as_str(), self.decided_by, self.reasons, self.session) {
            ("submitted", None, None, None) => S::Submitted,
            ("accepted", Some(by), None, None) => S::Accepted { by: staff(by)? },
            ("rejected", Some(by), Some(reasons), None) => S::Rejected { by: staff(by)?, reasons },
            ("withdrawn", None, None, None) => S::Withdrawn,
            ("invited", Some(by), None, Some(session)) => {
                S::Invited { by: staff(by)?, session: place(session)? }
            }
            ("passed", Some(by), None, session) => {
                S::Passed { by: staff(by)?, session: session.map(place).transpose()? }
            }
            ("failed", Some(by), Some(reasons), Some(session)) => {
                S::Failed { by: staff(by)?, session: place(session)?, reasons }
            }
            _ => return Err(StoreError::Corrupt { table: "training", id: id.to_owned() }),
        })
    }
}
