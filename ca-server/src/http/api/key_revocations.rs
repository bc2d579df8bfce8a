//! Revocation by whoever has the key: without a certificate, an account or a question.

use std::sync::Arc;

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts, State},
    http::{header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::certificates::read_serial;
use crate::{
    app::{App, KeyRevocation, Named},
    http::{auth::Peer, problem::Body},
    problem::Problem,
    rule::Rule,
    wire,
};

/// A certificate with an RSA key of 4096 bits, a signature and a challenge, in base64.
pub(super) const BODY_MAX: usize = 8 * 1024;

/// Strangers wait for their turn.
pub(super) struct Admitted;

impl FromRequestParts<Arc<App>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        // One that does not say how long it is meets the router's own limit.
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > BODY_MAX) {
            return Err(Problem::new(Rule::TooLarge).with("limit", BODY_MAX));
        }
        let peer = ConnectInfo::<Peer>::from_request_parts(parts, app).await;
        let in_turn = peer.is_ok_and(|peer| app.turnstile.lets_in(peer.0.address, wire::now()));
        if in_turn { Ok(Self) } else { Err(Problem::new(Rule::TooMany)) }
    }
}

/// For which certificate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// Its serial number, hexadecimal.
    serial: String,
}

/// What is to be signed.
#[derive(Serialize, ToSchema)]
pub(super) struct ChallengeView {
    serial: String,
    challenge: String,
    /// Sign these octets (UTF-8) as they are, with the last line feed.
    text: String,
    expires_at: String,
}

/// What to sign to revoke a certificate. Good for five minutes and that certificate.
#[utoipa::path(post, path = "/api/v1/key-revocations/challenge", request_body = ChallengeRequest,
    responses((status = 200, body = ChallengeView), (status = 429, description = "too many requests")))]
pub(super) async fn challenge(
    _admitted: Admitted,
    State(app): State<Arc<App>>,
    body: Body<ChallengeRequest>,
) -> Result<Json<ChallengeView>, Problem> {
    let made = app.key_challenge(read_serial(&body.value.serial)?)?;
    Ok(Json(ChallengeView {
        serial: made.serial.to_string(),
        challenge: made.challenge,
        text: made.text,
        expires_at: made.expires_at.to_string(),
    }))
}

/// The certificate is revoked for ever.
#[derive(Serialize, ToSchema)]
pub(super) struct RevokedView {
    serial: String,
    state: &'static str,
    reason: &'static str,
    revoked_at: String,
}

/// Revoke for ever, for keyCompromise: whoever can sign with the key may.
#[utoipa::path(post, path = "/api/v1/key-revocations", request_body = KeyRevocation,
    responses((status = 200, body = RevokedView), (status = 409, description = "revoked already"),
        (status = 422, description = "challenge or signature"), (status = 429, description = "too many requests")))]
pub(super) async fn revoke(
    _admitted: Admitted,
    State(app): State<Arc<App>>,
    body: Body<KeyRevocation>,
) -> Result<Json<RevokedView>, Problem> {
    let asked = body.value;
    let decoded =
        |field, text: &str| BASE64.decode(text).map_err(|_| Problem::field(field, "base64 is needed"));
    let named = match (&asked.serial, &asked.certificate) {
        (Some(serial), None) => Named::Serial(read_serial(serial)?),
        (None, Some(certificate)) => Named::Certificate(decoded("certificate", certificate)?),
        _ => return Err(Problem::field("serial", "either serial or certificate is needed, and not both")),
    };
    let signature = decoded("signature", &asked.signature)?;
    let (serial, at) = app.revoke_by_key(named, &asked.challenge, &signature).await?;
    Ok(Json(RevokedView {
        serial: serial.to_string(),
        state: "revoked",
        reason: ca_verifier::Reason::KeyCompromise.name(),
        revoked_at: at.to_string(),
    }))
}
