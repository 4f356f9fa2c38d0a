//! Erasures on their way from one installation into the next: what is restored must not have what was erased since.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::database::erasures::Erasure;
use crate::database::idempotency::StoredAnswer;
use crate::database::{Database, DatabaseError, Tx, erasures};
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::retention;

/// An erasure as the file of keys has it: nothing in it says anything of persons but who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Erased {
    document: DocumentId,
    authority: AuthorityId,
    reason: String,
    provision: String,
    erased_at: Timestamp,
    erased_by: String,
    restricted: bool,
}

impl From<Erasure> for Erased {
    fn from(erasure: Erasure) -> Self {
        let Erasure { document, authority, reason, provision, erased_at, erased_by, restricted, .. } =
            erasure;
        Self { document, authority, reason, provision, erased_at, erased_by, restricted }
    }
}

/// Erasures read in one go.
const AT_ONCE: u32 = 500;

/// The next erasures behind `after`, by document.
pub(super) async fn next(
    tx: &mut Tx,
    after: DocumentId,
) -> Result<(Vec<Erased>, Option<DocumentId>), DatabaseError> {
    let part = erasures::all(tx, after, AT_ONCE).await?;
    let last = part.last().map(|erasure| erasure.document);
    Ok((part.into_iter().map(Erased::from).collect(), last))
}

/// Erases again what was erased after the rows were taken; answers whether there was anything to erase.
/// `gone` is what an idempotency key of its upload answers then.
pub(super) async fn replay(
    database: &Database,
    erased: Erased,
    gone: StoredAnswer,
) -> Result<bool, DatabaseError> {
    let Erased { document, authority, reason, provision, erased_at, erased_by, restricted } = erased;
    let erasure =
        Erasure { document, authority, reason, provision, erased_at, erased_by, restricted, done_at: None };
    database.write(move |tx| Box::pin(retention::replay(tx, erasure, gone))).await
}
