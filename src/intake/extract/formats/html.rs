//! HTML: the text a reader sees, in one pass over tags that need not match. Scripts, styles and comments are left out;
//! the title is the first line. The encoding is what the bytes show, else what a `meta` element says.

use super::{plain, xml};
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Elements that begin a new line.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "title",
    "tr",
    "ul",
];

/// Reads an HTML file.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    output.flow(&text(&decode(file)))
}

/// The text of HTML.
pub(super) fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        push(&mut text, before);
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            text.push('<');
            rest = tag;
            continue;
        }
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (inside, after) = tag_end(tag);
        rest = after;
        let name: String = inside
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        if BLOCKS.contains(&name.as_str()) {
            line_end(&mut text);
        } else if matches!(name.as_str(), "td" | "th") && !text.ends_with(['\n', '\t', ' ']) {
            text.push('\t');
        }
        if matches!(name.as_str(), "script" | "style") && !inside.starts_with('/') && !inside.ends_with('/') {
            rest = after_element(rest, &name);
        }
    }
    push(&mut text, rest);
    text
}

/// Splits at the end of a tag, which is no `>` inside quotation marks.
fn tag_end(tag: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, letter) in tag.char_indices() {
        match (quote, letter) {
            (None, '>') => return (tag.get(..at).unwrap_or_default(), tag.get(at + 1..).unwrap_or_default()),
            (None, '"' | '\'') if tag.get(..at).is_some_and(|t| t.trim_end().ends_with('=')) => {
                quote = Some(letter)
            }
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    // A quotation mark that never closes: the first `>` then.
    tag.split_once('>').unwrap_or((tag, ""))
}

fn after_element<'h>(rest: &'h str, name: &str) -> &'h str {
    let end = format!("</{name}");
    let lower = rest.to_ascii_lowercase();
    let Some(at) = lower.find(&end) else { return "" };
    rest.get(at..).and_then(|tail| tail.split_once('>')).map_or("", |(_, after)| after)
}

fn line_end(text: &mut String) {
    let kept = text.trim_end_matches(' ').len();
    text.truncate(kept);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// White space of any length is one space; references are resolved.
fn push(text: &mut String, piece: &str) {
    let mut rest = piece;
    while let Some(letter) = rest.chars().next() {
        let (_, mut after) = rest.split_at(letter.len_utf8());
        match letter {
            '&' => {
                let (resolved, behind) = reference(after);
                text.push_str(&resolved);
                after = behind;
            }
            c if c.is_whitespace() && c != '\u{A0}' => {
                if !text.ends_with([' ', '\n']) && !text.is_empty() {
                    text.push(' ');
                }
            }
            c => text.push(c),
        }
        rest = after;
    }
}

/// Resolves what follows an ampersand, if it is a reference.
fn reference(after: &str) -> (String, &str) {
    let bound = after.char_indices().take(32).find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '#');
    let end = bound.map_or(after.len().min(32), |(at, _)| at);
    let (name, behind) = after.split_at_checked(end).unwrap_or((after, ""));
    let behind = behind.strip_prefix(';').unwrap_or(behind);
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    });
    match number.and_then(char::from_u32).map(String::from).or_else(|| xml::entity(name).map(str::to_owned)) {
        Some(resolved) => (resolved, behind),
        None => ("&".to_owned(), after),
    }
}

fn decode(file: &[u8]) -> String {
    let plain = plain::decode(file);
    let is_sure = encoding_rs::Encoding::for_bom(file).is_some() || std::str::from_utf8(file).is_ok();
    if is_sure || plain.starts_with('\u{FEFF}') {
        return plain;
    }
    let head = plain.get(..plain.floor_char_boundary(8192)).unwrap_or_default().to_ascii_lowercase();
    let label = head.split("charset=").nth(1).map(|after| {
        let label = after.trim_start_matches(['"', '\'', ' ']);
        label.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
    });
    let named = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    // UTF-16 cannot be true of a file whose label could be read.
    let single = named.filter(|encoding| encoding.is_ascii_compatible());
    single.map_or(plain, |encoding| encoding.decode(file).0.into_owned())
}
