//! `ukey counter`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use hsm::{Class, Module, Pin, TokenSerial};
use ukey::{
    Error,
    counter::{Ask, Counter},
    tls::Identity,
};
use zeroize::Zeroizing;

use super::{ServerArguments, TokenArguments, pin};
use crate::{report::Voice, secret::Source};

/// How often the clerk's token is looked for at the start.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Failures that may pass by themselves, before it is given up.
const FAILURES_MAX: u32 = 10;

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
    /// 等待 U-key 驱动完成一步操作的秒数 / Seconds that a token's driver has for one step
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    driver_timeout: u64,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Arc<Voice>) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let identity = clerk_logs_in(module, &arguments, voice)?;
    let clerk = identity.token().clone();
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
            driver_within: Duration::from_secs(arguments.driver_timeout),
        };
        let asked = asked_to_stop().map_err(Error::System)?;
        counter.run(client, asked).await
    });
    // A token may hang in the middle of a command; the program must end all the same.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result.map(|()| voice.stopped())
}

/// The clerk's token is waited for, and one that fails for a moment is asked again. A PIN that the token refused ends it
/// (I11); one that was typed is for the token that it was typed for.
fn clerk_logs_in(module: &Module, arguments: &Arguments, voice: &Voice) -> Result<Identity, Error> {
    let mut typed: Option<(TokenSerial, Zeroizing<String>)> = None;
    let mut told = false;
    let mut failures = 0;
    loop {
        let opened = arguments.token.find(module).and_then(|token| {
            typed = typed.take().filter(|(serial, _)| serial == token.serial());
            let pin = match &typed {
                Some((_, pin)) => Zeroizing::clone(pin),
                None => arguments.token.pin_text(&token, voice)?,
            };
            typed = Some((token.serial().clone(), Zeroizing::clone(&pin)));
            Identity::open(&token, Pin::new(pin)?, arguments.server.chain.as_deref())
        });
        match opened {
            Err(
                Error::NoToken | Error::Hsm(hsm::Error::TokenAbsent { .. } | hsm::Error::TokenRemoved { .. }),
            ) => {
                if !std::mem::replace(&mut told, true) {
                    voice.waits_for_clerk();
                }
            }
            Err(Error::Hsm(error)) if error.class() == Class::Transient && failures < FAILURES_MAX => {
                failures += 1;
                tracing::warn!(%error, "the clerk's token");
            }
            opened => return opened,
        }
        std::thread::sleep(LOOK_AGAIN);
        // Some modules see a token that was plugged in, and others mend, only after this.
        if let Err(error) = module.reinitialise() {
            tracing::warn!(%error, "the module does not look anew");
        }
    }
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
