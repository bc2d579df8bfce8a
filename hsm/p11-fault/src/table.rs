//! The one table that both matrices are generated from: functions × answers, each before and after the function's effect.
//! What is not an answer (a hang, a crash, another token, a spoilt signature, a cut write) has no list: each matrix takes
//! it wherever it can happen, and says where.

/// Whose calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// A server that signs with an HSM: `hsm/p11-fault/tests/matrix.rs`.
    Hsm,
    /// A program that personalises a token: `hsm/ukey/tests/matrix.rs`, and `crash.rs` beside it.
    Token,
}

const BOTH: &[Half] = &[Half::Hsm, Half::Token];
const TOKEN: &[Half] = &[Half::Token];

/// Functions, and who calls them when nothing is wrong.
pub const FUNCTIONS: [(&str, &[Half]); 18] = [
    ("C_Initialize", TOKEN),
    ("C_GetSlotList", BOTH),
    ("C_GetTokenInfo", BOTH),
    ("C_InitToken", TOKEN),
    ("C_OpenSession", BOTH),
    ("C_Login", BOTH),
    ("C_InitPIN", TOKEN),
    ("C_SetPIN", TOKEN),
    ("C_FindObjectsInit", BOTH),
    ("C_FindObjects", BOTH),
    ("C_FindObjectsFinal", BOTH),
    ("C_GenerateKeyPair", TOKEN),
    ("C_GetAttributeValue", BOTH),
    ("C_SignInit", BOTH),
    ("C_Sign", BOTH),
    ("C_CreateObject", TOKEN),
    ("C_Logout", TOKEN),
    ("C_CloseSession", BOTH),
];

/// The functions of one half.
pub fn functions(half: Half) -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().filter(move |(_, halves)| halves.contains(&half)).map(|(name, _)| *name)
}

/// PKCS#11 v2.40 §6: what modules and devices answer when something is wrong. Every other code is one of the situations
/// that these are (`every_code_is_a_situation`).
pub const CODES: [(&str, u64); 28] = [
    ("HOST_MEMORY", 0x02),
    ("SLOT_ID_INVALID", 0x03),
    ("GENERAL_ERROR", 0x05),
    ("FUNCTION_FAILED", 0x06),
    ("ATTRIBUTE_TYPE_INVALID", 0x12),
    ("DEVICE_ERROR", 0x30),
    ("DEVICE_MEMORY", 0x31),
    ("DEVICE_REMOVED", 0x32),
    ("FUNCTION_NOT_SUPPORTED", 0x54),
    ("KEY_HANDLE_INVALID", 0x60),
    ("MECHANISM_INVALID", 0x70),
    ("OBJECT_HANDLE_INVALID", 0x82),
    ("OPERATION_ACTIVE", 0x90),
    ("PIN_INCORRECT", 0xa0),
    ("PIN_LEN_RANGE", 0xa2),
    ("PIN_LOCKED", 0xa4),
    ("SESSION_CLOSED", 0xb0),
    ("SESSION_COUNT", 0xb1),
    ("SESSION_HANDLE_INVALID", 0xb3),
    ("TOKEN_NOT_PRESENT", 0xe0),
    ("TOKEN_NOT_RECOGNIZED", 0xe1),
    ("TOKEN_WRITE_PROTECTED", 0xe2),
    ("USER_ALREADY_LOGGED_IN", 0x100),
    ("USER_NOT_LOGGED_IN", 0x101),
    ("USER_PIN_NOT_INITIALIZED", 0x102),
    ("BUFFER_TOO_SMALL", 0x150),
    ("CRYPTOKI_NOT_INITIALIZED", 0x190),
    ("VENDOR_DEFINED", 0x8000_0101),
];
