//! File references: recognises register numbers in any spelling (`StA 12/2024-G-0815`, `G 815/2024`) and brings
//! every reference into one normal form. Knows nothing of the index.

use crate::search::analysis::runs::{Run, runs_into};
use crate::search::analysis::{fold, plain};

/// A register number as far as it was written: the year and the number at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The number of the office without leading zeros.
    pub office: Option<String>,
    /// The letter of the register, lower case.
    pub register: Option<char>,
    /// The year.
    pub year: u16,
    /// The number without leading zeros, `815` or `815-1`.
    pub number: String,
    /// How many runs of the text it takes.
    runs: usize,
}

impl Reference {
    /// How many runs of the text it takes.
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// The keys it can be found by, the most exact one first: with office, with register, bare, number only.
    pub fn keys(&self) -> Vec<String> {
        let bare = format!("{}/{}", self.year, self.number);
        let mut keys = Vec::with_capacity(4);
        if let Some(register) = self.register {
            if let Some(office) = &self.office {
                keys.push(format!("{office}/{register}/{bare}"));
            }
            keys.push(format!("{register}/{bare}"));
        }
        keys.push(bare);
        keys.push(number_key(&self.number));
        keys
    }

    /// The key as exact as what was written.
    pub fn key(&self) -> String {
        self.keys().into_iter().next().unwrap_or_default()
    }
}

/// The key of a bare number: `0815` and `815` alike.
pub fn number_key(number: &str) -> String {
    format!("#{}", fold::without_zeros(number))
}

/// The normal form of a whole reference of any kind: its words in folded form, joined by `/`.
/// `None` if there is no letter or digit in it. At most 200 bytes.
pub fn normal_form(reference: &str) -> Option<String> {
    let reference = &*plain(reference).text;
    let mut runs = Vec::new();
    runs_into(reference, &mut runs);
    let mut normal = String::new();
    for run in &runs {
        let part = fold::folded(&fold::lower(run.of(reference)));
        if normal.len() + part.len() > 200 {
            break;
        }
        if !normal.is_empty() {
            normal.push('/');
        }
        normal.push_str(&part);
    }
    (!normal.is_empty()).then_some(normal)
}

/// All register numbers in `text`.
pub fn references(text: &str) -> Vec<Reference> {
    let mut runs = Vec::new();
    runs_into(text, &mut runs);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = runs.get(at..).filter(|rest| !rest.is_empty()) {
        match reference_at(text, rest) {
            Some(reference) => {
                at += reference.runs.max(1);
                found.push(reference);
            }
            None => at += 1,
        }
    }
    found
}

/// The register number that begins with the first of `runs`, if one does.
pub fn reference_at(text: &str, runs: &[Run]) -> Option<Reference> {
    let first = runs.first()?;
    let short = first.end - first.start <= 11;
    if !short {
        return None;
    }
    let mut reader = Reader { text, runs, at: 0 };
    let word = if first.digits { String::new() } else { fold::lower(first.of(text)) };
    let prefixed = matches!(word.as_str(), "sta" | "standesamt");
    if prefixed {
        reader.at = 1;
    } else if !first.digits && word.len() > 1 {
        return None;
    }
    let reader = reader;
    [year_first, register_first, number_first].into_iter().find_map(|form| form(reader.clone(), prefixed))
}

#[derive(Clone)]
struct Reader<'t> {
    text: &'t str,
    runs: &'t [Run],
    at: usize,
}

impl Reader<'_> {
    fn digits(&mut self, longest: usize) -> Option<&str> {
        let run = self.runs.get(self.at).filter(|run| run.digits && run.end - run.start <= longest)?;
        self.at += 1;
        Some(run.of(self.text))
    }

    fn year(&mut self) -> Option<u16> {
        let digits = self.digits(4).filter(|digits| digits.len() == 4)?;
        digits.parse().ok().filter(|year| (1874..=2199).contains(year))
    }

    fn register(&mut self) -> Option<char> {
        let run = self.runs.get(self.at).filter(|run| !run.digits && run.end - run.start == 1)?;
        let letter = run.of(self.text).chars().next()?.to_ascii_lowercase();
        self.at += 1;
        matches!(letter, 'g' | 'e' | 'l' | 's').then_some(letter)
    }

    /// The number; with `-1` behind it if that was used again.
    fn number(&mut self) -> Option<String> {
        let number = fold::without_zeros(self.digits(6)?).to_owned();
        let again = self.clone().again();
        match again {
            Some(again) if self.gap() == "-" => {
                self.at += 1;
                Some(format!("{number}-{again}"))
            }
            _ => Some(number),
        }
    }

    fn again(&mut self) -> Option<String> {
        self.digits(3).map(|digits| fold::without_zeros(digits).to_owned())
    }

    /// What stands before the next run.
    fn gap(&self) -> &str {
        let end = self.at.checked_sub(1).and_then(|before| self.runs.get(before)).map_or(0, |run| run.end);
        let start = self.runs.get(self.at).map_or(end, |run| run.start);
        self.text.get(end..start).unwrap_or("x")
    }

    /// Only what separates the parts of a reference stands before the next run.
    fn close(&self) -> Option<bool> {
        let gap = self.gap();
        let near = gap.chars().count() <= 5
            && gap
                .chars()
                .all(|c| matches!(c, ' ' | '\n' | '\r' | '\u{a0}' | '/' | '-' | '–' | '_' | '.' | ':' | ','));
        near.then(|| gap.contains(['/', '-', '–', '_']))
    }
}

/// `StA 12/2024-G-0815`, `2024-G-815`.
fn year_first(mut reader: Reader, prefixed: bool) -> Option<Reference> {
    let mut marked = prefixed;
    let office = if prefixed || reader.clone().year().is_none() || reader.clone().two_numbers() {
        let office = fold::without_zeros(reader.digits(11)?).to_owned();
        marked |= reader.close()?;
        Some(office)
    } else {
        None
    };
    let year = reader.year()?;
    marked |= reader.close()?;
    let register = reader.register()?;
    marked |= reader.close()?;
    let number = reader.number()?;
    marked.then_some(Reference { office, register: Some(register), year, number, runs: reader.at })
}

/// `G 815/2024`, `G 815-1/2024`.
fn register_first(mut reader: Reader, _prefixed: bool) -> Option<Reference> {
    let register = reader.register()?;
    reader.close()?;
    let number = reader.number()?;
    if !reader.close()? || !reader.gap().contains('/') {
        return None;
    }
    let year = reader.year()?;
    Some(Reference { office: None, register: Some(register), year, number, runs: reader.at })
}

/// `815/2024`.
fn number_first(mut reader: Reader, prefixed: bool) -> Option<Reference> {
    if prefixed {
        return None;
    }
    let number = reader.number()?;
    if reader.gap().trim() != "/" {
        return None;
    }
    let year = reader.year()?;
    Some(Reference { office: None, register: None, year, number, runs: reader.at })
}

impl Reader<'_> {
    /// Two numbers follow: the first is an office, even if it looks like a year.
    fn two_numbers(&mut self) -> bool {
        self.digits(11).is_some() && self.year().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        references(text).first().map(Reference::key)
    }

    #[test]
    fn every_spelling_of_a_register_number_has_the_same_key() {
        for text in [
            "StA 12/2024-G-0815",
            "sta 12 / 2024 g 815",
            "StA12/2024G815",
            "STA 0012/2024-G-815",
            "Standesamt 12/2024/G/815",
            "12/2024-G-0815",
            "sta 12 2024 g 815",
            "(StA 12/2024-G-0815)",
        ] {
            assert_eq!(key(text).as_deref(), Some("12/g/2024/815"), "{text}");
        }
        for text in ["G 815/2024", "g815/2024", "G-0815/2024", "2024-G-815", "G 815 / 2024", "2024/G/0815"] {
            assert_eq!(key(text).as_deref(), Some("g/2024/815"), "{text}");
        }
        assert_eq!(key("815/2024").as_deref(), Some("2024/815"));
        assert_eq!(key("G 815-1/2024").as_deref(), Some("g/2024/815-1"));
        assert_eq!(key("StA 12/2024-G-0815-1").as_deref(), Some("12/g/2024/815-1"));
        assert_eq!(key("StA 05314000/2024-S-7").as_deref(), Some("5314000/s/2024/7"));
    }

    #[test]
    fn a_full_register_number_is_found_by_each_part_of_it() {
        let full = &references("Az. StA 12/2024-G-0815 vom 3.")[0];
        assert_eq!(full.keys(), ["12/g/2024/815", "g/2024/815", "2024/815", "#815"]);
        assert_eq!(number_key("0815"), "#815");
    }

    #[test]
    fn what_is_no_register_number_is_none() {
        for text in ["", "G", "2024", "12.3.2024", "G 815/3024", "am 3. 2024 G 8", "1.2/3", "§ 59 PStG"] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn any_reference_has_one_normal_form() {
        for text in ["VII-34.12/05 Müller", "vii 34 12 5 MUELLER", "VII/34/12/5/Muller"] {
            assert_eq!(normal_form(text).as_deref(), Some("vii/34/12/5/muller"));
        }
        assert_eq!(normal_form(" -/- "), None);
        assert!(normal_form(&"12345678/".repeat(10_000)).unwrap().len() <= 201);
    }
}
