//! Text from files, one sandboxed child process per file: what breaks a parser, breaks a child and nothing else.
//! The child (`child`, `sandbox`, `formats`) has no network, no files, and limits on memory, CPU and output; the
//! parent (`parent`) holds it to wall time and output once more. Knows no database, object store or index.

pub mod child;
mod formats;
mod frame;
mod output;
mod parent;
mod probe;
mod sandbox;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::media_type::MediaType;

pub use frame::Confinement;
pub use parent::{ExtractError, Extractor, Probed};

/// Why a file of this type has no text that can be read here, so that no child need be started for it; `None` if one
/// may find some. Scans await text recognition; in signatures nothing is looked for.
pub(crate) fn unread(media_type: MediaType) -> Option<Reason> {
    use MediaType::{P7m, P7s, Unknown};
    match media_type {
        picture if picture.is_picture() => Some(Reason::NoText),
        P7m | P7s | Unknown => Some(Reason::UnsupportedType),
        _ => None,
    }
}

/// What a child may use. Beyond a limit the child ends, and the text found until then is kept with a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Writable memory of a child, in bytes (`RLIMIT_DATA`): heap and stacks.
    pub memory_bytes: u64,
    /// Processor time of a child, in seconds (`RLIMIT_CPU`).
    pub cpu_seconds: u64,
    /// Time from start to end of a child, in milliseconds.
    pub wall_ms: u64,
    /// Longest file that is given to a child, in bytes.
    pub input_bytes: u64,
    /// Most text that is kept of one file, in bytes of UTF-8.
    pub text_bytes: u64,
    /// Most pages that are kept of one file.
    pub pages: u32,
    /// How deep archives and mails are opened that lie inside one another.
    pub depth: u32,
    /// Most bytes that the archives of one file may unpack to, all together.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 192 << 20,
            cpu_seconds: 30,
            wall_ms: 60_000,
            input_bytes: 64 << 20,
            text_bytes: 16 << 20,
            pages: 5_000,
            depth: 4,
            unpacked_bytes: 128 << 20,
        }
    }
}

/// The text of one page; for formats without pages, of one sheet, slide, chapter, part, or stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageText {
    /// The number of the page, from 1.
    pub number: u32,
    /// Its text in reading order, lines separated by line feeds.
    pub text: String,
}

/// What came out of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction {
    /// The pages that were read; with a flag, those read before it was raised.
    pub pages: Vec<PageText>,
    /// Why the text is missing or not complete.
    pub flag: Option<Reason>,
    /// The most memory the child had in use, in bytes, as it said itself; nothing if it was ended.
    pub peak_bytes: Option<u64>,
}

impl Extraction {
    /// Nothing was read, for `reason`.
    pub const fn flagged(reason: Reason) -> Self {
        Self { pages: Vec::new(), flag: Some(reason), peak_bytes: None }
    }

    /// How many words all pages have (runs between white space).
    pub fn words(&self) -> u64 {
        self.pages.iter().map(|page| page.text.split_whitespace().count() as u64).sum()
    }
}

/// Why the text of a file is missing or not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The file opens with a password only.
    Password,
    /// The file does not follow its format so far that nothing or not all can be read.
    Damaged,
    /// No text in this type of file is read.
    UnsupportedType,
    /// The file can be read but has no text: pictures, which need character recognition.
    NoText,
    /// The file is longer than what is given to a child.
    InputTooLarge,
    /// More text than is kept.
    TextTooLarge,
    /// More pages than are kept.
    TooManyPages,
    /// Archives, mails or elements inside one another beyond the limit.
    TooDeep,
    /// An archive that unpacks to more than the limit.
    UnpacksTooLarge,
    /// The child needed more memory than it may have.
    Memory,
    /// The child needed more processor time than it may have.
    Cpu,
    /// The child took longer than it may.
    Time,
    /// The child tried what the sandbox ends a process for.
    Forbidden,
    /// The child broke down for another reason.
    Crashed,
}

impl Reason {
    /// The reason as the database and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Damaged => "damaged",
            Self::UnsupportedType => "unsupported-type",
            Self::NoText => "no-text",
            Self::InputTooLarge => "input-too-large",
            Self::TextTooLarge => "text-too-large",
            Self::TooManyPages => "too-many-pages",
            Self::TooDeep => "too-deep",
            Self::UnpacksTooLarge => "unpacks-too-large",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Time => "time",
            Self::Forbidden => "forbidden",
            Self::Crashed => "crashed",
        }
    }
}
