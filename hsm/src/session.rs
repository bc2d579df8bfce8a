//! Logged-in sessions (PKCS#11 v2.40 §5.6): the user's, who signs, and the security officer's, who sets PINs.

use cryptoki::{session::UserType, types::AuthPin};

use crate::{
    Error, Pin, SoPin, Token, TokenSerial,
    handle::{Handle, Mode},
    module::Claim,
};

/// Login and session in one: whoever drops it logs out and closes.
pub(crate) struct Login {
    handle: Handle,
    token: Token,
    /// Dropped last, so that nobody else logs in before this login is gone.
    _claim: Claim,
}

impl Login {
    pub(crate) fn new(token: &Token, user: UserType, pin: &AuthPin) -> Result<Self, Error> {
        let claim = token.module().claim(token.serial())?;
        let handle = Handle::open(token.module(), token.serial(), Mode::ReadWrite)?;
        handle
            .call(|session| session.login(user, Some(pin)))
            .map_err(|error| token.with_pin_state(error, user))?;
        Ok(Self { handle, token: token.clone(), _claim: claim })
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // A token that is gone is logged out already.
        if let Err(error) = self.handle.call(|session| session.logout()) {
            tracing::debug!(%error, "C_Logout");
        }
    }
}

/// The user's session, read and write. Dropping it logs out. `Send`, not `Sync`: one thread at a time.
pub struct Session(Login);

impl Session {
    pub(crate) fn new(login: Login) -> Self {
        Self(login)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Serial number of the token it is open with.
    #[must_use]
    pub fn token(&self) -> &TokenSerial {
        self.0.handle.token()
    }

    /// C_SetPIN. `old` is tried once.
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinForm`] when the token refuses the new one, and those of every call.
    pub fn change_pin(&self, old: &Pin, new: &Pin) -> Result<(), Error> {
        let changed = self.0.handle.call(|session| session.set_pin(old.auth(), new.auth()));
        changed.map_err(|error| self.0.token.with_pin_state(error, UserType::User))
    }
}

/// The security officer's session. Dropping it logs out.
pub struct SoSession(Login);

impl SoSession {
    pub(crate) fn new(login: Login) -> Self {
        Self(login)
    }

    /// C_InitPIN: sets the user PIN, also when it is locked.
    ///
    /// # Errors
    /// [`Error::PinForm`] when the token refuses it, and those of every call.
    pub fn init_user_pin(&self, pin: &Pin) -> Result<(), Error> {
        self.0.handle.call(|session| session.init_pin(pin.auth()))
    }

    /// C_SetPIN for the SO PIN. `old` is tried once.
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinForm`] when the token refuses the new one, and those of every call.
    pub fn change_so_pin(&self, old: &SoPin, new: &SoPin) -> Result<(), Error> {
        let changed = self.0.handle.call(|session| session.set_pin(old.auth(), new.auth()));
        changed.map_err(|error| self.0.token.with_pin_state(error, UserType::So))
    }
}
