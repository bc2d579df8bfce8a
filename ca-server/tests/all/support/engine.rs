//! OpenSSL's PKCS#11 engine: curl and `openssl s_client` with the key in the token.

use std::{path::PathBuf, process::Command};

use super::{Ca, MODULE, text};

impl Ca {
    /// A login at the portal with curl. Gives status and body.
    pub(crate) fn login(&self, token: &str) -> (u16, String) {
        self.login_by(&self.key_uri(token))
    }

    /// The same, with the key of this URI.
    pub(crate) fn login_by(&self, key: &str) -> (u16, String) {
        let mut command = self.curl_with_key(key);
        command.args(["-H", "Accept: application/json", "-w", "\n%{http_code}"]);
        let output = command.arg(format!("https://{}/", self.portal)).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = answer.rsplit_once('\n').unwrap_or_else(|| panic!("{}", text(&output)));
        (status.parse().unwrap_or(0), body.to_owned())
    }

    /// curl, with the unit's certificate and the key in its token.
    pub(crate) fn curl_with_token(&self, token: &str) -> Command {
        self.curl_with_key(&self.key_uri(token))
    }

    fn curl_with_key(&self, key: &str) -> Command {
        let mut command = self.with_engine("curl");
        command.args(["-sS", "--engine", "pkcs11", "--key-type", "ENG", "--key", key]);
        command.args(["--cert", &self.path("unit.pem"), "--cacert", &self.path("root.pem")]);
        command
    }

    /// The URI of a certificate's key, where the token has several: its CKA_ID is the attempt's identifier.
    pub(crate) fn key_uri_of(&self, serial: &str, token: &str) -> String {
        let intent = self.rows("intent").into_iter().find(|row| row["serial"] == serial).unwrap();
        let attempt = intent["attempt"].as_str().unwrap_or_else(|| panic!("{intent}"));
        let octets = attempt.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair)));
        format!("{};id={}", self.key_uri(token), octets.collect::<String>())
    }

    /// The key's PKCS#11 URI (RFC 7512); the engine reads the PIN from its file.
    pub(crate) fn key_uri(&self, token: &str) -> String {
        format!("pkcs11:serial={token};type=private;pin-source={}", self.path("unit.pin"))
    }

    /// A program of OpenSSL's that knows the engine `pkcs11`.
    pub(crate) fn with_engine(&self, program: &str) -> Command {
        let config = format!(
            "openssl_conf = init\n[init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\nengine_id = pkcs11\n\
             dynamic_path = {}\nMODULE_PATH = {MODULE}\ninit = 0\n",
            glob("/usr/lib", "engines-3/pkcs11.so").display()
        );
        let file = self.dir.join("openssl.cnf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        command.env("OPENSSL_CONF", file).env("SOFTHSM2_CONF", self.dir.join("ukey/softhsm2.conf"));
        command
    }
}

fn glob(below: &str, end: &str) -> PathBuf {
    let folders = std::fs::read_dir(below).unwrap().filter_map(Result::ok);
    folders.map(|folder| folder.path().join(end)).find(|path| path.exists()).unwrap()
}
