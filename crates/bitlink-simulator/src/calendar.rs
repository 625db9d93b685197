//! Dates and spans as firmware prints them.

/// Year, month, day, hour, minute, second of a Unix time, UTC.
fn civil(unix_s: u64) -> (u64, u64, u64, u64, u64, u64) {
    // Days since 0000-03-01, in eras of 400 years (the method is Howard Hinnant's `civil_from_days`).
    let (days, rest) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, doe) = (days / 146_097, days % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

/// `2026-01-01 00:00:00`.
pub(crate) fn date_time(unix_s: u64) -> String {
    let (year, month, day, hour, minute, second) = civil(unix_s);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `H:MM:SS`.
pub(crate) fn ago(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    //! Known dates.
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(date_time(0), "1970-01-01 00:00:00");
        assert_eq!(date_time(1_709_210_096), "2024-02-29 12:34:56");
        assert_eq!(date_time(1_767_225_600), "2026-01-01 00:00:00");
        assert_eq!(ago(3_725), "1:02:05");
    }
}
