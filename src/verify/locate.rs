//! Finds the seal in a PDF and says exactly which bytes it covers: ByteRange, the extent of `/Contents` and the
//! end of its revision are read from the raw bytes and must agree. Knows no cryptography.

use std::ops::Range;

use jiff::Timestamp;

use super::Scope;
use super::problem::Problem;
use crate::pdf::raw::{Dict, Reference, Value};
use crate::pdf::revisions::{Revisions, StructureError};

/// Fields are looked for this deep, and so many are looked at.
const FIELD_DEPTH: u32 = 8;
const FIELDS_MAX: usize = 1024;
/// A hole may be this large, in hex digits.
const HOLE_MAX: usize = 64 * 1024;

/// A signature or document timestamp as it stands in the file.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    /// Its dictionary.
    pub(super) dict: Dict<'a>,
    /// The revision that wrote it (0 is the newest).
    pub(super) revision: usize,
    /// `/Contents`, brackets included.
    pub(super) hole: Range<usize>,
    /// End of its revision.
    pub(super) end: usize,
}

/// What the file is sealed with.
#[derive(Debug)]
pub(super) struct Sealing<'a> {
    /// The one seal.
    pub(super) seal: Signed<'a>,
    /// True if `/Perms` names the seal as certification with P = 1.
    pub(super) certified: bool,
    /// Document timestamps, the newest revision first.
    pub(super) timestamps: Vec<Signed<'a>>,
}

/// What a structure error means for the verdict.
pub(super) fn structure(error: StructureError) -> Problem {
    match error {
        StructureError::NotAPdf => Problem::NotAPdf,
        StructureError::NoTable { .. } | StructureError::Forbidden { .. } => {
            Problem::Unsupported(error.to_string())
        }
        other => Problem::Structure(other.to_string()),
    }
}

fn broken(text: &str) -> Problem {
    Problem::Structure(text.to_owned())
}

/// Finds seal and timestamps as the newest revision shows them.
pub(super) fn locate<'a>(revisions: &Revisions<'a>) -> Result<Sealing<'a>, Problem> {
    let trailer = revisions.trailer(0).map_err(structure)?;
    let root = trailer.get("Root").and_then(|v| v.as_reference()).ok_or_else(|| broken("no /Root"))?;
    let catalog = revisions.dict(root, 0).map_err(structure)?;
    let (mut found, mut left) = (Vec::new(), FIELDS_MAX);
    if let Some(form) = catalog.get("AcroForm") {
        let form = revisions.resolve(form, 0).and_then(|v| Ok(v.as_dict()?)).map_err(structure)?;
        if let Some(fields) = form.get("Fields") {
            collect(revisions, fields, 0, &mut left, &mut found)?;
        }
    }
    found.sort_unstable();
    found.dedup();
    let (mut seals, mut timestamps) = (Vec::new(), Vec::new());
    for reference in found {
        let signed = signed(revisions, reference)?;
        if is_timestamp(&signed.dict) {
            timestamps.push(signed);
        } else {
            seals.push((reference, signed));
        }
    }
    if seals.len() > 1 {
        return Err(Problem::SeveralSignatures { got: seals.len() });
    }
    let (reference, seal) = seals.pop().ok_or(Problem::NoSeal)?;
    timestamps.sort_unstable_by_key(|timestamp: &Signed<'_>| timestamp.revision);
    let certified = is_certified(revisions, &catalog, reference, &seal.dict);
    Ok(Sealing { seal, certified, timestamps })
}

fn signed<'a>(revisions: &Revisions<'a>, reference: Reference) -> Result<Signed<'a>, Problem> {
    let dict = revisions.dict(reference, 0).map_err(structure)?;
    let revision = revisions.find(reference.number, 0).ok_or(Problem::NoSeal)?.revision;
    let end = revisions.list().get(revision).map(|r| r.span.end).ok_or(Problem::NoSeal)?;
    let hole = dict.get("Contents").map(|v| v.span().clone()).ok_or_else(|| broken("no /Contents"))?;
    Ok(Signed { dict, revision, hole, end })
}

fn is_timestamp(dict: &Dict<'_>) -> bool {
    dict.get("Type").is_some_and(|v| v.is_name("DocTimeStamp"))
        && dict.get("SubFilter").is_some_and(|v| v.is_name("ETSI.RFC3161"))
}

fn collect(
    revisions: &Revisions<'_>,
    fields: Value<'_>,
    depth: u32,
    left: &mut usize,
    found: &mut Vec<Reference>,
) -> Result<(), Problem> {
    if depth > FIELD_DEPTH {
        return Err(broken("form fields are nested too deep"));
    }
    for field in revisions.resolve(fields, 0).and_then(|v| Ok(v.as_array()?)).map_err(structure)? {
        *left = left.checked_sub(1).ok_or_else(|| broken("too many form fields"))?;
        let dict = revisions.resolve(field, 0).and_then(|v| Ok(v.as_dict()?)).map_err(structure)?;
        if let Some(kids) = dict.get("Kids") {
            collect(revisions, kids, depth + 1, left, found)?;
        }
        let is_signature = dict.get("FT").is_some_and(|v| v.is_name("Sig"));
        if let Some(value) = dict.get("V").filter(|_| is_signature) {
            found.push(value.as_reference().ok_or_else(|| broken("a signature that is no object"))?);
        }
    }
    Ok(())
}

/// `/Perms /DocMDP` names this signature, and its own reference says DocMDP with P = 1.
fn is_certified(revisions: &Revisions<'_>, catalog: &Dict<'_>, seal: Reference, dict: &Dict<'_>) -> bool {
    let named = || {
        let perms = revisions.resolve(catalog.get("Perms")?, 0).ok()?.as_dict().ok()?;
        perms.get("DocMDP")?.as_reference()
    };
    let forbids = || {
        let list = dict.get("Reference")?.as_array().ok()?;
        let [only] = list.as_slice() else { return None };
        let reference = only.as_dict().ok()?;
        let parameters = reference.get("TransformParams")?.as_dict().ok()?;
        let no_change = parameters.get("P")?.as_number()? == 1;
        Some(no_change && reference.get("TransformMethod")?.is_name("DocMDP"))
    };
    named() == Some(seal) && forbids() == Some(true)
}

impl Signed<'_> {
    /// All bytes up to the end of its revision but the hole.
    pub(super) fn covered<'f>(&self, file: &'f [u8]) -> [&'f [u8]; 2] {
        let part = |range: Range<usize>| file.get(range).unwrap_or_default();
        [part(0..self.hole.start), part(self.hole.end..self.end)]
    }

    /// ByteRange must be `[0, hole, after the hole, to the end of the revision]`.
    pub(super) fn check_byte_range(&self) -> Result<(), Problem> {
        let numbers: Option<Vec<u64>> = self
            .dict
            .get("ByteRange")
            .and_then(|v| v.as_array().ok())
            .and_then(|list| list.iter().map(Value::as_number).collect());
        let numbers = numbers.unwrap_or_default();
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let expected = [0, wide(self.hole.start), wide(self.hole.end), wide(self.end - self.hole.end)];
        if numbers == expected {
            return Ok(());
        }
        Err(Problem::ByteRange { expected: format!("{expected:?}"), got: format!("{numbers:?}") })
    }

    /// The kind of signature.
    pub(super) fn check_sub_filter(&self) -> Result<(), Problem> {
        let value = self.dict.get("SubFilter");
        if value.as_ref().is_some_and(|v| v.is_name("ETSI.CAdES.detached")) {
            return Ok(());
        }
        let got = value.map(|v| String::from_utf8_lossy(v.bytes()).into_owned());
        Err(Problem::SubFilter { got: got.unwrap_or_else(|| "none".to_owned()) })
    }

    /// The signature in DER. Every character of the hole is accounted for: hex digits of one case (lower case
    /// in our own files), and after the DER nothing but zeros.
    pub(super) fn contents(&self, file: &[u8], scope: Scope) -> Result<Vec<u8>, Problem> {
        let inner = self.hole.start + 1..self.hole.end.saturating_sub(1);
        let digits = file.get(inner.clone()).unwrap_or_default();
        if file.get(self.hole.start) != Some(&b'<') || digits.len() > HOLE_MAX {
            return Err(Problem::HoleCharacter { at: self.hole.start });
        }
        let upper_begins =
            digits.iter().find(|d| d.is_ascii_alphabetic()).is_some_and(u8::is_ascii_uppercase);
        let upper = scope == Scope::SealOnly && upper_begins;
        let permitted = |d: &u8| {
            d.is_ascii_digit() || if upper { (b'A'..=b'F').contains(d) } else { (b'a'..=b'f').contains(d) }
        };
        if let Some(offset) = digits.iter().position(|d| !permitted(d)) {
            return Err(Problem::HoleCharacter { at: inner.start + offset });
        }
        let no_length = || Problem::Cms("it has no length".to_owned());
        let header = hex::decode(digits.get(..12).unwrap_or_default()).map_err(|_| no_length())?;
        let length = der_length(&header).and_then(|n| n.checked_mul(2)).ok_or_else(no_length)?;
        let (der, padding) = digits.split_at_checked(length).ok_or_else(no_length)?;
        if let Some(offset) = padding.iter().position(|d| *d != b'0') {
            return Err(Problem::HolePadding { at: inner.start + length + offset });
        }
        hex::decode(der).map_err(|_| no_length())
    }

    /// `/M`.
    pub(super) fn claimed_time(&self) -> Option<Timestamp> {
        pdf_date(&self.dict.get("M")?.as_string()?)
    }
}

/// Length of the DER value that begins `der`, header included.
fn der_length(der: &[u8]) -> Option<usize> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    let octets = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    let length = octets.iter().try_fold(0usize, |n, o| n.checked_mul(256)?.checked_add(usize::from(*o)))?;
    length.checked_add(2 + count)
}

/// `D:YYYYMMDDHHmmSS` with `Z` or an offset (7.9.4); all parts to the second are required here.
fn pdf_date(raw: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(raw).ok()?.strip_prefix("D:")?;
    let (digits, zone) = text.split_at_checked(14)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let offset = match zone.trim_end_matches('\'').replace('\'', ":").as_str() {
        "Z" | "" => "+00:00".to_owned(),
        "Z00:00" => "+00:00".to_owned(),
        other => other.to_owned(),
    };
    let part = |range: Range<usize>| digits.get(range).unwrap_or_default();
    let (date, time) = ((part(0..4), part(4..6), part(6..8)), (part(8..10), part(10..12), part(12..14)));
    format!("{}-{}-{}T{}:{}:{}{offset}", date.0, date.1, date.2, time.0, time.1, time.2).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_that_writers_use() {
        let at = Some("2026-11-24T07:45:00Z".parse().unwrap());
        for date in
            ["D:20261124074500Z", "D:20261124084500+01'00'", "D:20261124084500+01'00", "D:20261124074500"]
        {
            assert_eq!(pdf_date(date.as_bytes()), at, "{date}");
        }
        for bad in
            ["", "D:2026", "20261124074500Z", "D:20261324074500Z", "D:2026112407450xZ", "D:20261124074500+aa"]
        {
            assert_eq!(pdf_date(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_length_of_der_is_read_from_its_header_only() {
        assert_eq!(der_length(&[0x30, 3, 0]), Some(5));
        assert_eq!(der_length(&[0x30, 0x82, 1, 0]), Some(260));
        for bad in [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x82, 1]] {
            assert_eq!(der_length(bad), None, "{bad:?}");
        }
    }
}
