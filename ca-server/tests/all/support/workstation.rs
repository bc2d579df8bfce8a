//! Real workstations with a folder of tokens of their own, beside the usual one.

use std::{path::PathBuf, process::Child};

use super::{Ca, wait};

/// A real workstation whose tokens nobody else sees: the clerk's and one from the vendor.
pub(crate) struct Station {
    name: String,
    pub(crate) folder: PathBuf,
    token: String,
}

impl Station {
    pub(crate) fn new(ca: &Ca, name: &str) -> Self {
        let folder = ca.dir.join("stations").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        super::copy(&ca.dir.join("ukey"), &folder);
        let tokens = folder.join("tokens").to_string_lossy().into_owned();
        let softhsm = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\n");
        std::fs::write(folder.join("softhsm2.conf"), softhsm).unwrap();
        let token = ca.blank_token_in(&folder.join("softhsm2.conf"));
        ca.list_token(&token, &["--counter", "municipal"]);
        Self { name: name.to_owned(), folder, token }
    }

    pub(crate) fn claim(&self, ca: &Ca, application: &str) {
        let made = ca.claim_at(&self.name, application, &self.token);
        assert!(made["id"].is_string(), "{made}");
    }

    /// `ukey counter` with the fault module between it and its tokens.
    pub(crate) fn start(&self, ca: &Ca, fault: &str) -> Running {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let module = p11_fault::shared_library().unwrap();
        let variables = [
            ("SOFTHSM2_CONF", file("softhsm2.conf")),
            ("PKCS11_MODULE", module.to_string_lossy().into_owned()),
            ("P11_FAULT_MODULE", super::MODULE.to_owned()),
            ("P11_FAULT_CALLS", file("calls")),
            ("P11_FAULT", fault.to_owned()),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        Running(ca.counter(&self.name, &variables))
    }
}

/// A running workstation, which ends with the test.
pub(crate) struct Running(Child);

impl Running {
    /// Waits until it has died by SIGKILL.
    pub(crate) fn is_killed(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        let mut end = None;
        wait(60, "the workstation's death", || {
            end = self.0.try_wait().unwrap();
            end.is_some()
        });
        assert_eq!(end.unwrap().signal(), Some(9), "{end:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
