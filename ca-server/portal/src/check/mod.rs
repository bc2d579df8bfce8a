//! `portal check`: a sidecar that tells nginx and other servers who a client certificate stands for, by live status.
//!
//! It does no TLS: whoever asks has proved that the client holds the key, or knows that nobody has. Path and status
//! are the same [`ca_verifier::Gate`] and the same followers as in `portal serve`.

mod cache;
mod config;
mod handover;
mod routes;
mod server;

pub use config::CheckConfig;
pub use server::Sidecar;
