//! Days as China counts them: one time zone, no summer time. What deliberately does not live here: today.

use ca_verifier::Time;
use jiff::{
    Timestamp,
    civil::Date,
    tz::{Offset, TimeZone},
};

fn china() -> TimeZone {
    TimeZone::fixed(Offset::constant(8))
}

/// The day of a moment; `None` outside the years -9999 to 9999.
pub(crate) fn day_of(time: Time) -> Option<Date> {
    Timestamp::from_millisecond(time.millis()).ok().map(|moment| china().to_datetime(moment).date())
}

/// The first moment of a day.
pub(crate) fn midnight(day: Date) -> Option<Time> {
    let zoned = day.to_zoned(china()).ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_sixteen_hours_utc() {
        let day: Date = "2026-01-01".parse().unwrap();
        let begin = midnight(day).unwrap();
        assert_eq!(begin.to_string(), "2025-12-31T16:00:00Z");
        assert_eq!(day_of(begin), Some(day));
        assert_eq!(day_of(begin.plus_secs(-1)), day.yesterday().ok());
        let leap_day: Date = "2024-02-29".parse().unwrap();
        assert_eq!(midnight(leap_day).unwrap().to_string(), "2024-02-28T16:00:00Z");
        assert_eq!(day_of(Time::from_millis(i64::MAX)), None);
    }
}
