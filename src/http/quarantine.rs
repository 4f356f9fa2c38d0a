//! `/v1/quarantine`: infected files, what was found in them and who brought them. There is no way to their bytes here.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Auditor;
use super::problem::Problem;
use crate::database::quarantine::{self, Quarantined};
use crate::database::{Database, DatabaseError};
use crate::domain::digest::Sha256;
use crate::domain::ids::{DocumentId, QuarantineId};

/// Files in one answer.
const FILES_MAX: u32 = 500;

/// An infected file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QuarantinedFile)]
pub(super) struct View {
    /// 32 hex digits, as in the audit trail.
    #[schema(value_type = String)]
    id: QuarantineId,
    /// SHA-256 of its bytes, 64 hex digits.
    #[schema(value_type = String)]
    sha256: Sha256,
    /// Its bytes, counted.
    size: u64,
    /// What was found, by the scanner's name for it.
    signature: String,
    /// The client that sent it.
    client: String,
    /// The request it came in, unless it waited for the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The document it was to become, if its sender was told so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    document: Option<DocumentId>,
    /// When it was found infected.
    #[schema(value_type = String, format = DateTime)]
    found_at: Timestamp,
    /// When it is removed.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Whether its bytes are kept, sealed. If not, the same are kept with an earlier one, or there was no room.
    kept: bool,
}

/// Infected files of the caller's authority.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quarantine)]
pub(super) struct Files {
    /// The last found first; at most 500.
    files: Vec<View>,
    /// Whether there are more.
    more: bool,
}

impl From<Quarantined> for View {
    fn from(file: Quarantined) -> Self {
        Self {
            id: file.id,
            sha256: file.sha256,
            size: file.size,
            signature: file.signature,
            client: file.client,
            request_id: file.request_id,
            document: file.document,
            found_at: file.found_at,
            until: file.until,
            kept: file.object.is_some(),
        }
    }
}

/// What the virus scanner has found something in.
#[utoipa::path(get, path = "/v1/quarantine", tag = "documents",
    responses((status = 200, description = "Infected files of the authority", body = Files)))]
pub(super) async fn list(caller: Auditor, database: web::Data<Database>) -> Result<HttpResponse, Problem> {
    let authority = caller.authority;
    let listed: Result<_, DatabaseError> =
        database.read(move |tx| Box::pin(quarantine::list(tx, authority, FILES_MAX + 1))).await;
    let mut files: Vec<View> = listed?.into_iter().map(View::from).collect();
    let max = usize::try_from(FILES_MAX).unwrap_or(usize::MAX);
    let more = files.len() > max;
    files.truncate(max);
    Ok(HttpResponse::Ok().json(Files { files, more }))
}
