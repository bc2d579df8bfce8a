//! Problem documents (RFC 9457) with both languages, and the extractors that refuse with them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use ca_core::personal::without_numbers;
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{API_BODY_MAX, auth::Asking};
use crate::{
    app::{App, Once},
    problem::Problem,
    rule::{Language, Rule},
};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(cause) = self.cause() {
            tracing::error!(problem = self.rule.name(), facts = ?self.facts(), %cause, "failed");
        }
        let mut document = document(&self);
        if !self.parts().is_empty() {
            document["missing"] = self.parts().iter().map(self::document).collect();
        }
        let status = StatusCode::from_u16(self.rule.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
    }
}

pub(super) fn document(problem: &Problem) -> Value {
    let (zh, zh_remedy) = problem.texts(Language::Zh);
    let (en, en_remedy) = problem.texts(Language::En);
    let facts: Map<String, Value> = problem
        .facts()
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "type": format!("/problems/{}", problem.rule.name()),
        "title": problem.rule.name(),
        "status": problem.rule.status(),
        "detail": format!("{zh} {en}"),
        "situation": { "zh": zh, "en": en },
        "remedy": { "zh": zh_remedy, "en": en_remedy },
        "facts": facts,
    })
}

/// Any other path.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

/// A JSON body, within the limit, without unknown members; with the digest of its octets.
pub(super) struct Body<T> {
    pub(super) value: T,
    sha256: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (asking, path) = (request.extensions().get::<Asking>().cloned(), request.uri().path().to_owned());
        let problem = match read(request, app).await {
            Ok(body) => return Ok(body),
            Err(problem) => problem,
        };
        if let Some(asking) = asking {
            asking.refused(app, &problem, &path).await?;
        }
        Err(problem)
    }
}

async fn read<T: DeserializeOwned>(request: Request, app: &Arc<App>) -> Result<Body<T>, Problem> {
    let octets = axum::body::Bytes::from_request(request, app).await.map_err(|rejection| match rejection
        .into_response()
        .status()
    {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Rule::TooLarge).with("limit", API_BODY_MAX),
        _ => Problem::new(Rule::Malformed).with("detail", "the body did not arrive"),
    })?;
    let Json(value) = Json::from_bytes(&octets).map_err(|rejection: JsonRejection| {
        // serde repeats the value that it did not expect, which may be somebody's number.
        Problem::new(Rule::Malformed).with("detail", without_numbers(&rejection.body_text()))
    })?;
    let sha256 = digest(&SHA256, &octets).as_ref().try_into().unwrap_or_default();
    Ok(Body { value, sha256 })
}

/// The query of an address: each member is known and can be read, or nothing is answered with a list that was not meant.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let rejection = match axum::extract::Query::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        let problem = Problem::new(Rule::Malformed).with("detail", without_numbers(&rejection.body_text()));
        if let Some(asking) = parts.extensions.get::<Asking>().cloned() {
            asking.refused(app, &problem, parts.uri.path()).await?;
        }
        Err(problem)
    }
}

/// The Idempotency-Key of a request that makes or charges something.
pub(super) struct IdempotencyKey(String);

impl FromRequestParts<Arc<App>> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let key = parts.headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or("");
        if key.is_empty() || key.len() > 100 {
            let problem = Problem::new(Rule::IdempotencyKeyMissing);
            if let Some(asking) = parts.extensions.get::<Asking>().cloned() {
                asking.refused(app, &problem, parts.uri.path()).await?;
            }
            return Err(problem);
        }
        Ok(Self(format!("{} {} {key}", parts.method, parts.uri.path())))
    }
}

impl IdempotencyKey {
    pub(super) fn once<T>(self, body: &Body<T>) -> Once {
        self.once_for(body.sha256)
    }

    pub(super) fn once_for(self, request_sha256: [u8; 32]) -> Once {
        Once { key: self.0, request_sha256 }
    }
}
