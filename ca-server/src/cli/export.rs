//! `export`: the whole database as JSON Lines, one snapshot, for the auditor's own program.

use std::{io::Write, path::PathBuf};

use ca_store::Store;
use clap::Args;

use super::{Server, Stop};
use crate::{config::Config, problem::Failure};

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    server: Server,
    /// File to write; standard output when left out | 输出文件
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let mut sink: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(std::fs::File::create(path).map_err(|error| Failure::file(path, error))?),
            None => Box::new(std::io::stdout().lock()),
        };
        let mut sink = std::io::BufWriter::new(&mut sink);
        store.export(&mut sink).map_err(Failure::Store)?;
        sink.flush().map_err(Failure::Io)?;
        Ok(())
    }
}
