//! Steps 2 and 3: an application with its documents, and an officer's decision.

use ca_core::{
    Action, AgentId, Application, ApplicationCommand, ApplicationId, ApplicationState, AuditEntry, Document,
    Order, OrderId,
};
use ca_store::{Tx, WriteSite};
use ca_verifier::Uscc;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, once};
use crate::{
    permit::{ApproveApplication, Permit, RejectApplication, SubmitApplication, WithdrawApplication},
    problem::Problem,
    rule::Rule,
    wire,
};

/// An application for a new certificate, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApplication {
    /// The unit, by its unified social credit code.
    pub(crate) uscc: String,
    /// The agent, by our identifier.
    pub(crate) agent: String,
    /// Years of validity.
    pub(crate) years: u16,
    /// What lies with it.
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
        let (_, total) = self.policies.tariff().quote(new.years)?;
        let mut documents = Vec::new();
        for document in new.documents {
            let sha256 = hex::decode(&document.sha256).ok().and_then(|octets| octets.try_into().ok());
            let sha256 =
                sha256.ok_or_else(|| Problem::field("sha256", "64 hexadecimal characters are needed"))?;
            documents.push(Document { kind: document.kind, sha256, seen_by: clerk.clone() });
        }
        let kinds: Vec<&str> = documents.iter().map(|document| document.kind.as_str()).collect();
        let missing = self.policies.documents().missing("new", &kinds);
        if !missing.is_empty() {
            let names: Vec<String> = missing
                .iter()
                .map(|rule| format!("{} ({} ×{})", rule.zh(), rule.kind(), rule.copies()))
                .collect();
            return Err(Problem::new(Rule::DocumentMissing).with("documents", names.join(", ")));
        }
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
                let unit = tx
                    .unit_by_uscc(&uscc)?
                    .ok_or_else(|| Problem::new(Rule::UnitUnknown).with("uscc", uscc))?;
                let known = tx.agent(&agent)?.ok_or_else(|| Problem::new(Rule::AgentUnknown))?;
                if known.qualified_at.is_none() {
                    return Err(Problem::new(Rule::AgentNotQualified));
                }
                if !tx.pair_confirmed(&agent, &unit.id)? {
                    return Err(Problem::new(Rule::AgentNotConfirmed));
                }
                tx.insert_application(&Application {
                    id: id.clone(),
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
                tx.append_audit(&entry.with("uscc", uscc).with("years", new.years).with("fee", total.get()))?;
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
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let state = advance(tx, &id, ApplicationCommand::Approve { by })?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::ApproveApplication, "application", &id);
                tx.append_audit(&entry)?;
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
        if reasons.trim().is_empty() || reasons.chars().count() > 1000 {
            return Err(Problem::field("reasons", "1 to 1000 characters are needed"));
        }
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let state = advance(tx, &id, ApplicationCommand::Reject { by, reasons: reasons.clone() })?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RejectApplication, "application", &id);
                tx.append_audit(&entry.with("reasons", reasons))?;
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

/// Moves an application by one command, inside the caller's transaction.
pub(super) fn advance(
    tx: &mut Tx<'_>,
    id: &ApplicationId,
    command: ApplicationCommand,
) -> Result<ApplicationState, Problem> {
    let application = tx.application(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let next = application.state.clone().transition(&application.entered_by, command)?;
    tx.move_application(id, &application.state, &next)?;
    Ok(next)
}
