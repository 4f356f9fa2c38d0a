//! Is what the sender says about a file compatible with what its bytes say? Names and sent types are claims only.
//! A generic finding (text, ZIP, OLE) may be refined by a claim; a claim never overrides a signature.

use super::MediaType;

/// The bytes contradict the claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claimed {claimed}, but the bytes are {found}")]
pub struct Lie {
    /// What was claimed: the sent type, or the type that the file name's ending stands for.
    pub claimed: String,
    /// What the bytes are.
    pub found: MediaType,
}

/// What one claim stands for.
enum Claim {
    /// Nothing is claimed.
    None,
    /// One of the types told apart here.
    Known(MediaType),
    /// A type this archive has no signature for; the name is its registered one.
    Foreign(String),
}

/// Checks the sent content type and the file name against the type `found` in the bytes.
///
/// No claim, or `application/octet-stream`, is not checked. The answer is the type to store: what was found,
/// or the claimed type where that is a refinement of it (text → CSV, OLE → Word).
///
/// # Errors
/// `Lie`: a claim that the bytes contradict, with both types.
pub fn check_claim(
    content_type: Option<&str>,
    file_name: Option<&str>,
    found: MediaType,
) -> Result<MediaType, Lie> {
    let sent = content_type.map_or(Claim::None, parse);
    let named = match file_name.map_or(Claim::None, parse_name) {
        Claim::Foreign(_) => Claim::None,
        claim => claim,
    };
    let settled = settle(sent, found)?;
    // Old programs used today's endings for formats of their own: a name does not speak against unknown bytes.
    if found == MediaType::Unknown { Ok(settled) } else { settle(named, settled) }
}

fn settle(claim: Claim, found: MediaType) -> Result<MediaType, Lie> {
    match claim {
        Claim::None => Ok(found),
        Claim::Known(claimed) => {
            reconcile(claimed, found).ok_or_else(|| Lie { claimed: claimed.as_str().to_owned(), found })
        }
        Claim::Foreign(name) => match admits(&name, found) {
            true => Ok(found),
            false => Err(Lie { claimed: name, found }),
        },
    }
}

/// The type on which a known claim and the finding agree, if they can.
fn reconcile(claimed: MediaType, found: MediaType) -> Option<MediaType> {
    use MediaType::{Html, Msg, Ole, Opc, P7m, P7s, Rtf, Text, Xls, Xml, Zip};
    if claimed == found {
        return Some(found);
    }
    match (claimed, found) {
        // Text has no signature: the finding stays if it is the more precise one.
        (c, Text) if c.is_textual() => Some(c),
        (c, f) if c.is_textual() && f.is_textual() => Some(f),
        (Text, Rtf) => Some(Rtf),
        // Containers: the finding is the more precise one, or the head did not show what is inside.
        (Zip | Opc, f) if f.is_zip() => Some(f),
        (MediaType::Docx | MediaType::Xlsx | MediaType::Pptx, Opc) => Some(claimed),
        (Ole, f) if f.is_ole() => Some(f),
        (c, Ole) if c.is_ole() => Some(c),
        (P7m | P7s, P7m | P7s) => Some(found),
        // Programs have long saved other formats under the old names; every reader of these opens them.
        (MediaType::Doc, Rtf | Html | Xml | MediaType::Docx) => Some(found),
        (Xls, Html | Xml | MediaType::Csv | Text | MediaType::Xlsx) => Some(found),
        (MediaType::Ppt, MediaType::Pptx) => Some(found),
        // A protected Office Open XML file is a compound file around the cipher text.
        (MediaType::Docx | MediaType::Xlsx | MediaType::Pptx, f) if f.is_ole() && f != Msg => Some(Ole),
        _ => None,
    }
}

/// Whether a claim without a signature here can be true of the finding.
fn admits(claimed: &str, found: MediaType) -> bool {
    if found == MediaType::Unknown {
        return true;
    }
    if claimed.ends_with("+xml") {
        return matches!(found, MediaType::Xml | MediaType::Html | MediaType::Text);
    }
    if claimed.ends_with("+zip") {
        return found.is_zip();
    }
    let pictures_and_sound = ["image/", "audio/", "video/", "font/", "model/"];
    if pictures_and_sound.iter().any(|prefix| claimed.starts_with(prefix)) {
        return false;
    }
    found.is_textual() || (claimed.starts_with("application/") && (found.is_zip() || found.is_ole()))
}

fn parse_name(file_name: &str) -> Claim {
    // Endings that mime_guess does not know or gives to another trade.
    let ending = file_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("msg") => Claim::Known(MediaType::Msg),
        Some("mbox") => Claim::Known(MediaType::Mbox),
        Some("p7m" | "p7s") => Claim::Known(MediaType::P7m),
        _ => mime_guess::from_path(file_name).first_raw().map_or(Claim::None, parse),
    }
}

fn parse(content_type: &str) -> Claim {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = match essence.as_str() {
        "" | "application/octet-stream" | "binary/octet-stream" | "application/x-www-form-urlencoded" => {
            return Claim::None;
        }
        "application/x-pdf" => MediaType::Pdf,
        "application/x-zip-compressed" | "application/x-zip" => MediaType::Zip,
        "text/xml" => MediaType::Xml,
        "application/xhtml+xml" => MediaType::Html,
        "text/rtf" | "application/x-rtf" | "text/richtext" => MediaType::Rtf,
        "application/csv" | "text/comma-separated-values" | "text/tab-separated-values" => MediaType::Csv,
        "application/msexcel" | "application/x-msexcel" => MediaType::Xls,
        "application/mspowerpoint" => MediaType::Ppt,
        "application/pkcs7" | "application/x-pkcs7-mime" => MediaType::P7m,
        "application/x-pkcs7-signature" => MediaType::P7s,
        "image/jpg" | "image/pjpeg" => MediaType::Jpeg,
        "image/heif" => MediaType::Heic,
        name => match office_family(name).or_else(|| name.parse().ok()) {
            Some(known) => known,
            None if name.starts_with("text/") => MediaType::Text,
            None => return Claim::Foreign(essence),
        },
    };
    Claim::Known(known)
}

/// Templates and files with macros are of the family of their plain sister.
fn office_family(name: &str) -> Option<MediaType> {
    let families = [
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.", MediaType::Docx),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.", MediaType::Xlsx),
        ("application/vnd.openxmlformats-officedocument.presentationml.", MediaType::Pptx),
        ("application/vnd.ms-word.", MediaType::Docx),
        ("application/vnd.ms-excel.", MediaType::Xlsx),
        ("application/vnd.ms-powerpoint.", MediaType::Pptx),
        ("application/vnd.oasis.opendocument.text", MediaType::Odt),
        ("application/vnd.oasis.opendocument.spreadsheet", MediaType::Ods),
        ("application/vnd.oasis.opendocument.presentation", MediaType::Odp),
    ];
    families.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, family)| *family)
}
