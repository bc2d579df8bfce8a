//! A PKCS#11 module for tests: forwards to a real one, writes down signatures, injects faults, plays an unplugged
//! token. Never shipped.
//!
//! | variable | meaning |
//! |---|---|
//! | `P11_FAULT_MODULE` | file of the real module |
//! | `P11_FAULT_JOURNAL` | file that gets a line before and after each signature |
//! | `P11_FAULT_CALLS` | file that gets a line for each call that can be disturbed: `FUNCTION NTH`, counted as its faults are |
//! | `P11_FAULT` | faults, separated by commas: `FUNCTION:NTH:before\|after:WHAT` |
//! | `P11_FAULT_CONTROL` | file with such faults instead: read at each call, counted from its last change |
//! | `P11_FAULT_GONE` | control file: while it exists, the tokens named in it (label or serial number, one a line; all when it is empty) are unplugged |
//! | `P11_FAULT_RELEASE` | control file: calls that hang go on once it exists |
//! | `P11_FAULT_SWAP` | file that takes the place of `P11_FAULT_GONE` when tokens are exchanged |
//! | `P11_FAULT_PIN_COUNTERS` | folder for PIN counters: three wrong tries in a row lock a PIN, as SoftHSM never does |
//!
//! `C_Sign:2:after:0x30` lets the second C_Sign of the process do its work and then answers CKR_DEVICE_ERROR. Instead of a
//! CKR code: `kill` (SIGKILL), `abort` (the module crashes), `hang` (until it is released; then the call goes on), `swap`
//! (another token is there from now on), `flip` (one bit of the signature is wrong), `truncate` (half of the signature,
//! or of the new object's value, and "done"). Calls that only ask for the length of a signature neither count nor
//! stand in the journal.
//!
//! Where each of them is injected, before and after the effect:
//!
//! | | HSM that signs | token that is personalised |
//! |---|---|---|
//! | answers: [`table`], functions × codes | `tests/matrix.rs` | `ukey/tests/matrix.rs`, in each command |
//! | the other codes of the standard | `tests/matrix.rs`: each is one of the situations above | the same |
//! | hang | `tests/matrix.rs`, `tests/faults.rs`, the server's `hang.rs` | `ukey/tests/matrix.rs` |
//! | crash of the module | the server's `crash.rs`: killed before and after each write, so around each signature | `ukey/tests/crash.rs`, in each command |
//! | token pulled | `tests/faults.rs` | `ukey/tests/job.rs` at each call, the server's `unplugged.rs` |
//! | token exchanged | `tests/matrix.rs`, `tests/faults.rs` | `ukey/tests/matrix.rs` |
//! | wrong or cut signature | `tests/matrix.rs` | `ukey/tests/matrix.rs` |
//! | cut write | signing writes nothing | `ukey/tests/matrix.rs` |
//! | PIN counter that locks | `tests/faults.rs` | `ukey/tests/locked.rs` |
//!
//! Not to be had: another token in the very slot of the one before without the driver's noticing. Here each token has its
//! own slot, and the old one is gone.
#![expect(unsafe_code, reason = "a C library: its whole interface is raw pointers of PKCS#11")]
#![expect(non_snake_case, reason = "the functions have the standard's names")]

mod fault;
mod forward;
mod journal;
mod plug;
mod real;
pub mod table;
mod tries;

use std::path::PathBuf;

use cryptoki_sys::{CK_FUNCTION_LIST_PTR_PTR, CK_RV, CKR_ARGUMENTS_BAD, CKR_GENERAL_ERROR, CKR_OK};

/// The built module, for tests of crates that have this one as a dev-dependency: it lies beside their own binaries.
#[must_use]
pub fn shared_library() -> Option<PathBuf> {
    let name = format!("{}p11_fault{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe().ok()?;
    test.ancestors().skip(1).take(3).map(|folder| folder.join(&name)).find(|file| file.exists())
}

/// The only symbol of a module (PKCS#11 v2.40 §5.4).
///
/// # Safety
/// `list` is null or points to a pointer that can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    match forward::list() {
        Some(ours) => {
            // SAFETY: not null, and the caller's by contract.
            unsafe { list.write(ours) };
            CKR_OK
        }
        None => CKR_GENERAL_ERROR,
    }
}
