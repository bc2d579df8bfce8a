//! Step 5, its beginning: an application and a blank token are put together, by a clerk or by an issuing line; and its other
//! end, an attempt that is given up.

use ca_core::{
    Action, Actor, ApplicationCommand, ApplicationId, ApplicationKind, AttemptCommand, AttemptId,
    AttemptState, AuditEntry, Author, CertificateCommand, StaffId, policy::InitialPin,
};
use ca_store::{AttemptRecord, CertificateStatus, Tx, WriteSite};
use ca_verifier::{Reason, Serial, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App,
    apply::advance,
    bill, chargeback, free_text, gate,
    personalise::{LEASE_SECS, check_workstation},
    status::change_status,
    stock, unlock,
};
use crate::{
    permit::{ClaimApplication, Permit},
    problem::Problem,
    rule::Rule,
    wire,
};

/// A clerk puts an application and a blank token together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    /// Name of the workstation that has the token.
    pub(crate) workstation: String,
    /// The blank token, by its serial number.
    pub(crate) token: String,
}

impl App {
    /// Claims a paid application; on an application that this workstation holds already, clears its last failure.
    pub(crate) async fn claim(
        &self,
        permit: Permit<ClaimApplication>,
        application: ApplicationId,
        claim: Claim,
    ) -> Result<AttemptId, Problem> {
        let now = wire::now();
        check_workstation(&claim.workstation)?;
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let id = AttemptId::new(now, wire::random()?);
        let first_pin = self.first_pin(&claim.token)?;
        self.store
            .write(WriteSite::ClaimApplication, move |tx| {
                if let Some(held) = tx.live_attempt_of(&application)? {
                    let same = held.workstation == claim.workstation
                        && held.wanted_token.as_deref() == Some(&claim.token);
                    if !same {
                        let problem = Problem::new(Rule::ApplicationInWork).with("state", held.state.name());
                        let token = held.state.token().or(held.wanted_token.as_deref()).unwrap_or("–");
                        return Err(problem.with("workstation", held.workstation).with("token", token));
                    }
                    // One that is ready waits for its holder, and for nothing else.
                    if !matches!(held.state, AttemptState::Proved { .. }) {
                        tx.touch_attempt(&held.id, now.plus_secs(LEASE_SECS), "")?;
                    }
                    return Ok(held.id);
                }
                take(tx, permit.actor(), clerk, &application, Begin { claim, id, first_pin }, now)
            })
            .await
    }

    /// Gives up an attempt that nobody has in hands. Its certificate, if any, is revoked; nothing is paid twice.
    pub(crate) async fn abandon(
        &self,
        permit: Permit<ClaimApplication>,
        application: ApplicationId,
        reason: String,
    ) -> Result<(), Problem> {
        let reason = free_text("reasons", reason, 200)?;
        self.store
            .write(WriteSite::AbandonAttempt, move |tx| {
                give_up(tx, permit.actor(), &application, &reason, wire::now())
            })
            .await
    }
}

/// How an attempt begins.
pub(super) struct Begin {
    pub(super) claim: Claim,
    pub(super) id: AttemptId,
    /// By today's rule for the token's model, for the whole attempt.
    pub(super) first_pin: InitialPin,
}

/// The attempt begins, on a token that is listed, blank and here; of an unlock on the holder's own.
pub(super) fn take(
    tx: &mut Tx<'_>,
    actor: &Actor,
    clerk: StaffId,
    application: &ApplicationId,
    Begin { claim, id, first_pin }: Begin,
    now: Time,
) -> Result<AttemptId, Problem> {
    if tx.live_attempt_of_workstation(&claim.workstation)?.is_some() {
        return Err(Problem::new(Rule::WorkstationBusy));
    }
    check_made_at_counter(tx, application)?;
    let known = tx.application(application)?.ok_or_else(|| Problem::not_found("application"))?;
    let unit = tx.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    gate::still_so(&known, &unit)?;
    if tx.token_in_work(&claim.token)? {
        return Err(Problem::new(Rule::TokenTaken).with("token", &claim.token));
    }
    let order = bill::bill_of(tx, application)?.order.id;
    chargeback::refuse_in_arrears(tx, &order)?;
    let unlocks = match known.kind {
        ApplicationKind::Unlock { of } => unlock::check_token(tx, of, &claim.token).map(|()| true)?,
        _ => false,
    };
    advance(tx, application, ApplicationCommand::Claim { attempt: id.clone() })?;
    tx.insert_attempt(&AttemptRecord {
        id: id.clone(),
        application: application.clone(),
        workstation: claim.workstation.clone(),
        clerk: Author::Staff(clerk),
        wanted_token: Some(claim.token.clone()),
        first_pin: (!unlocks).then_some(first_pin),
        state: AttemptState::Claimed,
        created_at: now,
        lease_until: now.plus_secs(LEASE_SECS),
        note: String::new(),
    })?;
    if !unlocks {
        stock::claim(tx, &claim.token, &id, known.counter.as_deref(), now)?;
    }
    let entry = AuditEntry::done(now, actor, Action::ClaimApplication, "application", application);
    let entry = entry.with("attempt", &id).with("workstation", &claim.workstation);
    tx.append_audit(&entry.with("token", &claim.token))?;
    Ok(id)
}

/// The attempt ends without a certificate in anybody's hands; its token is blank again.
pub(super) fn give_up(
    tx: &mut Tx<'_>,
    actor: &Actor,
    application: &ApplicationId,
    reason: &str,
    now: Time,
) -> Result<(), Problem> {
    let held = tx.live_attempt_of(application)?.ok_or_else(|| Problem::not_found("personalisation"))?;
    let next = held.state.clone().transition(AttemptCommand::Abandon { reason: reason.to_owned() })?;
    tx.move_attempt(&held.id, &held.state, &next)?;
    advance(tx, application, ApplicationCommand::Abandon { attempt: held.id.clone() })?;
    stock::free(tx, &held.id, now)?;
    if let Some(serial) = held.state.serial() {
        withdraw_certificate(tx, actor, serial, now)?;
    }
    let entry = AuditEntry::done(now, actor, Action::Personalise, "attempt", &held.id);
    Ok(tx.append_audit(&entry.with("step", "abandon").with("reason", reason))?)
}

/// A renewal, rekey or change happens on the holder's own token, with a PIN that nobody at the counter knows; of a hold
/// no certificate may come, whoever claims it.
pub(super) fn check_made_at_counter(tx: &mut Tx<'_>, application: &ApplicationId) -> Result<(), Problem> {
    match tx.application_kind(application)? {
        Some(kind) if kind.by_holder() => Err(Problem::new(Rule::RenewalByHolder)),
        Some(kind) if !kind.makes_certificate() && !matches!(kind, ApplicationKind::Unlock { .. }) => {
            Err(Problem::new(Rule::MakesNoCertificate).with("kind", kind.name()))
        }
        _ => Ok(()),
    }
}

/// A certificate that nobody got: revoked, so that whatever became of the token it is no use.
fn withdraw_certificate(tx: &mut Tx<'_>, actor: &Actor, serial: Serial, now: Time) -> Result<(), Problem> {
    match tx.status(&serial)?.map(|record| record.state) {
        Some(CertificateStatus::Issued(_)) => {
            let command = CertificateCommand::Revoke { reason: Reason::CessationOfOperation, at: now };
            change_status(tx, actor, Action::RevokeCertificate, serial, command, now)?;
            Ok(())
        }
        Some(CertificateStatus::Burned { .. }) => Ok(()),
        // The intent is recorded and its signature may be under way: that task burns or commits, not we.
        None => Err(Problem::new(Rule::Busy)),
    }
}
