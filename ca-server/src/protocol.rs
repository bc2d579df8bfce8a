//! The words of the exchange between server and workstation, as JSON. `ukey::protocol` has the other side's.

use serde::{Deserialize, Serialize};

/// A token that the workstation sees.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenSeen {
    pub(crate) serial: String,
    pub(crate) label: String,
    pub(crate) model: String,
    pub(crate) initialised: bool,
    /// `ok`, `count-low`, `final-try` or `locked`.
    pub(crate) pin: String,
}

/// One command; repeating it does no harm.
#[derive(Serialize)]
pub(crate) struct Command {
    /// The attempt that it belongs to.
    pub(crate) attempt: String,
    /// Serial number of the token that it is for.
    pub(crate) token: String,
    /// Which one of an issuing line it is, and whose, for the clerk to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<String>,
    #[serde(flatten)]
    pub(crate) step: Step,
}

/// What an exchange with a workstation brings.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Order {
    /// Something to do.
    Command(Command),
    /// Something to read.
    News(LineNews),
}

/// What became of an issuing line, for the clerk to read.
#[derive(Serialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub(crate) enum LineNews {
    /// One was not made; it is paid still.
    SetAside {
        /// Which one of the line, and whose.
        line: String,
        application: String,
        reason: String,
        /// How many are still to be made.
        left: usize,
    },
    /// Nothing is left to be made.
    LineEnded { made: usize, aside: usize },
}

/// What a PIN must be that the holder types at the workstation.
#[derive(Clone, Serialize)]
pub(crate) struct PinRule {
    pub(crate) least: u8,
    pub(crate) most: u8,
    pub(crate) denied: Vec<String>,
    /// The unit's code, whose end is no secret.
    pub(crate) code: String,
}

/// The user PIN of a step. Without either, the program that executes it knows the holder's own.
#[derive(Clone, Default, Serialize)]
pub(crate) struct UserPin {
    /// The one that everybody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_pin: Option<String>,
    /// The holder types it at the workstation; the server never sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) holder_pin: Option<Box<PinRule>>,
}

/// What is to be done. No `Debug`: some carry PINs.
#[derive(Serialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Step {
    /// Set SO PIN, user PIN and label.
    Initialise {
        label: String,
        factory_so_pin: String,
        so_pin: String,
        #[serde(flatten)]
        pin: UserPin,
    },
    /// Log in as security officer and set the holder's new PIN; nothing else changes.
    Unlock {
        so_pin: String,
        #[serde(flatten)]
        pin: UserPin,
    },
    /// Make the key pair if it is not there, and sign a CSR.
    Request {
        cka_id: String,
        algorithm: String,
        #[serde(flatten)]
        pin: UserPin,
        subject_cn: String,
    },
    /// Write the certificate and read it back.
    Write {
        cka_id: String,
        certificate: String,
        label: String,
        #[serde(flatten)]
        pin: UserPin,
    },
    /// Sign the challenge.
    Prove {
        cka_id: String,
        challenge: String,
        #[serde(flatten)]
        pin: UserPin,
    },
    /// Delete what an attempt left that is over.
    Discard {
        cka_id: String,
        #[serde(flatten)]
        pin: UserPin,
    },
}

/// What became of a command.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) attempt: String,
    pub(crate) command: String,
    pub(crate) outcome: Outcome,
}

/// Done or failed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// With its results.
    Done(Done),
    /// With a code.
    Failed(Failed),
}

/// Results, by command.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    pub(crate) csr: Option<String>,
    pub(crate) attributes: Option<KeyOrigin>,
    pub(crate) certificate: Option<String>,
    pub(crate) signature: Option<String>,
}

/// What the token says of the key pair: CKA_LOCAL and its kin. What it does not say counts against it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyOrigin {
    pub(crate) local: bool,
    pub(crate) sensitive: bool,
    pub(crate) always_sensitive: bool,
    #[serde(default = "yes")]
    pub(crate) extractable: bool,
    pub(crate) never_extractable: bool,
}

fn yes() -> bool {
    true
}

/// Why a command failed.
#[derive(Debug, Deserialize)]
pub(crate) struct Failed {
    pub(crate) code: String,
    pub(crate) message: String,
}
