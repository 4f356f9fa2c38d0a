//! From bytes to text, one file per family of formats. Runs inside the child only; may be as wrong as the file is
//! hostile, since the walls around it hold. Knows no processes and no limits but those of `Output`.

mod archive;
mod compound;
mod drawing;
mod html;
mod layout;
mod mail;
mod office;
mod pdf;
mod plain;
mod rtf;
mod xml;

use super::output::Output;
use super::{Reason, unread};
use crate::intake::media_type::{MediaType, detect};

/// Reads the text of `file`, which is of `media_type`, into `output`.
///
/// # Errors
/// The first reason for which text is missing; what was read before stays in `output`.
pub(super) fn extract(file: Vec<u8>, media_type: MediaType, output: &mut Output<'_>) -> Result<(), Reason> {
    match media_type {
        MediaType::Pdf => pdf::extract(file, output),
        MediaType::Text | MediaType::Csv => plain::extract(&file, output),
        MediaType::Html => html::extract(&file, output),
        MediaType::Xml => xml::extract(&file, output),
        MediaType::Rtf => rtf::extract(&file, output),
        MediaType::Mail => mail::extract(&file, output),
        MediaType::Mbox => mail::extract_many(&file, output),
        MediaType::Docx => office::extract_word(&file, output),
        MediaType::Xlsx => office::extract_workbook(&file, output),
        MediaType::Pptx => office::extract_slides(&file, output),
        MediaType::Odt | MediaType::Ods | MediaType::Odp => office::extract_open_document(&file, output),
        MediaType::Doc => compound::extract_word(&file, output),
        MediaType::Xls => compound::extract_book(&file, output),
        MediaType::Ppt => compound::extract_slides(&file, output),
        MediaType::Msg => compound::extract_message(&file, output),
        MediaType::Ole => compound::extract_other(&file, output),
        MediaType::Epub => archive::extract_book(&file, output),
        MediaType::Opc | MediaType::Zip => archive::extract(&file, output),
        other => Err(unread(other).unwrap_or(Reason::UnsupportedType)),
    }
}

/// Reads a file that lies in another. What cannot be read in it is not missing in the outer file, unless it is a
/// limit of the whole or a password.
fn extract_inner(file: Vec<u8>, output: &mut Output<'_>) -> Result<(), Reason> {
    let media_type = detect(&file);
    match output.deeper(|output| extract(file, media_type, output)) {
        Err(Reason::NoText | Reason::UnsupportedType) => Ok(()),
        result => result,
    }
}
