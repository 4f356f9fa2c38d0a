//! What a sender says about a document beside its bytes: parsed at the edge, never used as a path.

use jiff::civil::Date;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use crate::domain::digest::Sha256;
use crate::domain::restriction::Restriction;
use crate::register::{EntryKey, NotAKey};

/// The longest name of a file that is kept, in characters.
const FILE_NAME_MAX: usize = 255;

/// One line of text: NFC, no control characters, not empty, no blanks at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Line(String);

/// The name a file had where it came from, for display only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

/// The fields of an upload. All of them may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fields {
    /// The Sammelakte it belongs to.
    pub file: Option<Line>,
    /// Its title.
    pub title: Option<Line>,
    /// What kind of document it is, in the authority's words.
    pub kind: Option<Line>,
    /// Its file reference.
    pub reference: Option<Line>,
    /// The date it bears.
    pub date: Option<Date>,
    /// The register entry it belongs to.
    pub entry: Option<EntryKey>,
    /// Levels of PStV § 14 it has from its first moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
    /// What the sender calls this file, so that it is never taken in twice: see `database::sources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Sha256>,
}

/// Which field is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No field of an upload has this name.
    #[error(
        "{name} is no field of an upload: file, title, kind, reference, date, entry, restriction, source are"
    )]
    Unknown {
        /// Its name.
        name: String,
    },
    /// The field was given twice.
    #[error("{name} was given twice")]
    Twice {
        /// Its name.
        name: &'static str,
    },
    /// The text is longer than the field takes.
    #[error("{name} takes {max} characters; got {got}")]
    TooLong {
        /// Its name.
        name: &'static str,
        /// Characters it takes.
        max: usize,
        /// Characters that came.
        got: usize,
    },
    /// The text is more than a line.
    #[error(
        "{name} has a control character, one that overrides the direction of reading, or the sign for bytes that are \
         no UTF-8, at position {position}"
    )]
    Control {
        /// Its name.
        name: &'static str,
        /// Counted in characters from 1.
        position: usize,
    },
    /// Not a day of the calendar.
    #[error("date is a day as in 2024-02-29; got {got:?}")]
    Date {
        /// What came.
        got: String,
    },
    /// Not the address of a register entry.
    #[error("entry is register/office/year/number as in G/12345678/2024/815; {reason}")]
    Entry {
        /// What is wrong with it.
        reason: String,
    },
    /// Not levels.
    #[error(
        "restriction is levels of PStV § 14 with blanks between them, as in A D; there are A, B, C, D, T"
    )]
    Restriction,
    /// Not a digest.
    #[error("source is 64 hex digits, such as a SHA-256 over where the file lay and its bytes")]
    Source,
}

impl FieldError {
    /// The name of the field.
    pub fn field(&self) -> &str {
        match self {
            Self::Unknown { name } => name,
            Self::Twice { name } | Self::TooLong { name, .. } | Self::Control { name, .. } => name,
            Self::Date { .. } => "date",
            Self::Entry { .. } => "entry",
            Self::Restriction => "restriction",
            Self::Source => "source",
        }
    }
}

impl Line {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(name: &'static str, text: &str, max: usize) -> Result<Option<Self>, FieldError> {
        let text: String = text.trim().nfc().collect();
        let is_bad = |c: char| c.is_control() || overrides_direction(c) || c == char::REPLACEMENT_CHARACTER;
        if let Some(at) = text.chars().position(is_bad) {
            return Err(FieldError::Control { name, position: at + 1 });
        }
        match text.chars().count() {
            0 => Ok(None),
            got if got > max => Err(FieldError::TooLong { name, max, got }),
            _ => Ok(Some(Self(text))),
        }
    }
}

impl FileName {
    /// Makes a name fit to be shown: its last component, NFC, without controls and marks that turn the direction of
    /// reading, at most 255 characters. `None` if nothing is left.
    pub fn for_display(text: &str) -> Option<Self> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let shown = last.nfc().filter(|c| !c.is_control() && !turns_direction(*c));
        let shown: String = shown.take(FILE_NAME_MAX).collect();
        let shown = shown.trim();
        (!shown.is_empty() && shown != "." && shown != "..").then(|| Self(shown.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}') || overrides_direction(c)
}

/// Embeddings, overrides and isolates: with them a line can be made to read as another one.
const fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Fields {
    /// Takes one field. An empty text says nothing, as in a form that was sent with empty boxes.
    pub fn take(&mut self, name: &str, text: &str) -> Result<(), FieldError> {
        match name {
            "file" => set(&mut self.file, "file", Line::parse("file", text, 200)?),
            "title" => set(&mut self.title, "title", Line::parse("title", text, 500)?),
            "kind" => set(&mut self.kind, "kind", Line::parse("kind", text, 100)?),
            "reference" => set(&mut self.reference, "reference", Line::parse("reference", text, 200)?),
            "date" => set(&mut self.date, "date", date(text)?),
            "entry" => set(&mut self.entry, "entry", entry(text)?),
            "restriction" => set(&mut self.restriction, "restriction", restriction(text)?),
            "source" => set(&mut self.source, "source", source(text)?),
            _ => Err(FieldError::Unknown { name: name.chars().take(100).collect() }),
        }
    }

    /// Takes all fields of a list.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, FieldError> {
        let mut fields = Self::default();
        for (name, text) in pairs {
            fields.take(name, text)?;
        }
        Ok(fields)
    }
}

fn set<T>(field: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), FieldError> {
    if field.is_some() && value.is_some() {
        return Err(FieldError::Twice { name });
    }
    if value.is_some() {
        *field = value;
    }
    Ok(())
}

fn date(text: &str) -> Result<Option<Date>, FieldError> {
    let text = text.trim();
    let wrong = || FieldError::Date { got: text.chars().take(40).collect() };
    if text.is_empty() {
        return Ok(None);
    }
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text && date.year() >= 0);
    date.map(Some).ok_or_else(wrong)
}

fn entry(text: &str) -> Result<Option<EntryKey>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let mut parts = text.splitn(4, '/');
    let mut next = || parts.next().unwrap_or_default();
    let key = EntryKey::parse(next(), next(), next(), next());
    key.map(Some).map_err(|error: NotAKey| FieldError::Entry { reason: error.to_string() })
}

fn restriction(text: &str) -> Result<Option<Restriction>, FieldError> {
    let levels = Restriction::parse(text.split_whitespace()).map_err(|_| FieldError::Restriction)?;
    Ok((!levels.is_open()).then_some(levels))
}

fn source(text: &str) -> Result<Option<Sha256>, FieldError> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| FieldError::Source) }
}

/// The address of an entry as the document's row keeps it: `G/12345678/2024/815`.
pub fn entry_text(key: &EntryKey) -> String {
    key.path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_nfc_and_empty_ones_say_nothing() {
        let given = [
            ("title", " Anzeige fu\u{308}r Muster "),
            ("kind", ""),
            ("date", "2024-02-29"),
            ("entry", "G/12345678/2024/815-1"),
        ];
        let fields = Fields::parse(given).unwrap();
        assert_eq!(fields.title.unwrap().as_str(), "Anzeige für Muster");
        assert_eq!(fields.kind, None);
        assert_eq!(fields.date, Some(jiff::civil::date(2024, 2, 29)));
        assert_eq!(entry_text(&fields.entry.unwrap()), "G/12345678/2024/815-1");
    }

    #[test]
    fn what_is_no_value_of_its_field_is_refused_by_name() {
        let long = "x".repeat(501);
        let bad = [
            ("titel", "x", "titel"),
            ("title", long.as_str(), "title"),
            ("title", "a\nb", "title"),
            ("title", "Rechnung \u{202e}fdp", "title"),
            ("reference", "StA \u{2066}12", "reference"),
            ("date", "2023-02-29", "date"),
            ("date", "29.02.2024", "date"),
            ("date", "2024-02-29T00:00", "date"),
            ("entry", "G/12345678/2024", "entry"),
            ("entry", "X/12345678/2024/815", "entry"),
            ("entry", "G/12345678/2024/815/x", "entry"),
            ("restriction", "A E", "restriction"),
            ("restriction", "sperrvermerk", "restriction"),
            ("source", "abc", "source"),
            ("source", "../../../etc/passwd", "source"),
        ];
        for (name, text, field) in bad {
            let error = Fields::parse([(name, text)]).unwrap_err();
            assert_eq!(error.field(), field, "{name}={text}");
        }
        let twice = Fields::parse([("kind", "a"), ("kind", "b")]);
        assert_eq!(twice, Err(FieldError::Twice { name: "kind" }));
        assert!(Fields::parse([("title", &*"x".repeat(500))]).is_ok());
    }

    #[test]
    fn a_file_name_is_made_fit_to_be_shown() {
        let shown = |text: &str| FileName::for_display(text).map(|name| name.as_str().to_owned());
        assert_eq!(shown("C:\\Users\\x\\Brief.pdf").as_deref(), Some("Brief.pdf"));
        assert_eq!(shown("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(shown("A\u{308}nderung.pdf").as_deref(), Some("Änderung.pdf"));
        assert_eq!(shown("rechnung\u{202e}fdp.exe").as_deref(), Some("rechnungfdp.exe"));
        assert_eq!(shown("a\r\nSet-Cookie: b").as_deref(), Some("aSet-Cookie: b"));
        assert_eq!(shown(&"x".repeat(300)).map(|name| name.len()), Some(FILE_NAME_MAX));
        for nothing in ["", "..", ".", "/", "a/", "\0\n"] {
            assert_eq!(shown(nothing), None, "{nothing:?}");
        }
    }
}
