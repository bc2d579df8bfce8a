//! The CA's root on the holder's machine: read, compared by a person, given to the browsers that keep their own list.
//!
//! Chromium and Firefox on Linux keep theirs in NSS databases, which NSS's `certutil` changes. Windows and macOS have one
//! list for all; there the user is told the command, because it asks for the user's consent itself.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_verifier::Trust;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

const LINE: usize = 64;
const NAME_DIGITS: usize = 16;
/// Where Firefox keeps its profiles below the home folder: as Debian, Snap and Flatpak have it.
const FIREFOX: [&str; 3] = [
    ".mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
];

/// One root in PEM or DER; `None` when it is none: a CA below a root is not one, however well its fingerprint is known.
#[must_use]
pub fn read(octets: &[u8]) -> Option<CertificateDer<'static>> {
    let der = CertificateDer::from_pem_slice(octets).unwrap_or_else(|_| octets.to_vec().into());
    Trust::new(std::slice::from_ref(&der), &[]).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let itself = certificate.subject() == certificate.issuer() && certificate.verify_signature(None).is_ok();
    itself.then_some(der)
}

/// PEM (RFC 7468).
#[must_use]
pub fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(LINE).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Whether somebody wrote down this fingerprint: spaces, colons and capitals are no part of it.
#[must_use]
pub fn same_fingerprint(der: &[u8], written: &str) -> bool {
    let digits = |text: &str| -> String {
        let kept = text.chars().filter(|c| !c.is_whitespace() && *c != ':');
        kept.map(|c| c.to_ascii_lowercase()).collect()
    };
    digits(&ca_core::fingerprint(der)) == digits(written)
}

/// What it is called in a browser's list.
#[must_use]
pub fn nickname(der: &[u8]) -> String {
    let digits: String = ca_core::fingerprint(der).chars().filter(char::is_ascii_hexdigit).collect();
    format!("qianyin-{}", digits.get(..NAME_DIGITS).unwrap_or(&digits).to_ascii_lowercase())
}

/// A list of roots of one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// `Chromium` or `Firefox`.
    pub browser: &'static str,
    /// Its folder.
    pub folder: PathBuf,
}

/// The lists below a home folder: Chromium's, also when it is not there yet, and each Firefox profile's.
#[must_use]
pub fn stores(home: &Path) -> Vec<Store> {
    let mut found = vec![Store { browser: "Chromium", folder: home.join(".pki/nssdb") }];
    for folder in FIREFOX {
        let Ok(entries) = std::fs::read_dir(home.join(folder)) else { continue };
        let profiles = entries.filter_map(Result::ok).map(|entry| entry.path());
        let mut profiles: Vec<_> = profiles.filter(|path| path.join("cert9.db").exists()).collect();
        profiles.sort();
        found.extend(profiles.into_iter().map(|folder| Store { browser: "Firefox", folder }));
    }
    found
}

/// Whether NSS's `certutil` can be run. The one of Windows is another program.
#[must_use]
pub fn has_certutil() -> bool {
    let quiet = || Stdio::null();
    !cfg!(windows)
        && Command::new("certutil").arg("-H").stdin(quiet()).stdout(quiet()).stderr(quiet()).status().is_ok()
}

impl Store {
    /// Trusts the root in this list for servers; once more changes nothing.
    ///
    /// # Errors
    /// What `certutil` said.
    pub fn add(&self, name: &str, root: &Path) -> Result<(), String> {
        if !self.folder.join("cert9.db").exists() {
            std::fs::create_dir_all(&self.folder).map_err(|error| error.to_string())?;
            self.certutil(&["-N", "--empty-password"])?;
        }
        let root = root.to_string_lossy();
        self.certutil(&["-A", "-t", "C,,", "-n", name, "-i", &root])
    }

    /// Takes it out again; `false` when it was not there.
    ///
    /// # Errors
    /// What `certutil` said.
    pub fn remove(&self, name: &str) -> Result<bool, String> {
        if !self.folder.join("cert9.db").exists() || self.certutil(&["-L", "-n", name]).is_err() {
            return Ok(false);
        }
        self.certutil(&["-D", "-n", name]).map(|()| true)
    }

    fn certutil(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new("certutil");
        command.arg("-d").arg(format!("sql:{}", self.folder.display())).args(arguments);
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().next().unwrap_or("certutil failed").trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(ca: bool) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::default();
        if ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn below_a_root() -> Vec<u8> {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "root");
        let issuer = rcgen::Issuer::new(params.clone(), rcgen::KeyPair::generate().unwrap());
        params.distinguished_name.push(rcgen::DnType::CommonName, "issuing");
        params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
    }

    #[test]
    fn a_root_is_read_in_both_forms_and_nothing_else_is() {
        let der = root(true);
        assert_eq!(read(&der).unwrap().as_ref(), &der[..]);
        assert_eq!(read(pem(&der).as_bytes()).unwrap().as_ref(), &der[..]);
        for other in [root(false), below_a_root(), b"<html>404</html>".to_vec(), Vec::new()] {
            assert!(read(&other).is_none());
        }
    }

    #[test]
    fn fingerprints_are_compared_as_people_write_them() {
        let der = root(true);
        let printed = ca_core::fingerprint(&der);
        let colons = printed.replace(' ', "").to_lowercase();
        let colons: Vec<_> =
            colons.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap()).collect();
        for written in [printed.clone(), printed.replace(' ', ""), colons.join(":")] {
            assert!(same_fingerprint(&der, &written), "{written}");
        }
        for other in [String::new(), printed[..20].to_owned(), ca_core::fingerprint(b"other")] {
            assert!(!same_fingerprint(&der, &other), "{other}");
        }
        assert_eq!(nickname(&der).len(), "qianyin-".len() + 16);
    }
}
