//! A bag is what its manifests say, no file more, none less, none other; or it is refused with the line that says so.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

use sha2::{Digest, Sha256, Sha512};

use super::super::folder::{Folder, What};
use super::line::{self, LineError};
use super::{DATA, DECLARATION, INFO};

/// The manifests that are believed, the one of our own first.
const ALGORITHMS: [(&str, usize); 2] = [("sha256", 64), ("sha512", 128)];
/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Why a folder is not a bag that is whole.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// A line of one of its files.
    #[error("{file}, line {line}: {reason}")]
    Line {
        /// Which file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Something that no line speaks of.
    #[error("{0}: {1}")]
    Whole(String, String),
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(String, #[source] io::Error),
}

/// Whether a folder says that it is a bag.
pub fn is_bag(folder: &Folder) -> bool {
    folder.file(DECLARATION).is_ok()
}

/// Reads all of it and compares it with its manifests.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(folder: &Folder) -> Result<(), BagError> {
    declaration(folder)?;
    if folder.file("fetch.txt").is_ok() {
        return Err(whole("fetch.txt", "parts of the payload lie elsewhere; such a bag is not taken"));
    }
    let found = payload(folder)?;
    oxum(folder, &found)?;
    let mut manifests = 0;
    for (algorithm, digits) in ALGORITHMS {
        let tags = format!("tagmanifest-{algorithm}.txt");
        check(folder, &tags, algorithm, digits, |_| true)?;
        let name = format!("manifest-{algorithm}.txt");
        let within = |path: &str| path.starts_with("data/");
        if let Some(listed) = check(folder, &name, algorithm, digits, within)? {
            manifests += 1;
            if let Some(extra) = found.files.iter().find(|path| !listed.contains(*path)) {
                return Err(whole(extra, &format!("it is not in {name}")));
            }
        }
    }
    if manifests == 0 {
        return Err(whole(
            DECLARATION,
            "there is no manifest of SHA-256 or SHA-512: it is no bag, or not whole yet",
        ));
    }
    Ok(())
}

fn whole(what: &str, reason: &str) -> BagError {
    BagError::Whole(what.to_owned(), reason.to_owned())
}

fn declaration(folder: &Folder) -> Result<(), BagError> {
    let mut said = 0;
    for line in lines(folder, DECLARATION)?.unwrap_or_default() {
        let (number, text) = line?;
        let good = match text.split_once(':') {
            Some(("BagIt-Version", version)) => matches!(version.trim(), "0.97" | "1.0"),
            Some(("Tag-File-Character-Encoding", encoding)) => encoding.trim().eq_ignore_ascii_case("utf-8"),
            _ => text.is_empty(),
        };
        if !good {
            let reason = "expected BagIt-Version: 1.0 or 0.97, and Tag-File-Character-Encoding: UTF-8".into();
            return Err(BagError::Line { file: DECLARATION.into(), line: number, reason });
        }
        said += usize::from(!text.is_empty());
    }
    if said == 2 { Ok(()) } else { Err(whole(DECLARATION, "it does not say version and encoding")) }
}

/// What lies in the payload.
struct Payload {
    files: Vec<String>,
    bytes: u64,
}

fn payload(folder: &Folder) -> Result<Payload, BagError> {
    let data = folder.folder(DATA).map_err(|error| BagError::Unreadable(DATA.into(), error))?;
    let mut payload = Payload { files: Vec::new(), bytes: 0 };
    for found in data.walk_all().map_err(|error| BagError::Unreadable(DATA.into(), error))? {
        let path = format!("{DATA}/{}", found.path);
        match found.what {
            What::File(size) => {
                payload.files.push(path);
                payload.bytes += size;
            }
            What::Passed(passed) => return Err(whole(&path, &passed.to_string())),
            What::Refused(refused) => return Err(whole(&path, &refused.to_string())),
        }
    }
    Ok(payload)
}

/// Bytes and files as `Payload-Oxum` counts them, if it is there: what was cut short shows before all is read.
fn oxum(folder: &Folder, payload: &Payload) -> Result<(), BagError> {
    for line in lines(folder, INFO)?.unwrap_or_default() {
        let (number, text) = line?;
        let Some(("Payload-Oxum", said)) = text.split_once(':') else { continue };
        let got = format!("{}.{}", payload.bytes, payload.files.len());
        if said.trim() != got {
            let reason = format!("the payload has {got} (bytes.files), not {}", said.trim());
            return Err(BagError::Line { file: INFO.into(), line: number, reason });
        }
    }
    Ok(())
}

/// Compares each file of a manifest, and gives their paths; none if there is no such manifest.
fn check(
    folder: &Folder,
    name: &str,
    algorithm: &str,
    digits: usize,
    within: impl Fn(&str) -> bool,
) -> Result<Option<HashSet<String>>, BagError> {
    let Some(lines) = lines(folder, name)? else { return Ok(None) };
    let mut listed = HashSet::new();
    for line in lines {
        let (number, text) = line?;
        let wrong = |reason: String| BagError::Line { file: name.to_owned(), line: number, reason };
        if text.is_empty() {
            continue;
        }
        let parsed = line::parse(&text, digits).map_err(|error: LineError| wrong(error.to_string()))?;
        if !within(parsed.raw) {
            return Err(wrong(format!("{:?} does not lie in {DATA}/", parsed.raw)));
        }
        let decoded = line::decode(parsed.raw);
        let (path, file) = match (folder.file(&decoded), folder.file(parsed.raw)) {
            (Ok(file), _) => (decoded, file),
            (_, Ok(file)) => (parsed.raw.to_owned(), file),
            (Err(error), _) => return Err(wrong(format!("{decoded:?} cannot be opened: {error}"))),
        };
        let got = if algorithm == "sha256" { digest::<Sha256>(file) } else { digest::<Sha512>(file) };
        let got = got.map_err(|error| wrong(format!("{path:?} cannot be read: {error}")))?;
        if got != parsed.digest {
            return Err(wrong(format!("{path:?} has the digest {got}")));
        }
        if !listed.insert(path) {
            return Err(wrong(format!("{:?} stands there twice", parsed.raw)));
        }
    }
    Ok(Some(listed))
}

fn digest<D: Digest>(mut file: File) -> io::Result<String> {
    let (mut hash, mut piece) = (D::new(), vec![0; PIECE_BYTES]);
    loop {
        let got = file.read(&mut piece)?;
        if got == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(piece.get(..got).unwrap_or_default());
    }
}

type NumberedLine = Result<(usize, String), BagError>;

/// The lines of a file of the bag, without their ends; none if it is not there.
fn lines(folder: &Folder, name: &str) -> Result<Option<Lines>, BagError> {
    match folder.file(name) {
        Ok(file) => Ok(Some(Lines { name: name.to_owned(), from: Some(BufReader::new(file)), number: 0 })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BagError::Unreadable(name.to_owned(), error)),
    }
}

#[derive(Default)]
struct Lines {
    name: String,
    from: Option<BufReader<File>>,
    number: usize,
}

impl Iterator for Lines {
    type Item = NumberedLine;

    fn next(&mut self) -> Option<NumberedLine> {
        let from = self.from.as_mut()?;
        self.number += 1;
        let (file, line) = (self.name.clone(), self.number);
        let mut text = Vec::new();
        if let Err(error) = from.take(LINE_BYTES_MAX).read_until(b'\n', &mut text) {
            self.from = None;
            return Some(Err(BagError::Unreadable(file, error)));
        }
        if text.is_empty() {
            return None;
        }
        if text.len() as u64 == LINE_BYTES_MAX {
            let reason = format!("longer than {LINE_BYTES_MAX} bytes");
            return Some(Err(BagError::Line { file, line, reason }));
        }
        match String::from_utf8(text) {
            Ok(text) => Some(Ok((line, text.trim_end_matches(['\r', '\n']).to_owned()))),
            Err(_) => Some(Err(BagError::Line { file, line, reason: "it is not UTF-8".into() })),
        }
    }
}
