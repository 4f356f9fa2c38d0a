//! What is said of a file beside its bytes: a JSON object in a file beside it, or a line of a table at the top of the
//! folder. What is not known here is refused by name, so that nothing that was said is lost unnoticed.

use serde_json::{Map, Value};

use crate::domain::digest::Sha256;
use crate::intake::fields::{FieldError, Fields};

/// What the name of a file ends with that says something of the file before it.
pub const BESIDE: &str = ".stammbuch.json";

/// What an export writes and an import does not take over: the new installation has its own.
const OF_THE_ORIGIN: [&str; 12] = [
    "id",
    "state",
    "receivedAt",
    "receivedBy",
    "storedAt",
    "extractedAt",
    "pages",
    "words",
    "indexedAt",
    "flag",
    "problem",
    "text",
];

/// What is said of a file. All of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `title`, `kind`, `reference`, `date`, `file`, `entry`, in the words of an upload.
    pub fields: Vec<(String, String)>,
    /// Levels of PStV § 14: with one of them it exists for registrars only, from its first moment on.
    pub levels: Vec<String>,
    /// Seals it had from its entry where it comes from: the entry has to have them here too.
    pub seals: Vec<String>,
    /// Why it may not be erased, one reason for each hold.
    pub holds: Vec<String>,
    /// What it was called, if not as the file is.
    pub file_name: FileName,
    /// What it is; checked.
    pub media_type: Option<String>,
    /// The digest it must have.
    pub sha256: Option<Sha256>,
    /// How many bytes it must have.
    pub size: Option<u64>,
}

/// What a document is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FileName {
    /// As the file is.
    #[default]
    AsItLies,
    /// So.
    Said(String),
    /// It had no name.
    Without,
}

/// Why what is said cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaidError {
    /// Not JSON.
    #[error("it is not JSON (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON of another kind.
    #[error("it is not a JSON object")]
    Shape,
    /// A member that is not known.
    #[error("{0:?} is nothing that can be said of a file")]
    Unknown(String),
    /// A member is not of its type.
    #[error("{0:?} is not {1}")]
    Type(String, &'static str),
    /// A value is none of its field.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl Said {
    /// Reads the object beside a file.
    ///
    /// # Errors
    /// [`SaidError`].
    pub fn parse(json: &[u8]) -> Result<Self, SaidError> {
        let value: Value = serde_json::from_slice(json)
            .map_err(|error| SaidError::Json { line: error.line(), column: error.column() })?;
        match value {
            Value::Object(members) => Self::of(members),
            _ => Err(SaidError::Shape),
        }
    }

    /// Reads the members of an object.
    ///
    /// # Errors
    /// [`SaidError`].
    pub fn of(members: Map<String, Value>) -> Result<Self, SaidError> {
        let mut said = Self::default();
        for (name, value) in members {
            said.take(name, value)?;
        }
        // What the service would refuse is refused here, also where nothing is sent.
        said.checked()?;
        Ok(said)
    }

    fn take(&mut self, name: String, value: Value) -> Result<(), SaidError> {
        if name == "fileName" {
            let named = |value| text(&name, value).map(FileName::Said);
            self.file_name = if value.is_null() { FileName::Without } else { named(value)? };
            return Ok(());
        }
        if value.is_null() || OF_THE_ORIGIN.contains(&name.as_str()) {
            return Ok(());
        }
        match name.as_str() {
            "title" | "kind" | "reference" | "date" | "file" | "entry" => {
                let value = text(&name, value)?;
                self.fields.push((name, value));
            }
            "restriction" => {
                let (levels, seals) = texts(&name, value)?.into_iter().partition(|word| word.len() == 1);
                (self.levels, self.seals) = (levels, seals);
            }
            "holds" => self.holds = holds(&name, value)?,
            "mediaType" => self.media_type = Some(text(&name, value)?),
            "sha256" => {
                let wrong = |_| SaidError::Type(name.clone(), "a SHA-256 of 64 hex digits");
                self.sha256 = Some(text(&name, value)?.parse().map_err(wrong)?);
            }
            "size" => self.size = Some(value.as_u64().ok_or(SaidError::Type(name, "a number of bytes"))?),
            _ => return Err(SaidError::Unknown(name)),
        }
        Ok(())
    }

    /// Adds what is said of all files, where this one says nothing.
    #[must_use]
    pub fn or(mut self, defaults: &[(String, String)]) -> Self {
        for (name, value) in defaults {
            if !self.fields.iter().any(|(known, _)| known == name) {
                self.fields.push((name.clone(), value.clone()));
            }
        }
        self
    }

    /// As the fields of an upload, checked.
    ///
    /// # Errors
    /// If a value is none of its field.
    pub fn checked(&self) -> Result<Fields, FieldError> {
        let mut fields = Fields::default();
        self.pairs().try_for_each(|(name, value)| fields.take(name, &value))?;
        Ok(fields)
    }

    /// Name and value of each field of the upload.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, String)> {
        let levels = Some(self.levels.join(" ")).filter(|levels| !levels.is_empty());
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.clone()));
        fields.chain(levels.map(|levels| ("restriction", levels)))
    }

    /// The register entry it belongs to.
    pub fn entry(&self) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == "entry").map(|(_, value)| value.as_str())
    }
}

fn text(name: &str, value: Value) -> Result<String, SaidError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(SaidError::Type(name.to_owned(), "a text")),
    }
}

fn texts(name: &str, value: Value) -> Result<Vec<String>, SaidError> {
    match value {
        Value::Array(values) => values.into_iter().map(|value| text(name, value)).collect(),
        _ => Err(SaidError::Type(name.to_owned(), "a list of texts")),
    }
}

/// Reasons, alone or in the objects of an export.
fn holds(name: &str, value: Value) -> Result<Vec<String>, SaidError> {
    let Value::Array(values) = value else {
        return Err(SaidError::Type(name.to_owned(), "a list of reasons"));
    };
    let reason = |value: Value| match value {
        Value::Object(mut hold) => text(name, hold.remove("reason").unwrap_or_default()),
        other => text(name, other),
    };
    values.into_iter().map(reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_and_what_only_the_origin_knows_is_passed_over() {
        let json = r#"{"title":"Anzeige","entry":"G/12345678/2024/815","restriction":["A","sperrvermerk"],
            "holds":[{"id":"x","reason":"Rechtsstreit","placedAt":"2026-01-01T00:00:00Z"},"Prüfung"],
            "fileName":"Brief 1.pdf","size":7,"receivedAt":"2026-01-01T00:00:00Z","pages":3,"kind":null}"#;
        let said = Said::parse(json.as_bytes()).unwrap();
        assert_eq!(said.entry(), Some("G/12345678/2024/815"));
        assert_eq!((said.levels.join(","), said.seals.join(",")), ("A".into(), "sperrvermerk".into()));
        assert_eq!(said.holds, ["Rechtsstreit", "Prüfung"]);
        let said = said.or(&[("title".into(), "x".into()), ("kind".into(), "Altakte".into())]);
        let pairs: Vec<_> = said.pairs().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["entry=G/12345678/2024/815", "title=Anzeige", "kind=Altakte", "restriction=A"]);
    }

    #[test]
    fn what_cannot_be_taken_over_is_refused_by_name() {
        for (json, expected) in [
            (r#"{"titel":"x"}"#, SaidError::Unknown("titel".into())),
            (r#"{"title":7}"#, SaidError::Type("title".into(), "a text")),
            (r#"{"restriction":"A"}"#, SaidError::Type("restriction".into(), "a list of texts")),
            (r#"{"restriction":["E"]}"#, SaidError::Field(FieldError::Restriction)),
            (r#"{"holds":[{}]}"#, SaidError::Type("holds".into(), "a text")),
            (r#"{"date":"29.2.2024"}"#, SaidError::Field(FieldError::Date { got: "29.2.2024".into() })),
            (r#"{"sha256":"abc"}"#, SaidError::Type("sha256".into(), "a SHA-256 of 64 hex digits")),
            ("[]", SaidError::Shape),
            ("{\n\"title\":", SaidError::Json { line: 2, column: 8 }),
        ] {
            assert_eq!(Said::parse(json.as_bytes()), Err(expected), "{json}");
        }
    }
}
