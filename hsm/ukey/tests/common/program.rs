//! The program as a child process, with settings, module and secrets of the test's own.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use hsm::testing::SoftHsm;

pub(crate) fn ukey(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ukey"));
    for name in ["LC_ALL", "LC_MESSAGES", "LANG", "PKCS11_MODULE", "TOKEN_LABEL", "RUST_LOG"] {
        command.env_remove(name);
    }
    // Nobody's own settings: neither a root nor an address.
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("HOME", "/nonexistent");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// With SoftHSM2 as the module.
pub(crate) fn with_module(arguments: &[&str]) -> Command {
    let mut command = ukey(arguments);
    command.env("PKCS11_MODULE", SoftHsm::module_path());
    command
}

pub(crate) fn said(output: &Output) -> (i32, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

pub(crate) fn run(mut command: Command) -> (i32, String, String) {
    said(&command.output().unwrap())
}

pub(crate) fn secret(softhsm: &SoftHsm, name: &str, text: &str) -> String {
    let path: PathBuf = softhsm.dir().join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn setsid(command: Command) -> Command {
    let mut wrapped = Command::new("setsid");
    wrapped.arg("-w").arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}
