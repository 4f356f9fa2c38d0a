//! `stammbuch import`: brings a folder of files into a running service, as any other sender would.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use crate::app::SystemRandom;
use crate::intake::fields::Fields;
use crate::transfer::bag;
use crate::transfer::folder::Folder;
use crate::transfer::import::{How, Import, ImportError, Others};
use crate::transfer::report::Report;
use crate::transfer::service::{self, Service, ServiceError};

/// The running service, and the token that speaks for the authority
#[derive(Debug, clap::Args)]
pub(super) struct Site {
    /// Its address: https://HOST, or http://127.0.0.1:PORT on this machine
    #[arg(long, value_name = "URL")]
    server: String,
    /// File with a bearer token of the authority
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// PEM of the authorities that may vouch for the server, instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long a request is sent again and again while the service is away or busy, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
}

/// Bring a folder of files into a running service; run again, it brings what is missing and nothing twice
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is said of a file stands beside it in NAME.stammbuch.json, or in one table at the top of the
folder, stammbuch-documents.jsonl, whose first line is {\"format\":\"stammbuch/documents/v1\"} and whose others name a
file each. All of it may be missing:
  {\"path\": \"1998/17.pdf\", \"title\": \"Geburtsanzeige\", \"kind\": \"Anzeige\", \"reference\": \"StA 12/1998-G-17\",
   \"date\": \"1998-03-01\", \"file\": \"Sammelakte 1998\", \"entry\": \"G/06411001/1998/17\", \"restriction\": [\"A\"],
   \"holds\": [\"Rechtsstreit 7 K 12/26\"], \"fileName\": \"Anzeige.pdf\", \"mediaType\": \"application/pdf\",
   \"sha256\": \"...\", \"size\": 4711}

A bag (BagIt, RFC 8493) is compared with its manifests before anything is sent. Of an export of ours documents and register
entries are taken over; a registrar's token brings the entries, and what is sealed by them.

Passed over: hidden files, Thumbs.db and the like, links, what is no file. Refused and named: empty files, names that are
not UTF-8, what cannot be read or changes meanwhile, what is said and not understood, what the service refuses.

Example:
  stammbuch import /srv/altakten --server https://archiv.example --token-file engine.token --report import.jsonl

Exit codes: 0 all is there, 1 something was refused or left, 2 input not understood."
)]
pub(super) struct Args {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    site: Site,
    /// The name its files are known by for ever, with path and bytes; without it: the folder's own
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Said of all files that say nothing else: title, kind, reference, date, file, entry or restriction
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Files on their way at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    at_a_time: u8,
    /// Where to write what became of each file, one JSON object a line; nothing is overwritten
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Read and ask for everything, send nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let wrong = |what: &Path, error: &dyn std::fmt::Display| {
        CliError::BadInput(format!("{}: {error}", what.display()))
    };
    Fields::parse(args.set.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|error| CliError::BadInput(format!("--set: {error}")))?;
    let folder = Folder::open(&args.folder).map_err(|error| wrong(&args.folder, &error))?;
    let service = args.site.open()?;
    let origin = bag::owner_of(&folder).filter(|_| bag::is_bag(&folder));
    let folder = payload(folder)?;
    let import = Import {
        service,
        folder,
        others: if origin.is_some() { Others::Records } else { Others::Documents },
        collection: collection(args, origin)?,
        defaults: args.set.clone(),
        places: usize::from(args.at_a_time),
        how: if args.dry_run { How::AsTrial } else { How::InEarnest },
    };
    let report = args.report.as_deref();
    let mut report =
        Report::open(report).map_err(|error| wrong(report.unwrap_or_else(|| Path::new("")), &error))?;
    let done = import.run(&mut report);
    let summary = report.close().map_err(CliError::failed)?;
    println!("{}", summary.to_json());
    match done {
        Ok(()) if summary.refused == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        Err(error @ (ImportError::Table(..) | ImportError::Service(ServiceError::Forbidden(_)))) => {
            Err(CliError::BadInput(error.to_string()))
        }
        Err(error) => Err(CliError::failed(error)),
    }
}

impl Site {
    /// The way there. Nothing is sent yet.
    pub(super) fn open(&self) -> Result<Service, CliError> {
        let bad = |error: ServiceError| CliError::BadInput(causes(&error));
        let token = service::token(&self.token_file).map_err(bad)?;
        let patience = Duration::from_secs(self.patience);
        let random = Arc::new(SystemRandom::new());
        Service::new(&self.server, token, self.ca_file.as_deref(), patience, random).map_err(bad)
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// The folder itself; of a bag the payload, once all of it was compared with its manifests.
fn payload(folder: Folder) -> Result<Folder, CliError> {
    if !bag::is_bag(&folder) {
        return Ok(folder);
    }
    eprintln!("stammbuch: this is a bag; it is compared with its manifests first");
    bag::verify(&folder)
        .map_err(|error| CliError::BadInput(format!("the bag is damaged: {}", causes(&error))))?;
    folder.folder("data").map_err(CliError::failed)
}

/// The name that was given, else that of the export or of the folder, wherever it lies.
fn collection(args: &Args, origin: Option<String>) -> Result<String, CliError> {
    if let Some(name) = args.collection.clone().or(origin) {
        return Ok(name);
    }
    let folder = args.folder.canonicalize().map_err(CliError::failed)?;
    let name = folder.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| CliError::BadInput("the folder's name is no text; give --collection".into()))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    if name == "source" {
        return Err("each file has a source of its own".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}
