//! The index against the database: whether it is of this history, how far it has come, and which documents are in it.
//! Looks into it without taking it, so also while a server writes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::report::{KEPT_MAX, Report};
use super::rule::Rule;
use super::{Looking, database_failed};
use crate::app::Inspection;
use crate::cli::CliError;
use crate::config::Config;
use crate::database::comparison::standing;
use crate::database::{DatabaseError, index as rows, index_changes};
use crate::domain::ids::DocumentId;
use crate::search::index::{IndexError, Look, Mark};

/// How long a running server has to take over what was there at the first look.
const CATCH_UP: u32 = 15;
/// Between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Files of the index go while it is looked at, when a server merges them.
const TRIES: usize = 3;

/// Compares.
pub(super) async fn compare(
    config: &Config,
    with: &Inspection,
    looking: &Looking,
    report: &mut Report,
) -> Result<(), CliError> {
    let folder = config.path(&config.search.folder);
    let last = with.database.read(|tx| Box::pin(index_changes::last(tx))).await.map_err(database_failed)?;
    let mut mark = mark(&folder)?;
    for _ in 0..CATCH_UP {
        if !looking.served || mark.is_some_and(|mark| mark.seq >= last) {
            break;
        }
        // sleeps: the server gives no signal of what it has taken over
        tokio::time::sleep(LOOK_AGAIN).await;
        mark = self::mark(&folder)?;
    }
    let Some(mark) = mark else {
        report.differs(Rule::IndexUnreadable, "index", "the index cannot be read");
        return Ok(());
    };
    let seq = mark.seq;
    let read = with.database.read::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move { Ok((rows::document_of(tx, seq).await?, rows::changes_behind(tx, seq).await?)) })
    });
    let (document, behind) = read.await.map_err(CliError::failed)?;
    report.compared("index", None);
    if mark != Mark::NOTHING && document != mark.witness {
        let what = format!("change {seq} of the index is none of this database");
        report.differs(Rule::IndexOtherHistory, "index", what);
        return Ok(());
    }
    if mark.seq < last {
        let what = format!("{behind} changes of the database are not in the index");
        report.differs(Rule::IndexBehind, "index", what);
    }
    untold(with, report).await?;
    documents(&folder, with, looking, report).await
}

/// The mark of the index, of none if its folder is not there; `None`: it cannot be read.
fn mark(folder: &Path) -> Result<Option<Mark>, CliError> {
    Ok(look(folder)?.map(|look| look.map_or(Mark::NOTHING, |look| look.mark())))
}

/// What is in the folder; the outer `None`: it cannot be read, the inner one: there is nothing.
fn look(folder: &Path) -> Result<Option<Option<Look>>, CliError> {
    for _ in 1..TRIES {
        if let Ok(look) = Look::into(folder) {
            return Ok(Some(look));
        }
    }
    match Look::into(folder) {
        Ok(look) => Ok(Some(look)),
        Err(IndexError::Engine(_)) => Ok(None),
        Err(error) => Err(CliError::failed(error)),
    }
}

/// Documents whose text was read out and of which the index was never told.
async fn untold(with: &Inspection, report: &mut Report) -> Result<(), CliError> {
    let most = u32::try_from(KEPT_MAX).unwrap_or(u32::MAX);
    let untold = with.database.read(move |tx| Box::pin(standing::untold(tx, most))).await;
    for (document, _) in untold.map_err(database_failed)? {
        let what = format!("the index was never told of document {document}");
        report.differs(Rule::DocumentUntold, document, what);
    }
    Ok(())
}

/// What the database says is in the index is in it, and nothing else.
async fn documents(
    folder: &Path,
    with: &Inspection,
    looking: &Looking,
    report: &mut Report,
) -> Result<(), CliError> {
    let mut count = 0;
    let Some(Some(mut look)) = look(folder)? else { return Ok(()) };
    for first in 0..=u8::MAX {
        let mut known = known(with, first).await?;
        // What a server has taken over since is in the newer one only.
        if looking.served
            && let Some(Some(newer)) = self::look(folder)?
        {
            look = newer;
        }
        let found: BTreeSet<DocumentId> =
            look.documents(first).map_err(CliError::failed)?.into_iter().collect();
        count += found.len() as u64;
        let suspects: Vec<DocumentId> = found
            .iter()
            .filter(|document| !known.contains_key(document))
            .chain(
                known.iter().filter(|(document, said)| **said && !found.contains(document)).map(|(d, _)| d),
            )
            .copied()
            .collect();
        if suspects.is_empty() {
            continue;
        }
        // What came or went meanwhile.
        known = self::known(with, first).await?;
        for document in suspects {
            let seq = look.mark().seq;
            let told = standing::is_to_be_told;
            let told = with.database.read(move |tx| Box::pin(told(tx, document, seq))).await;
            if told.map_err(database_failed)? {
                continue;
            }
            match (known.get(&document), found.contains(&document)) {
                (None, true) => {
                    let what = format!("document {document} is in the index and not in the database");
                    report.differs(Rule::IndexStray, document, what);
                }
                (Some(true), false) => {
                    let what =
                        format!("document {document} is not in the index, and the database says it is");
                    report.differs(Rule::IndexLacks, document, what);
                }
                _ => {}
            }
        }
    }
    report.compared("documents in the index", Some(count));
    Ok(())
}

async fn known(with: &Inspection, first: u8) -> Result<BTreeMap<DocumentId, bool>, CliError> {
    let known = with.database.read(move |tx| Box::pin(standing::documents(tx, first))).await;
    Ok(known.map_err(database_failed)?.into_iter().collect())
}
