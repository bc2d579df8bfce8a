//! The crate's errors. Words for people are in `report`.

use std::{io, path::PathBuf};

pub use crate::store::{StoreFault, agents::RegisterFault};

/// Why the portal does not start or stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of the configuration.
    #[error("{}: {key}: {fault}", file.display())]
    Config {
        /// The configuration file.
        file: PathBuf,
        /// The key, with its index in a list.
        key: String,
        /// What is wrong.
        fault: ConfigFault,
    },
    /// The address cannot be bound.
    #[error("{address}: {cause}")]
    Listen {
        /// As configured.
        address: String,
        /// The system's answer.
        cause: io::Error,
    },
    /// The ready file cannot be written.
    #[error("{}: {cause}", file.display())]
    ReadyFile {
        /// Its path.
        file: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// The portal's own database.
    #[error("{}: {cause}", file.display())]
    Store {
        /// Its path.
        file: PathBuf,
        /// What is wrong.
        cause: StoreFault,
    },
    /// The register of agents.
    #[error("{}: {cause}", file.display())]
    Register {
        /// Its path.
        file: PathBuf,
        /// What is wrong.
        cause: RegisterFault,
    },
    /// An import for a portal without services.
    #[error("{}: no [services]", .0.display())]
    NoServices(PathBuf),
    /// The system refuses threads, timers or signals.
    #[error("runtime: {0}")]
    Runtime(io::Error),
}

/// What can be wrong with a value of the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// A file cannot be read.
    #[error("{}: {cause}", file.display())]
    Unreadable {
        /// The file that the value names.
        file: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a wrong type; the text has line and column.
    #[error("{0}")]
    Syntax(String),
    /// No certificate in a PEM file.
    #[error("{}: no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// No private key in a PEM file.
    #[error("{}: no private key in PEM", .0.display())]
    NoKey(PathBuf),
    /// A PEM file with more than one certificate where one is meant.
    #[error("{}: more than one certificate", .0.display())]
    ManyCertificates(PathBuf),
    /// Not an address with a port.
    #[error("{0:?} is not ADDRESS:PORT")]
    Address(String),
    /// An address that other machines reach.
    #[error("{0:?} is not an address of this machine only")]
    NotLoopback(String),
    /// Not a mode of a file.
    #[error("{0:?} is not a mode in octal, 0000 to 0777")]
    Mode(String),
    /// Not `http://host[:port]/path`.
    #[error("{0:?} is not http://HOST[:PORT]/PATH")]
    Url(String),
    /// Not `http://host[:port]`.
    #[error("{0:?} is not http://HOST[:PORT], without a path")]
    BaseUrl(String),
    /// A file whose folder does not exist.
    #[error("{}: no such folder", .0.display())]
    NoFolder(PathBuf),
    /// A number outside its range.
    #[error("{found} is not in {least}..={most}")]
    Range {
        /// As configured.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A list that must not be empty.
    #[error("must not be empty")]
    Empty,
    /// The verifier refuses the certificates or the key.
    #[error("{0}")]
    Verifier(#[from] ca_verifier::Error),
}
