//! `portal.toml`: read once at start, every value checked, errors name file and key.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ca_verifier::{Gate, SILENCE_SECS, Trust, server_config};
use hyper::Uri;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

use crate::{ConfigFault, Error};

const POLL_MS: (u64, u64) = (100, 3_600_000);
const PUSH_SECS: (u64, u64) = (2, 60);
const CONNECTIONS: (u64, u64) = (1, 1_000_000);
const TIMEOUT_MS: (u64, u64) = (100, 600_000);
const STATUS_AGE_SECS: (u64, u64) = (5, 86_400 * 366);
const IDLE_SECS: (u64, u64) = (1, 3600);
const SESSION_SECS: (u64, u64) = (1, 86_400);

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// ADDRESS:PORT; port 0 lets the system choose.
    listen: String,
    /// PEM: the portal's certificate, then the CAs below the root.
    certificate: PathBuf,
    /// PEM: its private key.
    key: PathBuf,
    /// PEM: trusted roots of unit certificates.
    anchors: Vec<PathBuf>,
    /// PEM: CAs below them.
    #[serde(default)]
    intermediates: Vec<PathBuf>,
    /// Where status comes from: CRLs,
    #[serde(default)]
    crl: Vec<CrlTable>,
    /// streams, or both.
    #[serde(default)]
    push: Vec<PushTable>,
    /// Milliseconds between two polls of a source.
    #[serde(default = "default_poll_ms")]
    poll_ms: u64,
    /// Connections at once.
    #[serde(default = "default_connections_max")]
    connections_max: u64,
    /// Milliseconds for a TLS handshake. A person types a PIN meanwhile: browsers ask for it before they send the
    /// certificate.
    #[serde(default = "default_handshake_timeout_ms")]
    handshake_timeout_ms: u64,
    /// Milliseconds for the first octets of TLS, for the head of a request, and between two requests.
    #[serde(default = "default_idle_timeout_ms")]
    idle_timeout_ms: u64,
    /// Refuse when no source has confirmed the status for so long, though nextUpdate has not come.
    status_age_max_secs: Option<u64>,
    /// The second step of the login and the services. Without it the portal says who has logged in, and no more.
    services: Option<ServicesTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServicesTable {
    /// The portal's own SQLite file; made when there is none.
    database: PathBuf,
    /// A session without requests ends after so long.
    #[serde(default = "default_idle_secs")]
    idle_secs: u64,
    /// Every session ends after so long.
    #[serde(default = "default_session_secs")]
    session_secs: u64,
}

const fn default_idle_secs() -> u64 {
    900
}

const fn default_session_secs() -> u64 {
    8 * 3600
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CrlTable {
    /// `http://…`: CRLs are signed, so plain HTTP is enough and has no circle of trust.
    url: String,
    /// PEM: the certificate of the CA that signs it.
    issuer: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushTable {
    /// `http://HOST[:PORT]` of each instance, tried in turn.
    urls: Vec<String>,
    /// PEM: the certificate of the CA whose certificates it tells of.
    issuer: PathBuf,
    /// Without a message for so long, its certificates are refused.
    #[serde(default = "default_silence_secs")]
    silence_secs: u64,
}

const fn default_silence_secs() -> u64 {
    SILENCE_SECS.unsigned_abs()
}

pub(crate) const fn default_poll_ms() -> u64 {
    1000
}

const fn default_connections_max() -> u64 {
    1024
}

const fn default_handshake_timeout_ms() -> u64 {
    60_000
}

const fn default_idle_timeout_ms() -> u64 {
    30_000
}

/// Everything that the portal needs, read and checked.
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: ServerConfig,
    pub(crate) gate: Gate,
    pub(crate) sources: Sources,
    pub(crate) limits: Limits,
    pub(crate) services: Option<ServicesConfig>,
}

/// The second step of the login and the services.
#[derive(Clone, Debug)]
pub(crate) struct ServicesConfig {
    pub(crate) database: PathBuf,
    pub(crate) idle: Duration,
    pub(crate) life: Duration,
}

/// What strangers may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections_max: usize,
    /// For the whole handshake.
    pub(crate) handshake: Duration,
    /// For the first octets and between requests.
    pub(crate) idle: Duration,
}

/// Where status comes from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) crls: Vec<CrlSource>,
    /// Between two polls of a CRL.
    pub(crate) poll: Duration,
    pub(crate) pushes: Vec<PushSource>,
}

/// The places that tell of one CA's certificates by themselves.
#[derive(Clone, Debug)]
pub(crate) struct PushSource {
    /// At least one.
    pub(crate) urls: Vec<Uri>,
    pub(crate) issuer: CertificateDer<'static>,
    /// Without a message for so long, its certificates are refused.
    pub(crate) silence: Duration,
}

/// What both configuration files say of it.
pub(crate) struct SourceTables<'a> {
    pub(crate) crl: &'a [CrlTable],
    pub(crate) push: &'a [PushTable],
    pub(crate) poll_ms: u64,
    pub(crate) status_age_max_secs: Option<u64>,
}

/// One address that CRLs are fetched from. Addresses in certificates are never fetched.
#[derive(Clone, Debug)]
pub(crate) struct CrlSource {
    pub(crate) url: Uri,
    pub(crate) issuer: CertificateDer<'static>,
}

/// What environment or command line put in place of the file's values.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) listen: Option<String>,
    pub(crate) poll_ms: Option<u64>,
}

impl Config {
    /// Reads a configuration file and every file that it names; relative paths are relative to its folder.
    ///
    /// # Errors
    /// [`Error::Config`] with file and key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, Overrides::default())
    }

    pub(crate) fn read_with(path: &Path, overrides: Overrides) -> Result<Self, Error> {
        let reader = Reader { path };
        let text = fs::read_to_string(path).map_err(|cause| {
            reader.fault("portal.toml", ConfigFault::Unreadable { file: path.to_owned(), cause })
        })?;
        let mut file: File = toml::from_str(&text)
            .map_err(|error| reader.fault("portal.toml", ConfigFault::Syntax(error.to_string())))?;
        file.listen = overrides.listen.unwrap_or(file.listen);
        file.poll_ms = overrides.poll_ms.unwrap_or(file.poll_ms);
        reader.check(&file)
    }
}

/// Reads values and names file and key of what is wrong.
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a Path,
}

impl Reader<'_> {
    fn check(&self, file: &File) -> Result<Config, Error> {
        let anchors = self.certificates_of("anchors", &file.anchors)?;
        let intermediates = self.certificates_of("intermediates", &file.intermediates)?;
        let trust =
            Trust::new(&anchors, &intermediates).map_err(|error| self.fault("anchors", error.into()))?;
        let chain = self.certificates("certificate", &file.certificate)?;
        let key = self.private_key("key", &file.key)?;
        let mut tls = server_config(chain, key, &trust).map_err(|error| self.fault("key", error.into()))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tables = SourceTables {
            crl: &file.crl,
            push: &file.push,
            poll_ms: file.poll_ms,
            status_age_max_secs: file.status_age_max_secs,
        };
        let (gate, sources) = self.gate(trust, &tables)?;
        let connections_max = self.within("connections_max", file.connections_max, CONNECTIONS)?;
        Ok(Config {
            listen: self.address("listen", &file.listen)?,
            tls,
            gate,
            sources,
            services: file.services.as_ref().map(|table| self.services(table)).transpose()?,
            limits: Limits {
                connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
                handshake: self.milliseconds("handshake_timeout_ms", file.handshake_timeout_ms)?,
                idle: self.milliseconds("idle_timeout_ms", file.idle_timeout_ms)?,
            },
        })
    }

    fn services(&self, table: &ServicesTable) -> Result<ServicesConfig, Error> {
        let database = self.resolve(&table.database);
        if !database.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
            return Err(self.fault("services.database", ConfigFault::NoFolder(database)));
        }
        let idle = self.within("services.idle_secs", table.idle_secs, IDLE_SECS)?;
        let life = self.within("services.session_secs", table.session_secs, SESSION_SECS)?;
        Ok(ServicesConfig { database, idle: Duration::from_secs(idle), life: Duration::from_secs(life) })
    }

    /// A gate that expects status from everything that is named, and what is named. One source at least.
    pub(crate) fn gate(&self, trust: Trust, tables: &SourceTables<'_>) -> Result<(Gate, Sources), Error> {
        if tables.crl.is_empty() && tables.push.is_empty() {
            return Err(self.fault("crl", ConfigFault::Empty));
        }
        let mut gate = Gate::new(trust);
        if let Some(secs) = tables.status_age_max_secs {
            let secs = self.within("status_age_max_secs", secs, STATUS_AGE_SECS)?;
            gate = gate.refuse_unconfirmed_after(i64::try_from(secs).unwrap_or(i64::MAX));
        }
        let mut pushes = Vec::new();
        for (index, table) in tables.push.iter().enumerate() {
            let source = self.push(index, table)?;
            let issuer = format!("push[{index}].issuer");
            let silence = i64::try_from(source.silence.as_secs()).unwrap_or(SILENCE_SECS);
            gate = gate
                .expect_push(&source.issuer, silence)
                .map_err(|error| self.fault(&issuer, error.into()))?;
            pushes.push(source);
        }
        let poll = Duration::from_millis(self.within("poll_ms", tables.poll_ms, POLL_MS)?);
        Ok((gate, Sources { crls: self.crls(tables.crl)?, poll, pushes }))
    }

    fn crls(&self, tables: &[CrlTable]) -> Result<Vec<CrlSource>, Error> {
        let mut sources = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let url = self.url(&format!("crl[{index}].url"), &table.url)?;
            let issuer = self.issuer(&format!("crl[{index}].issuer"), &table.issuer)?;
            sources.push(CrlSource { url, issuer });
        }
        Ok(sources)
    }

    fn push(&self, index: usize, table: &PushTable) -> Result<PushSource, Error> {
        let mut urls = Vec::new();
        for (at, text) in table.urls.iter().enumerate() {
            let key = format!("push[{index}].urls[{at}]");
            let url = self.url(&key, text)?;
            if url.path() != "/" || url.query().is_some() {
                return Err(self.fault(&key, ConfigFault::BaseUrl(text.clone())));
            }
            urls.push(url);
        }
        if urls.is_empty() {
            return Err(self.fault(&format!("push[{index}].urls"), ConfigFault::Empty));
        }
        let issuer = self.issuer(&format!("push[{index}].issuer"), &table.issuer)?;
        let secs = self.within(&format!("push[{index}].silence_secs"), table.silence_secs, PUSH_SECS)?;
        Ok(PushSource { urls, issuer, silence: Duration::from_secs(secs) })
    }

    fn url(&self, key: &str, text: &str) -> Result<Uri, Error> {
        let url = text.parse::<Uri>().ok().filter(|url| {
            url.scheme_str() == Some("http")
                && url.host().is_some_and(|host| !host.is_empty())
                && !text.contains('@')
        });
        url.ok_or_else(|| self.fault(key, ConfigFault::Url(text.to_owned())))
    }

    fn issuer(&self, key: &str, file: &Path) -> Result<CertificateDer<'static>, Error> {
        let mut issuers = self.certificates(key, file)?;
        let issuer = issuers.pop().ok_or_else(|| self.fault(key, ConfigFault::Empty))?;
        if issuers.is_empty() {
            Ok(issuer)
        } else {
            Err(self.fault(key, ConfigFault::ManyCertificates(self.resolve(file))))
        }
    }

    pub(crate) fn certificates_of(
        &self,
        key: &str,
        files: &[PathBuf],
    ) -> Result<Vec<CertificateDer<'static>>, Error> {
        let mut all = Vec::new();
        for (index, file) in files.iter().enumerate() {
            all.extend(self.certificates(&format!("{key}[{index}]"), file)?);
        }
        Ok(all)
    }

    fn certificates(&self, key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
        let pem = self.file(key, file)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self.fault(key, ConfigFault::NoCertificate(self.resolve(file)))),
        }
    }

    fn private_key(&self, key: &str, file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
        let pem = self.file(key, file)?;
        PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| self.fault(key, ConfigFault::NoKey(self.resolve(file))))
    }

    fn file(&self, key: &str, file: &Path) -> Result<Vec<u8>, Error> {
        let file = self.resolve(file);
        fs::read(&file).map_err(|cause| self.fault(key, ConfigFault::Unreadable { file, cause }))
    }

    pub(crate) fn resolve(&self, file: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| file.to_owned(), |folder| folder.join(file))
    }

    pub(crate) fn address(&self, key: &str, text: &str) -> Result<SocketAddr, Error> {
        text.parse().map_err(|_| self.fault(key, ConfigFault::Address(text.to_owned())))
    }

    fn milliseconds(&self, key: &str, found: u64) -> Result<Duration, Error> {
        self.within(key, found, TIMEOUT_MS).map(Duration::from_millis)
    }

    pub(crate) fn within(&self, key: &str, found: u64, (least, most): (u64, u64)) -> Result<u64, Error> {
        if (least..=most).contains(&found) {
            Ok(found)
        } else {
            Err(self.fault(key, ConfigFault::Range { found, least, most }))
        }
    }

    pub(crate) fn fault(&self, key: &str, fault: ConfigFault) -> Error {
        Error::Config { file: self.path.to_owned(), key: key.to_owned(), fault }
    }
}
