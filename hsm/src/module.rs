//! A PKCS#11 module: loaded once per process, shared by clones (PKCS#11 v2.40 §5.4).
//!
//! Slot numbers never leave this crate: SoftHSM renumbers them, readers do when they are plugged elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as P11Error, RvError},
    slot::{self, Slot},
};

use crate::{
    Error, Token, TokenInfo, TokenSerial,
    epoch::{Entered, Epochs},
    error::translate,
};

const TOKEN_INFO_TRIES: u32 = 5;
const TOKEN_INFO_PAUSE: Duration = Duration::from_millis(30);

/// So long calls under way are waited for before a re-initialisation is given up; other calls wait meanwhile.
const CALLS_END_WITHIN: Duration = Duration::from_secs(2);

/// C_Initialize is per process and per library, so loading is too.
static LOADED: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());

/// A loaded and initialised module. Clones are the same module.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    path: PathBuf,
    library: Pkcs11,
    /// Counts C_Initialize. Session numbers start again after each, so a session of an older epoch must not even be
    /// closed: it would close somebody else's.
    epoch: Epochs,
    /// Tokens that this process is logged in to. A login covers all sessions of the process, so there is one owner.
    claimed: Mutex<BTreeSet<TokenSerial>>,
}

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Its file.
    pub path: PathBuf,
    /// libraryDescription.
    pub description: String,
    /// manufacturerID.
    pub manufacturer: String,
    /// libraryVersion, `major.minor`.
    pub version: String,
    /// Version of the standard that it follows, `major.minor`.
    pub cryptoki_version: String,
}

impl Module {
    /// Loads and initialises a module, once; the same path gives the same module again.
    ///
    /// # Errors
    /// [`Error::ModuleLoad`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let mut loaded = lock(&LOADED);
        if let Some(module) = loaded.get(&path) {
            return Ok(module.clone());
        }
        let failed = |error: P11Error| Error::ModuleLoad { path: path.clone(), detail: error.to_string() };
        let library = Pkcs11::new(&path).map_err(failed)?;
        initialise(&library).map_err(failed)?;
        let inner =
            Inner { path: path.clone(), library, epoch: Epochs::default(), claimed: Mutex::default() };
        let module = Self(Arc::new(inner));
        loaded.insert(path, module.clone());
        Ok(module)
    }

    /// What the module says of itself.
    ///
    /// # Errors
    /// [`Error::ModuleFailed`].
    pub fn info(&self) -> Result<ModuleInfo, Error> {
        let _epoch = self.epoch();
        let info =
            self.0.library.get_library_info().map_err(|error| translate(&TokenSerial::new("-"), error))?;
        let version = |v: cryptoki::types::Version| format!("{}.{}", v.major(), v.minor());
        Ok(ModuleInfo {
            path: self.0.path.clone(),
            description: info.library_description().to_owned(),
            manufacturer: info.manufacturer_id().to_owned(),
            version: version(info.library_version()),
            cryptoki_version: version(info.cryptoki_version()),
        })
    }

    /// Whether the module answers when it is asked, without waiting, what was plugged in or pulled out. One that does not
    /// is looked at again and again. An event that had happened is lost to others who ask.
    #[must_use]
    pub fn tells_slot_events(&self) -> bool {
        let _epoch = self.epoch();
        self.0.library.get_slot_event().is_ok()
    }

    /// Every token that is plugged in and readable, blank ones too.
    ///
    /// # Errors
    /// [`Error::ModuleFailed`].
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, Error> {
        Ok(self.slots()?.into_iter().map(|(_, info)| info).collect())
    }

    /// The token with this serial number.
    ///
    /// # Errors
    /// [`Error::TokenAbsent`], [`Error::TokenAmbiguous`], [`Error::ModuleFailed`].
    pub fn token(&self, serial: &TokenSerial) -> Result<Token, Error> {
        self.slot(serial).map(|_| Token::new(self.clone(), serial.clone()))
    }

    /// The token with this label or, when none has it, with this serial number.
    ///
    /// # Errors
    /// [`Error::TokenAbsent`], [`Error::TokenAmbiguous`], [`Error::ModuleFailed`].
    pub fn token_named(&self, name: &str) -> Result<Token, Error> {
        let mut tokens = self.tokens()?;
        if tokens.iter().any(|info| info.label == name) {
            tokens.retain(|info| info.label == name);
        } else {
            tokens.retain(|info| info.serial.as_str() == name);
        }
        let info = one(tokens, name)?;
        Ok(Token::new(self.clone(), info.serial))
    }

    /// C_Finalize and C_Initialize: the only thing that mends some modules, and the end of every session of this
    /// process with it. Calls under way are waited for, for a while; older sessions answer [`Error::SessionLost`] afterwards.
    ///
    /// # Errors
    /// [`Error::ModuleHangs`] when a call does not end: nothing was done; [`Error::ModuleLoad`] when the module does not
    /// come back.
    pub fn reinitialise(&self) -> Result<(), Error> {
        let ended = self.0.epoch.end(CALLS_END_WITHIN);
        let _ended = ended.ok_or_else(|| Error::ModuleHangs { token: TokenSerial::new("-") })?;
        // A failed C_Finalize changes nothing for us: C_Initialize then says that it is already initialised.
        if let Err(error) = self.0.library.clone().finalize() {
            tracing::warn!(%error, "C_Finalize");
        }
        initialise(&self.0.library)
            .map_err(|error| Error::ModuleLoad { path: self.0.path.clone(), detail: error.to_string() })
    }

    /// How long a call has been under way in this process without one's coming or going: a driver that may hang.
    #[must_use]
    pub fn still_for(&self) -> Option<Duration> {
        self.0.epoch.still_for()
    }

    pub(crate) fn library(&self) -> &Pkcs11 {
        &self.0.library
    }

    /// Holds off re-initialisation while a call runs.
    pub(crate) fn epoch(&self) -> Entered<'_> {
        self.0.epoch.enter()
    }

    /// Becomes the one owner of this process's login to a token.
    pub(crate) fn claim(&self, token: &TokenSerial) -> Result<Claim, Error> {
        if lock(&self.0.claimed).insert(token.clone()) {
            Ok(Claim { module: self.clone(), token: token.clone() })
        } else {
            Err(Error::TokenBusy { token: token.clone() })
        }
    }

    pub(crate) fn slot(&self, serial: &TokenSerial) -> Result<Slot, Error> {
        let slots = self.slots()?.into_iter().filter(|(_, info)| info.serial == *serial).collect();
        one(slots, serial.as_str()).map(|(slot, _)| slot)
    }

    /// Asked again after a failure: while another process writes to its token, SoftHSM fails for a moment, and a
    /// token that is there must not look pulled out.
    fn token_info(&self, slot: Slot) -> Result<slot::TokenInfo, P11Error> {
        let mut answer = self.0.library.get_token_info(slot);
        for _ in 0..TOKEN_INFO_TRIES {
            if answer.is_ok() {
                break;
            }
            std::thread::sleep(TOKEN_INFO_PAUSE);
            answer = self.0.library.get_token_info(slot);
        }
        answer
    }

    pub(crate) fn slots(&self) -> Result<Vec<(Slot, TokenInfo)>, Error> {
        let _epoch = self.epoch();
        let module = TokenSerial::new("-");
        let slots = self.0.library.get_slots_with_token().map_err(|error| translate(&module, error))?;
        let mut tokens = Vec::with_capacity(slots.len());
        for slot in slots {
            match self.token_info(slot) {
                Ok(info) => tokens.push((slot, TokenInfo::from(&info))),
                // One sick or half-inserted token must not hide the others.
                Err(error) => tracing::warn!(%slot, %error, "C_GetTokenInfo"),
            }
        }
        Ok(tokens)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({})", self.0.path.display())
    }
}

/// The right to log in to a token, until dropped.
pub(crate) struct Claim {
    module: Module,
    token: TokenSerial,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.module.0.claimed).remove(&self.token);
    }
}

fn initialise(library: &Pkcs11) -> Result<(), P11Error> {
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(P11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

fn one<T>(mut found: Vec<T>, name: &str) -> Result<T, Error> {
    match (found.pop(), found.len()) {
        (None, _) => Err(Error::TokenAbsent { name: name.to_owned() }),
        (Some(only), 0) => Ok(only),
        (Some(_), others) => Err(Error::TokenAmbiguous { name: name.to_owned(), count: others + 1 }),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
