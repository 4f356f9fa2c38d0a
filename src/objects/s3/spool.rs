//! A part of an upload on its way to the store: a file without a name, which the system removes whatever happens.
//!
//! S3 wants to know a part's length and digest before its first byte, and the bytes again if the answer gets lost.
//! In memory that would be megabytes for each upload. What is written here is already encrypted.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_types::byte_stream::{ByteStream, Length};
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use rustix::fs::{Mode, OFlags};

/// Bytes that are read from the file at a time when it is sent.
const READ_BYTES: usize = 64 * 1024;

/// The folder in which the nameless files are made.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<PathBuf>);

impl Spool {
    /// Makes the folder if it is not there (its parent must be).
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self(Arc::new(folder.canonicalize()?))),
        }
    }

    /// A new, empty file.
    pub(super) fn begin(&self) -> io::Result<Spooled> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&*self.0, flags, Mode::RUSR | Mode::WUSR)?);
        Ok(Spooled { file, length: 0, sha256: Context::new(&SHA256) })
    }
}

/// A file that is being filled.
pub(super) struct Spooled {
    file: File,
    length: u64,
    sha256: Context,
}

/// A file that is full.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    /// Its bytes, counted.
    pub(super) length: u64,
    /// Their digest.
    pub(super) sha256: [u8; 32],
}

impl Spooled {
    /// Bytes so far.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Appends the pieces. Blocks.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.file.write_all(piece)?;
            self.sha256.update(piece);
            self.length += piece.len() as u64;
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn end(self) -> Part {
        Part { file: self.file, length: self.length, sha256: finished(self.sha256) }
    }
}

impl Part {
    /// The bytes from the start, as often as they are asked for; the part must live as long.
    pub(super) async fn body(&self) -> io::Result<ByteStream> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let stream = ByteStream::read_from().path(path).length(Length::Exact(self.length));
        stream.buffer_size(READ_BYTES).build().await.map_err(io::Error::other)
    }
}

/// The digest as bytes.
pub(super) fn finished(context: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (target, source) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *target = *source;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_read_as_often_as_it_is_needed_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(&folder.path().join("spool")).unwrap();
        let mut spooled = spool.begin().unwrap();
        spooled.write(&[Bytes::from_static(b"one "), Bytes::from_static(b"part")]).unwrap();
        assert_eq!(spooled.length(), 8);
        let part = spooled.end();
        for _ in 0..2 {
            assert_eq!(part.body().await.unwrap().collect().await.unwrap().into_bytes(), "one part");
        }
        assert_eq!(part.sha256, ring::digest::digest(&SHA256, b"one part").as_ref());
        assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
    }
}
