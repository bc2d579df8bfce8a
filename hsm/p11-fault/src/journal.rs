//! What was signed: one line before the real call, one after; and, in a file of its own, every call. Lines survive a
//! killed process.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::Write as _,
    sync::{Mutex, OnceLock, PoisonError},
};

use cryptoki_sys::{CK_MECHANISM_TYPE, CK_RV, CK_SESSION_HANDLE};

static FILE: OnceLock<Option<File>> = OnceLock::new();
static CALLS: OnceLock<Option<File>> = OnceLock::new();
/// Mechanism of each session's running signature: an HMAC is not a signature of a CA.
static MECHANISMS: Mutex<BTreeMap<CK_SESSION_HANDLE, CK_MECHANISM_TYPE>> = Mutex::new(BTreeMap::new());

/// C_SignInit succeeded.
pub(crate) fn init(session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_TYPE) {
    MECHANISMS.lock().unwrap_or_else(PoisonError::into_inner).insert(session, mechanism);
}

/// A signature is about to be made. `data` is empty for C_SignFinal.
pub(crate) fn begin(session: CK_SESSION_HANDLE, slot: u64, data: &[u8]) {
    let mechanism =
        MECHANISMS.lock().unwrap_or_else(PoisonError::into_inner).get(&session).copied().unwrap_or(0);
    let mut hex = String::new();
    for octet in data {
        let _ = write!(hex, "{octet:02x}");
    }
    line(&format!(
        "sign begin session={session} slot={slot} mechanism={mechanism:#010x} length={} data={hex}\n",
        data.len()
    ));
}

/// The caller is about to get this answer. `made` tells whether the real module made a signature.
pub(crate) fn end(session: CK_SESSION_HANDLE, answer: CK_RV, made: bool) {
    line(&format!("sign end session={session} made={made} rv={answer:#010x}\n"));
}

/// The nth call of a function that faults can be injected into.
pub(crate) fn call(function: &str, nth: u64) {
    write(&CALLS, "P11_FAULT_CALLS", &format!("{function} {nth}\n"));
}

fn line(text: &str) {
    write(&FILE, "P11_FAULT_JOURNAL", text);
}

/// One write, without a buffer: nothing is lost when the process is killed.
fn write(file: &OnceLock<Option<File>>, variable: &str, text: &str) {
    let file = file.get_or_init(|| {
        let path = std::env::var_os(variable)?;
        OpenOptions::new().create(true).append(true).open(path).ok()
    });
    if let Some(mut file) = file.as_ref() {
        let _ = file.write_all(text.as_bytes());
    }
}
