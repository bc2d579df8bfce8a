//! The server's configuration: one TOML file; `DATABASE_URL` overrides the database. Secrets stand in files of
//! their own, named here.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// `ca-server.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `sqlite:PATH` or `postgres://…`.
    pub(crate) database: String,
    /// O of the certificates that the CA gives to its own staff.
    pub(crate) organization: String,
    /// Folder of `policies/`.
    pub(crate) policies: PathBuf,
    /// First octet of serial numbers: names this instance and its restore epoch (1 to 127).
    pub(crate) serial_prefix: u8,
    pub(crate) listen: Listen,
    pub(crate) urls: UrlConfig,
    pub(crate) hsm: HsmConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) notices: Notices,
}

/// Where the server listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    /// Status only: OCSP, CRL, AIA.
    pub(crate) http: SocketAddr,
    /// API.
    pub(crate) https: SocketAddr,
}

/// What certificates say of where to ask; they must answer for as long as the certificates live.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UrlConfig {
    /// Base of `/ocsp`, `/crl/…` and `/ca/…`, without a slash at the end.
    pub(crate) status: String,
    /// The certification practice statement.
    pub(crate) cps: String,
}

/// Tokens of the CA. The root's token is not here: it is needed at ceremonies only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HsmConfig {
    /// PKCS#11 module.
    pub(crate) module: PathBuf,
    /// Variables that the module reads when it is loaded, such as SOFTHSM2_CONF.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// Label of the issuing CA's token.
    pub(crate) issuing_token: String,
    /// File with its user PIN.
    pub(crate) issuing_pin_file: PathBuf,
    /// Sessions kept open for signatures.
    #[serde(default = "sessions_default")]
    pub(crate) sessions: usize,
}

/// The server's own certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// PEM: its certificate and the issuing CA's.
    pub(crate) chain: PathBuf,
    /// PEM, PKCS#8, mode 0600.
    pub(crate) key: PathBuf,
}

/// Where messages to agents go: one file a message, for whatever sends them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notices {
    pub(crate) outbox: PathBuf,
}

fn sessions_default() -> usize {
    4
}

impl Config {
    /// Reads the file; relative paths in it are relative to its folder.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| Failure::Config { file: path.to_owned(), detail: error.to_string() })?;
        let base = path.parent().unwrap_or(Path::new(""));
        for file in [
            &mut config.policies,
            &mut config.hsm.issuing_pin_file,
            &mut config.tls.chain,
            &mut config.tls.key,
            &mut config.notices.outbox,
        ] {
            *file = base.join(&file);
        }
        if let Some(relative) = config.database.strip_prefix("sqlite:") {
            config.database = format!("sqlite:{}", base.join(relative).display());
        }
        if let Ok(url) = std::env::var("DATABASE_URL") {
            config.database = url;
        }
        if !(1..0x80).contains(&config.serial_prefix) {
            let detail = format!("serial_prefix must be 1 to 127, found {}", config.serial_prefix);
            return Err(Failure::Config { file: path.to_owned(), detail });
        }
        Ok(config)
    }
}

/// Makes these variables this process's own, by starting the same command anew where one differs.
pub(crate) fn enter(environment: &BTreeMap<String, String>) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    if environment.iter().all(|(name, value)| std::env::var(name).as_ref() == Ok(value)) {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    Err(Failure::Io(
        std::process::Command::new(program).args(std::env::args_os().skip(1)).envs(environment).exec(),
    ))
}
