//! `Upload-Metadata` of tus: what a client says of the file, in the words of the query of `POST /v1/documents` and
//! parsed by the same code, with the file's name and type beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::intake::fields::{FieldError, Fields, FileName};

/// The longest header that is taken, in bytes.
pub const METADATA_BYTES_MAX: usize = 8 * 1024;
/// The longest type that is taken, in bytes.
const TYPE_BYTES_MAX: usize = 255;

/// What is said of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// As sent.
    pub raw: String,
    /// The fields of the document.
    pub fields: Fields,
    /// `filename`, fit to be shown.
    pub file_name: Option<FileName>,
    /// `filetype`: a claim that is checked.
    pub content_type: Option<String>,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The header is too long.
    #[error("Upload-Metadata takes {METADATA_BYTES_MAX} bytes; got {got}")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// A pair has no key, or more than a key and a value.
    #[error("pair {number} of Upload-Metadata is not a key, a space and a value in base64")]
    Pair {
        /// Counted from 1.
        number: usize,
    },
    /// A value is not base64 with padding.
    #[error("the value of {key} in Upload-Metadata is not base64")]
    Base64 {
        /// The key.
        key: String,
    },
    /// A value is not text.
    #[error("the value of {key} in Upload-Metadata is not UTF-8")]
    Text {
        /// The key.
        key: String,
    },
    /// A key stands there twice.
    #[error("{key} is twice in Upload-Metadata")]
    Twice {
        /// The key.
        key: String,
    },
    /// The type is no type.
    #[error(
        "filetype in Upload-Metadata is a type such as application/pdf, of at most {TYPE_BYTES_MAX} bytes"
    )]
    Type,
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl Metadata {
    /// Parses the header; an empty one says nothing.
    pub fn parse(header: &str) -> Result<Self, MetadataError> {
        if header.len() > METADATA_BYTES_MAX {
            return Err(MetadataError::TooLong { got: header.len() });
        }
        let mut metadata = Self { raw: header.to_owned(), ..Self::default() };
        if header.trim().is_empty() {
            return Ok(metadata);
        }
        let mut seen = Vec::new();
        for (number, pair) in (1..).zip(header.split(',')) {
            let (key, encoded) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) || encoded.contains(' ') {
                return Err(MetadataError::Pair { number });
            }
            let named: String = key.chars().take(40).collect();
            if seen.contains(&key) {
                return Err(MetadataError::Twice { key: named });
            }
            seen.push(key);
            let bytes = STANDARD.decode(encoded).map_err(|_| MetadataError::Base64 { key: named.clone() })?;
            let text = String::from_utf8(bytes).map_err(|_| MetadataError::Text { key: named })?;
            metadata.take(key, &text)?;
        }
        Ok(metadata)
    }

    fn take(&mut self, key: &str, text: &str) -> Result<(), MetadataError> {
        match key {
            "filename" => self.file_name = FileName::for_display(text),
            "filetype" => {
                if text.len() > TYPE_BYTES_MAX || !text.bytes().all(|b| matches!(b, 0x20..0x7f)) {
                    return Err(MetadataError::Type);
                }
                self.content_type = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            }
            _ => self.fields.take(key, text)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: impl AsRef<[u8]>) -> String {
        format!("{key} {}", STANDARD.encode(value))
    }

    #[test]
    fn fields_name_and_type_are_read() {
        let header = [
            pair("filename", "../Geburtsanzeige Mu\u{308}ller.pdf"),
            pair("filetype", "application/pdf"),
            pair("title", " Anzeige "),
            pair("entry", "G/12345678/2024/815"),
            "kind".to_owned(),
        ]
        .join(",");
        let metadata = Metadata::parse(&header).unwrap();
        assert_eq!(metadata.raw, header);
        assert_eq!(metadata.file_name.unwrap().as_str(), "Geburtsanzeige Müller.pdf");
        assert_eq!(metadata.content_type.as_deref(), Some("application/pdf"));
        assert_eq!(metadata.fields.title.unwrap().as_str(), "Anzeige");
        assert_eq!(metadata.fields.kind, None);
        for nothing in ["", "  ", "filename", "filetype ", "title "] {
            let metadata = Metadata::parse(nothing).unwrap();
            assert_eq!((metadata.fields, metadata.file_name), (Fields::default(), None), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        let key = |text: &str| text.to_owned();
        let long = pair("title", "x".repeat(METADATA_BYTES_MAX));
        let cases = [
            (long.clone(), MetadataError::TooLong { got: long.len() }),
            (key(","), MetadataError::Pair { number: 1 }),
            (key("kind,,title"), MetadataError::Pair { number: 2 }),
            (key("title YQ== YQ=="), MetadataError::Pair { number: 1 }),
            (key("ti\u{e4}tle YQ=="), MetadataError::Pair { number: 1 }),
            (key("title Anzeige!"), MetadataError::Base64 { key: key("title") }),
            (key("title YQ"), MetadataError::Base64 { key: key("title") }),
            (pair("title", [0xff, 0xfe]), MetadataError::Text { key: key("title") }),
            (key("kind YQ==,kind YQ=="), MetadataError::Twice { key: key("kind") }),
            (key("kind,kind"), MetadataError::Twice { key: key("kind") }),
            (pair("filetype", "text/plain\r\nX: y"), MetadataError::Type),
            (pair("filetype", "x".repeat(256)), MetadataError::Type),
            (pair("name", "x"), MetadataError::Field(FieldError::Unknown { name: key("name") })),
            (pair("title", "a\0b"), MetadataError::Field(FieldError::Control { name: "title", position: 2 })),
        ];
        for (header, expected) in cases {
            assert_eq!(Metadata::parse(&header), Err(expected), "{header:.80}");
        }
    }
}
