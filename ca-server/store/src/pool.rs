//! Connections for reading: opened when needed, at most sixteen at a time, kept for the next reader.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use diesel::QueryResult;

use crate::{
    StoreError,
    connection::{AnyConnection, Target},
};

/// PostgreSQL admits 100 sessions by default, and several instances share one.
const MOST: usize = 16;

pub(crate) struct Pool {
    target: Target,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<AnyConnection>,
    lent: usize,
}

/// A connection that is lent. Dropped without [`Lent::give_back`], it is closed: its state is not known.
pub(crate) struct Lent<'a> {
    place: Place<'a>,
    connection: AnyConnection,
}

/// The right to one connection.
struct Place<'a>(&'a Pool);

impl Pool {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, state: Mutex::default(), returned: Condvar::new() }
    }

    /// Lends a connection on which `begin` has succeeded; waits when all are lent. Idle ones that have died
    /// meanwhile are dropped: nothing was asked of them yet.
    pub(crate) fn begin(
        &self,
        begin: impl Fn(&mut AnyConnection) -> QueryResult<()>,
    ) -> Result<Lent<'_>, StoreError> {
        let place = self.place();
        loop {
            // Its own statement: the lock must not be held while a connection begins.
            let idle = self.lock().idle.pop();
            let Some(mut connection) = idle else { break };
            if begin(&mut connection).is_ok() {
                return Ok(Lent { place, connection });
            }
        }
        let mut connection = self.target.reader()?;
        begin(&mut connection)?;
        Ok(Lent { place, connection })
    }

    fn place(&self) -> Place<'_> {
        let full = |state: &mut State| state.lent >= MOST;
        let mut state = self.returned.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        Place(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// For the next reader. The connection must be outside any transaction.
    pub(crate) fn give_back(self) {
        self.place.0.lock().idle.push(self.connection);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().lent -= 1;
        self.0.returned.notify_one();
    }
}
