//! `stammbuch export`: documents, or a whole authority, into a folder that anybody can check without us.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::tz::TimeZone;

use super::CliError;
use super::import::Site;
use crate::app::SystemClock;
use crate::domain::clock::Clock as _;
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::transfer::export::{Export, ExportError, Texts, Trail};
use crate::transfer::report::Report;
use crate::transfer::service::ServiceError;

/// Write documents, or a whole authority, out of a running service as a bag with checksums (BagIt, RFC 8493)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is there already and equal stays untouched; killed, it goes on where it stood. Only what has a
manifest is whole:
  cd OUT && sha256sum -c --quiet manifest-sha256.txt

data/stammbuch-documents.jsonl has what is known of each document and where it lies, data/stammbuch-entries.jsonl the
register entries, data/records the rest: authority, orders, certificates with all revisions and proofs, journal, erasures,
audit trail. `stammbuch import OUT` brings documents and entries into another installation.

Example:
  stammbuch export authority ID --to /srv/uebergabe --server https://archiv.example --token-file registrar.token

Exit codes: 0 all is there, 1 something could not be written or read, 2 input not understood."
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Documents by their ids, as far as the token sees them
    Document(Documents),
    /// All that is kept of an authority. A registrar's token: what is sealed exists for nobody else
    Authority(Authority),
}

#[derive(Debug, clap::Args)]
struct Documents {
    /// Their ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<DocumentId>,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
struct Authority {
    /// Its id: the token has to be one of it
    #[arg(value_name = "ID")]
    id: AuthorityId,
    /// Leave the audit trail out. With it, the token has to be an auditor's too
    #[arg(long)]
    without_audit: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
struct Shared {
    /// The folder: a new one, an empty one, or an earlier export of the same
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    site: Site,
    /// With the text that was read out of each document
    #[arg(long)]
    texts: bool,
    /// Files on their way at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    at_a_time: u8,
    /// Where to write what became of each file, one JSON object a line; nothing is overwritten
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.what {
        What::Document(args) => {
            carry_out(&args.shared, Trail::Without, |export, report| export.documents(&args.ids, report))
        }
        What::Authority(args) => {
            let trail = if args.without_audit { Trail::Without } else { Trail::With };
            carry_out(&args.shared, trail, |export, report| export.authority(args.id, report))
        }
    }
}

fn carry_out(
    args: &Shared,
    trail: Trail,
    work: impl FnOnce(&Export, &mut Report) -> Result<(), ExportError>,
) -> Result<ExitCode, CliError> {
    let export = Export {
        service: args.site.open()?,
        folder: args.to.clone(),
        places: usize::from(args.at_a_time),
        texts: if args.texts { Texts::With } else { Texts::Without },
        trail,
        today: SystemClock.now().to_zoned(TimeZone::UTC).date(),
    };
    let path = args.report.as_deref();
    let name = path.unwrap_or_else(|| Path::new("")).display();
    let mut report = Report::open(path).map_err(|error| CliError::BadInput(format!("{name}: {error}")))?;
    let done = work(&export, &mut report);
    let summary = report.close().map_err(CliError::failed)?;
    println!("{}", summary.to_json());
    match done {
        Ok(()) if summary.refused == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        Err(
            error @ (ExportError::OtherAuthority { .. }
            | ExportError::Pack(crate::transfer::bag::PackError::NotOurs(..))
            | ExportError::Service(ServiceError::Forbidden(_))),
        ) => Err(CliError::BadInput(error.to_string())),
        Err(error) => Err(CliError::failed(error)),
    }
}
