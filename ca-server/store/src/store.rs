//! The store's two doors: `read`, one snapshot, and `write`, one transaction. No connection leaves either.

use std::{fmt, sync::Arc};

use ca_core::{Intent, RecordedIntent};
use diesel::connection::SimpleConnection;

use crate::{
    Reader, StoreError, Tx, WriteSite,
    connection::{AnyConnection, Target},
    migration,
    pool::Pool,
    scrub,
    writer::{self, Given, Writers},
};

/// The CA's database. Clones share connections and writers; dropping the last one waits for the last commit.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    readers: Pool,
    writers: Writers,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.inner.target.name()).finish()
    }
}

impl Store {
    /// Opens `sqlite:PATH`, `postgres://…` or `postgresql://…`. Blocks.
    ///
    /// # Errors
    /// [`StoreError::SchemaBehind`] when migrations are pending, [`StoreError::WrongUrl`],
    /// [`StoreError::Unavailable`].
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        let pending = migration::pending(&target)?;
        if !pending.is_empty() {
            return Err(StoreError::SchemaBehind { pending });
        }
        let (readers, writers) = (Pool::new(target.clone()), Writers::start(&target)?);
        Ok(Self { inner: Arc::new(Inner { target, readers, writers }) })
    }

    /// Brings the schema up to this program; gives the names of what was applied, nothing when it was up to date.
    /// Blocks.
    ///
    /// # Errors
    /// [`StoreError::WrongUrl`], [`StoreError::Unavailable`] with the statement that failed.
    pub fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
        migration::migrate(&Target::parse(url)?)
    }

    /// Runs `f` on one snapshot of everything committed so far. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], and whatever `f` gives.
    pub fn read<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&mut Reader<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut lent = self.inner.readers.begin(|connection| {
            connection.batch_execute(match connection {
                AnyConnection::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                AnyConnection::Sqlite(_) => "BEGIN",
            })
        })?;
        // When `f` panics, `lent` drops its connection instead of giving it back.
        let result = f(&mut Reader::new(lent.connection()));
        // A snapshot has nothing to lose: ROLLBACK also ends one that an error has cut short.
        if lent.connection().batch_execute("ROLLBACK").is_ok() {
            lent.give_back();
        }
        result
    }

    /// Runs `f` in a transaction; answers when it is durable, or when nothing of it was kept. It runs to its end
    /// even when the future is dropped. A panic of `f` undoes `f` and goes on here. A verb's error ends the
    /// transaction: return it.
    ///
    /// # Errors
    /// What `f` gives; [`StoreError::OutcomeUnknown`] when COMMIT got no answer; [`StoreError::Unavailable`] and
    /// [`StoreError::Busy`], after which nothing was changed.
    pub async fn write<T, E>(
        &self,
        site: WriteSite,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answer) = writer::job(site, f);
        if self.inner.writers.queue.send(job).await.is_err() {
            return Err(E::from(no_writer()));
        }
        settle(answer.await.ok())
    }

    /// [`Store::write`] for programs without a runtime. Must not be called on a runtime's thread.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, E>(
        &self,
        site: WriteSite,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answer) = writer::job(site, f);
        if self.inner.writers.queue.blocking_send(job).is_err() {
            return Err(E::from(no_writer()));
        }
        settle(answer.blocking_recv().ok())
    }

    /// Writes the tables of people anew, so that no file of the database keeps what was sealed or erased: deleted rows
    /// stay in free pages and in the write-ahead log otherwise. Blocks, and needs more time the larger the database is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others use the database all the time: come again.
    pub fn scrub(&self) -> Result<(), StoreError> {
        scrub::scrub(&mut self.inner.target.writer()?)
    }

    /// Records an intent and binds its key, runs `more` in the same transaction, and gives the proof that it is
    /// durable (I2): the only caller of [`RecordedIntent::assert_recorded`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `serial`, `intent-attempt` or `public-key`; as [`Store::write`].
    pub async fn record_intent<E>(
        &self,
        intent: Intent,
        more: impl FnOnce(&mut Tx<'_>) -> Result<(), E> + Send + 'static,
    ) -> Result<RecordedIntent, E>
    where
        E: From<StoreError> + Send + 'static,
    {
        let serial = intent.serial;
        self.write(WriteSite::RecordIntent, move |tx| record(tx, &intent, more)).await?;
        Ok(RecordedIntent::assert_recorded(serial))
    }

    /// [`Store::record_intent`] for programs without a runtime: the key ceremony.
    ///
    /// # Errors
    /// As [`Store::record_intent`].
    pub fn record_intent_blocking<E>(
        &self,
        intent: Intent,
        more: impl FnOnce(&mut Tx<'_>) -> Result<(), E> + Send + 'static,
    ) -> Result<RecordedIntent, E>
    where
        E: From<StoreError> + Send + 'static,
    {
        let serial = intent.serial;
        self.write_blocking(WriteSite::RecordIntent, move |tx| record(tx, &intent, more))?;
        Ok(RecordedIntent::assert_recorded(serial))
    }
}

fn record<E: From<StoreError>>(
    tx: &mut Tx<'_>,
    intent: &Intent,
    more: impl FnOnce(&mut Tx<'_>) -> Result<(), E>,
) -> Result<(), E> {
    tx.insert_intent(intent)?;
    more(tx)
}

fn settle<T, E: From<StoreError>>(given: Option<Given<T, E>>) -> Result<T, E> {
    match given {
        Some(Ok(result)) => result,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        // The writer itself is gone, at a moment that nobody knows.
        None => Err(E::from(StoreError::OutcomeUnknown)),
    }
}

fn no_writer() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}
