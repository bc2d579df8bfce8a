//! `ukey counter`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use hsm::Module;
use ukey::{
    Error,
    counter::{Ask, Counter},
    tls::Identity,
};

use super::{ServerArguments, TokenArguments, pin};
use crate::{report::Voice, secret::Source};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// 工作站名称：字母、数字、“-”、“_”、“.” / Name of the workstation: letters, digits, `-`, `_`, `.`
    #[arg(long, value_name = "NAME", value_parser = workstation)]
    workstation: String,
    #[command(flatten)]
    token: TokenArguments,
    /// 存有持有人新口令的文件；不给则由持有人在此输入 / File with the holder's new PIN; typed here by the holder when not given
    #[arg(long, env = "HOLDER_PIN_FILE", value_name = "FILE")]
    holder_pin_file: Option<PathBuf>,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Arc<Voice>) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let clerk = arguments.token.find(module)?;
    let pin = arguments.token.pin(&clerk, voice)?;
    let identity = Identity::open(&clerk, pin, arguments.server.chain.as_deref())?;
    let runtime = super::runtime()?;
    let result = runtime.block_on(async {
        // Not connected yet: a server that is still starting is waited for, like one that went away.
        let client = arguments.server.client(&anchors, &identity)?;
        let (holder, asked) = (Source::of(arguments.holder_pin_file, None), Arc::clone(voice));
        let counter = Counter {
            module: module.clone(),
            clerk: clerk.serial().clone(),
            name: arguments.workstation,
            notify: |event| voice.event(&event),
            ask: Arc::new(move |ask| match ask {
                Ask::New(rule) => pin::chosen_pin(rule, &holder, &asked),
                Ask::Known => holder.read(asked.ask_holder_pin()),
            }),
        };
        let asked = asked_to_stop().map_err(Error::System)?;
        counter.run(client, asked).await
    });
    // A token may hang in the middle of a command; the program must end all the same.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result.map(|()| voice.stopped())
}

/// Ctrl-C, and where there is one the signal that ends services.
#[cfg(unix)]
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        tokio::select! { _ = tokio::signal::ctrl_c() => (), _ = term.recv() => () }
    })
}

#[cfg(not(unix))]
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

fn workstation(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 letters, digits, '-', '_' or '.'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_path() {
        assert_eq!(workstation("counter-1.gulou").unwrap(), "counter-1.gulou");
        for bad in ["", "a/b", "..", "a b", "柜台", &"x".repeat(65)] {
            assert!(workstation(bad).is_err(), "{bad}");
        }
    }
}
