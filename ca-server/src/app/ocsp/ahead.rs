//! Answers signed ahead of the question, by one worker: what moved at once, what grows old before it does, and after the
//! start what nobody asked for yet, as far as there is room. Without it every answer is as right, and the first who asks
//! waits for a signature.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ca_core::{CertAnswer, CertId, CertIdForm};
use ca_verifier::{Serial, Time};
use tokio::sync::Notify;

use super::{
    super::{App, crl::ISSUING},
    cache::{Key, Wish},
};
use crate::{
    problem::{Failure, Problem},
    wire,
};

/// Signed from one look into the database: small, because what is heard meanwhile makes all of it worthless.
const BATCH: usize = 32;
/// Certificates in a page of the first pass.
const PAGE: i64 = 1_000;
/// How often old answers are looked for.
const TICK: Duration = Duration::from_secs(5);

/// What moved and had been asked for: it will be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    keys: Mutex<Vec<Key>>,
    heard: Notify,
}

impl Moved {
    pub(crate) fn add(&self, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.keys.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
            self.heard.notify_one();
        }
    }

    fn take(&self) -> Vec<Key> {
        std::mem::take(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Keeps answers ready. Ends never; whoever wants it to stop drops it, and at most one batch is signed to its end.
    pub(crate) async fn keep_answers_ready(self: &Arc<Self>) {
        let mut first = FirstPass { after: None, over: false };
        let mut looked: Option<Instant> = None;
        loop {
            let mut done = self.sign_moved().await;
            if done.is_ok() && looked.is_none_or(|last| last.elapsed() >= TICK) {
                done = self.renew_old().await;
                looked = Some(Instant::now());
            }
            if done.is_ok() && !first.over {
                done = self.fill(&mut first).await;
            }
            let pause = match done {
                Ok(()) if !first.over => continue,
                Ok(()) => TICK,
                Err(problem) => {
                    tracing::error!(cause = ?problem.cause(), "OCSP ahead: {}", problem.rule.name());
                    TICK
                }
            };
            let _ = tokio::time::timeout(pause, self.responding.moved.heard.notified()).await;
        }
    }

    /// At once and without a pause: within a second of the change.
    async fn sign_moved(self: &Arc<Self>) -> Result<(), Problem> {
        for batch in self.responding.moved.take().chunks(BATCH) {
            self.sign_batch(batch, Wish::Asked).await?;
        }
        Ok(())
    }

    /// At three quarters of what policy allows, which is half of the life at most.
    async fn renew_old(self: &Arc<Self>) -> Result<(), Problem> {
        loop {
            let age = self.policies.status().ocsp_refresh_secs() * 3 / 4;
            let due = self.responding.cache.due(wire::now().plus_secs(-age), BATCH);
            if due.is_empty() || !self.sign_gently(&due).await? {
                return Ok(());
            }
            self.sign_moved().await?;
        }
    }

    /// One page of what has not ended.
    async fn fill(self: &Arc<Self>, pass: &mut FirstPass) -> Result<(), Problem> {
        let now = wire::now();
        let page = self
            .store
            .read(|reader| reader.current_serials(ISSUING, pass.after.as_ref(), now, PAGE))
            .map_err(Problem::from)?;
        let mut missing: Vec<Key> = page.iter().map(|serial| (CertIdForm::USUAL, *serial)).collect();
        missing.retain(|key| !self.responding.cache.has(key));
        for batch in missing.chunks(BATCH) {
            if self.responding.cache.room() == 0 {
                break;
            }
            self.sign_gently(batch).await?;
            self.sign_moved().await?;
        }
        // A page of what is there already waits for nothing else, and this must be able to stop.
        tokio::task::yield_now().await;
        pass.after = page.last().copied();
        pass.over = page.is_empty() || self.responding.cache.room() == 0;
        if pass.over {
            tracing::info!(count = self.responding.cache.len(), "OCSP answers are ready");
        }
        Ok(())
    }

    /// Rests as long as it worked: never more than half of one core.
    async fn sign_gently(self: &Arc<Self>, keys: &[Key]) -> Result<bool, Problem> {
        let start = Instant::now();
        let kept = self.sign_batch(keys, Wish::Ahead).await?;
        tokio::time::sleep(start.elapsed()).await;
        Ok(kept)
    }

    /// Whether any was kept: not when something moved meanwhile.
    async fn sign_batch(self: &Arc<Self>, keys: &[Key], wish: Wish) -> Result<bool, Problem> {
        let (app, keys) = (Arc::clone(self), keys.to_vec());
        let work = move || app.sign_batch_now(&keys, wish, wire::now());
        tokio::task::spawn_blocking(work).await.map_err(Failure::inconsistent)?
    }

    fn sign_batch_now(&self, keys: &[Key], wish: Wish, now: Time) -> Result<bool, Problem> {
        let ids: Vec<CertId> =
            keys.iter().map(|(form, serial)| CertId::in_form(&self.ca.issuing, *form, *serial)).collect();
        let (epoch, answers) = self.look_up(&ids, now)?;
        let mut kept = false;
        for (key, answer) in keys.iter().zip(&answers) {
            if answer.status == CertAnswer::Unknown {
                self.responding.cache.drop_one(key);
                continue;
            }
            let der = self.sign_now(std::slice::from_ref(answer), None, now)?;
            let fresh = Arc::new(self.fresh_answer(der, now));
            kept |= self.responding.cache.put(epoch, *key, &fresh, wish);
        }
        Ok(kept)
    }
}

/// Where the first pass stands: all certificates, in the order of their serial numbers.
#[derive(Debug)]
struct FirstPass {
    after: Option<Serial>,
    over: bool,
}
