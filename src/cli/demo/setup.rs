//! The demo's folder: keys, configuration, the sample authority with its two offices, and `demo.json`.
//! Made once and kept; a folder left half-made is made again. Serves nothing.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::Role;
use crate::app::SERVE_LOCK;
use crate::config::{AuthoritySigner, Config, RegistrarSigner, Token};
use crate::database::authorities::{self, DateError};
use crate::database::{Database, DatabaseError};
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random};
use crate::seal::demo_ca;
use crate::tlog::LogSigner;

/// The registrar of the demo.
pub const PERSON: &str = "Erika Beispiel";
const AUTHORITY: &str = "Standesamt Musterstadt";
const ORIGIN: &str = "musterstadt.example/log";
/// Number and name of each office.
pub const OFFICES: [(&str, &str); 2] = [("06499001", "Musterstadt-Mitte"), ("06499002", "Musterstadt-Süd")];
const CONFIG: &str = "stammbuch.toml";
const DEMO: &str = "demo.json";
const UNFINISHED: &str = ".unfinished";
/// What stands in it: only a folder with these words in it was begun here.
const MARK: &[u8] = b"stammbuch demo: being made\n";
const DATABASE: &str = "stammbuch.sqlite";
const KEYS: [&str; 7] = [
    "ca.pem",
    "registrar.key.pem",
    "registrar.pem",
    "authority.key.pem",
    "authority.pem",
    "log.key",
    "log.vkey",
];

/// Tokens in plain text: a demo's only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Uploads and orders.
    pub engine: String,
    /// Searches.
    pub clerk: String,
    /// Releases and issues.
    pub registrar: String,
    /// Reads the audit trail.
    pub auditor: String,
    /// Runs the installation.
    pub operator: String,
}

/// An entry of the demo and what can be issued from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The register: G.
    pub register: String,
    /// Number of the office.
    pub office: String,
    /// Year.
    pub year: i16,
    /// Number of the entry.
    pub number: String,
    /// Kinds that can be issued.
    pub kinds: Vec<String>,
}

/// `demo.json`: what others need to use the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Demo {
    /// Where it serves.
    pub url: String,
    /// The configuration file.
    pub config: PathBuf,
    /// Tokens by role.
    pub tokens: Tokens,
    /// PEM file of the CA to trust.
    pub ca: PathBuf,
    /// Verifier key of the log.
    pub log_key: String,
    /// Folder of checkpoint and tiles.
    pub log_dir: PathBuf,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Why the folder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The folder holds something else.
    #[error("{0} is not empty and holds no demo; choose another folder with --dir")]
    Foreign(PathBuf),
    /// What is there cannot be read.
    #[error("{path}: {reason}; remove the folder to begin anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificates.
    #[error("certificates of the demo")]
    Ca(#[from] crate::seal::issue::IssueError),
    /// No log key.
    #[error("key of the demo's log")]
    Log(#[from] crate::tlog::BadKey),
    /// No configuration.
    #[error("configuration of the demo")]
    Config(#[from] toml::ser::Error),
    /// No database.
    #[error("database of the demo")]
    Database(#[from] DatabaseError),
    /// No authority.
    #[error("authority of the demo")]
    Authority(#[from] DateError),
}

/// Whether a demo is in `folder`, or can be made there: it is not there, empty, or was begun before. Writes nothing.
///
/// # Errors
/// [`SetupError::Foreign`] if it holds something else.
pub fn not_foreign(folder: &Path) -> Result<(), SetupError> {
    if folder.join(DEMO).exists() || is_half_made(folder) || is_empty(folder) {
        return Ok(());
    }
    Err(SetupError::Foreign(folder.to_owned()))
}

/// Opens the demo in `folder`, or makes it. The caller holds the folder's lock. `entries` go into `demo.json`, `url` is where it will serve.
pub async fn open(
    folder: &Path,
    url: &str,
    entries: Vec<Entry>,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Demo, SetupError> {
    let path = folder.join(DEMO);
    let mut demo = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Demo>(&bytes)
            .map_err(|error| SetupError::Damaged { path: path.clone(), reason: error.to_string() })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(folder, now, random).await?,
        Err(source) => return Err(SetupError::File { path, source }),
    };
    url.clone_into(&mut demo.url);
    demo.entries = entries;
    write(&path, json_text(&demo).as_bytes())?;
    let _ = fs::remove_file(folder.join(UNFINISHED));
    Ok(demo)
}

/// Whether nothing is in the folder, or only the lock; also if it is not there.
fn is_empty(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return !folder.exists() };
    entries.filter_map(Result::ok).all(|entry| entry.file_name() == SERVE_LOCK)
}

fn is_half_made(folder: &Path) -> bool {
    fs::read(folder.join(UNFINISHED)).is_ok_and(|text| text == MARK)
}

/// Removes what a setup that was broken off has written, by name, and nothing else; the mark last.
fn clear(folder: &Path) -> Result<(), SetupError> {
    let fresh = |path: PathBuf| [path.with_extension("new"), path];
    let keys = folder.join("keys");
    let database = ["", "-wal", "-shm", "-journal"].map(|end| folder.join(format!("{DATABASE}{end}")));
    let written = KEYS.iter().flat_map(|name| fresh(keys.join(name))).chain(fresh(folder.join(CONFIG)));
    for path in written.chain(database).chain([folder.join(DEMO).with_extension("new")]) {
        removed(&path, fs::remove_file(&path))?;
    }
    removed(&keys, fs::remove_dir(&keys))?;
    let mark = folder.join(UNFINISHED);
    removed(&mark, fs::remove_file(&mark))
}

fn removed(path: &Path, outcome: std::io::Result<()>) -> Result<(), SetupError> {
    match outcome {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(SetupError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn json_text(demo: &Demo) -> String {
    serde_json::to_string_pretty(demo).unwrap_or_default() + "\n"
}

async fn make(folder: &Path, now: Timestamp, random: &dyn Random) -> Result<Demo, SetupError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| SetupError::File { path, source }
    };
    if is_half_made(folder) {
        clear(folder)?;
    }
    if !is_empty(folder) {
        return Err(SetupError::Foreign(folder.to_owned()));
    }
    fs::create_dir_all(folder.join("keys")).map_err(file(folder))?;
    let folder = &fs::canonicalize(folder).map_err(file(folder))?;
    write(&folder.join(UNFINISHED), MARK)?;
    let authority = AuthorityId::draw(random);
    let began = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let log_key = keys(folder, began, random)?;
    let tokens = draw_tokens(random);
    let config = config(authority, &tokens);
    write(&folder.join(CONFIG), toml::to_string_pretty(&config)?.as_bytes())?;
    found(&folder.join(DATABASE), authority, now).await?;
    Ok(Demo {
        url: String::new(),
        config: folder.join(CONFIG),
        tokens,
        ca: folder.join("keys/ca.pem"),
        log_key,
        log_dir: folder.join("objects/log"),
        entries: Vec::new(),
    })
}

/// Writes the keys of the CA's subjects and of the log; gives the log's verifier key.
fn keys(folder: &Path, not_before: Timestamp, random: &dyn Random) -> Result<String, SetupError> {
    let (given, family) = PERSON.split_once(' ').unwrap_or((PERSON, ""));
    let ca = demo_ca::make(demo_ca::Names { authority: AUTHORITY, given, family }, not_before, random)?;
    let (signer, secret) = LogSigner::generate(ORIGIN, random)?;
    let verifier = signer.verifier().to_string();
    let texts = [
        ca.ca.as_str(),
        ca.registrar.key.as_str(),
        ca.registrar.certificates.as_str(),
        ca.authority.key.as_str(),
        ca.authority.certificates.as_str(),
        secret.as_str(),
        verifier.as_str(),
    ];
    for (name, text) in KEYS.into_iter().zip(texts) {
        write(&folder.join("keys").join(name), text.as_bytes())?;
    }
    Ok(verifier)
}

fn draw_tokens(random: &dyn Random) -> Tokens {
    let draw = |role: &str| format!("demo-{role}-{}", hex::encode(random::bytes::<16>(random)));
    Tokens {
        engine: draw("engine"),
        clerk: draw("clerk"),
        registrar: draw("registrar"),
        auditor: draw("auditor"),
        operator: draw("operator"),
    }
}

fn config(authority: AuthorityId, tokens: &Tokens) -> Config {
    let mut config = Config { data_dir: ".".into(), ..Config::default() };
    ORIGIN.clone_into(&mut config.log.origin);
    config.signing.authorities.push(AuthoritySigner {
        authority,
        key_file: "keys/authority.key.pem".into(),
        certificates_file: "keys/authority.pem".into(),
        passphrase_file: None,
    });
    config.signing.registrars.push(RegistrarSigner {
        authority,
        person: PERSON.to_owned(),
        key_file: "keys/registrar.key.pem".into(),
        certificates_file: "keys/registrar.pem".into(),
        passphrase_file: None,
    });
    let token = |text: &str, client: &str, role: Role| Token {
        sha256: Sha256::of(text.as_bytes()),
        client: client.to_owned(),
        authority,
        roles: vec![role],
        person: matches!(role, Role::Registrar).then(|| PERSON.to_owned()),
        function: matches!(role, Role::Registrar).then(|| "Standesbeamtin".to_owned()),
    };
    config.access.tokens = vec![
        token(&tokens.engine, "demo-engine", Role::Engine),
        token(&tokens.clerk, "demo-clerk", Role::Clerk),
        token(&tokens.registrar, "demo-registrar", Role::Registrar),
        token(&tokens.auditor, "demo-auditor", Role::Auditor),
        token(&tokens.operator, "demo-operator", Role::Operator),
    ];
    config
}

/// The sample authority and its offices, since long before any entry.
async fn found(database: &Path, authority: AuthorityId, now: Timestamp) -> Result<(), SetupError> {
    let database = Database::open(&format!("sqlite:{}", database.display())).await?;
    let since = Timestamp::UNIX_EPOCH;
    database
        .write::<_, SetupError, _>(move |tx| {
            Box::pin(async move {
                authorities::found(tx, authority, true, now).await?;
                authorities::put(tx, authority, since, AUTHORITY, &json!({"place": "Musterstadt"})).await?;
                for (number, name) in OFFICES {
                    let details = json!({"place": "Musterstadt"});
                    authorities::put_office(tx, authority, number, since, name, &details).await?;
                }
                Ok(())
            })
        })
        .await?;
    database.close().await;
    Ok(())
}

/// Writes a file that only its owner reads.
fn write(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    let fresh = path.with_extension("new");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|source| SetupError::File { path: path.to_owned(), source })
}
