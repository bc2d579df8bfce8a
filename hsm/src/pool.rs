//! Many sessions under one login, for keys that sign all day long.
//!
//! A lost session, login or module is mended once and the call repeated, but only while it is certain that nothing
//! was signed. A C_Sign whose outcome is unknown is never repeated (I3), a refused PIN never tried again (I11).
//!
//! A call that hangs is answered for after a while, and left to itself with its session; others get sessions of their own.
//! When nothing comes back any more, calls are refused at once, but for one now and then that finds out.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cryptoki::{
    error::{Error as P11Error, RvError},
    object::{ObjectClass, ObjectHandle},
    session::{SessionState, UserType},
};

use crate::{
    Error, Input, KeyRef, Pin, PinState, Token, TokenSerial,
    deadline::{Call, Late, Threads},
    error::translate,
    handle::{Handle, Mode},
    key::By,
    module::{Claim, lock},
};

/// So many calls in a row that did not come back: the next ones are not even tried.
const LATE_MAX: u32 = 16;
/// But for one, so often.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// How long a pool waits for its module.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// C_Finalize stops every session of the process, so it is not done more often than this.
    pub reinitialise_every: Duration,
    /// A call has an answer after so long, whatever the module does.
    pub answer_within: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { reinitialise_every: Duration::from_secs(30), answer_within: Duration::from_secs(10) }
    }
}

/// Sessions with one token under one login; shared between threads.
pub struct SessionPool {
    sessions: Arc<Sessions>,
    threads: Threads,
    late: Arc<dyn Fn(i32) + Send + Sync>,
}

/// What the threads share.
struct Sessions {
    token: Token,
    pin: Pin,
    size: usize,
    patience: Patience,
    state: Mutex<State>,
    /// A session came back or was given up.
    freed: Condvar,
    /// Held by the one thread that mends.
    mending: Mutex<Mending>,
    _claim: Claim,
}

struct State {
    /// Counts logins; sessions of an older one are not kept.
    generation: u64,
    idle: Vec<Worker>,
    /// Idle ones and those in use.
    open: usize,
    /// Keeps the login alive while no other session is open; `None` while the token is lost.
    login: Option<Handle>,
    refused: Option<Refused>,
    /// Calls that hang now. Each may hold a session.
    hanging: usize,
    /// Calls in a row that did not come back in time.
    late_in_a_row: u32,
    /// When one was let through all the same.
    tried: Option<Instant>,
}

struct Mending {
    reinitialised: Option<Instant>,
}

/// Why the pool does not log in any more.
#[derive(Clone, Copy)]
enum Refused {
    Incorrect(PinState),
    Other,
}

struct Worker {
    handle: Handle,
    generation: u64,
    keys: HashMap<String, (KeyRef, ObjectHandle)>,
    secrets: HashMap<String, ObjectHandle>,
}

impl SessionPool {
    /// Logs in with at most `sessions` sessions (at least one), opened as they are needed.
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinLocked`], [`Error::TokenBusy`] while this process is logged in to the
    /// token, and those of every call.
    pub fn open(token: &Token, pin: Pin, sessions: usize) -> Result<Self, Error> {
        Self::open_with(token, pin, sessions, Patience::default())
    }

    /// As [`SessionPool::open`], with another patience.
    ///
    /// # Errors
    /// As [`SessionPool::open`].
    pub fn open_with(token: &Token, pin: Pin, sessions: usize, patience: Patience) -> Result<Self, Error> {
        let (token, serial) = (token.clone(), token.serial().clone());
        let threads = Threads::default();
        let opening = move |_: &Call| Sessions::open(token, pin, sessions, patience);
        let nobody: Arc<dyn Fn(i32) + Send + Sync> = Arc::new(|_| {});
        let opened = threads.within(patience.answer_within, opening, &nobody);
        let sessions = Arc::new(opened.map_err(|_| Error::ModuleHangs { token: serial })??);
        let counted = Arc::downgrade(&sessions);
        let late = move |by| {
            if let Some(sessions) = counted.upgrade() {
                sessions.count_late(by);
            }
        };
        Ok(Self { sessions, threads, late: Arc::new(late) })
    }

    /// Serial number of its token.
    #[must_use]
    pub fn token(&self) -> &TokenSerial {
        self.sessions.token.serial()
    }

    /// The key pair whose private key has this CKA_LABEL.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::KeyAmbiguous`], and those of every call.
    pub fn key(&self, label: &str) -> Result<KeyRef, Error> {
        let label = label.to_owned();
        self.within(move |worker, _| worker.key(&label).map(|(key, _)| key))
    }

    /// One signature with the key of this label. Waits while all sessions are in use.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`]: there may be a signature, do not ask again for the same bytes. Any other error:
    /// there is none, and there will be none.
    pub fn sign(&self, label: &str, input: Input<'_>) -> Result<Vec<u8>, Error> {
        let (label, input) = (label.to_owned(), Owned::from(input));
        self.within(move |worker, call| {
            let (key, private) = worker.key(&label)?;
            if !call.begin() {
                return Err(Error::ModuleHangs { token: worker.handle.token().clone() });
            }
            worker.handle.sign(&key, private, input.input())
        })
    }

    /// HMAC-SHA-256 of `data` with the secret key of this label.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::KeyAmbiguous`], and those of every call.
    pub fn hmac_sha256(&self, label: &str, data: &[u8]) -> Result<[u8; 32], Error> {
        let (label, data) = (label.to_owned(), data.to_owned());
        self.within(move |worker, _| {
            let key = worker.secret(&label)?;
            worker.handle.hmac_sha256(key, &data)
        })
    }

    /// On another thread, for so long and no longer.
    fn within<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Worker, &Call) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let limit = self.sessions.patience.answer_within;
        self.sessions.admit()?;
        let until = Instant::now() + limit;
        let sessions = Arc::clone(&self.sessions);
        let work = move |call: &Call| sessions.with(until, |worker| work(worker, call));
        let answer = self.threads.within(limit, work, &self.late);
        let hangs = || Error::ModuleHangs { token: self.token().clone() };
        match answer {
            Ok(Err(error @ Error::ModuleHangs { .. })) => Err(error),
            Ok(result) => {
                self.sessions.answers();
                result
            }
            Err(Late::NotBegun) => Err(hangs()),
            Err(Late::Begun) => {
                Err(Error::OutcomeUnknown { token: self.token().clone(), cause: Box::new(hangs()) })
            }
        }
    }
}

/// [`Input`] for another thread.
enum Owned {
    Sha256([u8; 32]),
    Message(Vec<u8>),
    MessagePss(Vec<u8>),
}

impl Owned {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Sha256(digest) => Input::Sha256(digest),
            Self::Message(message) => Input::Message(message),
            Self::MessagePss(message) => Input::MessagePss(message),
        }
    }
}

impl From<Input<'_>> for Owned {
    fn from(input: Input<'_>) -> Self {
        match input {
            Input::Sha256(digest) => Self::Sha256(*digest),
            Input::Message(message) => Self::Message(message.to_owned()),
            Input::MessagePss(message) => Self::MessagePss(message.to_owned()),
        }
    }
}

impl Sessions {
    fn open(token: Token, pin: Pin, sessions: usize, patience: Patience) -> Result<Self, Error> {
        let claim = token.module().claim(token.serial())?;
        let login = log_in(&token, &pin)?;
        let state = State {
            generation: 0,
            idle: Vec::new(),
            open: 0,
            login: Some(login),
            refused: None,
            hanging: 0,
            late_in_a_row: 0,
            tried: None,
        };
        Ok(Self {
            token,
            pin,
            size: sessions.max(1),
            patience,
            state: Mutex::new(state),
            freed: Condvar::new(),
            mending: Mutex::new(Mending { reinitialised: None }),
            _claim: claim,
        })
    }

    /// Whether another call is tried at all: each that hangs costs a thread and a session.
    fn admit(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.late_in_a_row < LATE_MAX {
            return Ok(());
        }
        if state.tried.is_some_and(|tried| tried.elapsed() < TRY_EVERY) {
            return Err(Error::ModuleHangs { token: self.token.serial().clone() });
        }
        state.tried = Some(Instant::now());
        Ok(())
    }

    fn answers(&self) {
        lock(&self.state).late_in_a_row = 0;
    }

    fn count_late(&self, by: i32) {
        let mut state = lock(&self.state);
        if by > 0 {
            state.hanging += 1;
            state.late_in_a_row = state.late_in_a_row.saturating_add(1);
            tracing::error!(token = %self.token.serial(), hanging = state.hanging, "the module does not answer");
        } else {
            state.hanging = state.hanging.saturating_sub(1);
            // What comes back at last shows that the module answers again.
            state.late_in_a_row = 0;
        }
        drop(state);
        self.freed.notify_all();
    }

    fn with<T>(&self, until: Instant, work: impl Fn(&mut Worker) -> Result<T, Error>) -> Result<T, Error> {
        let attempt = || {
            let mut worker = self.check_out(until)?;
            let result = work(&mut worker);
            self.check_in(worker, result.is_ok());
            result
        };
        let generation = lock(&self.state).generation;
        match attempt() {
            Err(error) if error.is_lost() => {
                tracing::warn!(%error, "opening the token's sessions again");
                self.mend(generation)?;
                attempt()
            }
            result => result,
        }
    }

    fn check_out(&self, until: Instant) -> Result<Worker, Error> {
        let mut state = lock(&self.state);
        let generation = loop {
            if let Some(worker) = state.idle.pop() {
                return Ok(worker);
            }
            if state.login.is_none() {
                return Err(self.refusal(state.refused));
            }
            // Those that hang keep their sessions: others get theirs besides.
            if state.open < self.size + state.hanging {
                state.open += 1;
                break state.generation;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::ModuleHangs { token: self.token.serial().clone() });
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        let opened = Handle::open(self.token.module(), self.token.serial(), Mode::ReadOnly);
        match opened.and_then(logged_in) {
            Ok(handle) => Ok(Worker { handle, generation, keys: HashMap::new(), secrets: HashMap::new() }),
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// A session that failed is not used again: an operation may still be active in it, its handles may be stale.
    fn check_in(&self, worker: Worker, sound: bool) {
        let mut state = lock(&self.state);
        if sound && worker.generation == state.generation {
            state.idle.push(worker);
            drop(state);
            self.freed.notify_one();
        } else {
            drop(state);
            drop(worker);
            self.give_up();
        }
    }

    fn give_up(&self) {
        let mut state = lock(&self.state);
        state.open = state.open.saturating_sub(1);
        drop(state);
        // All of them: when the login is lost, every waiting thread has to see it.
        self.freed.notify_all();
    }

    /// Logs in anew, with a re-initialised module when nothing else helps. `seen` is the generation that failed: when
    /// another thread has mended since, there is nothing to do.
    fn mend(&self, seen: u64) -> Result<(), Error> {
        let mut mending = lock(&self.mending);
        let (idle, login) = {
            let mut state = lock(&self.state);
            if state.refused.is_some() {
                return Err(self.refusal(state.refused));
            }
            if state.generation != seen && state.login.is_some() {
                return Ok(());
            }
            state.open = state.open.saturating_sub(state.idle.len());
            (std::mem::take(&mut state.idle), state.login.take())
        };
        drop(idle);
        drop(login);
        let result = log_in(&self.token, &self.pin).or_else(|error| {
            let waited =
                mending.reinitialised.is_none_or(|last| last.elapsed() >= self.patience.reinitialise_every);
            if !error.is_lost() || !waited {
                return Err(error);
            }
            mending.reinitialised = Some(Instant::now());
            self.token.module().reinitialise()?;
            log_in(&self.token, &self.pin)
        });
        let mut state = lock(&self.state);
        let result = match result {
            Ok(login) => {
                state.generation += 1;
                state.login = Some(login);
                Ok(())
            }
            Err(error) => {
                if error.is_pin_refused() {
                    state.refused = Some(match error {
                        Error::PinIncorrect { state, .. } => Refused::Incorrect(state),
                        _ => Refused::Other,
                    });
                }
                Err(error)
            }
        };
        drop(state);
        self.freed.notify_all();
        result
    }

    fn refusal(&self, refused: Option<Refused>) -> Error {
        let token = self.token.serial().clone();
        match refused {
            None => Error::SessionLost { token, detail: "not logged in".to_owned() },
            Some(Refused::Incorrect(state)) => Error::PinIncorrect { token, state },
            Some(Refused::Other) => Error::PinLocked { token },
        }
    }
}

impl fmt::Debug for SessionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionPool({}, {} sessions)", self.token(), self.sessions.size)
    }
}

impl Worker {
    fn key(&mut self, label: &str) -> Result<(KeyRef, ObjectHandle), Error> {
        if let Some(known) = self.keys.get(label) {
            return Ok(known.clone());
        }
        let found = self.handle.key(By::Label(label))?;
        self.keys.insert(label.to_owned(), found.clone());
        Ok(found)
    }

    fn secret(&mut self, label: &str) -> Result<ObjectHandle, Error> {
        if let Some(known) = self.secrets.get(label) {
            return Ok(*known);
        }
        let found = self.handle.one(ObjectClass::SECRET_KEY, By::Label(label))?;
        self.secrets.insert(label.to_owned(), found);
        Ok(found)
    }
}

/// C_Login once. "Already logged in" is the pool's own login, which sessions still in use keep alive.
fn log_in(token: &Token, pin: &Pin) -> Result<Handle, Error> {
    let handle = Handle::open(token.module(), token.serial(), Mode::ReadOnly)?;
    let answer = handle.call(|session| Ok(session.login(UserType::User, Some(pin.auth()))))?;
    match answer {
        Ok(()) => Ok(handle),
        // A module that says so and is not would keep its private keys hidden until the program is started anew.
        Err(P11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => logged_in(handle),
        Err(error) => Err(token.with_pin_state(translate(token.serial(), error), UserType::User)),
    }
}

/// Without the login a new session opens all the same and finds no private key, which looks as if the key were gone.
fn logged_in(handle: Handle) -> Result<Handle, Error> {
    let state = handle.call(|session| Ok(session.get_session_info()?.session_state()))?;
    if matches!(state, SessionState::RoUser | SessionState::RwUser) {
        return Ok(handle);
    }
    let detail = "the module has forgotten the login".to_owned();
    Err(Error::SessionLost { token: handle.token().clone(), detail })
}
