//! Work that stands still: documents nobody reads out, erasures, uploads, certificates and jobs that do not come to
//! their end; numbers of journals; certificates against their leaves and revisions.

use jiff::SignedDuration;

use super::evidence::GRACE;
use super::report::{KEPT_MAX, Report};
use super::rule::Rule;
use super::{Looking, database_failed};
use crate::app::Inspection;
use crate::cli::CliError;
use crate::database::comparison::{self, Broken, standing};
use crate::database::{DatabaseError, jobs};
use crate::domain::ids::CertificateId;
use crate::intake::receive::EXTRACT_JOB;

/// What a running server has not done for so long, it does not do.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// Certificates looked at in one go.
const AT_ONCE: u32 = 1000;

/// Compares.
pub(super) async fn compare(
    with: &Inspection,
    looking: &Looking,
    report: &mut Report,
) -> Result<(), CliError> {
    work(with, looking, report).await.map_err(database_failed)?;
    uploads(with, looking, report).await.map_err(database_failed)?;
    certificates(with, looking, report).await.map_err(database_failed)?;
    journals(with, report).await.map_err(database_failed)
}

fn most() -> u32 {
    u32::try_from(KEPT_MAX).unwrap_or(u32::MAX)
}

async fn work(with: &Inspection, looking: &Looking, report: &mut Report) -> Result<(), DatabaseError> {
    let now = looking.now;
    let unread =
        with.database.read(move |tx| Box::pin(standing::unread(tx, EXTRACT_JOB, now, most()))).await?;
    for (document, _) in unread {
        let what = format!("document {document} is not read out, and no job will do it");
        report.differs(Rule::DocumentUnread, document, what);
    }
    let before = now - PATIENCE;
    for erasing in with.database.read(move |tx| Box::pin(standing::erasures(tx, before, most()))).await? {
        let (document, waits_for) = (erasing.document, erasing.waits_for);
        let what =
            format!("the erasure of document {document}, decided {}, waits for {waits_for}", erasing.since);
        report.differs(Rule::ErasureStandsStill, document, what);
    }
    report.compared("erasures", None);
    for count in with.database.read(|tx| Box::pin(jobs::counts(tx))).await? {
        if count.poisoned > 0 {
            let what = format!("{} jobs of the kind {} failed too often", count.poisoned, count.kind);
            let rule = if count.kind == EXTRACT_JOB { Rule::ReadingDead } else { Rule::JobDead };
            report.differs(rule, &count.kind, what);
        }
    }
    report.compared("jobs", None);
    Ok(())
}

async fn uploads(with: &Inspection, looking: &Looking, report: &mut Report) -> Result<(), DatabaseError> {
    let before = looking.now - GRACE;
    let overdue =
        with.database.read(move |tx| Box::pin(standing::overdue_uploads(tx, before, most()))).await?;
    for upload in overdue {
        let what = format!("upload {upload} is over since a day or longer, and still there");
        looking.stands_still(report, Rule::UploadOverdue, upload, what);
    }
    for upload in with.database.read(|tx| Box::pin(standing::torn_uploads(tx, most()))).await? {
        let what = format!("upload {upload} has other pieces than its row counts");
        report.differs(Rule::UploadTorn, upload, what);
    }
    let tickets = with.database.read(move |tx| Box::pin(standing::overdue_tickets(tx, before))).await?;
    if tickets > 0 {
        let what = format!("{tickets} direct uploads should have been swept a day ago or earlier");
        looking.stands_still(report, Rule::TicketOverdue, "direct uploads", what);
    }
    report.compared("uploads", None);
    Ok(())
}

async fn certificates(
    with: &Inspection,
    looking: &Looking,
    report: &mut Report,
) -> Result<(), DatabaseError> {
    let before = looking.now - PATIENCE;
    for certificate in with.database.read(move |tx| Box::pin(standing::begun(tx, before, most()))).await? {
        let what = format!("certificate {certificate} was begun and is not finished");
        looking.stands_still(report, Rule::CertificateStandsStill, certificate, what);
    }
    for certificate in with.database.read(|tx| Box::pin(comparison::misplaced_certificates(tx))).await? {
        let what = format!("certificate {certificate} is not at the place of its leaf");
        report.differs(Rule::CertificateMisplaced, certificate, what);
    }
    let mut after = CertificateId::from_bytes([0; 16]);
    loop {
        let next = comparison::broken_certificates;
        let (broken, last) = with.database.read(move |tx| Box::pin(next(tx, after, AT_ONCE))).await?;
        for broken in broken {
            match broken {
                Broken::NoRevision(id) => {
                    let what =
                        format!("certificate {id} is finished, and its revision 1 is not what its row says");
                    report.differs(Rule::CertificateNoRevision, id, what);
                }
                Broken::OtherLeaf(id) => {
                    let what = format!("the leaf of certificate {id} does not commit to its seal");
                    report.differs(Rule::CertificateOtherLeaf, id, what);
                }
            }
        }
        let Some(last) = last else { break };
        after = last;
    }
    report.compared("certificates", None);
    Ok(())
}

/// Numbers of the issue journals have no gaps.
async fn journals(with: &Inspection, report: &mut Report) -> Result<(), DatabaseError> {
    for journal in with.database.read(|tx| Box::pin(comparison::torn_journals(tx))).await? {
        let comparison::Journal { authority, last, lines, highest } = journal;
        let what = format!(
            "authority {authority}: the counter stands at {last}, there are {lines} lines up to {highest}"
        );
        report.differs(Rule::JournalTorn, authority, what);
    }
    report.compared("journals", None);
    Ok(())
}
