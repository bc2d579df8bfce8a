//! `policies/calendar.toml`: working days, and deadlines counted in them (the guide: training is decided within three
//! working days). The day of the event does not count; the last day counts to its end.

use std::collections::BTreeSet;

use ca_verifier::Time;
use jiff::civil::{Date, Weekday};

use super::reader::{PolicyError, Reader, Section};
use crate::day::{day_of, midnight};

const YEARS: std::ops::RangeInclusive<i64> = 2004..=2100;
/// The longest holiday so far was nine days.
const RANGE_DAYS_MAX: usize = 15;

/// The end of a period counted in working days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The first moment that is too late.
    pub at: Time,
    /// It reaches into a year whose holidays are not published yet.
    pub estimated: bool,
}

/// Working days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeSet<i16>,
    off: BTreeSet<Date>,
    work: BTreeSet<Date>,
    sha256: [u8; 32],
}

impl Calendar {
    /// `days` working days after the day of `event`; `None` when the calendar of the computer ends before.
    #[must_use]
    pub fn deadline(&self, event: Time, days: u16) -> Option<Deadline> {
        let mut day = day_of(event)?;
        let mut estimated = false;
        let mut left = days;
        while left > 0 {
            day = day.tomorrow().ok()?;
            estimated |= !self.years.contains(&day.year());
            left -= u16::from(self.works(day));
        }
        Some(Deadline { at: midnight(day.tomorrow().ok()?)?, estimated })
    }

    /// Working days that end between `now` and a deadline: what is left, today not counted. Zero on the last day;
    /// `None` when it is over.
    #[must_use]
    pub fn days_left(&self, now: Time, deadline: Deadline) -> Option<u16> {
        if now >= deadline.at {
            return None;
        }
        let (mut day, end) = (day_of(now)?, day_of(deadline.at)?);
        let mut left: u16 = 0;
        loop {
            day = day.tomorrow().ok()?;
            if day >= end {
                return Some(left);
            }
            left = left.saturating_add(u16::from(self.works(day)));
        }
    }

    /// Whether people work on a day.
    #[must_use]
    pub fn works(&self, day: Date) -> bool {
        if self.off.contains(&day) {
            return false;
        }
        self.work.contains(&day) || !is_weekend(day)
    }

    /// Whether a day's year has no published holidays yet: what is said of the day is an estimate.
    #[must_use]
    pub fn is_estimated(&self, day: Date) -> bool {
        !self.years.contains(&day.year())
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<Calendar, Vec<PolicyError>> {
    reader.read(|section| {
        let found = section.tables("year", year)?;
        let mut calendar = Calendar {
            years: BTreeSet::new(),
            off: BTreeSet::new(),
            work: BTreeSet::new(),
            sha256: reader.sha256(),
        };
        for Year { year, off, work } in found {
            if !calendar.years.insert(year) {
                section.refuse("year", "year must not repeat", year.to_string());
            }
            calendar.off.extend(off);
            calendar.work.extend(work);
        }
        for both in calendar.off.intersection(&calendar.work) {
            section.refuse("year", "a day must not be both off and work", both.to_string());
        }
        Some(calendar)
    })
}

struct Year {
    year: i16,
    off: Vec<Date>,
    work: Vec<Date>,
}

fn year(section: &Section<'_>) -> Option<Year> {
    let year = section.integer("year", YEARS).and_then(|year| i16::try_from(year).ok());
    let source =
        section.parsed("source", "an https address", |text| text.starts_with("https://").then_some(()));
    let off = section.list("off", "YYYY-MM-DD, or YYYY-MM-DD/YYYY-MM-DD with at most 15 days", range);
    let work = section.list("work", "a Saturday or Sunday, YYYY-MM-DD", |text| {
        text.parse::<Date>().ok().filter(|day| is_weekend(*day))
    });
    let ((), year) = source.zip(year)?;
    let off: Vec<Date> = off?.into_iter().flat_map(|(_, days)| days).collect();
    let work: Vec<Date> = work?.into_iter().map(|(_, day)| day).collect();
    for (key, day) in off.iter().map(|day| ("off", day)).chain(work.iter().map(|day| ("work", day))) {
        let december_before = (day.year(), day.month()) == (year - 1, 12);
        if day.year() != year && !december_before {
            let rule = format!("days of {key} must be of {year} or of the December before");
            section.refuse(key, rule, day.to_string());
        }
    }
    Some(Year { year, off, work })
}

fn range(text: &str) -> Option<Vec<Date>> {
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let (first, last): (Date, Date) = (first.parse().ok()?, last.parse().ok()?);
    let days: Vec<Date> = first
        .series(jiff::Span::new().days(1))
        .take_while(|day| *day <= last)
        .take(RANGE_DAYS_MAX + 1)
        .collect();
    (1..=RANGE_DAYS_MAX).contains(&days.len()).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn calendar() -> Calendar {
        testing::policies().calendar().clone()
    }

    fn at(day: &str) -> Time {
        midnight(day.parse().unwrap()).unwrap().plus_secs(10 * 3600)
    }

    fn last_day(event: &str, days: u16) -> String {
        let deadline = calendar().deadline(at(event), days).unwrap();
        day_of(deadline.at.plus_secs(-1)).unwrap().to_string()
    }

    #[test]
    fn weekends_holidays_and_days_made_up() {
        for (day, works) in [
            ("2026-02-13", true),
            ("2026-02-14", true),  // Saturday, made up
            ("2026-02-15", false), // Sunday, holiday
            ("2026-02-17", false), // Tuesday, holiday
            ("2026-02-24", true),
            ("2026-02-28", true),
            ("2026-03-01", false), // ordinary Sunday
            ("2026-09-20", true),
        ] {
            assert_eq!(calendar().works(day.parse().unwrap()), works, "{day}");
        }
    }

    #[test]
    fn three_working_days() {
        // Monday to Thursday.
        assert_eq!(last_day("2026-11-23", 3), "2026-11-26");
        // Over a weekend.
        assert_eq!(last_day("2026-11-26", 3), "2026-12-01");
        // Over Spring Festival: Saturday the 14th is made up, then nine days off.
        assert_eq!(last_day("2026-02-13", 3), "2026-02-25");
        // A Sunday's request counts from Monday.
        assert_eq!(last_day("2026-11-22", 3), "2026-11-25");
        assert_eq!(last_day("2026-11-23", 0), "2026-11-23");
    }

    #[test]
    fn a_year_that_is_not_published_is_estimated() {
        let deadline = |day| calendar().deadline(at(day), 3).unwrap();
        assert!(!deadline("2026-12-25").estimated);
        assert!(deadline("2026-12-30").estimated);
        assert!(deadline("2031-06-02").estimated);
        assert!(calendar().is_estimated("2031-06-02".parse().unwrap()));
        assert!(!calendar().is_estimated("2026-06-02".parse().unwrap()));
    }

    #[test]
    fn time_left_and_overdue() {
        let deadline = calendar().deadline(at("2026-11-23"), 3).unwrap();
        for (now, left) in
            [("2026-11-23", Some(3)), ("2026-11-25", Some(1)), ("2026-11-26", Some(0)), ("2026-11-27", None)]
        {
            assert_eq!(calendar().days_left(at(now), deadline), left, "{now}");
        }
        assert_eq!(calendar().days_left(deadline.at.plus_secs(-1), deadline), Some(0));
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            ("year = 2026", "year = 2025", "year must not repeat, found 2025"),
            (
                "2026-02-15/2026-02-23",
                "2026-02-15/2026-03-23",
                "with at most 15 days, found 2026-02-15/2026-03-23",
            ),
            (
                "2026-02-15/2026-02-23",
                "2026-02-15/2026-02-14",
                "with at most 15 days, found 2026-02-15/2026-02-14",
            ),
            (
                "\"2026-01-04\"",
                "\"2026-01-05\"",
                "each of work must be a Saturday or Sunday, YYYY-MM-DD, found 2026-01-05",
            ),
            ("\"2026-02-28\"", "\"2026-02-22\"", "a day must not be both off and work, found 2026-02-22"),
            (
                "\"2025-01-01\"",
                "\"2024-11-01\"",
                "days of off must be of 2025 or of the December before, found 2024-11-01",
            ),
            ("source = \"https:", "source = \"http:", "source must be an https address"),
        ] {
            let errors = testing::errors_after("calendar.toml", old, new);
            assert!(errors.iter().any(|error| error.contains(rule)), "{rule}: {errors:?}");
        }
    }
}
