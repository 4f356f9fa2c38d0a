//! The `stammbuch` program: parses the command line, runs one subcommand, and says in one line what went wrong.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use stammbuch::cli::{CliError, Program};

/// The input was not understood: nothing was done.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    match Program::try_parse() {
        Ok(program) => program.run().unwrap_or_else(|error| report(&error)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print!("{error}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("error: bad arguments");
            eprintln!("stammbuch: {}; see `stammbuch --help`", first.trim_start_matches("error: "));
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn report(error: &CliError) -> ExitCode {
    match error {
        CliError::BadInput(reason) => {
            eprintln!("stammbuch: {reason}");
            ExitCode::from(BAD_INPUT)
        }
        CliError::Failed(source) => {
            let causes: Vec<String> = anyhow::Chain::new(source.as_ref()).map(ToString::to_string).collect();
            eprintln!("stammbuch: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}
