//! How often one place on the network may ask for what needs no proof: a count of each minute, in a table of a fixed size, so
//! that nobody can fill the memory. Two places may share a line of the table; which ones, nobody outside knows.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Mutex,
};

use ca_verifier::Time;

const LINES: usize = 1024;
const EACH_MINUTE: u32 = 30;
const MINUTE_SECS: i64 = 60;

/// Counts requests.
pub(crate) struct Turnstile {
    places: RandomState,
    /// The minute that is counted, and how many came in it.
    lines: Mutex<Vec<(i64, u32)>>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self { places: RandomState::new(), lines: Mutex::new(vec![(0, 0); LINES]) }
    }
}

impl Turnstile {
    /// Whether one more request from there is let in at `now`.
    pub(crate) fn lets_in(&self, from: IpAddr, now: Time) -> bool {
        // Whoever has one address of IPv6 has 2^64 of them.
        let place = match from.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
        };
        let minute = now.secs() / MINUTE_SECS;
        let Ok(mut lines) = self.lines.lock() else { return false };
        let chosen = usize::try_from(self.places.hash_one(place)).unwrap_or_default() % LINES;
        let Some(line) = lines.get_mut(chosen) else { return false };
        if line.0 != minute {
            *line = (minute, 0);
        }
        line.1 = line.1.saturating_add(1);
        line.1 <= EACH_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_each_minute_from_each_place() {
        let (turnstile, now) = (Turnstile::default(), Time::from_secs(6_000));
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..EACH_MINUTE {
            assert!(turnstile.lets_in(one, now));
        }
        assert!(!turnstile.lets_in(one, now) && !turnstile.lets_in(one, now.plus_secs(59)));
        assert!(!turnstile.lets_in("::ffff:192.0.2.1".parse().unwrap(), now), "the same address");
        assert!(turnstile.lets_in(one, now.plus_secs(60)));
        let others = (0..100).filter(|n| turnstile.lets_in(IpAddr::from([198, 51, 100, *n]), now)).count();
        assert!(others > 90, "others are let in: {others}");
        let network = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, n, 0, 0, 1]);
        let same = (0..100).filter(|n| turnstile.lets_in(network(*n), now)).count();
        assert!(same <= 30, "one network of IPv6 is one place: {same}");
    }
}
