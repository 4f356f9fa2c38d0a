//! Office documents in ZIP containers: Word, Excel, PowerPoint (ECMA-376) and OpenDocument (ISO/IEC 26300).
//! Reads every part that holds text a person sees, also notes, comments, headers and text boxes; deleted text and
//! field codes are left out. Parts that lie embedded (other documents) are read as files of their own.

use super::archive::Container;
use super::extract_inner;
use super::xml::{Seen, walk};
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Reads a Word document: body, notes, comments, headers and footers, then what is embedded.
pub(super) fn extract_word(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    let is_part = |name: &str| {
        let parts =
            ["document", "header", "footer", "footnotes", "endnotes", "comments", "glossary/document"];
        name.strip_prefix("word/").is_some_and(|rest| {
            rest.ends_with(".xml")
                && !rest.contains("_rels")
                && parts.iter().any(|part| rest.starts_with(part))
        })
    };
    let mut parts = container.numbered(is_part);
    parts.sort_by_key(|name| !name.starts_with("word/document"));
    let read = texts(&mut container, &parts, output);
    let chunks = container.numbered(|name| {
        let endings = [".htm", ".html", ".xhtml", ".mht", ".mhtml", ".rtf", ".txt", ".docx"];
        name.starts_with("word/")
            && !name.contains("/embeddings/")
            && endings.iter().any(|ending| name.ends_with(ending))
    });
    embedded(&mut container, &chunks, output)?;
    attachments(&mut container, output)?;
    read
}

/// Reads a workbook: each sheet is a page, its cells parted by tabs.
pub(super) fn extract_workbook(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    let shared = match container.read("xl/sharedStrings.xml", output)? {
        Some(part) => shared_strings(&part)?,
        None => Vec::new(),
    };
    let is_sheet = |name: &str| name.starts_with("xl/worksheets/") && name.ends_with(".xml");
    for name in container.numbered(is_sheet) {
        if let Some(part) = container.read(&name, output)? {
            output.flow(&sheet(&part, &shared)?)?;
        }
    }
    let others = container.numbered(|name| {
        let parts = ["xl/comments", "xl/drawings/", "xl/charts/", "xl/threadedComments/", "xl/chartsheets/"];
        name.ends_with(".xml") && !name.contains("_rels") && parts.iter().any(|part| name.starts_with(part))
    });
    let read = texts(&mut container, &others, output);
    attachments(&mut container, output)?;
    read
}

/// Reads a presentation: each slide is a page, then notes and comments.
pub(super) fn extract_slides(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    for folder in ["ppt/slides/", "ppt/notesSlides/", "ppt/comments", "ppt/diagrams/data", "ppt/charts/"] {
        let parts = container
            .numbered(|name| name.starts_with(folder) && name.ends_with(".xml") && !name.contains("_rels"));
        texts(&mut container, &parts, output)?;
    }
    attachments(&mut container, output)
}

/// Reads an OpenDocument file: body, then headers and footers of the page styles.
pub(super) fn extract_open_document(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut container = Container::open(file)?;
    let manifest = container.read("META-INF/manifest.xml", output)?.unwrap_or_default();
    if String::from_utf8_lossy(&manifest).contains("encryption-data") {
        return Err(Reason::Password);
    }
    texts(&mut container, &["content.xml".to_owned(), "styles.xml".to_owned()], output)?;
    let objects = container.numbered(|name| name.ends_with("/content.xml"));
    texts(&mut container, &objects, output)
}

fn texts(container: &mut Container<'_>, parts: &[String], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut missing = Ok(());
    for name in parts {
        let Some(part) = container.read(name, output)? else { continue };
        let mut text = String::new();
        let walked = running_text(&part, &mut text);
        output.flow(&text)?;
        missing = missing.and(walked);
    }
    missing
}

fn attachments(container: &mut Container<'_>, output: &mut Output<'_>) -> Result<(), Reason> {
    let inner = container.numbered(|name| name.contains("/embeddings/") && !name.contains("_rels"));
    embedded(container, &inner, output)
}

fn embedded(container: &mut Container<'_>, names: &[String], output: &mut Output<'_>) -> Result<(), Reason> {
    for name in names {
        let Some(part) = container.read(name, output)?.filter(|part| !part.is_empty()) else { continue };
        match extract_inner(part, output) {
            // A broken embedded file is no damage of this one.
            Err(Reason::Damaged | Reason::Password) => {}
            result => result?,
        }
    }
    Ok(())
}

/// The text of one part of any of these formats; paragraphs are lines, page breaks form feeds.
fn running_text(part: &[u8], text: &mut String) -> Result<(), Reason> {
    // Depth inside elements whose text nobody sees, and inside those that hold text.
    let (mut hidden, mut holds) = (0_usize, 0_usize);
    let open_document = is_open_document(part);
    walk(part, |seen| {
        match seen {
            Seen::Start("Fallback" | "delText" | "instrText" | "tracked-changes" | "rPh", _) => hidden += 1,
            Seen::End("Fallback" | "delText" | "instrText" | "tracked-changes" | "rPh") => {
                hidden = hidden.saturating_sub(1);
            }
            _ if hidden > 0 => {}
            Seen::Start("t" | "h", _) => holds += 1,
            Seen::Start("p", _) => holds += usize::from(open_document),
            Seen::Start("tab", _) => text.push('\t'),
            Seen::Start("s", count) => {
                let count = count("c").and_then(|count| count.parse().ok()).unwrap_or(1_usize);
                text.extend(std::iter::repeat_n(' ', count.min(100)));
            }
            Seen::Start("br", kind) => {
                text.push(if kind("type").as_deref() == Some("page") { '\u{C}' } else { '\n' })
            }
            Seen::Start("line-break" | "cr", _) => text.push('\n'),
            Seen::Start("lastRenderedPageBreak" | "soft-page-break", _) => text.push('\u{C}'),
            Seen::Start("noBreakHyphen", _) => text.push('-'),
            Seen::End("t") => holds = holds.saturating_sub(1),
            Seen::End("p") => {
                holds = holds.saturating_sub(usize::from(open_document));
                text.push('\n');
            }
            Seen::End("h") => {
                holds = holds.saturating_sub(1);
                text.push('\n');
            }
            Seen::End("tc" | "table-cell" | "v" | "f") => text.push('\t'),
            Seen::End("table-row" | "si") => text.push('\n'),
            Seen::End("page" | "table") if open_document => text.push('\u{C}'),
            Seen::Text(piece) if holds > 0 => text.push_str(piece),
            Seen::Start(..) | Seen::End(_) | Seen::Text(_) => {}
        }
        Ok(())
    })
}

/// In Office Open XML only `t` holds text; in OpenDocument the paragraph itself does.
fn is_open_document(part: &[u8]) -> bool {
    let head = part.get(..2048).unwrap_or(part);
    head.windows(10).any(|window| window == b"opendocume" || window == b"oasis:name")
}

fn shared_strings(part: &[u8]) -> Result<Vec<String>, Reason> {
    let mut strings = Vec::new();
    let mut current = String::new();
    let (mut holds, mut phonetic) = (false, false);
    walk(part, |seen| {
        match seen {
            Seen::Start("si", _) => current.clear(),
            Seen::End("si") => strings.push(std::mem::take(&mut current)),
            Seen::Start("rPh", _) => phonetic = true,
            Seen::End("rPh") => phonetic = false,
            Seen::Start("t", _) => holds = true,
            Seen::End("t") => holds = false,
            Seen::Text(piece) if holds && !phonetic => current.push_str(piece),
            Seen::Start(..) | Seen::End(_) | Seen::Text(_) => {}
        }
        Ok(())
    })?;
    Ok(strings)
}

fn sheet(part: &[u8], shared: &[String]) -> Result<String, Reason> {
    let mut text = String::new();
    let mut value = String::new();
    let (mut by_index, mut holds) = (false, false);
    walk(part, |seen| {
        match seen {
            Seen::Start("c", attribute) => by_index = attribute("t").as_deref() == Some("s"),
            Seen::Start("v" | "t" | "oddHeader" | "oddFooter", _) => {
                value.clear();
                holds = true;
            }
            Seen::End("v" | "t" | "oddHeader" | "oddFooter") => {
                holds = false;
                let indexed =
                    by_index.then(|| value.trim().parse().ok().and_then(|at: usize| shared.get(at)));
                text.push_str(indexed.map_or(value.as_str(), |found| found.map_or("", String::as_str)));
                text.push('\t');
            }
            Seen::End("row") => text.push('\n'),
            Seen::Text(piece) if holds => value.push_str(piece),
            Seen::Start(..) | Seen::End(_) | Seen::Text(_) => {}
        }
        Ok(())
    })?;
    Ok(text)
}
