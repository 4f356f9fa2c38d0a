//! XML: its text, without markup. No external entity is fetched (there is nothing to fetch it with) and no internal
//! one is expanded, so that a small file cannot become a large text. Damage ends the reading, not the result.

use quick_xml::Reader;
use quick_xml::escape::{resolve_html5_entity, resolve_xml_entity};
use quick_xml::events::{BytesRef, Event};

use super::plain;
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// What a walk over the elements sees. Names are local names, without prefix.
pub(super) enum Seen<'e> {
    /// An element begins; with its attributes, by local name.
    Start(&'e str, &'e dyn Fn(&str) -> Option<String>),
    /// An element ends.
    End(&'e str),
    /// Text inside an element, entities resolved.
    Text(&'e str),
}

/// Walks over `xml` and shows `see` what is there. Stops where the file is no longer well-formed.
///
/// # Errors
/// `Damaged`, after all that could be read was shown; or what `see` answers.
pub(super) fn walk(xml: &[u8], mut see: impl FnMut(Seen<'_>) -> Result<(), Reason>) -> Result<(), Reason> {
    let text = decode(xml);
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        match reader.read_event().map_err(|_| Reason::Damaged)? {
            Event::Eof => return Ok(()),
            Event::Start(start) => {
                let attribute = |name: &str| attribute(&start, name);
                see(Seen::Start(local(start.local_name().as_ref()), &attribute))?;
            }
            Event::Empty(start) => {
                let attribute = |name: &str| attribute(&start, name);
                see(Seen::Start(local(start.local_name().as_ref()), &attribute))?;
                see(Seen::End(local(start.local_name().as_ref())))?;
            }
            Event::End(end) => see(Seen::End(local(end.local_name().as_ref())))?,
            Event::Text(text) => see(Seen::Text(&text.decode().map_err(|_| Reason::Damaged)?))?,
            Event::CData(text) => see(Seen::Text(&text.decode().map_err(|_| Reason::Damaged)?))?,
            Event::GeneralRef(reference) => see(Seen::Text(&resolved(&reference)))?,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// Reads an XML file: each element that holds text is a line.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut text = String::new();
    let walked = walk(file, |seen| {
        match seen {
            Seen::Text(piece) => text.push_str(piece),
            Seen::Start(..) | Seen::End(_) => {
                let open = text.trim_end().len();
                text.truncate(open);
                if open > 0 {
                    text.push('\n');
                }
            }
        }
        Ok(())
    });
    output.flow(&text)?;
    walked
}

/// XML says its encoding in its first line, if it is not UTF-8 or UTF-16.
fn decode(xml: &[u8]) -> String {
    let head = String::from_utf8_lossy(xml.get(..200).unwrap_or(xml)).into_owned();
    let named = head.split_once("encoding=").and_then(|(before, after)| {
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let label = after.get(1..)?.split(quote).next()?;
        before.contains("<?xml").then(|| encoding_rs::Encoding::for_label(label.as_bytes()))?
    });
    match named {
        Some(encoding) if encoding != encoding_rs::UTF_8 && std::str::from_utf8(xml).is_err() => {
            encoding.decode(xml).0.into_owned()
        }
        _ => plain::decode(xml),
    }
}

fn local(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or_default()
}

fn attribute(start: &quick_xml::events::BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let mut found = attributes.with_checks(false).flatten();
    let value = found.find(|found| found.key.local_name().as_ref() == name.as_bytes())?;
    Some(String::from_utf8_lossy(&value.value).into_owned())
}

fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(letter)) = reference.resolve_char_ref() {
        return letter.to_string();
    }
    let name = reference.decode().unwrap_or_default();
    entity(&name).unwrap_or_default().to_owned()
}

/// The text that a named entity of XML or HTML stands for.
pub(super) fn entity(name: &str) -> Option<&'static str> {
    resolve_xml_entity(name).or_else(|| resolve_html5_entity(name))
}
