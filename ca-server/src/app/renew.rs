//! Step 11: renewal, rekey and change, by the holder: a new key on the same token, and the certificate that comes after.
//!
//! The holder's own program executes the commands of a workstation over mutual TLS with the certificate that is to be
//! renewed. The last of them proves the new key; the same transaction then makes the new certificate good and the old
//! one superseded, so that at every moment exactly one of the two opens the portal.

use std::sync::Arc;

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, ApplicationState, AttemptCommand,
    AttemptId, AttemptState, AuditEntry, CertificateCommand, CertificateState, UNATTESTED, billing::Bill,
};
use ca_store::{AttemptRecord, CertificateStatus, Reader, WriteSite};
use ca_verifier::Serial;

use super::{
    App, Exchange,
    apply::advance,
    bill, chargeback,
    gate::{is_still_so, must_be_good},
    leftover::discard_step,
    personalise::{Hand, holders_place},
    status::{change_status, change_status_since},
    stock,
    unit_change::invalid_since,
};
use crate::{
    problem::{Failure, Problem},
    protocol::{Command, UserPin},
    rule::Rule,
    wire,
};

const LEASE_SECS: i64 = 24 * 3600;

/// Who keeps the new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The token that has the old one, which gives evidence of it.
    Token,
    /// The holder's own program (EST): nobody knows where.
    Program,
}

/// What the holder's program is told.
pub(crate) enum Renewal {
    /// To be executed on the token.
    Command(Command),
    /// The renewed certificate is good.
    Done(Serial),
}

impl App {
    /// One exchange with the holder of `presented`: the certificate to be renewed or, after a crash of the program in
    /// the middle, the one that is being made.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        presented: Serial,
        mut exchange: Exchange,
    ) -> Result<Option<Renewal>, Problem> {
        let (of, application) = self.store.read(|reader| wanted(reader, presented))?;
        if let Some(command) = self.clear_token(of, &application, &mut exchange).await? {
            return Ok(Some(Renewal::Command(command)));
        }
        if let ApplicationState::Active { serial } = application.state {
            let made = self.store.read(|reader| reader.intent(&serial))?;
            // Made over EST: whoever holds the token would look for it there in vain.
            if made.and_then(|intent| intent.token).as_deref() == Some(UNATTESTED) {
                return Err(Problem::new(Rule::EstNoToken).with("serial", serial));
            }
            return Ok(Some(Renewal::Done(serial)));
        }
        self.store.read(|reader| may_execute(reader, presented, of))?;
        let mut attempt = match self.store.read(|reader| reader.live_attempt_of(&application.id))? {
            Some(attempt) if attempt.state.is_attested() => attempt,
            Some(attempt) => {
                self.take_from_program(of, attempt).await?;
                self.claim_renewal(of, application, Keeper::Token).await?
            }
            None => self.claim_renewal(of, application, Keeper::Token).await?,
        };
        if exchange.start && !attempt.note.is_empty() {
            self.note(&attempt, String::new()).await?;
            attempt.note.clear();
        }
        let id = attempt.id.clone();
        let hand = Hand { actor: Actor::Holder(of.to_string()), pin: UserPin::default() };
        if let Some(command) = self.drive(&hand, attempt, exchange).await? {
            return Ok(Some(Renewal::Command(command)));
        }
        match self.store.read(|reader| reader.attempt(&id))?.map(|attempt| attempt.state) {
            Some(AttemptState::Proved { .. }) => {
                self.finish_renewal(of, id, AttemptCommand::Deliver).await.map(Renewal::Done).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What attempts that are over have left on the token goes before anything new comes: there may be no room for it.
    async fn clear_token(
        &self,
        of: Serial,
        application: &Application,
        exchange: &mut Exchange,
    ) -> Result<Option<Command>, Problem> {
        let Some(token) = self.store.read(|reader| reader.intent(&of))?.and_then(|intent| intent.token)
        else {
            return Ok(None);
        };
        if let Some(report) = exchange.report.take_if(|report| report.command == "discard") {
            self.take_discard(&Actor::Holder(of.to_string()), &token, report).await?;
        }
        if !exchange.tokens.iter().any(|seen| seen.serial == token) {
            return Ok(None);
        }
        self.store.read(|reader| {
            let live = reader.live_attempt_of(&application.id)?.map(|attempt| attempt.id);
            discard_step(reader, &token, &exchange.leftovers, live.as_ref())
        })
    }

    /// The renewal that the holder of `presented` may execute or has executed: of which certificate, which application,
    /// and what it costs.
    pub(crate) fn renewal_of(&self, presented: Serial) -> Result<(Serial, Application, Bill), Problem> {
        self.store.read(|reader| {
            let (of, application) = successor(reader, presented)?;
            let bill = bill::bill_of(reader, &application.id)?;
            Ok((of, application, bill))
        })
    }

    /// A request over EST that came to nothing does not keep the holder from using the token.
    async fn take_from_program(&self, of: Serial, attempt: AttemptRecord) -> Result<(), Problem> {
        if !matches!(attempt.state, AttemptState::Initialised { .. }) {
            return Err(Problem::new(Rule::EstUnderWay));
        }
        self.store
            .write(WriteSite::AbandonAttempt, move |tx| {
                let reason = "the token is used instead".to_owned();
                let next = attempt.state.clone().transition(AttemptCommand::Abandon { reason })?;
                tx.move_attempt(&attempt.id, &attempt.state, &next)?;
                let command = ApplicationCommand::Abandon { attempt: attempt.id.clone() };
                advance(tx, &attempt.application, command)?;
                let actor = Actor::Holder(of.to_string());
                let entry =
                    AuditEntry::done(wire::now(), &actor, Action::Personalise, "attempt", &attempt.id);
                tx.append_audit(&entry.with("step", "abandon").with("reason", "the token is used instead"))?;
                Ok(())
            })
            .await
    }

    /// A token is the one that has the old certificate; it is neither emptied nor initialised.
    pub(super) async fn claim_renewal(
        &self,
        of: Serial,
        application: Application,
        keeper: Keeper,
    ) -> Result<AttemptRecord, Problem> {
        let now = wire::now();
        let id = AttemptId::new(now, wire::random()?);
        self.store
            .write(WriteSite::ClaimApplication, move |tx| {
                must_be_good(tx, of)?;
                is_still_so(tx, &application.id)?;
                let order = bill::bill_of(tx, &application.id)?.order.id;
                chargeback::refuse_in_arrears(tx, &order)?;
                let old = tx.intent(&of)?.and_then(|intent| intent.token);
                let old = old.ok_or_else(|| Failure::inconsistent("a unit's certificate without a token"))?;
                let (token, wanted_token, evidence) = match keeper {
                    Keeper::Program => (UNATTESTED.to_owned(), None, ("origin", "unattested".to_owned())),
                    Keeper::Token if old == UNATTESTED => {
                        return Err(Problem::new(Rule::EstNoToken).with("serial", of));
                    }
                    Keeper::Token => (old.clone(), Some(old.clone()), ("token", old)),
                };
                advance(tx, &application.id, ApplicationCommand::Claim { attempt: id.clone() })?;
                let attempt = AttemptRecord {
                    id: id.clone(),
                    application: application.id.clone(),
                    workstation: holders_place(&of),
                    clerk: application.entered_by,
                    wanted_token,
                    first_pin: None,
                    state: AttemptState::Initialised { token },
                    created_at: now,
                    lease_until: now.plus_secs(LEASE_SECS),
                    note: String::new(),
                };
                tx.insert_attempt(&attempt)?;
                let actor = Actor::Holder(of.to_string());
                let entry =
                    AuditEntry::done(now, &actor, Action::ClaimApplication, "application", &application.id);
                let entry = entry.with("attempt", &id).with("renews", of);
                tx.append_audit(&entry.with(evidence.0, evidence.1))?;
                Ok(attempt)
            })
            .await
    }

    /// The new certificate becomes good and the old one superseded; `end` is how the new one reaches its holder.
    pub(super) async fn finish_renewal(
        &self,
        of: Serial,
        attempt: AttemptId,
        end: AttemptCommand,
    ) -> Result<Serial, Problem> {
        self.store
            .write(WriteSite::ActivateCertificate, move |tx| {
                let (now, actor) = (wire::now(), Actor::Holder(of.to_string()));
                // It may have been put on hold since the holder's program connected.
                must_be_good(tx, of)?;
                let held = tx.attempt(&attempt)?.ok_or_else(|| Problem::not_found("attempt"))?;
                is_still_so(tx, &held.application)?;
                let next = held.state.clone().transition(end)?;
                let serial = next.serial().ok_or_else(|| Failure::inconsistent("proved without a serial"))?;
                tx.move_attempt(&attempt, &held.state, &next)?;
                stock::renew(tx, of, serial, now)?;
                advance(tx, &held.application, ApplicationCommand::Deliver { attempt: attempt.clone() })?;
                advance(tx, &held.application, ApplicationCommand::Activate { serial })?;
                bill::deliver(tx, &held.application, now)?;
                let activate = CertificateCommand::Activate;
                change_status(tx, &actor, Action::ActivateCertificate, serial, activate, now)?;
                let kind = tx.application_kind(&held.application)?;
                let reason = kind.ok_or_else(|| Problem::not_found("application"))?.succession();
                let supersede = CertificateCommand::Revoke { reason, at: now };
                let (authors, _) = tx
                    .application_state(&held.application)?
                    .ok_or_else(|| Problem::not_found("application"))?;
                let since = invalid_since(tx, &authors, of)?;
                let supersede = (Action::RevokeCertificate, of, supersede);
                change_status_since(tx, &actor, supersede, since, now)?;
                Ok(serial)
            })
            .await
    }
}

/// The certificate to be renewed and its application, which is approved and settled.
fn wanted(reader: &mut Reader<'_>, presented: Serial) -> Result<(Serial, Application), Problem> {
    let (of, application) = successor(reader, presented)?;
    match application.state {
        ApplicationState::Submitted | ApplicationState::Approved { .. } => {
            Err(Problem::new(Rule::RenewalNotReady).with("state", application.state.name()))
        }
        _ => Ok((of, application)),
    }
}

/// The certificate to be renewed and its application, however far that has come.
pub(super) fn successor(
    reader: &mut Reader<'_>,
    presented: Serial,
) -> Result<(Serial, Application), Problem> {
    let record = reader.certificate(&presented)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let own = record.application.map(|id| application(reader, &id)).transpose()?;
    let mut renewal = reader.successor_of(&presented)?.map(|id| application(reader, &id)).transpose()?;
    let mut of = presented;
    if let (None, Some(own)) = (&renewal, own)
        && let Some(renewed) = own.kind.certificate()
    {
        (of, renewal) = (renewed, Some(own));
    }
    let renewal = renewal.filter(|application| application.kind.by_holder());
    let application = renewal.ok_or_else(|| Problem::new(Rule::RenewalNone).with("serial", presented))?;
    Ok((of, application))
}

fn application(reader: &mut Reader<'_>, id: &ApplicationId) -> Result<Application, Problem> {
    reader.application(id)?.ok_or_else(|| Problem::not_found("application"))
}

/// The renewed certificate must be good; beside it only the one that its renewal is making may be presented.
fn may_execute(reader: &mut Reader<'_>, presented: Serial, of: Serial) -> Result<(), Problem> {
    must_be_good(reader, of)?;
    let status = reader.status(&presented)?.map(|status| status.state);
    match status {
        _ if presented == of => Ok(()),
        Some(CertificateStatus::Issued(CertificateState::NotActivated)) => Ok(()),
        Some(CertificateStatus::Issued(state)) => {
            Err(Problem::new(Rule::CertificateNotGood).with("state", state.name()))
        }
        _ => Err(Problem::not_found("certificate")),
    }
}
