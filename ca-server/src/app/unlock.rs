//! Step 11: a token whose PIN is locked gets a new one. An officer has seen who the holder is (kind `unlock`); at the counter
//! the security officer's PIN, which only the HSM can compute, opens the token, and the holder types a PIN that nobody else
//! sees. What is on the token stays; no certificate is made.

use ca_core::{
    Action, Actor, ApplicationCommand, ApplicationKind, AttemptCommand, AuditEntry, CertificateState,
};
use ca_store::{AttemptRecord, CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::Serial;

use super::{App, apply::advance, bill};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// The certificate whose token an attempt unlocks; `None` for every other kind.
pub(super) fn unlocks(reader: &mut Reader<'_>, attempt: &AttemptRecord) -> Result<Option<Serial>, Problem> {
    Ok(match reader.application(&attempt.application)?.map(|application| application.kind) {
        Some(ApplicationKind::Unlock { of }) => Some(of),
        _ => None,
    })
}

/// The token is the one that the certificate is on, and that certificate has not ended.
pub(super) fn check_token(tx: &mut Tx<'_>, of: Serial, token: &str) -> Result<(), Problem> {
    let carrier = tx.intent(&of)?.and_then(|intent| intent.token);
    let carrier = carrier.ok_or_else(|| Problem::not_found("certificate"))?;
    if carrier != token {
        return Err(Problem::new(Rule::TokenOther).with("token", token).with("wanted", carrier));
    }
    match tx.status(&of)?.map(|status| status.state) {
        Some(
            CertificateStatus::Issued(CertificateState::Revoked { .. }) | CertificateStatus::Burned { .. },
        )
        | None => Err(Problem::new(Rule::CertificateNotGood).with("state", "revoked")),
        Some(CertificateStatus::Issued(_)) => Ok(()),
    }
}

impl App {
    /// The workstation says that the token has its holder's PIN.
    pub(super) async fn finish_unlock(
        &self,
        actor: &Actor,
        attempt: &AttemptRecord,
        of: Serial,
    ) -> Result<(), Problem> {
        let (actor, id) = (actor.clone(), attempt.id.clone());
        self.store
            .write(WriteSite::UnlockToken, move |tx| {
                let now = wire::now();
                let held = tx.attempt(&id)?.ok_or_else(|| Problem::not_found("attempt"))?;
                let next = held.state.clone().transition(AttemptCommand::Unlock { serial: of })?;
                let token = next.token().ok_or_else(|| Failure::inconsistent("unlocked no token"))?;
                let entry = AuditEntry::done(now, &actor, Action::Personalise, "attempt", &id);
                let entry = entry.with("step", WriteSite::UnlockToken.name()).with("token", token);
                tx.move_attempt(&id, &held.state, &next)?;
                let command = ApplicationCommand::Unlock { attempt: id.clone(), serial: of };
                advance(tx, &held.application, command)?;
                bill::deliver(tx, &held.application, now)?;
                Ok(tx.append_audit(&entry.with("certificate", of))?)
            })
            .await
    }
}
