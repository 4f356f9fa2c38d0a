//! `stammbuch rebuild-index`: fills the search index from nothing, here or, if one runs, by the server.

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{CliError, diagnostics, serve};
use crate::app::{RebuiltBy, SystemClock, SystemRandom, rebuild};
use crate::config::Config;

/// Rebuild the search index from the database and the stored texts
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stammbuch rebuild-index --config /etc/stammbuch.toml\n\n\
    While a server runs on the same data it is asked to do it; it goes on answering, and finds what is in already.")]
pub(super) struct Args {
    /// Settings (TOML); config/default.toml documents them all
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    diagnostics::start(&config.diagnostics)?;
    let most = AtomicI64::new(0);
    let progress = |left: i64| {
        let all = most.fetch_max(left, Ordering::Relaxed).max(left);
        let end = if stderr().is_terminal() { '\r' } else { '\n' };
        eprint!("{} of {all}, {left} left   {end}", all - left);
    };
    let rebuilding = rebuild(&config, Arc::new(SystemClock), Arc::new(SystemRandom::new()), &progress);
    match serve::runtime()?.block_on(rebuilding).map_err(CliError::failed)? {
        RebuiltBy::Here => println!("The search index is rebuilt."),
        RebuiltBy::Server => println!("The running server has rebuilt the search index."),
    }
    Ok(ExitCode::SUCCESS)
}
