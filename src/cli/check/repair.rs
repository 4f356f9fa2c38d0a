//! What is put right: only what has one right form. Files of the log follow from the leaves, the index from the
//! database, jobs from documents; what nothing refers to is swept. No byte of evidence is made up.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use super::evidence::GRACE;
use super::report::Report;
use super::rule::Rule;
use super::{Logged, Looking, database_failed, log};
use crate::app::{Inspection, SystemClock, SystemRandom};
use crate::cli::CliError;
use crate::config::Config;
use crate::database::comparison::{self, standing};
use crate::database::jobs::{self, NewJob};
use crate::database::{DatabaseError, index as rows, index_changes};
use crate::domain::clock::Clock;
use crate::domain::ids::{DocumentId, JobId};
use crate::intake::index::Indexer;
use crate::intake::receive::EXTRACT_JOB;
use crate::intake::sweep;
use crate::retention::{Eraser, Progress};
use crate::search::index::{SearchBackend, TantivyBackend, TantivyLimits};

/// Documents that jobs are written for, or the index is told of, in one transaction.
const AT_ONCE: u32 = 500;

/// Repairs what `found` says differs. The lock of the data folder is held.
pub(super) async fn all(
    config: &Config,
    with: &Inspection,
    found: &Report,
    looking: &Looking,
) -> Result<(), CliError> {
    log::repair(Logged::of(with)).await?;
    let (now, before) = (looking.now, looking.now - GRACE);
    let forgotten = with.database.write(move |tx| Box::pin(comparison::forget_unused(tx, before)));
    forgotten.await.map_err(database_failed)?;
    while queue_reading(with, looking).await.map_err(database_failed)? {}
    let revived = with.database.write(move |tx| Box::pin(jobs::revive(tx, EXTRACT_JOB, now)));
    revived.await.map_err(database_failed)?;
    while tell_untold(with, looking).await.map_err(database_failed)? {}
    let doubtful = [Rule::IndexLacks, Rule::IndexStray].into_iter().flat_map(|rule| found.subjects(rule));
    let doubtful: Vec<DocumentId> = doubtful.filter_map(|subject| subject.parse().ok()).collect();
    tell_anew(with, doubtful, looking).await.map_err(database_failed)?;
    let index = TantivyBackend::open(&config.path(&config.search.folder), TantivyLimits::default());
    let index: Arc<dyn SearchBackend> = Arc::new(index.map_err(CliError::failed)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (database, vault) = (with.database.clone(), with.vault.clone());
    let indexer = Indexer::new(database, vault, Arc::clone(&index), Arc::clone(&clock));
    indexer.agree().await.map_err(CliError::failed)?;
    indexer.catch_up(&|_| ()).await.map_err(CliError::failed)?;
    let eraser = Eraser {
        database: with.database.clone(),
        keystore: with.keystore_rows.clone(),
        vault: with.vault.clone(),
        index,
        clock,
        wake: Arc::new(Notify::new()),
    };
    while eraser.all_steps().await.map_err(CliError::failed)? == Progress::Finished {}
    let swept = sweep::sweep(&with.vault, &with.database, now, GRACE).await;
    swept.map(drop).map_err(CliError::failed)
}

/// Writes jobs for documents that nobody reads out; `false`: there were none.
async fn queue_reading(with: &Inspection, looking: &Looking) -> Result<bool, DatabaseError> {
    let now = looking.now;
    let write = with.database.write::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            let unread = standing::unread(tx, EXTRACT_JOB, now, AT_ONCE).await?;
            for (document, authority) in &unread {
                let job = NewJob {
                    id: JobId::draw(&SystemRandom::new()),
                    authority: *authority,
                    kind: EXTRACT_JOB,
                    unique_key: None,
                    payload: json!({ "document": document }),
                    due_at: now,
                };
                jobs::enqueue(tx, &job, now).await?;
            }
            Ok(!unread.is_empty())
        })
    });
    write.await
}

/// Tells the index of documents it was never told of; `false`: there were none.
async fn tell_untold(with: &Inspection, looking: &Looking) -> Result<bool, DatabaseError> {
    let now = looking.now;
    let write = with.database.write::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            let untold = standing::untold(tx, AT_ONCE).await?;
            for (document, authority) in &untold {
                index_changes::append(tx, *document, *authority, now).await?;
            }
            Ok(!untold.is_empty())
        })
    });
    write.await
}

/// Tells the index once more of documents that are in it or not as they should not be.
async fn tell_anew(
    with: &Inspection,
    documents: Vec<DocumentId>,
    looking: &Looking,
) -> Result<(), DatabaseError> {
    let now = looking.now;
    let write = with.database.write::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            for document in documents {
                // One that is gone belongs to nobody any more; the index goes by the document alone.
                let authority = match rows::owner(tx, document).await? {
                    Some(authority) => authority,
                    None => crate::domain::ids::AuthorityId::from_bytes([0; 16]),
                };
                index_changes::append(tx, document, authority, now).await?;
            }
            Ok(())
        })
    });
    write.await
}
