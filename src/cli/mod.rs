//! The command line: one file per subcommand, each with its `Args` and its `run`.
//!
//! To add one: a `mod`, a variant of `Command` and its line in `run`.

mod authority;
mod backup;
mod bench;
mod check;
pub mod demo;
pub(crate) mod diagnostics;
mod export;
mod extract_child;
mod import;
mod issue;
mod keys;
mod log;
mod rebuild_index;
mod restore;
mod serve;
mod verify;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  stammbuch demo                                 try it: a sample authority on this machine
  stammbuch authority add --help                 set up a real installation: its authorities and offices
  stammbuch serve --config config/default.toml   serve with the settings of this file
  stammbuch check --config config/default.toml   compare database, objects, keys, index and log
  stammbuch import /srv/altakten --server https://archiv.example --token-file engine.token
                                                 bring a folder into a running service, again and again
  stammbuch export authority ID --to OUT --server https://archiv.example --token-file registrar.token
                                                 all that is kept of an authority, with checksums
  stammbuch backup --config config/default.toml /backup/stammbuch
                                                 rows and objects of a running server; `restore` brings them back
  stammbuch keys rotate --config config/default.toml
                                                 new keys for the documents' keys, while serving
  stammbuch verify geburtsurkunde.pdf --trust ca.pem --log-key log.vkey
                                                 is this certificate genuine? (0 yes, 1 no, 2 cannot tell)
  stammbuch bench seal --json                    measure one part on this machine
  stammbuch COMMAND --help                       what a command takes

config/default.toml documents every setting. Exit codes: 0 done, 1 failed, 2 input not understood.";

/// Documents and certificates of civil registry offices.
#[derive(Debug, Parser)]
#[command(name = "stammbuch", version, after_help = EXAMPLES, arg_required_else_help = false)]
pub struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Authority(authority::Args),
    Backup(backup::Args),
    Bench(bench::Args),
    Check(check::Args),
    #[command(hide = true)]
    ExtractChild(extract_child::Args),
    Demo(demo::Args),
    Export(export::Args),
    Import(import::Args),
    Issue(issue::Args),
    Keys(keys::Args),
    Log(log::Args),
    RebuildIndex(rebuild_index::Args),
    Restore(restore::Args),
    Serve(serve::Args),
    Verify(verify::Args),
}

/// Why a subcommand did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An argument or a file of the user's is not what it should be: one line, exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Everything else: exit code 1, the causes in one line.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

impl CliError {
    /// Wraps what stopped a subcommand half-way.
    pub fn failed(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(source))
    }
}

impl Program {
    /// Runs the subcommand; `Ok` carries the exit code.
    pub fn run(self) -> Result<ExitCode, CliError> {
        match self.command {
            Command::Authority(args) => authority::run(&args),
            Command::Backup(args) => backup::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::ExtractChild(args) => extract_child::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Import(args) => import::run(&args),
            Command::Issue(args) => issue::run(&args),
            Command::Keys(args) => keys::run(&args),
            Command::Log(args) => log::run(&args),
            Command::RebuildIndex(args) => rebuild_index::run(&args),
            Command::Restore(args) => restore::run(&args),
            Command::Serve(args) => serve::run(&args),
            Command::Verify(args) => verify::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_each_subcommand_says_what_it_does() {
        let command = Program::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{} has no description", subcommand.get_name());
        }
    }
}
