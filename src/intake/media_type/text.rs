//! Is a file text, and of which sort? There is no signature, so this weighs plausibility: control characters,
//! UTF-8 and UTF-16 well-formedness, then the opening words. Decides a type only; extraction decodes for itself.

use super::MediaType;

/// The head as text if it is plausibly text (UTF-8, UTF-16, or one byte a character), else nothing.
pub(super) fn decode(head: &[u8]) -> Option<String> {
    if head.is_empty() {
        return None;
    }
    if let Some((encoding, bom)) = encoding_rs::Encoding::for_bom(head) {
        let (text, malformed) = encoding.decode_without_bom_handling(head.get(bom..)?);
        return (!malformed || text.chars().filter(|c| *c == '\u{FFFD}').count() <= 2)
            .then(|| text.into_owned());
    }
    if let Some(encoding) = wide(head) {
        return Some(encoding.decode_without_bom_handling(head).0.into_owned());
    }
    if head.contains(&0) {
        return None;
    }
    let controls = head.iter().filter(|byte| is_control(**byte)).count();
    if controls * 100 > head.len() * 3 {
        return None;
    }
    match std::str::from_utf8(head) {
        Ok(text) => Some(text.to_owned()),
        // A character cut by the end of the head is no damage.
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).map(|whole| String::from_utf8_lossy(whole).into_owned())
        }
        Err(_) => Some(encoding_rs::WINDOWS_1252.decode_without_bom_handling(head).0.into_owned()),
    }
}

/// UTF-16 without a byte order mark: nearly every other byte is zero, and on one side only.
pub(crate) fn wide(head: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let pairs = head.chunks_exact(2);
    let count = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair.first() == Some(&0));
        second += usize::from(pair.last() == Some(&0));
    }
    match () {
        () if count < 4 => None,
        () if second * 10 >= count * 7 && first == 0 => Some(encoding_rs::UTF_16LE),
        () if first * 10 >= count * 7 && second == 0 => Some(encoding_rs::UTF_16BE),
        () => None,
    }
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x0B | 0x1A | 0x1B)
}

/// Which sort of text this is.
pub(super) fn kind(text: &str) -> MediaType {
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    match () {
        () if start.starts_with("{\\rtf") => MediaType::Rtf,
        () if start.starts_with('<') => markup(start),
        () if is_mbox(start) => MediaType::Mbox,
        () if is_mail(start) => MediaType::Mail,
        () if is_table(text) => MediaType::Csv,
        () => MediaType::Text,
    }
}

fn markup(start: &str) -> MediaType {
    let lower = start.to_ascii_lowercase();
    let tags = [
        "<head", "<body", "<title", "<meta", "<script", "<style", "<table", "<div", "<p>", "<br", "<h1",
        "<h2", "<ul", "<a ", "<span", "<font", "<center", "<b>", "<form",
    ];
    match () {
        () if lower.contains("<html") || lower.contains("<!doctype html") => MediaType::Html,
        () if tags.iter().any(|tag| lower.starts_with(tag)) => MediaType::Html,
        () if lower.starts_with("<?xml") || lower.starts_with("<!doctype") || lower.starts_with("<!--") => {
            MediaType::Xml
        }
        () if is_element(start) => MediaType::Xml,
        () => MediaType::Text,
    }
}

fn is_element(start: &str) -> bool {
    let name = start.get(1..).unwrap_or_default();
    let named = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '?');
    named && name.split_once('>').is_some_and(|(tag, _)| !tag.contains('<') && !tag.contains('@'))
}

/// RFC 4155: a line `From address date`, then a message.
fn is_mbox(start: &str) -> bool {
    start.starts_with("From ") && start.split_once('\n').is_some_and(|(_, rest)| is_mail(rest))
}

/// RFC 5322: the file opens with header fields, two of them the ones that mails have.
fn is_mail(start: &str) -> bool {
    const TELLING: [&str; 14] = [
        "from",
        "to",
        "subject",
        "date",
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "content-type",
        "delivered-to",
        "cc",
        "reply-to",
        "x-mailer",
        "importance",
    ];
    let mut telling = 0;
    for line in start.lines().take(200) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return false;
        }
        telling += usize::from(TELLING.contains(&name.to_ascii_lowercase().as_str()));
    }
    telling >= 2
}

/// RFC 4180, also with semicolon or tab: the first lines have the same number, two or more, of separators.
fn is_table(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().take(20).filter(|line| !line.is_empty()).collect();
    let whole = lines.get(..lines.len().saturating_sub(1)).unwrap_or_default();
    let sample = if whole.len() >= 2 { whole } else { lines.as_slice() };
    if sample.len() < 2 {
        return false;
    }
    [';', '\t', ','].iter().any(|separator| {
        let mut counts = sample.iter().map(|line| columns(line, *separator));
        let first = counts.next().unwrap_or(0);
        first >= 2 && counts.all(|count| count == first)
    })
}

/// Separators outside quotation marks.
fn columns(line: &str, separator: char) -> usize {
    let mut quoted = false;
    line.chars()
        .filter(|c| {
            quoted ^= *c == '"';
            *c == separator && !quoted
        })
        .count()
}
