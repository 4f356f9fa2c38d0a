//! `/v1/uploads`: evidence in several requests, by tus 1.0 (creation, creation-with-upload, expiration, checksum,
//! termination). At the last byte the upload is a document; the answer names it in `Document-Location`.
//!
//! Extracts, calls the flow, maps; knows no SQL and no keys.

mod headers;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::caller::Uploader;
use super::documents::{self, upload};
use super::idempotency::IdempotencyKey;
use super::problem::{Body as ProblemBody, Kind, Problem};
use crate::database::uploads::Upload;
use crate::domain::ids::{AuthorityId, DocumentId, UploadId};
use crate::intake::uploads::{CHECKSUM_ALGORITHMS, Chunk, UploadError, Uploads};
pub(crate) use headers::Resumable;

const ROUTE: &str = "/v1/uploads";

/// How an upload stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Upload)]
pub struct View {
    /// 32 hex digits.
    #[schema(value_type = String)]
    id: UploadId,
    /// Bytes that are durable.
    offset: u64,
    /// Bytes that were announced.
    length: u64,
    /// The document it has become.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    document: Option<DocumentId>,
    /// Until when it can be continued, unless it is a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<Upload> for View {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            offset: upload.received,
            length: upload.size,
            document: upload.document,
            expires_at: upload.document.is_none().then_some(upload.expires_at),
        }
    }
}

/// What of tus is spoken here.
#[utoipa::path(options, path = "/v1/uploads", tag = "uploads", security(()),
    responses((status = 204, description = "Versions, extensions, algorithms of checksums, the largest upload",
        headers(("Tus-Version" = String), ("Tus-Extension" = String), ("Tus-Max-Size" = u64),
            ("Tus-Checksum-Algorithm" = String)))))]
pub(crate) async fn options(uploads: web::Data<Uploads>) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((headers::TUS_VERSION, headers::VERSION))
        .insert_header((headers::TUS_EXTENSION, headers::EXTENSIONS))
        .insert_header((headers::TUS_MAX_SIZE, uploads.bytes_max()))
        .insert_header((headers::TUS_CHECKSUM_ALGORITHM, CHECKSUM_ALGORITHMS))
        .finish()
}

/// Begins an upload, and takes its first bytes if the request brings some.
///
/// `Upload-Metadata` has the keys of the query of `POST /v1/documents`, and `filename` and `filetype`; each value is
/// base64 of UTF-8. `Repr-Digest` is of the whole file. All of it is checked as for a document.
#[utoipa::path(post, path = "/v1/uploads", tag = "uploads",
    params(
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = u64, Header, description = "Bytes of the whole file"),
        ("Upload-Metadata" = Option<String>, Header, description = "filename, filetype, file, title, kind, reference, date, entry"),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256 of the bytes in this request"),
        ("Repr-Digest" = Option<String>, Header, description = "sha-256 of the whole file (RFC 9530), checked at its end"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key gets the same upload for seven days"),
    ),
    request_body(content((Vec<u8> = "application/offset+octet-stream"))),
    responses(
        (status = 201, description = "Begun", headers(("Location" = String), ("Upload-Offset" = u64),
            ("Upload-Expires" = String), ("Document-Location" = String))),
        (status = 400, description = "Not well formed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Another version of tus", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not bytes, or not what they were announced as", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Empty, a field that is no value, or a key used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "As many uploads are open as may be", body = ProblemBody, content_type = "application/problem+json"),
        (status = 460, description = "The bytes do not have their checksum", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn begin(
    uploader: Uploader,
    _tus: Resumable,
    request: HttpRequest,
    uploads: web::Data<Uploads>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (new, chunk) = (headers::new_upload(request.headers())?, headers::first_chunk(request.headers())?);
    let key = IdempotencyKey::of(&request)?.map(IdempotencyKey::into_string);
    let sender = upload::sender(&uploader, Uploader::ROLES);
    let keep_failed = key.is_some();
    let mut upload = uploads.begin(&sender, new, key).await?;
    if let Some(chunk) = chunk.filter(|_| upload.received == 0) {
        upload = first_bytes(&uploads, upload, chunk, payload, keep_failed).await?;
    }
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("{ROUTE}/{}", upload.id)));
    Ok(standing(&mut response, &upload).finish())
}

/// How an upload stands: `HEAD` as tus has it, `GET` for everybody else.
///
/// `HEAD` stops a request that still sends, and answers where to go on. All bytes are there: it is a document.
#[utoipa::path(get, path = "/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 200, body = View, headers(("Upload-Offset" = u64), ("Upload-Length" = u64),
            ("Upload-Metadata" = String), ("Upload-Expires" = String), ("Document-Location" = String))),
        (status = 404, description = "Not an upload of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Expired or ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 423, description = "Another request works on it, or the document is not made yet", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn status(
    uploader: Uploader,
    _tus: Resumable,
    request: HttpRequest,
    id: web::Path<UploadId>,
    uploads: web::Data<Uploads>,
) -> Result<HttpResponse, Problem> {
    let (authority, id) = (uploader.authority, id.into_inner());
    let asked = request.method() == Method::HEAD;
    let upload =
        if asked { uploads.settle(authority, id).await? } else { uploads.find(authority, id).await? };
    let mut response = HttpResponse::Ok();
    standing(&mut response, &upload).insert_header((headers::UPLOAD_LENGTH, upload.size));
    if !upload.metadata.is_empty() {
        response.insert_header((headers::UPLOAD_METADATA, upload.metadata.as_str()));
    }
    Ok(response.json(View::from(upload)))
}

/// Continues an upload. `204` means that the bytes before `Upload-Offset` survive a power cut; at the last byte, that
/// the document in `Document-Location` does.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "uploads",
    params(
        ("id" = String, Path, description = "32 hex digits"),
        ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "Where the upload stands"),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256 of the bytes in this request: all of them count, or none"),
    ),
    request_body(content((Vec<u8> = "application/offset+octet-stream"))),
    responses(
        (status = 204, description = "Durable", headers(("Upload-Offset" = u64), ("Upload-Expires" = String),
            ("Document-Location" = String))),
        (status = 404, description = "Not an upload of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The upload stands elsewhere", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Expired or ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "More bytes than were announced", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not bytes, or not what they were announced as: the upload is ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No bytes again and again, a wrong digest, or infected: the upload is ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 423, description = "Another request works on it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 460, description = "The bytes do not have their checksum", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn append(
    uploader: Uploader,
    _tus: Resumable,
    request: HttpRequest,
    id: web::Path<UploadId>,
    uploads: web::Data<Uploads>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let chunk = headers::chunk(request.headers())?;
    let upload = take(&uploads, uploader.authority, id.into_inner(), chunk, payload).await?;
    Ok(standing(&mut HttpResponse::NoContent(), &upload).finish())
}

/// Ends an upload: nothing of it remains. A document is not ended this way.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "Not an upload of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It has become a document", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Expired or ended before", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn end(
    uploader: Uploader,
    _tus: Resumable,
    id: web::Path<UploadId>,
    uploads: web::Data<Uploads>,
) -> Result<HttpResponse, Problem> {
    uploads.end(uploader.authority, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `PATCH` or `DELETE` for clients that can send neither: named in `X-HTTP-Method-Override`.
#[utoipa::path(post, path = "/v1/uploads/{id}", tag = "uploads",
    params(
        ("id" = String, Path, description = "32 hex digits"),
        ("X-HTTP-Method-Override" = String, Header, description = "PATCH or DELETE"),
    ),
    responses(
        (status = 204, description = "As the method says"),
        (status = 405, description = "Neither", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn overridden(
    uploader: Uploader,
    tus: Resumable,
    request: HttpRequest,
    id: web::Path<UploadId>,
    uploads: web::Data<Uploads>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    match headers::overriding(request.headers())? {
        Some("PATCH") => append(uploader, tus, request.clone(), id, uploads, payload).await,
        Some("DELETE") => end(uploader, tus, id, uploads).await,
        _ => Err(Kind::MethodNotAllowed.problem().expected("X-HTTP-Method-Override: PATCH or DELETE")),
    }
}

/// Takes the bytes of a request in. Runs as a task of its own: what came counts also if its sender has gone.
async fn take(
    uploads: &Uploads,
    authority: AuthorityId,
    id: UploadId,
    chunk: Chunk,
    payload: web::Payload,
) -> Result<Upload, Problem> {
    let uploads = uploads.clone();
    let task = actix_web::rt::spawn(async move {
        let (body, broken_by) = body::watched(payload);
        let taken = uploads.append(authority, id, chunk, body).await;
        taken.map_err(|error| match error {
            UploadError::Broken { offset } => {
                let stopped = || Kind::UploadLocked.problem().detail("another request asked where to go on");
                broken_by.problem().unwrap_or_else(stopped).got(format!("{offset} bytes so far"))
            }
            error => error.into(),
        })
    });
    task.await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// As [`take`], for a new upload. If the bytes are refused nobody knows its address, and it is ended; unless it has
/// an idempotency key, by which its sender finds it.
async fn first_bytes(
    uploads: &Uploads,
    upload: Upload,
    chunk: Chunk,
    payload: web::Payload,
    keep_failed: bool,
) -> Result<Upload, Problem> {
    let taken = take(uploads, upload.authority, upload.id, chunk, payload).await;
    if taken.is_err() && !keep_failed {
        // A refused one may be gone already.
        let _ = uploads.end(upload.authority, upload.id).await;
    }
    taken
}

/// Where it stands, until when, and which document it is.
fn standing<'r>(response: &'r mut HttpResponseBuilder, upload: &Upload) -> &'r mut HttpResponseBuilder {
    response.insert_header((headers::UPLOAD_OFFSET, upload.received));
    match upload.document {
        Some(id) => {
            response.insert_header((headers::DOCUMENT_LOCATION, format!("{}/{id}", documents::ROUTE)))
        }
        None => response.insert_header((headers::UPLOAD_EXPIRES, headers::http_date(upload.expires_at))),
    }
}

/// Whether a path is one of this resource.
pub(super) fn is_at(path: &str) -> bool {
    path.strip_prefix(ROUTE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts the version into an answer, whatever it is.
pub(super) fn sign<B>(response: &mut ServiceResponse<B>) {
    let status = response.status();
    let (headers, version) = (response.headers_mut(), HeaderValue::from_static(headers::VERSION));
    if status == StatusCode::PRECONDITION_FAILED {
        headers.insert(headers::TUS_VERSION, version.clone());
    }
    headers.insert(headers::TUS_RESUMABLE, version);
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let said = error.to_string();
        match error {
            UploadError::NotFound => Kind::NotFound.problem(),
            UploadError::Expired => Kind::UploadExpired.problem(),
            UploadError::Locked => Kind::UploadLocked.problem().retry_after(1),
            UploadError::Unfinished => Kind::UploadLocked.problem().detail(said).retry_after(5),
            UploadError::Finished { .. } => Kind::StateConflict.problem().detail(said),
            UploadError::Offset { expected, got } => {
                Kind::OffsetMismatch.problem().expected(expected).got(got)
            }
            UploadError::TooLong { remaining } => {
                Kind::BodyTooLarge.problem().expected(format!("at most {remaining} more bytes"))
            }
            UploadError::Broken { offset } => {
                Kind::BodyIncomplete.problem().got(format!("{offset} bytes so far"))
            }
            UploadError::Checksum { expected, got } => {
                Kind::ChecksumMismatch.problem().expected(expected).got(got)
            }
            UploadError::NoBytes { .. } => Kind::UploadStalled.problem().detail(said),
            UploadError::TooManyPieces { .. } => Kind::UploadScattered.problem().detail(said),
            UploadError::TooMuchOpen { .. } => Kind::TooManyUploads.problem().detail(said),
            UploadError::KeySpent => Kind::UploadExpired.problem().detail(said),
            UploadError::Receive(error) => error.into(),
            UploadError::Vault(error) => error.into(),
            UploadError::Database(error) => error.into(),
        }
    }
}
