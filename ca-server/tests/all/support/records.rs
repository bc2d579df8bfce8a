//! What the CA has written down, as an auditor gets it.

use serde_json::Value;

use super::{Ca, text};

impl Ca {
    fn url(&self) -> String {
        self.database_url.clone().unwrap_or_else(|| {
            let config = std::fs::read_to_string(self.dir.join("ca-server.toml")).unwrap();
            config.parse::<toml::Table>().unwrap()["database"].as_str().unwrap().to_owned()
        })
    }

    /// Changes the database past the programs.
    pub(crate) fn sql(&self, statements: &str) {
        ca_store::testing::execute(&self.url(), statements);
    }

    /// What a thief of the database gets: SQLite's files with the log of writes, or all rows of PostgreSQL.
    pub(crate) fn stolen(&self) -> Vec<u8> {
        let url = self.url();
        let Some(path) = url.strip_prefix("sqlite:") else {
            let dump = "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)/pg_dump --inserts \"$URL\"";
            let output =
                std::process::Command::new("bash").args(["-c", dump]).env("URL", &url).output().unwrap();
            assert!(output.status.success(), "{}", text(&output));
            return output.stdout;
        };
        let mut octets = std::fs::read(path).unwrap();
        octets.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
        octets
    }
    /// Every row of a table.
    pub(crate) fn rows(&self, table: &str) -> Vec<Value> {
        let file = self.path("rows.jsonl");
        let output = self.ca_server(&["export", "--output", &file]);
        assert!(output.status.success(), "{}", text(&output));
        let rows = std::fs::read_to_string(&file).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| row["table"] == table).collect()
    }
}
