//! A portal with its CA, its CRL source and a folder of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ca_verifier::Time;
use portal::{Config, Portal};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustls_pki_types::CertificateDer;

use crate::{
    browser::Browser,
    pki::{Ca, CrlSpec, DAY, Entry, SERIAL, validity},
    source::Source,
};

pub(crate) struct Site {
    pub(crate) folder: Folder,
    pub(crate) root: Ca,
    pub(crate) issuing: Ca,
    pub(crate) source: Source,
}

/// Removed with everything in it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new() -> Self {
        // Process and time: tests of one process run at once, too.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let path = std::env::temp_dir().join(format!("portal-test-{}-{nanos}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_secs(i64::try_from(since.as_secs()).unwrap())
}

pub(crate) fn pem(certificates: &[&CertificateDer<'_>]) -> String {
    let blocks = certificates.iter().map(|der| {
        let text = base64(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    });
    blocks.collect()
}

fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, octet| word << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * index) & 63).unwrap();
            text.push(if index <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    text
}

/// A unit certificate that is valid today.
pub(crate) fn current(params: &mut CertificateParams) {
    validity(params, -500, 4500);
}

impl Site {
    /// Files and CRL source; no portal runs yet.
    pub(crate) async fn new() -> Self {
        let root = Ca::root();
        let issuing = root.below("Issuing");
        let (server, key) = issuing.leaf_and_key(|params| {
            current(params);
            params.custom_extensions.clear();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        });
        let folder = Folder::new();
        folder.write("root.pem", &pem(&[&root.der]));
        folder.write("issuing.pem", &pem(&[&issuing.der]));
        folder.write("portal.pem", &pem(&[&server, &issuing.der]));
        folder.write("portal.key", &key.serialize_pem());
        let source = Source::start(None).await;
        let site = Self { folder, root, issuing, source };
        site.publish(1, |_| {});
        site.write_config("");
        site
    }

    /// `extra` stands before the tables.
    pub(crate) fn write_config(&self, extra: &str) -> PathBuf {
        let text = format!(
            "listen = \"127.0.0.1:0\"\ncertificate = \"portal.pem\"\nkey = \"portal.key\"\n\
             anchors = [\"root.pem\"]\nintermediates = [\"issuing.pem\"]\npoll_ms = 100\n{extra}\n\
             [[crl]]\nurl = \"{}\"\nissuer = \"issuing.pem\"\n",
            self.source.url()
        );
        self.folder.write("portal.toml", &text)
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.path().join("portal.toml")
    }

    pub(crate) async fn run(&self) -> SocketAddr {
        let portal = Portal::bind(Config::read(&self.config_path()).unwrap()).await.unwrap();
        let address = portal.address();
        tokio::spawn(portal.run(std::future::pending()));
        address
    }

    pub(crate) fn crl(&self, number: u8, change: impl FnOnce(&mut CrlSpec)) -> Vec<u8> {
        self.issuing.crl(|spec| {
            spec.number = Some(number);
            spec.this_update = now().plus_secs(-5);
            spec.next_update = Some(now().plus_secs(DAY));
            change(spec);
        })
    }

    pub(crate) fn publish(&self, number: u8, change: impl FnOnce(&mut CrlSpec)) {
        self.source.publish(Some(self.crl(number, change)));
    }

    /// Publishes a CRL that lists the usual unit.
    pub(crate) fn list(&self, number: u8, extensions: &[Vec<u8>]) {
        self.publish(number, |spec| spec.entries = vec![Entry::new(&SERIAL, extensions)]);
    }

    /// A browser with the usual unit's certificate, changed by the test.
    pub(crate) fn unit(&self, change: impl FnOnce(&mut CertificateParams)) -> Browser {
        let (leaf, key) = self.unit_files(change);
        Browser::new(&self.root.der, Some((vec![leaf], key)))
    }

    pub(crate) fn unit_files(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        self.issuing.leaf_and_key(|params| {
            current(params);
            change(params);
        })
    }
}

/// Waits until `holds`, for at most the 5 s within which a revocation must arrive.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..100 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 5 s: {what}");
}
