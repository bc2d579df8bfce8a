//! `ukey renew`: the holder's certificate is renewed on the token it is on; what that costs is told first.

use ca_core::Fen;
use clap::Args;
use hsm::{Module, Pin};
use hyper::Method;
use ukey::{Error, client::Client, pin_rule, renewal::Renewal, tls::Identity};

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
    if pin_rule::is_well_known(&pin) {
        return Err(Error::InitialPin);
    }
    // An attempt that was given up leaves a revoked certificate on the token, which ends later than the good one.
    let mut refused: Vec<String> = Vec::new();
    let mut first = None;
    let mut told = false;
    loop {
        let chain = arguments.server.chain.as_deref();
        let identity = match Identity::open_except(&token, Pin::new(pin.clone())?, chain, &refused) {
            Ok(identity) => identity,
            Err(error @ Error::NoCertificate { .. }) => return Err(first.unwrap_or(error)),
            Err(error) => return Err(error),
        };
        let renewed = super::runtime()?.block_on(async {
            let mut client = arguments.server.connect(&anchors, &identity).await?;
            if !std::mem::replace(&mut told, true) {
                look(&mut client, &identity, voice).await?;
            }
            let renewal = Renewal { identity: identity.clone(), pin: pin.clone(), anchors: anchors.clone() };
            renewal.run(&mut client, |event| voice.event(&event)).await
        });
        match renewed {
            Ok(serial) => {
                voice.renewed(&identity.certificate().common_name, &serial);
                return Ok(());
            }
            Err(error) if is_not_good(&error) => {
                refused.push(identity.certificate().serial_hex.clone());
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What the renewal is and costs, before anything is done. One that is not settled ends here; it is gone on with by the same
/// command once it is.
async fn look(client: &mut Client, identity: &Identity, voice: &Voice) -> Result<(), Error> {
    let renewal = client.request(Method::GET, "/api/v1/renewals/own", None, &[]).await?.accepted()?.json();
    voice.renewal(&identity.certificate().common_name, &renewal);
    let state = renewal["state"].as_str().unwrap_or_default();
    if matches!(state, "submitted" | "approved") {
        let outstanding = Fen::new(renewal["order"]["outstanding_fen"].as_i64().unwrap_or_default());
        return Err(Error::NotPaid { state: state.to_owned(), outstanding });
    }
    Ok(())
}

fn is_not_good(error: &Error) -> bool {
    matches!(error, Error::Refused { problem, .. } if problem["title"] == "auth.certificate-not-good")
}
