//! Step 3: an officer who entered nothing of it approves or rejects an application.
//!
//! What only changes a certificate's standing is carried out in the same transaction: between the decision that a
//! certificate must end and its end there is no time to lose. What costs nothing is settled at once.

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState,
    AuditEntry, Author, CertificateCommand, CertificateState, HoldReason, Loss, NoticeAbout, NoticeKind,
    StaffId, TokenCommand, Unit,
};
use ca_store::{CertificateStatus, Tx, WriteSite};
use ca_verifier::{Reason, Serial, Time};

use super::{
    App,
    apply::advance,
    bill, free_text, gate,
    hold::{Placing, place},
    notice::{notice_id, notify},
    status::{change_status, change_status_since},
    stock,
    unit_change::invalid_since,
};
use crate::{
    permit::{ApproveApplication, Permit, RejectApplication},
    problem::Problem,
    rule::Rule,
    wire,
};

const REASONS_MAX: usize = 1000;

impl App {
    /// `revision`: what the officer looked at; one that was corrected since is another.
    pub(crate) async fn approve(
        &self,
        permit: Permit<ApproveApplication>,
        id: ApplicationId,
        revision: Option<usize>,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let rules = self.policies.eligibility().clone();
        let placing = self.placing(HoldReason::Application);
        let notice = notice_id(now)?;
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                // No event goes through it between what is read here and the decision.
                let (_, unit) = subject(tx, &id)?;
                tx.lock_unit(&unit.id)?;
                let (known, unit) = subject(tx, &id)?;
                if revision.is_some_and(|revision| revision != known.revision()) {
                    return Err(Problem::new(Rule::Stale).with("object", "application"));
                }
                let anew = is_approved_anew(&known, &unit);
                let approved = advance(tx, &id, command(anew, by))?;
                Problem::unless_empty(gate::missing(tx, &rules, known.kind, (&unit, &known.agent), now)?)?;
                gate::application_fits(tx, &known, &unit)?;
                // What the officer saw is what the certificate will say.
                if known.kind.makes_certificate() && !anew && gate::says_former(&known, &unit) {
                    return Err(Problem::new(Rule::UnitChanged));
                }
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::ApproveApplication, "application", &id);
                let entry = entry.with("kind", known.kind.name());
                let state = if anew {
                    tx.append_audit(&entry.with("anew", unit.id.as_str()))?;
                    tx.correct_application(&Application {
                        unit_name: unit.name,
                        unit_code: unit.code,
                        ..known.clone()
                    })?;
                    approved
                } else {
                    tx.append_audit(&entry)?;
                    carry_on(tx, permit.actor(), &known, placing, now)?.unwrap_or(approved)
                };
                let (told, about) = (NoticeKind::ApplicationApproved, NoticeAbout::Application(id));
                notify(tx, notice, told, about, &known.agent)?;
                Ok(state)
            })
            .await
    }

    pub(crate) async fn reject(
        &self,
        permit: Permit<RejectApplication>,
        id: ApplicationId,
        reasons: String,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        let reasons = free_text("reasons", reasons, REASONS_MAX)?;
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let notice = notice_id(now)?;
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let known = tx.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
                let state = advance(tx, &id, ApplicationCommand::Reject { by, reasons: reasons.clone() })?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RejectApplication, "application", &id);
                tx.append_audit(&entry.with("reasons", reasons))?;
                let (told, about) = (NoticeKind::ApplicationRejected, NoticeAbout::Application(id));
                notify(tx, notice, told, about, &known.agent)?;
                Ok(state)
            })
            .await
    }
}

fn subject(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<(Application, Unit), Problem> {
    let known = tx.application(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let unit = tx.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    Ok((known, unit))
}

/// Whether it was approved with what its unit was before an event.
fn is_approved_anew(known: &Application, unit: &Unit) -> bool {
    let decided = matches!(known.state, ApplicationState::Approved { .. } | ApplicationState::Paid { .. });
    decided && known.kind.makes_certificate() && gate::says_former(known, unit)
}

fn command(anew: bool, by: StaffId) -> ApplicationCommand {
    match anew {
        true => ApplicationCommand::ApproveAnew { by },
        false => ApplicationCommand::Approve { by: Author::Staff(by) },
    }
}

/// What follows from an approval by itself.
fn carry_on(
    tx: &mut Tx<'_>,
    actor: &Actor,
    application: &Application,
    placing: Placing<'_>,
    now: Time,
) -> Result<Option<ApplicationState>, Problem> {
    match application.kind {
        ApplicationKind::Revoke { of, reason } => {
            let command = CertificateCommand::Revoke { reason, at: now };
            let mut authors = application.entered_before.clone();
            authors.push(application.entered_by.clone());
            let since = invalid_since(tx, &authors, of)?;
            change_status_since(tx, actor, (Action::RevokeCertificate, of, command), since, now)?;
        }
        ApplicationKind::Hold { of } => {
            place(tx, actor, of, placing, now)?;
        }
        ApplicationKind::Release { of } => {
            change_status(tx, actor, Action::ReleaseCertificate, of, CertificateCommand::Release, now)?;
        }
        ApplicationKind::Replace { of, cause: Loss::Lost } => {
            stock::end_with_token(tx, actor, of, TokenCommand::Lose, now)?;
        }
        _ => {}
    }
    if application.kind.changes_status() {
        bill::cancel(tx, &application.id, now)?;
        return advance(tx, &application.id, ApplicationCommand::Execute).map(Some);
    }
    bill::open(tx, &application.id, now)
}

/// Revokes a certificate that is not revoked yet.
pub(super) fn end_once(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    reason: Reason,
    now: Time,
) -> Result<(), Problem> {
    match tx.status(&of)?.map(|status| status.state) {
        Some(CertificateStatus::Issued(CertificateState::Revoked { .. })) => Ok(()),
        _ => {
            let command = CertificateCommand::Revoke { reason, at: now };
            change_status(tx, actor, Action::RevokeCertificate, of, command, now).map(drop)
        }
    }
}
