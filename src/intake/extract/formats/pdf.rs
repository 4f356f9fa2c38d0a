//! Text from PDF, page by page, by pdf_oxide. A page that breaks the parser is left out and flagged; the others stay.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_oxide::PdfDocument;
use pdf_oxide::layout::TextChar;

use super::layout::{self, Glyph};

use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Reads the pages of a PDF; one that is encrypted is read if it opens with the empty user password.
pub(super) fn extract(file: Vec<u8>, output: &mut Output<'_>) -> Result<(), Reason> {
    let document = guarded(|| PdfDocument::from_bytes(file).map_err(|_| Reason::Damaged))?;
    if document.is_encrypted() && !guarded(|| Ok(document.is_authenticated()))? {
        return Err(Reason::Password);
    }
    let count = guarded(|| document.page_count().map_err(|_| Reason::Damaged))?;
    let mut missing = None;
    for index in 0..count {
        match guarded(|| page_text(&document, index)) {
            Ok(text) => output.page(&text)?,
            Err(reason) => {
                missing = Some(reason);
                output.page("")?;
            }
        }
    }
    missing.map_or(Ok(()), Err)
}

fn page_text(document: &PdfDocument, index: usize) -> Result<String, Reason> {
    let letters = document.extract_chars(index).map_err(|_| Reason::Damaged)?;
    let glyphs: Vec<Glyph> = letters.iter().map(glyph).collect();
    Ok(layout::text(&glyphs))
}

fn glyph(letter: &TextChar) -> Glyph {
    let size = letter.matrix.map_or(letter.font_size, |[_, _, c, d, _, _]| c.hypot(d));
    Glyph {
        letter: letter.char,
        x: letter.origin_x,
        y: letter.origin_y,
        advance: letter.advance_width,
        size,
        angle: letter.rotation_degrees,
    }
}

/// A panic of the parser is damage of the file.
fn guarded<T>(read: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Reason::Damaged))
}
