//! `ukey status`: what is on the tokens; no PIN is needed.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use hsm::Module;
use ukey::{Error, certificate};

use crate::report::{TokenView, Voice};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 只看这个 U-key（标签或序列号） / Only this token (label or serial number)
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
}

pub(super) fn run(module: &Module, arguments: &Arguments, voice: &Voice) -> Result<(), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let chosen = arguments.token.as_deref().map(|name| module.token_named(name)).transpose()?;
    let mut views = Vec::new();
    for info in module.tokens()? {
        // SoftHSM's ever-present blank token is no U-key.
        let wanted = chosen.as_ref().is_none_or(|token| *token.serial() == info.serial);
        if info.serial.as_str().is_empty() || !wanted {
            continue;
        }
        let objects = if info.initialised { module.token(&info.serial)?.certificates()? } else { Vec::new() };
        let certificates = objects.iter().filter_map(|object| certificate::read(&object.der)).collect();
        views.push(TokenView { info, certificates });
    }
    voice.status(&views, now);
    Ok(())
}
