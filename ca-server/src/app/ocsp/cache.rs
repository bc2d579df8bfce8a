//! Signed answers in memory, by certificate. What is not there is signed when it is asked for, so that nothing here decides
//! whether an answer is right: only whether one that was signed may still be told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use ca_core::CertIdForm;
use ca_verifier::{Serial, Time};
use hyper::body::Bytes;

/// Which question: how the client writes it, and about which certificate.
pub(super) type Key = (CertIdForm, Serial);

/// One signed answer.
#[derive(Debug)]
pub(crate) struct SignedAnswer {
    pub(crate) der: Bytes,
    /// `None` when nobody may keep it: it carries a nonce, is of an unknown serial number, of several, or an error.
    pub(crate) fresh: Option<Fresh>,
}

/// Of an answer that may be kept.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
    /// Names these octets and no others.
    pub(crate) tag: String,
}

/// Answers about certificates of ours: of serial numbers that we never issued none is kept, so that strangers who draw
/// numbers push out nothing.
#[derive(Debug)]
pub(crate) struct AnswerCache {
    most: usize,
    cached: RwLock<Cached>,
}

#[derive(Debug)]
struct Cached {
    /// Everything that moved up to here was forgotten.
    epoch: i64,
    answers: HashMap<Key, Kept>,
    /// Who is looked at next when room is needed. May name what is gone, and name a key twice.
    line: VecDeque<Key>,
}

#[derive(Debug)]
struct Kept {
    answer: Arc<SignedAnswer>,
    /// What it says was so then.
    epoch: i64,
    /// Since room was last looked for.
    asked: AtomicBool,
}

/// Who wants an answer to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A client asked: one that nobody asked for makes room.
    Asked,
    /// Nobody yet: only where there is room.
    Ahead,
}

impl AnswerCache {
    /// At most so many answers.
    pub(crate) fn new(epoch: i64, most: usize) -> Self {
        let cached = Cached { epoch, answers: HashMap::new(), line: VecDeque::new() };
        Self { most, cached: RwLock::new(cached) }
    }

    /// What moved up to `epoch`. Gives back what was kept of it.
    pub(crate) fn forget(&self, epoch: i64, moved: impl IntoIterator<Item = Serial>) -> Vec<Key> {
        let Ok(mut cached) = self.cached.write() else { return Vec::new() };
        cached.epoch = cached.epoch.max(epoch);
        let keys = moved.into_iter().flat_map(|serial| CertIdForm::ALL.map(|form| (form, serial)));
        keys.filter(|key| cached.answers.remove(key).is_some()).collect()
    }

    /// An answer that was signed at `since` or later.
    pub(super) fn get(&self, key: &Key, since: Time) -> Option<Arc<SignedAnswer>> {
        let cached = self.cached.read().ok()?;
        let kept = cached.answers.get(key)?;
        kept.asked.store(true, Ordering::Relaxed);
        (kept.answer.fresh.as_ref()?.this_update >= since).then(|| Arc::clone(&kept.answer))
    }

    /// Keeps an answer that says what was so at `epoch`, unless something moved since then: this may be what moved.
    pub(super) fn put(&self, epoch: i64, key: Key, answer: &Arc<SignedAnswer>, wish: Wish) -> bool {
        let Ok(mut cached) = self.cached.write() else { return false };
        if epoch < cached.epoch || answer.fresh.is_none() {
            return false;
        }
        let asked = AtomicBool::new(wish == Wish::Asked);
        let kept = Kept { answer: Arc::clone(answer), epoch, asked };
        if let Some(former) = cached.answers.get_mut(&key) {
            // Two signed at once, and something moved between them that was not heard of yet.
            if former.epoch > epoch {
                return false;
            }
            (former.answer, former.epoch) = (kept.answer, epoch);
            return true;
        }
        if cached.answers.len() >= self.most && (wish == Wish::Ahead || !cached.make_room()) {
            return false;
        }
        cached.answers.insert(key, kept);
        cached.line.push_back(key);
        // What was forgotten and came back stands in the line twice.
        if cached.line.len() > self.most.saturating_mul(2) {
            cached.line = cached.answers.keys().copied().collect();
        }
        true
    }

    /// Whoever was signed before `before`, a few of them.
    pub(super) fn due(&self, before: Time, most: usize) -> Vec<Key> {
        let Ok(cached) = self.cached.read() else { return Vec::new() };
        let old = |kept: &Kept| kept.answer.fresh.as_ref().is_none_or(|fresh| fresh.this_update < before);
        cached.answers.iter().filter(|(_, kept)| old(kept)).map(|(key, _)| *key).take(most).collect()
    }

    /// Without anything having moved: the certificate is over.
    pub(super) fn drop_one(&self, key: &Key) {
        if let Ok(mut cached) = self.cached.write() {
            cached.answers.remove(key);
        }
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.cached.read().is_ok_and(|cached| cached.answers.contains_key(key))
    }

    /// How many more are kept.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.cached.read().map_or(0, |cached| cached.answers.len())
    }
}

impl Cached {
    /// Gives up the first in the line that nobody asked for since it stood there last. Ends in the second round: each that
    /// was asked for loses that in the first.
    fn make_room(&mut self) -> bool {
        while let Some(key) = self.line.pop_front() {
            match self.answers.get(&key) {
                None => {}
                Some(kept) if kept.asked.swap(false, Ordering::Relaxed) => self.line.push_back(key),
                Some(_) => {
                    self.answers.remove(&key);
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    fn key(octet: u8) -> Key {
        (CertIdForm::USUAL, Serial::from_random(1, &[octet; 17]).unwrap())
    }

    fn answer(at: Time) -> Arc<SignedAnswer> {
        let fresh = Fresh { this_update: at, next_update: at.plus_secs(60), tag: String::new() };
        Arc::new(SignedAnswer { der: Bytes::new(), fresh: Some(fresh) })
    }

    #[test]
    fn a_change_forgets_what_moved_in_every_form_and_nothing_else() {
        let cache = AnswerCache::new(7, 10);
        for form in CertIdForm::ALL {
            assert!(cache.put(7, (form, key(1).1), &answer(NOW), Wish::Asked));
        }
        assert!(cache.put(7, key(2), &answer(NOW), Wish::Asked));
        let gone = cache.forget(8, [key(1).1, key(3).1]);
        assert_eq!(gone.len(), 4);
        assert!(CertIdForm::ALL.iter().all(|form| cache.get(&(*form, key(1).1), NOW).is_none()));
        assert!(cache.get(&key(2), NOW).is_some());
    }

    #[test]
    fn what_was_read_before_the_last_change_does_not_come_in() {
        let cache = AnswerCache::new(7, 10);
        cache.forget(8, [key(1).1]);
        assert!(!cache.put(7, key(1), &answer(NOW), Wish::Asked));
        assert!(cache.put(8, key(1), &answer(NOW), Wish::Asked));
        assert!(cache.put(9, key(1), &answer(NOW.plus_secs(1)), Wish::Asked));
        // Not heard of yet, but told once: it is not taken back.
        assert!(!cache.put(8, key(1), &answer(NOW.plus_secs(2)), Wish::Ahead));
        assert_eq!(cache.get(&key(1), NOW).unwrap().fresh.as_ref().unwrap().this_update, NOW.plus_secs(1));
        // A database that went back tells nothing new, and takes nothing back.
        cache.forget(3, []);
        assert!(!cache.put(7, key(2), &answer(NOW), Wish::Asked));
    }

    #[test]
    fn what_is_old_is_not_told_and_is_due() {
        let cache = AnswerCache::new(0, 10);
        cache.put(0, key(1), &answer(NOW), Wish::Ahead);
        assert!(cache.get(&key(1), NOW.plus_secs(1)).is_none());
        assert_eq!(cache.due(NOW.plus_secs(1), 9), [key(1)]);
        cache.put(0, key(1), &answer(NOW.plus_secs(1)), Wish::Ahead);
        assert_eq!(cache.due(NOW.plus_secs(1), 9), []);
        assert!(cache.get(&key(1), NOW.plus_secs(1)).is_some());
        cache.drop_one(&key(1));
        assert!(!cache.has(&key(1)));
    }

    #[test]
    fn a_full_cache_keeps_what_is_asked_for() {
        let cache = AnswerCache::new(0, 3);
        for octet in 1..=3 {
            assert!(cache.put(0, key(octet), &answer(NOW), Wish::Ahead));
        }
        assert_eq!(cache.room(), 0);
        assert!(!cache.put(0, key(4), &answer(NOW), Wish::Ahead), "nobody asked for it");
        assert!(cache.get(&key(1), NOW).is_some() && cache.get(&key(3), NOW).is_some());
        assert!(cache.put(0, key(4), &answer(NOW), Wish::Asked));
        let has = |cache: &AnswerCache| (1..=5).map(|octet| cache.has(&key(octet))).collect::<Vec<_>>();
        assert_eq!(has(&cache), [true, false, true, true, false]);
        // All were asked for: the one that waited longest goes.
        for octet in [1, 3, 4] {
            assert!(cache.get(&key(octet), NOW).is_some());
        }
        assert!(cache.put(0, key(5), &answer(NOW), Wish::Asked));
        assert_eq!((has(&cache).iter().filter(|has| **has).count(), cache.has(&key(5))), (3, true));
        // The line does not grow for ever with what comes and goes.
        for _ in 0..100 {
            cache.forget(0, [key(5).1]);
            cache.put(0, key(5), &answer(NOW), Wish::Asked);
        }
        assert!(cache.cached.read().unwrap().line.len() <= 6);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        let cache = AnswerCache::new(0, 0);
        assert!(!cache.put(0, key(1), &answer(NOW), Wish::Asked));
        let cache = AnswerCache::new(0, 9);
        let error = Arc::new(SignedAnswer { der: Bytes::new(), fresh: None });
        assert!(!cache.put(0, key(1), &error, Wish::Asked));
        assert_eq!(cache.len(), 0);
    }
}
