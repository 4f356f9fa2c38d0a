//! What a person typed, understood: words, phrases, exclusions, alternatives, fields, days, register numbers.
//! No text is a syntax error; what was understood is told. Knows nothing of the index.

mod parse;
mod period;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::Serialize;

pub use parse::parse;
pub use period::Period;

/// The longest query text in bytes.
pub const LONGEST_QUERY_BYTES: usize = 4_096;
/// The most words, phrases and other terms in a query.
pub const MOST_TERMS: usize = 64;

/// A query is refused only for its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is too long.
    #[error("a query has at most {LONGEST_QUERY_BYTES} bytes; got {got}")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// There are too many terms in it.
    #[error("a query has at most {MOST_TERMS} words, phrases or other terms; got {got}")]
    TooManyTerms {
        /// Its terms.
        got: usize,
    },
}

/// A query as it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// All of these must hold.
    pub clauses: Vec<Clause>,
    /// The normal form of the whole text as a reference, if it can be one.
    pub whole: Option<String>,
    /// Readings worth telling, such as a quotation mark that is never closed.
    pub remarks: Vec<Remark>,
}

/// One demand: at least one of the terms is there, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// None of them may be there.
    pub excluded: bool,
    /// The terms, joined by OR.
    pub any: Vec<Term>,
}

/// A term and the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As typed.
    pub typed: String,
    /// Where to look; `None` is everywhere.
    pub field: Option<Field>,
    /// What to look for.
    pub what: What,
}

/// The places a term can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// `titel:`
    Title,
    /// `az:`, `aktenzeichen:`
    Reference,
    /// `datei:`
    Name,
    /// `text:`
    Text,
}

/// What a term looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One word, or words in a row.
    Words(Words),
    /// Words that begin like this.
    Prefix(String),
    /// The kind of document.
    Kind(String),
    /// The date of the document lies in the period.
    Period(Period),
}

/// Words in a row and what else they may mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// The words, at least one.
    pub words: Vec<String>,
    /// The words written as one, if they are tied by a hyphen or apostrophe.
    pub joined: Option<String>,
    /// The key of the register number they write.
    pub reference: Option<String>,
    /// The days they write: two if the year has two digits.
    pub days: Vec<Date>,
    /// In quotation marks: not to be loosened.
    pub quoted: bool,
}

/// Something the reader of the query should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remark {
    /// A quotation mark was not closed: the phrase goes to the end.
    QuoteNotClosed,
    /// `foo:` is no field: read as words.
    UnknownField,
    /// Not a day or year: read as words.
    NotADate,
    /// Too short for a prefix: read as a word.
    PrefixTooShort,
    /// Nothing to look for: everything is found.
    Everything,
}

/// One part of the query, as told to the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Understood {
    /// As typed.
    pub text: String,
    /// `word`, `phrase`, `reference`, `day`, `prefix`, `kind` or `period`.
    #[serde(rename = "as")]
    pub as_: &'static str,
    /// The normal form of a register number, day or period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where it is looked for, if not everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Field>,
    /// Documents with it are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
    /// Or the part before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub or: bool,
}

impl Query {
    /// What was understood, part by part.
    pub fn understood(&self) -> Vec<Understood> {
        let part = |clause: &Clause, at: usize, term: &Term| Understood {
            text: term.typed.clone(),
            as_: term.what.name(),
            value: term.what.value(),
            field: term.field,
            excluded: clause.excluded,
            or: at > 0,
        };
        let parts = self
            .clauses
            .iter()
            .flat_map(|clause| clause.any.iter().enumerate().map(move |(at, term)| part(clause, at, term)));
        parts.collect()
    }

    /// How many terms there are.
    pub fn terms(&self) -> usize {
        self.clauses.iter().map(|clause| clause.any.len()).sum()
    }
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Words(words) if words.reference.is_some() => "reference",
            Self::Words(words) if !words.days.is_empty() => "day",
            Self::Words(words) if words.words.len() > 1 => "phrase",
            Self::Words(_) => "word",
            Self::Prefix(_) => "prefix",
            Self::Kind(_) => "kind",
            Self::Period(_) => "period",
        }
    }

    fn value(&self) -> Option<String> {
        match self {
            Self::Words(words) => {
                words.reference.clone().or_else(|| words.days.first().map(ToString::to_string))
            }
            Self::Period(period) => Some(period.to_string()),
            Self::Prefix(_) | Self::Kind(_) => None,
        }
    }
}
