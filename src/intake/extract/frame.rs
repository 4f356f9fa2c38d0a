//! What the child writes to the parent: frames of a length (four bytes, big-endian) and JSON.
//! The parent trusts none of it: every frame has an upper length.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::Reason;

/// The longest frame, in bytes; a page's text is at most a sixth of it, so that JSON escapes fit.
pub(super) const FRAME_BYTES_MAX: usize = 1 << 20;

/// One message of the child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "kebab-case")]
pub(super) enum Frame {
    /// The sandbox is closed; only now the file is read.
    Confined(Confinement),
    /// The text of the next page.
    Page { text: String },
    /// The end, with what was missing and the memory that was in use at most.
    Done { flag: Option<Reason>, peak_bytes: u64 },
    /// What a probe of the sandbox could do although it should not, or why it could not.
    Probed { outcome: String },
}

/// Which walls of the sandbox stand. The limits and the system call filter always do, or nothing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Confinement {
    /// Whether the kernel offers Landlock and denies all files and ports by it.
    pub landlock: bool,
}

/// Writes one frame and flushes it, so that it survives the child.
pub(super) fn write(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let json = serde_json::to_vec(frame)?;
    let length = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&json)?;
    out.flush()
}
