//! How long evidence stays, and on what grounds it is erased (§§ 5 to 7 PStG). Pure.

use jiff::civil::Date;

/// Years after which a register, and the Sammelakten with it, is offered to the archive (§ 5 (5), § 7 PStG).
const fn years(register: char) -> Option<i16> {
    match register {
        'G' => Some(110),
        'E' | 'L' => Some(80),
        'S' => Some(30),
        _ => None,
    }
}

/// The first day on which the term of an entry of `year` has ended: the years are counted from the end of the year
/// of the entry, the later of what the law may mean. None for what is no register.
pub fn first_day_after(register: char, year: i16) -> Option<Date> {
    Date::new(year.checked_add(years(register)?)?.checked_add(1)?, 1, 1).ok()
}

/// Why a document is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureReason {
    /// Its term has ended, and the archive has taken it over or declined it.
    TermEnded,
    /// It came here by mistake.
    Mistaken,
    /// It must not be kept.
    Unlawful,
    /// A court or a supervising authority has ordered it.
    Ordered,
}

impl ErasureReason {
    const ALL: [Self; 4] = [Self::TermEnded, Self::Mistaken, Self::Unlawful, Self::Ordered];

    /// The word for it in JSON and in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TermEnded => "term-ended",
            Self::Mistaken => "mistaken",
            Self::Unlawful => "unlawful",
            Self::Ordered => "ordered",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The provision that permits an act: `§ 7 Abs. 3 PStG`, `Art. 17 Abs. 1 Buchst. d DSGVO`. It stays for ever, so its
/// shape leaves no room for persons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision(String);

/// The text is no provision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a provision is like \"§ 7 Abs. 3 PStG\" or \"Art. 17 Abs. 1 Buchst. d DSGVO\"")]
pub struct NotAProvision;

impl Provision {
    /// Takes `§ NUMBER …` or `Art. NUMBER …`: then numbers, single letters, the words that divide a provision, and
    /// at last the name of the law, which has no small letters only (`PStG`, `BArchG`, `DSGVO`).
    ///
    /// # Errors
    /// If it has another shape.
    pub fn parse(text: &str) -> Result<Self, NotAProvision> {
        let words: Vec<&str> = text.split(' ').collect();
        let [sign, number, between @ .., law] = words.as_slice() else { return Err(NotAProvision) };
        let fits = ["§", "§§", "Art."].contains(sign)
            && is_number(number)
            && between.len() <= 10
            && between.iter().all(|word| is_number(word) || DIVIDES.contains(word) || word.len() == 1)
            && is_law(law);
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAProvision) }
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What divides a provision.
const DIVIDES: [&str; 9] = ["Abs.", "Satz", "Nr.", "Buchst.", "Halbsatz", "und", "bis", "i.V.m.", "§"];

/// `7`, `76a`, at most 6 characters.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && word.len() <= 6
        && word.len() - digits.len() <= 1
}

/// A short name with two capitals at least: an abbreviation of a law, not a person's name.
fn is_law(word: &str) -> bool {
    let letters = word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    letters && word.len() <= 12 && word.chars().filter(char::is_ascii_uppercase).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_are_those_of_the_registers() {
        for (register, year, day) in [
            ('G', 2024, "2135-01-01"),
            ('E', 1945, "2026-01-01"),
            ('L', 2010, "2091-01-01"),
            ('S', 1995, "2026-01-01"),
        ] {
            assert_eq!(first_day_after(register, year), Some(day.parse().unwrap()), "{register}");
        }
        assert_eq!(first_day_after('X', 2024), None);
        assert_eq!(first_day_after('G', i16::MAX), None);
    }

    #[test]
    fn a_provision_has_the_shape_of_one_and_no_room_for_a_name() {
        for good in [
            "§ 7 PStG",
            "§ 7 Abs. 3 PStG",
            "§ 76a Abs. 5 Satz 2 PStG",
            "Art. 17 Abs. 1 Buchst. d DSGVO",
            "§ 7 Abs. 3 i.V.m. § 5 Abs. 5 PStG",
            "§ 14 Abs. 3 PStV",
            "§ 5 BArchG",
        ] {
            assert_eq!(Provision::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "§",
            "§ 7",
            "§ Müller PStG",
            "§ 7 Mueller",
            "§ 7 Abs. 3 Mueller",
            "§ 7 Erika Muster PStG",
            "PStG § 7",
            "§ 7  PStG",
            "§ 7 Abs. 3 PStG ",
            "Art 17 DSGVO",
            "§ 7 ABCDEFGHIJKLM",
        ] {
            assert_eq!(Provision::parse(bad), Err(NotAProvision), "{bad:?}");
        }
    }

    #[test]
    fn the_words_for_reasons_read_back() {
        for reason in ErasureReason::ALL {
            assert_eq!(ErasureReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(ErasureReason::parse("because"), None);
    }
}
