//! Attempts at personalising a token (steps 5 to 8). Columns after `state` hold what the state knows.

use ca_core::{ApplicationId, AttemptId, AttemptState, Author, policy::InitialPin};
use ca_verifier::Time;
use diesel::{dsl::exists, prelude::*, select};

use super::{intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::attempt,
    statement::{Column, Shift, Value},
    tx::{change_one, insert, one, run},
};

/// An attempt with what the counter needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Our identifier.
    pub id: AttemptId,
    /// For which application.
    pub application: ApplicationId,
    /// Name of the workstation that holds it.
    pub workstation: String,
    /// Who claimed it; of a renewal by the holder, who entered it.
    pub clerk: Author,
    /// The token that the clerk asked for, by its serial number.
    pub wanted_token: Option<String>,
    /// Where the token's first PIN comes from, as the policy had it when the attempt began; `None` where none is set.
    pub first_pin: Option<InitialPin>,
    /// How far it has come.
    pub state: AttemptState,
    /// When it was claimed.
    pub created_at: Time,
    /// Until when the workstation holds it.
    pub lease_until: Time,
    /// What the counter is to see; empty when there is nothing to say.
    pub note: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = attempt, treat_none_as_default_value = false)]
struct Row {
    id: String,
    application: String,
    workstation: String,
    clerk: String,
    wanted_token: Option<String>,
    first_pin: Option<String>,
    #[diesel(embed)]
    state: StateColumns,
    created_at: i64,
    lease_until: i64,
    note: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = attempt, treat_none_as_default_value = false)]
struct StateColumns {
    state: String,
    token: Option<String>,
    serial: Option<Vec<u8>>,
    reason: Option<String>,
}

impl Reader<'_> {
    /// An attempt by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn attempt(&mut self, id: &AttemptId) -> Result<Option<AttemptRecord>, StoreError> {
        let query = attempt::table.find(id.as_str());
        let row = one!(self, Row, query)?;
        row.map(AttemptRecord::try_from).transpose()
    }

    /// The attempt that holds an application: the one that was not abandoned, be it delivered or under way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn live_attempt_of(
        &mut self,
        application: &ApplicationId,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        let query = attempt::table.filter(attempt::held_application.eq(application.as_str()));
        let row = one!(self, Row, query)?;
        row.map(AttemptRecord::try_from).transpose()
    }

    /// The attempt that a workstation is working on: neither proved nor delivered nor abandoned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn live_attempt_of_workstation(
        &mut self,
        workstation: &str,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        let query = attempt::table.filter(attempt::held_workstation.eq(workstation));
        let row = one!(self, Row, query)?;
        row.map(AttemptRecord::try_from).transpose()
    }

    /// Whether an attempt is at work on this token: neither proved nor delivered nor abandoned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token_in_work(&mut self, token: &str) -> Result<bool, StoreError> {
        let query = attempt::table
            .filter(attempt::wanted_token.eq(token).or(attempt::token.eq(token)))
            .filter(attempt::held_workstation.is_not_null());
        run!(self, connection => select(exists(query)).get_result(connection))
    }
}

impl Tx<'_> {
    /// Claims an application for a workstation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `live-attempt` when another attempt holds the application, `workstation` when the
    /// workstation works on another; [`StoreError::NotFound`] without application.
    pub fn insert_attempt(&mut self, new: &AttemptRecord) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            application: new.application.to_string(),
            workstation: new.workstation.clone(),
            clerk: new.clerk.to_string(),
            wanted_token: new.wanted_token.clone(),
            first_pin: new.first_pin.map(|first| first.name().to_owned()),
            state: StateColumns::from(&new.state),
            created_at: new.created_at.millis(),
            lease_until: new.lease_until.millis(),
            note: new.note.clone(),
        };
        let held = Held::by(&new.state);
        let held = (
            attempt::held_application.eq(held.application.then(|| row.application.clone())),
            attempt::held_workstation.eq(held.workstation.then(|| row.workstation.clone())),
        );
        insert!(self, attempt::table, (&row, held))
    }

    /// Moves an attempt, if it is still in exactly the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `attempt`.
    pub fn move_attempt(
        &mut self,
        id: &AttemptId,
        from: &AttemptState,
        to: &AttemptState,
    ) -> Result<(), StoreError> {
        let mut columns = StateColumns::from(to).into_columns();
        let held = Held::by(to);
        if !held.application {
            columns.push(("held_application", Value::Text(None)));
        }
        if !held.workstation {
            columns.push(("held_workstation", Value::Text(None)));
        }
        let key = ("id", Value::Text(Some(id.to_string())));
        let shift = Shift::new("attempt", key, StateColumns::from(from).into_columns(), columns);
        change_one!(self, "attempt", shift)
    }

    /// Prolongs the workstation's hold and replaces the note.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `attempt` when it is finished or there is none.
    pub fn touch_attempt(&mut self, id: &AttemptId, lease_until: Time, note: &str) -> Result<(), StoreError> {
        let unfinished = attempt::table.find(id.as_str()).filter(attempt::held_workstation.is_not_null());
        let change = (attempt::lease_until.eq(lease_until.millis()), attempt::note.eq(note));
        change_one!(self, "attempt", diesel::update(unfinished).set(change))
    }
}

/// What an attempt keeps from others.
struct Held {
    application: bool,
    workstation: bool,
}

impl Held {
    fn by(state: &AttemptState) -> Self {
        Self {
            application: !matches!(state, AttemptState::Abandoned { .. }),
            workstation: !state.is_over() && !matches!(state, AttemptState::Proved { .. }),
        }
    }
}

impl TryFrom<Row> for AttemptRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            state: row.state.read(&row.id)?,
            application: intact(ApplicationId::parse(&row.application), "attempt", &row.id)?,
            workstation: row.workstation,
            clerk: intact(Author::parse(&row.clerk), "attempt", &row.id)?,
            wanted_token: row.wanted_token,
            first_pin: row
                .first_pin
                .map(|name| intact(InitialPin::from_name(&name).ok_or(()), "attempt", &row.id))
                .transpose()?,
            created_at: Time::from_millis(row.created_at),
            lease_until: Time::from_millis(row.lease_until),
            note: row.note,
            id: intact(AttemptId::parse(&row.id), "attempt", &row.id)?,
        })
    }
}

impl From<&AttemptState> for StateColumns {
    fn from(state: &AttemptState) -> Self {
        Self {
            state: state.name().to_owned(),
            token: state.token().map(str::to_owned),
            serial: state.serial().map(|serial| serial.as_bytes().to_vec()),
            reason: match state {
                AttemptState::Abandoned { reason } => Some(reason.clone()),
                _ => None,
            },
        }
    }
}

impl StateColumns {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("token", Value::Text(self.token)),
            ("serial", Value::Octets(self.serial)),
            ("reason", Value::Text(self.reason)),
        ]
    }

    fn read(self, id: &str) -> Result<AttemptState, StoreError> {
        use AttemptState as S;
        let number = |content: Vec<u8>| serial(&content, "attempt", id);
        Ok(match (self.state.as_str(), self.token, self.serial, self.reason) {
            ("claimed", None, None, None) => S::Claimed,
            ("bound", Some(token), None, None) => S::Bound { token },
            ("initialised", Some(token), None, None) => S::Initialised { token },
            ("intended", Some(token), Some(content), None) => S::Intended { token, serial: number(content)? },
            ("signed", Some(token), Some(content), None) => S::Signed { token, serial: number(content)? },
            ("written", Some(token), Some(content), None) => S::Written { token, serial: number(content)? },
            ("proved", Some(token), Some(content), None) => S::Proved { token, serial: number(content)? },
            ("delivered", Some(token), Some(content), None) => {
                S::Delivered { token, serial: number(content)? }
            }
            ("abandoned", None, None, Some(reason)) => S::Abandoned { reason },
            _ => return Err(StoreError::Corrupt { table: "attempt", id: id.to_owned() }),
        })
    }
}
