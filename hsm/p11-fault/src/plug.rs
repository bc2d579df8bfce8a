//! Unplugged tokens: while the control file names a token, it is gone, and its sessions and login with it.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

use cryptoki_sys::{CK_SESSION_HANDLE, CK_SESSION_INFO, CK_SLOT_ID, CKR_OK};

use crate::real;

static CONTROL: OnceLock<Option<PathBuf>> = OnceLock::new();
/// Slots whose sessions were closed when their token went.
static UNPLUGGED: Mutex<BTreeSet<CK_SLOT_ID>> = Mutex::new(BTreeSet::new());

/// Whether the slot's token is unplugged now.
pub(crate) fn slot_is_gone(slot: CK_SLOT_ID) -> bool {
    let path = CONTROL.get_or_init(|| std::env::var_os("P11_FAULT_GONE").map(PathBuf::from));
    let named = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
    let gone =
        named.is_some_and(|names| names.trim().is_empty() || names.lines().any(|name| is_called(slot, name)));
    let mut unplugged = UNPLUGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if !gone {
        unplugged.remove(&slot);
    } else if unplugged.insert(slot)
        && let Some(close) = real::functions().and_then(|list| list.C_CloseAllSessions)
    {
        // A pulled token forgets its sessions: they must not work again after it is plugged in.
        // SAFETY: a function of the real module with a slot that it gave.
        unsafe { close(slot) };
    }
    gone
}

/// Whether the session's token is unplugged now. A session of a token that was unplugged meanwhile has no slot any
/// more: the real module answers for it.
pub(crate) fn session_is_gone(session: CK_SESSION_HANDLE) -> bool {
    slot_of(session).is_some_and(slot_is_gone)
}

/// The slot of a session.
pub(crate) fn slot_of(session: CK_SESSION_HANDLE) -> Option<CK_SLOT_ID> {
    Some(session_info(session)?.slotID)
}

pub(crate) fn session_info(session: CK_SESSION_HANDLE) -> Option<CK_SESSION_INFO> {
    let get = real::functions()?.C_GetSessionInfo?;
    let mut info = CK_SESSION_INFO::default();
    // SAFETY: `info` can be written.
    let answer = unsafe { get(session, &raw mut info) };
    (answer == CKR_OK).then_some(info)
}

fn is_called(slot: CK_SLOT_ID, name: &str) -> bool {
    let Some(info) = real::token_info(slot) else { return false };
    let is = |field: &[u8]| String::from_utf8_lossy(field).trim_end() == name.trim();
    is(&info.label) || is(&info.serialNumber)
}
