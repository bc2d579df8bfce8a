//! What a portal embeds to answer "who is this, and is the certificate good now?".
//!
//! Pure: no I/O, no clock, no randomness. Time and bytes are arguments. What cannot be decided is refused: there is
//! no way to accept an unknown or stale status.
//!
//! A minimal check; `examples/small_portal.rs` is a complete portal in 70 lines, with [`GateLayer`] before
//! what only units may do, and the crate `portal` is one with everything:
//!
//! ```
//! use ca_verifier::{Error, Gate, Refusal, Time, Trust, VerifiedPath, VerifiedUnit, server_config};
//! use rustls_pki_types::{CertificateDer, PrivateKeyDer};
//!
//! /// At start: the CAs that the portal accepts, by configuration.
//! fn open(root: CertificateDer<'_>, issuing: CertificateDer<'_>) -> Result<Gate, Error> {
//!     Ok(Gate::new(Trust::new(&[root], &[issuing])?))
//! }
//!
//! /// The TLS side. It proves that the client holds the key, and nothing else.
//! fn tls(
//!     gate: &Gate,
//!     chain: Vec<CertificateDer<'static>>,
//!     key: PrivateKeyDer<'static>,
//! ) -> Result<rustls::ServerConfig, Error> {
//!     server_config(chain, key, gate.trust())
//! }
//!
//! /// Every second: a CRL from the configured address. A failure leaves the last one in use until its nextUpdate.
//! fn refresh(gate: &Gate, crl: &[u8], issuing: &[u8], now: Time) -> Result<(), Error> {
//!     gate.load_crl(crl, issuing, now).map(|_distribution_point| ())
//! }
//!
//! /// After each handshake, full or resumed.
//! fn connected(gate: &Gate, tls: &rustls::ServerConnection, now: Time) -> Result<VerifiedPath, Refusal> {
//!     gate.admit(tls.peer_certificates(), now)
//! }
//!
//! /// For each request: what only units may do takes a `&VerifiedUnit`.
//! fn request(gate: &Gate, path: &VerifiedPath, now: Time) -> String {
//!     match gate.check(path, now) {
//!         Ok(unit) => welcome(&unit),
//!         Err(refusal) => format!("403 {}", refusal.code()),
//!     }
//! }
//!
//! fn welcome(unit: &VerifiedUnit) -> String {
//!     format!("200 {}", unit.code())
//! }
//! ```
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod certificate;
mod code;
mod crl;
mod error;
mod gate;
mod index;
mod issuer;
mod layer;
mod ocsp;
pub mod oid;
mod push;
mod pushed;
mod read;
mod refusal;
mod serial;
mod standing;
mod time;
mod tls;
mod trust;
mod uscc;

pub use certificate::{CERTIFICATE_OCTETS_MAX, UnitCertificate};
pub use code::{OrgCode, UnitCode};
pub use crl::{CLOCK_SKEW_SECS, CRL_ENTRIES_MAX, CRL_OCTETS_MAX, Crl, CrlNumber};
pub use error::Error;
pub use gate::{Gate, VerifiedUnit};
pub use index::{Source, StatusIndex};
pub use layer::{Admission, GateLayer, GateService};
pub use ocsp::{OCSP_OCTETS_MAX, OcspAnswer};
pub use push::{
    STATUS_CHANGES_MAX, STATUS_MESSAGE_OCTETS_MAX, STATUS_MESSAGE_TYPE, STATUS_SNAPSHOT_OCTETS_MAX,
    STATUS_SNAPSHOT_TYPE, SignedStatus, StatusChange, StatusSnapshot,
};
pub use pushed::{PushSource, SILENCE_SECS};
pub use refusal::{Refusal, Unavailable};
pub use serial::Serial;
pub use standing::{Reason, Standing};
pub use time::Time;
pub use tls::{ProofOfPossession, server_config};
pub use trust::{PRESENTED_MAX, Trust, VerifiedPath};
pub use uscc::Uscc;
