//! Rows of objects against the objects themselves and their keys, in both directions.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::{Report, database_failed};
use crate::app::{Inspection, SystemClock};
use crate::cli::CliError;
use crate::database::comparison::{self, Promised};
use crate::domain::clock::Clock as _;
use crate::domain::ids::ObjectId;
use crate::objects::{KeyRows as _, ObjectRef, VaultError};

/// Rows and keys looked at in one go.
const AT_ONCE: u32 = 1000;
/// Bytes decrypted in one go.
const PIECE_BYTES: u64 = 1 << 20;
/// What is younger may belong to an upload that is on its way.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// Compares; with `deep` every object is read to its end.
pub(super) async fn compare(with: &Inspection, deep: bool, report: &mut Report) -> Result<(), CliError> {
    let count = promised(with, deep, report).await?;
    let before = SystemClock.now() - GRACE;
    orphans(with, before, report).await?;
    keys(with, before, report).await?;
    let unused = with.database.read(|tx| Box::pin(comparison::unused(tx))).await;
    for object in unused.map_err(database_failed)? {
        report.differs("database", format!("object {object} belongs to no document and no certificate"));
    }
    report.compared(format!("{count} objects"));
    report.compared("keys");
    Ok(())
}

/// Every object that the database promises opens.
async fn promised(with: &Inspection, deep: bool, report: &mut Report) -> Result<usize, CliError> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = with.database.read(move |tx| Box::pin(comparison::promised(tx, after, AT_ONCE))).await;
        let rows: Vec<Promised> = rows.map_err(database_failed)?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = Some(last.object);
        count += rows.len();
        for row in rows {
            if let Err(error) = open(with, &row, deep).await {
                report.differs("objects", format!("object {}: {error}", row.object));
            }
        }
    }
}

async fn open(with: &Inspection, row: &Promised, deep: bool) -> Result<(), VaultError> {
    let at = ObjectRef { authority: row.authority, object: row.object, key: row.key };
    let object = with.vault.open(at, row.size).await?;
    let mut start = 0;
    while deep && start < object.size() {
        let piece: Range<u64> = start..object.size().min(start + PIECE_BYTES);
        start = piece.end;
        object.read(piece).await?;
    }
    Ok(())
}

/// No object lies on the store that the database does not know.
async fn orphans(with: &Inspection, before: Timestamp, report: &mut Report) -> Result<(), CliError> {
    for bucket in 0..=u8::MAX {
        let listed = with.objects.list(&format!("o/{bucket:02x}")).await.map_err(CliError::failed)?;
        for line in listed.into_iter().filter(|line| line.written_at <= before) {
            let name = line.path.as_str().rsplit('/').next().unwrap_or_default();
            match name.parse::<ObjectId>() {
                Ok(object) if is_promised(with, object).await? => {}
                _ => report.differs("objects", format!("{} belongs to nothing in the database", line.path)),
            }
        }
    }
    Ok(())
}

/// No key is kept for what the database does not know.
async fn keys(with: &Inspection, before: Timestamp, report: &mut Report) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let keys = with.keystore.list(after, AT_ONCE).await.map_err(CliError::failed)?;
        let Some((last, _)) = keys.last() else { return Ok(()) };
        after = Some(*last);
        for (object, created_at) in keys {
            if created_at <= before && !is_promised(with, object).await? {
                report.differs(
                    "keystore",
                    format!("the key of object {object} belongs to nothing in the database"),
                );
            }
        }
    }
}

async fn is_promised(with: &Inspection, object: ObjectId) -> Result<bool, CliError> {
    let found = with.database.read(move |tx| Box::pin(comparison::is_promised(tx, object))).await;
    found.map_err(database_failed)
}
