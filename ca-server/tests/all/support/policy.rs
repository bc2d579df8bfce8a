//! Policies of a test's own.

use std::{path::PathBuf, process::Command};

use super::{Ca, root};

impl Ca {
    /// Changes one place of a policy file, in this CA's own copy of `policies/`; the server reads it at its next start.
    pub(crate) fn change_policy(&self, file: &str, old: &str, new: &str) {
        let file = self.own_policies().join(file);
        let content = std::fs::read_to_string(&file).unwrap();
        assert!(content.contains(old), "{old} is not in {}", file.display());
        std::fs::write(file, content.replacen(old, new, 1)).unwrap();
    }

    fn own_policies(&self) -> PathBuf {
        let copied = self.dir.join("policies");
        if copied.exists() {
            return copied;
        }
        let copy = Command::new("cp").arg("-r").arg(root().join("policies")).arg(&copied).status();
        assert!(copy.unwrap().success());
        let config = self.dir.join("ca-server.toml");
        let mut content: toml::Table = std::fs::read_to_string(&config).unwrap().parse().unwrap();
        content.insert("policies".to_owned(), "policies".into());
        std::fs::write(config, toml::to_string(&content).unwrap()).unwrap();
        copied
    }
}
