//! The status of certificates for portals: with what the register says of their units, which is not public as CRLs are, so
//! that a portal needs a certificate and the role for it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::Action;
use ca_store::{UnitFacts, UnitPair};
use ca_verifier::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::{About, App, CertificateReport, NewStatusQuestion, StatusQuestion, StatusReport},
    http::problem::{Body, Query},
    permit::{Permit, ReadStatus},
    problem::Problem,
    wire,
};

/// As of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// RFC 3339 with seconds and a zone; now when it is left out.
    at: Option<String>,
}

/// What holds for the whole answer.
#[derive(Serialize, ToSchema)]
struct AnswerView {
    /// Moves with every change of status; the CRL, the push stream and OCSP's source have it, too.
    epoch: i64,
    answered_at: String,
    /// The moment that `state` is as of.
    at: String,
}

/// One certificate.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneStatusView {
    #[serde(flatten)]
    answer: AnswerView,
    #[serde(flatten)]
    certificate: CertificateStatusView,
}

/// Several, in the order in which they were asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusesView {
    #[serde(flatten)]
    answer: AnswerView,
    /// The agent whose card was asked for, if that agent acted for one of the units at that moment; else null.
    agent: Option<String>,
    certificates: Vec<CertificateStatusView>,
}

/// What can be said of a certificate. Times are RFC 3339, UTC, with milliseconds.
#[derive(Serialize, ToSchema)]
struct CertificateStatusView {
    serial: String,
    /// As of `at`, by what is known now: `good`, and nothing else, may be relied on.
    state: &'static str,
    /// As it was on record at `at`; null when there was nothing on record.
    recorded: Option<&'static str>,
    /// Since when it was on record so.
    since: Option<String>,
    /// Of a certificate that is revoked by now, before or after `at`: RFC 5280's name of the reason.
    reason: Option<&'static str>,
    /// When that was recorded: revocationDate of the CRL.
    revoked_at: Option<String>,
    /// Since when it was invalid in fact, where that is known: invalidityDate of the CRL.
    invalid_since: Option<String>,
    profile: Option<String>,
    issued_at: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    /// The unit's code in the certificate.
    uscc: Option<String>,
    /// The unit on the register, as it is now; null for certificates that are no unit's.
    unit: Option<UnitView>,
    /// Who acted for the unit at `at`. No names and no numbers.
    agents: Vec<PairView>,
    /// The unit's seal. Null: this CA has no seals on file, and says nothing about any.
    seal: Option<String>,
}

/// A unit.
#[derive(Serialize, ToSchema)]
struct UnitView {
    id: String,
    uscc: String,
    name: String,
    ended_at: Option<String>,
}

/// An agent of a unit.
#[derive(Serialize, ToSchema)]
struct PairView {
    /// Our identifier, the same at every unit.
    agent: String,
    confirmed_at: String,
    /// Since when no longer, if that was after `at`.
    ended_at: Option<String>,
    /// When the agent passed the training; null if not by `at`.
    qualified_at: Option<String>,
}

/// The status of a certificate, now or as of a moment in the past.
#[utoipa::path(get, path = "/api/v1/status/certificates/{serial}", params(("serial" = String, Path), StatusQuery),
    responses((status = 200, body = OneStatusView), (status = 422, description = "no serial number, no moment, or one to come")))]
pub(super) async fn certificate_status(
    _permit: Permit<ReadStatus>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<OneStatusView>, Problem> {
    let report = app.report_status(&StatusQuestion::about(&serial, query.at.as_deref())?)?;
    OneStatusView::of(report).map(Json)
}

/// The status of many certificates, all of one epoch; and which agent has a card.
#[utoipa::path(post, path = "/api/v1/status/certificates", request_body = NewStatusQuestion,
    responses((status = 200, body = StatusesView), (status = 413, description = "more than 64 KiB"),
        (status = 422, description = "no serial number, too many of them, no moment, or one to come")))]
pub(super) async fn certificate_statuses(
    permit: Permit<ReadStatus>,
    State(app): State<Arc<App>>,
    body: Body<NewStatusQuestion>,
) -> Result<Json<StatusesView>, Problem> {
    let about = About { actor: permit.actor(), action: Action::ReadStatus, object: "certificate", id: "" };
    let report = app.audited(about, app.ask_status(&permit, body.value)).await?;
    let answer = AnswerView::of(&report);
    let at = report.at;
    let certificates = report.certificates.into_iter().map(|one| view(one, at)).collect();
    Ok(Json(StatusesView { answer, agent: report.agent.map(|id| id.to_string()), certificates }))
}

impl OneStatusView {
    /// Of the first certificate of a report.
    pub(crate) fn of(report: StatusReport) -> Result<Self, Problem> {
        let answer = AnswerView::of(&report);
        let certificate = report.certificates.into_iter().next();
        let certificate = certificate.ok_or_else(|| Problem::not_found("certificate"))?;
        Ok(Self { answer, certificate: view(certificate, report.at) })
    }
}

impl AnswerView {
    fn of(report: &StatusReport) -> Self {
        let [answered_at, at] = [report.answered_at, report.at].map(wire::to_millisecond);
        Self { epoch: report.epoch, answered_at, at }
    }
}

fn view(report: CertificateReport, at: Time) -> CertificateStatusView {
    let time = |found: Option<Time>| found.map(wire::to_millisecond);
    let (unit, uscc) = match report.issued.as_ref().and_then(|issued| issued.unit.as_ref()) {
        Some(unit) => (Some(unit_view(unit)), unit.certified_code.as_ref().map(|code| code.to_string())),
        None => (None, None),
    };
    CertificateStatusView {
        serial: report.serial.to_string(),
        state: report.verdict.name(),
        recorded: report.recorded,
        since: time(report.since),
        reason: report.revoked.map(|(reason, _)| reason.name()),
        revoked_at: time(report.revoked.map(|(_, at)| at)),
        invalid_since: time(report.invalid_since),
        issued_at: time(report.issued.as_ref().map(|issued| issued.issued_at)),
        not_before: time(report.issued.as_ref().map(|issued| issued.not_before)),
        not_after: time(report.not_after),
        profile: report.issued.map(|issued| issued.profile),
        uscc,
        unit,
        agents: report.agents.iter().map(|pair| pair_view(pair, at)).collect(),
        seal: None,
    }
}

fn unit_view(unit: &UnitFacts) -> UnitView {
    UnitView {
        id: unit.id.to_string(),
        uscc: unit.code.to_string(),
        name: unit.name.as_str().to_owned(),
        ended_at: unit.ended_at.map(wire::to_millisecond),
    }
}

fn pair_view(pair: &UnitPair, at: Time) -> PairView {
    PairView {
        agent: pair.agent.to_string(),
        confirmed_at: wire::to_millisecond(pair.confirmed_at),
        ended_at: pair.ended_at.map(wire::to_millisecond),
        qualified_at: pair.qualified_at.filter(|since| *since <= at).map(wire::to_millisecond),
    }
}
