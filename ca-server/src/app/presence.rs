//! Which workstations are there, and what is plugged in at each: what the last exchange said, in memory only. A workstation
//! says goodbye when its clerk's token is pulled out; one that says nothing for a while is gone, too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use ca_core::StaffId;
use ca_verifier::Time;

use super::App;
use crate::{
    permit::{Permit, Personalise},
    problem::Problem,
    protocol::TokenSeen,
    rule::Rule,
    wire,
};

/// An exchange takes a second when there is nothing to do, and a command some seconds.
const SILENCE_MILLIS: i64 = 15_000;
/// More names than counters that there can be: a workstation's name is its own to choose.
const NAMES_MAX: usize = 2_000;

/// What a workstation said last.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    pub(crate) clerk: StaffId,
    pub(crate) since: Time,
    pub(crate) seen_at: Time,
    pub(crate) tokens: Vec<TokenSeen>,
}

impl Presence {
    pub(crate) fn is_there(&self, now: Time) -> bool {
        now.millis() - self.seen_at.millis() <= SILENCE_MILLIS
    }
}

/// Every workstation that has talked to this server.
#[derive(Debug, Default)]
pub(crate) struct Presences(Mutex<BTreeMap<String, Presence>>);

impl Presences {
    fn see(&self, name: &str, clerk: &StaffId, tokens: &[TokenSeen], now: Time) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(name).filter(|known| known.is_there(now) && known.clerk == *clerk);
        let since = before.map_or(now, |known| known.since);
        if all.len() >= NAMES_MAX && !all.contains_key(name) {
            all.retain(|_, known| known.is_there(now));
        }
        let presence = Presence { clerk: clerk.clone(), since, seen_at: now, tokens: tokens.to_vec() };
        all.insert(name.to_owned(), presence);
    }

    fn forget(&self, name: &str, clerk: &StaffId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(name).is_some_and(|known| known.clerk == *clerk) {
            all.remove(name);
        }
    }

    /// Those that are there now, by name.
    pub(crate) fn now(&self, now: Time) -> Vec<(String, Presence)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let there = all.iter().filter(|(_, known)| known.is_there(now));
        there.map(|(name, known)| (name.clone(), known.clone())).collect()
    }
}

impl App {
    pub(super) fn see_workstation(&self, permit: &Permit<Personalise>, name: &str, tokens: &[TokenSeen]) {
        if let Some(clerk) = permit.staff() {
            self.presences.see(name, clerk, tokens, wire::now());
        }
    }

    /// While an exchange is answered: when its connection breaks, the workstation is gone.
    pub(crate) fn watch_workstation(self: &Arc<Self>, permit: &Permit<Personalise>, name: &str) -> Watched {
        let clerk = permit.staff().cloned();
        Watched { app: Arc::clone(self), name: name.to_owned(), clerk, answered: false }
    }

    /// The clerk's token was pulled out, or the program was ended.
    pub(crate) fn say_goodbye(&self, permit: &Permit<Personalise>, name: &str) -> Result<(), Problem> {
        let clerk = permit.staff().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        self.presences.forget(name, clerk);
        Ok(())
    }
}

/// Dropped before the answer: the server drops what it was doing for a connection that broke.
pub(crate) struct Watched {
    app: Arc<App>,
    name: String,
    clerk: Option<StaffId>,
    answered: bool,
}

impl Watched {
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(clerk) = self.clerk.as_ref().filter(|_| !self.answered) {
            self.app.presences.forget(&self.name, clerk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_795_392_000);

    fn staff(n: u8) -> StaffId {
        StaffId::new(NOW, [n; 10])
    }

    #[test]
    fn one_that_is_silent_is_gone() {
        let all = Presences::default();
        all.see("counter-1", &staff(1), &[], NOW);
        all.see("counter-1", &staff(1), &[], NOW.plus_secs(10));
        let there = all.now(NOW.plus_secs(20));
        assert_eq!((there.len(), there[0].1.since), (1, NOW), "there since the first exchange");
        assert_eq!(all.now(NOW.plus_secs(26)).len(), 0);
        all.see("counter-1", &staff(1), &[], NOW.plus_secs(30));
        assert_eq!(all.now(NOW.plus_secs(30))[0].1.since, NOW.plus_secs(30), "it was away");
    }

    #[test]
    fn nobody_says_goodbye_for_another() {
        let all = Presences::default();
        all.see("counter-1", &staff(1), &[], NOW);
        all.forget("counter-1", &staff(2));
        assert_eq!(all.now(NOW).len(), 1);
        all.forget("counter-1", &staff(1));
        assert_eq!(all.now(NOW).len(), 0);
    }

    #[test]
    fn names_do_not_fill_the_memory() {
        let all = Presences::default();
        for number in 0..NAMES_MAX {
            all.see(&format!("w{number}"), &staff(1), &[], NOW);
        }
        all.see("one-more", &staff(1), &[], NOW.plus_secs(60));
        assert_eq!(all.now(NOW.plus_secs(60)).len(), 1);
        assert_eq!(all.0.lock().unwrap().len(), 1);
    }
}
