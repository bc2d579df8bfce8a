//! Step 8, its end: hand-over, and activation by the holder.
//!
//! The activation code is computed from the application by a key in the HSM, so it is stored nowhere; it travels
//! apart from the token, to the agent, and opens the certificate once. Three wrong ones lock it, until an officer has
//! seen who the holder is and has a new code sent.

use std::sync::Arc;

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState,
    AttemptCommand, AttemptId, AuditEntry, CertificateCommand, CertificateState, HoldReason, Loss,
    NoticeAbout, NoticeKind, TokenCommand,
};
use ca_store::{AuditFilter, CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::Serial;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App,
    apply::advance,
    bill,
    claim::check_made_at_counter,
    gate::{is_still_so, must_be_good, says_former},
    hold::place,
    notice::{notice_id, notify},
    shift, stock,
};
use crate::{
    permit::{DeliverToken, Permit, RenewActivationCode},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const TRIES: usize = 3;
/// Without 0, 1, I, L, O, U: nothing that can be misread over the telephone.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_CHARACTERS: usize = 10;

/// What the holder gives.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    /// The activation code, with or without hyphens.
    pub(crate) code: String,
}

impl App {
    /// The token is in the holder's hands; the activation code goes out by another way.
    pub(crate) async fn hand_over(
        &self,
        permit: Permit<DeliverToken>,
        application: ApplicationId,
    ) -> Result<Serial, Problem> {
        let notice = notice_id(wire::now())?;
        self.store
            .write(WriteSite::DeliverToken, move |tx| {
                let now = wire::now();
                check_made_at_counter(tx, &application)?;
                let counter = tx.application(&application)?.and_then(|known| known.counter);
                shift::refuse_closed(tx, counter.as_deref(), now)?;
                is_still_so(tx, &application)?;
                let attempt =
                    tx.live_attempt_of(&application)?.ok_or_else(|| Problem::not_found("personalisation"))?;
                let next = attempt.state.clone().transition(AttemptCommand::Deliver)?;
                let serial =
                    next.serial().ok_or_else(|| Failure::inconsistent("delivered without a serial"))?;
                tx.move_attempt(&attempt.id, &attempt.state, &next)?;
                stock::deliver(tx, next.token(), serial, now)?;
                let command = ApplicationCommand::Deliver { attempt: attempt.id.clone() };
                advance(tx, &application, command)?;
                bill::deliver(tx, &application, now)?;
                let known = tx.application(&application)?.ok_or_else(|| Problem::not_found("application"))?;
                let about = NoticeAbout::Application(application.clone());
                notify(tx, notice, NoticeKind::Activation, about, &known.agent)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::DeliverToken, "certificate", serial);
                tx.append_audit(
                    &entry.with("application", &application).with("token", next.token().unwrap_or("")),
                )?;
                Ok(serial)
            })
            .await
    }

    /// The holder has replaced the initial PIN and proves it by mutual TLS; the code shows that the message, too,
    /// reached the right person. A wrong code is the inner error: it stands in the log already.
    pub(crate) async fn activate(
        self: &Arc<Self>,
        serial: Serial,
        given: Activation,
    ) -> Result<Result<CertificateState, Problem>, Problem> {
        let record = self.store.read(|reader| reader.certificate(&serial))?;
        let application = record.and_then(|record| record.application);
        let application = application.ok_or_else(|| Problem::not_found("certificate"))?;
        let (renewals, _) = self.store.read(|reader| code_renewals(reader, &serial))?;
        let expected = self.activation_code(&application, renewals).await?;
        let placing = self.placing(HoldReason::Repair);
        let given = given.code.replace(['-', ' '], "").to_ascii_uppercase();
        self.store
            .write(WriteSite::ActivateCertificate, move |tx| {
                let (now, actor) = (wire::now(), Actor::Holder(serial.to_string()));
                let known = tx.application(&application)?.ok_or_else(|| Problem::not_found("application"))?;
                // Changes nothing and takes the row: tries that come at once are counted one after the other.
                tx.move_application(&application, &known.state, &known.state)?;
                let (now_renewals, since) = code_renewals(tx, &serial)?;
                if now_renewals != renewals {
                    return Err(Problem::new(Rule::Stale).with("object", "activation code"));
                }
                let wrong = wrong_codes(tx, &serial, since)?;
                if wrong >= TRIES {
                    return Err(Problem::new(Rule::ActivationLocked));
                }
                // Three tries in all, so that the time of a comparison tells nobody anything.
                if given != expected {
                    let problem = Problem::new(Rule::ActivationCode).with("left", TRIES - wrong - 1);
                    let entry =
                        AuditEntry::done(now, &actor, Action::ActivateCertificate, "certificate", serial);
                    tx.append_audit(&entry.with("left", TRIES - wrong - 1).refused(problem.rule.name()))?;
                    return Ok(Err(problem));
                }
                let status = tx.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
                let CertificateStatus::Issued(state) = status.state else {
                    return Err(Problem::from(ca_core::Refusal::Revoked));
                };
                if state == CertificateState::Good {
                    return Ok(Ok(state));
                }
                let next = state.transition(CertificateCommand::Activate)?;
                may_begin(tx, &known, serial)?;
                // The damaged token's certificate has served until now.
                if let ApplicationKind::Replace { of, cause: Loss::Damaged } = known.kind {
                    stock::end_with_token(tx, &actor, of, TokenCommand::Damage, now)?;
                }
                // What is repaired comes back; until then one of the two is good.
                if let ApplicationKind::Replace { of, cause: Loss::Repair } = known.kind {
                    must_be_good(tx, of)?;
                    place(tx, &actor, of, placing, now)?;
                }
                advance(tx, &application, ApplicationCommand::Activate { serial })?;
                tx.move_status(&serial, state, next, now)?;
                stock::follow(tx, serial, next, now)?;
                tx.append_audit(&AuditEntry::done(
                    now,
                    &actor,
                    Action::ActivateCertificate,
                    "certificate",
                    serial,
                ))?;
                Ok(Ok(next))
            })
            .await
    }

    /// A new code for a holder who proved at the counter who they are; the old one no longer counts.
    pub(crate) async fn renew_activation_code(
        &self,
        permit: Permit<RenewActivationCode>,
        application: ApplicationId,
    ) -> Result<(), Problem> {
        let notice = notice_id(wire::now())?;
        self.store
            .write(WriteSite::DeliverToken, move |tx| {
                let now = wire::now();
                let known = tx.application(&application)?.ok_or_else(|| Problem::not_found("application"))?;
                let ApplicationState::Delivered { serial } = known.state else {
                    let (state, command) = (known.state.name(), "renew-activation-code");
                    return Err(Problem::from(ca_core::Refusal::WrongState { state, command }));
                };
                let about = NoticeAbout::Application(application.clone());
                notify(tx, notice, NoticeKind::Activation, about, &known.agent)?;
                let (action, actor) = (Action::RenewActivationCode, permit.actor());
                let entry = AuditEntry::done(now, actor, action, "certificate", serial);
                tx.append_audit(&entry.with("application", &application))?;
                Ok(())
            })
            .await
    }

    /// The code after so many renewals.
    pub(super) async fn activation_code(
        &self,
        application: &ApplicationId,
        renewals: usize,
    ) -> Result<String, Problem> {
        let secrets = self.ca.secrets();
        let message = match renewals {
            0 => format!("qianyin-activation-v1:{application}"),
            _ => format!("qianyin-activation-v1:{application}:{renewals}"),
        };
        let mac = tokio::task::spawn_blocking(move || secrets.hmac(message.as_bytes()))
            .await
            .map_err(Failure::inconsistent)?
            .map_err(Failure::from)?;
        Ok(mac
            .iter()
            .take(CODE_CHARACTERS)
            .map(|octet| char::from(ALPHABET[usize::from(*octet) % ALPHABET.len()]))
            .collect())
    }
}

/// A certificate does not begin to serve for a unit that has ended, nor with what the unit is no longer while its change is
/// not decided.
fn may_begin(reader: &mut Reader<'_>, known: &Application, serial: Serial) -> Result<(), Problem> {
    let unit = reader.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    if let Some(ended) = unit.ended_at {
        return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
    }
    if !says_former(known, &unit) {
        return Ok(());
    }
    let Some(id) = reader.successor_of(&serial)? else { return Ok(()) };
    match reader.application_state(&id)?.map(|(_, state)| state) {
        Some(state @ (ApplicationState::Submitted | ApplicationState::Approved { .. })) => {
            let problem = Problem::new(Rule::ActivateAfterChange).with("application", &id);
            Err(problem.with("state", state.name()))
        }
        _ => Ok(()),
    }
}

/// The attempt's challenge: computed, so that a restart asks for the same one.
pub(super) fn challenge_message(attempt: &AttemptId, serial: &Serial) -> String {
    format!("qianyin-challenge-v1:{attempt}:{serial}")
}

/// How many new codes there were, and the log entry of the last.
pub(super) fn code_renewals(
    reader: &mut Reader<'_>,
    serial: &Serial,
) -> Result<(usize, Option<i64>), Problem> {
    let filter = AuditFilter {
        action: Some(Action::RenewActivationCode),
        object_id: Some(serial.to_string()),
        ..AuditFilter::default()
    };
    let done: Vec<i64> = reader
        .audit_log(&filter)?
        .into_iter()
        .filter(|(_, record)| record.rule.is_none())
        .map(|(id, _)| id)
        .collect();
    Ok((done.len(), done.last().copied()))
}

/// Wrong codes since the last new one: the refusals in the log are the counter, so that none can be forgotten.
fn wrong_codes(tx: &mut Tx<'_>, serial: &Serial, since: Option<i64>) -> Result<usize, Problem> {
    let filter = AuditFilter {
        after: since,
        action: Some(Action::ActivateCertificate),
        object_id: Some(serial.to_string()),
        ..AuditFilter::default()
    };
    let code = Rule::ActivationCode.name();
    Ok(tx.audit_log(&filter)?.iter().filter(|(_, record)| record.rule.as_deref() == Some(code)).count())
}
