//! Everything that keeps the status fresh.

use std::{sync::Arc, time::Duration};

use ca_verifier::Gate;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use crate::{config::Sources, fetch::Follower, push::PushFollower, routes, server::now};

/// Before anybody is told that it is ready, the sources have so long to answer.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// The sources being followed. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Followers {
    crls: Vec<Arc<Follower>>,
    poll: Duration,
    pushes: Vec<Arc<PushFollower>>,
    gate: Arc<Gate>,
}

/// Ends the work with the program that it is for.
#[derive(Debug)]
pub(crate) struct Following(#[expect(dead_code, reason = "its drop ends the tasks")] JoinSet<()>);

impl Followers {
    /// Begins to follow. A source that does not answer does not prevent the start: its certificates are refused until it
    /// does.
    pub(crate) async fn start(sources: Sources, gate: &Arc<Gate>) -> (Self, Following) {
        let Sources { crls, poll, pushes } = sources;
        let crls = crls.into_iter().map(|source| Arc::new(Follower::new(source, Arc::clone(gate))));
        let pushes = pushes.into_iter().map(|source| Arc::new(PushFollower::new(source, Arc::clone(gate))));
        let all = Self { crls: crls.collect(), poll, pushes: pushes.collect(), gate: Arc::clone(gate) };
        let mut tasks = JoinSet::new();
        for follower in &all.pushes {
            let follower = Arc::clone(follower);
            tasks.spawn(async move { follower.follow().await });
        }
        let first = async {
            for follower in &all.crls {
                follower.poll().await;
            }
            while !all.pushes.iter().all(|follower| follower.is_current(now())) {
                tokio::time::sleep(FIRST_LOOK).await;
            }
        };
        if timeout(FIRST_TIMEOUT, first).await.is_err() {
            tracing::warn!(target: "status", "not every source of status has answered yet");
        }
        for follower in &all.crls {
            let (follower, every) = (Arc::clone(follower), all.poll);
            tasks.spawn(async move { follower.follow(every).await });
        }
        (all, Following(tasks))
    }

    /// Whether every configured source is current, and how each does.
    pub(crate) fn health(&self) -> (bool, Value) {
        let at = now();
        let sources = self.gate.status();
        let current = |url: Option<String>| {
            url.is_some_and(|url| {
                sources.iter().any(|source| source.url == url && routes::is_current(source, at))
            })
        };
        let ready = self.crls.iter().all(|follower| current(follower.distribution_point()))
            && self.pushes.iter().all(|follower| follower.is_current(at));
        let body = json!({
            "status": if ready { "ok" } else { "status-unavailable" },
            "now": at.to_string(),
            "sources": sources.iter().map(|source| routes::source_json(source, at)).collect::<Vec<_>>(),
            "fetch": self.crls.iter().map(|follower| follower.health()).collect::<Vec<_>>(),
            "push": self.pushes.iter().map(|follower| follower.health(at)).collect::<Vec<_>>(),
        });
        (ready, body)
    }
}
