//! From text to terms: each word as written, folded and stemmed at one position; divided words joined;
//! register numbers and days as terms of their own. Index and queries both read words here.

pub mod day;
pub mod fold;
mod plain;
pub mod runs;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub use day::{Day, day_at, month_by_name};
use frostem::{Algorithm, Stemmer};
pub use plain::plain;
use runs::{Joint, Run, runs_into};

use crate::search::reference::reference_at;

/// How a term came about. The word as written carries no mark, the others begin with a control character
/// that no word contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// As written, lower case.
    Exact,
    /// Another spelling: folded form or search form.
    Folded,
    /// The German stem of the folded form.
    Stem,
    /// A register number or a whole reference.
    Reference,
    /// A day.
    Day,
}

impl Form {
    const fn mark(self) -> Option<char> {
        match self {
            Self::Exact => None,
            Self::Folded => Some('\u{1}'),
            Self::Stem => Some('\u{2}'),
            Self::Reference => Some('\u{3}'),
            Self::Day => Some('\u{4}'),
        }
    }

    /// The term of this form for `text`.
    pub fn term(self, text: &str) -> String {
        self.mark().into_iter().chain(text.chars()).collect()
    }
}

/// Longer words are cut: in bytes.
const LONGEST_WORD: usize = 100;
/// More tied runs than this are not joined to one word.
const LONGEST_TIE: usize = 6;
const CACHED_WORDS: usize = 20_000;

/// The spellings of one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spellings {
    /// Lower case.
    pub exact: String,
    /// Folded form first, then the search form if it is another; never equal to `exact`.
    pub folded: Vec<String>,
    /// The stem if it is another than all those.
    pub stem: Option<String>,
    /// The folded form, also if it is the word itself.
    pub fold: String,
    /// The stem, also if it is the word itself.
    pub root: String,
}

/// The spellings of `word`.
pub fn spellings(word: &str) -> Spellings {
    let mut exact = fold::lower(word);
    cut(&mut exact);
    let fold = fold::folded(&exact);
    let search = fold::search_form(&exact);
    let root = if exact.bytes().any(|b| b.is_ascii_digit()) {
        fold.clone()
    } else {
        Stemmer::new(Algorithm::German).stem(&fold).into_owned()
    };
    let mut folded = Vec::new();
    if fold != exact {
        folded.push(fold.clone());
    }
    if search != exact && search != fold {
        folded.push(search);
    }
    let stem = (root != exact && !folded.contains(&root)).then(|| root.clone());
    Spellings { exact, folded, stem, fold, root }
}

fn cut(word: &mut String) {
    if word.len() > LONGEST_WORD {
        let end = (0..=LONGEST_WORD).rev().find(|at| word.is_char_boundary(*at)).unwrap_or(0);
        word.truncate(end);
    }
}

/// A term at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<'a> {
    pub term: &'a str,
    pub position: usize,
    /// Bytes of the text it came from.
    pub bytes: Range<usize>,
}

/// Reads texts; keeps the spellings of words it has met.
#[derive(Clone, Default)]
pub struct Analyzer {
    known: HashMap<Box<str>, Arc<[Box<str>]>>,
    runs: Vec<Run>,
    word: String,
}

impl Analyzer {
    /// Hands every term of `text` to `each`, positions never falling.
    pub fn read(&mut self, text: &str, each: &mut dyn FnMut(Placed<'_>)) {
        let plain = plain(text);
        self.read_plain(&plain.text, &mut |placed| {
            each(Placed { bytes: plain.origin(&placed.bytes), ..placed });
        });
    }

    fn read_plain(&mut self, text: &str, each: &mut dyn FnMut(Placed<'_>)) {
        let mut runs = std::mem::take(&mut self.runs);
        runs_into(text, &mut runs);
        let mut position = 0;
        for (at, run) in runs.iter().enumerate() {
            if at > 0 && run.joint != Joint::Divided {
                position += 1;
            }
            let rest = runs.get(at..).unwrap_or_default();
            named(text, rest, position, each);
            if let Some(tied) = tied(rest) {
                let joined: String = tied.iter().map(|run| run.of(text)).collect();
                let bytes = run.start..tied.last().map_or(run.end, |last| last.end);
                self.word(&joined, position, bytes, each);
            }
            self.word(run.of(text), position, run.start..run.end, each);
        }
        self.runs = runs;
    }

    fn word(&mut self, word: &str, position: usize, bytes: Range<usize>, each: &mut dyn FnMut(Placed<'_>)) {
        let mut lower = std::mem::take(&mut self.word);
        fold::lower_into(word, &mut lower);
        cut(&mut lower);
        let terms = match self.known.get(lower.as_str()) {
            Some(terms) => Arc::clone(terms),
            None => self.learn(&lower),
        };
        self.word = lower;
        for term in terms.iter() {
            each(Placed { term, position, bytes: bytes.clone() });
        }
    }

    fn learn(&mut self, lower: &str) -> Arc<[Box<str>]> {
        let spellings = spellings(lower);
        let folded = spellings.folded.iter().map(|form| Form::Folded.term(form));
        let stem = spellings.stem.iter().map(|form| Form::Stem.term(form));
        let terms: Arc<[Box<str>]> = std::iter::once(spellings.exact.clone())
            .chain(folded)
            .chain(stem)
            .filter(|term| !term.is_empty())
            .map(String::into_boxed_str)
            .collect();
        if self.known.len() >= CACHED_WORDS {
            self.known.clear();
        }
        self.known.insert(lower.into(), Arc::clone(&terms));
        terms
    }
}

/// The register number or day that begins here, as terms.
fn named(text: &str, rest: &[Run], position: usize, each: &mut dyn FnMut(Placed<'_>)) {
    let Some(first) = rest.first() else { return };
    let end = |runs: usize| rest.get(runs.saturating_sub(1)).map_or(first.end, |run| run.end);
    if !first.digits && first.end - first.start > 12 {
        return;
    }
    if let Some(reference) = reference_at(text, rest) {
        let bytes = first.start..end(reference.runs());
        for key in reference.keys() {
            each(Placed { term: &Form::Reference.term(&key), position, bytes: bytes.clone() });
        }
    }
    if let Some(day) = day_at(text, rest) {
        let bytes = first.start..end(day.runs);
        for day in [Some(day.day), day.or].into_iter().flatten() {
            each(Placed { term: &Form::Day.term(&day.to_string()), position, bytes: bytes.clone() });
        }
    }
}

/// The runs that make one word with the first of `rest`, if it begins such a word.
pub fn tied(rest: &[Run]) -> Option<&[Run]> {
    let (first, others) = rest.split_first()?;
    if first.joint != Joint::Apart {
        return None;
    }
    let more = others.iter().take_while(|run| run.joint != Joint::Apart).count();
    if more == 0 || more >= LONGEST_TIE { None } else { rest.get(..=more) }
}

#[cfg(test)]
mod tests;
