//! `ukey revoke`: whoever has the key ends its certificates for ever. No questions, but one: whether it is meant.

use std::io::IsTerminal;

use clap::Args;
use hsm::{Module, Pin};
use ukey::{
    Error,
    client::Client,
    key_revocation::{self, Outcome},
};

use super::{RootArguments, TokenArguments};
use crate::report::Voice;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 服务器地址，https://主机:端口 / The server, https://host:port
    #[arg(long, value_name = "URL")]
    server: String,
    #[command(flatten)]
    root: RootArguments,
    #[command(flatten)]
    token: TokenArguments,
    /// 只吊销这一张（证书序列号）；不给则吊销 U-key 中所有未到期的证书 / Only the certificate with this serial number; otherwise all on the token that have not ended
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
    /// 不再询问，供程序使用 / Do not ask, for programs
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(module: &Module, arguments: &Arguments, voice: &Voice) -> Result<(), Error> {
    let anchors = arguments.root.anchors()?;
    let token = arguments.token.find(module)?;
    let now = super::now();
    let candidates = key_revocation::candidates(&token, arguments.serial.as_deref(), now)?;
    voice.to_be_revoked(token.serial().as_str(), &candidates, now);
    if !arguments.yes {
        confirm(voice)?;
    }
    let pin = Pin::new(arguments.token.pin_text(&token, voice)?)?;
    let mut done = false;
    super::runtime()?.block_on(async {
        let mut client = Client::connect(&arguments.server, &anchors, None).await?;
        key_revocation::revoke(&mut client, &token, &pin, &candidates, |candidate, outcome| {
            done |= matches!(outcome, Outcome::Revoked(_) | Outcome::Already);
            voice.revocation(candidate, outcome);
        })
        .await
    })?;
    if !done {
        return Err(Error::NothingRevoked { token: token.serial().to_string() });
    }
    voice.after_revocation();
    Ok(())
}

fn confirm(voice: &Voice) -> Result<(), Error> {
    if voice.is_json() || !std::io::stdin().is_terminal() {
        return Err(Error::NotConfirmed { declined: false });
    }
    match voice.revocation_is_meant().map_err(Error::Prompt)? {
        true => Ok(()),
        false => Err(Error::NotConfirmed { declined: true }),
    }
}
