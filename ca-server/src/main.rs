//! `ca-server`: HTTP, workers and command line of the CA, and the composition root of it all.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod app;
mod ca;
mod ceremony;
mod channel;
mod cli;
mod config;
mod draft;
mod files;
mod http;
mod listener;
mod message;
mod password;
mod permit;
mod personal;
mod policies;
mod problem;
mod protocol;
mod receipt;
mod rule;
mod serve;
mod sheet;
mod statement;
mod token_file;
mod turnstile;
mod wire;

use std::process::ExitCode;

pub(crate) use problem::Failure;

fn main() -> ExitCode {
    // Before anything can read a PIN or a key.
    match hsm::keep_memory_private() {
        Ok(()) => cli::main(),
        Err(error) => {
            eprintln!("{}", Failure::Io(error));
            ExitCode::FAILURE
        }
    }
}
