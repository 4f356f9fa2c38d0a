//! `stammbuch bench seal`: composes and seals certificates with distinct names, each a full page with attachment and
//! QR code, PDF/A-3a and PDF/UA-1, P-256; the log's proof is of the usual size. One thread, nothing stored.

use std::process::ExitCode;

use jiff::Timestamp;

use super::{Stopwatch, print};
use crate::app::SystemRandom;
use crate::cli::CliError;
use crate::domain::certificate::VerificationNumber;
use crate::issuance::compose::{self, ComposeError};
use crate::issuance::request::{CertificateRequest, RequestError};
use crate::pdf::stationery::{Stationery, StationeryError};
use crate::seal::demo_ca::{self, Names};
use crate::seal::issue::IssueError;
use crate::seal::signer::{FileSigner, SignerError};
use crate::seal::{self, Profile, SealError, Statement};

/// A full page with difficult names.
const ROW: &[u8] = include_bytes!("../../issuance/sample.json");
/// Bytes of a proof in a log of some millions, with one cosignature.
const PROOF_BYTES: usize = 1300;
/// Made before the clock starts.
const WARM_UP: usize = 10;

/// Compose and seal certificates: full page, attachment, QR code, distinct names
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many certificates
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error(transparent)]
    Row(#[from] RequestError),
    #[error(transparent)]
    Stationery(#[from] StationeryError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    Ca(#[from] IssueError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let figures = measure(args).map_err(CliError::failed)?;
    print(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> Result<serde_json::Value, BenchError> {
    let random = SystemRandom::new();
    let begin = Timestamp::UNIX_EPOCH;
    let names = Names { authority: "Standesamt Musterstadt", given: "Erika", family: "Beispiel" };
    let ca = demo_ca::make(names, begin, &random)?;
    let signer = FileSigner::from_pem(&ca.registrar.key, &ca.registrar.certificates)?;
    let stationery = Stationery::load()?;
    let count = usize::try_from(args.count).unwrap_or(usize::MAX);
    let rows: Vec<_> = (0..count + WARM_UP).map(|i| row(i, &random)).collect::<Result<_, _>>()?;
    let statement = Statement { signing_time: begin, name: "Erika Beispiel", reason: "Geburtsurkunde" };
    let make = |row: &CertificateRequest| -> Result<usize, BenchError> {
        let composed = compose::compose(row, &stationery)?;
        let prepared = seal::prepare(&composed.bytes, Profile::P256V1, &statement)?;
        let signature = prepared.sign(&signer)?;
        prepared.seal_digest(&signature)?;
        Ok(prepared.finish(&signature, Some(&[b'x'; PROOF_BYTES]))?.len())
    };
    let (warm_up, measured) = rows.split_at(WARM_UP);
    warm_up.iter().try_for_each(|row| make(row).map(drop))?;
    let mut bytes = 0;
    let mut watch = Stopwatch::start(count);
    for row in measured {
        bytes += watch.item(|| make(row))?;
    }
    let mut figures = watch.stop().to_json("seal");
    if let Some(object) = figures.as_object_mut() {
        object.insert("bytesPerItem".to_owned(), (bytes / count).into());
    }
    Ok(figures)
}

/// The sample with names and a number of its own.
fn row(index: usize, random: &SystemRandom) -> Result<CertificateRequest, RequestError> {
    const SYLLABLES: [&str; 16] = [
        "mü", "řej", "łuk", "ßen", "dağ", "Žo", "fié", "ñol", "ker", "ath", "ing", "ove", "stė", "ård",
        "wic", "huy",
    ];
    let mut request = CertificateRequest::from_json(ROW)?;
    request.number = VerificationNumber::draw(random);
    let mut rest = index;
    let name: String = (0..4)
        .filter_map(|_| {
            let syllable = SYLLABLES.get(rest % SYLLABLES.len());
            rest /= SYLLABLES.len();
            syllable.copied()
        })
        .collect();
    for row in request.sections.iter_mut().flat_map(|section| &mut section.rows) {
        if row.label.contains("name") {
            row.value = format!("{} {name}", row.value);
        }
    }
    Ok(request)
}
