//! `ukey pin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hsm::{Module, Pin, Token};
use ukey::{Error, certificate, pin_rule::PinRule};
use zeroize::Zeroizing;

use super::TokenArguments;
use crate::{report::Voice, secret::Source};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// 修改口令 / Change the PIN
    Change(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// 存有新口令的文件；不给则提示输入 / File with the new PIN; asked for when not given
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
}

pub(super) fn run(module: &Module, command: Command, voice: &Voice) -> Result<(), Error> {
    let Command::Change(arguments) = command;
    let token = arguments.token.find(module)?;
    let old = arguments.token.pin(&token, voice)?;
    let new = new_pin(&token, arguments.new_pin_file, voice)?;
    change(&token, &old, new)?;
    voice.pin_changed(token.serial().as_str());
    Ok(())
}

/// The holder's new PIN, checked before anything is tried on the token; typed twice when it is typed.
pub(super) fn new_pin(
    token: &Token,
    file: Option<PathBuf>,
    voice: &Voice,
) -> Result<Zeroizing<String>, Error> {
    let certificates = token.certificates()?;
    let fields = certificates.iter().filter_map(|object| certificate::read(&object.der));
    let code = fields.filter_map(|fields| fields.unit_code).next_back();
    chosen_pin(&PinRule::of_unit(code.as_deref()), &Source::of(file, None), voice)
}

/// A PIN that keeps to the rule.
pub(super) fn chosen_pin(rule: &PinRule, source: &Source, voice: &Voice) -> Result<Zeroizing<String>, Error> {
    let text = source.read(voice.ask_new_pin())?;
    rule.check(&text).map_err(Error::PinRule)?;
    if matches!(source, Source::Prompt) && source.read(voice.ask_new_pin_again())? != text {
        return Err(Error::PinsDiffer);
    }
    Ok(text)
}

pub(super) fn change(token: &Token, old: &Pin, new: Zeroizing<String>) -> Result<Pin, Error> {
    let new = Pin::new(new)?;
    token.session(old)?.change_pin(old, &new)?;
    Ok(new)
}
