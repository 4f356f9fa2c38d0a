//! `stammbuch check`: compares database, object store, keystore, index and log, and says what differs. Beside a server
//! it changes nothing, and what is on its way is no difference; with `--repair`, without one, it puts right what has
//! only one right form.

mod deep;
mod evidence;
mod index;
mod log;
mod repair;
mod report;
mod rule;
mod standing;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use self::deep::Deep;
pub(super) use self::log::Logged;
pub(super) use self::report::Report;
use self::rule::Rule;
use super::CliError;
use super::serve::runtime;
use crate::app::{Inspection, ServeLock, StartError, SystemClock};
use crate::config::Config;
use crate::database::DatabaseError;
use crate::domain::clock::Clock as _;
use crate::domain::ids::ObjectId;

/// Compare database, objects, keys, index and log, say what differs, and repair what can be
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stammbuch check --config /etc/stammbuch.toml            whether all is there
  stammbuch check --config /etc/stammbuch.toml --deep     whether every byte of it can be read, too
  stammbuch check --config /etc/stammbuch.toml --repair   put right what has only one right form; no server may run

Exit codes: 0 nothing differs, 1 something does (or is left after --repair), 2 input not understood, or --repair beside
a running server. Objects and keys younger than 24 hours that nothing refers to may belong to an upload on its way.
Interrupted (Ctrl-C), a deep check says where to go on.")]
pub(super) struct Args {
    /// Settings (TOML) of the installation
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read every object from its first to its last byte and compare its digests
    #[arg(long)]
    deep: bool,
    /// With --deep: go on behind this object
    #[arg(long, value_name = "OBJECT", requires = "deep")]
    after: Option<ObjectId>,
    /// Repair what can be; what cannot be is named with what to do
    #[arg(long)]
    repair: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// From where it is looked.
struct Looking {
    /// Whether a server runs: what is on its way is looked at again.
    served: bool,
    now: Timestamp,
}

impl Looking {
    /// Nobody serves.
    fn stopped() -> Self {
        Self { served: false, now: SystemClock.now() }
    }

    /// Waits before a second look, if a server runs and there is a reason to.
    async fn again_after(&self, pause: Duration, nothing: bool) {
        if self.served && !nothing {
            // sleeps: what a server is about to do gives no signal
            tokio::time::sleep(pause).await;
        }
    }

    /// Notes what a running server should have done; without one it is only told.
    fn stands_still(&self, report: &mut Report, rule: Rule, subject: impl std::fmt::Display, what: String) {
        if self.served {
            report.differs(rule, subject, what);
        } else {
            report.note(format!("{what}: a server takes care of it when it runs"));
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    let (report, broken_off) = runtime()?.block_on(check(&config, args))?;
    if args.json {
        println!("{:#}", report.json());
    } else {
        report.lines().iter().for_each(|line| println!("{line}"));
    }
    Ok(if report.is_clean() && !broken_off { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(config: &Config, args: &Args) -> Result<(Report, bool), CliError> {
    let _lock = match args.repair {
        true => Some(ServeLock::take(&config.data_dir).map_err(|error| match error {
            StartError::Served { folder } => {
                CliError::BadInput(format!("{folder} is served: stop the server, then repair"))
            }
            other => CliError::failed(other),
        })?),
        false => None,
    };
    let looking =
        Looking { served: !args.repair && ServeLock::is_held(&config.data_dir), now: SystemClock.now() };
    let with = Inspection::open(config).await.map_err(CliError::failed)?;
    let mut deep = args.deep.then(|| Deep::new(args.after, stopped_by_ctrl_c()));
    let mut report = compare(config, &with, &looking, deep.as_mut()).await?;
    if args.repair && report.can_be_repaired() {
        repair::all(config, &with, &report, &looking).await?;
        let after = compare(config, &with, &looking, None).await?;
        report = after.after(report);
    }
    with.close().await;
    Ok((report, deep.is_some_and(|deep| deep.is_broken_off())))
}

/// Puts right what follows from the rows of an installation that was just restored, and compares everything. The lock
/// of the data folder is held.
pub(super) async fn finish(config: &Config, with: &Inspection) -> Result<Report, CliError> {
    let looking = Looking::stopped();
    repair::all(config, with, &Report::default(), &looking).await?;
    compare(config, with, &looking, None).await
}

async fn compare(
    config: &Config,
    with: &Inspection,
    looking: &Looking,
    deep: Option<&mut Deep>,
) -> Result<Report, CliError> {
    let mut report = Report::default();
    evidence::compare(with, looking, deep, &mut report).await?;
    log::compare(with, looking, &mut report).await?;
    index::compare(config, with, looking, &mut report).await?;
    standing::compare(with, looking, &mut report).await?;
    Ok(report)
}

/// Set at the first Ctrl-C; the second one ends the program.
fn stopped_by_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.store(true, Ordering::Relaxed);
            eprintln!("\nstopping; once more ends it at once");
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(1);
            }
        }
    });
    stop
}

fn database_failed(error: DatabaseError) -> CliError {
    CliError::failed(error)
}
