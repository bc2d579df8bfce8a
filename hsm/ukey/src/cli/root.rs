//! `ukey root`: the CA's root for this user's browsers and for this program.

use std::{io::IsTerminal, path::PathBuf};

use clap::{Args, Subcommand};
use rustls_pki_types::CertificateDer;
use ukey::{
    Compared, Error,
    fetch::{Trust, fetch},
    home::Home,
    root::{self, Store},
};

use crate::report::{Done, Voice};

/// Where the CA serves it.
const PATH: &str = "/ca/root.cer";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// 下载、核对并安装根证书 / Fetch, compare and install it
    Install(Install),
    /// 移除已安装的根证书 / Take it out again
    Remove,
}

#[derive(Debug, Args)]
pub(super) struct Install {
    /// 根证书地址，如 http://主机:端口/ca/root.cer / Its address, such as http://host:port/ca/root.cer
    #[arg(long, value_name = "URL", required_unless_present = "file", conflicts_with = "file")]
    server: Option<String>,
    /// 根证书文件（PEM 或 DER） / File with it (PEM or DER)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// 收据上印的 SHA-256 指纹，供程序使用；不给则请人核对 / SHA-256 as on the receipt, for programs; asked for otherwise
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

pub(super) fn run(command: Command, voice: &Voice) -> Result<(), Error> {
    match command {
        Command::Install(arguments) => install(arguments, voice),
        Command::Remove => remove(voice),
    }
}

fn install(arguments: Install, voice: &Voice) -> Result<(), Error> {
    let (origin, octets) = read(&arguments)?;
    let der = root::read(&octets).ok_or(Error::NoRoot { origin })?;
    let fingerprint = ca_core::fingerprint(&der);
    voice.root_found(&der, &fingerprint);
    compare(&der, &fingerprint, arguments.fingerprint.as_deref(), voice)?;
    let home = Home::of_user().ok_or(Error::NoHome)?;
    if let Some(other) = home.root()?.filter(|kept| *kept != der) {
        return Err(Error::OtherRoot { fingerprint: ca_core::fingerprint(&other) });
    }
    home.keep_root(&root::pem(&der))?;
    let name = root::nickname(&der);
    let file = home.root_file();
    let outcome = in_browsers(|store| store.add(&name, &file).map(|()| true));
    voice.root_installed(&file, &name, &outcome);
    failed(outcome)
}

fn read(arguments: &Install) -> Result<(String, Vec<u8>), Error> {
    match (&arguments.file, &arguments.server) {
        (Some(file), _) => {
            let octets = std::fs::read(file).map_err(|error| Error::File { path: file.clone(), error })?;
            Ok((file.display().to_string(), octets))
        }
        (None, server) => {
            let url = address(server.as_deref().unwrap_or_default());
            let fetched = super::runtime()?.block_on(fetch(&url, None, Trust::Unchecked))?;
            let octets = fetched.ok(&url)?.to_vec();
            Ok((url, octets))
        }
    }
}

/// A server's bare address means the usual place on it.
fn address(server: &str) -> String {
    let (_, rest) = server.split_once("://").unwrap_or_default();
    match rest.split_once('/') {
        None | Some((_, "")) => format!("{}{PATH}", server.trim_end_matches('/')),
        Some(_) => server.to_owned(),
    }
}

/// Nothing is changed before somebody has compared it with what stands on paper.
fn compare(
    der: &CertificateDer<'_>,
    fingerprint: &str,
    written: Option<&str>,
    voice: &Voice,
) -> Result<(), Error> {
    let refused = |compared| Err(Error::RootRefused { fingerprint: fingerprint.to_owned(), compared });
    match written {
        Some(written) if root::same_fingerprint(der, written) => Ok(()),
        Some(_) => refused(Compared::Differs),
        None if voice.is_json() || !std::io::stdin().is_terminal() => refused(Compared::Nobody),
        None if voice.root_is_right().map_err(Error::Prompt)? => Ok(()),
        None => refused(Compared::Declined),
    }
}

fn remove(voice: &Voice) -> Result<(), Error> {
    let home = Home::of_user().ok_or(Error::NoHome)?;
    let kept = home.root()?.ok_or(Error::NoAnchor)?;
    let name = root::nickname(&kept);
    let outcome = in_browsers(|store| store.remove(&name));
    // What could not be taken out can be tried again only while its name is known.
    if outcome.iter().all(|(_, done)| !matches!(done, Done::Failed(_))) {
        home.forget_root()?;
    }
    voice.root_removed(&kept, &name, &outcome);
    failed(outcome)
}

fn in_browsers(change: impl Fn(&Store) -> Result<bool, String>) -> Vec<(Store, Done)> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let stores = std::env::home_dir().map(|home| root::stores(&home)).unwrap_or_default();
    let possible = root::has_certutil();
    let outcome = |store: Store| {
        let done = if possible { change(&store) } else { return (store, Done::NoCertutil) };
        let done = match done {
            Ok(true) => Done::Changed,
            Ok(false) => Done::Nothing,
            Err(detail) => Done::Failed(detail),
        };
        (store, done)
    };
    stores.into_iter().map(outcome).collect()
}

fn failed(outcome: Vec<(Store, Done)>) -> Result<(), Error> {
    let failure = outcome.into_iter().find_map(|(store, done)| match done {
        Done::Failed(detail) => Some(Error::Browser { browser: store.browser, detail }),
        _ => None,
    });
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_means_the_usual_place() {
        for (given, meant) in [
            ("http://ca.example", "http://ca.example/ca/root.cer"),
            ("http://ca.example:8080/", "http://ca.example:8080/ca/root.cer"),
            ("http://ca.example/other.cer", "http://ca.example/other.cer"),
        ] {
            assert_eq!(address(given), meant);
        }
    }
}
