//! Text from PDF, page by page. The glyphs are read by `drawing` and put into lines by `layout`; what pdf_oxide's own
//! text extraction finds beyond that (form values, text of annotations) is added below. A page that breaks the parser
//! is left out and flagged; the others stay.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_oxide::PdfDocument;

use super::drawing::{self, Fonts};
use super::layout;
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Reads the pages of a PDF; one that is encrypted is read if it opens with the empty user password.
pub(super) fn extract(file: Vec<u8>, output: &mut Output<'_>) -> Result<(), Reason> {
    let document = match unlocked(&file) {
        Some(document) => document,
        None => guarded(|| PdfDocument::from_bytes(file).map_err(|_| Reason::Damaged))?,
    };
    if document.is_encrypted() && !guarded(|| Ok(document.is_authenticated()))? {
        return Err(Reason::Password);
    }
    let count = guarded(|| document.page_count().map_err(|_| Reason::Damaged))?;
    let mut fonts = Fonts::default();
    let mut missing = None;
    for index in 0..count {
        match page_text(&document, index, &mut fonts) {
            Ok(text) => output.page(&text)?,
            Err(reason) => {
                missing = Some(reason);
                output.page("")?;
            }
        }
    }
    missing.map_or(Ok(()), Err)
}

/// An encrypted file without its encryption, by lopdf: it knows more of the methods, and pdf_oxide decrypts no forms.
fn unlocked(file: &[u8]) -> Option<PdfDocument> {
    file.windows(8).find(|window| *window == b"/Encrypt")?;
    let unlock = || {
        let mut document = lopdf::Document::load_mem(file).map_err(|_| Reason::Damaged)?;
        if document.is_encrypted() {
            document.decrypt("").map_err(|_| Reason::Password)?;
        }
        let mut plain = Vec::new();
        document.save_to(&mut plain).map_err(|_| Reason::Damaged)?;
        let document = PdfDocument::from_bytes(plain).map_err(|_| Reason::Damaged)?;
        let has_pages = document.page_count().is_ok_and(|count| count > 0);
        if has_pages && !document.is_encrypted() { Ok(document) } else { Err(Reason::Damaged) }
    };
    guarded(unlock).ok()
}

/// A panic of the parser is damage of the file.
fn guarded<T>(read: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Reason::Damaged))
}

fn page_text(document: &PdfDocument, index: usize, fonts: &mut Fonts) -> Result<String, Reason> {
    let drawn = guarded(|| Ok(layout::text(&drawing::glyphs(document, index, fonts))));
    let found = guarded(|| document.extract_text(index).map_err(|_| Reason::Damaged));
    match (drawn, found) {
        (Ok(mut drawn), Ok(found)) => {
            supplement(&mut drawn, &found);
            Ok(drawn)
        }
        (Ok(drawn), Err(_)) if !drawn.is_empty() => Ok(drawn),
        (Ok(_), Err(reason)) => Err(reason),
        (Err(_), found) => found,
    }
}

/// Adds the lines of `found` that have a word which `text` has nowhere, whatever the spaces in either.
fn supplement(text: &mut String, found: &str) {
    let known = letters(text);
    let mut added = String::new();
    for line in found.lines() {
        let new = line.split_whitespace().map(letters).any(|word| !word.is_empty() && !known.contains(&word));
        if new {
            added.push('\n');
            added.push_str(line.trim());
        }
    }
    if !added.is_empty() {
        text.push('\n');
        text.push_str(&added);
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}
