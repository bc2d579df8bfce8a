//! Turns for signatures that somebody waits for. Cached answers take none, so they go on however many ask for others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait for each one that signs: with a third of a millisecond a signature the last one waits for 20 ms.
const WAITING_EACH: usize = 64;

/// So many at once, a few in the queue, and nobody else.
#[derive(Debug)]
pub(super) struct Lane {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// One who may sign. Goes along with the work, not with whoever asked for it: a client that hangs up frees nothing early.
#[derive(Debug)]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(at_once: usize) -> Self {
        let places = at_once.saturating_mul(WAITING_EACH + 1);
        Self { places: Arc::new(Semaphore::new(places)), turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// `None` when too many wait.
    pub(super) async fn enter(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        Some(Turn { _place: place, _turn: turn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn some_sign_some_wait_and_the_others_go() {
        let lane = Arc::new(Lane::new(1));
        let signing = lane.enter().await.unwrap();
        let waiting: Vec<_> = (0..WAITING_EACH)
            .map(|_| {
                let lane = Arc::clone(&lane);
                tokio::spawn(async move { lane.enter().await.is_some() })
            })
            .collect();
        while lane.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(lane.enter().await.is_none());
        drop(signing);
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert!(lane.enter().await.is_some());
    }
}
