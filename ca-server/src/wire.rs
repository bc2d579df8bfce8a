//! The outside world's clock and randomness, in one place: everything below takes them as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use ca_verifier::{Serial, Time};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Failure;

/// Now.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Octets of the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| Failure::Randomness)?;
    Ok(octets)
}

/// A serial number that nobody can guess. Two equal draws in a row mean a stuck generator: issuing stops.
pub(crate) fn serial(prefix: u8) -> Result<Serial, Failure> {
    let (first, second) = (random::<17>()?, random::<17>()?);
    if first == second {
        return Err(Failure::Randomness);
    }
    Serial::from_random(prefix, &first).map_err(|_| Failure::Randomness)
}

/// The last second of `years` years that begin at `from`, by the calendar of China; 29 February becomes the 28th.
/// Both ends of a validity belong to it (RFC 5280 §4.1.2.5), so the next certificate may begin a second later.
pub(crate) fn last_second(from: Time, years: u16) -> Result<Time, Failure> {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").map_err(Failure::inconsistent)?;
    let start = jiff::Timestamp::from_second(from.secs()).map_err(Failure::inconsistent)?.to_zoned(zone);
    let end = start.checked_add(jiff::Span::new().years(i64::from(years))).map_err(Failure::inconsistent)?;
    Ok(Time::from_secs(end.timestamp().as_second() - 1))
}

/// A moment as RFC 3339 writes it.
pub(crate) fn rfc3339(text: &str) -> Option<Time> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    Some(Time::from_millis(timestamp.as_millisecond()))
}

/// The first moment of a day YYYY-MM-DD in China.
pub(crate) fn china_midnight(day: &str) -> Option<Time> {
    let day: jiff::civil::Date = day.parse().ok()?;
    let zoned = day.in_tz("Asia/Shanghai").ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

/// A moment on Nanjing's clocks, to the minute.
pub(crate) fn china_time(time: Time) -> String {
    let moment = jiff::Timestamp::from_second(time.secs()).ok();
    let local = moment.and_then(|moment| moment.in_tz("Asia/Shanghai").ok());
    local.map(|local| local.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

/// The day on Nanjing's calendars.
pub(crate) fn china_day(time: Time) -> Result<jiff::civil::Date, Failure> {
    let moment = jiff::Timestamp::from_millisecond(time.millis()).map_err(Failure::inconsistent)?;
    Ok(moment.in_tz("Asia/Shanghai").map_err(Failure::inconsistent)?.date())
}

/// As RFC 3339 writes it, UTC, with milliseconds.
pub(crate) fn to_millisecond(time: Time) -> String {
    jiff::Timestamp::from_millisecond(time.millis())
        .map(|timestamp| timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_default()
}

/// IMF-fixdate (RFC 9110 §5.6.7).
pub(crate) fn http_date(time: Time) -> String {
    jiff::Timestamp::from_second(time.secs())
        .map(|timestamp| timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_and_dates() {
        let leap_day = Time::from_secs(1_709_164_800); // 2024-02-29T00:00:00Z, 08:00 in China
        assert_eq!(last_second(leap_day, 1).unwrap().to_string(), "2025-02-27T23:59:59Z");
        assert_eq!(last_second(leap_day, 4).unwrap().to_string(), "2028-02-28T23:59:59Z");
        assert_eq!(to_millisecond(Time::from_millis(1_709_164_800_007)), "2024-02-29T00:00:00.007Z");
        assert_eq!(http_date(Time::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn serials_differ_and_carry_the_prefix() {
        let (one, other) = (serial(7).unwrap(), serial(7).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_bytes()[0], 7);
    }
}
