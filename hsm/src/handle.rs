//! An open session without regard to who is logged in: every call of the crate on a session goes through here.

use cryptoki::{error::Result as P11Result, session::Session as P11Session};

use crate::{Error, Module, TokenSerial, error::translate};

/// CKF_RW_SESSION or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    ReadOnly,
    ReadWrite,
}

/// An open session of one epoch of the module.
pub(crate) struct Handle {
    /// `None` only inside `drop`.
    session: Option<P11Session>,
    module: Module,
    token: TokenSerial,
    epoch: u64,
}

impl Handle {
    pub(crate) fn open(module: &Module, token: &TokenSerial, mode: Mode) -> Result<Self, Error> {
        let slot = module.slot(token)?;
        let epoch = module.epoch();
        let session = match mode {
            Mode::ReadOnly => module.library().open_ro_session(slot),
            Mode::ReadWrite => module.library().open_rw_session(slot),
        };
        let session = session.map_err(|error| translate(token, error))?;
        Ok(Self { session: Some(session), module: module.clone(), token: token.clone(), epoch: *epoch })
    }

    pub(crate) fn token(&self) -> &TokenSerial {
        &self.token
    }

    /// One or more calls on the session, none of them across a re-initialisation.
    pub(crate) fn call<T>(&self, work: impl FnOnce(&P11Session) -> P11Result<T>) -> Result<T, Error> {
        let epoch = self.module.epoch();
        match &self.session {
            Some(session) if *epoch == self.epoch => {
                work(session).map_err(|error| translate(&self.token, error))
            }
            _ => Err(Error::SessionLost {
                token: self.token.clone(),
                detail: "module re-initialised".to_owned(),
            }),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let epoch = self.module.epoch();
        if *epoch != self.epoch {
            // The number of this session may be somebody else's by now: it must not be closed.
            std::mem::forget(self.session.take());
        }
        // Otherwise closed here, under the epoch's lock.
        drop(self.session.take());
    }
}
