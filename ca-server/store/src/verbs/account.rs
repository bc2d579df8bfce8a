//! Accounts of units and agents, and their sessions (step 1). Passwords are here as argon2id hashes, tokens as SHA-256.

use ca_core::{AccountId, Actor, AgentId, UnitId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::{intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{account, account_session},
    tx::{change_one, insert, one, run},
};

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountOwner {
    /// A unit's, with the name that it logs in with.
    Unit {
        /// Which.
        unit: UnitId,
        /// The user name.
        name: String,
    },
    /// An agent's, who is found by card number.
    Agent(AgentId),
}

impl AccountOwner {
    /// As the log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Unit { unit, .. } => Actor::Unit(unit.clone()),
            Self::Agent(agent) => Actor::Agent(agent.clone()),
        }
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Our identifier.
    pub id: AccountId,
    /// Whose.
    pub owner: AccountOwner,
    /// PHC string (argon2id).
    pub password: String,
    /// The password was made at the counter and must be replaced.
    pub initial: bool,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// Nobody gets in before.
    pub locked_until: Option<Time>,
    /// When the password was set.
    pub changed_at: Time,
}

impl std::fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountRecord({})", self.id)
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = account, treat_none_as_default_value = false)]
struct Row {
    id: String,
    unit: Option<String>,
    agent: Option<String>,
    name: Option<String>,
    password: String,
    initial: i16,
    failures: i32,
    locked_until: Option<i64>,
    changed_at: i64,
}

impl Reader<'_> {
    /// The account of a unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_of_unit(&mut self, unit: &UnitId) -> Result<Option<AccountRecord>, StoreError> {
        let row = one!(self, Row, account::table.filter(account::unit.eq(unit.as_str())))?;
        row.map(AccountRecord::try_from).transpose()
    }

    /// The account of an agent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_of_agent(&mut self, agent: &AgentId) -> Result<Option<AccountRecord>, StoreError> {
        let row = one!(self, Row, account::table.filter(account::agent.eq(agent.as_str())))?;
        row.map(AccountRecord::try_from).transpose()
    }

    /// A unit's account by its user name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_named(&mut self, name: &str) -> Result<Option<AccountRecord>, StoreError> {
        let row = one!(self, Row, account::table.filter(account::name.eq(name)))?;
        row.map(AccountRecord::try_from).transpose()
    }

    /// The account of a session that has not ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account_of_session(
        &mut self,
        token_sha256: &[u8; 32],
        now: Time,
    ) -> Result<Option<AccountRecord>, StoreError> {
        let query = account_session::table
            .find(token_sha256.as_slice())
            .filter(account_session::expires_at.gt(now.millis()))
            .inner_join(account::table.on(account::id.eq(account_session::account)));
        let row = one!(self, Row, query)?;
        row.map(AccountRecord::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Opens an account.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `account-unit`, `account-agent` or `account-name`.
    pub fn insert_account(&mut self, new: &AccountRecord) -> Result<(), StoreError> {
        let (unit, agent, name) = match &new.owner {
            AccountOwner::Unit { unit, name } => (Some(unit.to_string()), None, Some(name.clone())),
            AccountOwner::Agent(agent) => (None, Some(agent.to_string()), None),
        };
        let row = Row {
            id: new.id.to_string(),
            unit,
            agent,
            name,
            password: new.password.clone(),
            initial: i16::from(new.initial),
            failures: i32::try_from(new.failures).unwrap_or(i32::MAX),
            locked_until: new.locked_until.map(Time::millis),
            changed_at: new.changed_at.millis(),
        };
        insert!(self, account::table, &row)
    }

    /// Sets a password and ends every session; the account is open again.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `account`.
    pub fn set_password(
        &mut self,
        id: &AccountId,
        password: &str,
        initial: bool,
        at: Time,
    ) -> Result<(), StoreError> {
        let change = (
            account::password.eq(password),
            account::initial.eq(i16::from(initial)),
            account::failures.eq(0),
            account::locked_until.eq(None::<i64>),
            account::changed_at.eq(at.millis()),
        );
        change_one!(self, "account", diesel::update(account::table.find(id.as_str())).set(change))?;
        self.end_sessions(id)
    }

    /// Counts a try, before the password is looked at; from the `most`-th wrong one on the account is locked. Gives
    /// whether the password may be looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_try(
        &mut self,
        id: &AccountId,
        most: u32,
        now: Time,
        locked_until: Time,
    ) -> Result<bool, StoreError> {
        let open = account::table
            .find(id.as_str())
            .filter(account::locked_until.is_null().or(account::locked_until.le(now.millis())));
        let counted = diesel::update(open).set(account::failures.eq(account::failures + 1));
        if run!(self, connection => counted.execute(connection))? == 0 {
            return Ok(false);
        }
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let full = account::table.find(id.as_str()).filter(account::failures.ge(most));
        let lock = (account::failures.eq(0), account::locked_until.eq(locked_until.millis()));
        run!(self, connection => diesel::update(full).set(lock).execute(connection))?;
        Ok(true)
    }

    /// The password was right: opens a session and forgets the wrong ones.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `session`.
    pub fn open_session(
        &mut self,
        id: &AccountId,
        token_sha256: &[u8; 32],
        now: Time,
        expires_at: Time,
    ) -> Result<(), StoreError> {
        let clean = (account::failures.eq(0), account::locked_until.eq(None::<i64>));
        change_one!(self, "account", diesel::update(account::table.find(id.as_str())).set(clean))?;
        let old = account_session::table.filter(account_session::expires_at.le(now.millis()));
        run!(self, connection => diesel::delete(old).execute(connection))?;
        let row = (
            account_session::token_sha256.eq(token_sha256.to_vec()),
            account_session::account.eq(id.to_string()),
            account_session::created_at.eq(now.millis()),
            account_session::expires_at.eq(expires_at.millis()),
        );
        insert!(self, account_session::table, row)
    }

    /// Ends one session, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_session(&mut self, token_sha256: &[u8; 32]) -> Result<(), StoreError> {
        let session = account_session::table.find(token_sha256.to_vec());
        run!(self, connection => diesel::delete(session).execute(connection)).map(drop)
    }

    /// Deletes an account with its sessions.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `account` when there is none.
    pub fn delete_account(&mut self, id: &AccountId) -> Result<(), StoreError> {
        self.end_sessions(id)?;
        change_one!(self, "account", diesel::delete(account::table.find(id.as_str())))
    }

    /// Ends every session of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_sessions(&mut self, id: &AccountId) -> Result<(), StoreError> {
        let sessions = account_session::table.filter(account_session::account.eq(id.as_str()));
        run!(self, connection => diesel::delete(sessions).execute(connection)).map(drop)
    }
}

impl TryFrom<Row> for AccountRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let owner = match (row.unit, row.agent, row.name) {
            (Some(unit), None, Some(name)) => {
                AccountOwner::Unit { unit: intact(UnitId::parse(&unit), "account", &row.id)?, name }
            }
            (None, Some(agent), None) => {
                AccountOwner::Agent(intact(AgentId::parse(&agent), "account", &row.id)?)
            }
            _ => return Err(StoreError::Corrupt { table: "account", id: row.id }),
        };
        Ok(Self {
            owner,
            password: row.password,
            initial: row.initial != 0,
            failures: intact(row.failures.try_into(), "account", &row.id)?,
            locked_until: times(row.locked_until),
            changed_at: Time::from_millis(row.changed_at),
            id: intact(AccountId::parse(&row.id), "account", &row.id)?,
        })
    }
}
