//! Step 11 over EST (RFC 7030 §4.2.2): the holder's own program sends a request for a new key, over mutual TLS with the
//! certificate that is to be renewed, and gets the certificate in the answer.
//!
//! It needs what `ukey renew` needs, an application that is approved and settled, and besides a profile that allows it:
//! no token gives evidence of the key, and everything that is recorded of it says so.
//!
//! A lost answer is asked for again with the same key: the state of application and attempt says what is still to be
//! done, so that one application is signed once. The old certificate, superseded by then, still fetches the answer for a
//! day, and opens nothing else.

use std::sync::Arc;

use ca_core::{
    Actor, Application, ApplicationState, AttemptCommand, AttemptState, CertificateState, Profile,
    UNATTESTED, UntrustedCsr, ValidatedCsr,
};
use ca_store::{CertificateStatus, Reader};
use ca_verifier::Serial;

use super::{
    App, IssueOrder,
    gate::must_be_good,
    renew::{Keeper, successor},
};
use crate::{problem::Problem, rule::Rule, wire};

/// What applications are for, where a path has no label.
const PROFILE: &str = "unit-sign";
/// A holder has so long to fetch a lost answer with the certificate that was superseded by it.
const AGAIN_SECS: i64 = 24 * 3600;
/// An officer decides within days: a program that asks every hour misses nothing.
const DECISION_SECS: u32 = 3600;
/// Another request for the same application is being signed: that takes milliseconds.
const SIGNING_SECS: u32 = 1;

/// What a holder's program is answered.
pub(crate) enum Reenrolled {
    /// The new certificate, DER.
    Certificate(Vec<u8>),
    /// Ask again with the same request, after so many seconds.
    Pending(u32),
}

/// One request, read and judged.
struct Request {
    /// The certificate of the connection.
    presented: Serial,
    /// The certificate that is renewed.
    of: Serial,
    application: Application,
    csr: ValidatedCsr,
    /// The request, DER.
    der: Vec<u8>,
    /// The certificate that is renewed, DER.
    former: Vec<u8>,
}

impl App {
    /// The profile that a path's label names; without one, that of applications.
    pub(crate) fn est_profile(&self, label: Option<&str>) -> Result<&Profile, Problem> {
        let shown = |label: &str| label.chars().take(80).collect::<String>();
        self.policies.profile(label.unwrap_or(PROFILE)).map_err(|_| {
            Problem::new(Rule::EstLabel).with("label", label.map_or_else(|| PROFILE.to_owned(), shown))
        })
    }

    /// Renews the certificate of the connection with the key of a request (DER).
    pub(crate) async fn reenroll(
        self: &Arc<Self>,
        presented: Serial,
        label: Option<&str>,
        der: Vec<u8>,
    ) -> Result<Reenrolled, Problem> {
        let request = self.read_request(presented, label, der)?;
        match request.application.state {
            ApplicationState::Submitted => Ok(Reenrolled::Pending(DECISION_SECS)),
            ApplicationState::Approved { .. } => Err(Problem::new(Rule::EstUnpaid)),
            ApplicationState::Active { serial } => {
                self.answer_again(&request, serial).map(Reenrolled::Certificate)
            }
            _ => self.make(request).await,
        }
    }

    fn read_request(&self, presented: Serial, label: Option<&str>, der: Vec<u8>) -> Result<Request, Problem> {
        let (of, application, former) = self.store.read(|reader| {
            let record = reader.certificate(&presented)?.ok_or_else(|| Problem::new(Rule::EstCertificate))?;
            if record.unit.is_none() {
                return Err(Problem::new(Rule::EstCertificate));
            }
            // Said before anybody applies and pays for what the profile does not allow.
            self.check_profile(&record.profile, label)?;
            let (of, application) = match (successor(reader, presented), must_be_good(reader, presented)) {
                // Perhaps the answer was lost; what may be told is judged when the key is known.
                (Ok(found), _) if matches!(found.1.state, ApplicationState::Active { .. }) => found,
                (_, Err(ended)) => return Err(ended),
                (found, Ok(())) => found?,
            };
            let former = reader.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
            Ok((of, application, former.der))
        })?;
        self.check_profile(&application.profile, label)?;
        let csr = UntrustedCsr::read(&der)
            .and_then(|csr| csr.validate_renewal(self.policies.keys(), &former))
            .map_err(|refusal| {
                Problem::new(Rule::EstCsr).with("rule", refusal.rule()).with("detail", refusal)
            })?;
        Ok(Request { presented, of, application, csr, der, former })
    }

    fn check_profile(&self, name: &str, label: Option<&str>) -> Result<(), Problem> {
        if let Some(label) = label.filter(|label| *label != name) {
            return Err(Problem::new(Rule::EstOtherProfile).with("profile", name).with("label", label));
        }
        if !self.est_profile(Some(name))?.est_reenroll() {
            return Err(Problem::new(Rule::EstNotAllowed).with("profile", name));
        }
        Ok(())
    }

    /// Goes on with an application that is settled, from wherever the last request left it.
    async fn make(self: &Arc<Self>, request: Request) -> Result<Reenrolled, Problem> {
        let Request { of, application, .. } = &request;
        let (old, attempt) = self.store.read(|reader| {
            Ok::<_, Problem>((reader.intent(of)?, reader.live_attempt_of(&application.id)?))
        })?;
        if let Some(old) = old.filter(|old| old.spki_sha256 == request.csr.spki_sha256()) {
            let program = old.token.as_deref() == Some(UNATTESTED);
            if !(program && self.est_profile(Some(&application.profile))?.est_same_key()) {
                return Err(Problem::new(Rule::EstSameKey));
            }
        }
        let attempt = match attempt {
            Some(attempt) if attempt.state.is_attested() => return Err(Problem::new(Rule::EstByToken)),
            Some(attempt) => attempt,
            None => match self.claim_renewal(*of, application.clone(), Keeper::Program).await {
                Err(problem) if is_overtaken(problem.rule) => return Ok(Reenrolled::Pending(SIGNING_SECS)),
                claimed => claimed?,
            },
        };
        let serial = match attempt.state {
            AttemptState::Signed { serial, .. } => {
                let key = self.store.read(|reader| key_of(reader, &serial))?;
                if key != Some(request.csr.spki_sha256()) {
                    return Err(Problem::new(Rule::EstOtherKey));
                }
                serial
            }
            AttemptState::Initialised { .. } => {
                let order = IssueOrder {
                    attempt: attempt.id.clone(),
                    application: application.id.clone(),
                    token: UNATTESTED.to_owned(),
                    csr: request.der.clone(),
                    former: Some(request.former.clone()),
                    actor: Actor::Holder(of.to_string()),
                };
                match self.issue(order).await {
                    Err(problem) if problem.rule == Rule::KeyUsed => {
                        return Err(Problem::new(Rule::EstKeyUsed));
                    }
                    Err(problem) if is_overtaken(problem.rule) => {
                        return Ok(Reenrolled::Pending(SIGNING_SECS));
                    }
                    issued => issued?,
                }
            }
            _ => return Ok(Reenrolled::Pending(SIGNING_SECS)),
        };
        match self.finish_renewal(*of, attempt.id, AttemptCommand::Answer).await {
            Err(problem) if is_overtaken(problem.rule) => Ok(Reenrolled::Pending(SIGNING_SECS)),
            finished => {
                finished?;
                self.store.read(|reader| certificate(reader, &serial)).map(Reenrolled::Certificate)
            }
        }
    }

    /// The certificate that was made, for whoever asks with its key: with itself or, for a day, with its predecessor.
    fn answer_again(&self, request: &Request, serial: Serial) -> Result<Vec<u8>, Problem> {
        let &Request { presented, of, .. } = request;
        self.store.read(|reader| {
            let same = key_of(reader, &serial)? == Some(request.csr.spki_sha256());
            if presented == of {
                let status = reader.status(&of)?.map(|status| status.state);
                let fresh = matches!(status, Some(CertificateStatus::Issued(CertificateState::Revoked { reason, at }))
                    if reason == request.application.kind.succession() && wire::now() <= at.plus_secs(AGAIN_SECS));
                if !(same && fresh) {
                    return Err(Problem::new(Rule::CertificateNotGood).with("state", "revoked"));
                }
            } else {
                must_be_good(reader, presented)?;
                if !same {
                    return Err(Problem::new(Rule::RenewalNone).with("serial", presented));
                }
            }
            must_be_good(reader, serial)?;
            certificate(reader, &serial)
        })
    }
}

/// Another request for the same application was faster: its outcome is the outcome.
fn is_overtaken(rule: Rule) -> bool {
    matches!(rule, Rule::WrongState | Rule::Stale | Rule::Duplicate | Rule::WorkstationBusy)
}

fn key_of(reader: &mut Reader<'_>, serial: &Serial) -> Result<Option<[u8; 32]>, Problem> {
    Ok(reader.intent(serial)?.map(|intent| intent.spki_sha256))
}

fn certificate(reader: &mut Reader<'_>, serial: &Serial) -> Result<Vec<u8>, Problem> {
    let record = reader.certificate(serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    Ok(record.der)
}
