//! `policies/counters.toml`: the counters that units are sent to, when they are open, and how many units have room.

use std::collections::BTreeMap;

use jiff::civil::Time as Clock;

use super::reader::{PolicyError, Reader, Section};

const SEATS_MAX: i64 = 1000;

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    zh: String,
    en: String,
    address: String,
    hours: String,
    slots: Vec<String>,
    seats_per_slot: u16,
    seats_per_day: u16,
}

impl Counter {
    /// Its name in Chinese.
    #[must_use]
    pub fn zh(&self) -> &str {
        &self.zh
    }

    /// Its name in English.
    #[must_use]
    pub fn en(&self) -> &str {
        &self.en
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// When it is open, for people.
    #[must_use]
    pub fn hours(&self) -> &str {
        &self.hours
    }

    /// When appointments begin, `HH:MM`, in their order.
    #[must_use]
    pub fn slots(&self) -> &[String] {
        &self.slots
    }

    /// How many have room at one slot.
    #[must_use]
    pub fn seats_per_slot(&self) -> u16 {
        self.seats_per_slot
    }

    /// How many have room in a day.
    #[must_use]
    pub fn seats_per_day(&self) -> u16 {
        self.seats_per_day
    }
}

/// All counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    counters: BTreeMap<String, Counter>,
    sha256: [u8; 32],
}

impl Counters {
    /// A counter by its code.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&Counter> {
        self.counters.get(code)
    }

    /// The code of the counter that has this code or Chinese name.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&str> {
        let found = self.counters.iter().find(|(code, counter)| *code == text || counter.zh == text);
        found.map(|(code, _)| code.as_str())
    }

    /// Every counter with its code.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Counter)> {
        self.counters.iter().map(|(code, counter)| (code.as_str(), counter))
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<Counters, Vec<PolicyError>> {
    reader.read(|section| {
        let mut counters = BTreeMap::new();
        for (code, counter) in section.tables("counter", counter)? {
            if counters.values().any(|other: &Counter| other.zh == counter.zh) {
                section.refuse("counter", "zh must not repeat", counter.zh.clone());
            }
            if counters.insert(code.clone(), counter).is_some() {
                section.refuse("counter", "code must not repeat", code);
            }
        }
        Some(Counters { counters, sha256: reader.sha256() })
    })
}

fn counter(section: &Section<'_>) -> Option<(String, Counter)> {
    let code = section.parsed("code", "lower-case letters, digits and hyphens", |text| {
        text.bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            .then(|| text.to_owned())
    });
    let (zh, en) = (section.text("zh"), section.text("en"));
    let (address, hours) = (section.text("address"), section.text("hours"));
    let slots = section.list("slots", "a time HH:MM", |text| {
        let clock = Clock::strptime("%H:%M", text).ok()?;
        (clock.strftime("%H:%M").to_string() == text).then(|| text.to_owned())
    });
    let seats = |key| section.integer(key, 1..=SEATS_MAX).and_then(|seats| u16::try_from(seats).ok());
    let (seats_per_slot, seats_per_day) = (seats("seats-per-slot"), seats("seats-per-day"));
    let slots: Vec<String> = slots?.into_iter().map(|(_, slot)| slot).collect();
    if slots.is_empty() || !slots.is_sorted() {
        section.refuse("slots", "slots must be one or more, the earliest first", slots.join(", "));
    }
    let counter = Counter {
        zh: zh?.to_owned(),
        en: en?.to_owned(),
        address: address?.to_owned(),
        hours: hours?.to_owned(),
        slots,
        seats_per_slot: seats_per_slot?,
        seats_per_day: seats_per_day?,
    };
    Some((code?, counter))
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn counters_are_found_by_code_and_name() {
        let policies = testing::policies();
        let counters = policies.counters();
        let (code, counter) = counters.iter().next().unwrap();
        assert_eq!((counters.find(code), counters.find(counter.zh())), (Some(code), Some(code)));
        assert_eq!((counters.find("nowhere"), counters.get("nowhere")), (None, None));
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            ("code = \"gulou\"", "code = \"municipal\"", "code must not repeat, found municipal"),
            ("code = \"gulou\"", "code = \"Gulou\"", "code must be lower-case letters, digits and hyphens"),
            ("\"09:00\", \"10:00\"", "\"10:00\", \"09:00\"", "slots must be one or more, the earliest first"),
            ("\"09:00\", \"10:00\"", "\"9:00\", \"10:00\"", "each of slots must be a time HH:MM, found 9:00"),
            (
                "\"09:00\", \"10:00\"",
                "\"25:00\", \"10:00\"",
                "each of slots must be a time HH:MM, found 25:00",
            ),
            ("seats-per-slot = 12", "seats-per-slot = 0", "seats-per-slot must be 1 to 1000, found 0"),
        ] {
            let errors = testing::errors_after("counters.toml", old, new);
            assert!(errors.iter().any(|error| error.contains(rule)), "{rule}: {errors:?}");
        }
    }
}
