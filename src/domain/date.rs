//! Days of the calendar as registers know them: whole, or only month and year, or only the year.
//! Also the time of day to the minute, and how both are written on a German certificate.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// A day, or what is known of it: `2024-03-12`, `2024-03` or `2024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartialDate {
    /// The whole day.
    Day(Date),
    /// Year and month (1 to 12).
    Month(i16, i8),
    /// Only the year.
    Year(i16),
}

/// The text is no day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a day is written YYYY-MM-DD, or YYYY-MM or YYYY if no more is known, between 1600 and 2199; got {0:?}"
)]
pub struct NotADate(pub String);

/// A time of day to the minute, `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

/// The text is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written hh:mm, 00:00 to 23:59; got {0:?}")]
pub struct NotATime(pub String);

impl PartialDate {
    /// The day, if it is known.
    pub const fn day(self) -> Option<Date> {
        match self {
            Self::Day(day) => Some(day),
            _ => None,
        }
    }

    /// The last day it can be: what a term that begins then is counted from when it must not end too early.
    pub fn latest(self) -> Date {
        match self {
            Self::Day(day) => day,
            Self::Month(year, month) => Date::new(year, month, 1).map_or(Date::MAX, Date::last_of_month),
            Self::Year(year) => Date::new(year, 12, 31).unwrap_or(Date::MAX),
        }
    }

    /// As a certificate prints it: `12. März 2024`, `März 2024`, `2024`.
    pub fn in_german(self) -> String {
        match self {
            Self::Day(day) => day_in_german(day),
            Self::Month(year, month) => format!("{} {year}", month_name(month)),
            Self::Year(year) => year.to_string(),
        }
    }
}

/// A day as a certificate prints it: `12. März 2024`.
pub fn day_in_german(day: Date) -> String {
    format!("{}. {} {}", day.day(), month_name(day.month()), day.year())
}

/// The day in Germany (Europe/Berlin) at an instant: the day of issue.
pub fn day_in_germany(at: Timestamp) -> Date {
    jiff::tz::TimeZone::get("Europe/Berlin").unwrap_or(jiff::tz::TimeZone::UTC).to_datetime(at).date()
}

fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|i| MONTHS.get(i)).copied().unwrap_or_default()
}

impl FromStr for PartialDate {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let digits = |part: &str, length| {
            (part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<i16>().ok())?
        };
        let mut parts = text.split('-');
        let year = parts.next().and_then(|p| digits(p, 4)).filter(|year| (1600..2200).contains(year));
        let month = parts.next().map(|p| digits(p, 2).filter(|month| (1..=12).contains(month)));
        let day = parts.next().map(|p| digits(p, 2));
        let small = |number: i16| i8::try_from(number).ok();
        let date = match (year, month, day, parts.next()) {
            (Some(year), None, None, None) => Some(Self::Year(year)),
            (Some(year), Some(Some(month)), None, None) => small(month).map(|month| Self::Month(year, month)),
            (Some(year), Some(Some(month)), Some(Some(day)), None) => small(month)
                .zip(small(day))
                .and_then(|(month, day)| Date::new(year, month, day).ok())
                .map(Self::Day),
            _ => None,
        };
        date.ok_or_else(|| NotADate(text.to_owned()))
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}

impl TimeOfDay {
    /// As a certificate prints it: `08:15 Uhr`.
    pub fn in_german(self) -> String {
        format!("{self} Uhr")
    }
}

impl FromStr for TimeOfDay {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let part = |part: &str, below: u8| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<u8>().ok().filter(|number| *number < below))?
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some(Self { hour: part(hour, 24)?, minute: part(minute, 60)? }))
            .ok_or_else(|| NotATime(text.to_owned()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_back_what_it_writes_and_prints_in_german() {
        for (text, german) in [("2024-03-12", "12. März 2024"), ("1912-02", "Februar 1912"), ("1899", "1899")]
        {
            let date: PartialDate = text.parse().unwrap();
            assert_eq!(date.to_string(), text);
            assert_eq!(date.in_german(), german);
        }
    }

    #[test]
    fn what_is_no_day_of_the_calendar_is_refused() {
        for bad in [
            "",
            "24-03-12",
            "2023-02-29",
            "2024-13",
            "2024-00-01",
            "2024-3-1",
            "2024-03-12-01",
            "12.03.2024",
            "1599",
            "٢٠٢٤",
            "+024",
        ] {
            assert_eq!(bad.parse::<PartialDate>(), Err(NotADate(bad.into())), "{bad}");
        }
        assert!("2024-02-29".parse::<PartialDate>().is_ok());
    }

    #[test]
    fn a_term_is_counted_from_the_last_day_a_partial_date_can_be() {
        let latest = |text: &str| text.parse::<PartialDate>().unwrap().latest().to_string();
        assert_eq!(latest("1914"), "1914-12-31");
        assert_eq!(latest("1916-02"), "1916-02-29");
        assert_eq!(latest("1914-06-28"), "1914-06-28");
    }

    #[test]
    fn the_day_of_issue_is_the_day_in_germany() {
        for (instant, day) in [
            ("2026-11-24T22:59:59Z", "2026-11-24"),
            ("2026-11-24T23:00:00Z", "2026-11-25"),
            ("2026-07-01T22:00:00Z", "2026-07-02"),
        ] {
            assert_eq!(day_in_germany(instant.parse().unwrap()).to_string(), day);
        }
    }

    #[test]
    fn a_time_is_to_the_minute_and_within_the_day() {
        for good in ["00:00", "08:15", "23:59"] {
            assert_eq!(good.parse::<TimeOfDay>().unwrap().to_string(), good);
        }
        for bad in ["", "24:00", "8:15", "08:60", "0815", "08:15:00", "+8:15", "08:+5"] {
            assert_eq!(bad.parse::<TimeOfDay>(), Err(NotATime(bad.into())), "{bad}");
        }
    }
}
