//! `ukey`: the counter's workstation and the holder's assistant, as a program.
//!
//! Exit 0: done; 1: refused or failed; 2: the command line is wrong. Started alone at a terminal it is a menu.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod cli;
mod menu;
mod report;
mod secret;
mod situation;

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use ukey::Error;

/// `RUST_LOG`; without it errors, and none of every mechanism of a module that the library has no name for.
fn log_filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error,cryptoki=off"))
}

fn main() -> ExitCode {
    let private = hsm::keep_memory_private().map_err(Error::System);
    // Started alone, by somebody who sees and types: a menu. A program that starts it alone gets the help.
    let alone = std::env::args_os().len() <= 1;
    let menu = alone && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let cli = if menu { None } else { Some(cli::Cli::parse()) };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(log_filter()).init();
    let (language, json) = cli.as_ref().map_or((None, false), |cli| (cli.lang, cli.json));
    let voice = Arc::new(report::Voice::new(language, json));
    match private.and_then(|()| cli.map_or_else(|| menu::run(&voice), |cli| cli::run(cli, &voice))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            voice.error(&error);
            ExitCode::from(1)
        }
    }
}
