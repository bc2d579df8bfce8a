//! Reference portal: mutual TLS, live status, pages that say why (step 10 of the path).
//!
//! It depends on `ca-verifier` and on nothing of the CA: what it does, any portal can do. With
//! `[services]` in its configuration it has the second step of the login (who acts) and the services of the guide.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod captcha;
mod check;
mod command;
mod config;
mod desk;
mod error;
mod events;
mod fault;
mod fetch;
mod followers;
mod get;
mod language;
mod pages;
mod password;
mod push;
mod report;
mod routes;
mod secret;
mod server;
mod services;
mod session;
mod store;
mod unit;

pub use check::{CheckConfig, Sidecar};
pub use command::run;
pub use config::Config;
pub use error::{ConfigFault, Error, RegisterFault, StoreFault};
pub use language::Language;
pub use server::Portal;
