//! `stammbuch serve`: runs the installation until SIGTERM or SIGINT, then finishes what it acknowledged.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, diagnostics};
use crate::app::{App, SystemClock, SystemRandom};
use crate::config::Config;

/// Serve documents, search, orders, certificates and the log over HTTP
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stammbuch serve --config /etc/stammbuch.toml")]
pub(super) struct Args {
    /// Settings (TOML); config/default.toml documents them all
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    diagnostics::start(&config.diagnostics)?;
    runtime()?.block_on(serve(config))
}

/// Threads for background work and the database; requests have their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(CliError::failed)
}

async fn serve(config: Config) -> Result<ExitCode, CliError> {
    // Before anything starts, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
    let app = App::open(config, Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    let app = app.await.map_err(CliError::failed)?;
    let server = app.serve().map_err(CliError::failed)?;
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "ready");
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
    }
    server.stop().await.map_err(CliError::failed)?;
    app.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
