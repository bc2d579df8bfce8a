//! Steps 2 and 3: an application with its documents, and an officer's decision.

use ca_core::{
    Action, AgentId, Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState,
    AuditEntry, Document, NoticeAbout, NoticeKind, Order, OrderId, UnitId,
};
use ca_store::{Tx, WriteSite};
use ca_verifier::{Serial, Time, Uscc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    enroll::{gate, registered_unit},
    free_text,
    notice::{notice_id, notify},
    once,
    renew::must_be_good,
};
use crate::{
    permit::{ApproveApplication, Permit, RejectApplication, SubmitApplication, WithdrawApplication},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// An application, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApplication {
    /// The unit, by its unified social credit code.
    pub(crate) uscc: String,
    /// The agent, by our identifier.
    pub(crate) agent: String,
    /// Years of validity.
    pub(crate) years: u16,
    /// Serial number of the certificate to be renewed; without it the application is for a new one.
    #[serde(default)]
    pub(crate) renews: Option<String>,
    /// What lies with it.
    #[serde(default)]
    pub(crate) documents: Vec<NewDocument>,
}

/// One document, seen at the counter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDocument {
    /// Its key in `policies/documents.toml`.
    pub(crate) kind: String,
    /// SHA-256 of the scan, hexadecimal.
    pub(crate) sha256: String,
}

const PROFILE: &str = "unit-sign";
const DAY_SECS: i64 = 86_400;

impl App {
    pub(crate) async fn submit(
        &self,
        permit: Permit<SubmitApplication>,
        new: NewApplication,
        key: Once,
    ) -> Result<Made<ApplicationId>, Problem> {
        let now = wire::now();
        let uscc = Uscc::parse(&new.uscc)?;
        let agent = AgentId::parse(&new.agent)?;
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let kind = match new.renews.as_deref().map(Serial::from_hex).transpose() {
            Ok(renews) => renews.map_or(ApplicationKind::New, |of| ApplicationKind::Renew { of }),
            Err(_) => return Err(Problem::not_found("certificate")),
        };
        let (_, total) = self.policies.tariff().quote(kind, new.years)?;
        let days_max = self.policies.profile(PROFILE).map_err(Failure::inconsistent)?.lifetime_days_max();
        let mut documents = Vec::new();
        for document in new.documents {
            let sha256 = hex::decode(&document.sha256).ok().and_then(|octets| octets.try_into().ok());
            let sha256 =
                sha256.ok_or_else(|| Problem::field("sha256", "64 hexadecimal characters are needed"))?;
            documents.push(Document { kind: document.kind, sha256, seen_by: clerk.clone() });
        }
        let kinds: Vec<&str> = documents.iter().map(|document| document.kind.as_str()).collect();
        let missing = self.policies.documents().missing(kind.name(), &kinds);
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter()
                .map(|rule| format!("{} ({} ×{})", rule.zh(), rule.kind(), rule.copies()))
                .collect();
            return Err(Problem::new(Rule::DocumentMissing).with("documents", names.join(", ")));
        }
        let rules = self.policies.eligibility().clone();
        let id = ApplicationId::new(now, wire::random()?);
        let order = Order {
            id: OrderId::new(now, wire::random()?),
            application: id.clone(),
            tariff: self.policies.tariff().version.clone(),
            total,
        };
        self.store
            .write(WriteSite::SubmitApplication, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(ApplicationId::parse(&before)?));
                }
                let unit = registered_unit(tx, &uscc)?;
                gate(tx, &rules, &unit, &agent, now)?;
                if let ApplicationKind::Renew { of } = kind {
                    may_renew(tx, of, &unit.id, (new.years, days_max), now)?;
                }
                tx.insert_application(&Application {
                    id: id.clone(),
                    kind,
                    unit: unit.id,
                    agent,
                    profile: PROFILE.to_owned(),
                    years: new.years,
                    documents,
                    entered_by: clerk,
                    entered_at: now,
                    state: ApplicationState::Submitted,
                })?;
                tx.insert_order(&order)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::SubmitApplication, "application", &id);
                let entry = entry.with("uscc", uscc).with("years", new.years).with("fee", total.get());
                tx.append_audit(&match kind.renews() {
                    Some(of) => entry.with("renews", of),
                    None => entry,
                })?;
                Ok(Made::Now(id))
            })
            .await
    }

    pub(crate) async fn approve(
        &self,
        permit: Permit<ApproveApplication>,
        id: ApplicationId,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let rules = self.policies.eligibility().clone();
        let notice = notice_id(now)?;
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let known = tx.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
                let state = advance(tx, &id, ApplicationCommand::Approve { by })?;
                let unit = tx.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
                gate(tx, &rules, &unit, &known.agent, now)?;
                if let Some(of) = known.kind.renews() {
                    must_be_good(tx, of)?;
                }
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::ApproveApplication, "application", &id);
                tx.append_audit(&entry)?;
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
        let reasons = free_text("reasons", reasons, 1000)?;
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

    pub(crate) async fn withdraw(
        &self,
        permit: Permit<WithdrawApplication>,
        id: ApplicationId,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let state = advance(tx, &id, ApplicationCommand::Withdraw)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::WithdrawApplication, "application", &id);
                tx.append_audit(&entry)?;
                Ok(state)
            })
            .await
    }
}

/// The unit's own good certificate, not so early that the new one would live longer than its profile allows, and once.
fn may_renew(
    tx: &mut Tx<'_>,
    of: Serial,
    unit: &UnitId,
    (years, days_max): (u16, u16),
    now: Time,
) -> Result<(), Problem> {
    let record = tx.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
    if record.unit.as_ref() != Some(unit) {
        return Err(Problem::new(Rule::CertificateOfOther).with("serial", of));
    }
    must_be_good(tx, of)?;
    let last = wire::last_second(record.not_after.plus_secs(1), years)?;
    let days = (last.secs() - now.secs()) / DAY_SECS + 1;
    if days > i64::from(days_max) {
        return Err(Problem::new(Rule::RenewalTooLong).with("days", days).with("most", days_max));
    }
    match tx.renewal_of(&of)? {
        Some(_) => Err(Problem::new(Rule::RenewalDoubled).with("serial", of)),
        None => Ok(()),
    }
}

/// Moves an application by one command, inside the caller's transaction.
pub(super) fn advance(
    tx: &mut Tx<'_>,
    id: &ApplicationId,
    command: ApplicationCommand,
) -> Result<ApplicationState, Problem> {
    let (entered_by, state) = tx.application_state(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let next = state.clone().transition(&entered_by, command)?;
    tx.move_application(id, &state, &next)?;
    Ok(next)
}
