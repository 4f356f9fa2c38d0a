//! `stammbuch log resume`: says how far the log had gone when its database was restored from a backup, so that signing
//! may go on without making a second history.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use super::check::Logged;
use super::serve::runtime;
use crate::app::Inspection;
use crate::config::Config;
use crate::database::log;

/// Say how far the verification log had gone, after a restore
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Let a restored log be signed again, once it is known that nobody saw more of it
    #[command(after_help = "Examples:
  stammbuch log resume --config site.toml --last-checkpoint checkpoint
  stammbuch log resume --config site.toml --went-no-further

A restored database may be older than what the log had published. If it were signed on from there, the log would have
two histories, and no certificate of it could be believed any more. So nothing is signed until the newest checkpoint
that anybody has is compared (from the old server, a monitor, a certificate), or somebody answers for it that there was
none after the backup. If the log had gone further, it stays unsigned.")]
    Resume {
        /// Settings (TOML) of the installation
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        claim: ClaimArgs,
    },
}

/// What is known of how far the log had gone.
#[derive(Debug, Clone, clap::Args)]
#[group(multiple = false)]
pub(super) struct ClaimArgs {
    /// The newest checkpoint that anybody has of the log
    #[arg(long, value_name = "FILE")]
    last_checkpoint: Option<PathBuf>,
    /// It is certain that nothing was signed after the backup
    #[arg(long)]
    went_no_further: bool,
}

/// The same, read.
pub(super) enum Claim {
    /// This was published last.
    Checkpoint(String),
    /// Nothing after what the database has.
    NoFurther,
}

impl ClaimArgs {
    /// Reads it; `None`: nothing is known.
    pub(super) fn read(&self) -> Result<Option<Claim>, CliError> {
        let bad =
            |path: &Path, error: std::io::Error| CliError::BadInput(format!("{}: {error}", path.display()));
        match &self.last_checkpoint {
            Some(path) => std::fs::read_to_string(path)
                .map(Claim::Checkpoint)
                .map(Some)
                .map_err(|error| bad(path, error)),
            None => Ok(self.went_no_further.then_some(Claim::NoFurther)),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let What::Resume { config, claim } = &args.what;
    let config = Config::load(config).map_err(|error| CliError::BadInput(error.to_string()))?;
    let claim = claim.read()?;
    let claim =
        claim.ok_or_else(|| CliError::BadInput("--last-checkpoint or --went-no-further".to_owned()))?;
    runtime()?.block_on(async {
        let with = Inspection::open(&config).await.map_err(CliError::failed)?;
        let resumed = resume(&with, &claim).await;
        with.close().await;
        match resumed? {
            Ok(()) => {
                println!("The log may be signed again.");
                Ok(ExitCode::SUCCESS)
            }
            Err(refused) => {
                eprintln!("stammbuch: {refused}");
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// Lets the log be signed again if the claim permits it; the inner error says why not.
pub(super) async fn resume(with: &Inspection, claim: &Claim) -> Result<Result<(), String>, CliError> {
    if let Claim::Checkpoint(note) = claim
        && let Some(refused) = Logged::of(with).refuses(note).await?
    {
        return Ok(Err(refused));
    }
    let released = with.database.write(|tx| Box::pin(log::release(tx))).await;
    released.map(Ok).map_err(CliError::failed)
}
