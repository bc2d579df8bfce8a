//! The words of the exchange between workstation and server, as JSON (the server's side is its own).
//!
//! PINs become [`Pin`] and [`SoPin`] while they are read, so that nothing after this file can print them.

use hsm::{KeyAlgorithm, KeyId, Pin, PinState, SoPin, TokenInfo};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

/// What the workstation sends.
#[derive(Debug, Serialize)]
pub struct Exchange {
    /// Tokens that are plugged in.
    pub tokens: Vec<TokenSeen>,
    /// What became of the last command; sent again until the server has answered.
    pub report: Option<Report>,
}

/// A token as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenSeen {
    /// Serial number.
    pub serial: String,
    /// Label.
    pub label: String,
    /// Model.
    pub model: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// C_InitToken was done.
    pub initialised: bool,
    /// C_InitPIN was done.
    pub user_pin_initialised: bool,
    /// Nothing can be written.
    pub write_protected: bool,
    /// `ok`, `count-low`, `final-try` or `locked`.
    pub pin: &'static str,
}

impl From<TokenInfo> for TokenSeen {
    fn from(info: TokenInfo) -> Self {
        Self {
            serial: info.serial.to_string(),
            label: info.label,
            model: info.model,
            manufacturer: info.manufacturer,
            initialised: info.initialised,
            user_pin_initialised: info.user_pin_initialised,
            write_protected: info.write_protected,
            pin: pin_state(info.pin),
        }
    }
}

/// A PIN's state in a word.
#[must_use]
pub fn pin_state(state: PinState) -> &'static str {
    match state {
        PinState::Ok => "ok",
        PinState::CountLow => "count-low",
        PinState::FinalTry => "final-try",
        PinState::Locked => "locked",
    }
}

/// A command as it arrives: enough is known to report on it even when the rest cannot be read.
#[derive(Debug)]
pub struct Envelope {
    /// The attempt that it belongs to, 32 hexadecimal characters.
    pub attempt: String,
    /// Its name.
    pub command: String,
    /// Serial number of the token that it is for.
    pub token: String,
    /// Which one of an issuing line it is, and whose, for the clerk to read.
    pub line: Option<String>,
    /// What to do; `None` when it is malformed or unknown.
    pub step: Option<Step>,
}

impl Envelope {
    /// Reads a command.
    #[must_use]
    pub fn read(value: Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (attempt, command, token) = (text("attempt"), text("command"), text("token"));
        let line = value.get("line").and_then(Value::as_str).map(str::to_owned);
        // The reader's own error is thrown away: it may quote a PIN.
        let step = Step::deserialize(value).ok().filter(|_| ca_core::AttemptId::parse(&attempt).is_ok());
        Self { attempt, command, token, line, step }
    }
}

/// What became of an issuing line, for the clerk to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum LineNews {
    /// One was not made; it is paid still.
    SetAside {
        /// Which one of the line, and whose.
        line: String,
        /// The application.
        application: String,
        /// Why.
        reason: String,
        /// How many are still to be made.
        left: usize,
    },
    /// Nothing is left to be made.
    LineEnded {
        /// How many are ready.
        made: usize,
        /// How many were set aside.
        aside: usize,
    },
}

/// What to do on a token. Doing it twice does no harm.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Step {
    /// Label, SO PIN and user PIN, on a token that is blank or has nothing worth keeping.
    Initialise {
        /// The new label.
        label: String,
        /// The SO PIN that the factory set.
        #[serde(deserialize_with = "so_pin")]
        factory_so_pin: SoPin,
        /// The SO PIN that it gets.
        #[serde(deserialize_with = "so_pin")]
        so_pin: SoPin,
        /// The user PIN that it gets.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
    },
    /// A key pair, unless it is there, and a certification request signed with it.
    Request {
        /// CKA_ID, hexadecimal.
        #[serde(deserialize_with = "key_id")]
        cka_id: KeyId,
        /// `ec-p256`, `rsa-2048` or `rsa-3072`.
        #[serde(deserialize_with = "algorithm")]
        algorithm: KeyAlgorithm,
        /// The user PIN.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
        /// The request's subject is CN= this.
        subject_cn: String,
    },
    /// The certificate object, written and read back.
    Write {
        /// CKA_ID of the key pair, hexadecimal.
        #[serde(deserialize_with = "key_id")]
        cka_id: KeyId,
        /// DER.
        #[serde(deserialize_with = "octets")]
        certificate: Vec<u8>,
        /// CKA_LABEL.
        label: String,
        /// The user PIN.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
    },
    /// A signature over the challenge, which proves that the key works.
    Prove {
        /// CKA_ID of the key pair, hexadecimal.
        #[serde(deserialize_with = "key_id")]
        cka_id: KeyId,
        /// 32 octets.
        #[serde(deserialize_with = "challenge")]
        challenge: [u8; 32],
        /// The user PIN.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
    },
    /// A new user PIN on a token that holds what must stay: SO login and C_InitPIN, nothing else.
    Unlock {
        /// The SO PIN that it has.
        #[serde(deserialize_with = "so_pin")]
        so_pin: SoPin,
        /// The user PIN that it gets, as its holder typed it.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
    },
    /// Everything with this CKA_ID goes away: the attempt was given up or burned. What may be in use stays all the same.
    Discard {
        /// CKA_ID, hexadecimal.
        #[serde(deserialize_with = "key_id")]
        cka_id: KeyId,
        /// The user PIN.
        #[serde(deserialize_with = "pin")]
        user_pin: Pin,
        /// Certificates, DER, that are revoked, as this program was shown; never the server's to say.
        #[serde(skip)]
        revoked: Vec<Vec<u8>>,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The command's attempt.
    pub attempt: String,
    /// The command's name.
    pub command: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With its results.
    Done(Done),
    /// With a code; the token may be part of the way.
    Failed {
        /// For programs.
        code: FailureCode,
        /// For the trace, in English.
        message: String,
    },
}

/// Results, by command; an empty object for those that have none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// `request`.
    Request {
        /// PKCS#10 in DER, base64.
        csr: String,
        /// What the token says of the private key.
        attributes: Attributes,
    },
    /// `write`.
    Write {
        /// DER as read back, base64.
        certificate: String,
    },
    /// `prove`.
    Prove {
        /// In the form that X.509 writes it (DER for ECDSA), base64.
        signature: String,
    },
    /// `initialise`, `unlock` and `discard`.
    Nothing {},
}

/// Where the private key comes from and what can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "five flags of PKCS#11, by their names")]
pub struct Attributes {
    /// CKA_LOCAL.
    pub local: bool,
    /// CKA_SENSITIVE.
    pub sensitive: bool,
    /// CKA_ALWAYS_SENSITIVE.
    pub always_sensitive: bool,
    /// CKA_EXTRACTABLE.
    pub extractable: bool,
    /// CKA_NEVER_EXTRACTABLE.
    pub never_extractable: bool,
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The token is not plugged in.
    TokenAbsent,
    /// It was pulled out meanwhile.
    TokenRemoved,
    /// A PIN was wrong; it was tried once.
    WrongPin,
    /// No tries are left.
    PinLocked,
    /// No memory left.
    TokenFull,
    /// Nothing can be written.
    WriteProtected,
    /// No label or no user PIN.
    NotInitialised,
    /// The holder did not type a PIN that can be used.
    PinRefused,
    /// Module or device failed, or the token lacks a mechanism.
    ModuleFailed,
    /// The token's driver does not answer; what it was to do may still happen.
    DriverHangs,
    /// The command does not fit the token or cannot be read.
    BadCommand,
    /// What was to be discarded may be in use, or is not an attempt's: it stays.
    Kept,
}

impl FailureCode {
    /// As in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenAbsent => "token-absent",
            Self::TokenRemoved => "token-removed",
            Self::WrongPin => "wrong-pin",
            Self::PinLocked => "pin-locked",
            Self::TokenFull => "token-full",
            Self::WriteProtected => "write-protected",
            Self::NotInitialised => "not-initialised",
            Self::PinRefused => "pin-refused",
            Self::ModuleFailed => "module-failed",
            Self::DriverHangs => "driver-hangs",
            Self::BadCommand => "bad-command",
            Self::Kept => "kept",
        }
    }

    /// The code for a token's error.
    #[must_use]
    pub fn of(error: &hsm::Error) -> Self {
        use hsm::Error;
        match error.cause() {
            Error::TokenAbsent { .. } | Error::TokenAmbiguous { .. } => Self::TokenAbsent,
            Error::TokenRemoved { .. } => Self::TokenRemoved,
            Error::PinIncorrect { .. } | Error::PinEmpty | Error::PinForm { .. } => Self::WrongPin,
            Error::PinLocked { .. } => Self::PinLocked,
            Error::TokenFull { .. } => Self::TokenFull,
            Error::WriteProtected { .. } => Self::WriteProtected,
            Error::ModuleHangs { .. } => Self::DriverHangs,
            Error::NotInitialised { .. } => Self::NotInitialised,
            Error::Label { .. }
            | Error::KeyIdLength { .. }
            | Error::KeyAbsent { .. }
            | Error::KeyAmbiguous { .. }
            | Error::KeyExists { .. }
            | Error::Input { .. } => Self::BadCommand,
            _ => Self::ModuleFailed,
        }
    }
}

fn pin<'de, D: Deserializer<'de>>(from: D) -> Result<Pin, D::Error> {
    Pin::new(String::deserialize(from)?).map_err(D::Error::custom)
}

fn so_pin<'de, D: Deserializer<'de>>(from: D) -> Result<SoPin, D::Error> {
    SoPin::new(String::deserialize(from)?).map_err(D::Error::custom)
}

fn key_id<'de, D: Deserializer<'de>>(from: D) -> Result<KeyId, D::Error> {
    let octets = hex::decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    KeyId::new(&octets).map_err(D::Error::custom)
}

fn algorithm<'de, D: Deserializer<'de>>(from: D) -> Result<KeyAlgorithm, D::Error> {
    match String::deserialize(from)?.as_str() {
        "ec-p256" => Ok(KeyAlgorithm::EcP256),
        "rsa-2048" => Ok(KeyAlgorithm::Rsa2048),
        "rsa-3072" => Ok(KeyAlgorithm::Rsa3072),
        _ => Err(D::Error::custom("algorithm: ec-p256, rsa-2048 or rsa-3072 is needed")),
    }
}

fn octets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, String::deserialize(from)?)
        .map_err(D::Error::custom)
}

fn challenge<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    octets(from)?.try_into().map_err(|_| D::Error::custom("challenge: 32 octets are needed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ATTEMPT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn reads_commands_and_hides_pins() {
        let envelope = Envelope::read(json!({
            "attempt": ATTEMPT, "token": "77", "command": "initialise", "label": "QY 77",
            "factory_so_pin": "factory-so", "so_pin": "derived-so", "user_pin": "271828",
        }));
        assert_eq!((envelope.command.as_str(), envelope.token.as_str()), ("initialise", "77"));
        assert!(matches!(&envelope.step, Some(Step::Initialise { label, .. }) if label == "QY 77"));
        let shown = format!("{envelope:?}");
        for secret in ["factory-so", "derived-so", "271828"] {
            assert!(!shown.contains(secret));
        }
    }

    proptest::proptest! {
        /// Whatever the server sends is a command or none, and no error shows a PIN.
        #[test]
        fn random_commands_never_panic(name in "[a-z]{1,12}", field in "[a-z_]{1,10}", text in "\\PC{0,80}") {
            for command in ["initialise", "request", "write", "prove", "unlock", "discard", name.as_str()] {
                let value = json!({ "attempt": ATTEMPT, "token": "77", "command": command, "cka_id": text,
                    "user_pin": text, "challenge": text, "certificate": text, field.as_str(): text });
                let envelope = Envelope::read(value);
                proptest::prop_assert!(envelope.step.is_none() || command != name);
            }
        }
    }

    #[test]
    fn refuses_malformed_commands_but_knows_whose_they_are() {
        let good = json!({
            "attempt": ATTEMPT, "token": "77", "command": "prove", "cka_id": "ab01",
            "challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "user_pin": "271828",
        });
        assert!(Envelope::read(good.clone()).step.is_some());
        let bad = [
            ("attempt", json!("77")),
            ("command", json!("dance")),
            ("cka_id", json!("")),
            ("cka_id", json!("xy")),
            ("challenge", json!("AAAA")),
            ("challenge", json!("?")),
            ("user_pin", json!("")),
            ("user_pin", json!(271_828)),
        ];
        for (name, value) in bad {
            let mut command = good.clone();
            command[name] = value;
            let envelope = Envelope::read(command);
            assert!(envelope.step.is_none(), "{name}");
            assert_eq!(envelope.token, "77");
        }
    }

    #[test]
    fn reports_are_as_agreed() {
        let report = |outcome| {
            let report = Report { attempt: ATTEMPT.to_owned(), command: "x".to_owned(), outcome };
            serde_json::to_value(report).unwrap()["outcome"].clone()
        };
        assert_eq!(report(Outcome::Done(Done::Nothing {})), json!({"done": {}}));
        let failed = Outcome::Failed { code: FailureCode::WrongPin, message: "m".to_owned() };
        assert_eq!(report(failed), json!({"failed": {"code": "wrong-pin", "message": "m"}}));
        let done = Outcome::Done(Done::Prove { signature: "AA==".to_owned() });
        assert_eq!(report(done), json!({"done": {"signature": "AA=="}}));
        for code in [FailureCode::TokenAbsent, FailureCode::BadCommand, FailureCode::NotInitialised] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
