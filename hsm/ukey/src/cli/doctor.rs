//! `ukey doctor`: what module, tokens and network can do, against what this program needs.

use clap::Args;
use hsm::Module;
use ukey::{
    Error,
    fetch::{Trust, fetch},
};

use super::RootArguments;
use crate::report::{Checkup, Network, Voice};

/// Mechanisms of the standard; what needs each stands in the report.
const NEEDED: [&str; 6] = [
    "CKM_EC_KEY_PAIR_GEN",
    "CKM_ECDSA",
    "CKM_RSA_PKCS_KEY_PAIR_GEN",
    "CKM_SHA256_RSA_PKCS",
    "CKM_SHA256_RSA_PKCS_PSS",
    "CKM_SHA256_HMAC",
];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 一并检查能否连到该服务器，http(s)://主机:端口 / Also check that this server is reached, http(s)://host:port
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    root: RootArguments,
}

pub(super) fn run(module: &Module, arguments: &Arguments, voice: &Voice) -> Result<(), Error> {
    let mut checkups = Vec::new();
    for info in module.tokens()? {
        let has = module.token(&info.serial)?.mechanisms()?;
        let (present, missing) = NEEDED.iter().partition(|name| has.iter().any(|known| known == *name));
        checkups.push(Checkup { info, present, missing });
    }
    let network = arguments.server.as_deref().map(|server| reach(server, &arguments.root)).transpose()?;
    voice.doctor(&module.info()?, module.tells_slot_events(), &checkups, network.as_ref());
    match network.map(|network| network.answer) {
        Some(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

fn reach(server: &str, root: &RootArguments) -> Result<Network, Error> {
    let anchors = root.known()?;
    let proved = server.starts_with("https://") && !anchors.is_empty();
    let trust = if proved { Trust::Anchors(&anchors) } else { Trust::Unchecked };
    let url = format!("{}/healthz", server.trim_end_matches('/'));
    let answer = super::runtime()?.block_on(fetch(&url, None, trust));
    // Whatever it answers, it is there.
    let answer = answer.map(|fetched| fetched.date.map(|date| super::now() - date));
    Ok(Network { server: server.to_owned(), proved, answer })
}
