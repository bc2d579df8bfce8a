//! A token, known by its serial number, and what it says of itself (CK_TOKEN_INFO, PKCS#11 v2.40 §3.2).

use std::fmt;

use cryptoki::{session::UserType, slot};

use crate::{
    CertificateObject, Error, Module, Pin, Session, SoPin, SoSession,
    error::translate,
    handle::{Handle, Mode},
    session::Login,
};

const LABEL_OCTETS_MAX: usize = 32;
/// How often, and how far apart, a token is asked for a user PIN that it does not see.
const LOOKS: u32 = 10;
/// After so many of them the module is told to look anew.
const LOOK_ANEW: u32 = 3;
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// A token's serial number, as the token gives it, without padding. SoftHSM's blank token has the empty one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenSerial(String);

impl TokenSerial {
    /// Takes a serial number; padding of spaces and NULs is cut off.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches([' ', '\0']).to_owned())
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSerial({self})")
    }
}

/// What a token says of the PIN tries left. PKCS#11 has flags, no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// No wrong try since the last right one, as far as the token tells.
    Ok,
    /// At least one wrong try.
    CountLow,
    /// One try is left.
    FinalTry,
    /// No try is left.
    Locked,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "no wrong try",
            Self::CountLow => "wrong tries before",
            Self::FinalTry => "one try left",
            Self::Locked => "locked",
        })
    }
}

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Serial number.
    pub serial: TokenSerial,
    /// Label; empty before C_InitToken.
    pub label: String,
    /// Model.
    pub model: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// C_InitToken was done.
    pub initialised: bool,
    /// C_InitPIN was done.
    pub user_pin_initialised: bool,
    /// Nothing can be written.
    pub write_protected: bool,
    /// Private objects need a login.
    pub login_required: bool,
    /// The PIN is typed on the reader, not here.
    pub pin_pad: bool,
    /// The user PIN's tries.
    pub pin: PinState,
    /// The SO PIN's tries.
    pub so_pin: PinState,
    /// Shortest PIN, in octets.
    pub pin_length_min: usize,
    /// Longest PIN, in octets.
    pub pin_length_max: usize,
    /// It has a random number generator of its own.
    pub random: bool,
    /// Octets that are free for public objects, where it says so.
    pub free_public: Option<usize>,
    /// Octets that are free for private objects, where it says so.
    pub free_private: Option<usize>,
}

impl From<&slot::TokenInfo> for TokenInfo {
    fn from(info: &slot::TokenInfo) -> Self {
        let clean = |text: &str| text.trim_end_matches([' ', '\0']).to_owned();
        Self {
            serial: TokenSerial::new(info.serial_number()),
            label: clean(info.label()),
            model: clean(info.model()),
            manufacturer: clean(info.manufacturer_id()),
            initialised: info.token_initialized(),
            user_pin_initialised: info.user_pin_initialized(),
            write_protected: info.write_protected(),
            login_required: info.login_required(),
            pin_pad: info.protected_authentication_path(),
            pin: pin_state(info.user_pin_locked(), info.user_pin_final_try(), info.user_pin_count_low()),
            so_pin: pin_state(info.so_pin_locked(), info.so_pin_final_try(), info.so_pin_count_low()),
            pin_length_min: info.min_pin_length(),
            pin_length_max: info.max_pin_length(),
            random: info.rng(),
            free_public: info.free_public_memory(),
            free_private: info.free_private_memory(),
        }
    }
}

fn pin_state(locked: bool, final_try: bool, count_low: bool) -> PinState {
    match (locked, final_try, count_low) {
        (true, ..) => PinState::Locked,
        (_, true, _) => PinState::FinalTry,
        (.., true) => PinState::CountLow,
        _ => PinState::Ok,
    }
}

/// A token. Each call looks for its slot again, so pulling it out and plugging it in elsewhere is harmless.
#[derive(Clone, Debug)]
pub struct Token {
    module: Module,
    serial: TokenSerial,
}

impl Token {
    pub(crate) fn new(module: Module, serial: TokenSerial) -> Self {
        Self { module, serial }
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> &TokenSerial {
        &self.serial
    }

    /// The module it was found in.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// What it says of itself now.
    ///
    /// # Errors
    /// [`Error::TokenAbsent`], [`Error::ModuleFailed`].
    pub fn info(&self) -> Result<TokenInfo, Error> {
        let found = self.module.tokens()?.into_iter().find(|info| info.serial == self.serial);
        found.ok_or_else(|| Error::TokenAbsent { name: self.serial.to_string() })
    }

    /// Names of its mechanisms (`CKM_…`), sorted.
    ///
    /// # Errors
    /// [`Error::TokenAbsent`], [`Error::ModuleFailed`].
    pub fn mechanisms(&self) -> Result<Vec<String>, Error> {
        let slot = self.module.slot(&self.serial)?;
        let _epoch = self.module.epoch();
        let list =
            self.module.library().get_mechanism_list(slot).map_err(|error| translate(&self.serial, error))?;
        let mut names: Vec<_> = list.iter().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    /// C_InitToken: destroys every object, sets the SO PIN (blank token) or checks it (used token), gives a label of
    /// 1 to 32 octets. There is no user PIN afterwards. The answer is the token under its serial number of now:
    /// SoftHSM gives one only here.
    ///
    /// # Errors
    /// [`Error::Label`], [`Error::PinIncorrect`] for the SO PIN, [`Error::TokenBusy`] while anybody has a session,
    /// and those of every call.
    pub fn init(&self, so_pin: &SoPin, label: &str) -> Result<Self, Error> {
        if label.is_empty() || label.len() > LABEL_OCTETS_MAX {
            return Err(Error::Label { label: label.to_owned() });
        }
        let _claim = self.module.claim(&self.serial)?;
        let slot = self.module.slot(&self.serial)?;
        let before = self.module.tokens()?;
        let made = {
            let _epoch = self.module.epoch();
            self.module.library().init_token(slot, so_pin.auth(), label)
        };
        made.map_err(|error| self.with_pin_state(translate(&self.serial, error), UserType::So))?;
        let after = self.module.tokens()?;
        let fresh =
            |info: &&TokenInfo| info.label == label && !before.iter().any(|old| old.serial == info.serial);
        let same = |info: &&TokenInfo| info.label == label && info.serial == self.serial;
        let info = after.iter().find(same).or_else(|| after.iter().find(fresh));
        let info = info.ok_or_else(|| Error::TokenAbsent { name: label.to_owned() })?;
        Ok(Self::new(self.module.clone(), info.serial.clone()))
    }

    /// Logs in as security officer.
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinLocked`], [`Error::TokenBusy`] while this process is logged in or any
    /// read-only session is open, and those of every call.
    pub fn so_session(&self, so_pin: &SoPin) -> Result<SoSession, Error> {
        Login::new(self, UserType::So, so_pin.auth()).map(SoSession::new)
    }

    /// Logs in as user, read and write. The PIN is tried once; a token that says it has none is asked a few times,
    /// because SoftHSM says so while another program writes to it, and goes on saying so until the module looks anew: that
    /// ends this process's other sessions ([`Module::reinitialise`]).
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinLocked`], [`Error::NotInitialised`] without a user PIN,
    /// [`Error::TokenBusy`] while this process is logged in, and those of every call.
    pub fn session(&self, pin: &Pin) -> Result<Session, Error> {
        for look in 1..=LOOKS {
            match Login::new(self, UserType::User, pin.auth()) {
                Err(Error::NotInitialised { .. }) => {
                    std::thread::sleep(LOOK_AGAIN);
                    if look % LOOK_ANEW == 0 {
                        self.module.reinitialise()?;
                    }
                }
                other => return other.map(Session::new),
            }
        }
        Login::new(self, UserType::User, pin.auth()).map(Session::new)
    }

    /// Certificates on the token; they are public, no PIN is needed.
    ///
    /// # Errors
    /// Those of every call.
    pub fn certificates(&self) -> Result<Vec<CertificateObject>, Error> {
        Handle::open(&self.module, &self.serial, Mode::ReadOnly)?.certificates()
    }

    /// Fills in what the token says of the tries left, which CKR_PIN_INCORRECT does not.
    pub(crate) fn with_pin_state(&self, error: Error, user: UserType) -> Error {
        match (error, self.info()) {
            (Error::PinIncorrect { token, .. }, Ok(info)) => {
                let state = if matches!(user, UserType::So) { info.so_pin } else { info.pin };
                Error::PinIncorrect { token, state }
            }
            (other, _) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_flag_counts() {
        assert_eq!(pin_state(false, false, false), PinState::Ok);
        assert_eq!(pin_state(false, false, true), PinState::CountLow);
        assert_eq!(pin_state(false, true, true), PinState::FinalTry);
        assert_eq!(pin_state(true, true, true), PinState::Locked);
    }

    #[test]
    fn padding_is_no_part_of_a_serial_number() {
        assert_eq!(TokenSerial::new("0123  \0\0").as_str(), "0123");
        assert_eq!(TokenSerial::new("                ").as_str(), "");
    }
}
