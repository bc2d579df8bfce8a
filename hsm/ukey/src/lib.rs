//! What runs on a PC with a U-key: the counter's workstation, and the holder's assistant.
//!
//! The workstation opens no port: [`counter`] asks the server what to do next and [`job`] does it on a token. All
//! talk with the server is mutual TLS with a key that stays in a token ([`tls`], [`client`]). Texts for people and
//! the command line live in the program, not here.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

pub mod certificate;
pub mod client;
pub mod counter;
mod error;
pub mod fetch;
pub mod home;
pub mod job;
pub mod key_revocation;
mod leftover;
pub mod pin_rule;
pub mod protocol;
pub mod renewal;
pub mod root;
pub mod standing;
pub mod tls;
pub mod trial;

pub use error::{Compared, Enrolment, Error};
