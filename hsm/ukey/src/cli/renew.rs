//! `ukey renew`: the holder's certificate is renewed on the token it is on.

use clap::Args;
use hsm::{Module, Pin};
use ukey::{Error, pin_rule, renewal::Renewal, tls::Identity};

use super::{ServerArguments, TokenArguments};
use crate::report::Voice;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    token: TokenArguments,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Voice) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let token = arguments.token.find(module)?;
    let pin = arguments.token.pin_text(&token, voice)?;
    if pin_rule::check(&pin).is_err() {
        return Err(Error::InitialPin);
    }
    let identity = Identity::open(&token, Pin::new(pin.clone())?, arguments.server.chain.as_deref())?;
    let serial = super::runtime()?.block_on(async {
        let mut client = arguments.server.connect(&anchors, &identity).await?;
        Renewal { token, pin }.run(&mut client, |event| voice.event(&event)).await
    })?;
    voice.renewed(&identity.certificate().common_name, &serial);
    Ok(())
}
