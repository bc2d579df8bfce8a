//! The one reviewed file that a ceremony reads.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use hsm::KeyAlgorithm;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, HsmConfig, Listen, Notices, OcspConfig, Receipts, TlsConfig, UrlConfig},
    problem::Failure,
};

/// `ceremony.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// What it is for, for the report.
    pub(crate) title: String,
    /// Who is in the room; at least an administrator and a witness.
    pub(crate) people: Vec<Person>,
    /// PKCS#11 module.
    pub(crate) module: PathBuf,
    /// Variables that the module reads when it is loaded, such as SOFTHSM2_CONF.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// `sqlite:PATH` or `postgres://…`.
    pub(crate) database: String,
    /// Folder of `policies/`.
    pub(crate) policies: PathBuf,
    /// Where certificates, the server's configuration and the report go.
    pub(crate) output: PathBuf,
    /// First octet of serial numbers (1 to 127).
    pub(crate) serial_prefix: u8,
    pub(crate) root: CaPlan,
    pub(crate) issuing: CaPlan,
    /// Years of the OCSP signer's certificate.
    pub(crate) responder_years: u16,
    pub(crate) server: TlsPlan,
    pub(crate) portal: TlsPlan,
    pub(crate) urls: UrlPlan,
}

/// A person at the ceremony.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// `administrator`, `witness`, …
    pub(crate) role: String,
}

/// A CA on a token of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaPlan {
    /// The token's label; it is initialised and empty.
    pub(crate) token: String,
    /// File with its user PIN.
    pub(crate) pin_file: PathBuf,
    /// `ec-p256`, `rsa-2048` or `rsa-3072`.
    pub(crate) key: String,
    /// Subject: O and CN; C is CN.
    pub(crate) organization: String,
    pub(crate) common_name: String,
    /// Years of its certificate.
    pub(crate) years: u16,
}

/// A TLS server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsPlan {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// DNS names, and IP addresses where people use them.
    pub(crate) names: Vec<String>,
    pub(crate) years: u16,
}

/// What certificates say of where to ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UrlPlan {
    /// Where the server listens for status requests.
    pub(crate) listen: SocketAddr,
    /// Base of `/ocsp`, `/crl/…` and `/ca/…` as certificates name it.
    pub(crate) status: String,
    /// The certification practice statement.
    pub(crate) cps: String,
}

impl Plan {
    /// Reads the file; relative paths in it are relative to its folder. They become absolute, because the server's
    /// configuration, which has them too, lies in another folder.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let refuse = |detail: String| Failure::Config { file: path.to_owned(), detail };
        let mut plan: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let absolute = std::path::absolute(path).map_err(|error| Failure::file(path, error))?;
        let base = absolute.parent().unwrap_or(Path::new("/"));
        for file in
            [&mut plan.policies, &mut plan.output, &mut plan.root.pin_file, &mut plan.issuing.pin_file]
        {
            *file = base.join(&file);
        }
        if let Some(relative) = plan.database.strip_prefix("sqlite:") {
            plan.database = format!("sqlite:{}", base.join(relative).display());
        }
        plan.check().map_err(refuse)?;
        Ok(plan)
    }

    /// The database: `DATABASE_URL` wins, and is written nowhere, for it may carry a password.
    pub(crate) fn database_url(&self) -> String {
        std::env::var("DATABASE_URL").unwrap_or_else(|_| self.database.clone())
    }

    fn check(&self) -> Result<(), String> {
        let has = |role: &str| self.people.iter().any(|person| person.role == role);
        let names: std::collections::HashSet<_> = self.people.iter().map(|person| &person.name).collect();
        if !has("administrator") || !has("witness") || names.len() < 2 {
            return Err("people: an administrator and a witness, two persons, are needed".to_owned());
        }
        if !(1..0x80).contains(&self.serial_prefix) {
            return Err(format!("serial_prefix must be 1 to 127, found {}", self.serial_prefix));
        }
        if self.root.token == self.issuing.token {
            return Err("root and issuing must be on separate tokens".to_owned());
        }
        for (what, years, most) in [
            ("root.years", self.root.years, 30),
            ("issuing.years", self.issuing.years, self.root.years),
            ("responder_years", self.responder_years, 3),
            ("server.years", self.server.years, 2),
            ("portal.years", self.portal.years, 2),
        ] {
            if !(1..=most).contains(&years) {
                return Err(format!("{what} must be 1 to {most}, found {years}"));
            }
        }
        for ca in [&self.root, &self.issuing] {
            ca.algorithm()?;
        }
        Ok(())
    }
}

impl CaPlan {
    /// The key's algorithm.
    pub(crate) fn algorithm(&self) -> Result<KeyAlgorithm, String> {
        match self.key.as_str() {
            "ec-p256" => Ok(KeyAlgorithm::EcP256),
            "rsa-2048" => Ok(KeyAlgorithm::Rsa2048),
            "rsa-3072" => Ok(KeyAlgorithm::Rsa3072),
            other => Err(format!("key must be ec-p256, rsa-2048 or rsa-3072, found {other}")),
        }
    }
}

impl Plan {
    /// The configuration of the server that this ceremony makes.
    pub(crate) fn server_config(&self) -> Config {
        Config {
            database: self.database.clone(),
            organization: self.issuing.organization.clone(),
            policies: self.policies.clone(),
            serial_prefix: self.serial_prefix,
            listen: Listen { http: self.urls.listen, https: self.server.listen },
            urls: UrlConfig { status: self.urls.status.clone(), cps: self.urls.cps.clone() },
            hsm: HsmConfig {
                module: self.module.clone(),
                environment: self.environment.clone(),
                issuing_token: self.issuing.token.clone(),
                issuing_pin_file: self.issuing.pin_file.clone(),
                sessions: 4,
            },
            tls: TlsConfig { chain: "server.pem".into(), key: "server.key".into() },
            notices: Notices::files("outbox"),
            gateways: Vec::new(),
            receipts: Receipts::default(),
            ocsp: OcspConfig::default(),
        }
    }
}
