//! `stammbuch keys`: what wraps what, and rotation, here or, if one runs, by the server.

use std::io::{IsTerminal as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Subcommand;

use super::{CliError, serve};
use crate::app::{self, Listing, SystemClock, SystemRandom};
use crate::config::Config;
use crate::domain::clock::Clock as _;
use crate::domain::ids::AuthorityId;
use crate::objects::{Asked, KeyName};

/// Rotate the keys that wrap documents' keys, and show what wraps what
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stammbuch keys list --config /etc/stammbuch.toml
  stammbuch keys rotate --config /etc/stammbuch.toml            new keys for all authorities
  stammbuch keys rotate --config /etc/stammbuch.toml --master   a new master key, first in its file

No document is written anew. While a server runs it is asked to do it and goes on serving. What is broken off goes on
when the command is given again, or when the server starts.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Wrap all documents' keys by new keys of their authorities, and drop the old ones
    Rotate {
        /// Settings (TOML) of the installation
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Only the keys of this authority
        #[arg(long, value_name = "ID", conflicts_with = "master")]
        authority: Option<AuthorityId>,
        /// Draw a new master key instead, which wraps the keys of all authorities
        #[arg(long)]
        master: bool,
    },
    /// Show the keys of authorities, what they wrap, and master keys that nothing needs
    List {
        /// Settings (TOML) of the installation
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        What::Rotate { config, authority, master } => {
            let asked = Asked { asked_at: SystemClock.now(), authority: *authority, master: *master };
            rotate(&load(config)?, &asked)
        }
        What::List { config } => {
            print(&listing(&load(config)?)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(path: &Path) -> Result<Config, CliError> {
    Config::load(path).map_err(|error| CliError::BadInput(error.to_string()))
}

fn rotate(config: &Config, asked: &Asked) -> Result<ExitCode, CliError> {
    let most = AtomicU64::new(0);
    let progress = |left: u64| {
        let all = most.fetch_max(left, Ordering::Relaxed).max(left);
        let end = if stderr().is_terminal() { '\r' } else { '\n' };
        eprint!("{} of {all}, {left} left   {end}", all - left);
    };
    let rotating =
        app::rotate(config, Arc::new(SystemClock), Arc::new(SystemRandom::new()), asked, &progress);
    serve::runtime()?.block_on(rotating).map_err(CliError::failed)?;
    println!("The keys are rotated.");
    for number in listing(config)?.unused_masters {
        println!("Nothing needs master key {number} any more: its line may leave the file.");
    }
    Ok(ExitCode::SUCCESS)
}

fn listing(config: &Config) -> Result<Listing, CliError> {
    let listing = app::list_keys(config, Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    serve::runtime()?.block_on(listing).map_err(CliError::failed)
}

fn print(listing: &Listing) {
    println!("authority                         key    master  made                            wraps");
    let count = |authority, key| {
        let of = listing.uses.iter().find(|used| (used.authority, used.key) == (authority, key));
        of.map_or(0, |used| used.count)
    };
    for key in &listing.keys {
        let name = KeyName::Own(key.number);
        let (wraps, made) = (count(key.authority, name), key.created_at.to_string());
        println!("{}  {:<5}  {:<6}  {made:<30}  {wraps}", key.authority, name.to_string(), key.master);
    }
    for used in &listing.uses {
        if let KeyName::Derived(number) = used.key {
            println!("{}  -      {number:<6}  {:<30}  {}", used.authority, "", used.count);
        }
    }
    for number in &listing.unused_masters {
        println!("master key {number}: nothing needs it, its line may leave the file");
    }
}
