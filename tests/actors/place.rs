//! A folder with two authorities, their keys and tokens; and who may speak with whoever serves it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use stammbuch::access::Role;
use stammbuch::app::SystemRandom;
use stammbuch::config::{AuthoritySigner, Config, RegistrarSigner, Token};
use stammbuch::database::Database;
use stammbuch::database::authorities::{self, DateError};
use stammbuch::domain::digest::Sha256;
use stammbuch::domain::ids::AuthorityId;
use stammbuch::seal::demo_ca::{self, Names};
use tempfile::TempDir;

use super::postgres::Databases;
use super::speak::Actor;

/// The office of the first authority.
pub const OFFICE: &str = "06499001";
/// The office of the other authority.
pub const OTHER_OFFICE: &str = "06499777";
/// The registrar of both.
pub const PERSON: &str = "Erika Beispiel";

const AUTHORITY: AuthorityId = AuthorityId::from_bytes([0xaa; 16]);
const OTHER: AuthorityId = AuthorityId::from_bytes([0xbb; 16]);
const ROLES: [Role; 5] = [Role::Engine, Role::Clerk, Role::Registrar, Role::Auditor, Role::Operator];

/// A prepared folder. Everything in it is gone with it.
#[derive(Default)]
pub struct Place {
    folder: Option<TempDir>,
    config: Config,
    url: String,
    /// On PostgreSQL. Dropped last, when nobody is connected any more.
    databases: Option<Databases>,
}

impl Place {
    /// Makes a folder with keys, authorities and a configuration file.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::made(tempfile::tempdir().unwrap(), change)
    }

    /// As [`Self::new`], with the folder in another.
    pub fn new_in(above: &Path, change: impl FnOnce(&mut Config)) -> Self {
        Self::made(tempfile::tempdir_in(above).unwrap(), change)
    }

    fn made(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        let databases = Databases::make(found);
        if let Some(databases) = &databases {
            databases.configure(&mut config);
        }
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.log.origin = "test.example/log".into();
        config.extractor.program = env!("CARGO_BIN_EXE_stammbuch").into();
        std::fs::create_dir_all(config.data_dir.join("keys")).unwrap();
        for (authority, folder, name) in
            [(AUTHORITY, "one", "Standesamt Eins"), (OTHER, "two", "Standesamt Zwei")]
        {
            add_keys(&mut config, authority, folder, name);
            config.access.tokens.extend(ROLES.map(|role| Token {
                sha256: Sha256::of(token(authority, role).as_bytes()),
                client: format!("{}-{folder}", role.as_str()),
                authority,
                roles: vec![role],
                person: (role == Role::Registrar).then(|| PERSON.into()),
                function: (role == Role::Registrar).then(|| "Standesbeamtin".into()),
            }));
        }
        change(&mut config);
        if !databases.as_ref().is_some_and(|databases| databases.serve(&config)) {
            found(&config);
        }
        std::fs::write(folder.path().join("site.toml"), toml::to_string_pretty(&config).unwrap()).unwrap();
        Self { folder: Some(folder), config, url: String::new(), databases }
    }

    /// Changes settings for the next start.
    pub fn change(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        std::fs::write(self.config_file(), toml::to_string_pretty(&self.config).unwrap()).unwrap();
    }

    /// The same authorities and tokens with other settings, in a folder that somebody else takes away.
    pub fn beside(other: &Self, mut config: Config) -> Self {
        config.access = other.config.access.clone();
        Self { folder: None, config, url: String::new(), databases: None }
    }

    /// An empty folder with settings for the same authorities, signers and callers, on SQLite: to be restored into.
    pub fn empty_like(other: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.listen = other.config.listen;
        config.log.origin = other.config.log.origin.clone();
        config.extractor = other.config.extractor.clone();
        config.access = other.config.access.clone();
        config.signing = other.config.signing.clone();
        let here = |path: &mut PathBuf| *path = config.data_dir.join("keys").join(path.file_name().unwrap());
        for signer in &mut config.signing.authorities {
            here(&mut signer.key_file);
            here(&mut signer.certificates_file);
        }
        for signer in &mut config.signing.registrars {
            here(&mut signer.key_file);
            here(&mut signer.certificates_file);
        }
        std::fs::write(folder.path().join("site.toml"), toml::to_string_pretty(&config).unwrap()).unwrap();
        Self { folder: Some(folder), config, url: String::new(), databases: None }
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The file of the settings.
    pub fn config_file(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("site.toml")
    }

    /// Where the server keeps everything.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// The certificate of the CA of the first authority's signers.
    pub fn ca_file(&self) -> PathBuf {
        self.data_dir().join("keys/one.ca.pem")
    }

    /// Its databases, if they are PostgreSQL's.
    pub const fn on_postgres(&self) -> Option<&Databases> {
        self.databases.as_ref()
    }

    /// Whoever serves answers here.
    pub(super) fn listens_on(&mut self, address: SocketAddr) {
        self.url = super::url(address);
    }

    /// Where the server answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first authority.
    pub const fn authority(&self) -> AuthorityId {
        AUTHORITY
    }

    /// A caller with one role in the first authority.
    pub fn actor(&self, role: Role) -> Actor {
        Actor::new(&self.url, Some(token(AUTHORITY, role)))
    }

    /// A caller with one role in the other authority.
    pub fn other(&self, role: Role) -> Actor {
        Actor::new(&self.url, Some(token(OTHER, role)))
    }

    /// Whoever has this token.
    pub fn bearer(&self, token: &str) -> Actor {
        Actor::new(&self.url, Some(token.to_owned()))
    }

    /// A program that uploads and orders.
    pub fn engine(&self) -> Actor {
        self.actor(Role::Engine)
    }

    /// Who searches.
    pub fn clerk(&self) -> Actor {
        self.actor(Role::Clerk)
    }

    /// Who issues.
    pub fn registrar(&self) -> Actor {
        self.actor(Role::Registrar)
    }

    /// Anybody, without a token.
    pub fn citizen(&self) -> Actor {
        Actor::new(&self.url, None)
    }

    /// Somebody with a token that is not known.
    pub fn stranger(&self) -> Actor {
        Actor::new(&self.url, Some("not-a-token".into()))
    }
}

fn token(authority: AuthorityId, role: Role) -> String {
    format!("test-{}-{authority}", role.as_str())
}

fn add_keys(config: &mut Config, authority: AuthorityId, folder: &str, name: &str) {
    let keys = config.data_dir.join("keys");
    let (given, family) = PERSON.split_once(' ').unwrap();
    let names = Names { authority: name, given, family };
    let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let ca = demo_ca::make(names, since, &SystemRandom::new()).unwrap();
    let write = |what: &str, text: &str| {
        let file = keys.join(format!("{folder}.{what}"));
        std::fs::write(&file, text).unwrap();
        file
    };
    write("ca.pem", &ca.ca);
    config.signing.authorities.push(AuthoritySigner {
        authority,
        key_file: write("seal.key.pem", &ca.authority.key),
        certificates_file: write("seal.pem", &ca.authority.certificates),
        passphrase_file: None,
    });
    config.signing.registrars.push(RegistrarSigner {
        authority,
        person: PERSON.into(),
        key_file: write("registrar.key.pem", &ca.registrar.key),
        certificates_file: write("registrar.pem", &ca.registrar.certificates),
        passphrase_file: None,
    });
}

fn found(config: &Config) {
    let url = config.database_url(&config.database.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&url).await.unwrap();
        let made = database.write::<_, DateError, _>(|tx| {
            Box::pin(async move {
                let since = Timestamp::UNIX_EPOCH;
                for (id, name, office) in
                    [(AUTHORITY, "Standesamt Eins", OFFICE), (OTHER, "Standesamt Zwei", OTHER_OFFICE)]
                {
                    let details = json!({"place": "Musterstadt"});
                    authorities::found(tx, id, true, since).await?;
                    authorities::put(tx, id, since, name, &details).await?;
                    authorities::put_office(tx, id, office, since, name, &details).await?;
                }
                Ok(())
            })
        });
        made.await.unwrap();
        database.close().await;
        let keystore = Database::open_keystore(&config.database_url(&config.keystore.url)).await.unwrap();
        keystore.close().await;
    });
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}
