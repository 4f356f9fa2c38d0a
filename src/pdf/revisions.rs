//! The revisions of a PDF with classic cross-reference tables (ISO 32000-1, 7.5): each one's bytes, table and
//! trailer, newest first, and the objects as each revision sees them. Strict: what it does not understand
//! exactly it refuses. Knows no signatures; reads cross-reference streams not at all (says so).

use std::ops::Range;

use super::raw::{self, Dict, RawError, Reference, Value};

/// A file may have this many revisions.
const REVISIONS_MAX: usize = 128;
/// All tables together may have this many sections: each look-up walks through them.
const SECTIONS_MAX: usize = 1024;
/// Bytes of one entry of the table (7.5.4).
const ENTRY: usize = 20;

/// Why a file is not a chain of revisions as 7.5 describes it; positions are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// The file does not begin with `%PDF-1.`.
    #[error("the file does not begin with %PDF-1.")]
    NotAPdf,
    /// The file does not end with `startxref`, a number and `%%EOF`.
    #[error("the file does not end with startxref, a position and %%EOF")]
    NoEnd,
    /// No classic cross-reference table stands where one is announced (it may be a stream).
    #[error("no cross-reference table at byte {at} (cross-reference streams are not read)")]
    NoTable {
        /// Where it should be.
        at: usize,
    },
    /// A table or trailer is damaged.
    #[error("the cross-reference table or trailer is damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
    /// A feature that lets readers disagree or hides content.
    #[error("the trailer at byte {at} has /{key}")]
    Forbidden {
        /// Position of the trailer.
        at: usize,
        /// `Encrypt` or `XRefStm`.
        key: &'static str,
    },
    /// The chain of tables does not go back through the file, each before the other.
    #[error("the revision that ends at byte {at} does not follow the one before it")]
    Order {
        /// End of the revision in question.
        at: usize,
    },
    /// An entry of a table points to where the object is not, or out of its own revision.
    #[error("object {number} is not at byte {at} where its cross-reference entry points")]
    Misplaced {
        /// Object number.
        number: u32,
        /// Where it should be.
        at: usize,
    },
    /// A needed object is not in any table.
    #[error("object {number} is missing")]
    Missing {
        /// Object number.
        number: u32,
    },
    /// A value is damaged.
    #[error(transparent)]
    Raw(#[from] RawError),
}

/// A run of entries for the objects `first .. first + count`.
#[derive(Debug, Clone)]
struct Section {
    first: u32,
    count: u32,
    entries_at: usize,
}

/// One revision: its bytes are `span` of the file.
#[derive(Debug, Clone)]
pub struct Revision<'a> {
    /// From the end of the revision before to the end of its own `%%EOF` (and the line end after it).
    pub span: Range<usize>,
    /// Where its table begins.
    pub table_at: usize,
    /// Its trailer dictionary.
    pub trailer: Dict<'a>,
    sections: Vec<Section>,
}

/// Where an object stands and what its table says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Number and generation.
    pub reference: Reference,
    /// Position of `N G obj`.
    pub at: usize,
    /// Index of the revision that wrote it (0 is the newest).
    pub revision: usize,
}

/// A PDF as its revisions.
#[derive(Debug, Clone)]
pub struct Revisions<'a> {
    file: &'a [u8],
    list: Vec<Revision<'a>>,
}

impl<'a> Revisions<'a> {
    /// Reads all revisions of `file`.
    ///
    /// # Errors
    /// [`StructureError`]: see its variants.
    pub fn read(file: &'a [u8]) -> Result<Self, StructureError> {
        if !file.starts_with(b"%PDF-1.") {
            return Err(StructureError::NotAPdf);
        }
        let mut table_at = announced_table(file).ok_or(StructureError::NoEnd)?;
        let mut list: Vec<Revision<'a>> = Vec::new();
        let mut sections_left = SECTIONS_MAX;
        loop {
            let revision = read_revision(file, table_at, sections_left)?;
            sections_left -= revision.sections.len();
            let end = revision.span.end;
            match list.last_mut() {
                None if end != file.len() => return Err(StructureError::Order { at: end }),
                Some(newer) if end > newer.table_at => {
                    return Err(StructureError::Order { at: newer.span.end });
                }
                Some(newer) => newer.span.start = end,
                None => {}
            }
            let previous = revision.trailer.get("Prev");
            list.push(revision);
            match previous {
                None => return Ok(Self { file, list }),
                Some(value) => {
                    let before = value.as_number().and_then(|n| usize::try_from(n).ok());
                    table_at = before
                        .filter(|b| *b < table_at && list.len() < REVISIONS_MAX)
                        .ok_or(StructureError::Order { at: end })?;
                }
            }
        }
    }

    /// The bytes of the whole file.
    pub const fn file(&self) -> &'a [u8] {
        self.file
    }

    /// The revisions, newest first.
    pub fn list(&self) -> &[Revision<'a>] {
        &self.list
    }

    /// The trailer as revision `as_of` sees it (0 is the newest).
    ///
    /// # Errors
    /// [`StructureError::NoEnd`] if there is no such revision.
    pub fn trailer(&self, as_of: usize) -> Result<&Dict<'a>, StructureError> {
        self.list.get(as_of).map(|r| &r.trailer).ok_or(StructureError::NoEnd)
    }

    /// Where object `number` stands as revision `as_of` sees it; `None` if it is free or unknown.
    pub fn find(&self, number: u32, as_of: usize) -> Option<Entry> {
        for (revision, candidate) in self.list.iter().enumerate().skip(as_of) {
            let held = |s: &&Section| number >= s.first && number - s.first < s.count;
            if let Some(section) = candidate.sections.iter().find(held) {
                return read_entry(self.file, section, number, revision);
            }
        }
        None
    }

    /// The first value of the object (for a stream its dictionary) as revision `as_of` sees it.
    ///
    /// # Errors
    /// [`StructureError::Missing`], [`StructureError::Misplaced`] or a damaged value.
    pub fn value(&self, reference: Reference, as_of: usize) -> Result<Value<'a>, StructureError> {
        Ok(Value::read(self.file, self.body(reference, as_of)?)?)
    }

    /// As [`Self::value`], for an object that is a dictionary or a stream.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn dict(&self, reference: Reference, as_of: usize) -> Result<Dict<'a>, StructureError> {
        Ok(Dict::read(self.file, self.body(reference, as_of)?)?)
    }

    /// Where the object's value begins, after `N G obj`.
    fn body(&self, reference: Reference, as_of: usize) -> Result<usize, StructureError> {
        let number = reference.number;
        let found = self.find(number, as_of).filter(|e| e.reference == reference);
        let entry = found.ok_or(StructureError::Missing { number })?;
        body_at(self.file, &entry).ok_or(StructureError::Misplaced { number, at: entry.at })
    }

    /// Follows `value` if it is a reference, else gives it back.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn resolve(&self, value: Value<'a>, as_of: usize) -> Result<Value<'a>, StructureError> {
        value.as_reference().map_or(Ok(value), |reference| self.value(reference, as_of))
    }

    /// The bytes of a stream between `stream` and `endstream`, still encoded, and its dictionary.
    ///
    /// # Errors
    /// As [`Self::value`]; [`StructureError::Damaged`] if /Length and the keywords disagree.
    pub fn stream(&self, reference: Reference, as_of: usize) -> Result<(Dict<'a>, &'a [u8]), StructureError> {
        let dict = self.dict(reference, as_of)?;
        let span = self.stream_span(&dict, as_of)?;
        let at = dict.span().start;
        let data = span.and_then(|s| self.file.get(s)).ok_or(StructureError::Damaged { at })?;
        Ok((dict, data))
    }

    fn stream_span(&self, dict: &Dict<'a>, as_of: usize) -> Result<Option<Range<usize>>, StructureError> {
        let at = dict.span().end;
        let Some(after) = raw::keyword(self.file, raw::skip_space(self.file, at), b"stream") else {
            return Ok(None);
        };
        let start = line_end(self.file, after).ok_or(StructureError::Damaged { at })?;
        let length = dict.get("Length").ok_or(StructureError::Damaged { at })?;
        let length = self.resolve(length, as_of)?.as_number().and_then(|n| usize::try_from(n).ok());
        let end = length.and_then(|n| start.checked_add(n)).ok_or(StructureError::Damaged { at })?;
        let closed = raw::keyword(self.file, raw::skip_space(self.file, end), b"endstream");
        closed.map(|_| Some(start..end)).ok_or(StructureError::Damaged { at })
    }

    /// The objects of revision `index`, each with the bytes from `N G obj` to after `endobj`, by position.
    ///
    /// # Errors
    /// [`StructureError::Misplaced`] if an entry points out of its revision, into another object or to something
    /// else.
    pub fn objects(&self, index: usize) -> Result<Vec<(Entry, Range<usize>)>, StructureError> {
        let Some(revision) = self.list.get(index) else { return Ok(Vec::new()) };
        let numbers = |s: &Section| s.first..s.first.saturating_add(s.count);
        let entries = revision.sections.iter().flat_map(|s| numbers(s).map(move |n| (s, n)));
        let mut entries: Vec<Entry> =
            entries.filter_map(|(s, n)| read_entry(self.file, s, n, index)).collect();
        entries.sort_unstable_by_key(|entry| entry.at);
        // One after the other: what overlaps is refused before it is read again.
        let mut free_from = revision.span.start;
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let (number, at) = (entry.reference.number, entry.at);
            let end = if at >= free_from && at < revision.table_at {
                self.object_end(&entry, index)?
            } else {
                None
            };
            free_from =
                end.filter(|e| *e <= revision.table_at).ok_or(StructureError::Misplaced { number, at })?;
            found.push((entry, at..free_from));
        }
        Ok(found)
    }

    /// True if the table of revision `index` lists an object as free that revisions before it had.
    pub fn frees_objects(&self, index: usize) -> bool {
        let sections = self.list.get(index).map(|r| r.sections.as_slice()).unwrap_or_default();
        sections.iter().any(|section| {
            let mut numbers = section.first..section.first.saturating_add(section.count);
            numbers.any(|n| {
                read_entry(self.file, section, n, index).is_none() && self.find(n, index + 1).is_some()
            })
        })
    }

    fn object_end(&self, entry: &Entry, as_of: usize) -> Result<Option<usize>, StructureError> {
        let Some(body) = body_at(self.file, entry) else { return Ok(None) };
        let value = Value::read(self.file, body)?;
        let mut at = value.span().end;
        if value.bytes().starts_with(b"<<")
            && let Some(span) = self.stream_span(&value.as_dict()?, as_of)?
        {
            let end = raw::skip_space(self.file, span.end);
            at = raw::keyword(self.file, end, b"endstream").unwrap_or(end);
        }
        Ok(raw::keyword(self.file, raw::skip_space(self.file, at), b"endobj"))
    }
}

/// The position that the last `startxref` of the file announces.
fn announced_table(file: &[u8]) -> Option<usize> {
    let ended = file.strip_suffix(b"\r\n").or_else(|| file.strip_suffix(b"\n")).unwrap_or(file);
    let body = ended.strip_suffix(b"%%EOF")?;
    let tail = body.get(body.len().saturating_sub(40)..)?;
    let word = tail.windows(9).rposition(|w| w == b"startxref")?;
    let (at, end) = raw::number(tail, raw::skip_space(tail, word + 9))?;
    if raw::skip_space(tail, end) != tail.len() {
        return None;
    }
    usize::try_from(at).ok()
}

fn read_revision(file: &[u8], table_at: usize, sections_max: usize) -> Result<Revision<'_>, StructureError> {
    let mut at = raw::keyword(file, table_at, b"xref").ok_or(StructureError::NoTable { at: table_at })?;
    let mut sections: Vec<Section> = Vec::with_capacity(4);
    at = raw::skip_space(file, at);
    while let Some((first, after)) = raw::number(file, at) {
        let (section, end) = read_section(file, first, after).ok_or(StructureError::Damaged { at })?;
        let ends = section.first + section.count;
        if sections.len() == sections_max
            || sections.iter().any(|s| section.first < s.first + s.count && s.first < ends)
        {
            return Err(StructureError::Damaged { at });
        }
        sections.push(section);
        at = raw::skip_space(file, end);
    }
    let trailer_at = at;
    at = raw::keyword(file, at, b"trailer").ok_or(StructureError::Damaged { at })?;
    let trailer = Dict::read(file, at)?;
    for key in ["Encrypt", "XRefStm"] {
        if trailer.get(key).is_some() {
            return Err(StructureError::Forbidden { at: trailer_at, key });
        }
    }
    let end = end_of_file(file, trailer.span().end, table_at);
    let end = end.ok_or(StructureError::Damaged { at: trailer.span().end })?;
    Ok(Revision { span: 0..end, table_at, trailer, sections })
}

/// The end of the revision whose trailer ends at `at`: `startxref`, its own table's position, `%%EOF`, line end.
fn end_of_file(file: &[u8], at: usize, table_at: usize) -> Option<usize> {
    let at = raw::keyword(file, raw::skip_space(file, at), b"startxref")?;
    let (announced, at) = raw::number(file, raw::skip_space(file, at))?;
    let mut at = at;
    while file.get(at).is_some_and(|b| raw::is_space(*b)) {
        at += 1;
    }
    let end = at.checked_add(5)?;
    if usize::try_from(announced).ok()? != table_at || file.get(at..end)? != b"%%EOF" {
        return None;
    }
    Some(line_end(file, end).unwrap_or(end))
}

/// The position after one line end at `at`.
fn line_end(file: &[u8], at: usize) -> Option<usize> {
    match (file.get(at), file.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 2),
        (Some(b'\n' | b'\r'), _) => Some(at + 1),
        _ => None,
    }
}

fn read_section(file: &[u8], first: u64, at: usize) -> Option<(Section, usize)> {
    let (count, at) = raw::number(file, raw::skip_space(file, at))?;
    let entries_at = raw::skip_space(file, at);
    let (first, count) = (u32::try_from(first).ok()?, u32::try_from(count).ok()?);
    first.checked_add(count)?;
    let length = usize::try_from(count).ok()?.checked_mul(ENTRY)?;
    let end = entries_at.checked_add(length).filter(|e| *e <= file.len())?;
    Some((Section { first, count, entries_at }, end))
}

/// The entry of `number` in `section`; `None` if it is free or not an entry.
fn read_entry(file: &[u8], section: &Section, number: u32, revision: usize) -> Option<Entry> {
    let index = usize::try_from(number.checked_sub(section.first)?).ok()?;
    let at = section.entries_at + index * ENTRY;
    let (offset, after) = raw::number(file, at)?;
    let (generation, kind) = raw::number(file, after + 1)?;
    if (after, kind) != (at + 10, at + 16) || file.get(kind..kind + 2)? != b" n" {
        return None;
    }
    let reference = Reference { number, generation: u16::try_from(generation).ok()? };
    Some(Entry { reference, at: usize::try_from(offset).ok()?, revision })
}

/// Where the body begins, if `N G obj` of just this object stands at the entry's position.
fn body_at(file: &[u8], entry: &Entry) -> Option<usize> {
    let (number, at) = raw::number(file, entry.at)?;
    let (generation, at) = raw::number(file, raw::skip_space(file, at))?;
    let body = raw::keyword(file, raw::skip_space(file, at), b"obj");
    let is_it =
        number == u64::from(entry.reference.number) && generation == u64::from(entry.reference.generation);
    body.filter(|_| is_it)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A one-page file as krilla ends it: no line end after `%%EOF`.
    pub(crate) fn tiny_pdf() -> Vec<u8> {
        let objects = [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Count 1/Kids[3 0 R]>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>",
            "<</Length 8>>\nstream\n0 0 m\n S\nendstream",
        ];
        let mut file = b"%PDF-1.7\n%\xc3\xa4\xc3\xbc\n".to_vec();
        let mut table = "0000000000 65535 f\r\n".to_owned();
        for (index, object) in objects.iter().enumerate() {
            table.push_str(&format!("{:010} 00000 n\r\n", file.len()));
            file.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
        }
        let at = file.len();
        file.extend(
            format!("xref\n0 5\n{table}trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n{at}\n%%EOF").bytes(),
        );
        file
    }

    #[test]
    fn a_file_of_one_revision_gives_its_objects_and_streams() {
        let file = tiny_pdf();
        let revisions = Revisions::read(&file).unwrap();
        assert_eq!(revisions.list().len(), 1);
        assert_eq!(revisions.objects(0).unwrap().len(), 4);
        let content = Reference { number: 4, generation: 0 };
        assert_eq!(revisions.stream(content, 0).unwrap().1, b"0 0 m\n S");
        let missing = revisions.value(Reference { number: 9, generation: 0 }, 0).err();
        assert_eq!(missing, Some(StructureError::Missing { number: 9 }));
    }

    #[test]
    fn what_is_not_exactly_a_chain_of_revisions_is_refused() {
        let file = tiny_pdf();
        let text = String::from_utf8_lossy(&file).into_owned();
        assert_eq!(Revisions::read(b"").err(), Some(StructureError::NotAPdf));
        assert_eq!(Revisions::read(&file[..file.len() - 1]).err(), Some(StructureError::NoEnd));
        let with = |from: &str, to: &str| text.replace(from, to).into_bytes();
        for bad in [
            with("%%EOF", "%%EOF\n\n"),
            with("xref\n0 5", "xrefx0 5"),
            with("0 5\n", "0 9\n"),
            with("/Size 5", "/Size 5/Encrypt 4 0 R"),
            with("/Size 5", "/Size 5/XRefStm 9"),
            with("/Size 5", "/Size 5/Root 2 0 R"),
            with("/Size 5", "/Size 5/Prev 99999"),
            with("startxref\n", "startxref\n1"),
        ] {
            assert!(Revisions::read(&bad).is_err());
        }
    }

    #[test]
    fn an_entry_that_points_elsewhere_is_found_out() {
        let text = String::from_utf8_lossy(&tiny_pdf()).replace("4 0 obj", "5 0 obj").into_bytes();
        // The lossy copy keeps the positions: the comment's bytes are valid UTF-8.
        let revisions = Revisions::read(&text).unwrap();
        assert!(matches!(revisions.objects(0), Err(StructureError::Misplaced { number: 4, .. })));
    }
}
