//! `/v1/documents`: evidence in, and back out: metadata with all states, bytes, text.
//!
//! Extracts, calls the flow, maps; knows no SQL and no keys.

mod answers;
pub(super) mod content;
mod disposition;
pub(super) mod erase;
pub(super) mod known;
pub(super) mod marks;
mod range;
pub(super) mod upload;

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{Caller, Reader, Uploader};
use super::problem::{Body as ProblemBody, Kind, Problem};
use crate::database::audit::{self, Act};
use crate::database::documents::{self, Document};
use crate::database::{Database, DatabaseError, Tx, erasures, held, keeping, quarantine};
use crate::domain::ids::DocumentId;
use crate::intake::extract::PageText;
use crate::intake::receive::{Kept, Outcome, Receiver};
use crate::intake::texts;
use crate::objects::ObjectRef;
use crate::search::index::{Reader as SearchReader, Sight};

pub(super) use answers::answer_to;

/// The route template, as scope of idempotency keys.
pub(super) const ROUTE: &str = "/v1/documents";

/// A document as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Document)]
pub struct View {
    /// 32 hex digits.
    #[schema(value_type = String)]
    id: DocumentId,
    /// SHA-256 of its bytes, 64 hex digits.
    #[schema(value_type = String)]
    sha256: crate::domain::digest::Sha256,
    /// Its bytes, counted.
    size: u64,
    /// What it is, by its bytes.
    media_type: String,
    /// The last state it reached.
    state: State,
    /// What the sender called the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// What kind of document it is, in the authority's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Its file reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// The date it bears.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    date: Option<Date>,
    /// The Sammelakte it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The register entry it belongs to: register/office/year/number.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    /// What restricts who may see it: levels of PStV § 14, seals of its entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restriction: Vec<String>,
    /// What forbids to erase it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<marks::HoldView>,
    /// When its last byte came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// The client that sent it.
    received_by: String,
    /// When it was made durable.
    #[schema(value_type = String, format = DateTime)]
    stored_at: Timestamp,
    /// When the virus scanner found nothing in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    scanned_at: Option<Timestamp>,
    /// When its text was read out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    extracted_at: Option<Timestamp>,
    /// Its pages, once it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u32>,
    /// The words on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<u64>,
    /// When the index took it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    indexed_at: Option<Timestamp>,
    /// Why a step failed for good, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<Flag>,
}

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DocumentState)]
pub enum State {
    /// Its bytes are durable and wait for the virus scanner: nobody reads them before.
    Held,
    /// Its bytes are durable.
    Stored,
    /// Its text was read.
    Extracted,
    /// It can be found.
    Indexed,
    /// A step failed for good: see `flag`.
    Flagged,
}

/// Why a step failed for good.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentFlag)]
pub struct Flag {
    /// In a word.
    reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// The text of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentText)]
pub struct Text {
    /// The pages that have text, in their order.
    pages: Vec<PageOfText>,
}

/// The text of a page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentPage)]
pub struct PageOfText {
    /// Counted from 1.
    number: u32,
    /// In reading order, lines separated by line feeds.
    text: String,
}

impl From<Vec<PageText>> for Text {
    fn from(pages: Vec<PageText>) -> Self {
        let pages = pages.into_iter();
        Self { pages: pages.map(|PageText { number, text }| PageOfText { number, text }).collect() }
    }
}

/// A file as `multipart/form-data`.
#[derive(ToSchema)]
#[schema(as = DocumentUpload)]
#[expect(dead_code, reason = "the shape of a form, for its description")]
pub struct Form {
    /// The file: any part with a file name, or the one of this name.
    #[schema(value_type = String, format = Binary)]
    content: Vec<u8>,
    /// The Sammelakte it belongs to.
    file: Option<String>,
    /// Its title.
    title: Option<String>,
    /// What kind of document it is.
    kind: Option<String>,
    /// Its file reference.
    reference: Option<String>,
    /// The date it bears.
    date: Option<String>,
    /// The register entry it belongs to: register/office/year/number.
    entry: Option<String>,
    /// Levels of PStV § 14 it has from its first moment on.
    restriction: Option<String>,
    /// 64 hex digits by which the caller knows this file: it is taken in once.
    source: Option<String>,
}

impl View {
    /// With what forbids to erase it.
    pub(super) fn held(document: Document, holds: Vec<keeping::Hold>) -> Self {
        Self { holds: holds.into_iter().map(Into::into).collect(), ..document.into() }
    }

    /// A file that waits for the virus scanner to become this document.
    fn waiting(document: Document) -> Self {
        Self { state: State::Held, ..document.into() }
    }
}

impl From<Document> for View {
    fn from(document: Document) -> Self {
        let state = match (&document.flag, document.indexed_at, &document.extracted) {
            (Some(_), _, _) => State::Flagged,
            (None, Some(_), _) => State::Indexed,
            (None, None, Some(_)) => State::Extracted,
            (None, None, None) => State::Stored,
        };
        Self {
            id: document.id,
            sha256: document.sha256,
            size: document.size,
            media_type: document.media_type,
            state,
            file_name: document.file_name,
            title: document.title,
            kind: document.kind,
            reference: document.reference,
            date: document.date,
            file: document.file,
            entry: document.entry,
            restriction: document.restriction.split_whitespace().map(str::to_owned).collect(),
            holds: Vec::new(),
            received_at: document.received_at,
            received_by: document.received_by,
            stored_at: document.stored_at,
            scanned_at: document.scanned_at,
            extracted_at: document.extracted.as_ref().map(|extracted| extracted.at),
            pages: document.extracted.as_ref().map(|extracted| extracted.pages),
            words: document.extracted.as_ref().map(|extracted| extracted.words),
            indexed_at: document.indexed_at,
            flag: document.flag.map(|(reason, at)| Flag { reason, at }),
        }
    }
}

/// Stores evidence. `201` means that the bytes and all that belongs to them survive a power cut.
///
/// The body is the file itself, or `multipart/form-data` with one part that is the file and the fields as other
/// parts. What the file is, its bytes say; the sent type and name are claims that are checked.
#[utoipa::path(post, path = "/v1/documents", tag = "documents",
    params(
        ("file" = Option<String>, Query, description = "The Sammelakte it belongs to"),
        ("title" = Option<String>, Query, description = "Its title"),
        ("kind" = Option<String>, Query, description = "What kind of document it is, in the authority's words"),
        ("reference" = Option<String>, Query, description = "Its file reference"),
        ("date" = Option<String>, Query, description = "The date it bears, 2024-02-29"),
        ("entry" = Option<String>, Query, description = "The register entry it belongs to: register/office/year/number"),
        ("restriction" = Option<String>, Query, description = "Levels of PStV § 14 it has from its first moment on, with blanks between them: then it exists for registrars only"),
        ("source" = Option<String>, Query, description = "64 hex digits by which the caller knows this file, such as a SHA-256 over where it lay and its bytes: it is taken in once, for ever"),
        ("Content-Disposition" = Option<String>, Header, description = "The file's name (RFC 6266), for display only"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key gets the same answer for seven days"),
        ("Repr-Digest" = Option<String>, Header, description = "sha-256 of the file (RFC 9530), checked; Content-Digest as well"),
    ),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
        (Form = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "Durable", body = View, headers(("Location" = String))),
        (status = 202, description = "Durable, and waits for the virus scanner, where that is configured", body = View, headers(("Location" = String))),
        (status = 200, description = "The caller has brought this source before: it is this document", body = known::Known, headers(("Location" = String))),
        (status = 400, description = "Not well formed, or the body ended early", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key still runs", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The caller has brought this source before, and it was erased", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The bytes are not what they were sent as", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Empty, infected, wrong digest, a field that is no value, or a key used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The store or the virus scanner does not answer; nothing was kept, Retry-After says when to send again", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn upload(
    uploader: Uploader,
    request: HttpRequest,
    receiver: web::Data<Receiver>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let sender = upload::sender(&uploader, Uploader::ROLES);
    let once = upload::once(&request, &uploader)?;
    let (uploaded, fields) = upload::take_in(&receiver, &request, &sender, payload).await?;
    match receiver.keep(uploaded, &fields, &sender, once).await? {
        Kept::New(document) => Ok(upload::answer(&answer_to(Outcome::Kept(&document)))),
        Kept::Held(document) => Ok(upload::answer(&answer_to(Outcome::Held(&document)))),
        Kept::Before(answer) => Ok(upload::answer(&answer)),
        Kept::Known(document) => Ok(known::answer(document)),
    }
}

/// What is known about a document, with the states it reached and when.
#[utoipa::path(get, path = "/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 200, body = View),
        (status = 404, description = "Not a document of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "It was erased", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn metadata(
    reader: Reader,
    id: web::Path<DocumentId>,
    database: web::Data<Database>,
) -> Result<web::Json<View>, Problem> {
    let (reader, id) = (reader.reads(), id.into_inner());
    let read = database.read::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            let found = seen(tx, reader, id).await?;
            Ok((found, keeping::holds(tx, reader.authority, id).await?))
        })
    });
    let (found, holds) = read.await?;
    if let Seen::Waiting(document) = found {
        return Ok(web::Json(View::waiting(*document)));
    }
    let document = found.document()?;
    Ok(web::Json(View::held(document, holds)))
}

/// What a reader sees at the address of a document.
enum Seen {
    Document(Box<Document>),
    /// For the virus scanner, to become this document.
    Waiting(Box<Document>),
    /// It waited for the virus scanner, and that has found something.
    Infected,
    Erased,
    Nothing,
}

impl Seen {
    fn document(self) -> Result<Document, Problem> {
        match self {
            Self::Document(document) => Ok(*document),
            Self::Waiting(_) => Err(Kind::AwaitingScan.problem()),
            Self::Infected => Err(Kind::Quarantined.problem()),
            Self::Erased => Err(Kind::Erased.problem()),
            Self::Nothing => Err(Kind::NotFound.problem()),
        }
    }
}

/// The document, if the reader may see it: else it is as if it never was there.
async fn seen(tx: &mut Tx, reader: SearchReader, id: DocumentId) -> Result<Seen, DatabaseError> {
    if let Some(found) = documents::find(tx, reader.authority, id).await? {
        let visible = reader.may_see(found.authority, &found.restriction);
        return Ok(if visible { Seen::Document(Box::new(found)) } else { Seen::Nothing });
    }
    if let Some(waiting) = held::find(tx, reader.authority, id).await? {
        let restriction = waiting.restriction();
        let visible = reader.may_see(waiting.document.authority, &restriction);
        let document = Box::new(Document { restriction, ..waiting.document });
        return Ok(if visible { Seen::Waiting(document) } else { Seen::Nothing });
    }
    let told = |restricted: bool| !restricted || reader.sight == Sight::All;
    if let Some(infected) = quarantine::of_document(tx, reader.authority, id).await? {
        return Ok(if told(infected.restricted) { Seen::Infected } else { Seen::Nothing });
    }
    let erased = erasures::find(tx, reader.authority, id).await?;
    Ok(if erased.is_some_and(|erased| told(erased.restricted)) { Seen::Erased } else { Seen::Nothing })
}

/// The bytes of a document, or a range of them, as they came.
#[utoipa::path(get, path = "/v1/documents/{id}/content", tag = "documents",
    params(
        ("id" = String, Path, description = "32 hex digits"),
        ("Range" = Option<String>, Header, description = "One range of bytes"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of a copy at hand"),
        ("If-Range" = Option<String>, Header, description = "The ETag of the copy the range is for"),
    ),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("ETag" = String), ("Repr-Digest" = String), ("Content-Disposition" = String))),
        (status = 206, description = "The range", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "The copy at hand is this one"),
        (status = 404, description = "Not a document of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It waits for the virus scanner", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "It was erased, or found infected", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What lies on the store is not what was written", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer; Retry-After says when to ask again", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "The range lies outside the file", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn content(
    reader: Reader,
    request: HttpRequest,
    id: web::Path<DocumentId>,
    receiver: web::Data<Receiver>,
) -> Result<HttpResponse, Problem> {
    let document = read_by(&reader, &receiver, id.into_inner(), "document.content.read").await?;
    content::answer(&receiver.vault, &document, request.headers()).await
}

/// The text that was read out of a document, page by page.
#[utoipa::path(get, path = "/v1/documents/{id}/text", tag = "documents",
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 200, body = Text),
        (status = 404, description = "Not a document of this authority", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "It was erased", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It was not read yet, or could not be, or waits for the virus scanner", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(crate) async fn text(
    reader: Reader,
    id: web::Path<DocumentId>,
    receiver: web::Data<Receiver>,
) -> Result<web::Json<Text>, Problem> {
    let document = read_by(&reader, &receiver, id.into_inner(), "document.text.read").await?;
    let not_read = || Kind::StateConflict.problem().detail("its text was not read yet").expected("extracted");
    let extracted = document.extracted.as_ref().ok_or_else(not_read)?;
    let Some(object) = extracted.text else { return Ok(web::Json(Text { pages: Vec::new() })) };
    let at = ObjectRef::beside(document.authority, object, document.object);
    let pages = texts::read_all(&receiver.vault, at).await.map_err(|error| Problem::internal(&error))?;
    Ok(web::Json(pages.into()))
}

/// Finds a document and writes the reading down, durably, before anything of it is answered.
async fn read_by(
    reader: &Caller,
    receiver: &Receiver,
    id: DocumentId,
    action: &'static str,
) -> Result<Document, Problem> {
    let sender = upload::sender(reader, Reader::ROLES);
    let act = Act {
        at: receiver.clock.now(),
        authority: Some(sender.authority),
        actor: sender.client,
        role: sender.role.to_owned(),
        action: action.to_owned(),
        subject_kind: "document".to_owned(),
        subject_id: id.to_string(),
        request_id: sender.request_id,
        personal: None,
    };
    let reads = reader.reads();
    let work = receiver.database.write::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            let found = seen(tx, reads, id).await?;
            if matches!(found, Seen::Document(_)) {
                audit::append(tx, act).await?;
            }
            Ok(found)
        })
    });
    work.await?.document()
}
