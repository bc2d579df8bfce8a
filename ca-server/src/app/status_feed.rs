//! Step 9: what moved, as the parts of this instance that tell status hear of it. The database says it by epochs, so that
//! what another instance did is heard of as soon as what this one did.

use std::sync::atomic::{AtomicI64, Ordering};

use super::App;
use crate::problem::Problem;

/// Changes in one turn; more come in the next one.
const TURN: i64 = 10_000;

/// How far this instance has heard.
#[derive(Debug)]
pub(crate) struct StatusFeed {
    epoch: AtomicI64,
}

impl StatusFeed {
    /// Has heard of everything up to `epoch`.
    pub(crate) fn new(epoch: i64) -> Self {
        Self { epoch: AtomicI64::new(epoch) }
    }

    pub(crate) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }
}

impl App {
    /// Hears what moved since the last turn, and forgets what was signed of it. Called by one worker only.
    pub(crate) fn hear_status(&self) -> Result<(), Problem> {
        loop {
            let from = self.feed.epoch();
            let (now, found) = self.store.read(|reader| {
                let now = reader.epoch()?;
                let found = if now == from { Vec::new() } else { reader.status_changes(from, TURN)? };
                Ok::<_, Problem>((now, found))
            })?;
            // A database that went back was restored: what was told stays told, and nothing is told until it is ahead again.
            if now <= from {
                return Ok(());
            }
            let whole = i64::try_from(found.len()).is_ok_and(|count| count < TURN);
            let to = if whole { now } else { found.last().map_or(now, |(epoch, _)| *epoch) };
            let gone = self.responding.cache.forget(to, found.iter().map(|(_, record)| record.serial));
            self.responding.moved.add(gone);
            self.feed.epoch.store(to, Ordering::Release);
            if whole {
                return Ok(());
            }
        }
    }
}
