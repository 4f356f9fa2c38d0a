//! Rows of objects against the objects themselves and their keys, in both directions. What changes while it is looked
//! at is looked at twice.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::deep::Deep;
use super::report::Report;
use super::rule::Rule;
use super::{Looking, database_failed};
use crate::app::Inspection;
use crate::cli::CliError;
use crate::database::comparison::{self, Promised};
use crate::domain::ids::ObjectId;
use crate::intake::sweep;
use crate::objects::{KeyError, KeyRows as _, ObjectRef, StoreError, VaultError};

/// Rows and keys looked at in one go.
const AT_ONCE: u32 = 1000;
/// What nothing refers to and is still there then is no erasure on its way.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What is younger may belong to an upload that is on its way.
pub(super) const GRACE: SignedDuration = sweep::GRACE;

/// Compares; with `deep` objects are read to their end.
pub(super) async fn compare(
    with: &Inspection,
    looking: &Looking,
    deep: Option<&mut Deep>,
    report: &mut Report,
) -> Result<(), CliError> {
    let before = looking.now - GRACE;
    promised(with, deep, report).await?;
    objects(with, looking, before, report).await?;
    keys(with, looking, before, report).await?;
    let most = u32::try_from(super::report::KEPT_MAX).unwrap_or(u32::MAX);
    let unused = with.database.read(move |tx| Box::pin(comparison::unused(tx, before, most))).await;
    for object in unused.map_err(database_failed)? {
        let what = format!("object {object} belongs to no document and no certificate");
        report.differs(Rule::RowUnused, object, what);
    }
    Ok(())
}

/// Every object that the database promises opens.
async fn promised(
    with: &Inspection,
    mut deep: Option<&mut Deep>,
    report: &mut Report,
) -> Result<(), CliError> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = with.database.read(move |tx| Box::pin(comparison::promised(tx, after, AT_ONCE))).await;
        let rows: Vec<Promised> = rows.map_err(database_failed)?;
        let Some(last) = rows.last() else { break };
        after = Some(last.object);
        count += rows.len() as u64;
        for row in rows {
            let seen = look_at(with, &row, deep.as_deref_mut(), report).await;
            let Err(first) = seen else { continue };
            // It may have gone, or moved to another key, since the row was read.
            let now = with.database.read(move |tx| Box::pin(comparison::promise(tx, row.object))).await;
            let Some(now) = now.map_err(database_failed)? else { continue };
            if let Err(error) = look_at(with, &now, None, report).await {
                report.differs(rule_of(&error), row.object, format!("object {}: {error}", row.object));
            } else if matches!(first, VaultError::Damaged { .. }) {
                report.differs(Rule::ObjectDamaged, row.object, format!("object {}: {first}", row.object));
            }
        }
    }
    report.compared("objects", Some(count));
    if let Some(deep) = deep {
        deep.say(report);
    }
    Ok(())
}

async fn look_at(
    with: &Inspection,
    row: &Promised,
    deep: Option<&mut Deep>,
    report: &mut Report,
) -> Result<(), VaultError> {
    let at = ObjectRef { authority: row.authority, object: row.object, key: row.key };
    let object = with.vault.open(at, row.size).await?;
    match deep {
        Some(deep) => deep.read(object, row, report).await,
        None => Ok(()),
    }
}

const fn rule_of(error: &VaultError) -> Rule {
    match error {
        VaultError::Store(StoreError::NotFound { .. }) => Rule::ObjectMissing,
        VaultError::Store(_) | VaultError::Key(KeyError::Store(_)) => Rule::ObjectUnreadable,
        VaultError::Key(KeyError::Erased { .. }) => Rule::KeyMissing,
        VaultError::Key(_) => Rule::KeyForged,
        VaultError::Damaged { .. } | VaultError::OutOfRange { .. } => Rule::ObjectDamaged,
    }
}

/// No object lies on the store that the database does not know.
async fn objects(
    with: &Inspection,
    looking: &Looking,
    before: Timestamp,
    report: &mut Report,
) -> Result<(), CliError> {
    let (mut orphans, mut young) = (Vec::new(), 0_u64);
    for bucket in 0..=u8::MAX {
        let listed = with.objects.list(&format!("o/{bucket:02x}")).await.map_err(CliError::failed)?;
        for line in listed {
            let name = line.path.as_str().rsplit('/').next().unwrap_or_default();
            let proper = format!("o/{}/{name}", name.get(..2).unwrap_or_default());
            let object = name.parse::<ObjectId>().ok().filter(|_| line.path.as_str() == proper);
            match object {
                Some(object) if is_promised(with, object).await? => {}
                _ if line.written_at > before => young += 1,
                _ => orphans.push((line.path, object)),
            }
        }
    }
    looking.again_after(LOOK_AGAIN, orphans.is_empty()).await;
    for (path, object) in orphans {
        let gone = matches!(with.objects.size(&path).await, Err(StoreError::NotFound { .. }));
        let wanted = match object {
            Some(object) => is_promised(with, object).await?,
            None => false,
        };
        if !gone && !wanted {
            let rule = if object.is_some() { Rule::OrphanObject } else { Rule::ForeignFile };
            report.differs(rule, &path, format!("{path} belongs to nothing in the database"));
        }
    }
    if young > 0 {
        report.note(format!(
            "{young} objects younger than 24 hours belong to nothing yet: uploads on their way"
        ));
    }
    Ok(())
}

/// No key is kept for what the database does not know.
async fn keys(
    with: &Inspection,
    looking: &Looking,
    before: Timestamp,
    report: &mut Report,
) -> Result<(), CliError> {
    let (mut orphans, mut count, mut after) = (Vec::new(), 0, None);
    loop {
        let keys = with.keystore.list(after, AT_ONCE).await.map_err(CliError::failed)?;
        let Some((last, _)) = keys.last() else { break };
        after = Some(*last);
        count += keys.len() as u64;
        for (object, created_at) in keys {
            if created_at <= before && !is_promised(with, object).await? {
                orphans.push(object);
            }
        }
    }
    looking.again_after(LOOK_AGAIN, orphans.is_empty()).await;
    for object in orphans {
        let there = with.keystore.find(object).await.map_err(CliError::failed)?;
        if there.is_some() && !is_promised(with, object).await? {
            let what = format!("the key of object {object} belongs to nothing in the database");
            report.differs(Rule::OrphanKey, object, what);
        }
    }
    report.compared("keys", Some(count));
    Ok(())
}

async fn is_promised(with: &Inspection, object: ObjectId) -> Result<bool, CliError> {
    let found = with.database.read(move |tx| Box::pin(comparison::is_promised(tx, object))).await;
    found.map_err(database_failed)
}
