//! Status kept fresh: polls the configured CRL addresses and loads what is new into the gate.
//!
//! A failed poll changes nothing: the CRL in use stays in use until its nextUpdate, and then everybody is refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ca_verifier::{CRL_OCTETS_MAX, Gate, Time};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{CONNECTION, ETAG, HOST, HeaderValue, IF_NONE_MATCH},
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{net::TcpStream, time::timeout};

use crate::{config::CrlSource, server::now};

/// For one poll, from connecting to the last octet.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 80;

/// One source being followed.
#[derive(Debug)]
pub(crate) struct Follower {
    source: CrlSource,
    gate: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    etag: Option<HeaderValue>,
    /// The distribution point that the source's CRL is for.
    distribution_point: Option<String>,
    last_success: Option<Time>,
    failure: Option<String>,
}

/// How a source does, for `/healthz`.
#[derive(Debug, Serialize)]
pub(crate) struct FollowerHealth {
    url: String,
    ok: bool,
    last_success: Option<String>,
    error: Option<String>,
}

/// Why a poll brought nothing.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("HTTP: {0}")]
    Http(hyper::Error),
    #[error("HTTP status {0}")]
    Status(StatusCode),
    #[error("body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", POLL_TIMEOUT.as_secs())]
    Timeout,
    #[error("address: {0}")]
    Address(hyper::http::Error),
    #[error("refused: {0}")]
    Refused(ca_verifier::Error),
    #[error("loading was stopped")]
    Stopped,
}

/// What a source said.
enum Answer {
    NotModified,
    Crl { der: Bytes, etag: Option<HeaderValue> },
}

impl Follower {
    pub(crate) fn new(source: CrlSource, gate: Arc<Gate>) -> Self {
        Self { source, gate, state: Mutex::default() }
    }

    /// Polls for ever.
    pub(crate) async fn follow(&self, every: Duration) {
        loop {
            self.poll().await;
            tokio::time::sleep(every).await;
        }
    }

    /// Polls once. Logs when the source starts or stops to fail, and each new CRL.
    pub(crate) async fn poll(&self) {
        let outcome = match timeout(POLL_TIMEOUT, self.fetch()).await {
            Ok(Ok(answer)) => self.take(answer).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(PollError::Timeout),
        };
        let url = self.source.url.to_string();
        let mut state = self.lock();
        match outcome {
            Ok(()) => {
                if state.failure.take().is_some() {
                    tracing::info!(target: "status", url, "the CRL source answers again");
                }
                state.last_success = Some(now());
            }
            Err(error) => {
                let error = error.to_string();
                if state.failure.as_deref() != Some(&error) {
                    tracing::warn!(target: "status", url, error, "no fresh CRL; the one in use stays");
                }
                state.failure = Some(error);
            }
        }
    }

    pub(crate) fn health(&self) -> FollowerHealth {
        let state = self.lock();
        FollowerHealth {
            url: self.source.url.to_string(),
            ok: state.failure.is_none() && state.last_success.is_some(),
            last_success: state.last_success.map(|at| at.to_string()),
            error: state.failure.clone(),
        }
    }

    /// The distribution point that this source serves, once known.
    pub(crate) fn distribution_point(&self) -> Option<String> {
        self.lock().distribution_point.clone()
    }

    async fn take(&self, answer: Answer) -> Result<(), PollError> {
        match answer {
            Answer::NotModified => {
                if let Some(url) = self.distribution_point() {
                    self.gate.confirm_crl(&url, now());
                }
                Ok(())
            }
            Answer::Crl { der, etag } => {
                let (gate, issuer, at) = (Arc::clone(&self.gate), self.source.issuer.clone(), now());
                // A large CRL costs seconds of CPU, which requests on the same threads would wait for.
                let loaded = tokio::task::spawn_blocking(move || gate.load_crl(&der, &issuer, at)).await;
                let url = loaded.map_err(|_| PollError::Stopped)?.map_err(PollError::Refused)?;
                let mut state = self.lock();
                // Only a CRL that was taken may be answered with "not modified" next time.
                state.etag = etag;
                state.distribution_point = Some(url);
                Ok(())
            }
        }
    }

    async fn fetch(&self) -> Result<Answer, PollError> {
        let url = &self.source.url;
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, url.port_u16().unwrap_or(DEFAULT_PORT)))
            .await
            .map_err(PollError::Connect)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(PollError::Http)?;
        // Ends with the exchange, since both sides close.
        let driver = tokio::spawn(connection);
        let exchanged = async {
            let response = sender.send_request(self.request()?).await.map_err(PollError::Http)?;
            match response.status() {
                StatusCode::NOT_MODIFIED => Ok(Answer::NotModified),
                StatusCode::OK => {
                    let etag = response.headers().get(ETAG).cloned();
                    let body = Limited::new(response.into_body(), CRL_OCTETS_MAX);
                    let der = body.collect().await.map_err(PollError::Body)?.to_bytes();
                    Ok(Answer::Crl { der, etag })
                }
                status => Err(PollError::Status(status)),
            }
        };
        let answer = exchanged.await;
        driver.abort();
        answer
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, PollError> {
        let url = &self.source.url;
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path).header(HOST, authority).header(CONNECTION, "close");
        if let Some(etag) = &self.lock().etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request.body(Empty::new()).map_err(PollError::Address)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
