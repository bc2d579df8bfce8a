//! `ukey test`: a signature and a login to the portal, each step with a mark. Exit 0 only when all hold.

use clap::Args;
use hsm::{Module, Pin, Token};
use ukey::{
    Error,
    tls::Identity,
    trial::{self, Candidate, Fault, Step},
};
use zeroize::Zeroizing;

use super::{RootArguments, TokenArguments};
use crate::report::{Passed, Voice};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 门户地址，https://主机:端口 / The portal, https://host:port
    #[arg(long, value_name = "URL")]
    portal: String,
    #[command(flatten)]
    root: RootArguments,
    #[command(flatten)]
    token: TokenArguments,
}

/// Steps that held, until one does not.
struct Trial<'a> {
    voice: &'a Voice,
    held: Vec<(Step, Passed)>,
}

impl Trial<'_> {
    fn pass(&mut self, step: Step, passed: Passed) {
        self.voice.step_passed(step, &passed);
        self.held.push((step, passed));
    }
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Voice) -> Result<(), Error> {
    let mut trial = Trial { voice, held: Vec::new() };
    let fault = steps(module, arguments, &mut trial).err();
    let failed = fault.as_ref().and_then(|_| Step::ALL.get(trial.held.len()).copied());
    let failure = failed.zip(fault.as_ref());
    voice.trial_ended(&trial.held, failure);
    match failed {
        Some(step) => Err(Error::Trial(step.name())),
        None => Ok(()),
    }
}

fn steps(module: &Module, arguments: Arguments, trial: &mut Trial<'_>) -> Result<(), Fault> {
    let token = arguments.token.find(module)?;
    trial.pass(Step::Token, Passed::Token(token.info()?));
    let candidate = trial::find_certificate(&token, super::now())?;
    trial.pass(Step::Certificate, Passed::Certificate(candidate.fields().clone()));
    let pin = prove_key(&token, &arguments.token, &candidate, trial)?;
    let anchors = arguments.root.anchors()?;
    let runtime = super::runtime()?;
    let (mut refused, mut first) = (Vec::new(), None);
    loop {
        let identity = match Identity::open_except(&token, Pin::new(pin.clone())?, None, &refused) {
            Err(Error::NoCertificate { .. }) if first.is_some() => break,
            other => other?,
        };
        let mut portal = runtime.block_on(trial::reach(&arguments.portal, &anchors, &identity))?;
        if first.is_none() {
            trial.pass(Step::Portal, Passed::Portal(arguments.portal.clone()));
        }
        match runtime.block_on(trial::log_in(&mut portal)) {
            // An attempt that was given up leaves a revoked certificate on the token, which ends later than the good one.
            Err(fault) if fault.is_revoked() => {
                refused.push(identity.certificate().serial_hex.clone());
                first.get_or_insert(fault);
            }
            other => {
                trial.pass(Step::Login, Passed::Login(other?));
                return Ok(());
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// The PIN is tried by the first session; what comes after knows that it is right.
fn prove_key(
    token: &Token,
    arguments: &TokenArguments,
    candidate: &Candidate,
    trial: &mut Trial<'_>,
) -> Result<Zeroizing<String>, Fault> {
    let text = arguments.pin_text(token, trial.voice)?;
    let session = token.session(&Pin::new(text.clone())?)?;
    trial.pass(Step::Pin, Passed::Pin);
    trial::sign(&session, candidate)?;
    trial.pass(Step::Key, Passed::Key);
    Ok(text)
}
