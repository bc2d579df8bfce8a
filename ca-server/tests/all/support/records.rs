//! What the CA has written down, as an auditor gets it.

use serde_json::Value;

use super::{Ca, text};

impl Ca {
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
