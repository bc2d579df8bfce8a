//! A throw-away PostgreSQL on a Unix socket, by the script that `make bench` uses, too.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{root, temporary, text};

pub(crate) struct Postgres {
    dir: PathBuf,
    pub(crate) url: String,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let dir = temporary("pg");
        let url = script("start_postgres \"$FOLDER\"; echo \"$POSTGRES_URL\"", &dir);
        Self { dir, url: url.trim().to_owned() }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        script(
            "POSTGRES_DIR=$FOLDER; POSTGRES_BIN=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1); stop_postgres",
            &self.dir,
        );
    }
}

fn script(what: &str, dir: &std::path::Path) -> String {
    let script = format!("set -euo pipefail; . ca-server/scripts/postgres.sh; {what}");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(root()).env("FOLDER", dir).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
