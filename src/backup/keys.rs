//! The backup of the keys: master keys, wrapped keys, the log's key and those of signers as far as they are files, and
//! what was erased by then. One file under a passphrase, with an end after which nothing is restored from it: as long
//! as it lives, so does what was erased after it was made.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::erased::{self, Erased};
use super::folder::MARK;
use super::sealed_file::{Passphrase, Reading, Writing};
use super::{BackupError, file};
use crate::app::Inspection;
use crate::config::Config;
use crate::database::{Sink, dump};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::domain::random::{self, Random};

/// Rounds of PBKDF2-HMAC-SHA256 (OWASP, 2023: at least 600,000).
const ITERATIONS: u32 = 600_000;
/// The longest line: a row of the keystore has some 200 bytes, a file of certificates some kilobytes.
const LINE_BYTES_MAX: usize = 16 << 20;

/// What the file says to everybody; no word of it can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeysHeader {
    /// When the wrapped keys were read.
    pub taken_at: Timestamp,
    /// From then on nothing is restored from it.
    pub expires_at: Timestamp,
    /// The key that verifies the log's checkpoints: whose keys these are.
    pub log_key: String,
    /// Rounds of PBKDF2-HMAC-SHA256.
    pub iterations: u32,
    /// Its salt, hex.
    pub salt: String,
}

/// What a file of keys is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "file", rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum KeyFile {
    /// The master keys.
    Master { text: String },
    /// The log's signing key.
    Log { text: String },
    /// A signer: of an authority, or of a registrar of it.
    Signer { authority: AuthorityId, person: Option<String>, key: String, certificates: String },
}

/// A line of the file.
pub(super) enum KeyLine {
    File(KeyFile),
    Erased(Erased),
    /// The rest are rows of the keystore; the first of them names the migrations.
    Rows(String),
}

#[derive(Serialize, Deserialize)]
struct ErasedLine {
    erased: Erased,
}

/// Takes a backup of the keys.
///
/// # Errors
/// [`BackupError`]; the file is not there then.
pub async fn take(
    config: &Config,
    with: &Inspection,
    (path, passphrase): (&Path, &Path),
    expires_at: Timestamp,
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<KeysHeader, BackupError> {
    let refused = |rule| BackupError::Place { path: path.to_owned(), rule };
    if path.exists() {
        return Err(refused("is there already, and is not written over"));
    }
    let beside = path.ancestors().skip(1).any(|folder| folder.join(MARK).exists());
    if beside || is_within(path, &config.data_dir) {
        return Err(refused("keys are kept in another place than what they open"));
    }
    let salt: [u8; 16] = random::bytes(random);
    let header = KeysHeader {
        taken_at: clock.now(),
        expires_at,
        log_key: with.log_key.to_string(),
        iterations: ITERATIONS,
        salt: hex::encode(salt),
    };
    let mut lines = Lines(Writing::begin(path, &header, &Passphrase::read(passphrase)?)?);
    for key_file in files(config)? {
        lines.json(&key_file)?;
    }
    // Keys first, then what was erased: whose key is gone stands among the erased.
    let read = with.keystore_rows.read::<_, BackupError, _>(move |tx| {
        Box::pin(async move {
            dump::write(tx, &mut lines).await?;
            Ok(lines)
        })
    });
    let mut lines = read.await?;
    let mut after = DocumentId::from_bytes([0; 16]);
    loop {
        let (part, last) = with.database.read(move |tx| Box::pin(erased::next(tx, after))).await?;
        let Some(last) = last else { break };
        after = last;
        for erased in part {
            lines.json(&ErasedLine { erased })?;
        }
    }
    lines.0.finish()?;
    Ok(header)
}

fn is_within(path: &Path, folder: &Path) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) => parent.starts_with(folder),
        _ => false,
    }
}

/// The files of keys that the configuration names.
fn files(config: &Config) -> Result<Vec<KeyFile>, BackupError> {
    let read = |path: &PathBuf| {
        let path = config.path(path);
        std::fs::read_to_string(&path).map_err(file(&path))
    };
    let mut files = vec![
        KeyFile::Master { text: read(&config.keystore.master_key_file)? },
        KeyFile::Log { text: read(&config.log.key_file)? },
    ];
    let seals =
        config.signing.authorities.iter().map(|of| (of.authority, None, &of.key_file, &of.certificates_file));
    let registrars = config.signing.registrars.iter();
    let registrars =
        registrars.map(|of| (of.authority, Some(of.person.clone()), &of.key_file, &of.certificates_file));
    for (authority, person, key, certificates) in seals.chain(registrars) {
        let (key, certificates) = (read(key)?, read(certificates)?);
        files.push(KeyFile::Signer { authority, person, key, certificates });
    }
    Ok(files)
}

/// Lines on their way into the file.
struct Lines(Writing);

#[async_trait]
impl Sink for Lines {
    type Error = BackupError;

    async fn line(&mut self, line: String) -> Result<(), BackupError> {
        self.0.write(line.as_bytes())?;
        self.0.write(b"\n")
    }
}

impl Lines {
    fn json(&mut self, value: &impl Serialize) -> Result<(), BackupError> {
        let json = serde_json::to_string(value).map_err(|_| BackupError::Broken)?;
        self.0.write(json.as_bytes())?;
        self.0.write(b"\n")
    }
}

/// The file, opened to restore from.
pub(super) struct KeysFile {
    path: PathBuf,
    reading: Reading,
    held: Vec<u8>,
    at: usize,
}

impl KeysFile {
    /// Opens it, unless its time is over.
    pub(super) fn open(
        path: &Path,
        passphrase: &Path,
        now: Timestamp,
    ) -> Result<(KeysHeader, Self), BackupError> {
        let (header, reading) = Reading::begin(path, &Passphrase::read(passphrase)?)?;
        if header.expires_at <= now {
            return Err(BackupError::Expired { path: path.to_owned(), at: header.expires_at });
        }
        let mut opened = Self { path: path.to_owned(), reading, held: Vec::new(), at: 0 };
        // So that another passphrase is noticed before anything is begun.
        opened.held = opened.reading.next()?.unwrap_or_default();
        Ok((header, opened))
    }

    /// Begins anew with the first line.
    pub(super) fn rewind(&mut self) -> Result<(), BackupError> {
        self.reading.rewind()?;
        (self.held, self.at) = (Vec::new(), 0);
        Ok(())
    }

    /// The next line; `None`: that was all.
    pub(super) fn next(&mut self) -> Result<Option<KeyLine>, BackupError> {
        let unfit = || BackupError::Format {
            path: self.path.clone(),
            expected: "lines of keys",
            got: "something else".to_owned(),
        };
        let line = loop {
            let rest = self.held.get(self.at..).unwrap_or_default();
            if let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..length).unwrap_or_default().to_vec();
                self.at += length + 1;
                break String::from_utf8(line).map_err(|_| unfit())?;
            }
            if rest.len() > LINE_BYTES_MAX {
                return Err(unfit());
            }
            self.held.drain(..self.at);
            self.at = 0;
            match self.reading.next()? {
                Some(more) => self.held.extend_from_slice(&more),
                None if self.held.is_empty() => return Ok(None),
                None => return Err(unfit()),
            }
        };
        Ok(Some(if line.starts_with("{\"file\":") {
            KeyLine::File(serde_json::from_str(&line).map_err(|_| unfit())?)
        } else if line.starts_with("{\"erased\":") {
            let ErasedLine { erased } = serde_json::from_str(&line).map_err(|_| unfit())?;
            KeyLine::Erased(erased)
        } else {
            KeyLine::Rows(line)
        }))
    }
}
