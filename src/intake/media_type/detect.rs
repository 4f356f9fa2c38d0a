//! The type of a file from its first bytes: signatures first, then the entries of a ZIP, then plausibility as text.
//! Looks at nothing but the head it is given.

use std::io::Read as _;

use super::MediaType;

/// How many bytes of a file `detect` wants to see (fewer only if the file is shorter).
pub const HEAD_BYTES: usize = 64 * 1024;

const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
const LOCAL_FILE: &[u8] = b"PK\x03\x04";

/// The type of the file that begins with `head` (its first `HEAD_BYTES`, or all of it).
pub fn detect(head: &[u8]) -> MediaType {
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    if let Some(found) = by_signature(head) {
        return found;
    }
    if has_pdf_header(head) {
        return MediaType::Pdf;
    }
    by_text(head)
}

fn by_signature(head: &[u8]) -> Option<MediaType> {
    let starts = |signature: &[u8]| head.starts_with(signature);
    let found = match () {
        () if starts(b"%PDF-") => MediaType::Pdf,
        () if starts(LOCAL_FILE) || starts(b"PK\x05\x06") || starts(b"PK\x07\x08PK") || starts(b"PK00PK") => {
            zip_kind(head)
        }
        () if starts(OLE) => ole_kind(head),
        () if starts(b"\x89PNG\r\n\x1a\n") => MediaType::Png,
        () if starts(b"\xFF\xD8\xFF") => MediaType::Jpeg,
        () if starts(b"GIF87a") || starts(b"GIF89a") => MediaType::Gif,
        () if starts(b"II*\0") || starts(b"MM\0*") => MediaType::Tiff,
        () if starts(b"RIFF") && head.get(8..12) == Some(b"WEBP") => MediaType::Webp,
        () if is_heic(head) => MediaType::Heic,
        () if starts(b"\x09\x08") || starts(b"\x09\x04") || starts(b"\x09\x02") || starts(b"\x09\x00") => {
            return old_excel(head);
        }
        () => return cms_kind(head),
    };
    Some(found)
}

/// A bare BIFF stream: Excel 2 to 4 wrote these without a compound file around them.
fn old_excel(head: &[u8]) -> Option<MediaType> {
    let length = u16::from_le_bytes([*head.get(2)?, *head.get(3)?]);
    let kind = u16::from_le_bytes([*head.get(6)?, *head.get(7)?]);
    ((4..=16).contains(&length) && matches!(kind, 0x05 | 0x06 | 0x10 | 0x20 | 0x40 | 0x100))
        .then_some(MediaType::Xls)
}

/// ISO 32000-1, implementation note 13: readers accept the header within the first 1,024 bytes.
fn has_pdf_header(head: &[u8]) -> bool {
    let start = head.get(..1024 + 5).unwrap_or(head);
    let Some(at) = find(start, b"%PDF-") else { return false };
    head.get(at..).is_some_and(|rest| find(rest, b" obj").is_some())
}

fn is_heic(head: &[u8]) -> bool {
    let brands: [&[u8]; 7] = [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"];
    head.get(4..8) == Some(b"ftyp") && brands.iter().any(|brand| head.get(8..12) == Some(brand))
}

/// What the names of the entries in the head say; no central directory is needed.
fn zip_kind(head: &[u8]) -> MediaType {
    let mut package = false;
    for name in local_names(head) {
        let kind = match name.name {
            b"mimetype" => return open_document(&name.start()),
            n if n.starts_with(b"word/") => MediaType::Docx,
            n if n.starts_with(b"xl/") => MediaType::Xlsx,
            n if n.starts_with(b"ppt/") => MediaType::Pptx,
            b"[Content_Types].xml" | b"_rels/.rels" => {
                package = true;
                continue;
            }
            _ => continue,
        };
        if package {
            return kind;
        }
    }
    // A package may list its main part before its table of types, or the table beyond the head.
    match main_part(head) {
        Some(kind) if package || head.len() == HEAD_BYTES => kind,
        _ if package => MediaType::Opc,
        _ => MediaType::Zip,
    }
}

fn main_part(head: &[u8]) -> Option<MediaType> {
    local_names(head).find_map(|entry| match entry.name {
        b"word/document.xml" | b"word/_rels/" => Some(MediaType::Docx),
        b"xl/workbook.xml" | b"xl/_rels/" => Some(MediaType::Xlsx),
        b"ppt/presentation.xml" | b"ppt/_rels/" => Some(MediaType::Pptx),
        _ => None,
    })
}

/// An entry as its local header shows it; `content` is what follows, still compressed, to the end of the head.
struct LocalEntry<'h> {
    name: &'h [u8],
    deflated: bool,
    content: &'h [u8],
}

impl LocalEntry<'_> {
    /// The first 64 bytes of the entry.
    fn start(&self) -> Vec<u8> {
        if !self.deflated {
            return self.content.get(..64).unwrap_or(self.content).to_vec();
        }
        let mut start = Vec::new();
        // A stream that ends in damage has still given what came before.
        let _ = flate2::read::DeflateDecoder::new(self.content).take(64).read_to_end(&mut start);
        start
    }
}

fn local_names(head: &[u8]) -> impl Iterator<Item = LocalEntry<'_>> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let at = find(rest, LOCAL_FILE)?;
        let header = rest.get(at..)?;
        rest = header.get(4..)?;
        let name_len = usize::from(u16::from_le_bytes([*header.get(26)?, *header.get(27)?]));
        let extra_len = usize::from(u16::from_le_bytes([*header.get(28)?, *header.get(29)?]));
        let name = header.get(30..30 + name_len)?;
        let content = header.get(30 + name_len + extra_len..).unwrap_or_default();
        Some(LocalEntry { name, deflated: header.get(8..10)? == [8, 0], content })
    })
}

/// OpenDocument 1.2 part 3, 3.3 and EPUB OCF: the entry `mimetype`; it should come first and not be compressed,
/// but files packed again by other programs differ.
fn open_document(content: &[u8]) -> MediaType {
    let kinds: [(&[u8], MediaType); 4] = [
        (b"application/vnd.oasis.opendocument.text", MediaType::Odt),
        (b"application/vnd.oasis.opendocument.spreadsheet", MediaType::Ods),
        (b"application/vnd.oasis.opendocument.presentation", MediaType::Odp),
        (b"application/epub+zip", MediaType::Epub),
    ];
    kinds.iter().find(|(name, _)| content.starts_with(name)).map_or(MediaType::Zip, |(_, kind)| *kind)
}

/// The stream names in the directory of a compound file are UTF-16LE.
fn ole_kind(head: &[u8]) -> MediaType {
    let holds = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        find(head, &wide).is_some()
    };
    let mut kinds = [
        (MediaType::Msg, holds("__properties_version1.0") || holds("__substg1.0_")),
        (MediaType::Ole, holds("EncryptedPackage")),
        (MediaType::Ppt, holds("PowerPoint Document")),
        (MediaType::Doc, holds("WordDocument")),
        (MediaType::Xls, holds("Workbook\0") || holds("Book\0")),
    ]
    .into_iter()
    .filter(|(_, held)| *held);
    match (kinds.next(), kinds.next()) {
        (Some((kind, _)), None) => kind,
        // None, or one embedded in the other: only the whole directory tells which.
        _ => MediaType::Ole,
    }
}

/// CMS, RFC 5652: a ContentInfo in DER or BER, or its PEM form. Signed without content → `.p7s`.
fn cms_kind(head: &[u8]) -> Option<MediaType> {
    const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    if head.starts_with(b"-----BEGIN PKCS7-----") || head.starts_with(b"-----BEGIN CMS-----") {
        return Some(MediaType::P7m);
    }
    let inside = enter(head, 0x30)?;
    let kind = *inside.strip_prefix(PKCS7)?.first()?;
    let rest = inside.get(PKCS7.len() + 1..)?;
    if kind != 2 {
        return Some(MediaType::P7m);
    }
    let detached = || {
        let signed = enter(enter(rest, 0xA0)?, 0x30)?;
        let encapsulated = enter(skip(skip(signed)?)?, 0x30)?;
        let after_type = skip(encapsulated)?;
        let (_, length) = length(head_after_tag(skip(skip(signed)?)?)?)?;
        let definite_end = length.map(|l| encapsulated.len() - after_type.len() >= l);
        Some(definite_end.unwrap_or(false) || after_type.starts_with(&[0, 0]))
    };
    Some(if detached().unwrap_or(false) { MediaType::P7s } else { MediaType::P7m })
}

fn head_after_tag(der: &[u8]) -> Option<&[u8]> {
    der.get(1..)
}

/// The content of the element with `tag` at the start of `der`, running on to the end of `der`.
fn enter(der: &[u8], tag: u8) -> Option<&[u8]> {
    if der.first() != Some(&tag) {
        return None;
    }
    length(der.get(1..)?).map(|(content, _)| content)
}

/// What follows the element at the start of `der`.
fn skip(der: &[u8]) -> Option<&[u8]> {
    let (content, length) = length(der.get(1..)?)?;
    content.get(length?..)
}

/// Splits a length off; `None` inside means indefinite.
fn length(der: &[u8]) -> Option<(&[u8], Option<usize>)> {
    let (&first, rest) = der.split_first()?;
    match first {
        0x80 => Some((rest, None)),
        0..0x80 => Some((rest, Some(usize::from(first)))),
        _ => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count).filter(|_| count <= 4)?;
            let length = digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
            Some((rest.get(count..)?, Some(length)))
        }
    }
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn by_text(head: &[u8]) -> MediaType {
    let Some(text) = super::text::decode(head) else { return MediaType::Unknown };
    super::text::kind(&text)
}
