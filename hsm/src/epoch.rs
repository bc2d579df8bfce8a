//! Counts C_Initialize, and keeps calls and re-initialisation apart. Re-initialisation waits for the calls under way, but
//! not for ever: a call that hangs must not stop the others, which wait as long as somebody wants to re-initialise.

use std::{
    ops::Deref,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::module::lock;

#[derive(Default)]
pub(crate) struct Epochs {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    epoch: u64,
    calls: usize,
    /// Since when there has been a call under way without one's coming or going.
    still: Option<Instant>,
    closed: bool,
}

impl Epochs {
    /// For one call or a few: the epoch does not end meanwhile.
    pub(crate) fn enter(&self) -> Entered<'_> {
        let state = lock(&self.state);
        let mut state =
            self.moved.wait_while(state, |state| state.closed).unwrap_or_else(PoisonError::into_inner);
        state.calls += 1;
        state.still = Some(Instant::now());
        Entered { epochs: self, epoch: state.epoch }
    }

    /// How long nothing has moved while a call was under way.
    pub(crate) fn still_for(&self) -> Option<Duration> {
        lock(&self.state).still.map(|since| since.elapsed())
    }

    /// Ends the epoch: nobody is inside, and nobody comes in, until the answer is dropped. `None` when a call did not end
    /// within so long; then nothing has changed.
    pub(crate) fn end(&self, within: Duration) -> Option<Ended<'_>> {
        let state = lock(&self.state);
        let mut state =
            self.moved.wait_while(state, |state| state.closed).unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        let waited = self.moved.wait_timeout_while(state, within, |state| state.calls > 0);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && state.calls > 0 {
            state.closed = false;
            self.moved.notify_all();
            return None;
        }
        state.epoch += 1;
        Some(Ended(self))
    }
}

pub(crate) struct Entered<'a> {
    epochs: &'a Epochs,
    epoch: u64,
}

impl Deref for Entered<'_> {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.epoch
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.epochs.state);
        state.calls = state.calls.saturating_sub(1);
        state.still = (state.calls > 0).then(Instant::now);
        if state.closed && state.calls == 0 {
            self.epochs.moved.notify_all();
        }
    }
}

pub(crate) struct Ended<'a>(&'a Epochs);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).closed = false;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_does_not_end_around_a_call_and_others_go_on() {
        let epochs = Epochs::default();
        let hangs = epochs.enter();
        assert!(epochs.still_for().is_some());
        assert!(epochs.end(Duration::from_millis(10)).is_none());
        let other = epochs.enter();
        assert_eq!((*hangs, *other), (0, 0));
        drop((hangs, other));
        assert_eq!(epochs.still_for(), None);
        drop(epochs.end(Duration::from_secs(60)).unwrap());
        assert_eq!(*epochs.enter(), 1);
    }
}
