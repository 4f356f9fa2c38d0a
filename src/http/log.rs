//! `/log/…`: the verification log as static files, for everybody. Tiles never change, the checkpoint moves on.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpResponse, web};

use super::problem::{Kind, Problem};
use crate::issuance::log::Log;
use crate::issuance::log_files::LogFilesError;
use crate::tlog::TilePath;

impl From<LogFilesError> for Problem {
    fn from(error: LogFilesError) -> Self {
        Self::unavailable(&error)
    }
}

/// The signed head of the log (C2SP tlog-checkpoint).
#[utoipa::path(get, path = "/log/checkpoint", tag = "log", security(()), responses(
    (status = 200, description = "Origin, size, root and signatures", content_type = "text/plain", body = String),
    (status = 404, description = "Nothing was logged yet", body = super::problem::Body)))]
pub(super) async fn checkpoint(log: web::Data<Log>) -> Result<HttpResponse, Problem> {
    let note = log.files().checkpoint().await?.ok_or_else(|| Kind::NotFound.problem())?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=1"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .body(note))
}

/// A tile of hashes or a bundle of entries (C2SP tlog-tiles).
#[utoipa::path(get, path = "/log/tile/{tile}", tag = "log", security(()),
    params(("tile" = String, Path, description = "`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`, with slashes")),
    responses(
    (status = 200, description = "32 bytes a hash, or entries with two bytes of length before each",
        content_type = "application/octet-stream", body = Vec<u8>),
    (status = 404, description = "No such tile (yet)", body = super::problem::Body)))]
pub(super) async fn tile(log: web::Data<Log>, tile: web::Path<String>) -> Result<HttpResponse, Problem> {
    let path: TilePath = format!("tile/{tile}").parse().map_err(|_| Kind::NotFound.problem())?;
    let bytes = log.files().file(&path).await?.ok_or_else(|| Kind::NotFound.problem())?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((ETAG, format!("\"{path}\"")))
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .body(bytes))
}
