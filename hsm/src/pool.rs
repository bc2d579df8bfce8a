//! Many sessions under one login, for keys that sign all day long.
//!
//! A lost session, login or module is mended once and the call repeated, but only while it is certain that nothing
//! was signed. A C_Sign whose outcome is unknown is never repeated (I3), a refused PIN never tried again (I11).

use std::{
    collections::HashMap,
    fmt,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cryptoki::{
    error::{Error as P11Error, RvError},
    object::{ObjectClass, ObjectHandle},
    session::UserType,
};

use crate::{
    Error, Input, KeyRef, Pin, PinState, Token, TokenSerial,
    error::translate,
    handle::{Handle, Mode},
    key::By,
    module::{Claim, lock},
};

/// C_Finalize stops every session of the process, so it is not done more often than this.
const REINITIALISE_EVERY: Duration = Duration::from_secs(30);

/// Sessions with one token under one login; shared between threads.
pub struct SessionPool {
    token: Token,
    pin: Pin,
    size: usize,
    reinitialise_every: Duration,
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
        Self::open_mending_every(token, pin, sessions, REINITIALISE_EVERY)
    }

    /// As [`SessionPool::open`], with another shortest time between two re-initialisations of the module.
    ///
    /// # Errors
    /// As [`SessionPool::open`].
    pub fn open_mending_every(
        token: &Token,
        pin: Pin,
        sessions: usize,
        every: Duration,
    ) -> Result<Self, Error> {
        let claim = token.module().claim(token.serial())?;
        let login = log_in(token, &pin)?;
        let state = State { generation: 0, idle: Vec::new(), open: 0, login: Some(login), refused: None };
        Ok(Self {
            token: token.clone(),
            pin,
            size: sessions.max(1),
            reinitialise_every: every,
            state: Mutex::new(state),
            freed: Condvar::new(),
            mending: Mutex::new(Mending { reinitialised: None }),
            _claim: claim,
        })
    }

    /// Serial number of its token.
    #[must_use]
    pub fn token(&self) -> &TokenSerial {
        self.token.serial()
    }

    /// The key pair whose private key has this CKA_LABEL.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::KeyAmbiguous`], and those of every call.
    pub fn key(&self, label: &str) -> Result<KeyRef, Error> {
        self.with(|worker| worker.key(label).map(|(key, _)| key))
    }

    /// One signature with the key of this label. Waits while all sessions are in use.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`]: there may be a signature, do not ask again for the same bytes. Any other error:
    /// there is none.
    pub fn sign(&self, label: &str, input: Input<'_>) -> Result<Vec<u8>, Error> {
        self.with(|worker| {
            let (key, private) = worker.key(label)?;
            worker.handle.sign(&key, private, input)
        })
    }

    /// HMAC-SHA-256 of `data` with the secret key of this label.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::KeyAmbiguous`], and those of every call.
    pub fn hmac_sha256(&self, label: &str, data: &[u8]) -> Result<[u8; 32], Error> {
        self.with(|worker| {
            let key = worker.secret(label)?;
            worker.handle.hmac_sha256(key, data)
        })
    }

    fn with<T>(&self, work: impl Fn(&mut Worker) -> Result<T, Error>) -> Result<T, Error> {
        let attempt = || {
            let mut worker = self.check_out()?;
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

    fn check_out(&self) -> Result<Worker, Error> {
        let mut state = lock(&self.state);
        let generation = loop {
            if let Some(worker) = state.idle.pop() {
                return Ok(worker);
            }
            if state.login.is_none() {
                return Err(self.refusal(state.refused));
            }
            if state.open < self.size {
                state.open += 1;
                break state.generation;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        match Handle::open(self.token.module(), self.token.serial(), Mode::ReadOnly) {
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
            let waited = mending.reinitialised.is_none_or(|last| last.elapsed() >= self.reinitialise_every);
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
        write!(f, "SessionPool({}, {} sessions)", self.token.serial(), self.size)
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
        Ok(()) | Err(P11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(handle),
        Err(error) => Err(token.with_pin_state(translate(token.serial(), error), UserType::User)),
    }
}
