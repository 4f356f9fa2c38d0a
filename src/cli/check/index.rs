//! How far the index has come against what changed in the database.

use super::Report;
use crate::app::Inspection;
use crate::cli::CliError;
use crate::config::Config;
use crate::database::{DatabaseError, index as rows};
use crate::search::index::{IndexError, Mark, SearchBackend as _, TantivyBackend, TantivyLimits};

/// Compares. An index that a running server has open is left out, and the report says so.
pub(super) async fn compare(config: &Config, with: &Inspection, report: &mut Report) -> Result<(), CliError> {
    let mark = match mark(config) {
        Ok(mark) => mark,
        Err(IndexError::Taken) => {
            report.compared("not the index (a server has it open)");
            return Ok(());
        }
        Err(error) => return Err(CliError::failed(error)),
    };
    let seq = mark.seq;
    let read = with.database.read::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move { Ok((rows::document_of(tx, seq).await?, rows::changes_behind(tx, seq).await?)) })
    });
    let (document, behind) = read.await.map_err(CliError::failed)?;
    if mark != Mark::NOTHING && document != mark.witness {
        report.differs("index", format!("change {seq} of the index is none of this database"));
    }
    if behind > 0 {
        report.differs("index", format!("{behind} changes of the database are not in the index"));
    }
    report.compared("index");
    Ok(())
}

/// The mark of the index, of none if its folder is not there.
fn mark(config: &Config) -> Result<Mark, IndexError> {
    let folder = config.path(&config.search.folder);
    if !folder.exists() {
        return Ok(Mark::NOTHING);
    }
    TantivyBackend::open(&folder, TantivyLimits::default())?.mark()
}
