//! Typed configuration: every key of config/default.toml, unknown keys refused with one clear line.
//!
//! Knows files and values; opens nothing else and makes nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;

mod events;
mod scan;
mod sections;
#[cfg(test)]
mod tests;

pub use events::{EventTarget, Events, TargetUrl};
pub use scan::{Scan, ScannerAddress};
pub use sections::{
    Database, Diagnostics, DiagnosticsFormat, Extractor, Http, Issue, Keystore, Limits, Log, ObjectLock,
    ObjectStoreKind, Objects, S3, Search, Uploads,
};

/// The settings of an installation, as config/default.toml explains them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How people reach it.
    pub public_url: PublicUrl,
    /// Everything this installation keeps; after [`Config::load`] relative to the working folder.
    pub data_dir: PathBuf,
    /// Threads, connections, time-outs.
    pub http: Http,
    /// The main database.
    pub database: Database,
    /// The database of wrapped keys.
    pub keystore: Keystore,
    /// The object store.
    pub objects: Objects,
    /// The index.
    pub search: Search,
    /// Sizes.
    pub limits: Limits,
    /// Uploads in several requests.
    pub uploads: Uploads,
    /// What looks for viruses.
    pub scan: Scan,
    /// The processes that read files.
    pub extractor: Extractor,
    /// When certificates are issued.
    pub issue: Issue,
    /// The verification log.
    pub log: Log,
    /// Logs and metrics.
    pub diagnostics: Diagnostics,
    /// Who is told what happens.
    pub events: Events,
    /// Who signs.
    pub signing: Signing,
    /// Who calls.
    pub access: Access,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: PublicUrl("http://127.0.0.1:8080".into()),
            data_dir: "stammbuch-data".into(),
            http: Http::default(),
            database: Database::default(),
            keystore: Keystore::default(),
            objects: Objects::default(),
            search: Search::default(),
            limits: Limits::default(),
            uploads: Uploads::default(),
            scan: Scan::default(),
            extractor: Extractor::default(),
            issue: Issue::default(),
            log: Log::default(),
            diagnostics: Diagnostics::default(),
            events: Events::default(),
            signing: Signing::default(),
            access: Access::default(),
        }
    }
}

/// The address people reach the installation by: `http(s)://HOST[:PORT][/PATH]` without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>');
        match rest {
            Some(rest) if !rest.is_empty() && !rest.ends_with('/') && rest.chars().all(plain) => {
                Ok(Self(text))
            }
            _ => Err(format!("expected https://HOST without a slash at the end, got {text:?}")),
        }
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

/// The signers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    /// Seals of authorities.
    pub authorities: Vec<AuthoritySigner>,
    /// Signatures of named registrars.
    pub registrars: Vec<RegistrarSigner>,
}

/// An authority's seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySigner {
    /// Whose.
    pub authority: AuthorityId,
    /// PEM of the key.
    pub key_file: PathBuf,
    /// PEM of the chain, the signer's own certificate first.
    pub certificates_file: PathBuf,
    /// File with the passphrase that deciphers the key, if it is enciphered.
    pub passphrase_file: Option<PathBuf>,
}

/// A named registrar's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrarSigner {
    /// The authority the registrar works for.
    pub authority: AuthorityId,
    /// The registrar, as in the access token.
    pub person: String,
    /// PEM of the key.
    pub key_file: PathBuf,
    /// PEM of the chain, the signer's own certificate first.
    pub certificates_file: PathBuf,
    /// File with the passphrase that deciphers the key, if it is enciphered.
    pub passphrase_file: Option<PathBuf>,
}

/// Who may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Static tokens.
    pub tokens: Vec<Token>,
}

/// A static bearer token and whom it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Digest of the token's text.
    pub sha256: Sha256,
    /// The program or person in the audit trail.
    pub client: String,
    /// Whose data it reaches.
    pub authority: AuthorityId,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The name under which a registrar releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The registrar's function as certificates print it (Funktionsbezeichnung, field 0053).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

/// Why there is no configuration: one line for whoever wrote it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not TOML, has an unknown key or a value of the wrong kind.
    #[error("{path}:{line}: {place}{reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// `[table] ` or nothing.
        place: String,
        /// What is wrong, and what is known or expected.
        reason: String,
    },
    /// Two settings, or a setting and its limits, do not go together.
    #[error("{path}: {key}: expected {expected}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: String,
        /// What would do.
        expected: String,
    },
}

impl Config {
    /// Reads `path`; what it does not set is as in config/default.toml.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable =
            |error: std::io::Error| ConfigError::Unreadable { path: path.into(), reason: error.to_string() };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut config = Self::parse(&text, path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        config.data_dir = folder.join(&config.data_dir);
        Ok(config)
    }

    /// Reads the text of a file named `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| invalid(&error, text, path))?;
        match config.contradiction() {
            Some((key, expected)) => Err(ConfigError::Value { path: path.into(), key, expected }),
            None => Ok(config),
        }
    }

    /// A path of the configuration: relative ones lie in `data_dir`.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.data_dir.join(path)
    }

    /// A database address of the configuration with its path made whole.
    pub fn database_url(&self, url: &str) -> String {
        match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", self.path(Path::new(path)).display()),
            None => url.to_owned(),
        }
    }

    /// The first setting that cannot be as it is, and what would do.
    fn contradiction(&self) -> Option<(String, String)> {
        for (key, value) in self.counts() {
            if value == 0 {
                return Some((key.to_owned(), "at least 1, got 0".to_owned()));
            }
        }
        if self.objects.store == ObjectStoreKind::S3
            && let Some((key, expected)) = self.objects.s3.contradiction()
        {
            return Some((key.to_owned(), expected));
        }
        let kept = self.uploads.kept_hours;
        if kept > Uploads::KEPT_HOURS_MAX {
            let expected = format!("at most {}, got {kept}", Uploads::KEPT_HOURS_MAX);
            return Some(("uploads.kept_hours".into(), expected));
        }
        if let Some(contradiction) = self.events.contradiction() {
            return Some(contradiction);
        }
        for token in &self.access.tokens {
            if token.roles.is_empty() {
                return Some(("access.tokens".into(), format!("a role for {:?}", token.client)));
            }
            if token.roles.contains(&Role::Registrar)
                && token.person.as_deref().unwrap_or_default().is_empty()
            {
                let expected = format!("`person` for {:?}: a registrar is a named person", token.client);
                return Some(("access.tokens".into(), expected));
            }
        }
        None
    }

    fn counts(&self) -> [(&'static str, u64); 26] {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        [
            ("http.workers", wide(self.http.workers)),
            ("http.connections_max", wide(self.http.connections_max)),
            ("http.head_seconds", self.http.head_seconds),
            ("http.body_idle_seconds", self.http.body_idle_seconds),
            ("http.shutdown_seconds", self.http.shutdown_seconds),
            ("limits.upload_bytes_max", self.limits.upload_bytes_max),
            ("limits.json_bytes_max", wide(self.limits.json_bytes_max)),
            ("uploads.kept_hours", self.uploads.kept_hours),
            ("uploads.client_open_max", self.uploads.client_open_max),
            ("uploads.client_bytes_max", self.uploads.client_bytes_max),
            ("uploads.authority_open_max", self.uploads.authority_open_max),
            ("uploads.authority_bytes_max", self.uploads.authority_bytes_max),
            ("scan.bytes_max", self.scan.bytes_max),
            ("scan.connect_seconds", self.scan.connect_seconds),
            ("scan.answer_seconds", self.scan.answer_seconds),
            ("scan.total_seconds", self.scan.total_seconds),
            ("scan.quarantine_days", self.scan.quarantine_days.into()),
            ("extractor.children", wide(self.extractor.children)),
            ("extractor.memory_mib", self.extractor.memory_mib),
            ("extractor.cpu_seconds", self.extractor.cpu_seconds),
            ("extractor.wall_seconds", self.extractor.wall_seconds),
            ("extractor.output_bytes_max", self.extractor.output_bytes_max),
            ("events.attempts_max", self.events.attempts_max.into()),
            ("events.pause_seconds_max", self.events.pause_seconds_max),
            ("events.timeout_seconds", self.events.timeout_seconds),
            ("events.places", wide(self.events.places)),
        ]
    }
}

/// Puts serde's message on one line with its place.
fn invalid(error: &toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let table = before.lines().rev().map(str::trim).find(|line| line.starts_with('['));
    let place = table.map(|table| format!("{table} ")).unwrap_or_default();
    let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    ConfigError::Invalid { path: path.into(), line, place, reason }
}
