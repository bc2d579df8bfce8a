//! A file as the body of a request: CSV or XLSX by its media type, within the limit of its route.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::IntoResponse,
};
use ring::digest::{SHA256, digest};

use super::auth::Asking;
use crate::{
    app::{App, batch::Upload},
    problem::Problem,
    rule::Rule,
    sheet::XLSX,
};

/// The largest file.
pub(super) const UPLOAD_MAX: usize = 8 * 1024 * 1024;

/// A table with the digest of its octets.
pub(super) struct File {
    pub(super) upload: Upload,
    pub(super) sha256: [u8; 32],
}

impl FromRequest<Arc<App>> for File {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (asking, path) = (request.extensions().get::<Asking>().cloned(), request.uri().path().to_owned());
        let problem = match read(request, app).await {
            Ok(file) => return Ok(file),
            Err(problem) => problem,
        };
        if let Some(asking) = asking {
            asking.refused(app, &problem, &path).await?;
        }
        Err(problem)
    }
}

async fn read(request: Request, app: &Arc<App>) -> Result<File, Problem> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let xlsx = match media_type.as_str() {
        "text/csv" => false,
        XLSX => true,
        other => {
            let shown: String = other.chars().take(80).collect();
            return Err(Problem::new(Rule::MediaType).with("found", shown));
        }
    };
    let octets = Bytes::from_request(request, app).await;
    let octets = octets.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Rule::SheetTooLarge).with("what", "字节数 (octets)").with("limit", UPLOAD_MAX)
        }
        _ => Problem::new(Rule::Malformed).with("detail", "the body did not arrive"),
    })?;
    let sha256 = digest(&SHA256, &octets).as_ref().try_into().unwrap_or_default();
    Ok(File { upload: Upload { octets: octets.to_vec(), xlsx }, sha256 })
}
