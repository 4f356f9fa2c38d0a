//! A PDF becomes a report: structure, what the seal covers, signature, chain, what came after, registration in
//! the log. Pure and bounded: no IO, no clock, no panic; the same input gives the same report.
//! Knows no database and no HTTP; whether a certificate was revoked is added by who knows it.

mod chain;
mod changes;
mod cms;
mod facts;
mod locate;
mod log;
pub mod problem;
pub mod report;
pub mod text;
mod timestamp;

use jiff::{SignedDuration, Timestamp};

use crate::domain::digest::Sha256;
use crate::pdf::revisions::Revisions;
use crate::seal::algorithms::Digest;
use crate::seal::certificate::{Certificate, CertificateError};
use crate::seal::{self, oids};
use crate::tlog::VerifierKey;
use cms::Expect;
use locate::{Sealing, Signed};
use problem::Problem;
use report::{Changes, Integrity, Level, Log, Qualified, Report, Role, Signer, StampKind};

/// Clocks may differ by this much.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// The roots that are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    roots: Vec<Certificate>,
}

impl Trust {
    /// Adds the certificates of a PEM text.
    ///
    /// # Errors
    /// [`CertificateError`] if there is none or one cannot be used.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), CertificateError> {
        self.roots.extend(Certificate::all_from_pem(pem)?);
        Ok(())
    }

    /// Adds a certificate, once.
    pub fn add(&mut self, root: &Certificate) {
        if !self.roots.contains(root) {
            self.roots.push(root.clone());
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Is it one of our certificates? Every byte of the seal is accounted for, and the log's proof is needed.
    Certificate,
    /// Is the seal of this PDF in order, whoever made it? Our log is not asked.
    SealOnly,
}

/// Everything that the answer depends on besides the file.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Trusted roots.
    pub trust: &'a Trust,
    /// Keys of the log, and of witnesses whose cosignatures are known.
    pub log_keys: &'a [VerifierKey],
    /// What is asked.
    pub scope: Scope,
    /// The present.
    pub now: Timestamp,
    /// Larger files are not looked at, in bytes.
    pub file_bytes_max: usize,
}

/// Verifies a PDF.
pub fn pdf(file: &[u8], question: &Question<'_>) -> Report {
    let mut report = Report::blank(Sha256::of(file).to_string(), question.now);
    if let Err(problem) = judge(file, question, &mut report) {
        report.problems.push(problem);
    }
    report.conclude()
}

/// Goes on as far as the file permits; what stops it is the error, what does not is in the report.
fn judge(file: &[u8], question: &Question<'_>, report: &mut Report) -> Result<(), Problem> {
    if file.len() > question.file_bytes_max {
        return Err(Problem::TooLarge { max: question.file_bytes_max, got: file.len() });
    }
    let revisions = Revisions::read(file).map_err(locate::structure)?;
    let sealing = locate::locate(&revisions)?;
    let seal = &sealing.seal;
    report.age.sealed_at = seal.claimed_time();
    report.integrity = Integrity::Broken;
    seal.check_sub_filter()?;
    seal.check_byte_range()?;
    let opened = cms::open(&seal.contents(file, question.scope)?, Expect::seal(question.scope))?;
    let existence = existence(file, &sealing, &opened, question, report)?;
    judge_signer(&opened, &sealing, existence, question, report);

    let parts = seal.covered(file);
    let digest = Sha256::of_parts(&parts);
    let got = match opened.digest {
        Digest::Sha256 => digest.as_bytes().to_vec(),
        other => other.of(&parts),
    };
    if opened.message_digest != got {
        let (expected, got) = (hex::encode(&opened.message_digest), hex::encode(got));
        report.problems.push(Problem::Digest { expected, got });
    }
    report
        .problems
        .extend([opened.check_ess(), opened.check_signature()].into_iter().filter_map(Result::err));
    judge_changes(&revisions, &sealing, question, report);
    if report.problems.iter().all(|p| !breaks_integrity(p)) {
        report.integrity = Integrity::Intact;
    }
    judge_facts(&revisions, seal, report);
    judge_log(&opened, &digest, question, report);
    Ok(())
}

const fn breaks_integrity(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Digest { .. } | Problem::SignatureValue | Problem::OtherCertificate | Problem::Changed(_)
    )
}

/// By when the seal provably existed, from all timestamps in and after it.
fn existence(
    file: &[u8],
    sealing: &Sealing<'_>,
    opened: &cms::Opened,
    question: &Question<'_>,
    report: &mut Report,
) -> Result<Timestamp, Problem> {
    let mut checked = Vec::with_capacity(sealing.timestamps.len() + 1);
    for stamp in &sealing.timestamps {
        stamp.check_byte_range()?;
        let token = stamp.contents(file, question.scope)?;
        let covered = stamp.covered(file);
        checked.push(timestamp::check(&token, StampKind::Document, &covered, question)?);
    }
    if let Some(token) = &opened.timestamp {
        let over = [opened.signature.as_slice()];
        checked.push(timestamp::check(token, StampKind::Signature, &over, question)?);
    }
    let existence = timestamp::go_back(checked, question.now);
    let believed = existence.stamps.iter().any(|stamp| stamp.believed);
    report.level = Some(if believed { Level::Time } else { Level::Basic });
    report.age.proven_at = believed.then_some(existence.by);
    report.timestamps = existence.stamps;
    report.problems.extend(existence.problems);
    Ok(existence.by)
}

fn judge_signer(
    opened: &cms::Opened,
    sealing: &Sealing<'_>,
    existed: Timestamp,
    question: &Question<'_>,
    report: &mut Report,
) {
    let expect = Expect::seal(question.scope);
    let path = chain::build(&opened.signer, &opened.certificates, question.trust, expect);
    report.specimen = path.is_specimen();
    report.qualified = if report.specimen { Qualified::No } else { Qualified::Unknown };
    let trusted = path.problems.is_empty();
    report.problems.extend_from_slice(&path.problems);
    match report.age.sealed_at {
        None => report.problems.push(Problem::NoTime),
        Some(at) => {
            report.problems.extend(path.check_times(at, existed));
            if at > existed.saturating_add(SKEW).unwrap_or(existed) {
                report.problems.push(Problem::Future { at });
            }
        }
    }
    if question.scope == Scope::Certificate && !sealing.certified {
        report.problems.push(Problem::NotCertified);
    }
    let own = &opened.signer;
    report.signer = Some(Signer {
        role: role(own),
        name: own.subject(oids::COMMON_NAME).unwrap_or_default(),
        organization: own.subject(oids::ORGANIZATION).unwrap_or_default(),
        trusted,
        valid_from: own.not_before(),
        valid_until: own.not_after(),
    });
}

fn role(certificate: &Certificate) -> Role {
    if certificate.has_policy(oids::POLICY_REGISTRAR) {
        Role::Registrar
    } else if certificate.has_policy(oids::POLICY_AUTHORITY_SEAL) {
        Role::AuthoritySeal
    } else {
        Role::Unknown
    }
}

fn judge_changes(
    revisions: &Revisions<'_>,
    sealing: &Sealing<'_>,
    question: &Question<'_>,
    report: &mut Report,
) {
    match changes::after(revisions, sealing.seal.revision, question.scope) {
        Ok(changes) => report.changes = changes,
        Err(what) => {
            report.changes = Changes::Other;
            report.problems.push(Problem::Changed(what));
        }
    }
    // What nobody signed after the seal nobody vouches for.
    let covered = sealing.timestamps.first().map_or(sealing.seal.revision, |newest| newest.revision) == 0;
    if question.scope == Scope::Certificate && !covered {
        report.problems.push(Problem::Changed("no timestamp covers it".to_owned()));
    }
    // Validation data (/DSS) are not judged yet: a certificate that carries some is not vouched for.
    if question.scope == Scope::Certificate && changes::has_validation_data(revisions) {
        report.problems.push(Problem::Unsupported("validation data after the seal".to_owned()));
    }
}

fn judge_facts(revisions: &Revisions<'_>, seal: &Signed<'_>, report: &mut Report) {
    match facts::read(revisions, seal.revision) {
        Ok(None) => {}
        Ok(Some(row)) => {
            report.specimen |= row.specimen;
            report.age.entry_as_of = Some(row.as_of);
            report.document = Some(facts::document(&row));
            if let Some(signer) = &report.signer {
                report.problems.extend(facts::compare(&row, signer));
            }
        }
        Err(problem) => report.problems.push(problem),
    }
}

fn judge_log(opened: &cms::Opened, digest: &Sha256, question: &Question<'_>, report: &mut Report) {
    let seal_digest = seal::seal_digest(digest, &opened.signature);
    report.seal_digest = Some(seal_digest.to_string());
    if question.scope == Scope::SealOnly {
        return;
    }
    report.log = Log::NotProven;
    let problem = match &opened.proof {
        _ if question.log_keys.is_empty() => {
            report.log = Log::Unknown;
            Problem::NoLogKey
        }
        None => Problem::NoProof,
        Some(proof) => match log::check(proof, &seal_digest, question.log_keys) {
            Ok(registered) => {
                report.log = registered;
                return;
            }
            Err(problem) => problem,
        },
    };
    report.problems.push(problem);
}
