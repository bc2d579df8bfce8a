//! Situations that a person at a PC can be in. Their texts are in the program's `situation.rs`.

use std::path::PathBuf;

use crate::{pin_rule::PinRefusal, protocol::FailureCode};

/// What stopped the work. Never carries a PIN or a code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token.
    #[error(transparent)]
    Hsm(#[from] hsm::Error),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that should hold PEM certificates does not.
    #[error("{} holds no readable certificate", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
    },
    /// A file that should hold JSON does not.
    #[error("{} holds no JSON", path.display())]
    Json {
        /// Which.
        path: PathBuf,
    },
    /// The server's address is not `https://host[:port]`.
    #[error("{url} is not of the form https://host:port")]
    Url {
        /// As given.
        url: String,
    },
    /// The token has no certificate whose private key it also has.
    #[error("token {token} holds no certificate with its key")]
    NoCertificate {
        /// Serial number of the token.
        token: String,
    },
    /// No token is plugged in.
    #[error("no token is plugged in")]
    NoToken,
    /// Several are, and none was named.
    #[error("{0} tokens are plugged in, and none was named")]
    SeveralTokens(usize),
    /// Nobody answers.
    #[error("{url} does not answer: {detail}")]
    Unreachable {
        /// The server.
        url: String,
        /// The last try's words.
        detail: String,
    },
    /// The server is not the one that the anchor vouches for, or refuses the certificate.
    #[error("TLS with {url}: {detail}")]
    Tls {
        /// The server.
        url: String,
        /// TLS's words.
        detail: String,
    },
    /// The server's certificate does not lead to the root.
    #[error("the certificate of {url} is not trusted: {detail}")]
    Untrusted {
        /// The server.
        url: String,
        /// TLS's words.
        detail: String,
    },
    /// Another status than 200, from a server that gives no reasons.
    #[error("{url} answered with status {status}")]
    Unexpected {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// No root was given, and none was compared and kept before.
    #[error("no root certificate")]
    NoAnchor,
    /// The root is not the one whose fingerprint was given, or nobody compared it.
    #[error("the root was not compared ({compared:?}): its fingerprint is {fingerprint}")]
    RootRefused {
        /// The fingerprint that it has.
        fingerprint: String,
        /// What came of comparing.
        compared: Compared,
    },
    /// The system does not say where this user's settings are.
    #[error("no home folder")]
    NoHome,
    /// Another root is kept: it would stay in the browsers without anybody's knowing.
    #[error("another root is installed: {fingerprint}")]
    OtherRoot {
        /// The fingerprint of the one that is kept.
        fingerprint: String,
    },
    /// What came is not the certificate of a root.
    #[error("{origin} is no root certificate")]
    NoRoot {
        /// File or address.
        origin: String,
    },
    /// A browser's list could not be changed.
    #[error("{browser}: {detail}")]
    Browser {
        /// Which.
        browser: &'static str,
        /// Words of the program that changes it.
        detail: String,
    },
    /// The renewal is not approved or not paid.
    #[error("the renewal is {state}, {outstanding} is to be paid")]
    NotPaid {
        /// State of the application.
        state: String,
        /// What is still to be paid.
        outstanding: ca_core::Fen,
    },
    /// Nobody confirmed what cannot be undone: the person said no, or there was nobody to ask.
    #[error("the revocation was not confirmed")]
    NotConfirmed {
        /// There was somebody, who said no.
        declined: bool,
    },
    /// No certificate on the token could be revoked: the CA knows none of them, or their keys are gone.
    #[error("nothing on token {token} could be revoked")]
    NothingRevoked {
        /// Serial number of the token.
        token: String,
    },
    /// One step of a trial failed; it was told already.
    #[error("the trial failed at step {0}")]
    Trial(&'static str),
    /// The request went out and no answer came back: it may have been carried out.
    #[error("{url} did not answer the request: {detail}")]
    AnswerLost {
        /// The server.
        url: String,
        /// HTTP's words.
        detail: String,
    },
    /// The server said no, with a problem document (RFC 9457).
    #[error("the server refused with status {status}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The document; `null` when there was none.
        problem: serde_json::Value,
    },
    /// A new PIN that is no good.
    #[error("the new PIN is refused: {0:?}")]
    PinRule(PinRefusal),
    /// The new PIN was typed differently the second time.
    #[error("the two new PINs differ")]
    PinsDiffer,
    /// The initial PIN is still on the token.
    #[error("the initial PIN has not been replaced")]
    InitialPin,
    /// The token failed at a command of a renewal.
    #[error("the renewal stopped ({}): {message}", code.as_str())]
    Renewal {
        /// Why.
        code: FailureCode,
        /// The same in detail, English.
        message: String,
    },
    /// The clerk's own token was pulled out.
    #[error("the clerk's token {token} is gone")]
    ClerkTokenGone {
        /// Its serial number.
        token: String,
    },
    /// No PKCS#11 module was named.
    #[error("no PKCS#11 module")]
    NoModule,
    /// No terminal to ask for a secret at.
    #[error("no terminal to ask at: {0}")]
    Prompt(std::io::Error),
    /// A token cannot be made ready for a member of staff.
    #[error("{0:?}")]
    Enrolment(Enrolment),
    /// Threads or signals of the operating system.
    #[error("operating system: {0}")]
    System(std::io::Error),
}

/// What came of comparing a root with what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is another one.
    Differs,
    /// The person said no.
    Declined,
    /// There was nobody to ask.
    Nobody,
}

/// Why a token cannot be made ready for a member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// A token with this label is plugged in already.
    LabelTaken(String),
    /// No blank token is plugged in.
    NoBlankToken,
    /// The certificate is for another key.
    NotItsKey,
    /// The operating system's random generator failed.
    Randomness,
    /// The token failed.
    Token(FailureCode, String),
}
