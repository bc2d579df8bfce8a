//! The gate of an application (steps 2 and 3): unit eligible, agent qualified, pair confirmed, papers complete, statement
//! accepted. A closed gate says everything that is missing, and is asked again when an officer approves.

use ca_core::{
    AgentId, Application, ApplicationId, ApplicationKind, CertificateState, Document, DocumentForm, StaffId,
    Unit,
    policy::{ApplicationRules, DocumentRules, Eligibility, EligibilityRules},
};
use ca_store::{CertificateStatus, Reader};
use ca_verifier::{Reason, Serial, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::enroll::living_agent;
use crate::{problem::Problem, rule::Rule, wire};

const DOCUMENTS_MAX: usize = 100;

/// One document, seen at the counter.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDocument {
    /// Its key in `policies/documents.toml`.
    pub(crate) kind: String,
    /// `original` (seen, or signed and sealed here) or `copy` (stays here).
    #[serde(default = "original")]
    pub(crate) form: String,
    /// SHA-256 of the scan, hexadecimal.
    pub(crate) sha256: String,
}

fn original() -> String {
    DocumentForm::Original.name().to_owned()
}

/// Reads what the counter saw; it was seen now, by the clerk who says so.
pub(super) fn documents(
    seen: Vec<NewDocument>,
    clerk: &StaffId,
    now: Time,
) -> Result<Vec<Document>, Problem> {
    if seen.len() > DOCUMENTS_MAX {
        return Err(Problem::field("documents", format!("more than {DOCUMENTS_MAX}")));
    }
    let read = |document: NewDocument| {
        if document.kind.is_empty() || document.kind.len() > 64 {
            return Err(Problem::field("kind", "a key of policies/documents.toml is needed"));
        }
        Ok(Document {
            form: DocumentForm::from_name(&document.form).map_err(|error| Problem::field("form", error))?,
            sha256: sha256("sha256", &document.sha256)?,
            kind: document.kind,
            seen_by: clerk.clone(),
            seen_at: now,
        })
    };
    seen.into_iter().map(read).collect()
}

/// A SHA-256 in hexadecimal.
pub(super) fn sha256(field: &str, text: &str) -> Result<[u8; 32], Problem> {
    let octets = hex::decode(text).ok().and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| Problem::field(field, "64 hexadecimal characters are needed"))
}

/// The papers that an operation still needs.
pub(super) fn missing_documents(
    rules: &DocumentRules,
    operation: &str,
    seen: &[Document],
) -> Option<Problem> {
    let missing = rules.missing(operation, seen);
    if missing.is_empty() {
        return None;
    }
    let names: Vec<String> = missing
        .iter()
        .map(|missing| {
            let form = match missing.form {
                DocumentForm::Original => "原件 original",
                DocumentForm::Copy => "复印件 copy",
            };
            format!("{} ({}, {form} ×{})", missing.rule.zh(), missing.rule.kind(), missing.count)
        })
        .collect();
    Some(Problem::new(Rule::DocumentMissing).with("documents", names.join(", ")))
}

/// Whether the statement in force was accepted (《电子签名法》 Art. 19).
pub(super) fn missing_statement(rules: &ApplicationRules, accepted: &str) -> Option<Problem> {
    let current = rules.cps();
    let shown: String = accepted.chars().take(40).collect();
    (accepted != current)
        .then(|| Problem::new(Rule::CpsOutdated).with("current", current).with("accepted", shown))
}

/// Whether the unit may have a certificate at all.
pub(super) fn missing_eligibility(rules: &EligibilityRules, unit: &Unit, now: Time) -> Option<Problem> {
    if let Some(ended) = unit.ended_at {
        return Some(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
    }
    let agency = unit.agency.as_deref().unwrap_or("");
    match rules.check(agency, now) {
        Eligibility::Eligible => None,
        Eligibility::Excluded(rule) => {
            let agency = format!("{} ({})", rule.zh(), rule.en());
            let problem = Problem::new(Rule::UnitNotEligible).with("agency", agency);
            Some(problem.with("basis", rule.basis()))
        }
        Eligibility::NoRule => Some(Problem::new(Rule::UnitAgencyUnclear).with("agency", agency)),
    }
}

/// What is missing of unit, agent and pair. To end a certificate, or to put it on hold, needs nothing but a person.
pub(super) fn missing(
    reader: &mut Reader<'_>,
    rules: &EligibilityRules,
    kind: ApplicationKind,
    (unit, agent): (&Unit, &AgentId),
    now: Time,
) -> Result<Vec<Problem>, Problem> {
    let known = match living_agent(reader, agent) {
        Ok(known) => known,
        Err(problem) if problem.rule.status() < 500 => return Ok(vec![problem]),
        Err(problem) => return Err(problem),
    };
    if matches!(kind, ApplicationKind::Revoke { .. } | ApplicationKind::Hold { .. }) {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    missing.extend(missing_eligibility(rules, unit, now));
    if known.qualified_at.is_none() {
        missing.push(Problem::new(Rule::AgentNotQualified));
    }
    if !reader.pair_confirmed(agent, &unit.id)? {
        missing.push(Problem::new(Rule::AgentNotConfirmed));
    }
    Ok(missing)
}

/// Whether an application says what its unit is no longer.
pub(super) fn says_former(application: &Application, unit: &Unit) -> bool {
    (&application.unit_name, application.unit_code) != (&unit.name, unit.code)
}

/// Nothing is made for a unit that has ended, nor of an application that says what its unit is no longer.
pub(super) fn still_so(application: &Application, unit: &Unit) -> Result<(), Problem> {
    if let Some(ended) = unit.ended_at {
        return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
    }
    match application.kind.makes_certificate() && says_former(application, unit) {
        true => Err(Problem::new(Rule::ApproveAnew).with("application", &application.id)),
        false => Ok(()),
    }
}

/// The same, of an application by its identifier.
pub(super) fn is_still_so(reader: &mut Reader<'_>, id: &ApplicationId) -> Result<(), Problem> {
    let known = reader.application(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let unit = reader.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    still_so(&known, &unit)
}

/// The certificate that an application is about. What an event of the unit entered may be decided before the holder has
/// activated, so that the certificate need not serve with what the unit is no longer.
pub(super) fn application_fits(
    reader: &mut Reader<'_>,
    application: &Application,
    unit: &Unit,
) -> Result<(), Problem> {
    let by_event = application.entered_before.first().unwrap_or(&application.entered_by).event().is_some();
    if let (true, ApplicationKind::Change { of }) = (by_event, application.kind)
        && let Some(status) = reader.status(&of)?
        && status.state == CertificateStatus::Issued(CertificateState::NotActivated)
        && wire::now() <= status.not_after
    {
        return Ok(());
    }
    certificate_fits(reader, application.kind, unit)
}

/// The certificate that an application is about: the unit's own, in a state that the kind can begin with.
pub(super) fn certificate_fits(
    reader: &mut Reader<'_>,
    kind: ApplicationKind,
    unit: &Unit,
) -> Result<(), Problem> {
    use CertificateState as S;
    let Some(of) = kind.certificate() else { return Ok(()) };
    let record = reader.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
    if record.unit.as_ref() != Some(&unit.id) {
        return Err(Problem::new(Rule::CertificateOfOther).with("serial", of));
    }
    let own = record.application.map(|id| reader.application_kind(&id)).transpose()?.flatten();
    let temporary = own.is_some_and(ApplicationKind::is_temporary);
    // It ends by itself, and nothing comes after it.
    if temporary && (kind.makes_certificate() || matches!(kind, ApplicationKind::Unlock { .. })) {
        let problem = Problem::new(Rule::CertificateUnfit).with("state", "temporary");
        return Err(problem.with("kind", kind.name()));
    }
    let status = reader.status(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let CertificateStatus::Issued(state) = status.state else {
        return Err(Problem::new(Rule::CertificateNotGood).with("state", "burned"));
    };
    let fits = match kind {
        ApplicationKind::New => true,
        ApplicationKind::Renew { .. } | ApplicationKind::Rekey { .. } | ApplicationKind::Change { .. } => {
            state == S::Good
        }
        ApplicationKind::Replace { cause: ca_core::Loss::Lost, .. } => {
            // Whoever called the hotline first may have had it revoked.
            !matches!(state, S::Revoked { reason, .. } if reason != Reason::KeyCompromise)
        }
        ApplicationKind::Replace { cause: ca_core::Loss::Repair, .. } => state == S::Good,
        ApplicationKind::Replace { .. } | ApplicationKind::Revoke { .. } => {
            !matches!(state, S::Revoked { .. })
        }
        ApplicationKind::Hold { .. } | ApplicationKind::Unlock { .. } => {
            matches!(state, S::Good | S::NotActivated)
        }
        ApplicationKind::Release { .. } => matches!(state, S::Held { .. }),
    };
    let ended = wire::now() > status.not_after;
    if fits && (!ended || matches!(kind, ApplicationKind::Revoke { .. })) {
        return Ok(());
    }
    let state = if ended { "expired" } else { state.name() };
    Err(Problem::new(Rule::CertificateUnfit).with("state", state).with("kind", kind.name()))
}

/// A certificate on hold or revoked authenticates nobody (ETSI EN 319 411-1 REG-6.3.6-02).
pub(super) fn must_be_good(reader: &mut Reader<'_>, serial: Serial) -> Result<(), Problem> {
    let refused = |state: &str| Err(Problem::new(Rule::CertificateNotGood).with("state", state));
    let status = reader.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    match status.state {
        _ if wire::now() > status.not_after => refused("expired"),
        CertificateStatus::Issued(CertificateState::Good) => Ok(()),
        CertificateStatus::Issued(state) => refused(state.name()),
        CertificateStatus::Burned { .. } => refused("burned"),
    }
}
