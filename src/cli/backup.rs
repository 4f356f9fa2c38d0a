//! `stammbuch backup`: a backup of rows and objects without keys, of a running server too; `--keys`: one of the keys, to
//! another place and with an end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::CliError;
use super::serve::runtime;
use crate::app::{Inspection, SystemClock, SystemRandom};
use crate::backup::{self, Folder, Mode, Taken};
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::objects::MasterKeys;

/// Back up rows and objects (without keys), or the keys (to another place)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stammbuch backup --config /etc/stammbuch.toml /backup/stammbuch
  stammbuch backup --config /etc/stammbuch.toml --keys /other/place/2026-05-04.keys --passphrase-file passphrase

Both are needed to restore, and the keys have to be taken after the rows: first the one, then the other. A server may
run meanwhile. Neither opens anything alone. What is erased can be read from a backup until no file of keys that was
taken before the erasure lives any more: so keys have a short life, and when it is over the file is to be destroyed.
Exit codes: 0 done, 1 failed, or objects were damaged (the backup has all others), 2 input not understood.")]
pub(super) struct Args {
    /// Settings (TOML) of the installation
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder of backups; objects that are there already are not copied again
    #[arg(value_name = "DIR", required_unless_present = "keys", conflicts_with = "keys")]
    dir: Option<PathBuf>,
    /// Whether objects are copied, or stay where they are because the store has copies of its own
    #[arg(long, value_enum, default_value = "copy", conflicts_with = "keys")]
    objects: Objects,
    /// Back up the keys into this new file instead
    #[arg(long, value_name = "FILE", requires = "passphrase_file")]
    keys: Option<PathBuf>,
    /// First line: what protects the file of keys (at least 16 bytes; mode 600). `openssl rand -base64 32` makes one
    #[arg(long, value_name = "FILE", requires = "keys")]
    passphrase_file: Option<PathBuf>,
    /// Days after which nothing is restored from it any more [default: 90, of keys 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    expires: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Objects {
    Copy,
    Reference,
}

const DAYS: u16 = 90;
const KEYS_DAYS: u16 = 30;

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    runtime()?.block_on(async {
        let with = Inspection::open(&config).await.map_err(CliError::failed)?;
        let done = match (&args.dir, &args.keys, &args.passphrase_file) {
            (_, Some(keys), Some(passphrase)) => {
                let expires_at = SystemClock.now() + days(args.expires.unwrap_or(KEYS_DAYS));
                let random = SystemRandom::new();
                let by: (&dyn Clock, &dyn Random) = (&SystemClock, &random);
                let taken = backup::take_keys(&config, &with, (keys, passphrase), expires_at, by).await;
                let taken = taken.map_err(CliError::failed)?;
                if args.json {
                    println!(
                        "{:#}",
                        json!({"keys": keys, "takenAt": taken.taken_at, "expiresAt": taken.expires_at})
                    );
                } else {
                    println!("The keys are in {}, until {}.", keys.display(), taken.expires_at);
                    println!("Destroy the file then: from it can be read what is erased from now on.");
                }
                Ok(ExitCode::SUCCESS)
            }
            (Some(dir), ..) => take(args, &config, &with, dir).await,
            _ => Err(CliError::BadInput("a folder, or --keys".to_owned())),
        };
        with.close().await;
        done
    })
}

fn days(days: u16) -> SignedDuration {
    SignedDuration::from_hours(i64::from(days) * 24)
}

async fn take(
    args: &Args,
    config: &Config,
    with: &Inspection,
    dir: &std::path::Path,
) -> Result<ExitCode, CliError> {
    let master =
        MasterKeys::read(&config.path(&config.keystore.master_key_file)).map_err(CliError::failed)?;
    let folder = Folder::take(dir, &with.log_key.to_string()).map_err(CliError::failed)?;
    let mode = match args.objects {
        Objects::Copy => Mode::Copy,
        Objects::Reference => Mode::Reference,
    };
    let expires_at = SystemClock.now() + days(args.expires.unwrap_or(DAYS));
    let by: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    let taken = backup::take(with, &folder, (mode, expires_at), master, by).await;
    let taken = taken.map_err(CliError::failed)?;
    if args.json {
        println!(
            "{:#}",
            json!({
                "name": taken.name, "takenAt": taken.manifest.taken_at, "expiresAt": taken.manifest.expires_at,
                "logSize": taken.manifest.log_size, "objects": taken.manifest.objects,
                "bytes": taken.manifest.objects_bytes, "copied": taken.copied, "erasedMeanwhile": taken.gone,
                "damaged": taken.damaged,
            })
        );
    } else {
        print(&taken, dir);
    }
    Ok(if taken.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(taken: &Taken, dir: &std::path::Path) {
    let manifest = &taken.manifest;
    let rows: u64 = manifest.tables.values().sum();
    let documents = manifest.tables.get("documents").copied().unwrap_or_default();
    println!(
        "{} in {}: {documents} documents, {rows} rows, {} leaves.",
        taken.name,
        dir.display(),
        manifest.log_size
    );
    let (objects, bytes) = (manifest.objects, manifest.objects_bytes);
    match manifest.mode {
        Mode::Copy => println!("{objects} objects with {bytes} bytes, {} of them new here.", taken.copied),
        Mode::Reference => println!("{objects} objects with {bytes} bytes, which stay where they are."),
    }
    if taken.pruned != (0, 0) {
        let (backups, objects) = taken.pruned;
        println!("Removed: {backups} backups whose time was over, {objects} objects that none needs.");
    }
    for object in &taken.damaged {
        println!("object {object} is missing or damaged in the installation: see `stammbuch check --deep`");
    }
    println!("Until {} it can be opened, by keys that are backed up from now on:", manifest.expires_at);
    println!("  stammbuch backup --config ... --keys FILE --passphrase-file FILE   (to another place)");
}
