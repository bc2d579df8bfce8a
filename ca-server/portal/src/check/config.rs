//! `check.toml`: as `portal.toml`, without TLS.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use ca_verifier::{Gate, Trust};
use serde::Deserialize;

use super::handover::Form;
use crate::{
    ConfigFault, Error,
    config::{CrlTable, PushTable, Reader, SourceTables, Sources, default_poll_ms},
};

const CACHED_PATHS: (u64, u64) = (1, 10_000_000);

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// `unix:PATH`, or ADDRESS:PORT of this machine only.
    listen: String,
    /// Of the Unix socket, in octal.
    #[serde(default = "default_mode")]
    mode: String,
    /// How `Client-Cert` is written.
    form: Form,
    /// PEM: trusted roots of unit certificates.
    anchors: Vec<PathBuf>,
    /// PEM: CAs below them.
    #[serde(default)]
    intermediates: Vec<PathBuf>,
    /// Where status comes from, as in `portal.toml`.
    #[serde(default)]
    crl: Vec<CrlTable>,
    #[serde(default)]
    push: Vec<PushTable>,
    /// Milliseconds between two polls of a source.
    #[serde(default = "default_poll_ms")]
    poll_ms: u64,
    /// As in `portal.toml`.
    status_age_max_secs: Option<u64>,
    /// Certificates whose verified path is kept; about 2 KiB each.
    #[serde(default = "default_cached_paths")]
    cached_paths: u64,
}

fn default_mode() -> String {
    "0660".to_owned()
}

const fn default_cached_paths() -> u64 {
    16_384
}

/// Everything that the sidecar needs, read and checked.
#[derive(Debug)]
pub struct CheckConfig {
    pub(crate) listen: Place,
    pub(crate) form: Form,
    pub(crate) gate: Gate,
    pub(crate) sources: Sources,
    pub(crate) cached_paths: NonZeroUsize,
}

/// Where it listens. Never an address that other machines reach: whoever asks is believed to have done TLS.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Unix { path: PathBuf, mode: u32 },
    Loopback(SocketAddr),
}

impl CheckConfig {
    /// Reads a configuration file and every file that it names; relative paths are relative to its folder.
    ///
    /// # Errors
    /// [`Error::Config`] with file and key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let reader = Reader { path };
        let text = fs::read_to_string(path).map_err(|cause| {
            reader.fault("check.toml", ConfigFault::Unreadable { file: path.to_owned(), cause })
        })?;
        let file: File = toml::from_str(&text)
            .map_err(|error| reader.fault("check.toml", ConfigFault::Syntax(error.to_string())))?;
        let anchors = reader.certificates_of("anchors", &file.anchors)?;
        let intermediates = reader.certificates_of("intermediates", &file.intermediates)?;
        let trust =
            Trust::new(&anchors, &intermediates).map_err(|error| reader.fault("anchors", error.into()))?;
        let tables = SourceTables {
            crl: &file.crl,
            push: &file.push,
            poll_ms: file.poll_ms,
            status_age_max_secs: file.status_age_max_secs,
        };
        let (gate, sources) = reader.gate(trust, &tables)?;
        let cached = reader.within("cached_paths", file.cached_paths, CACHED_PATHS)?;
        Ok(Self {
            listen: place(&reader, &file)?,
            form: file.form,
            gate,
            sources,
            cached_paths: usize::try_from(cached)
                .ok()
                .and_then(NonZeroUsize::new)
                .unwrap_or(NonZeroUsize::MIN),
        })
    }
}

fn place(reader: &Reader<'_>, file: &File) -> Result<Place, Error> {
    if let Some(path) = file.listen.strip_prefix("unix:") {
        let path = reader.resolve(Path::new(path));
        if !path.parent().is_some_and(Path::is_dir) {
            return Err(reader.fault("listen", ConfigFault::NoFolder(path)));
        }
        let mode = u32::from_str_radix(&file.mode, 8).ok().filter(|mode| *mode <= 0o777);
        let mode = mode.ok_or_else(|| reader.fault("mode", ConfigFault::Mode(file.mode.clone())))?;
        return Ok(Place::Unix { path, mode });
    }
    let address = reader.address("listen", &file.listen)?;
    if address.ip().is_loopback() {
        Ok(Place::Loopback(address))
    } else {
        Err(reader.fault("listen", ConfigFault::NotLoopback(file.listen.clone())))
    }
}
