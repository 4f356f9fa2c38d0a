//! A file under a passphrase: a head that everybody reads, then AES-256-GCM segments of 64 KiB.
//!
//! Key: HKDF-SHA256(PBKDF2-HMAC-SHA256(passphrase, salt, iterations), salt "stammbuch/keys-backup/v1", info = both
//! lines of the head), so that no word of the head can be changed. Nonce: number of the segment (u64), three zero
//! bytes, 1 for the last one: none can be left out, moved or cut off.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, pbkdf2};

use super::keys::KeysHeader;
use super::{BackupError, file};
use crate::private_file;

const FIRST_LINE: &str = "stammbuch keys 1";
const SEGMENT_BYTES: usize = 64 * 1024;
const STORED_BYTES: usize = SEGMENT_BYTES + 16;
/// Of the passphrase: 16 random letters and digits have more than 80 bits.
const PASSPHRASE_MIN: usize = 16;
/// What a file may ask for: more would only keep the reader busy.
const ITERATIONS_MAX: u32 = 100_000_000;
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// A passphrase that is good enough.
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// The first line of a file of mode 0600.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let weak = || BackupError::Passphrase { path: path.to_owned(), min: PASSPHRASE_MIN };
        let opened = File::open(path).map_err(file(path))?;
        if opened.metadata().map_err(file(path))?.permissions().mode() & 0o077 != 0 {
            return Err(weak());
        }
        let mut line = Vec::new();
        BufReader::new(opened).take(HEAD_BYTES_MAX).read_until(b'\n', &mut line).map_err(file(path))?;
        let passphrase = line.trim_ascii();
        if passphrase.len() < PASSPHRASE_MIN { Err(weak()) } else { Ok(Self(passphrase.to_vec())) }
    }
}

fn key(passphrase: &Passphrase, head: &str, header: &KeysHeader) -> Option<LessSafeKey> {
    let iterations = NonZeroU32::new(header.iterations).filter(|count| count.get() <= ITERATIONS_MAX)?;
    let salt = hex::decode(&header.salt).ok()?;
    let mut stretched = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, &passphrase.0, &mut stretched);
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stammbuch/keys-backup/v1").extract(&stretched);
    Some(LessSafeKey::new(UnboundKey::from(secret.expand(&[head.as_bytes()], &AES_256_GCM).ok()?)))
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    let parts = number.to_be_bytes().into_iter().chain([0, 0, 0, u8::from(last)]);
    for (target, source) in nonce.iter_mut().zip(parts) {
        *target = source;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// The file on its way: it has its name once it is finished.
pub(super) struct Writing {
    path: PathBuf,
    new: PathBuf,
    out: BufWriter<File>,
    key: LessSafeKey,
    segment: Vec<u8>,
    next: u64,
}

impl Writing {
    pub(super) fn begin(
        path: &Path,
        header: &KeysHeader,
        passphrase: &Passphrase,
    ) -> Result<Self, BackupError> {
        let json = serde_json::to_string(header).map_err(|error| file(path)(error.into()))?;
        let head = format!("{FIRST_LINE}\n{json}\n");
        let key = key(passphrase, &head, header).ok_or(BackupError::Broken)?;
        let new = path.with_extension("new");
        let opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new);
        let mut out = BufWriter::new(opened.map_err(file(&new))?);
        out.write_all(head.as_bytes()).map_err(file(&new))?;
        let segment = Vec::with_capacity(STORED_BYTES);
        Ok(Self { path: path.to_owned(), new, out, key, segment, next: 0 })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            if self.segment.len() == SEGMENT_BYTES {
                self.seal(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.segment.len()));
            self.segment.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self, last: bool) -> Result<(), BackupError> {
        let sealed =
            self.key.seal_in_place_append_tag(nonce(self.next, last), Aad::empty(), &mut self.segment);
        sealed.map_err(|_| BackupError::Broken)?;
        self.out.write_all(&self.segment).map_err(file(&self.new))?;
        self.segment.clear();
        self.next += 1;
        Ok(())
    }

    /// Ends it durably; a file that has the name meanwhile stays.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        self.seal(true)?;
        let failed = file(&self.path);
        self.out.flush().map_err(&failed)?;
        self.out.get_ref().sync_all().map_err(&failed)?;
        std::fs::hard_link(&self.new, &self.path).map_err(&failed)?;
        std::fs::remove_file(&self.new).map_err(&failed)?;
        private_file::sync_folder_of(&self.path).map_err(&failed)
    }
}

/// The file being read.
pub(super) struct Reading {
    path: PathBuf,
    input: BufReader<File>,
    key: LessSafeKey,
    /// Where the first segment is.
    start: u64,
    next: u64,
    segments: u64,
}

impl Reading {
    /// Opens it; its head was read by whoever knows the passphrase or not, its first segment only by who does.
    pub(super) fn begin(path: &Path, passphrase: &Passphrase) -> Result<(KeysHeader, Self), BackupError> {
        let failed = file(path);
        let opened = File::open(path).map_err(&failed)?;
        let length = opened.metadata().map_err(&failed)?.len();
        let mut input = BufReader::new(opened);
        let (mut first, mut second) = (String::new(), String::new());
        let unlike = |got: &str| BackupError::Format {
            path: path.to_owned(),
            expected: FIRST_LINE,
            got: got.chars().take(40).collect(),
        };
        let read = input.by_ref().take(HEAD_BYTES_MAX).read_line(&mut first);
        if read.is_err() || first.trim_end() != FIRST_LINE {
            return Err(unlike(first.trim_end()));
        }
        input.by_ref().take(HEAD_BYTES_MAX).read_line(&mut second).map_err(|_| unlike("other bytes"))?;
        let header: KeysHeader = serde_json::from_str(&second).map_err(|_| unlike(second.trim_end()))?;
        let head = format!("{first}{second}");
        let sealed = || BackupError::Sealed { path: path.to_owned() };
        let key = key(passphrase, &head, &header).ok_or_else(sealed)?;
        let segments = length.saturating_sub(head.len() as u64).div_ceil(STORED_BYTES as u64);
        let start = head.len() as u64;
        Ok((header, Self { path: path.to_owned(), input, key, start, next: 0, segments }))
    }

    /// Begins anew with the first of them.
    pub(super) fn rewind(&mut self) -> Result<(), BackupError> {
        self.next = 0;
        self.input.seek(SeekFrom::Start(self.start)).map(drop).map_err(file(&self.path))
    }

    /// The next bytes; `None`: that was all, and all of it was there.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        if self.next == self.segments && self.next > 0 {
            return Ok(None);
        }
        let mut stored = Vec::with_capacity(STORED_BYTES);
        let read = self.input.by_ref().take(STORED_BYTES as u64).read_to_end(&mut stored);
        read.map_err(file(&self.path))?;
        let last = self.next + 1 >= self.segments;
        let opened = self.key.open_in_place(nonce(self.next, last), Aad::empty(), &mut stored);
        let opened = opened.map_err(|_| BackupError::Sealed { path: self.path.clone() })?.len();
        stored.truncate(opened);
        self.next += 1;
        Ok(Some(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> KeysHeader {
        KeysHeader {
            taken_at: "2026-05-04T12:00:00Z".parse().unwrap(),
            expires_at: "2026-06-04T12:00:00Z".parse().unwrap(),
            log_key: "log+1+key".to_owned(),
            iterations: 10,
            salt: "00112233445566778899aabbccddeeff".to_owned(),
        }
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase(text.as_bytes().to_vec())
    }

    fn read_all(path: &Path, passphrase: &Passphrase) -> Result<Vec<u8>, BackupError> {
        let (_, mut reading) = Reading::begin(path, passphrase)?;
        let mut all = Vec::new();
        while let Some(part) = reading.next()? {
            all.extend(part);
        }
        Ok(all)
    }

    #[test]
    fn what_was_written_is_read_by_its_passphrase_and_by_no_other_and_not_when_any_byte_differs() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES] {
            let path = folder.path().join(format!("{length}.keys"));
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut writing = Writing::begin(&path, &header(), &passphrase("one")).unwrap();
            writing.write(&bytes).unwrap();
            writing.finish().unwrap();
            assert_eq!(read_all(&path, &passphrase("one")).unwrap(), bytes);
            assert!(matches!(read_all(&path, &passphrase("two")), Err(BackupError::Sealed { .. })));
            let whole = std::fs::read(&path).unwrap();
            let head = whole.len() - length - 16 * length.div_ceil(SEGMENT_BYTES).max(1);
            for at in [0, 5, head - 10, head, whole.len() - 1] {
                let mut other = whole.clone();
                other[at] ^= 1;
                std::fs::write(&path, other).unwrap();
                assert!(read_all(&path, &passphrase("one")).is_err(), "byte {at} of {length}");
            }
            for cut in [head, whole.len() - 1, head + STORED_BYTES.min(whole.len() - head) / 2] {
                std::fs::write(&path, &whole[..cut]).unwrap();
                assert!(read_all(&path, &passphrase("one")).is_err(), "cut to {cut} of {length}");
            }
        }
        let two = folder.path().join(format!("{}.keys", 3 * SEGMENT_BYTES));
        let mut writing = Writing::begin(&folder.path().join("w"), &header(), &passphrase("one")).unwrap();
        writing.write(&vec![7; 3 * SEGMENT_BYTES]).unwrap();
        writing.finish().unwrap();
        let whole = std::fs::read(folder.path().join("w")).unwrap();
        std::fs::write(&two, &whole[..whole.len() - STORED_BYTES]).unwrap();
        assert!(read_all(&two, &passphrase("one")).is_err(), "a whole segment is cut off");
    }

    #[test]
    fn a_passphrase_is_long_enough_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        for (text, mode, good) in [
            ("sixteen letters!\n", 0o600, true),
            ("fifteen letters\n", 0o600, false),
            ("   fifteen letters   \n", 0o600, false),
            ("sixteen letters!\n", 0o640, false),
            ("", 0o600, false),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Passphrase::read(&path).is_ok(), good, "{text:?} {mode:o}");
        }
    }
}
