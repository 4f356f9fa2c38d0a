//! `Range` (RFC 9110, section 14): one range of bytes, from the start, the middle or the end.

use std::ops::Range;

/// What part of a file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: nothing was asked, or nothing that is understood (which is to be ignored).
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// Bytes that are not there.
    Outside,
}

impl Part {
    /// The part of a file of `size` bytes that the header asks for. Several ranges get the whole file.
    pub(super) fn of(header: Option<&str>, size: u64) -> Self {
        let asked = header.and_then(|value| {
            let (unit, range) = value.split_once('=')?;
            if !unit.trim().eq_ignore_ascii_case("bytes") {
                return None;
            }
            range.trim().split_once('-')
        });
        match asked {
            Some((first, last)) => one(first, last, size).unwrap_or(Self::Whole),
            None => Self::Whole,
        }
    }
}

fn one(first: &str, last: &str, size: u64) -> Option<Part> {
    let part = |start: u64, end: u64| if start < end { Part::Bytes(start..end) } else { Part::Outside };
    match (first, last) {
        ("", count) => Some(part(size.saturating_sub(number(count)?), size)),
        (start, "") => Some(part(number(start)?, size)),
        (start, last) => {
            let (start, last) = (number(start)?, number(last)?);
            (start <= last).then(|| part(start, size.min(last.saturating_add(1))))
        }
    }
}

/// Digits only; what is too large for 64 bits lies behind every end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_in_each_form() {
        let table = [
            (None, Part::Whole),
            (Some("bytes=0-0"), Part::Bytes(0..1)),
            (Some("bytes=0-99"), Part::Bytes(0..100)),
            (Some("bytes=10-19"), Part::Bytes(10..20)),
            (Some("bytes=90-"), Part::Bytes(90..100)),
            (Some("bytes=90-1000"), Part::Bytes(90..100)),
            (Some("bytes=0-99999999999999999999999"), Part::Bytes(0..100)),
            (Some("Bytes= 5-6"), Part::Bytes(5..7)),
            (Some("bytes=-1"), Part::Bytes(99..100)),
            (Some("bytes=-100"), Part::Bytes(0..100)),
            (Some("bytes=-1000"), Part::Bytes(0..100)),
            (Some("bytes=100-"), Part::Outside),
            (Some("bytes=100-200"), Part::Outside),
            (Some("bytes=-0"), Part::Outside),
            (Some("bytes=20-10"), Part::Whole),
            (Some("bytes=a-b"), Part::Whole),
            (Some("bytes=-"), Part::Whole),
            (Some("bytes=0-1,5-6"), Part::Whole),
            (Some("lines=0-1"), Part::Whole),
            (Some("bytes"), Part::Whole),
        ];
        for (header, expected) in table {
            assert_eq!(Part::of(header, 100), expected, "{header:?}");
        }
    }
}
