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

/// Opens the demo in `folder`, or makes it. `entries` go into `demo.json`, `url` is where it will serve.
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

fn json_text(demo: &Demo) -> String {
    serde_json::to_string_pretty(demo).unwrap_or_default() + "\n"
}

async fn make(folder: &Path, now: Timestamp, random: &dyn Random) -> Result<Demo, SetupError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| SetupError::File { path, source }
    };
    let mut present = fs::read_dir(folder).map(|entries| entries.count()).unwrap_or(0);
    if folder.join(UNFINISHED).exists() {
        fs::remove_dir_all(folder).map_err(file(folder))?;
        present = 0;
    }
    if present > 0 {
        return Err(SetupError::Foreign(folder.to_owned()));
    }
    fs::create_dir_all(folder.join("keys")).map_err(file(folder))?;
    let folder = &fs::canonicalize(folder).map_err(file(folder))?;
    write(&folder.join(UNFINISHED), b"")?;
    let authority = AuthorityId::draw(random);
    let began = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let log_key = keys(folder, began, random)?;
    let tokens = draw_tokens(random);
    let config = config(authority, &tokens);
    write(&folder.join(CONFIG), toml::to_string_pretty(&config)?.as_bytes())?;
    found(&folder.join("stammbuch.sqlite"), authority, now).await?;
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
    for (name, text) in [
        ("ca.pem", ca.ca.as_str()),
        ("registrar.key.pem", ca.registrar.key.as_str()),
        ("registrar.pem", ca.registrar.certificates.as_str()),
        ("authority.key.pem", ca.authority.key.as_str()),
        ("authority.pem", ca.authority.certificates.as_str()),
        ("log.key", secret.as_str()),
        ("log.vkey", verifier.as_str()),
    ] {
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
    });
    config.signing.registrars.push(RegistrarSigner {
        authority,
        person: PERSON.to_owned(),
        key_file: "keys/registrar.key.pem".into(),
        certificates_file: "keys/registrar.pem".into(),
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
