//! Certificates: look up, hold, release, revoke.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::CertificateState;
use ca_store::CertificateStatus;
use ca_verifier::{Reason, Serial};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{App, status},
    http::problem::Body,
    permit::{HoldCertificate, Permit, ReadRecords, ReleaseCertificate, RevokeCertificate},
    problem::Problem,
    rule::Rule,
};

/// A certificate and its status.
#[derive(Serialize, ToSchema)]
pub(super) struct CertificateView {
    serial: String,
    state: &'static str,
    /// RFC 5280's name, when revoked.
    reason: Option<&'static str>,
    unit: Option<String>,
    application: Option<String>,
    not_before: String,
    not_after: String,
    /// DER, base64.
    certificate: String,
}

/// One certificate.
#[utoipa::path(get, path = "/api/v1/certificates/{serial}", params(("serial" = String, Path)),
    responses((status = 200, body = CertificateView)))]
pub(super) async fn certificate(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<CertificateView>, Problem> {
    let serial = read_serial(&serial)?;
    app.store.read(|reader| {
        let record = reader.certificate(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
        let status = reader.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
        let (state, reason) = match status.state {
            CertificateStatus::Issued(state @ CertificateState::Revoked { reason, .. }) => {
                (state.name(), Some(reason.name()))
            }
            CertificateStatus::Issued(state) => (state.name(), None),
            CertificateStatus::Burned { .. } => ("burned", None),
        };
        Ok(Json(CertificateView {
            serial: serial.to_string(),
            state,
            reason,
            unit: record.unit.map(|id| id.to_string()),
            application: record.application.map(|id| id.to_string()),
            not_before: record.not_before.to_string(),
            not_after: record.not_after.to_string(),
            certificate: BASE64.encode(record.der),
        }))
    })
}

/// The status that a certificate has now.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusView {
    state: &'static str,
}

/// Why a certificate is revoked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// RFC 5280's name of the reason.
    reason: String,
}

pub(super) fn read_serial(text: &str) -> Result<Serial, Problem> {
    Serial::from_hex(text).map_err(|_| Problem::not_found("certificate"))
}

fn shown(state: CertificateState) -> Json<StatusView> {
    Json(StatusView { state: state.name() })
}

/// Put on hold.
#[utoipa::path(post, path = "/api/v1/certificates/{serial}/hold", params(("serial" = String, Path)),
    responses((status = 200, body = StatusView)))]
pub(super) async fn hold(
    permit: Permit<HoldCertificate>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<StatusView>, Problem> {
    let rules = app.policies.status().holds();
    status::hold(&app.store, &permit, read_serial(&serial)?, rules).await.map(shown)
}

/// End a hold.
#[utoipa::path(post, path = "/api/v1/certificates/{serial}/release", params(("serial" = String, Path)),
    responses((status = 200, body = StatusView)))]
pub(super) async fn release(
    permit: Permit<ReleaseCertificate>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<StatusView>, Problem> {
    status::release(&app.store, &permit, read_serial(&serial)?).await.map(shown)
}

/// Revoke for ever.
#[utoipa::path(post, path = "/api/v1/certificates/{serial}/revocation", request_body = Revocation,
    params(("serial" = String, Path)), responses((status = 200, body = StatusView)))]
pub(super) async fn revoke(
    permit: Permit<RevokeCertificate>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    body: Body<Revocation>,
) -> Result<Json<StatusView>, Problem> {
    let reason = Reason::from_name(&body.value.reason)
        .ok_or_else(|| Problem::new(Rule::ReasonUnknown).with("found", &body.value.reason))?;
    status::revoke(&app.store, &permit, read_serial(&serial)?, reason).await.map(shown)
}
