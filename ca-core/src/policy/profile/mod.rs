//! `policies/profiles/*.toml`: what a kind of certificate looks like (RFC 5280 §4; contract for `unit-sign`).
//!
//! A [`Profile`] can only be had from a file that passed every check, so holding one is proof of it.

mod parse;
mod words;

pub(super) use parse::parse;
pub use words::{AlternativeName, Attribute, ExtendedKeyUsage, KeyUsage, Kind};

use crate::KeyAlgorithm;

/// What a kind of certificate looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    name: String,
    version: u16,
    kind: Kind,
    issuer: String,
    proof_of_possession: bool,
    est_reenroll: bool,
    est_same_key: bool,
    subject: Vec<(Attribute, bool)>,
    key_algorithms: Vec<KeyAlgorithm>,
    lifetime_days_max: u16,
    key_usage: Vec<KeyUsage>,
    extended_key_usage: Vec<ExtendedKeyUsage>,
    alternative_name: AlternativeName,
    ocsp: bool,
    ca_issuers: bool,
    crl_distribution_point: bool,
    policies: Vec<Vec<u8>>,
    cps: bool,
    uscc: bool,
    ocsp_nocheck: bool,
    sha256: [u8; 32],
}

impl Profile {
    /// The file's name without `.toml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counted up by whoever changes the file.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// SHA-256 of the file; stands in every intent.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// End entity, issuing CA or root.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which of our CAs signs: `root` or `issuing`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the key must come in a validated request. The ceremony's own keys are made under its eyes instead.
    #[must_use]
    pub fn proof_of_possession(&self) -> bool {
        self.proof_of_possession
    }

    /// Whether its holder may renew over EST (RFC 7030 §4.2.2), with a key of which no token gives evidence.
    #[must_use]
    pub fn est_reenroll(&self) -> bool {
        self.est_reenroll
    }

    /// Whether such a holder's program may keep its key. A key on a token never is: `ukey renew` makes a new one.
    #[must_use]
    pub fn est_same_key(&self) -> bool {
        self.est_same_key
    }

    /// Subject attributes in order, and whether each must be there.
    #[must_use]
    pub fn subject(&self) -> &[(Attribute, bool)] {
        &self.subject
    }

    /// Kinds of key.
    #[must_use]
    pub fn key_algorithms(&self) -> &[KeyAlgorithm] {
        &self.key_algorithms
    }

    /// Longest validity, in days of 86,400 seconds.
    #[must_use]
    pub fn lifetime_days_max(&self) -> u16 {
        self.lifetime_days_max
    }

    /// keyUsage.
    #[must_use]
    pub fn key_usage(&self) -> &[KeyUsage] {
        &self.key_usage
    }

    /// extKeyUsage; empty when the extension is absent.
    #[must_use]
    pub fn extended_key_usage(&self) -> &[ExtendedKeyUsage] {
        &self.extended_key_usage
    }

    /// subjectAltName.
    #[must_use]
    pub fn alternative_name(&self) -> AlternativeName {
        self.alternative_name
    }

    /// Whether authorityInfoAccess names the OCSP responder.
    #[must_use]
    pub fn ocsp(&self) -> bool {
        self.ocsp
    }

    /// Whether authorityInfoAccess names the issuer's certificate.
    #[must_use]
    pub fn ca_issuers(&self) -> bool {
        self.ca_issuers
    }

    /// Whether cRLDistributionPoints names the certificate's shard.
    #[must_use]
    pub fn crl_distribution_point(&self) -> bool {
        self.crl_distribution_point
    }

    /// certificatePolicies: content octets of each object identifier.
    #[must_use]
    pub fn policies(&self) -> &[Vec<u8>] {
        &self.policies
    }

    /// Whether each policy carries the URI of the CPS.
    #[must_use]
    pub fn cps(&self) -> bool {
        self.cps
    }

    /// Whether extension 1.2.156.10260.4.1.4 carries the unit's code.
    #[must_use]
    pub fn uscc(&self) -> bool {
        self.uscc
    }

    /// Whether id-pkix-ocsp-nocheck is there.
    #[must_use]
    pub fn ocsp_nocheck(&self) -> bool {
        self.ocsp_nocheck
    }
}
