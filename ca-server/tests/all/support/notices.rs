//! What the tests of notices need of a CA: its configuration, its store, and its messages as the API shows them.

use std::process::Stdio;

use ca_store::Store;
use serde_json::Value;
use toml::Table;

use super::{Ca, USCC, curl, wait};

impl Ca {
    /// Adds to `[notices]` of the configuration.
    pub(crate) fn configure_notices(&self, more: &str) {
        let file = self.dir.join("ca-server.toml");
        let mut config: Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        let notices = config["notices"].as_table_mut().unwrap();
        notices.extend(more.parse::<Table>().unwrap());
        std::fs::write(file, toml::to_string(&config).unwrap()).unwrap();
    }

    /// Mail to a server on this machine, without TLS; a second is a long time in a test.
    pub(crate) fn configure_mail(&self, port: u16) {
        self.configure_notices(&format!(
            "retry_secs = [1, 1]\ntimeout_secs = 2\n[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             from = \"签印 <ca@qianyin.test>\"\n"
        ));
    }

    /// Signed with what stands in `webhook.secret`.
    pub(crate) fn configure_webhook(&self, url: &str, more: &str) {
        self.configure_notices(&format!(
            "retry_secs = [1, 1]\n[webhook]\nurl = \"{url}\"\nsecret_file = \"webhook.secret\"\n{more}"
        ));
    }

    /// A second server on the same database and tokens, on ports of its own.
    pub(crate) fn serve_beside(&mut self) {
        let mut config: Table =
            std::fs::read_to_string(self.dir.join("ca-server.toml")).unwrap().parse().unwrap();
        let [http, https, _] = super::free_ports();
        let listen = config["listen"].as_table_mut().unwrap();
        listen.insert("http".to_owned(), http.clone().into());
        listen.insert("https".to_owned(), https.into());
        let file = self.dir.join("beside.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let mut command = self.ca_server_command(&["serve"]);
        command.env("QIANYIN_CONFIG", file).stdout(Stdio::null()).stderr(Stdio::null());
        self.others.push(command.spawn().unwrap());
        let url = format!("http://{http}/readyz");
        wait(30, "the second server", || curl(&["-fsS", &url]).status.success());
    }

    /// The unit of the tests is reached there.
    pub(crate) fn reach(&self, contact: &Value) -> Value {
        let path = format!("/api/v1/units/{USCC}/contact");
        self.call("clerk", "PUT", &path, Some(contact), None).unwrap()
    }

    /// Notices of one kind, oldest first.
    pub(crate) fn notices(&self, kind: &str) -> Vec<Value> {
        let all = self.get("clerk", "/api/v1/notices");
        all.as_array().unwrap().iter().filter(|notice| notice["kind"] == kind).cloned().collect()
    }

    /// The database itself, when no server runs.
    pub(crate) fn store(&self) -> Store {
        let file = std::fs::read_to_string(self.dir.join("ca-server.toml")).unwrap();
        let config: Table = file.parse().unwrap();
        let configured = config["database"].as_str().unwrap().strip_prefix("sqlite:");
        let url = self
            .database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.dir.join(configured.unwrap()).display()));
        Store::open(&url).unwrap()
    }
}
