//! ZIP containers: reads entries within the budget of what may be unpacked, whatever their headers claim, and the
//! texts of the files in plain archives and electronic books. Names are only compared and listed, never paths.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{extract_inner, html};
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Most entries that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// An opened container.
pub(super) struct Container<'f> {
    archive: ZipArchive<Cursor<&'f [u8]>>,
    /// The names of the entries, in the order of the directory.
    pub names: Vec<String>,
}

impl<'f> Container<'f> {
    /// Opens a ZIP file.
    pub(super) fn open(file: &'f [u8]) -> Result<Self, Reason> {
        let archive = ZipArchive::new(Cursor::new(file)).map_err(|error| reason(&error))?;
        let names = archive.file_names().take(ENTRIES_MAX).map(str::to_owned).collect();
        Ok(Self { archive, names })
    }

    /// The content of the entry `name`; nothing if there is no such entry.
    pub(super) fn read(&mut self, name: &str, output: &mut Output<'_>) -> Result<Option<Vec<u8>>, Reason> {
        let entry = match self.archive.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(reason(&error)),
        };
        let most = output.unpacked_left();
        let mut content = Vec::new();
        let whole = entry.take(most.saturating_add(1)).read_to_end(&mut content);
        output.unpack(content.len() as u64)?;
        // What came before the damage is still of use, unless nothing came.
        if whole.is_err() && content.is_empty() { Err(Reason::Damaged) } else { Ok(Some(content)) }
    }

    /// The names that `matches` accepts, in the order of the numbers in them.
    pub(super) fn numbered(&self, matches: impl Fn(&str) -> bool) -> Vec<String> {
        let mut names: Vec<String> = self.names.iter().filter(|name| matches(name)).cloned().collect();
        names.sort_by_key(|name| {
            let file = name.rsplit('/').next().unwrap_or(name);
            let digits: String = file.chars().filter(char::is_ascii_digit).collect();
            (digits.parse::<u64>().unwrap_or(0), name.clone())
        });
        names
    }
}

fn reason(error: &ZipError) -> Reason {
    match error {
        ZipError::UnsupportedArchive(text) if text.contains("Password") => Reason::Password,
        _ => Reason::Damaged,
    }
}

/// Lists the names of an archive and reads the files in it.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    output.flow(&container.names.join("\n"))?;
    let mut missing = None;
    for name in container.names.clone() {
        let inner = match container.read(&name, output) {
            Ok(Some(content)) if !content.is_empty() => extract_inner(content, output),
            Ok(_) => Ok(()),
            Err(reason) => Err(reason),
        };
        match inner {
            Err(Reason::Damaged | Reason::Password) => missing = missing.or(inner.err()),
            result => result?,
        }
    }
    missing.map_or(Ok(()), Err)
}

/// Reads the chapters of an electronic book, in the order of their names.
pub(super) fn extract_book(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    let endings = [".xhtml", ".html", ".htm"];
    for name in container.numbered(|name| endings.iter().any(|ending| name.ends_with(ending))) {
        if let Some(chapter) = container.read(&name, output)? {
            html::extract(&chapter, output)?;
        }
    }
    Ok(())
}
