//! Steps 9 and 11: hold, release, revoke. They need the store only, so that a CA whose token is away can still revoke.

use ca_core::{Action, Actor, AuditEntry, CertificateCommand, CertificateState};
use ca_store::{CertificateStatus, Store, Tx, WriteSite};
use ca_verifier::{Reason, Serial, Time};

use super::{About, audited, stock};
use crate::{
    permit::{HoldCertificate, Permit, ReleaseCertificate, RevokeCertificate},
    problem::Problem,
    wire,
};

/// Puts a certificate on hold.
pub(crate) async fn hold(
    store: &Store,
    permit: &Permit<HoldCertificate>,
    serial: Serial,
) -> Result<CertificateState, Problem> {
    change(store, permit.actor(), Action::HoldCertificate, serial, CertificateCommand::Hold).await
}

/// Ends a hold.
pub(crate) async fn release(
    store: &Store,
    permit: &Permit<ReleaseCertificate>,
    serial: Serial,
) -> Result<CertificateState, Problem> {
    change(store, permit.actor(), Action::ReleaseCertificate, serial, CertificateCommand::Release).await
}

/// Revokes a certificate for ever.
pub(crate) async fn revoke(
    store: &Store,
    permit: &Permit<RevokeCertificate>,
    serial: Serial,
    reason: Reason,
) -> Result<CertificateState, Problem> {
    let command = CertificateCommand::Revoke { reason, at: wire::now() };
    change(store, permit.actor(), Action::RevokeCertificate, serial, command).await
}

async fn change(
    store: &Store,
    actor: &Actor,
    action: Action,
    serial: Serial,
    command: CertificateCommand,
) -> Result<CertificateState, Problem> {
    let id = serial.to_string();
    let about = About { actor, action, object: "certificate", id: &id };
    let actor = actor.clone();
    let work = store.write(WriteSite::ChangeStatus, move |tx| {
        change_status(tx, &actor, action, serial, command, wire::now())
    });
    audited(store, about, work).await
}

/// Moves a certificate by one command, with its entry in the log, inside the caller's transaction.
pub(super) fn change_status(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: Action,
    serial: Serial,
    command: CertificateCommand,
    now: Time,
) -> Result<CertificateState, Problem> {
    let status = tx.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let CertificateStatus::Issued(state) = status.state else {
        return Err(Problem::from(ca_core::Refusal::Revoked));
    };
    let next = state.transition(command)?;
    tx.move_status(&serial, state, next, now)?;
    stock::follow(tx, serial, next, now)?;
    let mut entry = AuditEntry::done(now, actor, action, "certificate", serial).with("from", state.name());
    if let CertificateState::Revoked { reason, .. } = next {
        entry = entry.with("reason", reason.name());
    }
    tx.append_audit(&entry.with("to", next.name()))?;
    Ok(next)
}
