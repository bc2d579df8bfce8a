//! The function list: the real one, with every function that this crate can disturb replaced by one of ours.

use std::{ffi::c_void, ptr, slice, sync::OnceLock};

use cryptoki_sys::*;

use crate::{
    fault::{self, End, Moment},
    journal, plug, real, tries,
    tries::Counter,
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
    disturbed_by(function, about, |_| real())
}

/// As [`disturbed`], for a call that a fault can spoil, too.
fn disturbed_by(function: &'static str, about: About, real: impl FnOnce(Option<End>) -> CK_RV) -> CK_RV {
    if is_gone(about) {
        return CKR_DEVICE_REMOVED;
    }
    match fault::strikes(function) {
        Some((Moment::Before, end)) => match end.happen() {
            Some(answer) => answer,
            // The token may have gone meanwhile.
            None if is_gone(about) => CKR_DEVICE_REMOVED,
            None => real(Some(end)),
        },
        Some((Moment::After, end)) => {
            let answer = real(Some(end));
            end.happen().unwrap_or(answer)
        }
        None => real(None),
    }
}

/// Functions that do more than go through.
const OURS: [&str; 9] = [
    "C_GetTokenInfo",
    "C_InitToken",
    "C_InitPIN",
    "C_SetPIN",
    "C_Login",
    "C_CreateObject",
    "C_SignInit",
    "C_Sign",
    "C_SignFinal",
];

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
            list.C_GetTokenInfo = Some(C_GetTokenInfo);
            list.C_InitToken = Some(C_InitToken);
            list.C_InitPIN = Some(C_InitPIN);
            list.C_SetPIN = Some(C_SetPIN);
            list.C_Login = Some(C_Login);
            list.C_CreateObject = Some(C_CreateObject);
            list.C_Sign = Some(C_Sign);
            list.C_SignFinal = Some(C_SignFinal);
            list
        }

        /// Whether faults can be injected into this function.
        pub(crate) fn knows(function: &str) -> bool {
            [$(stringify!($name),)+].contains(&function) || OURS.contains(&function)
        }
    };
}

forwards! {
    C_Initialize(About::Module; arguments: *mut c_void);
    C_Finalize(About::Module; reserved: *mut c_void);
    C_GetSlotList(About::Module; present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG);
    C_GetMechanismList(About::Slot(slot); slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG);
    C_OpenSession(About::Slot(slot); slot: CK_SLOT_ID, flags: CK_FLAGS, application: *mut c_void, notify: CK_NOTIFY,
        session: *mut CK_SESSION_HANDLE);
    C_CloseSession(About::Session(session); session: CK_SESSION_HANDLE);
    C_GetSessionInfo(About::Session(session); session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO);
    C_Logout(About::Session(session); session: CK_SESSION_HANDLE);
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

unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_GetTokenInfo) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    disturbed("C_GetTokenInfo", About::Slot(slot), || {
        // SAFETY: the caller's own arguments.
        let answer = unsafe { function(slot, info) };
        if answer == CKR_OK {
            // SAFETY: the real module has just written there.
            tries::told(slot, unsafe { &mut *info });
        }
        answer
    })
}

unsafe extern "C" fn C_InitToken(
    slot: CK_SLOT_ID,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
    label: *mut CK_UTF8CHAR,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_InitToken) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    disturbed("C_InitToken", About::Slot(slot), || {
        let (so, user) = (Counter::of_slot(slot, CKU_SO), Counter::of_slot(slot, CKU_USER));
        // SAFETY: the caller's own arguments.
        let answer = Counter::guard(so.as_ref(), || unsafe { function(slot, pin, length, label) });
        if answer == CKR_OK {
            user.as_ref().inspect(|user| user.clear());
        }
        answer
    })
}

unsafe extern "C" fn C_InitPIN(session: CK_SESSION_HANDLE, pin: *mut CK_UTF8CHAR, length: CK_ULONG) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_InitPIN) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    disturbed("C_InitPIN", About::Session(session), || {
        // SAFETY: the caller's own arguments.
        let answer = unsafe { function(session, pin, length) };
        if answer == CKR_OK {
            Counter::of_session(session, CKU_USER).inspect(Counter::clear);
        }
        answer
    })
}

unsafe extern "C" fn C_SetPIN(
    session: CK_SESSION_HANDLE,
    old: *mut CK_UTF8CHAR,
    old_length: CK_ULONG,
    new: *mut CK_UTF8CHAR,
    new_length: CK_ULONG,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_SetPIN) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    disturbed("C_SetPIN", About::Session(session), || {
        let counter = Counter::of_set_pin(session);
        // SAFETY: the caller's own arguments.
        Counter::guard(counter.as_ref(), || unsafe { function(session, old, old_length, new, new_length) })
    })
}

unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_Login) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    disturbed("C_Login", About::Session(session), || {
        let counter = Counter::of_session(session, user);
        // SAFETY: the caller's own arguments.
        Counter::guard(counter.as_ref(), || unsafe { function(session, user, pin, length) })
    })
}

unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    let Some(function) = real::functions().and_then(|list| list.C_CreateObject) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    // SAFETY: the caller's template, of the caller's length; our copy points to the caller's values.
    let mut attributes = unsafe { octets(template.cast_const(), count) }.to_vec();
    disturbed_by("C_CreateObject", About::Session(session), |end| {
        if end == Some(End::Truncate) {
            for attribute in attributes.iter_mut().filter(|attribute| attribute.type_ == CKA_VALUE) {
                attribute.ulValueLen /= 2;
            }
        }
        // SAFETY: as many attributes as the caller gave, with values that are at least as long.
        unsafe { function(session, attributes.as_mut_ptr(), count, object) }
    })
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
    signing("C_Sign", session, signed, (signature, length), |signature, own_length| {
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
    signing("C_SignFinal", session, &[], (signature, length), |signature, own_length| {
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
    (signature, length): (*mut CK_BYTE, *mut CK_ULONG),
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
    let answered = || {
        let answer = real(signature, None);
        (answer, answer == CKR_OK)
    };
    let (answer, made) = match fault::strikes(name) {
        Some((Moment::Before, end)) => match end.happen() {
            Some(code) => {
                ended();
                (code, false)
            }
            None if is_gone(About::Session(session)) => (CKR_DEVICE_REMOVED, false),
            None => answered(),
        },
        Some((Moment::After, end @ (End::Flip | End::Truncate))) => {
            let (answer, made) = answered();
            if made {
                // SAFETY: a signature of this length was just written.
                unsafe { spoil(end, signature, length) };
            }
            (answer, made)
        }
        Some((Moment::After, end @ End::Answer(_))) => {
            let made = ended() == CKR_OK;
            (end.happen().unwrap_or(CKR_GENERAL_ERROR), made)
        }
        Some((Moment::After, end)) => {
            let (answer, made) = answered();
            (end.happen().unwrap_or(answer), made)
        }
        None => answered(),
    };
    journal::end(session, answer, made);
    answer
}

/// # Safety
/// `signature` has `*length` octets.
unsafe fn spoil(end: End, signature: *mut CK_BYTE, length: *mut CK_ULONG) {
    // SAFETY: by this function's own contract; no signature is empty.
    unsafe {
        match end {
            End::Flip => *signature ^= 1,
            _ => *length /= 2,
        }
    }
}

/// # Safety
/// `data` is null or has `length` elements that can be read.
unsafe fn octets<'a, T>(data: *const T, length: CK_ULONG) -> &'a [T] {
    match usize::try_from(length) {
        // SAFETY: by this function's own contract.
        Ok(length) if !data.is_null() => unsafe { slice::from_raw_parts(data, length) },
        _ => &[],
    }
}
