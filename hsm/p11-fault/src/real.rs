//! The real module, loaded once.

use std::{ptr, sync::OnceLock};

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CK_SLOT_ID, CK_TOKEN_INFO, CKR_OK};
use libloading::Library;

type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;

static REAL: OnceLock<Option<CK_FUNCTION_LIST>> = OnceLock::new();

/// Its functions; `None` when it cannot be loaded.
pub(crate) fn functions() -> Option<&'static CK_FUNCTION_LIST> {
    REAL.get_or_init(load).as_ref()
}

/// What the real token in this slot says of itself.
pub(crate) fn token_info(slot: CK_SLOT_ID) -> Option<CK_TOKEN_INFO> {
    let get = functions()?.C_GetTokenInfo?;
    let mut info = CK_TOKEN_INFO::default();
    // SAFETY: `info` can be written.
    let answer = unsafe { get(slot, &raw mut info) };
    (answer == CKR_OK).then_some(info)
}

fn load() -> Option<CK_FUNCTION_LIST> {
    let path = std::env::var_os("P11_FAULT_MODULE")?;
    // SAFETY: a PKCS#11 module that the test chose.
    let library = unsafe { Library::new(path) }.ok()?;
    // SAFETY: the symbol has this type in every module.
    let get = *unsafe { library.get::<GetFunctionList>(b"C_GetFunctionList\0") }.ok()?;
    // The functions are used until the process ends.
    std::mem::forget(library);
    let mut list = ptr::null_mut();
    // SAFETY: `list` can be written.
    if unsafe { get(&raw mut list) } != CKR_OK || list.is_null() {
        return None;
    }
    // SAFETY: a module's list lives as long as the module.
    Some(unsafe { *list })
}
