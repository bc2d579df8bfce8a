//! Status by push: serial numbers and nothing else, signed like a CRL, so that whoever may read CRLs may read this.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::body::{Bytes, Frame};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{auth::Peer, problem::Query, status::knows},
    problem::Problem,
};

/// From where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// The epoch that the client knows, from the snapshot or the last message.
    after: i64,
}

/// Events, as they come.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|octets| Ok(Frame::data(octets))))
    }
}

/// Every change of status after an epoch as it happens, and a signed heartbeat each second: server-sent events.
#[utoipa::path(get, path = "/api/v1/status/stream", params(StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 429, description = "too many streams from one place"), (status = 503, description = "too many streams")))]
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Problem> {
    if query.after < 0 {
        return Err(Problem::field("after", "an epoch is 0 or more"));
    }
    let events = Events(app.subscribe(peer.address, query.after)?);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would keep messages back otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::new(events)).into_response())
}

/// All certificates that are not good, to start from.
#[utoipa::path(get, path = "/api/v1/status/snapshot",
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "the client has it already")))]
pub(super) async fn snapshot(State(app): State<Arc<App>>, request: HeaderMap) -> Result<Response, Problem> {
    let file = app.status_snapshot().await?;
    let tag = format!("\"{}\"", file.tag);
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1, public, must-revalidate"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, value);
    }
    if knows(&request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok((headers, Body::from(file.octets.clone())).into_response())
}
