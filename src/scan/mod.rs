//! Scanning for viruses: bytes go to a scanner as they come, and what comes back is that nothing was found, that
//! something was, or nothing clear. What is not clear is never taken for clean.
//!
//! Knows neither documents nor HTTP.

mod answer;
pub mod clamd;
mod file;

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use file::{FileScan, Scanning};

/// The longest name of a signature.
const NAME_CHARS_MAX: usize = 200;

/// The name of what was found, as the scanner's signatures have it: 1 to 200 visible ASCII characters, no blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Signature(String);

impl Signature {
    /// As it was said.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Signature {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err("not the name of a signature".to_owned()) }
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a scanner has found in a file that it has looked at to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// Something, by this name.
    Found(Signature),
}

/// Why there is no clear answer. Says nothing about the file but its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Nobody answers at its address.
    #[error("the scanner cannot be reached: {0}")]
    Away(io::ErrorKind),
    /// It was waited for as long as is waited.
    #[error("the scanner was waited for longer than {0:?}")]
    Slow(Duration),
    /// The connection ended before the answer did.
    #[error("the scanner broke off")]
    Cut,
    /// It says that it failed.
    #[error("the scanner says that it failed")]
    Failed,
    /// It says something that is no answer, or answers before it has the whole file.
    #[error("the scanner does not answer as a scanner does")]
    Garbage,
    /// It takes no file of this size.
    #[error("the scanner takes no file of this size")]
    TooLarge,
    /// It has not looked at all of the file.
    #[error("the scanner did not look at all of the file")]
    Partial,
}

impl Unclear {
    /// Whether the same file may get a clear answer later, with nothing changed but time.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::TooLarge | Self::Partial)
    }
}

/// What is known of a file once it was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: no scanner is configured.
    NotScanned,
    /// The scanner has looked at all of it and found nothing.
    Clean,
    /// It has found something.
    Infected(Signature),
    /// It has not answered clearly.
    Unclear(Unclear),
}

/// Something that looks at files.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// Begins to look at one file.
    async fn begin(&self) -> Result<Box<dyn Scan>, Unclear>;

    /// Whether it is there and answers.
    async fn ping(&self) -> Result<(), Unclear>;
}

/// A scanner at work on one file. Dropped, it forgets the file.
#[async_trait]
pub trait Scan: Send {
    /// Hands it the next bytes. After an error there is no clear answer any more.
    async fn feed(&mut self, piece: &[u8]) -> Result<(), Unclear>;

    /// `Ok`: it has had every byte, has looked at the whole, and says this.
    async fn finish(self: Box<Self>) -> Result<Finding, Unclear>;
}
