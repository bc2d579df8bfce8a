//! A PIN counter that really locks, which SoftHSM has not: kept in files, because a token keeps it while it is unplugged.

use std::{fs, path::PathBuf};

use cryptoki_sys::*;

use crate::{plug, real};

/// As many wrong tries in a row lock a PIN.
const TRIES: u32 = 3;

/// One PIN of one token.
pub(crate) struct Counter {
    file: PathBuf,
}

impl Counter {
    /// The counter of the PIN that this user has; `None` when no folder is given, or nobody knows the token.
    pub(crate) fn of_session(session: CK_SESSION_HANDLE, user: CK_USER_TYPE) -> Option<Self> {
        Self::of_slot(plug::slot_of(session)?, user)
    }

    pub(crate) fn of_slot(slot: CK_SLOT_ID, user: CK_USER_TYPE) -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("P11_FAULT_PIN_COUNTERS")?);
        let who = match user {
            CKU_USER => "user",
            CKU_SO => "so",
            _ => return None,
        };
        let serial = String::from_utf8_lossy(&real::token_info(slot)?.serialNumber).trim().to_owned();
        // A blank token of SoftHSM has no serial number, and no wrong PIN either.
        (!serial.is_empty()).then(|| Self { file: folder.join(format!("{serial}.{who}")) })
    }

    /// Who has the PIN that C_SetPIN changes in this session.
    pub(crate) fn of_set_pin(session: CK_SESSION_HANDLE) -> Option<Self> {
        let is_so = plug::session_info(session)?.state == CKS_RW_SO_FUNCTIONS;
        Self::of_session(session, if is_so { CKU_SO } else { CKU_USER })
    }

    fn wrong(&self) -> u32 {
        fs::read_to_string(&self.file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn set(&self, wrong: u32) {
        let written = fs::write(&self.file, wrong.to_string());
        assert!(written.is_ok(), "{}: {written:?}", self.file.display());
    }

    pub(crate) fn clear(&self) {
        self.set(0);
    }

    /// A call that gives a PIN to the token. It never reaches a token whose PIN is locked.
    pub(crate) fn guard(counter: Option<&Self>, real: impl FnOnce() -> CK_RV) -> CK_RV {
        let Some(counter) = counter else { return real() };
        if counter.wrong() >= TRIES {
            return CKR_PIN_LOCKED;
        }
        let answer = real();
        match answer {
            CKR_OK => counter.clear(),
            CKR_PIN_INCORRECT => counter.set(counter.wrong() + 1),
            _ => {}
        }
        answer
    }

    fn flags(&self, low: CK_FLAGS, last: CK_FLAGS, locked: CK_FLAGS) -> CK_FLAGS {
        match self.wrong() {
            0 => 0,
            wrong if wrong >= TRIES => low | locked,
            wrong if wrong == TRIES - 1 => low | last,
            _ => low,
        }
    }
}

/// What the token says of itself, with our counters instead of its own.
pub(crate) fn told(slot: CK_SLOT_ID, info: &mut CK_TOKEN_INFO) {
    if let Some(user) = Counter::of_slot(slot, CKU_USER) {
        let (low, last, locked) = (CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED);
        info.flags = (info.flags & !(low | last | locked)) | user.flags(low, last, locked);
    }
    if let Some(so) = Counter::of_slot(slot, CKU_SO) {
        let (low, last, locked) = (CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED);
        info.flags = (info.flags & !(low | last | locked)) | so.flags(low, last, locked);
    }
}
