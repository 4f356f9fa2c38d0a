//! The audit row of a search: who has asked what and which documents were shown, the personal part erasable.

use serde_json::json;

use super::{Answer, Asked, Finder};
use crate::database::DatabaseError;
use crate::database::audit::{self, Act, Personal};
use crate::search::index::Reader;

/// Who asks, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The client of the token.
    pub client: String,
    /// The role it asks in.
    pub role: String,
    /// The request.
    pub request_id: Option<String>,
}

impl Finder {
    pub(super) async fn record(
        &self,
        reader: Reader,
        asker: Asker,
        asked: &Asked,
        answer: &Answer,
    ) -> Result<(), DatabaseError> {
        let shown: Vec<String> = answer.hits.iter().map(|hit| hit.document.to_string()).collect();
        let seen = json!({"query": asked.query, "documents": shown});
        let act = Act {
            at: self.clock.now(),
            authority: Some(reader.authority),
            actor: asker.client,
            role: asker.role,
            action: "search.answered".to_owned(),
            subject_kind: "documents".to_owned(),
            subject_id: shown.len().to_string(),
            request_id: asker.request_id,
            personal: Some(Personal::new(&*self.random, &seen)),
        };
        self.database.write(move |tx| Box::pin(async move { audit::append(tx, act).await.map(drop) })).await
    }
}
