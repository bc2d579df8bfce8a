//! Steps 6 and 7: intent committed → one signature → verified → certificate committed.
//!
//! ```text
//! validate CSR ─▶ prepare (build, lint) ─▶ [tx: intent, key, attempt, log] ─▶ C_Sign ─▶ verify ─▶ [tx: certificate, status, attempt, log]
//!                                              crash here: burned at start      ▲ crash here: burned, never signed again (I3)
//! ```
//! The signature's outcome is either in the second transaction or unknown; unknown is burned.

use std::sync::{Arc, atomic::Ordering};

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, AttemptCommand, AttemptId, AttemptState,
    AuditEntry, CertificatePlan, CertificateState, IntentContext, Issued, IssuerRef, PlanKey, Prepared,
    Subject, UNATTESTED, Unit, UntrustedCsr, ValidatedCsr,
};
use ca_store::{CertificateRecord, WriteSite, kill_point};
use ca_verifier::{Serial, Time};

use super::{App, apply::advance, clock, gate, stock};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const DAY_SECS: i64 = 86_400;

/// What is to be issued: a token's CSR for an attempt that holds a paid application.
#[derive(Debug, Clone)]
pub(crate) struct IssueOrder {
    pub(crate) attempt: AttemptId,
    pub(crate) application: ApplicationId,
    /// Serial number of the token that holds the key, or [`UNATTESTED`].
    pub(crate) token: String,
    /// DER.
    pub(crate) csr: Vec<u8>,
    /// The certificate, DER, whose subject stands in the CSR; `None` when the attempt's identifier does.
    pub(crate) former: Option<Vec<u8>>,
    pub(crate) actor: Actor,
}

impl IssueOrder {
    /// That no token gave evidence of the key stands in the log, beside what was done all the same.
    fn with_origin(&self, entry: AuditEntry) -> AuditEntry {
        if self.token == UNATTESTED { entry.with("origin", "unattested") } else { entry }
    }
}

impl App {
    /// Issues to the end, whether or not the caller stays: a connection that closes must not cut a signature short.
    pub(crate) async fn issue(self: &Arc<Self>, order: IssueOrder) -> Result<Serial, Problem> {
        let app = Arc::clone(self);
        let work = tokio::spawn(async move { app.issue_to_the_end(order).await });
        work.await.map_err(|error| Problem::from(Failure::inconsistent(error)))?
    }

    async fn issue_to_the_end(&self, order: IssueOrder) -> Result<Serial, Problem> {
        let now = wire::now();
        self.check_clock(now)?;
        let csr = self.validate_csr(&order)?;
        let prepared = self.prepare(&order, &csr, now)?;
        let serial = prepared.intent().serial;
        let recorded = self.record_intent(&order, &prepared, now).await?;
        self.latest_intent.fetch_max(now.millis(), Ordering::Relaxed);
        match self.sign_and_commit(&order, prepared, recorded).await {
            Ok(()) => Ok(serial),
            Err(problem) => self.after_unknown(&order, serial, problem).await,
        }
    }

    /// I5: a clock that went back stops issuing, and nothing else.
    fn check_clock(&self, now: Time) -> Result<(), Problem> {
        if now.millis() + clock::TOLERANCE_MILLIS < self.latest_intent.load(Ordering::Relaxed) {
            return Err(Problem::new(Rule::ClockBack));
        }
        Ok(())
    }

    fn validate_csr(&self, order: &IssueOrder) -> Result<ValidatedCsr, Problem> {
        UntrustedCsr::read(&order.csr)
            .and_then(|csr| match &order.former {
                Some(former) => csr.validate_renewal(self.policies.keys(), former),
                None => csr.validate(self.policies.keys(), Some(order.attempt.as_str())),
            })
            .map_err(|refusal| Problem::new(Rule::Csr).with("rule", refusal.rule()).with("detail", refusal))
    }

    /// Subject and extensions come from the approved application and the profile, never from the CSR (I8).
    fn prepare(&self, order: &IssueOrder, csr: &ValidatedCsr, now: Time) -> Result<Prepared, Problem> {
        let (application, unit, former) = self.store.read(|reader| {
            let application =
                reader.application(&order.application)?.ok_or_else(|| Problem::not_found("application"))?;
            if !application.kind.makes_certificate() {
                return Err(Failure::inconsistent("an attempt for what makes no certificate").into());
            }
            let unit = reader.unit(&application.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
            let former = match application.kind.certificate() {
                None => None,
                Some(of) => Some(reader.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?),
            };
            Ok::<(Application, Unit, Option<CertificateRecord>), Problem>((application, unit, former))
        })?;
        // What was approved and what the unit is are the same, or nothing is signed.
        gate::still_so(&application, &unit)?;
        let unit = Unit { name: application.unit_name.clone(), code: application.unit_code, ..unit };
        let profile = self.policies.profile(&application.profile).map_err(Failure::inconsistent)?;
        let not_before = Time::from_secs(now.secs());
        // A renewal is good at once, and its paid time begins where the other's ends: no paid day is lost. What buys no
        // time ends when the other would have.
        let days = i64::from(self.policies.applications().temporary_days());
        let not_after = match former {
            Some(former) if application.kind.is_temporary() => {
                former.not_after.min(not_before.plus_secs(days * DAY_SECS - 1))
            }
            Some(former) if !application.kind.buys_time() => former.not_after,
            Some(former) => wire::last_second(former.not_after.plus_secs(1), application.years)?,
            None => wire::last_second(not_before, application.years)?,
        };
        let serial = wire::serial(self.config.serial_prefix)?;
        let plan = CertificatePlan {
            profile,
            subject: Subject::unit(&unit, None).map_err(Failure::inconsistent)?,
            serial,
            not_before,
            not_after,
            key: PlanKey::Proven(csr),
            issuer: IssuerRef::Ca(&self.ca.issuing),
            urls: &self.ca.urls,
            shard: shard_of(&serial, self.policies.status().crl_shards()),
            context: IntentContext {
                issuer: "issuing".to_owned(),
                unit: Some(unit.id),
                application: Some(application.id),
                attempt: Some(order.attempt.clone()),
                token: Some(order.token.clone()),
                actor: order.actor.to_string(),
                at: now,
            },
        };
        ca_core::prepare(&plan).map_err(|refusal| Problem::new(Rule::Lint).with("findings", refusal))
    }

    async fn record_intent(
        &self,
        order: &IssueOrder,
        prepared: &Prepared,
        now: Time,
    ) -> Result<ca_core::RecordedIntent, Problem> {
        let intent = prepared.intent().clone();
        let (order, serial) = (order.clone(), intent.serial);
        self.store
            .record_intent(intent, move |tx| {
                let attempt = tx.attempt(&order.attempt)?.ok_or_else(|| Problem::not_found("attempt"))?;
                let next = attempt.state.clone().transition(AttemptCommand::Intend { serial })?;
                tx.move_attempt(&order.attempt, &attempt.state, &next)?;
                let entry = AuditEntry::done(now, &order.actor, Action::RecordIntent, "certificate", serial);
                let entry = entry.with("attempt", &order.attempt).with("application", &order.application);
                tx.append_audit(&order.with_origin(entry))?;
                Ok::<(), Problem>(())
            })
            .await
    }

    async fn sign_and_commit(
        &self,
        order: &IssueOrder,
        prepared: Prepared,
        recorded: ca_core::RecordedIntent,
    ) -> Result<(), Problem> {
        let intent = prepared.intent().clone();
        let signer = self.ca.issuing_signer();
        // The token may take long or hang: never on a thread that serves others.
        let issued: Issued = tokio::task::spawn_blocking(move || {
            prepared.sign(recorded, |tbs| {
                kill_point("sign:before");
                let signature = signer.sign(tbs);
                kill_point("sign:after");
                signature
            })
        })
        .await
        .map_err(Failure::inconsistent)?
        .map_err(Failure::inconsistent)?;
        let order = order.clone();
        self.store
            .write(WriteSite::CommitIssued, move |tx| {
                let (serial, now) = (intent.serial, wire::now());
                tx.commit_issued(&intent, issued.der(), CertificateState::NotActivated, now)?;
                let attempt = tx.attempt(&order.attempt)?.ok_or_else(|| Problem::not_found("attempt"))?;
                let next = attempt.state.clone().transition(AttemptCommand::Sign { serial })?;
                tx.move_attempt(&order.attempt, &attempt.state, &next)?;
                advance(
                    tx,
                    &order.application,
                    ApplicationCommand::Issue { attempt: order.attempt.clone(), serial },
                )?;
                let entry =
                    AuditEntry::done(now, &order.actor, Action::IssueCertificate, "certificate", serial);
                let entry = entry.with("sha256", hex::encode(issued.sha256()));
                tx.append_audit(&order.with_origin(entry))?;
                Ok(())
            })
            .await
    }

    /// The second transaction did not answer "done". Either it is there all the same, or the serial is burned.
    async fn after_unknown(
        &self,
        order: &IssueOrder,
        serial: Serial,
        problem: Problem,
    ) -> Result<Serial, Problem> {
        tracing::error!(%serial, cause = ?problem.cause(), "signature's outcome is unknown");
        if self.store.read(|reader| reader.certificate(&serial))?.is_some() {
            return Ok(serial);
        }
        self.burn(serial, Some((&order.attempt, &order.application)), "signature's outcome is unknown")
            .await?;
        Err(Problem::new(Rule::SignatureUnknown))
    }

    /// Burns a serial number: it will never be signed again and never be "good". The application may try anew.
    pub(crate) async fn burn(
        &self,
        serial: Serial,
        of: Option<(&AttemptId, &ApplicationId)>,
        reason: &'static str,
    ) -> Result<(), Problem> {
        let of = of.map(|(attempt, application)| (attempt.clone(), application.clone()));
        self.store
            .write(WriteSite::BurnSerial, move |tx| {
                let now = wire::now();
                tx.burn(&serial, now)?;
                if let Some((attempt, application)) = of {
                    let known = tx.attempt(&attempt)?.ok_or_else(|| Problem::not_found("attempt"))?;
                    if !matches!(known.state, AttemptState::Abandoned { .. }) {
                        let next = known
                            .state
                            .clone()
                            .transition(AttemptCommand::Abandon { reason: reason.into() })?;
                        tx.move_attempt(&attempt, &known.state, &next)?;
                        stock::free(tx, &attempt, now)?;
                        advance(tx, &application, ApplicationCommand::Abandon { attempt: attempt.clone() })?;
                    }
                }
                let entry =
                    AuditEntry::done(now, &Actor::System("issue"), Action::BurnSerial, "certificate", serial);
                tx.append_audit(&entry.with("reason", reason))?;
                Ok(())
            })
            .await
    }
}

/// Evenly by what nobody chose: the first random octets of the serial number.
fn shard_of(serial: &Serial, shards: u16) -> u16 {
    let octets = serial.as_bytes();
    let random =
        u16::from_be_bytes([octets.get(1).copied().unwrap_or(0), octets.get(2).copied().unwrap_or(0)]);
    random % shards.max(1)
}
