//! The portal over real TLS, with a CRL source that tests can stop, change and break.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod agent;
mod browser;
mod config;
mod login;
mod program;
mod second_step;
mod services;
mod sidecar;
mod site;
mod sockets;
mod source;
mod status;
mod tables;

#[path = "../../../../ca-core/verifier/tests/verifier/pki.rs"]
#[expect(dead_code, reason = "the verifier's own tests need more of it")]
mod pki;
