//! Group commit: writer threads that take what is queued, run each closure in a savepoint of one transaction, commit
//! once, and only then answer all (I1). A closure that fails or panics undoes itself and nobody else.
//!
//! SQLite has one writer, because it has one write lock; PostgreSQL has several.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use diesel::{
    RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{Array, Binary},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    StoreError, Tx, WriteSite,
    connection::{AnyConnection, Target, both},
    kill_point,
    statement::{Fixed, Stamp},
};

/// Closures that wait at most; past that whoever asks waits for a place (back-pressure).
const QUEUE: usize = 1024;
/// Closures in one transaction at most.
const SQLITE_BATCH: usize = 256;
/// PostgreSQL keeps 64 subtransactions per session in memory; past that every snapshot gets slow.
const POSTGRES_BATCH: usize = 64;
const POSTGRES_WRITERS: usize = 4;

/// What a closure gave; `Err` is the payload of its panic, which goes on in the thread that asked.
pub(crate) type Given<T, E> = Result<Result<T, E>, Box<dyn Any + Send>>;

/// The writers of one store. Fields drop in this order: the queue closes, then its threads end.
pub(crate) struct Writers {
    pub(crate) queue: mpsc::Sender<Box<dyn Job>>,
    _threads: Threads,
}

impl Writers {
    pub(crate) fn start(target: &Target) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let (writers, most) = match target {
            Target::Postgres(_) => (POSTGRES_WRITERS, POSTGRES_BATCH),
            Target::Sqlite(_) => (1, SQLITE_BATCH),
        };
        let mut threads = Threads(Vec::new());
        for number in 0..writers {
            let jobs = Arc::clone(&jobs);
            let mut writer = Writer { connection: Some(target.writer()?), target: target.clone() };
            let thread = thread::Builder::new().name(format!("store-writer-{number}")).spawn(move || {
                let mut batch = Vec::new();
                while take(&jobs, &mut batch, most) {
                    let fate = writer.commit(&mut batch);
                    for job in batch.drain(..) {
                        job.answer(&fate);
                    }
                }
            });
            threads.0.push(thread.map_err(StoreError::unavailable)?);
        }
        Ok(Self { queue, _threads: threads })
    }
}

/// One writer at a time waits for jobs; the others wait for it, or work.
fn take(jobs: &Mutex<mpsc::Receiver<Box<dyn Job>>>, batch: &mut Vec<Box<dyn Job>>, most: usize) -> bool {
    let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    jobs.blocking_recv_many(batch, most) > 0
}

struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    /// Waits for the last commit, so that whoever drops a store can open it again.
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // A closure may own the last clone of its store; a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A panic here has been reported by the hook; there is nobody left to tell.
                drop(thread.join());
            }
        }
    }
}

/// How a batch ended.
pub(crate) enum Fate {
    /// Each closure has what it gave.
    Committed,
    /// Closures that succeeded get this instead.
    Lost(StoreError),
}

/// A queued closure, whatever it gives.
pub(crate) trait Job: Send {
    fn site(&self) -> WriteSite;
    /// Runs the closure; whether its changes are to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    fn answer(self: Box<Self>, fate: &Fate);
}

struct Write<F, T, E> {
    site: WriteSite,
    closure: Option<F>,
    given: Option<Given<T, E>>,
    answer: oneshot::Sender<Given<T, E>>,
}

/// Packs a closure for the queue.
pub(crate) fn job<T, E>(
    site: WriteSite,
    closure: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Given<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (Box::new(Write { site, closure: Some(closure), given: None, answer }), receiver)
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn site(&self) -> WriteSite {
        self.site
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(closure) = self.closure.take() else { return false };
        let mut given = catch_unwind(AssertUnwindSafe(|| closure(tx)));
        if matches!(given, Ok(Ok(_))) && tx.has_failed() {
            // PostgreSQL has undone the rest already; SQLite would keep half. Neither is what was meant.
            let error = StoreError::Rejected("the transaction went on after an error".to_owned());
            given = Ok(Err(E::from(error)));
        }
        matches!(self.given.insert(given), Ok(Ok(_)))
    }

    fn answer(self: Box<Self>, fate: &Fate) {
        let given = match (self.given, fate) {
            (Some(Ok(Ok(_))) | None, Fate::Lost(error)) => Ok(Err(E::from(error.clone()))),
            (Some(given), _) => given,
            (None, Fate::Committed) => return,
        };
        // Whoever asked may have gone away; what was committed stays.
        drop(self.answer.send(given));
    }
}

struct Writer {
    target: Target,
    /// `None` after a failure: the next batch connects anew.
    connection: Option<AnyConnection>,
}

impl Writer {
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Fate {
        let mut connection = match self.begin() {
            Ok(connection) => connection,
            Err(error) => return Fate::Lost(error),
        };
        match run_all(&mut connection, jobs) {
            // COMMIT was not sent: nothing of the batch is kept. The connection's state is not known: dropped.
            Err(error) => return Fate::Lost(error),
            Ok(sites) if sites.is_empty() => {
                if connection.batch_execute("ROLLBACK").is_ok() {
                    self.connection = Some(connection);
                }
                return Fate::Committed;
            }
            Ok(sites) => {
                pass(&sites, "before");
                // RELEASE first: PostgreSQL answers COMMIT of a failed transaction with success.
                if let Err(error) = connection.batch_execute("RELEASE job; COMMIT") {
                    tracing::error!(%error, jobs = jobs.len(), "outcome of COMMIT is unknown");
                    return Fate::Lost(StoreError::OutcomeUnknown);
                }
                pass(&sites, "after");
            }
        }
        self.connection = Some(connection);
        Fate::Committed
    }

    /// Opens the transaction; a connection that died while it was idle is replaced, since nothing was asked yet.
    fn begin(&mut self) -> Result<AnyConnection, StoreError> {
        if let Some(mut connection) = self.connection.take()
            && begin(&mut connection).is_ok()
        {
            return Ok(connection);
        }
        let mut connection = self.target.writer()?;
        begin(&mut connection)?;
        Ok(connection)
    }
}

fn begin(connection: &mut AnyConnection) -> Result<(), StoreError> {
    Ok(connection.batch_execute(match connection {
        AnyConnection::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SAVEPOINT job",
        AnyConnection::Sqlite(_) => "BEGIN IMMEDIATE; SAVEPOINT job",
    })?)
}

/// Runs every closure; gives the sites of those whose changes are kept. The savepoint `job` is open at the end.
fn run_all(connection: &mut AnyConnection, jobs: &mut [Box<dyn Job>]) -> Result<Vec<WriteSite>, StoreError> {
    let mut sites = Vec::with_capacity(jobs.len());
    let mut dirty = false;
    let mut touched = Vec::new();
    for job in jobs {
        if dirty {
            next(connection)?;
            dirty = false;
        }
        let mut tx = Tx::new(connection);
        if job.run(&mut tx) {
            touched.extend(tx.into_touched());
            sites.push(job.site());
            dirty = true;
        } else {
            connection.batch_execute("ROLLBACK TO job")?;
        }
    }
    if !touched.is_empty() {
        raise_epoch(connection, &touched)?;
    }
    Ok(sites)
}

/// Last, so that PostgreSQL's lock on this one row is held for the time of a commit only; and so that epochs are committed
/// in their order: whoever saw one has seen every change up to it.
fn raise_epoch(connection: &mut AnyConnection, touched: &[Vec<u8>]) -> Result<(), StoreError> {
    let raised = Fixed("UPDATE status_epoch SET epoch = epoch + 1");
    both!(connection, inner => raised.execute(inner))?;
    match connection {
        // One round trip.
        AnyConnection::Postgres(connection) => {
            let stamp = sql_query(
                "UPDATE status SET epoch = (SELECT epoch FROM status_epoch) WHERE serial = ANY($1)",
            );
            stamp.bind::<Array<Binary>, _>(touched).execute(connection)?;
        }
        // Prepared.
        AnyConnection::Sqlite(connection) => {
            for serial in touched {
                Stamp(serial).execute(connection)?;
            }
        }
    }
    Ok(())
}

/// Keeps what the last closure did and opens the savepoint of the next one.
fn next(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        // One round trip.
        AnyConnection::Postgres(connection) => connection.batch_execute("RELEASE job; SAVEPOINT job")?,
        // Prepared.
        AnyConnection::Sqlite(connection) => {
            Fixed("RELEASE job").execute(connection)?;
            Fixed("SAVEPOINT job").execute(connection)?;
        }
    }
    Ok(())
}

fn pass(sites: &[WriteSite], moment: &str) {
    if cfg!(feature = "failpoints") {
        for site in sites {
            kill_point(&format!("{}:{moment}", site.name()));
        }
    }
}
