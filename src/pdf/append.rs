//! The appender: adds a revision with a certification signature to a PDF (and, in `timestamp`, later ones), as an
//! incremental update (ISO 32000-1, 7.5.6, 12.8) that leaves every earlier byte as it is. Pure: same input, same bytes.
//! Knows nothing of keys or CMS: it leaves a hole of fixed size and says what the signature covers.

pub mod timestamp;
mod update;

use std::ops::Range;

use jiff::Timestamp;

use super::raw::{Dict, RawError, Reference, Value};
use super::revisions::{Revisions, StructureError};
use crate::domain::digest::Sha256;
use update::Update;

/// One revision adds fewer objects than this.
const NEW_MAX: u32 = 4096;
/// Levels of the page tree that are followed to the first page.
const PAGE_TREE_DEPTH: usize = 32;
/// Place of the signature's widget: outside every crop box and of no extent. Such a widget needs neither an
/// appearance (PDF/A-3, 6.3.3) nor a place in the tag tree (PDF/UA-1, 7.18.1).
const OFF_PAGE: &str = "[-64 -64 -64 -64]";
/// Annotation flags: print (PDF/A-3, 6.3.2) and locked.
const FLAGS: u32 = 4 + 128;

/// Why a signature revision cannot be appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The file is not a chain of revisions with classic tables.
    #[error("the PDF cannot be extended: {0}")]
    Structure(#[from] StructureError),
    /// A dictionary of the file lacks what the standard demands.
    #[error("the PDF cannot be extended: its {place} has no usable /{key}")]
    Lacks {
        /// Which dictionary.
        place: &'static str,
        /// Which key.
        key: &'static str,
    },
    /// A certification signature must be the first; this file has form fields or permissions already.
    #[error("the PDF cannot be certified: it already has /{key}")]
    AlreadyHas {
        /// `AcroForm` or `Perms`.
        key: &'static str,
    },
    /// The file is too long for the fixed width of `/ByteRange`.
    #[error("the PDF is too long to be signed: {bytes} bytes")]
    TooLong {
        /// Its length with the new revision.
        bytes: usize,
    },
}

impl From<RawError> for AppendError {
    fn from(error: RawError) -> Self {
        Self::Structure(error.into())
    }
}

/// What does not fit into the hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature has {bytes} bytes, the hole has room for {room}")]
pub struct TooBig {
    /// Length of the DER.
    pub bytes: usize,
    /// Room of the hole in bytes of DER.
    pub room: usize,
}

/// What the signature dictionary says about the signature (12.8.1, table 252).
#[derive(Debug, Clone)]
pub struct Certification<'a> {
    /// `/M`: the claimed time, written in UTC, whole seconds.
    pub signing_time: Timestamp,
    /// `/Name`: the person or authority that signs.
    pub name: &'a str,
    /// `/Reason`.
    pub reason: &'a str,
    /// `/TU` of the field: what a reader aloud says.
    pub field_label: &'a str,
    /// Room of the hole, in bytes of DER.
    pub room: usize,
}

/// A PDF with a signature revision whose hole is still empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    bytes: Vec<u8>,
    hole: Range<usize>,
}

impl Prepared {
    /// SHA-256 over what `/ByteRange` covers: everything but the hole with its brackets.
    pub fn byte_range_digest(&self) -> Sha256 {
        Sha256::of_parts(&self.covered())
    }

    /// What `/ByteRange` covers: the bytes before and after the hole with its brackets.
    pub fn covered(&self) -> [&[u8]; 2] {
        let part = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        [part(0..self.hole.start), part(self.hole.end..self.bytes.len())]
    }

    /// Where the hole stands, `<` and `>` included.
    pub const fn hole(&self) -> &Range<usize> {
        &self.hole
    }

    /// The file with the hole still full of zeros.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes `der` into the hole, in lower-case hex; what remains stays zeros.
    ///
    /// # Errors
    /// [`TooBig`] if it does not fit.
    pub fn fill(mut self, der: &[u8]) -> Result<Vec<u8>, TooBig> {
        let room = (self.hole.len() - 2) / 2;
        let begin = self.hole.start + 1;
        let target = self.bytes.get_mut(begin..begin + 2 * der.len().min(room + 1));
        let filled = target.filter(|_| der.len() <= room).map(|digits| hex::encode_to_slice(der, digits));
        match filled {
            Some(Ok(())) => Ok(self.bytes),
            _ => Err(TooBig { bytes: der.len(), room }),
        }
    }
}

/// Appends a revision with a certification signature (DocMDP, P = 1: no change is permitted) to `file`.
///
/// # Errors
/// [`AppendError`]: the file is not one that this appender extends; see its variants.
pub fn certify(file: &[u8], certification: &Certification<'_>) -> Result<Prepared, AppendError> {
    let revisions = Revisions::read(file)?;
    let trailer = revisions.trailer(0)?;
    let root = reference_in(trailer, "trailer", "Root")?;
    let catalog = revisions.dict(root, 0)?;
    for key in ["AcroForm", "Perms"] {
        if catalog.get(key).is_some() {
            return Err(AppendError::AlreadyHas { key });
        }
    }
    let (page, page_dict) = first_page(&revisions, &catalog)?;
    let size = next_number(trailer)?;
    let (signature, field) = (size, size + 1);

    let mut update = Update::new(&revisions, certification.room);
    let acro_form = format!("<</Fields[{field} 0 R]/SigFlags 3>>");
    let perms = format!("<</DocMDP {signature} 0 R>>");
    update.object(root, &catalog.with(&[("AcroForm", acro_form), ("Perms", perms)]));
    let annotations = annotations_with(&revisions, &page_dict, field)?;
    update.object(page, &page_dict.with(&[("Annots", annotations), ("Tabs", "/S".to_owned())]));
    update.object(new(field), &widget("Siegel", certification.field_label, signature, page));
    let slots = update.signature(new(signature), &head(certification), certification.room);
    update.finish(size + 2, &slots)
}

/// The first number that no object has.
fn next_number(trailer: &Dict<'_>) -> Result<u32, AppendError> {
    let size = trailer.get("Size").and_then(|v| v.as_number()).and_then(|n| u32::try_from(n).ok());
    size.filter(|s| *s < u32::MAX - NEW_MAX).ok_or(AppendError::Lacks { place: "trailer", key: "Size" })
}

const fn new(number: u32) -> Reference {
    Reference { number, generation: 0 }
}

fn reference_in(dict: &Dict<'_>, place: &'static str, key: &'static str) -> Result<Reference, AppendError> {
    dict.get(key).and_then(|v| v.as_reference()).ok_or(AppendError::Lacks { place, key })
}

fn first_page<'a>(
    revisions: &Revisions<'a>,
    catalog: &Dict<'a>,
) -> Result<(Reference, Dict<'a>), AppendError> {
    let mut reference = reference_in(catalog, "catalog", "Pages")?;
    for _ in 0..PAGE_TREE_DEPTH {
        let node = revisions.dict(reference, 0)?;
        let Some(kids) = node.get("Kids") else { return Ok((reference, node)) };
        let kids = revisions.resolve(kids, 0)?.as_array()?;
        let first = kids.first().and_then(Value::as_reference);
        reference = first.ok_or(AppendError::Lacks { place: "page tree", key: "Kids" })?;
    }
    Err(AppendError::Lacks { place: "page tree", key: "Kids" })
}

fn annotations_with(revisions: &Revisions<'_>, page: &Dict<'_>, field: u32) -> Result<String, AppendError> {
    let Some(value) = page.get("Annots") else { return Ok(format!("[{field} 0 R]")) };
    let mut list = String::from("[");
    for known in revisions.resolve(value, 0)?.as_array()? {
        let reference = known.as_reference();
        let reference = reference.ok_or(AppendError::Lacks { place: "page", key: "Annots" })?;
        list.push_str(&format!("{} {} R ", reference.number, reference.generation));
    }
    Ok(format!("{list}{field} 0 R]"))
}

/// The signature dictionary up to its byte range (12.8.1, table 252).
fn head(certification: &Certification<'_>) -> String {
    format!(
        "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/M(D:{})/Name{}/Reason{}\
         /Reference[<</Type/SigRef/TransformMethod/DocMDP/TransformParams<</Type/TransformParams/P 1/V/1.2>>>>]",
        certification.signing_time.strftime("%Y%m%d%H%M%SZ"),
        text_string(certification.name),
        text_string(certification.reason),
    )
}

/// A field for a signature, and its widget in one (12.7.4.5), that shows nothing.
fn widget(name: &str, label: &str, signature: u32, page: Reference) -> Vec<u8> {
    let (name, label) = (text_string(name), text_string(label));
    let page = format!("{} {} R", page.number, page.generation);
    format!(
        "<</Type/Annot/Subtype/Widget/FT/Sig/T{name}/TU{label}/V {signature} 0 R/F {FLAGS}/Rect{OFF_PAGE}/P {page}>>"
    )
    .into_bytes()
}

/// A text string (7.9.2.2): ASCII as it is, everything else in UTF-16BE.
fn text_string(text: &str) -> String {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let escaped = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        return format!("({escaped})");
    }
    let units: String = text.encode_utf16().map(|unit| format!("{unit:04x}")).collect();
    format!("<feff{units}>")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::revisions::tests::tiny_pdf;
    use super::*;

    pub(super) fn certification() -> Certification<'static> {
        Certification {
            signing_time: "2026-11-24T07:45:00.9Z".parse().unwrap(),
            name: "Žofie (Müller)",
            reason: "Siegel (1)",
            field_label: "Elektronisches Siegel",
            room: 100,
        }
    }

    #[test]
    fn the_new_revision_leaves_every_earlier_byte_and_covers_all_but_the_hole() {
        let file = tiny_pdf();
        let prepared = certify(&file, &certification()).unwrap();
        assert_eq!(prepared, certify(&file, &certification()).unwrap());
        assert!(prepared.bytes().starts_with(&file));
        let revisions = Revisions::read(prepared.bytes()).unwrap();
        assert_eq!(revisions.list().len(), 2);
        assert_eq!(revisions.list()[0].span.start, file.len() + 1);
        assert_eq!(revisions.objects(0).unwrap().len(), 4);
        let signature = revisions.dict(new(5), 0).unwrap();
        let contents = signature.get("Contents").unwrap();
        assert_eq!(contents.span(), prepared.hole());
        let range: Vec<u64> = signature
            .get("ByteRange")
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_number)
            .collect();
        let hole = contents.span();
        let end = prepared.bytes().len() - hole.end;
        assert_eq!(range, [0, hole.start as u64, hole.end as u64, end as u64]);
        assert_eq!(signature.get("M").unwrap().as_string().unwrap(), b"D:20261124074500Z");
    }

    #[test]
    fn the_catalog_names_the_signature_as_certification_without_changes() {
        let prepared = certify(&tiny_pdf(), &certification()).unwrap();
        let revisions = Revisions::read(prepared.bytes()).unwrap();
        let catalog = revisions.dict(new(1), 0).unwrap();
        let perms = catalog.get("Perms").unwrap().as_dict().unwrap();
        assert_eq!(perms.get("DocMDP").unwrap().as_reference(), Some(new(5)));
        let form = catalog.get("AcroForm").unwrap().as_dict().unwrap();
        assert_eq!(form.get("SigFlags").unwrap().as_number(), Some(3));
        let page = revisions.dict(new(3), 0).unwrap();
        assert!(page.get("Tabs").unwrap().is_name("S"));
        assert_eq!(page.get("Annots").unwrap().bytes(), b"[6 0 R]");
    }

    #[test]
    fn what_fits_is_written_in_lower_case_and_what_does_not_is_refused() {
        let prepared = certify(&tiny_pdf(), &certification()).unwrap();
        let hole = prepared.hole().clone();
        let filled = prepared.clone().fill(&[0xAB; 100]).unwrap();
        assert_eq!(&filled[hole.start..hole.start + 5], b"<abab");
        let part = prepared.clone().fill(&[0xAB; 99]).unwrap();
        assert_eq!(&part[hole.end - 5..hole.end], b"ab00>");
        assert_eq!(prepared.fill(&[0; 101]), Err(TooBig { bytes: 101, room: 100 }));
    }

    #[test]
    fn a_file_that_is_certified_already_or_is_no_page_is_refused() {
        let once = certify(&tiny_pdf(), &certification()).unwrap();
        let again = certify(once.bytes(), &certification());
        assert_eq!(again.err(), Some(AppendError::AlreadyHas { key: "AcroForm" }));
        let text = String::from_utf8_lossy(&tiny_pdf()).into_owned();
        for (from, to) in [
            ("/Root", "/Roof"),
            ("/Kids[3 0 R]", "/Kids[2 0 R]"),
            ("/Kids[3", "/Kids[9"),
            ("/Size 5", "/Size x"),
        ] {
            assert!(certify(text.replace(from, to).as_bytes(), &certification()).is_err(), "{to}");
        }
    }
}
