//! Holders' programs that renew over EST, as people run them: OpenSSL and curl, and strongSwan's pki.

use std::{
    process::{Command, Output},
    sync::atomic::Ordering,
    time::Duration,
};

use super::{Ca, openssl, text};

/// The media type of a request (RFC 7030 §4.2.1).
pub(crate) const PKCS10: &str = "application/pkcs10";

/// Who a client says that it is.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Nobody,
    /// A certificate whose key is on a token; its URI (RFC 7512).
    Token {
        certificate: String,
        key: String,
    },
    /// Files, PEM.
    Files {
        certificate: String,
        key: String,
    },
}

/// What a client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters, a line each.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    /// The certificate in an answer, as a PEM file.
    pub(crate) fn write_certificate(&self, file: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        let single = std::fs::read_to_string(certificates(self, file)).unwrap();
        assert_eq!(single.matches("BEGIN CERTIFICATE").count(), 1, "{single}");
    }

    /// Refused by this rule: the text is in both languages.
    pub(crate) fn says(&self, status: u16, rule: &str) {
        assert_eq!(self.status, status, "{rule}: {self:?}");
        assert!(self.body.contains(&format!("[{rule}]")), "{rule}: {self:?}");
        assert!(self.body.chars().any(|c| c > '\u{2e80}') && !self.body.contains('{'), "{self:?}");
        assert!(self.headers.contains("content-type: text/plain; charset=utf-8"), "{self:?}");
    }
}

/// Writes the certificates of a certs-only answer into a PEM file. Gives its path.
pub(crate) fn certificates(answer: &Answer, file: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let media_type = "content-type: application/pkcs7-mime; smime-type=certs-only";
    assert!(answer.headers.contains(media_type), "{answer:?}");
    assert!(answer.headers.contains("content-transfer-encoding: base64"), "{answer:?}");
    // One line: strongSwan reads no other.
    let der = STANDARD.decode(&answer.body).unwrap();
    let message = format!("{file}.p7");
    std::fs::write(&message, der).unwrap();
    let printed = openssl(&["pkcs7", "-inform", "DER", "-in", &message, "-print_certs", "-out", file]);
    assert!(printed.status.success(), "{}", text(&printed));
    file.to_owned()
}

impl Ca {
    /// One request to `/.well-known/est/…` with curl; `body` as it goes over the wire, with its media type.
    pub(crate) fn est(&self, who: &Identity, operation: &str, body: Option<(&str, &[u8])>) -> Answer {
        answer(&self.est_output(who, operation, body))
    }

    /// What curl says, also of a connection that broke. SoftHSM does not see a key while another program writes to its
    /// tokens; then nothing was sent.
    pub(crate) fn est_output(&self, who: &Identity, operation: &str, body: Option<(&str, &[u8])>) -> Output {
        const NO_KEY: Option<i32> = Some(58);
        let mut output = self.est_command(who, operation, body).output().unwrap();
        for _ in 0..5 {
            if output.status.code() != NO_KEY {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
            output = self.est_command(who, operation, body).output().unwrap();
        }
        output
    }

    /// The same, not sent yet.
    pub(crate) fn est_command(
        &self,
        who: &Identity,
        operation: &str,
        body: Option<(&str, &[u8])>,
    ) -> Command {
        let mut command = self.with_engine("curl");
        command.args(["-sS", "-i", "--cacert", &self.path("root.pem")]);
        match who {
            Identity::Nobody => {}
            Identity::Token { certificate, key } => {
                command.args(["--engine", "pkcs11", "--key-type", "ENG", "--key", key]);
                command.args(["--cert", certificate]);
            }
            Identity::Files { certificate, key } => {
                command.args(["--cert", certificate, "--key", key]);
            }
        }
        if let Some((media_type, octets)) = body {
            let sent = self.path(&format!("sent-{}", self.keys.fetch_add(1, Ordering::Relaxed)));
            std::fs::write(&sent, octets).unwrap();
            command.args(["-H", &format!("Content-Type: {media_type}")]);
            command.args(["--data-binary", &format!("@{sent}")]);
        }
        command.arg(format!("https://{}/.well-known/est/{operation}", self.https));
        command
    }

    /// A new key pair and a request with it and the subject of a certificate (PEM): base64 of its DER. Gives the
    /// request, and the key's file.
    pub(crate) fn est_request(&self, certificate: &str, name: &str) -> (Vec<u8>, String) {
        let key = self.path(&format!("{name}.key"));
        let made =
            openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
        assert!(made.status.success(), "{}", text(&made));
        (self.est_request_of_key(certificate, name, &key), key)
    }

    /// The same with a key that is there.
    pub(crate) fn est_request_of_key(&self, certificate: &str, name: &str, key: &str) -> Vec<u8> {
        let mut command = Command::new("openssl");
        command.args(["req", "-new", "-key", key]);
        self.finish_request(command, certificate, name)
    }

    /// The same with the key of a token.
    pub(crate) fn est_request_of_token(&self, certificate: &str, name: &str, key: &str) -> Vec<u8> {
        let mut command = self.with_engine("openssl");
        // The engine's configuration has no section for requests.
        let config = self.path("openssl.cnf");
        let content = std::fs::read_to_string(&config).unwrap();
        let section = "[req]\ndistinguished_name = dn\n[dn]\n";
        std::fs::write(self.path("request.cnf"), format!("{content}{section}")).unwrap();
        command.env("OPENSSL_CONF", self.path("request.cnf"));
        command.args(["req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-key", key]);
        self.finish_request(command, certificate, name)
    }

    fn finish_request(&self, mut command: Command, certificate: &str, name: &str) -> Vec<u8> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let file = self.path(&format!("{name}.csr"));
        command.args(["-utf8", "-subj", &subject(certificate), "-outform", "DER", "-out", &file]);
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        STANDARD.encode(std::fs::read(file).unwrap()).into_bytes()
    }
}

/// A certificate's subject in the form of `-subj`.
pub(crate) fn subject(certificate: &str) -> String {
    let options = ["-noout", "-subject", "-nameopt", "utf8,sep_multiline,sname"];
    let output = openssl(&[&["x509", "-in", certificate][..], &options].concat());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().skip(1).map(|line| format!("/{}", line.trim_start())).collect()
}

pub(crate) fn answer(output: &Output) -> Answer {
    assert!(output.status.success(), "{}", text(output));
    let whole = String::from_utf8(output.stdout.clone()).unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{whole}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, headers: head.to_lowercase(), body: body.to_owned() }
}
