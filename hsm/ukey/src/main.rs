//! `ukey`: the counter's workstation and the holder's assistant, as a program.
//!
//! Exit 0: done; 1: refused or failed; 2: the command line is wrong.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod cli;
mod report;
mod secret;
mod situation;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let voice = Arc::new(report::Voice::new(cli.lang, cli.json));
    match cli::run(cli, &voice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            voice.error(&error);
            ExitCode::from(1)
        }
    }
}
