//! Removing from the folder what no backup needs any more: those whose time is over, and objects that no list names.

use std::collections::HashSet;
use std::iter::Peekable;

use jiff::Timestamp;

use super::folder::{Folder, Line};
use super::{BackupError, file};
use crate::domain::ids::ObjectId;
use crate::objects::{ObjectStore, path_of};

/// Removes it; answers how many backups and how many objects.
pub(super) async fn prune(
    folder: &Folder,
    store: &dyn ObjectStore,
    now: Timestamp,
) -> Result<(u64, u64), BackupError> {
    let (over, kept): (Vec<_>, Vec<_>) =
        folder.finished()?.into_iter().partition(|snapshot| snapshot.manifest.expires_at <= now);
    for snapshot in &over {
        // The manifest first: without it the rest was broken off.
        let manifest = snapshot.path.join("manifest");
        std::fs::remove_file(&manifest).map_err(file(&manifest))?;
        std::fs::remove_dir_all(&snapshot.path).map_err(file(&snapshot.path))?;
    }
    let mut lists = Vec::new();
    for snapshot in &kept {
        lists.push(snapshot.lines()?.peekable());
    }
    let rows: HashSet<ObjectId> = kept.iter().map(|snapshot| snapshot.manifest.rows).collect();
    let mut removed = 0;
    for bucket in 0..=u8::MAX {
        let mut needed = HashSet::new();
        for list in &mut lists {
            while let Some(line) = next_of(list, bucket)? {
                needed.insert(line.object);
            }
        }
        for listed in store.list(&format!("o/{bucket:02x}")).await? {
            let name = listed.path.as_str().rsplit('/').next().unwrap_or_default();
            let Ok(object) = name.parse::<ObjectId>() else { continue };
            if !needed.contains(&object) && !rows.contains(&object) {
                store.delete(&path_of(object)?).await?;
                removed += 1;
            }
        }
    }
    Ok((over.len() as u64, removed))
}

/// The next line of a sorted list whose object begins with `bucket`.
fn next_of(
    list: &mut Peekable<impl Iterator<Item = Result<Line, BackupError>>>,
    bucket: u8,
) -> Result<Option<Line>, BackupError> {
    let is_here = |line: &Result<Line, BackupError>| match line {
        Ok(line) => line.object.as_bytes().first() == Some(&bucket),
        Err(_) => true,
    };
    list.next_if(is_here).transpose()
}
