//! `stammbuch check`: compares the database with object store, keystore, index and log, and says what differs.
//! Changes nothing. May run beside a server; what is on its way then is no difference.

mod evidence;
mod index;
mod log;

use std::path::PathBuf;
use std::process::ExitCode;

use super::CliError;
use super::serve::runtime;
use crate::app::Inspection;
use crate::config::Config;
use crate::database::{DatabaseError, comparison};

/// Compare database, objects, keys, index and log, and print what differs (exit code 1)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stammbuch check --config /etc/stammbuch.toml          whether all is there
  stammbuch check --config /etc/stammbuch.toml --deep   whether every byte of it can be read, too")]
pub(super) struct Args {
    /// Settings (TOML) of the installation
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read and decrypt every object from its first to its last byte
    #[arg(long)]
    deep: bool,
}

/// What was compared, and where it differs.
#[derive(Debug, Default)]
struct Report {
    compared: Vec<String>,
    differences: Vec<String>,
}

impl Report {
    /// Notes that something was compared.
    fn compared(&mut self, what: impl Into<String>) {
        self.compared.push(what.into());
    }

    /// Notes a difference in `part`.
    fn differs(&mut self, part: &str, what: impl std::fmt::Display) {
        self.differences.push(format!("{part}: {what}"));
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    let report = runtime()?.block_on(check(&config, args.deep))?;
    for line in &report.differences {
        println!("{line}");
    }
    println!("compared: {}", report.compared.join(", "));
    match report.differences.len() {
        0 => println!("no difference"),
        1 => println!("1 difference"),
        many => println!("{many} differences"),
    }
    Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(config: &Config, deep: bool) -> Result<Report, CliError> {
    let with = Inspection::open(config).await.map_err(CliError::failed)?;
    let mut report = Report::default();
    evidence::compare(&with, deep, &mut report).await?;
    log::compare(&with, &mut report).await?;
    index::compare(config, &with, &mut report).await?;
    journals(&with, &mut report).await.map_err(CliError::failed)?;
    with.database.close().await;
    Ok(report)
}

fn database_failed(error: DatabaseError) -> CliError {
    CliError::failed(error)
}

/// Numbers of the issue journals have no gaps.
async fn journals(with: &Inspection, report: &mut Report) -> Result<(), DatabaseError> {
    for journal in with.database.read(|tx| Box::pin(comparison::torn_journals(tx))).await? {
        let comparison::Journal { authority, last, lines, highest } = journal;
        report.differs(
            "journal",
            format!(
                "authority {authority}: the counter stands at {last}, there are {lines} lines up to {highest}"
            ),
        );
    }
    report.compared("journals");
    Ok(())
}
