//! Maintenance: times in which nothing is told of some miners. Pure arithmetic of calendars.

use crate::rule::Selection;
use bitlink_model::Timestamp;
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they are the usual ones")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// A time in which nothing is told of some miners: every week, or once. What is wrong then is told when it is over, if it still is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Maintenance {
    /// What it is called.
    pub name: String,
    /// Of whom; none given: of all.
    #[serde(default, skip_serializing_if = "Selection::is_all")]
    pub only: Selection,
    /// On which days of the week it begins; none given: then `from` and `until` are points in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// From when on: `08:00`, or `2026-11-27T08:00`.
    pub from: String,
    /// Until when. A time of day that is not after `from` is that of the day after.
    pub until: String,
}

/// One that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) only: Selection,
    when: When,
}

#[derive(Debug, Clone)]
enum When {
    Weekly { days: Vec<Weekday>, from: Time, until: Time },
    Once { from: Timestamp, until: Timestamp },
}

impl Maintenance {
    /// Understands it.
    pub(crate) fn window(&self, zone: &TimeZone) -> Result<Window, String> {
        let when = if self.days.is_empty() {
            let time = |text: &str| -> Result<Timestamp, String> {
                let wrong =
                    || format!("{text:?} is no point in time: expected one like 2026-11-27T08:00, or days");
                if let Ok(at) = text.parse::<jiff::Timestamp>() {
                    return Ok(Timestamp::from_unix_millis(at.as_millisecond()));
                }
                let at: DateTime = text.parse().map_err(|_not_one| wrong())?;
                let at = at.to_zoned(zone.clone()).map_err(|_out_of_range| wrong())?;
                Ok(Timestamp::from_unix_millis(at.timestamp().as_millisecond()))
            };
            let (from, until) = (time(&self.from)?, time(&self.until)?);
            if from >= until {
                return Err("until is not after from".to_owned());
            }
            When::Once { from, until }
        } else {
            let time = |text: &str| {
                text.parse::<Time>()
                    .map_err(|_not_one| format!("{text:?} is no time of day: expected one like 08:00"))
            };
            let days = self.days.iter().map(|day| day.weekday()).collect();
            When::Weekly { days, from: time(&self.from)?, until: time(&self.until)? }
        };
        Ok(Window { only: self.only.clone(), when })
    }
}

impl Window {
    pub(crate) fn is_open(&self, now: Timestamp, zone: &TimeZone) -> bool {
        match &self.when {
            When::Once { from, until } => now >= *from && now < *until,
            When::Weekly { days, from, until } => {
                let Ok(at) = jiff::Timestamp::from_millisecond(now.as_unix_millis()) else { return false };
                let at = zone.to_datetime(at);
                let (today, time) = (at.date().weekday(), at.time());
                if from < until {
                    return days.contains(&today) && time >= *from && time < *until;
                }
                // Over midnight: its evening, or the morning after it.
                (days.contains(&today) && time >= *from)
                    || (days.contains(&today.previous()) && time < *until)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Weeks, nights and time zones.
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_unix_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn weekly(days: &[Day], from: &str, until: &str) -> Maintenance {
        Maintenance {
            name: "wash".to_owned(),
            days: days.to_vec(),
            from: from.to_owned(),
            until: until.to_owned(),
            ..Maintenance::default()
        }
    }

    #[test]
    fn weekly_once_over_midnight_and_by_the_clock_on_the_wall() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        // 2026-11-26 is a Thursday.
        let day = weekly(&[Day::Thu], "08:00", "12:00").window(&zone).unwrap();
        for (time, open) in [
            ("2026-11-26T05:59:59Z", false),
            ("2026-11-26T06:00:00Z", true),
            ("2026-11-26T09:59:59Z", true),
            ("2026-11-26T10:00:00Z", false),
            ("2026-11-27T07:00:00Z", false),
        ] {
            assert_eq!(day.is_open(at(time), &zone), open, "{time}");
        }
        let night = weekly(&[Day::Sun], "22:00", "02:00").window(&TimeZone::UTC).unwrap();
        for (time, open) in [
            ("2026-11-29T21:00:00Z", false),
            ("2026-11-29T23:00:00Z", true),
            ("2026-11-30T01:59:00Z", true),
            ("2026-11-30T02:00:00Z", false),
            ("2026-11-30T23:00:00Z", false),
        ] {
            assert_eq!(night.is_open(at(time), &TimeZone::UTC), open, "{time}");
        }
        let once = weekly(&[], "2026-11-27T08:00", "2026-11-27T10:00").window(&zone).unwrap();
        assert!(
            once.is_open(at("2026-11-27T06:00:00Z"), &zone)
                && !once.is_open(at("2026-11-27T08:00:00Z"), &zone)
        );
        for (days, from, until) in [
            (&[][..], "08:00", "12:00"),
            (&[Day::Mon][..], "8", "12:00"),
            (&[][..], "2026-11-27T10:00", "2026-11-27T08:00"),
        ] {
            assert!(weekly(days, from, until).window(&zone).is_err(), "{from}");
        }
    }
}
