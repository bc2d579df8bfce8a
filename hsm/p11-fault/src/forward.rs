//! The function list: the real one, with every function that this crate can disturb replaced by one of ours.

use std::{ffi::c_void, ptr, slice, sync::OnceLock};

use cryptoki_sys::*;

use crate::{
    fault::{self, Moment},
    journal, plug, real,
};

struct List(CK_FUNCTION_LIST);

static LIST: OnceLock<Option<List>> = OnceLock::new();

/// Our function list; `None` when the real module cannot be loaded. Callers only read it.
pub(crate) fn list() -> Option<*mut CK_FUNCTION_LIST> {
    let list = LIST.get_or_init(|| real::functions().map(|real| List(replaced(*real)))).as_ref()?;
    Some(ptr::from_ref(&list.0).cast_mut())
}

/// How a call's token is found, to know whether it is unplugged.
#[derive(Clone, Copy)]
enum About {
    Module,
    Slot(CK_SLOT_ID),
    Session(CK_SESSION_HANDLE),
}

fn is_gone(about: About) -> bool {
    match about {
        About::Module => false,
        About::Slot(slot) => plug::slot_is_gone(slot),
        About::Session(session) => plug::session_is_gone(session),
    }
}

/// A call of the real module between the faults.
fn disturbed(function: &'static str, about: About, real: impl FnOnce() -> CK_RV) -> CK_RV {
    if is_gone(about) {
        return CKR_DEVICE_REMOVED;
    }
    match fault::strikes(function) {
        Some((Moment::Before, end)) => end.answer(),
        Some((Moment::After, end)) => {
            real();
            end.answer()
        }
        None => real(),
    }
}

macro_rules! forwards {
    ($($name:ident($about:expr; $($argument:ident: $kind:ty),*);)+) => {
        $(
            unsafe extern "C" fn $name($($argument: $kind),*) -> CK_RV {
                let Some(function) = real::functions().and_then(|list| list.$name) else {
                    return CKR_FUNCTION_NOT_SUPPORTED;
                };
                // SAFETY: the caller's own arguments, by the standard's contract for this function.
                disturbed(stringify!($name), $about, || unsafe { function($($argument),*) })
            }
        )+

        fn replaced(mut list: CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
            $( list.$name = list.$name.map(|_| $name as _); )+
            list.C_GetFunctionList = Some(crate::C_GetFunctionList);
            list.C_SignInit = Some(C_SignInit);
            list.C_Sign = Some(C_Sign);
            list.C_SignFinal = Some(C_SignFinal);
            list
        }

        /// Whether faults can be injected into this function.
        pub(crate) fn knows(function: &str) -> bool {
            [$(stringify!($name),)+ "C_SignInit", "C_Sign", "C_SignFinal"].contains(&function)
        }
    };
}

forwards! {
    C_Initialize(About::Module; arguments: *mut c_void);
    C_Finalize(About::Module; reserved: *mut c_void);
    C_GetSlotList(About::Module; present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG);
    C_GetTokenInfo(About::Slot(slot); slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO);
    C_GetMechanismList(About::Slot(slot); slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG);
    C_InitToken(About::Slot(slot); slot: CK_SLOT_ID, pin: *mut CK_UTF8CHAR, length: CK_ULONG, label: *mut CK_UTF8CHAR);
    C_InitPIN(About::Session(session); session: CK_SESSION_HANDLE, pin: *mut CK_UTF8CHAR, length: CK_ULONG);
    C_SetPIN(About::Session(session); session: CK_SESSION_HANDLE, old: *mut CK_UTF8CHAR, old_length: CK_ULONG,
        new: *mut CK_UTF8CHAR, new_length: CK_ULONG);
    C_OpenSession(About::Slot(slot); slot: CK_SLOT_ID, flags: CK_FLAGS, application: *mut c_void, notify: CK_NOTIFY,
        session: *mut CK_SESSION_HANDLE);
    C_CloseSession(About::Session(session); session: CK_SESSION_HANDLE);
    C_GetSessionInfo(About::Session(session); session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO);
    C_Login(About::Session(session); session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: *mut CK_UTF8CHAR,
        length: CK_ULONG);
    C_Logout(About::Session(session); session: CK_SESSION_HANDLE);
    C_CreateObject(About::Session(session); session: CK_SESSION_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG,
        object: *mut CK_OBJECT_HANDLE);
    C_DestroyObject(About::Session(session); session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE);
    C_GetAttributeValue(About::Session(session); session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE,
        template: *mut CK_ATTRIBUTE, count: CK_ULONG);
    C_SetAttributeValue(About::Session(session); session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE,
        template: *mut CK_ATTRIBUTE, count: CK_ULONG);
    C_FindObjectsInit(About::Session(session); session: CK_SESSION_HANDLE, template: *mut CK_ATTRIBUTE,
        count: CK_ULONG);
    C_FindObjects(About::Session(session); session: CK_SESSION_HANDLE, objects: *mut CK_OBJECT_HANDLE, most: CK_ULONG,
        count: *mut CK_ULONG);
    C_FindObjectsFinal(About::Session(session); session: CK_SESSION_HANDLE);
    C_SignUpdate(About::Session(session); session: CK_SESSION_HANDLE, data: *mut CK_BYTE, length: CK_ULONG);
    C_GenerateKey(About::Session(session); session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM,
        template: *mut CK_ATTRIBUTE, count: CK_ULONG, key: *mut CK_OBJECT_HANDLE);
    C_GenerateKeyPair(About::Session(session); session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM,
        public: *mut CK_ATTRIBUTE, public_count: CK_ULONG, private: *mut CK_ATTRIBUTE, private_count: CK_ULONG,
        public_key: *mut CK_OBJECT_HANDLE, private_key: *mut CK_OBJECT_HANDLE);
    C_GenerateRandom(About::Session(session); session: CK_SESSION_HANDLE, random: *mut CK_BYTE, length: CK_ULONG);
}

unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_SignInit) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    let answer = disturbed("C_SignInit", About::Session(session), || {
        // SAFETY: the caller's own arguments.
        unsafe { function(session, mechanism, key) }
    });
    if answer == CKR_OK && !mechanism.is_null() {
        // SAFETY: not null, and the real module has just read it.
        journal::init(session, unsafe { (*mechanism).mechanism });
    }
    answer
}

unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_length: CK_ULONG,
    signature: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_Sign) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    // SAFETY: the caller's data, of the caller's length.
    let signed = unsafe { octets(data, data_length) };
    signing("C_Sign", session, signed, signature, |signature, own_length| {
        let length = own_length.unwrap_or(length);
        // SAFETY: the caller's own arguments, or a buffer of ours with its length.
        unsafe { function(session, data, data_length, signature, length) }
    })
}

unsafe extern "C" fn C_SignFinal(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_SignFinal) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    signing("C_SignFinal", session, &[], signature, |signature, own_length| {
        let length = own_length.unwrap_or(length);
        // SAFETY: the caller's own arguments, or a buffer of ours with its length.
        unsafe { function(session, signature, length) }
    })
}

/// A signature between the faults, with its lines in the journal. `real` takes another buffer when the caller must
/// not get the signature.
fn signing(
    name: &'static str,
    session: CK_SESSION_HANDLE,
    data: &[u8],
    signature: *mut CK_BYTE,
    real: impl Fn(*mut CK_BYTE, Option<*mut CK_ULONG>) -> CK_RV,
) -> CK_RV {
    if is_gone(About::Session(session)) {
        return CKR_DEVICE_REMOVED;
    }
    if signature.is_null() {
        return real(signature, None);
    }
    journal::begin(session, plug::slot_of(session).unwrap_or(CK_ULONG::MAX), data);
    // Otherwise the real operation would stay active and the next C_SignInit answer CKR_OPERATION_ACTIVE.
    let ended = || {
        let mut scratch = [0; 1024];
        let mut length: CK_ULONG = 1024;
        real(scratch.as_mut_ptr(), Some(&raw mut length))
    };
    let (answer, made) = match fault::strikes(name) {
        Some((Moment::Before, end)) => {
            let code = end.answer();
            ended();
            (code, false)
        }
        Some((Moment::After, end)) => {
            let made = ended() == CKR_OK;
            (end.answer(), made)
        }
        None => {
            let answer = real(signature, None);
            (answer, answer == CKR_OK)
        }
    };
    journal::end(session, answer, made);
    answer
}

/// # Safety
/// `data` is null or has `length` octets that can be read.
unsafe fn octets<'a>(data: *const CK_BYTE, length: CK_ULONG) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: by this function's own contract.
        Ok(length) if !data.is_null() => unsafe { slice::from_raw_parts(data, length) },
        _ => &[],
    }
}
