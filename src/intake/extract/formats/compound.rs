//! The office formats before 2007, in compound files (MS-CFB): Word, Excel and PowerPoint by office_oxide, messages of
//! Outlook by `message`. Knows no streams but those it tells formats apart by.

mod message;

use std::collections::HashSet;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use office_oxide::cfb::{CfbError, CfbReader};
use office_oxide::doc::{DocDocument, DocError};
use office_oxide::ppt::{PptDocument, PptError};
use office_oxide::xls::{XlsDocument, XlsError};

pub(super) use message::extract as extract_message;

use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

type Bytes<'f> = Cursor<&'f [u8]>;

/// A panic of the parser is damage of the file.
fn guarded<T>(read: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Reason::Damaged))
}

/// Reads a Word document: body, then notes, headers, comments and text boxes.
pub(super) fn extract_word(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let document = guarded(|| {
        DocDocument::from_reader(Cursor::new(file)).map_err(|error| match error {
            DocError::Encrypted => Reason::Password,
            DocError::UnsupportedVersion(_) => Reason::UnsupportedType,
            _ => Reason::Damaged,
        })
    })?;
    output.flow(document.plain_text_ref())?;
    for part in document.subdocuments() {
        output.flow(&part.text)?;
    }
    if document.text_complete() { Ok(()) } else { Err(Reason::Damaged) }
}

/// Reads a workbook: each sheet is a page, its cells parted by tabs; then what comments and charts say beyond that.
pub(super) fn extract_book(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let book = guarded(|| {
        XlsDocument::from_reader(Cursor::new(file)).map_err(|error| match error {
            XlsError::Encrypted | XlsError::EncryptionNotSupported(_) => Reason::Password,
            XlsError::UnsupportedVersion(_) => Reason::UnsupportedType,
            _ => Reason::Damaged,
        })
    })?;
    let mut known = HashSet::new();
    for sheet in &book.sheets {
        let mut text = format!("{}\n", sheet.name);
        for (at, row) in sheet.rows.iter().enumerate() {
            let cells: Vec<_> = (0..row.len()).map(|column| sheet.display_text(at, column)).collect();
            let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect();
            text.push_str(cells.join("\t").trim_end());
            text.push('\n');
        }
        output.flow(text.trim_end())?;
        known.extend(text.lines().map(str::to_owned));
    }
    let all = book.plain_text();
    let others: Vec<&str> = all.lines().filter(|line| !known.contains(*line)).collect();
    output.flow(&others.join("\n"))?;
    if book.truncated() { Err(Reason::Damaged) } else { Ok(()) }
}

/// Reads a presentation: each slide with its notes is a page.
pub(super) fn extract_slides(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let deck = guarded(|| {
        PptDocument::from_reader(Cursor::new(file)).map_err(|error| match error {
            PptError::Encrypted => Reason::Password,
            _ => Reason::Damaged,
        })
    })?;
    for slide in &deck.slides {
        let cells = slide.tables.iter().flat_map(|table| table.rows.iter().flatten().flatten());
        let text: String =
            slide.text_runs.iter().chain(cells).flat_map(|run| [run.text.as_str(), "\n"]).collect();
        output.page(&text.replace(['\r', '\u{B}'], "\n"))?;
    }
    let master: Vec<&str> = deck.master_text.iter().map(|run| run.text.as_str()).collect();
    output.flow(&master.join("\n").replace(['\r', '\u{B}'], "\n"))?;
    if deck.text_complete() { Ok(()) } else { Err(Reason::Damaged) }
}

/// A compound file of which the first bytes do not tell what it is: the streams in its root do.
pub(super) fn extract_other(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let container = opened(file)?;
    match () {
        () if container.has_stream("EncryptedPackage") => Err(Reason::Password),
        () if container.has_stream("__properties_version1.0") => extract_message(file, output),
        () if container.has_stream("WordDocument") => extract_word(file, output),
        () if container.has_stream("PowerPoint Document") => extract_slides(file, output),
        () if container.has_stream("Workbook") || container.has_stream("Book") => extract_book(file, output),
        () => Err(Reason::UnsupportedType),
    }
}

fn opened(file: &[u8]) -> Result<CfbReader<Bytes<'_>>, Reason> {
    guarded(|| CfbReader::new(Cursor::new(file)).map_err(|_: CfbError| Reason::Damaged))
}

#[cfg(test)]
mod tests;
