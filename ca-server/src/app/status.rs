//! Steps 9 and 11: hold, release, revoke. They need the store only, so that a CA whose token is away can still revoke.

use ca_core::{
    Action, Actor, AuditEntry, CertificateCommand, CertificateState, HoldOutcome, HoldReason,
    policy::HoldRules,
};
use ca_store::{CertificateStatus, Reader, Store, Tx, WriteSite};
use ca_verifier::{Reason, Serial, Time};

use super::{
    About, audited,
    hold::{Placing, close, place},
    stock,
};
use crate::{
    permit::{HoldCertificate, Permit, ReleaseCertificate, RevokeCertificate},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// Puts a certificate on hold.
pub(crate) async fn hold(
    store: &Store,
    permit: &Permit<HoldCertificate>,
    serial: Serial,
    rules: HoldRules,
) -> Result<CertificateState, Problem> {
    let placing = Placing::new(HoldReason::Staff, rules);
    change(store, permit.actor(), Action::HoldCertificate, serial, move |tx, actor, now| {
        place(tx, actor, serial, placing, now)?;
        standing(tx, serial)
    })
    .await
}

/// Ends a hold. Where the token was said to be gone, only an application does that: two persons who saw who asks.
pub(crate) async fn release(
    store: &Store,
    permit: &Permit<ReleaseCertificate>,
    serial: Serial,
) -> Result<CertificateState, Problem> {
    let action = Action::ReleaseCertificate;
    change(store, permit.actor(), action, serial, move |tx, actor, now| {
        if tx.open_hold(&serial)?.is_some_and(|hold| hold.reason == HoldReason::Lost) {
            return Err(Problem::new(Rule::HoldLost).with("serial", serial));
        }
        change_status(tx, actor, action, serial, CertificateCommand::Release, now)
    })
    .await
}

/// Revokes a certificate for ever.
pub(crate) async fn revoke(
    store: &Store,
    permit: &Permit<RevokeCertificate>,
    serial: Serial,
    reason: Reason,
) -> Result<CertificateState, Problem> {
    let action = Action::RevokeCertificate;
    change(store, permit.actor(), action, serial, move |tx, actor, now| {
        change_status(tx, actor, action, serial, CertificateCommand::Revoke { reason, at: now }, now)
    })
    .await
}

async fn change(
    store: &Store,
    actor: &Actor,
    action: Action,
    serial: Serial,
    work: impl FnOnce(&mut Tx<'_>, &Actor, Time) -> Result<CertificateState, Problem> + Send + 'static,
) -> Result<CertificateState, Problem> {
    let id = serial.to_string();
    let about = About { actor, action, object: "certificate", id: &id };
    let actor = actor.clone();
    let work = store.write(WriteSite::ChangeStatus, move |tx| work(tx, &actor, wire::now()));
    audited(store, about, work).await
}

/// Where a certificate stands.
pub(super) fn standing(tx: &mut Tx<'_>, serial: Serial) -> Result<CertificateState, Problem> {
    let status = tx.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    match status.state {
        CertificateStatus::Issued(state) => Ok(state),
        CertificateStatus::Burned { .. } => Err(Problem::from(ca_core::Refusal::Revoked)),
    }
}

/// Since when there is no unit any more whose certificate this is: it is not released, it waits to be revoked.
pub(super) fn unit_ended(reader: &mut Reader<'_>, serial: Serial) -> Result<Option<Time>, Problem> {
    let Some(unit) = reader.certificate(&serial)?.and_then(|record| record.unit) else { return Ok(None) };
    Ok(reader.unit(&unit)?.and_then(|unit| unit.ended_at))
}

/// The hold itself, without its reason: for `hold::place` only, which writes that down.
pub(super) fn put_on_hold(
    tx: &mut Tx<'_>,
    actor: &Actor,
    serial: Serial,
    now: Time,
) -> Result<CertificateState, Problem> {
    advance(tx, actor, (Action::HoldCertificate, serial, CertificateCommand::Hold), None, now)
}

/// Moves a certificate by one command, with its entry in the log, inside the caller's transaction. What was on hold is so no
/// longer.
pub(super) fn change_status(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: Action,
    serial: Serial,
    command: CertificateCommand,
    now: Time,
) -> Result<CertificateState, Problem> {
    change_status_since(tx, actor, (action, serial, command), None, now)
}

/// The same, where it is known since when a certificate that is revoked now should have been.
pub(super) fn change_status_since(
    tx: &mut Tx<'_>,
    actor: &Actor,
    (action, serial, command): (Action, Serial, CertificateCommand),
    invalid_since: Option<Time>,
    now: Time,
) -> Result<CertificateState, Problem> {
    if command == CertificateCommand::Hold {
        return Err(Failure::inconsistent("a hold without its reason").into());
    }
    let next = advance(tx, actor, (action, serial, command), invalid_since, now)?;
    let how = match command {
        CertificateCommand::Release => HoldOutcome::Released,
        _ => HoldOutcome::Revoked,
    };
    close(tx, actor, serial, how, now)?;
    Ok(next)
}

fn advance(
    tx: &mut Tx<'_>,
    actor: &Actor,
    (action, serial, command): (Action, Serial, CertificateCommand),
    invalid_since: Option<Time>,
    now: Time,
) -> Result<CertificateState, Problem> {
    let state = standing(tx, serial)?;
    let next = state.transition(command)?;
    if command == CertificateCommand::Release
        && let Some(ended) = unit_ended(tx, serial)?
    {
        return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
    }
    tx.move_status(&serial, state, next, now)?;
    stock::follow(tx, serial, next, now)?;
    let mut entry = AuditEntry::done(now, actor, action, "certificate", serial).with("from", state.name());
    if let CertificateState::Revoked { reason, .. } = next {
        entry = entry.with("reason", reason.name());
        if let Some(since) = invalid_since {
            tx.mark_invalid_since(&serial, since)?;
            entry = entry.with("invalid-since", since);
        }
    }
    tx.append_audit(&entry.with("to", next.name()))?;
    Ok(next)
}
