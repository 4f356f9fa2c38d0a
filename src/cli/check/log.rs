//! The signed log of the database against the published files: checkpoint, tiles, bundles; and the certificates'
//! places in it.

use std::collections::BTreeSet;

use super::{Report, database_failed};
use crate::app::Inspection;
use crate::cli::CliError;
use crate::database::{DatabaseError, comparison, log as rows};
use crate::tlog::{Checkpoint, Growth, TilePath, Tree, tiles_for_edge};

/// Leaves taken up in one go: whole tiles of the second level.
const AT_ONCE: u64 = 65_536;

/// Compares.
pub(super) async fn compare(with: &Inspection, report: &mut Report) -> Result<(), CliError> {
    let signed = with.database.read(|tx| Box::pin(rows::signed_head(tx))).await;
    let signed = signed.map_err(database_failed)?;
    let published = with.log.checkpoint().await.map_err(CliError::failed)?;
    if published != signed.checkpoint {
        let size = |note: Option<&String>| {
            let key = std::slice::from_ref(&with.log_key);
            match note.map(|note| Checkpoint::open(note, key)) {
                None => "none".to_owned(),
                Some(Ok(checkpoint)) => format!("one of {} leaves", checkpoint.size()),
                Some(Err(error)) => format!("one that is not the log's ({error})"),
            }
        };
        let (published, signed) = (size(published.as_ref()), size(signed.checkpoint.as_ref()));
        report.differs("log", format!("published checkpoint: {published}; signed in the database: {signed}"));
    }
    if let Some(note) = &signed.checkpoint {
        leaves(with, signed.size, note, report).await?;
    }
    let misplaced = with.database.read(|tx| Box::pin(comparison::misplaced_certificates(tx))).await;
    for certificate in misplaced.map_err(database_failed)? {
        report.differs("log", format!("certificate {certificate} is not at the place of its leaf"));
    }
    report.compared(format!("{} leaves", signed.size));
    Ok(())
}

/// The database's leaves give the signed root, and every file that has to be there.
async fn leaves(with: &Inspection, size: u64, note: &str, report: &mut Report) -> Result<(), CliError> {
    let edge: BTreeSet<TilePath> = tiles_for_edge(size).into_iter().collect();
    let mut tree = Tree::new();
    while tree.size() < size {
        let (from, to) = (tree.size(), size.min(tree.size() + AT_ONCE));
        match with.database.read(move |tx| Box::pin(rows::leaves(tx, from, to))).await {
            Ok(leaves) => files(with, &tree.append(&leaves), &edge, report).await?,
            Err(DatabaseError::NoRow | DatabaseError::Column { .. }) => {
                report.differs(
                    "log",
                    format!("the database lacks leaves between {from} and {to}, or has damaged ones"),
                );
                return Ok(());
            }
            Err(error) => return Err(CliError::failed(error)),
        }
    }
    match Checkpoint::open(note, std::slice::from_ref(&with.log_key)) {
        Ok(checkpoint) if checkpoint.root() == tree.root() && checkpoint.size() == size => {}
        Ok(_) => report.differs("log", "the leaves in the database do not give the root that was signed"),
        Err(error) => report.differs("log", format!("the checkpoint in the database: {error}")),
    }
    Ok(())
}

/// Full tiles, and the open ones of the present size, lie there with the right bytes.
async fn files(
    with: &Inspection,
    growth: &Growth,
    edge: &BTreeSet<TilePath>,
    report: &mut Report,
) -> Result<(), CliError> {
    for (path, expected) in growth.files() {
        if !path.is_full() && !edge.contains(path) {
            continue;
        }
        match with.log.file(path).await.map_err(CliError::failed)? {
            Some(bytes) if bytes == expected.as_slice() => {}
            Some(_) => report.differs("log", format!("{path} has other bytes than its leaves give")),
            None => report.differs("log", format!("{path} is missing")),
        }
    }
    Ok(())
}
