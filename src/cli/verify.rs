//! `stammbuch verify`: judges a PDF from the file alone and prints the report, for people or for programs.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::CliError;
use crate::app::SystemClock;
use crate::domain::clock::Clock as _;
use crate::tlog::VerifierKey;
use crate::verify::report::{Report, Verdict};
use crate::verify::text::{self, Language};
use crate::verify::{self, Question, Scope, Trust};

/// Larger files are not looked at.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Larger files of certificates or keys are not looked at.
const TRUST_BYTES_MAX: usize = 1 << 20;

/// Say whether a PDF is genuine: seal, signer, what came after sealing, registration in the log
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stammbuch verify geburtsurkunde.pdf --trust ca.pem --log-key log.vkey
  stammbuch verify any.pdf --trust ca.pem --seal-only --json

Exit codes: 0 genuine, 1 not genuine, 2 could not tell or input not understood.")]
pub(super) struct Args {
    /// The PDF
    file: PathBuf,
    /// Certificates of trusted roots (PEM); may be given more than once
    #[arg(long, value_name = "CA.pem")]
    trust: Vec<PathBuf>,
    /// Verifier key of the log (name+hash+key), or a file that holds it; may be given more than once
    #[arg(long, value_name = "KEY|FILE")]
    log_key: Vec<String>,
    /// Judge the seal of any PDF and leave our log out of it
    #[arg(long)]
    seal_only: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Language of the report
    #[arg(long, value_name = "de|en", default_value = "en", value_parser = language)]
    language: Language,
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "de" => Ok(Language::German),
        "en" => Ok(Language::English),
        _ => Err("de or en".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mut trust = Trust::default();
    for path in &args.trust {
        let added = trust.add_pem(&read(path, TRUST_BYTES_MAX)?);
        added.map_err(|e| CliError::BadInput(format!("{}: {e}", path.display())))?;
    }
    let log_keys = args.log_key.iter().map(|text| log_key(text)).collect::<Result<Vec<_>, _>>()?;
    let file = read(&args.file, FILE_BYTES_MAX)?;
    if !file.starts_with(b"%PDF-") {
        return Err(CliError::BadInput(format!("{}: this is no PDF", args.file.display())));
    }
    let scope = if args.seal_only { Scope::SealOnly } else { Scope::Certificate };
    let question = Question {
        trust: &trust,
        log_keys: &log_keys,
        scope,
        now: SystemClock.now(),
        file_bytes_max: FILE_BYTES_MAX,
    };
    let report = verify::pdf(&file, &question);
    print(&report, args)?;
    Ok(ExitCode::from(match report.verdict {
        Verdict::Genuine => 0,
        Verdict::Not => 1,
        Verdict::CannotTell => 2,
    }))
}

fn print(report: &Report, args: &Args) -> Result<(), CliError> {
    if args.json {
        println!("{}", report.to_json().map_err(CliError::failed)?);
    } else {
        text::lines(report, args.language).iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

fn read(path: &Path, max: usize) -> Result<Vec<u8>, CliError> {
    let bad = |reason: String| CliError::BadInput(format!("{}: {reason}", path.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(|e| bad(e.to_string()))?;
    file.take(limit).read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
    if bytes.len() > max {
        return Err(bad(format!("larger than {max} bytes")));
    }
    Ok(bytes)
}

fn log_key(text: &str) -> Result<VerifierKey, CliError> {
    let bad = |reason: String| CliError::BadInput(format!("--log-key {text}: {reason}"));
    if !Path::new(text).is_file() {
        return text.parse().map_err(|e: crate::tlog::BadKey| bad(e.to_string()));
    }
    let held = String::from_utf8(read(Path::new(text), TRUST_BYTES_MAX)?).map_err(|e| bad(e.to_string()))?;
    held.trim().parse().map_err(|e: crate::tlog::BadKey| bad(e.to_string()))
}
