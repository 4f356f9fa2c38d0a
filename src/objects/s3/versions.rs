//! Removing with every version, and keeping from being removed (Object Lock).

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};

use super::attempt::{Failed, Fault, failed};
use super::{Retention, RetentionMode, S3Store};
use crate::objects::path::ObjectPath;
use crate::objects::store::StoreError;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

impl S3Store {
    /// Removes the object, and in a bucket with versions all of them: what is deleted is to be gone.
    pub(super) async fn delete_all_versions(&self, path: &ObjectPath) -> Result<(), StoreError> {
        if !self.enforced().versioned {
            return self.delete_version(path, None).await;
        }
        loop {
            let versions = self.versions(path).await?;
            if versions.is_empty() {
                return Ok(());
            }
            for version in versions {
                self.delete_version(path, Some(version)).await?;
            }
        }
    }

    /// The first versions and delete marks of exactly this name; more than there is room for come the next time.
    async fn versions(&self, path: &ObjectPath) -> Result<Vec<String>, StoreError> {
        let key = self.key(path);
        let page = self.ask(|| async {
            let client = &self.0.clients.short;
            Ok(client.list_object_versions().bucket(&self.0.bucket).prefix(&key).send().await?)
        });
        let (page, _) = page.await.map_err(|failed| failed.at("list versions of", path))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let marks = page.delete_markers().iter().map(|mark| (mark.key(), mark.version_id()));
        let ours = versions.chain(marks).filter(|(name, _)| *name == Some(key.as_str()));
        Ok(ours.filter_map(|(_, version)| version.map(str::to_owned)).collect())
    }

    pub(super) async fn delete_version(
        &self,
        path: &ObjectPath,
        version: Option<String>,
    ) -> Result<(), StoreError> {
        let deleted = self.ask(|| async {
            let client = &self.0.clients.short;
            let request = client.delete_object().bucket(&self.0.bucket).key(self.key(path));
            request.set_version_id(version.clone()).send().await?;
            Ok(())
        });
        match deleted.await {
            Ok(_) | Err(Failed { fault: Fault::NotFound, .. }) => Ok(()),
            Err(Failed { fault: Fault::Locked, .. }) => Err(StoreError::Locked { path: path.clone() }),
            Err(failed) => Err(failed.at("delete", path)),
        }
    }

    /// Locks the newest version for the days of `retention`, counted from when the store wrote it: asked twice, it
    /// is the same day.
    pub(super) async fn retain(&self, path: &ObjectPath, retention: Retention) -> Result<(), StoreError> {
        let (about, _) = self.ask(|| self.head(path)).await.map_err(|failed| failed.at("look at", path))?;
        let Some(written_at) = about.written_at else {
            return Err(failed(
                "lock",
                path.as_str(),
                "the store does not say when it was written".to_owned(),
            ));
        };
        let until = written_at.as_second() + i64::from(retention.days) * DAY;
        self.lock_until(path, about.version, retention.mode, until).await
    }

    /// `until`: seconds since 1970.
    pub(super) async fn lock_until(
        &self,
        path: &ObjectPath,
        version: Option<String>,
        mode: RetentionMode,
        until: i64,
    ) -> Result<(), StoreError> {
        let mode = match mode {
            RetentionMode::Governance => ObjectLockRetentionMode::Governance,
            RetentionMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let until = DateTime::from_secs(until);
        let lock = ObjectLockRetention::builder().mode(mode).retain_until_date(until).build();
        let locked = self.ask(|| async {
            let client = &self.0.clients.short;
            let request = client.put_object_retention().bucket(&self.0.bucket).key(self.key(path));
            request.set_version_id(version.clone()).retention(lock.clone()).send().await?;
            Ok(())
        });
        locked.await.map(drop).map_err(|failed| failed.at("lock", path))
    }
}
