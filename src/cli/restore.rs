//! `stammbuch restore`: a backup and its keys become an installation again, here or elsewhere. What was erased since is
//! erased again, the index is filled, the log's files are written, and all of it is compared before it may be served.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::CliError;
use super::check;
use super::log::{Claim, ClaimArgs, resume};
use super::serve::runtime;
use crate::app::{RESTORING, ServeLock, SystemClock, SystemRandom, make_folder};
use crate::backup::{Source, bring_back};
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::http::erased_answer;

/// Restore a backup, with its keys, into an empty installation
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  stammbuch restore --from /backup/stammbuch --keys 2026-05-04.keys --passphrase-file passphrase --into site.toml

The settings name where databases, objects and keys are to be; there must be none yet. Broken off, the same command
begins anew and does not copy again what is there; no server starts on what is half restored. The log is signed again
only when it is known that nobody saw more of it than the backup has: see `stammbuch log resume --help`.
Exit codes: 0 restored and nothing differs, 1 not, or something does, 2 input not understood.")]
pub(super) struct Args {
    /// Folder of backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Which of them [default: the newest]
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// File of keys, taken after the backup
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// What protects the file of keys
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Settings (TOML) of the installation to restore into
    #[arg(long, value_name = "FILE", alias = "config")]
    into: PathBuf,
    #[command(flatten)]
    claim: ClaimArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.into).map_err(|error| CliError::BadInput(error.to_string()))?;
    let claim = args.claim.read()?;
    runtime()?.block_on(restore(args, &config, claim))
}

async fn restore(args: &Args, config: &Config, claim: Option<Claim>) -> Result<ExitCode, CliError> {
    make_folder(&config.data_dir).map_err(CliError::failed)?;
    let _lock = ServeLock::take(&config.data_dir).map_err(CliError::failed)?;
    let source = Source {
        config,
        from: &args.from,
        snapshot: args.snapshot.as_deref(),
        keys: (&args.keys, &args.passphrase_file),
        gone: erased_answer(),
    };
    let by: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    let (with, restored) =
        bring_back(&source, by, &|step| eprintln!("{step} ...")).await.map_err(CliError::failed)?;
    // What the store has published is what the public has seen, if it is the store that was served from.
    let published = with.log.checkpoint().await.map_err(CliError::failed)?;
    let claim = claim.or(published.map(Claim::Checkpoint));
    let resumed = match &claim {
        Some(claim) => resume(&with, claim).await?,
        None => Err("it is not known whether the log had gone further than the backup".to_owned()),
    };
    eprintln!("index, log and erasures ...");
    let report = check::finish(config, &with).await?;
    with.close().await;
    std::fs::remove_file(config.data_dir.join(RESTORING)).map_err(CliError::failed)?;
    let manifest = &restored.snapshot.manifest;
    println!("Restored {} with the keys of {}.", restored.snapshot.name, restored.keys.taken_at);
    println!("Documents erased since, and erased again: {}.", restored.erased);
    for path in &restored.spare {
        println!("The settings name no place for the key of a signer; it is in {}.", path.display());
    }
    if let Err(why) = resumed {
        println!(
            "The log has {} leaves and is not signed: {why}. See `stammbuch log resume --help`.",
            manifest.log_size
        );
    }
    report.lines().iter().for_each(|line| println!("{line}"));
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
