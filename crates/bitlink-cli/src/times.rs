//! Points in time as people write and read them: by the clock on their wall. Knows nothing of miners.

use bitlink_miner_manager::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};

/// What is understood, for help and errors.
pub(crate) const FORMS: &str =
    "6h (ago), 02:10, 2026-11-26, 2026-11-26T02:10, with Z or +01:00 behind it, or now";

/// Reads a point in time: a length of time is that long ago, and a time of day the last one.
pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    let refuse = || format!("expected a time like {FORMS}");
    if text == "now" {
        return Ok(now);
    }
    if let Ok(ago) = crate::text::parse_duration(text)
        && !text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(now.minus(ago));
    }
    let in_zone = |at: DateTime| {
        let at = at.to_zoned(zone.clone()).map_err(|_out_of_range| refuse())?;
        Ok(Timestamp::from_unix_millis(at.timestamp().as_millisecond()))
    };
    if let Ok(at) = text.parse::<Instant>() {
        return Ok(Timestamp::from_unix_millis(at.as_millisecond()));
    }
    // A time of day has no digits of a date before it.
    if text.find(':').is_some_and(|colon| colon <= 2)
        && let Ok(time) = text.parse::<Time>()
    {
        let today = zoned(now, zone).map_or_else(|| Date::constant(1970, 1, 1), |now| now.date());
        let at = in_zone(today.to_datetime(time))?;
        if at <= now {
            return Ok(at);
        }
        return in_zone(today.yesterday().map_err(|_out_of_range| refuse())?.to_datetime(time));
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return in_zone(at);
    }
    Err(refuse())
}

fn zoned(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    Some(Instant::from_millisecond(at.as_unix_millis()).ok()?.to_zoned(zone.clone()))
}

fn shown(at: Timestamp, zone: &TimeZone, form: &str) -> String {
    match zoned(at, zone) {
        Some(at) => at.strftime(form).to_string(),
        None => crate::text::UNKNOWN.to_owned(),
    }
}

/// With date and seconds.
pub(crate) fn full(at: Timestamp, zone: &TimeZone) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M:%S")
}

/// As much as tells two points of so long a time apart.
pub(crate) fn brief(at: Timestamp, zone: &TimeZone, span: std::time::Duration) -> String {
    const DAY: u64 = 86_400;
    shown(
        at,
        zone,
        match span.as_secs() {
            0..=600 => "%H:%M:%S",
            601..=DAY => "%H:%M",
            86_401..=864_000 => "%d %b %H:%M",
            _ => "%d %b %Y",
        },
    )
}

#[cfg(test)]
mod tests {
    //! Forms of times.
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        // 2023-11-14 22:13:20 UTC, 23:13:20 by the wall.
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, seconds) in [
            ("now", 1_700_000_000),
            ("6h", 1_700_000_000 - 21_600),
            ("1h30m", 1_700_000_000 - 5_400),
            ("02:10", 1_699_924_200),
            ("23:13:20", 1_700_000_000),
            ("23:13:21", 1_700_000_001 - 86_400),
            ("2023-11-14", 1_699_916_400),
            ("2023-11-14T02:10", 1_699_924_200),
            ("2023-11-14 02:10:05", 1_699_924_205),
            ("2023-11-14T02:10:00Z", 1_699_927_800),
            ("2023-11-14T02:10+03:00", 1_699_917_000),
        ] {
            assert_eq!(parse(text, now, &zone), Ok(Timestamp::from_unix_millis(seconds * 1000)), "{text}");
        }
        for text in ["", "yesterday", "25:00", "2023-13-01", "1700000000", "-6h", "99999-01-01"] {
            assert!(parse(text, now, &zone).is_err(), "{text}");
        }
        assert_eq!(full(now, &zone), "2023-11-14 23:13:20");
        assert_eq!(brief(now, &zone, std::time::Duration::from_hours(3)), "23:13");
        assert_eq!(full(Timestamp::from_unix_millis(i64::MAX), &zone), crate::text::UNKNOWN);
    }
}
