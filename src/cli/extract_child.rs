//! `stammbuch extract-child`: the hidden subcommand in which one file's text is read inside a sandbox.
//! Started by the server only; knows neither configuration nor network.

use std::process::ExitCode;

use super::CliError;
use crate::intake::extract::child;

/// Read one file's text inside a sandbox (started by the server)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to read and what it may use, as JSON.
    order: String,
}

/// Carries out one order. Exit 0: the frames are complete; 1: the sandbox or a stream failed.
pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    child::run(&args.order).map_err(CliError::failed)?;
    Ok(ExitCode::SUCCESS)
}
