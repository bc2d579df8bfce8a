//! What the assistant keeps for its user between two runs: the root that was compared and installed, and the addresses
//! that were typed. No secret, and nothing that a person cannot read.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::{Error, tls};

const FOLDER: &str = "qianyin";
const ROOT: &str = "root.pem";
const SETTINGS: &str = "settings.json";

/// The folder of one user.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// What was typed before, so that it need not be typed again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Settings {
    /// The PKCS#11 module.
    #[serde(default)]
    pub module: Option<PathBuf>,
    /// The CA's server.
    #[serde(default)]
    pub server: Option<String>,
    /// The portal.
    #[serde(default)]
    pub portal: Option<String>,
}

impl Home {
    /// Where this system keeps the settings of a user's programs; `None` when it does not say.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        Self::of(|name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()))
    }

    fn of(get: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let base = if cfg!(windows) {
            get("APPDATA")
        } else if cfg!(target_os = "macos") {
            get("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            get("XDG_CONFIG_HOME").or_else(|| get("HOME").map(|home| home.join(".config")))
        };
        base.map(|base| Self(base.join(FOLDER)))
    }

    /// The file of the root that the user compared.
    #[must_use]
    pub fn root_file(&self) -> PathBuf {
        self.0.join(ROOT)
    }

    /// That root, when there is one.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Pem`].
    pub fn root(&self) -> Result<Option<CertificateDer<'static>>, Error> {
        let file = self.root_file();
        if !file.exists() {
            return Ok(None);
        }
        Ok(tls::read_pem(&file)?.into_iter().next())
    }

    /// Keeps a root, PEM, in the place of the one before.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn keep_root(&self, pem: &str) -> Result<(), Error> {
        self.write(&self.root_file(), pem)
    }

    /// Forgets the root.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn forget_root(&self) -> Result<(), Error> {
        let file = self.root_file();
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::File { path: file, error }),
            _ => Ok(()),
        }
    }

    /// What was typed before; nothing when it cannot be read.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let text = std::fs::read_to_string(self.0.join(SETTINGS)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps what was typed.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn keep_settings(&self, settings: &Settings) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(settings).unwrap_or_default();
        self.write(&self.0.join(SETTINGS), &text)
    }

    /// All or nothing: a program that is killed must not leave half a root.
    fn write(&self, file: &Path, text: &str) -> Result<(), Error> {
        let failed = |error| Error::File { path: file.to_owned(), error };
        std::fs::create_dir_all(&self.0).map_err(failed)?;
        let beside = file.with_extension("new");
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, file).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = std::env::temp_dir().join(format!("ukey-home-{}", std::process::id()));
        let home = Home(folder.clone());
        assert_eq!((home.root().unwrap(), home.settings()), (None, Settings::default()));
        home.forget_root().unwrap();
        let settings = Settings { server: Some("https://ca.example".to_owned()), ..Settings::default() };
        home.keep_settings(&settings).unwrap();
        assert_eq!(home.settings(), settings);
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        home.keep_root(&crate::root::pem(root.der())).unwrap();
        assert_eq!(home.root().unwrap().as_ref(), Some(root.der()));
        home.forget_root().unwrap();
        assert_eq!(home.root().unwrap(), None);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_usual_place() {
        let of = |pairs: &'static [(&str, &str)]| {
            let get =
                |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into());
            Home::of(get).map(|home| home.root_file())
        };
        assert_eq!(of(&[("HOME", "/h")]), Some("/h/.config/qianyin/root.pem".into()));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]), Some("/c/qianyin/root.pem".into()));
        assert_eq!(of(&[]), None);
    }
}
