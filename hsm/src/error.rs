//! The crate's errors: PKCS#11 return values (v2.40 §5.1) as situations, each with its class.

use std::path::PathBuf;

use cryptoki::error::{Error as P11Error, RvError};

use crate::{KeyId, PinState, TokenSerial};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same call may succeed later, without anybody doing anything.
    Transient,
    /// The same call will fail again.
    Permanent,
    /// A person has to do something: plug a token in, know a PIN, fetch another token.
    AskPerson,
}

/// What can go wrong with a token. No variant carries a PIN or key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module's file cannot be loaded or initialised.
    #[error("PKCS#11 module {}: {detail}", path.display())]
    ModuleLoad {
        /// The file.
        path: PathBuf,
        /// The loader's or the module's words.
        detail: String,
    },
    /// The module or the device failed in a way that the standard does not explain.
    #[error("token {token}: the PKCS#11 module failed: {detail}")]
    ModuleFailed {
        /// Which token.
        token: TokenSerial,
        /// Function and CKR_ code.
        detail: String,
    },
    /// The module or the device gave no answer in time; the call may still be under way.
    #[error("token {token}: the PKCS#11 module does not answer")]
    ModuleHangs {
        /// Which token; `-` when it is the module as a whole.
        token: TokenSerial,
    },
    /// No such token is plugged in.
    #[error("token {name} is not present")]
    TokenAbsent {
        /// Serial number or label, as asked.
        name: String,
    },
    /// Several tokens answer to the name.
    #[error("{count} tokens are called {name}")]
    TokenAmbiguous {
        /// Serial number or label, as asked.
        name: String,
        /// How many.
        count: usize,
    },
    /// The token was pulled out during an operation.
    #[error("token {token} was removed")]
    TokenRemoved {
        /// Which token.
        token: TokenSerial,
    },
    /// A login of this process, or of another program, stands in the way.
    #[error("token {token} is in use")]
    TokenBusy {
        /// Which token.
        token: TokenSerial,
    },
    /// The token is write-protected.
    #[error("token {token} is write-protected")]
    WriteProtected {
        /// Which token.
        token: TokenSerial,
    },
    /// No memory left on the token.
    #[error("token {token} is full")]
    TokenFull {
        /// Which token.
        token: TokenSerial,
    },
    /// The token has no label or no user PIN yet.
    #[error("token {token} is not initialised")]
    NotInitialised {
        /// Which token.
        token: TokenSerial,
    },
    /// A token label is 1 to 32 octets of UTF-8.
    #[error("token label {label:?} is not 1 to 32 octets long")]
    Label {
        /// As given.
        label: String,
    },
    /// An empty PIN, refused before it reaches the module.
    #[error("the PIN is empty")]
    PinEmpty,
    /// The token refuses the new PIN's length or characters, or wants it changed first.
    #[error("token {token} refuses the form of the PIN ({detail})")]
    PinForm {
        /// Which token.
        token: TokenSerial,
        /// The CKR_ code.
        detail: String,
    },
    /// Wrong PIN. It was tried once and is never tried again by code (I11).
    #[error("wrong PIN for token {token} ({state})")]
    PinIncorrect {
        /// Which token.
        token: TokenSerial,
        /// What the token says of the tries left.
        state: PinState,
    },
    /// Too many wrong PINs.
    #[error("the PIN of token {token} is locked")]
    PinLocked {
        /// Which token.
        token: TokenSerial,
    },
    /// The session, the login or the object handles are gone; a new session finds everything again.
    #[error("session with token {token} is lost ({detail})")]
    SessionLost {
        /// Which token.
        token: TokenSerial,
        /// Function and CKR_ code.
        detail: String,
    },
    /// No key under this name.
    #[error("token {token} has no {what} {key}")]
    KeyAbsent {
        /// Which token.
        token: TokenSerial,
        /// `private key`, `public key` or `secret key`.
        what: &'static str,
        /// CKA_ID or label.
        key: String,
    },
    /// Two objects where there must be one.
    #[error("token {token} has {count} times {what} {key}")]
    KeyAmbiguous {
        /// Which token.
        token: TokenSerial,
        /// `private key`, `public key` or `secret key`.
        what: &'static str,
        /// CKA_ID or label.
        key: String,
        /// How many.
        count: usize,
    },
    /// A key is never made twice under one name.
    #[error("token {token} already has a key {key}")]
    KeyExists {
        /// Which token.
        token: TokenSerial,
        /// CKA_ID or label.
        key: String,
    },
    /// A CKA_ID of ours is 1 to 64 octets long.
    #[error("CKA_ID of {length} octets; 1 to 64 are needed")]
    KeyIdLength {
        /// As given.
        length: usize,
    },
    /// The data to sign has not the form that the key's mechanism takes.
    #[error("key {key} ({algorithm}) does not sign this kind of input")]
    Input {
        /// Which key.
        key: KeyId,
        /// Its algorithm.
        algorithm: crate::KeyAlgorithm,
    },
    /// The token lacks the mechanism or refuses the template.
    #[error("token {token} cannot do this: {detail}")]
    Mechanism {
        /// Which token.
        token: TokenSerial,
        /// Function and CKR_ code.
        detail: String,
    },
    /// An object on the token has not the form that the standard gives it.
    #[error("token {token}: {what}")]
    Encoding {
        /// Which token.
        token: TokenSerial,
        /// What was read.
        what: &'static str,
    },
    /// C_Sign began and did not say how it ended: there may be a signature. Never repeated by this crate (I3).
    #[error("it is unknown whether token {token} made a signature: {cause}")]
    OutcomeUnknown {
        /// Which token.
        token: TokenSerial,
        /// What C_Sign answered.
        cause: Box<Error>,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::TokenBusy { .. }
            | Self::SessionLost { .. }
            | Self::ModuleFailed { .. }
            | Self::ModuleHangs { .. } => Class::Transient,
            Self::TokenAbsent { .. }
            | Self::TokenAmbiguous { .. }
            | Self::TokenRemoved { .. }
            | Self::WriteProtected { .. }
            | Self::TokenFull { .. }
            | Self::NotInitialised { .. }
            | Self::PinEmpty
            | Self::PinForm { .. }
            | Self::PinIncorrect { .. }
            | Self::PinLocked { .. } => Class::AskPerson,
            Self::ModuleLoad { .. }
            | Self::Label { .. }
            | Self::KeyAbsent { .. }
            | Self::KeyAmbiguous { .. }
            | Self::KeyExists { .. }
            | Self::KeyIdLength { .. }
            | Self::Input { .. }
            | Self::Mechanism { .. }
            | Self::Encoding { .. }
            | Self::OutcomeUnknown { .. } => Class::Permanent,
        }
    }

    /// The error itself, or what stands behind [`Error::OutcomeUnknown`].
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::OutcomeUnknown { cause, .. } => cause.cause(),
            other => other,
        }
    }

    /// Nothing was signed or written, and a new session may work.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::SessionLost { .. }
                | Self::TokenRemoved { .. }
                | Self::TokenAbsent { .. }
                | Self::ModuleFailed { .. }
        )
    }

    /// A login was refused: another try with the same PIN would cost the holder one of few.
    pub(crate) fn is_pin_refused(&self) -> bool {
        matches!(
            self,
            Self::PinIncorrect { .. }
                | Self::PinLocked { .. }
                | Self::PinForm { .. }
                | Self::NotInitialised { .. }
        )
    }
}

/// Every CKR_ code becomes a situation here and nowhere else.
///
/// - A *removed* token is told apart from a *lost* session: the former needs a person, the latter a new session.
///   Stale object handles are the lost kind too, because SoftHSM gives them after its files went away and every
///   module gives them after a logout by somebody else.
/// - CKR_DEVICE_ERROR, CKR_GENERAL_ERROR and CKR_FUNCTION_FAILED say nothing; they are the module's failure, and a
///   new session or a new C_Initialize may mend them (SoftHSM answers CKR_GENERAL_ERROR for a token that vanished).
/// - CKR_OPERATION_ACTIVE is left behind by a C_Sign that failed: only a new session gets rid of it.
/// - Vendor codes are never guessed at; their number is shown.
/// - [`PinState`] cannot be known from a code; the caller that logged in fills it.
pub(crate) fn translate(token: &TokenSerial, error: P11Error) -> Error {
    use RvError as Rv;
    let token = token.clone();
    let P11Error::Pkcs11(code, function) = error else {
        return Error::ModuleFailed { token, detail: error.to_string() };
    };
    let detail = format!("C_{function:?}: {code:?}");
    match code {
        Rv::TokenNotPresent | Rv::SlotIdInvalid => Error::TokenAbsent { name: token.to_string() },
        Rv::DeviceRemoved => Error::TokenRemoved { token },
        Rv::TokenWriteProtected | Rv::SessionReadOnly => Error::WriteProtected { token },
        Rv::DeviceMemory => Error::TokenFull { token },
        Rv::TokenNotRecognized | Rv::UserPinNotInitialized => Error::NotInitialised { token },
        Rv::PinIncorrect => Error::PinIncorrect { token, state: PinState::Ok },
        Rv::PinLocked => Error::PinLocked { token },
        Rv::PinInvalid | Rv::PinLenRange | Rv::PinTooWeak | Rv::PinExpired => {
            Error::PinForm { token, detail }
        }
        Rv::UserAlreadyLoggedIn
        | Rv::UserAnotherAlreadyLoggedIn
        | Rv::UserTooManyTypes
        | Rv::SessionExists
        | Rv::SessionCount
        | Rv::SessionReadOnlyExists
        | Rv::SessionReadWriteSoExists => Error::TokenBusy { token },
        Rv::SessionHandleInvalid
        | Rv::SessionClosed
        | Rv::UserNotLoggedIn
        | Rv::ObjectHandleInvalid
        | Rv::KeyHandleInvalid
        | Rv::OperationActive
        | Rv::OperationNotInitialized
        | Rv::CryptokiNotInitialized => Error::SessionLost { token, detail },
        Rv::MechanismInvalid
        | Rv::MechanismParamInvalid
        | Rv::FunctionNotSupported
        | Rv::FunctionRejected
        | Rv::ActionProhibited
        | Rv::KeySizeRange
        | Rv::KeyTypeInconsistent
        | Rv::KeyFunctionNotPermitted
        | Rv::CurveNotSupported
        | Rv::DomainParamsInvalid
        | Rv::TemplateIncomplete
        | Rv::TemplateInconsistent
        | Rv::AttributeReadOnly
        | Rv::AttributeSensitive
        | Rv::AttributeTypeInvalid
        | Rv::AttributeValueInvalid
        | Rv::DataInvalid
        | Rv::DataLenRange => Error::Mechanism { token, detail },
        _ => Error::ModuleFailed { token, detail },
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn codes_become_situations() {
        let of = |code| translate(&TokenSerial::new("77"), P11Error::Pkcs11(code, Function::Sign));
        let class = |code| of(code).class();
        assert!(matches!(of(RvError::DeviceRemoved), Error::TokenRemoved { .. }));
        assert!(matches!(of(RvError::DeviceMemory), Error::TokenFull { .. }));
        assert!(matches!(of(RvError::TokenWriteProtected), Error::WriteProtected { .. }));
        assert!(matches!(of(RvError::UserPinNotInitialized), Error::NotInitialised { .. }));
        assert_eq!(class(RvError::PinIncorrect), Class::AskPerson);
        assert_eq!(class(RvError::PinLocked), Class::AskPerson);
        assert_eq!(class(RvError::SessionHandleInvalid), Class::Transient);
        assert_eq!(class(RvError::DeviceError), Class::Transient);
        assert_eq!(class(RvError::MechanismInvalid), Class::Permanent);
        let vendor = of(RvError::VendorDefined(0x8000_0101));
        assert_eq!(
            vendor.to_string(),
            "token 77: the PKCS#11 module failed: C_Sign: VendorDefined(2147483905)"
        );
    }

    #[test]
    fn an_unknown_outcome_is_not_repeated() {
        let cause = Error::TokenRemoved { token: TokenSerial::new("77") };
        let unknown = Error::OutcomeUnknown { token: TokenSerial::new("77"), cause: Box::new(cause) };
        assert!(!unknown.is_lost());
        assert_eq!(unknown.class(), Class::Permanent);
        assert!(matches!(unknown.cause(), Error::TokenRemoved { .. }));
    }
}
