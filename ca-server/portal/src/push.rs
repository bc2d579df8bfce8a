//! Status that tells itself: takes the snapshot of a CA, follows its stream of changes, and begins anew when that ends.
//!
//! Nothing here decides how old is too old: the gate refuses everybody when it has not heard of the CA for its time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ca_verifier::{Error as StatusError, Gate, STATUS_MESSAGE_OCTETS_MAX, STATUS_SNAPSHOT_OCTETS_MAX, Time};
use http_body_util::BodyExt;
use hyper::{StatusCode, Uri};
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    config::PushSource,
    events::{Event, Events, TooLong},
    get::{GetError, Got, get},
    server::now,
};

const SNAPSHOT: &str = "/api/v1/status/snapshot";
const STREAM: &str = "/api/v1/status/stream";
/// From connecting to the head of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole snapshot, which has tens of megabytes at most.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the pause between two heartbeats; a stream that says nothing for so long is dead.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(4);
/// Pauses between two tries: from, and up to.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Octets of an event's name and line ends, besides its data.
const EVENT_FRAME: usize = 1024;
/// A message of more octets is checked where others do not wait for it.
const LARGE: usize = 64 * 1024;

/// One CA being followed.
#[derive(Debug)]
pub(crate) struct PushFollower {
    source: PushSource,
    gate: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<String>,
    last_success: Option<Time>,
}

/// How a source does, for `/healthz`.
#[derive(Debug, Serialize)]
pub(crate) struct PushHealth {
    urls: Vec<String>,
    ok: bool,
    epoch: Option<u64>,
    /// Certificates that are not good.
    entries: usize,
    heard_secs_ago: Option<i64>,
    /// False after it took a revocation back.
    trusted: bool,
    error: Option<String>,
}

/// Why a stream ended or did not begin.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Get(#[from] GetError),
    #[error("no answer in time")]
    Timeout,
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("refused: {0}")]
    Refused(#[from] StatusError),
    #[error("the server ended the stream: {0}")]
    Ended(String),
    #[error("loading was stopped")]
    Stopped,
}

/// What to do with the next try.
enum Next {
    /// From the epoch that is known.
    Stream,
    Snapshot,
}

impl PushFollower {
    pub(crate) fn new(source: PushSource, gate: Arc<Gate>) -> Self {
        Self { source, gate, state: Mutex::default() }
    }

    /// Takes the first snapshot and follows for ever, from one address to the next.
    pub(crate) async fn follow(&self) {
        let (mut next, mut pause) = (Next::Snapshot, PAUSE.0);
        for url in self.source.urls.iter().cycle() {
            let heard = self.state().last_success;
            let error = match self.follow_one(url, next).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            // A gap can only be closed by a snapshot; otherwise the epoch that is known is good enough to go on from.
            next = match error {
                PushError::Refused(StatusError::StatusGap { .. }) => Next::Snapshot,
                _ if self.epoch().is_none() => Next::Snapshot,
                _ => Next::Stream,
            };
            let worked = self.state().last_success != heard;
            pause = if worked { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            self.fail(url, &error);
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow_one(&self, url: &Uri, first: Next) -> Result<std::convert::Infallible, PushError> {
        if matches!(first, Next::Snapshot) {
            self.take_snapshot(url).await?;
        }
        let after = self.epoch().unwrap_or_default();
        let mut got = self.get(url, &format!("{STREAM}?after={after}")).await?;
        let mut events = Events::new(STATUS_MESSAGE_OCTETS_MAX + EVENT_FRAME);
        let mut good = Instant::now();
        loop {
            // A stream that says only what is old, or never ends a message, is left for the next address.
            let last = good + self.source.silence + HEARTBEAT_TIMEOUT;
            let until = (Instant::now() + HEARTBEAT_TIMEOUT).min(last);
            let frame = timeout_at(until, got.response.frame()).await;
            let frame = frame.map_err(|_| PushError::Timeout)?;
            let frame = frame.ok_or_else(|| PushError::Ended("closed".to_owned()))?;
            let frame = frame.map_err(|error| GetError::Body(error.into()))?;
            let Ok(octets) = frame.into_data() else { continue };
            for event in events.take(&octets)? {
                if self.take_event(url, event).await? {
                    good = Instant::now();
                }
            }
        }
    }

    /// Whether it said something new.
    async fn take_event(&self, url: &Uri, event: Event) -> Result<bool, PushError> {
        match event.name.as_str() {
            "status" => match self.apply(event.data).await {
                Ok(()) => {
                    self.succeed(url);
                    Ok(true)
                }
                // Told before, perhaps by another instance with another clock: what follows is newer, and if nothing
                // does, the gate hears nothing and refuses.
                Err(PushError::Refused(StatusError::StatusBack { .. })) => Ok(false),
                Err(error) => Err(error),
            },
            "snapshot" => self.take_snapshot(url).await.map(|()| true),
            _ => Err(PushError::Ended(String::from_utf8_lossy(&event.data).chars().take(200).collect())),
        }
    }

    async fn take_snapshot(&self, url: &Uri) -> Result<(), PushError> {
        let taken = async {
            Ok::<_, PushError>(self.get(url, SNAPSHOT).await?.body(STATUS_SNAPSHOT_OCTETS_MAX).await?)
        };
        let octets = timeout(SNAPSHOT_TIMEOUT, taken).await.map_err(|_| PushError::Timeout)??;
        let (gate, issuer, at) = (Arc::clone(&self.gate), self.source.issuer.clone(), now());
        let loaded = tokio::task::spawn_blocking(move || gate.load_snapshot(&octets, &issuer, at)).await;
        loaded.map_err(|_| PushError::Stopped)??;
        Ok(())
    }

    async fn apply(&self, jws: Vec<u8>) -> Result<(), PushError> {
        if jws.len() <= LARGE {
            self.gate.apply(&jws, &self.source.issuer, now())?;
            return Ok(());
        }
        let (gate, issuer, at) = (Arc::clone(&self.gate), self.source.issuer.clone(), now());
        let applied = tokio::task::spawn_blocking(move || gate.apply(&jws, &issuer, at)).await;
        applied.map_err(|_| PushError::Stopped)??;
        Ok(())
    }

    async fn get(&self, url: &Uri, path: &str) -> Result<Got, PushError> {
        let got = timeout(ANSWER_TIMEOUT, get(url, path, None)).await.map_err(|_| PushError::Timeout)??;
        match got.response.status() {
            StatusCode::OK => Ok(got),
            status => Err(GetError::Status(status).into()),
        }
    }

    /// The epoch that the gate knows.
    fn epoch(&self) -> Option<u64> {
        self.known().and_then(|source| source.epoch)
    }

    fn known(&self) -> Option<ca_verifier::PushSource> {
        self.gate.push_of(&self.source.issuer)
    }

    /// Whether the gate decides by what this source said.
    pub(crate) fn is_current(&self, at: Time) -> bool {
        self.known().is_some_and(|known| known.trusted && known.until.is_some_and(|until| at <= until))
    }

    pub(crate) fn health(&self, at: Time) -> PushHealth {
        let known = self.known();
        PushHealth {
            urls: self.source.urls.iter().map(ToString::to_string).collect(),
            ok: self.is_current(at),
            epoch: known.as_ref().and_then(|known| known.epoch),
            entries: known.as_ref().map_or(0, |known| known.entries),
            heard_secs_ago: known
                .as_ref()
                .and_then(|known| known.heard)
                .map(|heard| at.secs() - heard.secs()),
            trusted: known.is_some_and(|known| known.trusted),
            error: self.state().failure.clone(),
        }
    }

    fn succeed(&self, url: &Uri) {
        let mut state = self.state();
        if state.failure.take().is_some() {
            tracing::info!(target: "status", %url, "the status stream is back");
        }
        state.last_success = Some(now());
    }

    fn fail(&self, url: &Uri, error: &PushError) {
        let error = error.to_string();
        let mut state = self.state();
        if state.failure.as_deref() != Some(&error) {
            tracing::warn!(target: "status", %url, error, "no status stream");
        }
        state.failure = Some(error);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
