//! Reference portal: mutual TLS, live status, pages that say why (step 10 of the path).
//!
//! It depends on `ca-verifier` and on nothing of the CA: what it does, any portal can do. What deliberately does not
//! live here: the second step of the login and the services.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod command;
mod config;
mod error;
mod fetch;
mod language;
mod pages;
mod report;
mod routes;
mod server;
mod unit;

pub use command::run;
pub use config::Config;
pub use error::{ConfigFault, Error};
pub use language::Language;
pub use server::Portal;
