//! Days in running text, in every German spelling: `12.3.2024`, `12. März 2024`, `2024-03-12`, `12.03.24`.
//! Knows only runs of letters and digits and what stands between them.

use jiff::civil::Date;

use super::fold;
use super::runs::Run;

/// A day found in a text: with two digits for the year it may be one of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: Date,
    /// The same day a century earlier, if only two digits of the year were written.
    pub or: Option<Date>,
    /// How many runs it takes.
    pub runs: usize,
}

/// The day that begins with the first of `runs`, if one does.
pub fn day_at(text: &str, runs: &[Run]) -> Option<Day> {
    let [first, second, third, ..] = runs else { return None };
    if !first.digits || !third.digits {
        return None;
    }
    let number = |run: &Run| run.of(text).parse::<i16>().ok();
    let gap = |from: &Run, to: &Run| text.get(from.end..to.start).unwrap_or("x").trim();
    let (before, after) = (gap(first, second), gap(second, third));
    let small = |run: &Run| i8::try_from(number(run)?).ok();
    if first.end - first.start == 4 {
        let numeric = second.digits && before == after && matches!(before, "-" | ".");
        return if numeric { whole(number(first)?, small(second)?, small(third)?) } else { None };
    }
    let month = if second.digits {
        let dotted = before == after && matches!(before, "." | "-" | "/");
        if dotted { small(second)? } else { return None }
    } else if matches!(before, "." | "") && matches!(after, "" | ".") {
        month_by_name(second.of(text))?
    } else {
        return None;
    };
    match third.end - third.start {
        4 => whole(number(third)?, month, small(first)?),
        2 if second.digits && before == "." => {
            let day = whole(2000 + number(third)?, month, small(first)?)?;
            Some(Day { or: Date::new(1900 + number(third)?, month, small(first)?).ok(), ..day })
        }
        _ => None,
    }
}

fn whole(year: i16, month: i8, day: i8) -> Option<Day> {
    if !(1500..=2299).contains(&year) {
        return None;
    }
    Some(Day { day: Date::new(year, month, day).ok()?, or: None, runs: 3 })
}

/// `März`, `Mrz`, `mar` → 3. Austrian names too.
pub fn month_by_name(name: &str) -> Option<i8> {
    let months: [&[&str]; 12] = [
        &["januar", "janner", "jan", "jan"],
        &["februar", "feber", "feb"],
        &["marz", "mrz", "mar"],
        &["april", "apr"],
        &["mai"],
        &["juni", "jun"],
        &["juli", "jul"],
        &["august", "aug"],
        &["september", "sept", "sep"],
        &["oktober", "okt"],
        &["november", "nov"],
        &["dezember", "dez"],
    ];
    if name.len() > 12 {
        return None;
    }
    let name = fold::folded(&fold::lower(name));
    let at = months.iter().position(|names| names.contains(&name.as_str()))?;
    i8::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::super::runs::runs_into;
    use super::*;

    fn day(text: &str) -> Option<(String, Option<String>)> {
        let mut runs = Vec::new();
        runs_into(text, &mut runs);
        day_at(text, &runs).map(|d| (d.day.to_string(), d.or.map(|o| o.to_string())))
    }

    #[test]
    fn every_spelling_of_a_day_is_the_same_day() {
        for text in [
            "12.3.2024",
            "12.03.2024",
            "12. 3. 2024",
            "12. März 2024",
            "12.März 2024",
            "12 Maerz 2024",
            "12. Mrz. 2024",
            "12. MÄRZ 2024",
            "12. Ma\u{308}rz\n2024",
            "2024-03-12",
            "12/3/2024",
        ] {
            assert_eq!(day(text), Some(("2024-03-12".to_owned(), None)), "{text}");
        }
        assert_eq!(day("12.03.24"), Some(("2024-03-12".to_owned(), Some("1924-03-12".to_owned()))));
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "31.2.2024",
            "12.13.2024",
            "1.2.3",
            "12 3 2024",
            "12.3",
            "G 815/2024",
            "12. Foo 2024",
            "99999.1.2024",
            "",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
