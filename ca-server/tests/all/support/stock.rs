//! Tokens as vendors deliver them, and the lists that say so.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{Ca, FACTORY_SO_PIN, MODULE, text};

impl Ca {
    /// What the vendor delivers, listed at the first counter. Gives its serial number.
    pub(crate) fn blank_token(&self) -> String {
        self.blank_token_at("municipal")
    }

    pub(crate) fn blank_token_at(&self, counter: &str) -> String {
        let token = self.unlisted_token();
        self.list_token(&token, &["--counter", counter]);
        token
    }

    /// One that stands in nobody's list.
    pub(crate) fn unlisted_token(&self) -> String {
        self.blank_token_in(&self.dir.join("ukey/softhsm2.conf"))
    }

    /// Takes a token into stock.
    pub(crate) fn list_token(&self, token: &str, place: &[&str]) {
        let list = self.path(&format!("list-{token}.csv"));
        std::fs::write(&list, format!("serial,model,batch\n{token},SoftHSM v2,2026-01\n")).unwrap();
        let output = self.ca_server(&[&["import-tokens", &list], place].concat());
        assert!(output.status.success(), "{}", text(&output));
    }

    /// One whose factory SO PIN is not the one that the policy says.
    pub(crate) fn token_with_so_pin(&self, so_pin: &str) -> String {
        self.made_token(&self.dir.join("ukey/softhsm2.conf"), so_pin)
    }

    /// Where SoftHSM keeps the token with this label: to move it away is to pull it out.
    pub(crate) fn token_folder(&self, label: &str) -> PathBuf {
        let folders = std::fs::read_dir(self.dir.join("ukey/tokens")).unwrap();
        let has = |folder: &PathBuf| {
            let object = std::fs::read(folder.join("token.object")).unwrap_or_default();
            object.windows(label.len()).any(|part| part == label.as_bytes())
        };
        folders.map(|folder| folder.unwrap().path()).find(has).unwrap()
    }

    pub(super) fn blank_token_in(&self, softhsm: &Path) -> String {
        self.made_token(softhsm, FACTORY_SO_PIN)
    }

    fn made_token(&self, softhsm: &Path, so_pin: &str) -> String {
        let before = self.token_serials(softhsm);
        let mut command = Command::new("softhsm2-util");
        command.args(["--module", MODULE, "--init-token", "--free", "--label", "BLANK"]);
        command.args(["--so-pin", so_pin, "--pin", "00000000"]);
        let output = command.env("SOFTHSM2_CONF", softhsm).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        self.token_serials(softhsm).into_iter().find(|serial| !before.contains(serial)).unwrap()
    }

    /// Tokens at the workstation, as the module shows them.
    pub(crate) fn tokens_shown(&self) -> Vec<String> {
        self.token_serials(&self.dir.join("ukey/softhsm2.conf"))
    }

    fn token_serials(&self, softhsm: &Path) -> Vec<String> {
        let output = self.ukey_command(&["--json", "status"]).env("SOFTHSM2_CONF", softhsm).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tokens = status["tokens"].as_array().unwrap();
        tokens.iter().map(|token| token["serial"].as_str().unwrap().to_owned()).collect()
    }
}
