//! What push has told of one issuer's certificates: which are not good, as of which epoch, and when it was last heard.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Error, Serial, SignedStatus, Standing, StatusSnapshot, Time, Unavailable, issuer::KeyHash};

/// Without a message for so many seconds, status is unavailable; a heartbeat comes each second.
pub const SILENCE_SECS: i64 = 10;
/// What a portal may set in its place.
pub(crate) const SILENCE_SECS_RANGE: (i64, i64) = (2, 60);

/// Changes beside the sorted list, before they are merged into it: few enough to be copied with each message.
const OVERLAY_MAX: usize = 1024;

/// Where the messages of one issuer have led to. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pushed {
    known: Option<Known>,
    /// A revocation that the source took back. It stays so until the program starts anew.
    unrevoked: Option<Serial>,
}

#[derive(Clone, Debug)]
struct Known {
    epoch: u64,
    /// Time of the newest message or snapshot, by its maker's clock.
    at: Time,
    /// Time of the newest message by the own clock; `None` after a snapshot only.
    heard: Option<Time>,
    index: Index,
}

/// Everything that is not good.
#[derive(Clone, Default)]
struct Index {
    /// By rising serial; found by bisection.
    sorted: Arc<Vec<(Serial, Standing)>>,
    /// What has moved since; good for what is good again.
    overlay: Arc<BTreeMap<Serial, Standing>>,
}

/// One source of push and how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSource {
    /// SHA-256 of the issuer's subjectPublicKeyInfo.
    pub issuer_key: [u8; 32],
    /// The epoch that is known; `None` before the first snapshot.
    pub epoch: Option<u64>,
    /// When the newest message was made.
    pub at: Option<Time>,
    /// When it came.
    pub heard: Option<Time>,
    /// Until when it is used.
    pub until: Option<Time>,
    /// Certificates that are not good.
    pub entries: usize,
    /// False after it took a revocation back.
    pub trusted: bool,
}

impl Pushed {
    pub(crate) fn load(&mut self, snapshot: StatusSnapshot) -> Result<u64, Error> {
        self.check_trusted()?;
        let (epoch, at) = (snapshot.epoch(), snapshot.at());
        let mut index = Index::of(snapshot.into_entries());
        let mut heard = None;
        if let Some(known) = &self.known {
            if epoch < known.epoch {
                return Err(known.back(epoch, at));
            }
            heard = known.heard;
            // Left out are those that have ended; they are kept, so that no snapshot can take a revocation back.
            let mut kept = BTreeMap::new();
            let revoked = known.index.iter().filter(|(_, one)| matches!(one, Standing::Revoked(_)));
            let mut back = None;
            for (serial, standing) in revoked {
                match index.get(&serial) {
                    None => drop(kept.insert(serial, standing)),
                    Some(Standing::Revoked(_)) => {}
                    Some(_) => back = Some(serial),
                }
            }
            if let Some(serial) = back {
                return Err(self.distrust(serial));
            }
            index.overlay = Arc::new(kept);
            index.merge();
        }
        let at = self.known.as_ref().map_or(at, |known| known.at.max(at));
        self.known = Some(Known { epoch, at, heard, index });
        Ok(epoch)
    }

    pub(crate) fn apply(&mut self, status: &SignedStatus, now: Time) -> Result<u64, Error> {
        self.check_trusted()?;
        let Some(known) = &mut self.known else {
            return Err(Error::StatusGap { held: None, from: status.from() });
        };
        // An old heartbeat again would hide that the source is silent.
        if status.from() < known.epoch || (known.heard.is_some() && status.at() <= known.at) {
            return Err(known.back(status.from(), status.at()));
        }
        if status.from() > known.epoch {
            return Err(Error::StatusGap { held: Some(known.epoch), from: status.from() });
        }
        let unrevoked = status.changes().iter().find(|change| {
            matches!(known.index.get(&change.serial), Some(Standing::Revoked(_)))
                && !matches!(change.standing, Standing::Revoked(_))
        });
        if let Some(change) = unrevoked {
            return Err(self.distrust(change.serial));
        }
        if !status.changes().is_empty() {
            let overlay = Arc::make_mut(&mut known.index.overlay);
            overlay.extend(status.changes().iter().map(|change| (change.serial, change.standing)));
            if overlay.len() > OVERLAY_MAX {
                known.index.merge();
            }
        }
        (known.epoch, known.at, known.heard) = (status.to(), status.at(), Some(now));
        Ok(known.epoch)
    }

    pub(crate) fn standing(&self, serial: &Serial, now: Time, silence: i64) -> Result<Standing, Unavailable> {
        if self.unrevoked.is_some() {
            return Err(Unavailable::Distrusted);
        }
        let silent = |since| Unavailable::Silent { since };
        let known = self.known.as_ref().ok_or(silent(None))?;
        let heard = known.heard.ok_or(silent(None))?;
        // A clock that was set back does not make it fresh either.
        if now > heard.plus_secs(silence) || now.plus_secs(silence) < heard {
            return Err(silent(Some(heard)));
        }
        Ok(known.index.get(serial).unwrap_or(Standing::Good))
    }

    pub(crate) fn source(&self, key: &KeyHash, silence: i64) -> PushSource {
        let known = self.known.as_ref();
        let heard = known.and_then(|known| known.heard);
        PushSource {
            issuer_key: *key,
            epoch: known.map(|known| known.epoch),
            at: known.map(|known| known.at),
            heard,
            until: heard.map(|heard| heard.plus_secs(silence)),
            entries: known.map_or(0, |known| known.index.iter().count()),
            trusted: self.unrevoked.is_none(),
        }
    }

    fn distrust(&mut self, serial: Serial) -> Error {
        self.unrevoked = Some(serial);
        Error::StatusUnrevoked { serial }
    }

    const fn check_trusted(&self) -> Result<(), Error> {
        match self.unrevoked {
            Some(serial) => Err(Error::StatusUnrevoked { serial }),
            None => Ok(()),
        }
    }
}

impl Known {
    const fn back(&self, found: u64, found_at: Time) -> Error {
        Error::StatusBack { held: self.epoch, held_at: self.at, found, found_at }
    }
}

impl Index {
    fn of(sorted: Vec<(Serial, Standing)>) -> Self {
        Self { sorted: Arc::new(sorted), overlay: Arc::default() }
    }

    /// `None` when nothing bad is known.
    fn get(&self, serial: &Serial) -> Option<Standing> {
        let moved = self.overlay.get(serial).copied();
        let listed = || {
            let found = self.sorted.binary_search_by_key(serial, |entry| entry.0).ok()?;
            self.sorted.get(found).map(|entry| entry.1)
        };
        moved.or_else(listed).filter(|standing| *standing != Standing::Good)
    }

    fn iter(&self) -> impl Iterator<Item = (Serial, Standing)> + '_ {
        let stays = |(serial, _): &&(Serial, Standing)| !self.overlay.contains_key(serial);
        let moved = self.overlay.iter().map(|(serial, standing)| (*serial, *standing));
        let moved = moved.filter(|(_, standing)| *standing != Standing::Good);
        self.sorted.iter().filter(stays).copied().chain(moved)
    }

    fn merge(&mut self) {
        let mut sorted = Vec::with_capacity(self.sorted.len() + self.overlay.len());
        sorted.extend(self.iter());
        sorted.sort_unstable_by_key(|entry| entry.0);
        sorted.shrink_to_fit();
        *self = Self::of(sorted);
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries and {} moved", self.sorted.len(), self.overlay.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_at_most_forty_octets() {
        assert!(size_of::<(Serial, Standing)>() <= 40, "{}", size_of::<(Serial, Standing)>());
        let entries = (0..100_000_u32).map(|count| {
            let mut content = [1; 18];
            content[14..].copy_from_slice(&count.to_be_bytes());
            (Serial::from_content(&content).unwrap(), Standing::Held)
        });
        let mut index = Index { overlay: Arc::new(entries.collect()), ..Index::default() };
        index.merge();
        let octets = index.sorted.capacity() * size_of::<(Serial, Standing)>();
        assert_eq!((index.sorted.len(), index.overlay.len()), (100_000, 0));
        assert!(octets <= 40 * 100_000, "{octets}");
    }
}
