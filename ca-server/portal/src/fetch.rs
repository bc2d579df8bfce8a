//! Status kept fresh: polls the configured CRL addresses and loads what is new into the gate.
//!
//! A failed poll changes nothing: the CRL in use stays in use until its nextUpdate, and then everybody is refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ca_verifier::{CRL_OCTETS_MAX, Gate, Time};
use hyper::{
    StatusCode,
    body::Bytes,
    header::{ETAG, HeaderValue},
};
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    config::CrlSource,
    get::{GetError, get},
    server::now,
};

/// For one poll, from connecting to the last octet.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);

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
    #[error(transparent)]
    Get(#[from] GetError),
    #[error("no answer within {} s", POLL_TIMEOUT.as_secs())]
    Timeout,
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
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let known = self.lock().etag.clone();
        let got = get(url, path, known.as_ref()).await?;
        match got.response.status() {
            StatusCode::NOT_MODIFIED => Ok(Answer::NotModified),
            StatusCode::OK => {
                let etag = got.response.headers().get(ETAG).cloned();
                Ok(Answer::Crl { der: got.body(CRL_OCTETS_MAX).await?, etag })
            }
            status => Err(GetError::Status(status).into()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
