//! Periods of days as people write them behind `datum:` and `jahr:`: a day, a month, a year, or from–to.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::search::analysis::runs::runs_into;
use crate::search::analysis::{day_at, month_by_name};

/// Days from the first to the last, both included; open where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl Period {
    /// Reads `2024`, `3.2024`, `2024-03`, `März 2024`, `12.3.2024`, `2020..2024`, `2020-2024`, `>=2020`, `<1.1.2020`,
    /// `bis 2020`, `ab 2020`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 {
            return None;
        }
        let after = |marks: [&str; 2]| marks.iter().find_map(|mark| text.strip_prefix(mark));
        if let Some(rest) = after([">=", "ab "]) {
            return Some(Self { from: span(rest)?.from, to: None });
        }
        if let Some(rest) = after(["<=", "bis "]) {
            return Some(Self { from: None, to: span(rest)?.to });
        }
        if let Some(rest) = text.strip_prefix('>') {
            return Some(Self {
                from: span(rest)?.to.and_then(|day| day.checked_add(1.day()).ok()),
                to: None,
            });
        }
        if let Some(rest) = text.strip_prefix('<') {
            return Some(Self {
                from: None,
                to: span(rest)?.from.and_then(|day| day.checked_sub(1.day()).ok()),
            });
        }
        if let Some(one) = span(text) {
            return Some(one);
        }
        for mark in ["..", "…", " bis ", "–", "-"] {
            if let Some((from, to)) = text.split_once(mark) {
                let open = |side: &str| side.trim().is_empty();
                let first = if open(from) { None } else { Some(span(from)?.from?) };
                let last = if open(to) { None } else { Some(span(to)?.to?) };
                return (first.is_some() || last.is_some()).then_some(Self { from: first, to: last });
            }
        }
        None
    }
}

/// A day, a month or a year.
fn span(text: &str) -> Option<Period> {
    let text = text.trim().trim_end_matches('.');
    let mut runs = Vec::new();
    runs_into(text, &mut runs);
    if runs.first()?.start > 0 || runs.last()?.end < text.len() {
        return None;
    }
    let between = |from: Date, to: Date| Some(Period { from: Some(from), to: Some(to) });
    if let (3, Some(day)) = (runs.len(), day_at(text, &runs)) {
        return between(day.day, day.day);
    }
    let number = |at: usize| runs.get(at).filter(|run| run.digits)?.of(text).parse::<i16>().ok();
    let is_year = |at: usize| runs.get(at).is_some_and(|run| run.digits && run.end - run.start == 4);
    let (year, month) = match runs.len() {
        1 if is_year(0) => {
            let year = number(0)?;
            return between(Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?);
        }
        2 if is_year(0) && !is_year(1) => (number(0)?, i8::try_from(number(1)?).ok()?),
        2 if is_year(1) => {
            let month = match number(0) {
                Some(month) => i8::try_from(month).ok()?,
                None => month_by_name(runs.first()?.of(text))?,
            };
            (number(1)?, month)
        }
        _ => return None,
    };
    let first = Date::new(year, month, 1).ok()?;
    between(first, first.last_of_month())
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from == to => write!(f, "{from}"),
            (from, to) => {
                let text = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
                write!(f, "{}..{}", text(from), text(to))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_read_in_every_spelling() {
        for (text, period) in [
            ("2024", "2024-01-01..2024-12-31"),
            ("3.2024", "2024-03-01..2024-03-31"),
            ("2024-02", "2024-02-01..2024-02-29"),
            ("März 2024", "2024-03-01..2024-03-31"),
            ("12.3.2024", "2024-03-12"),
            ("12. März 2024", "2024-03-12"),
            ("2024-03-12", "2024-03-12"),
            ("2020..2024", "2020-01-01..2024-12-31"),
            ("2020-2024", "2020-01-01..2024-12-31"),
            ("1.1.2020-31.3.2021", "2020-01-01..2021-03-31"),
            (">=2020", "2020-01-01.."),
            ("..2020", "..2020-12-31"),
            (">2020", "2021-01-01.."),
            ("<1.1.2020", "..2019-12-31"),
            ("ab 2020", "2020-01-01.."),
        ] {
            assert_eq!(Period::parse(text).map(|p| p.to_string()).as_deref(), Some(period), "{text}");
        }
        for bad in ["", "..", "x", "2024-13", "31.2.2024", "99999", "März"] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
    }
}
