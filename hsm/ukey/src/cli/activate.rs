//! `ukey activate`: the holder replaces the initial PIN and gives the activation code that travelled apart (I7).
//!
//! Resumable: once the PIN is changed, the command is given again with the new PIN alone.

use std::path::PathBuf;

use clap::Args;
use hsm::{Module, Pin};
use hyper::Method;
use serde_json::json;
use ukey::{Error, pin_rule, tls::Identity};

use super::{ServerArguments, TokenArguments, pin};
use crate::{report::Voice, secret::Source};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    token: TokenArguments,
    /// 存有新口令的文件；口令已改过则不给 / File with the new PIN; not given when the PIN was changed before
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
    /// 存有激活码的文件；不给则提示输入 / File with the activation code; asked for when not given
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Voice) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let token = arguments.token.find(module)?;
    let text = arguments.token.pin_text(&token, voice)?;
    let initial = pin_rule::is_well_known(&text);
    let asked = matches!(arguments.token.source(), Source::Prompt);
    let given = Pin::new(text)?;
    let pin = if arguments.new_pin_file.is_some() || (initial && asked) {
        let new = pin::new_pin(&token, arguments.new_pin_file, voice)?;
        let changed = pin::change(&token, &given, new)?;
        voice.pin_changed(token.serial().as_str());
        changed
    } else if initial {
        return Err(Error::InitialPin);
    } else {
        given
    };
    let identity = Identity::open(&token, pin, arguments.server.chain.as_deref())?;
    let code = Source::of(arguments.code_file, None).read(voice.ask_code())?;
    let answer = super::runtime()?.block_on(async {
        let mut client = arguments.server.connect(&anchors, &identity).await?;
        let body = json!({ "code": code.trim() });
        client.request(Method::POST, "/api/v1/activations", Some(&body), &[]).await?.accepted()
    })?;
    voice.activated(identity.certificate(), &answer.json());
    Ok(())
}
