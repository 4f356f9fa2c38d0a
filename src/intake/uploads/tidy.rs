//! What is done from time to time: uploads whose time is over are removed with their bytes, and complete ones that a
//! crash kept from becoming documents become them.

use super::{UploadError, Uploads};
use crate::database::DatabaseError;
use crate::database::uploads::{self, Upload};

/// Uploads looked at in one go.
const AT_ONCE: u32 = 1000;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Uploads whose time was over.
    pub removed: u64,
    /// Uploads that have become documents.
    pub finished: u64,
}

impl Uploads {
    /// Does what is due. An upload that somebody works on is left for the next time, as is one that fails.
    pub async fn tidy(&self) -> Result<Tidied, DatabaseError> {
        let (now, database) = (self.receiver.clock.now(), &self.receiver.database);
        let mut tidied = Tidied::default();
        let expired = database.read(move |tx| Box::pin(uploads::expired(tx, now, AT_ONCE))).await?;
        for upload in expired {
            tidied.removed += u64::from(self.remove_expired(upload).await);
        }
        let unfinished = database.read(move |tx| Box::pin(uploads::unfinished(tx, now, AT_ONCE))).await?;
        for upload in unfinished {
            tidied.finished += u64::from(self.finish_late(upload).await);
        }
        Ok(tidied)
    }

    async fn remove_expired(&self, upload: Upload) -> bool {
        let Some(_hold) = self.locks.try_hold(upload.id) else { return false };
        // It may have come on before it was held.
        match self.find(upload.authority, upload.id).await {
            Err(UploadError::Expired) => {}
            _ => return false,
        }
        let removed = self.discard(&upload).await;
        removed.inspect_err(|error| tracing::warn!(%error, "an expired upload is left")).is_ok()
    }

    async fn finish_late(&self, upload: Upload) -> bool {
        let Some(hold) = self.locks.try_hold(upload.id) else { return false };
        match self.find(upload.authority, upload.id).await {
            Ok(upload) if upload.document.is_none() => {
                let finished = self.finish_held(upload, hold).await;
                finished.inspect_err(|error| tracing::warn!(%error, "an upload is not finished")).is_ok()
            }
            _ => false,
        }
    }
}
