//! `stammbuch demo`: a sample authority in a folder, served on loopback; with `--once` the main job, and done.

mod client;
pub mod evidence;
mod once;
mod prepare;
mod scan;
mod setup;
mod show;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::runtime;
use super::{CliError, diagnostics};
use crate::app::{App, ServeLock, SystemClock, SystemRandom};
use crate::config::{Config, PublicUrl};
use crate::domain::clock::Clock as _;
use client::Client;
use once::Run;
use prepare::Sample;
use setup::{Demo, SetupError};

/// Try Stammbuch: a sample authority, entries and evidence in a folder, served on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stammbuch demo                      serve on 127.0.0.1:8080, keep all in ./stammbuch-demo
  stammbuch demo --once               do the main job once, one JSON line a step, and end
  stammbuch demo --dir musterstadt --listen 127.0.0.1:9000

Everything the demo issues is a specimen and says so.")]
pub(super) struct Args {
    /// Folder of the demo; kept between runs
    #[arg(long, value_name = "DIR", default_value = "stammbuch-demo")]
    dir: PathBuf,
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Do the main job against the demo's own HTTP interface, print one JSON line a step, and end
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    runtime()?.block_on(demo(args))
}

async fn demo(args: &Args) -> Result<ExitCode, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
    let (random, now) = (SystemRandom::new(), SystemClock.now());
    let samples = Sample::all().map_err(CliError::failed)?;
    let listen = free(args.listen).map_err(CliError::failed)?;
    let url = format!("http://{listen}");
    let listed = samples.iter().map(Sample::listed).collect();
    let not_set_up = |error| match error {
        SetupError::Foreign(_) | SetupError::Damaged { .. } => CliError::BadInput(error.to_string()),
        other => CliError::failed(other),
    };
    setup::not_foreign(&args.dir).map_err(not_set_up)?;
    // Before anything is written: another demo may be running here.
    std::fs::create_dir_all(&args.dir).map_err(CliError::failed)?;
    let lock = ServeLock::take(&args.dir).map_err(CliError::failed)?;
    let demo = setup::open(&args.dir, &url, listed, now, &random).await.map_err(not_set_up)?;
    let config = config(&demo, listen, &url)?;
    diagnostics::start(&config.diagnostics)?;
    let app = App::open_locked(lock, config, Arc::new(SystemClock), Arc::new(random));
    let app = app.await.map_err(CliError::failed)?;
    let server = app.serve().map_err(CliError::failed)?;
    let (once, folder) = (args.once, args.dir.clone());
    let work = tokio::task::spawn_blocking(move || use_it(&demo, &folder, &samples, now, once));
    let code = tokio::select! {
        code = async {
            let code = work.await.map_err(CliError::failed)??;
            if !once {
                std::future::pending::<()>().await;
            }
            Ok::<_, CliError>(code)
        } => code?,
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
    };
    server.stop().await.map_err(CliError::failed)?;
    app.close().await;
    Ok(code)
}

/// Fills the demo, then does the main job or says how to.
fn use_it(
    demo: &Demo,
    folder: &std::path::Path,
    samples: &[Sample],
    now: Timestamp,
    once: bool,
) -> Result<ExitCode, CliError> {
    let client = Client::new(&demo.url);
    let day = now.to_zoned(berlin()?).date();
    if once {
        let mut run = Run { client: &client, demo, folder, now, ok: true };
        once::prepare(&mut run, samples, day);
        run.main_job(samples);
        return Ok(if run.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    show::progress("entries of the birth register");
    prepare::entries(&client, &demo.tokens, samples, day).map_err(CliError::failed)?;
    let addresses = prepare::upload(&client, &demo.tokens, &show::progress).map_err(CliError::failed)?;
    show::progress("reading and indexing");
    prepare::findable(&client, &demo.tokens, &addresses).map_err(CliError::failed)?;
    show::table(demo, samples);
    Ok(ExitCode::SUCCESS)
}

fn berlin() -> Result<TimeZone, CliError> {
    TimeZone::get("Europe/Berlin").map_err(CliError::failed)
}

/// The demo's configuration, on this address, with quiet diagnostics.
fn config(demo: &Demo, listen: SocketAddr, url: &str) -> Result<Config, CliError> {
    let mut config = Config::load(&demo.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    config.listen = listen;
    config.public_url = PublicUrl::try_from(url.to_owned()).map_err(CliError::BadInput)?;
    "warn".clone_into(&mut config.diagnostics.level);
    Ok(config)
}

/// Port 0 becomes a port that is free now.
fn free(address: SocketAddr) -> std::io::Result<SocketAddr> {
    if address.port() == 0 { TcpListener::bind(address)?.local_addr() } else { Ok(address) }
}
