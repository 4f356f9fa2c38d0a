//! The demo's evidence: a dozen files of an invented registry office, made by the program itself.
//! The texts are data (`config/demo/evidence.json`); here they become PDF, DOCX, text, e-mail and a scanned page.

use std::io::{Cursor, Write};

use serde::Deserialize;

use super::scan;

/// One evidence file as the demo uploads it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Name of the file, for display.
    pub file_name: String,
    /// The sent content type.
    pub media_type: &'static str,
    /// Title of the document.
    pub title: String,
    /// Its kind, a word a clerk would filter by.
    pub kind: String,
    /// File reference, such as `StA 12/2024-G-0815`.
    pub reference: String,
    /// Day of the document, ISO 8601.
    pub date: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An evidence file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The sample data is not what this program expects.
    #[error("the demo's evidence data: {0}")]
    Data(#[from] serde_json::Error),
    /// The DOCX container could not be written.
    #[error("the demo's DOCX: {0}")]
    Docx(#[from] zip::result::ZipError),
    /// Bytes could not be written.
    #[error("the demo's evidence: {0}")]
    Write(#[from] std::io::Error),
    /// The picture of the scanned page could not be drawn.
    #[error("the demo's scanned page: {0}")]
    Scan(#[from] scan::ScanError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Sample {
    file_name: String,
    format: Format,
    title: String,
    kind: String,
    reference: String,
    date: String,
    /// Pages of lines; an empty line is a gap.
    pages: Vec<Vec<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Format {
    Pdf,
    Docx,
    Text,
    Email,
    Scan,
}

const SAMPLES: &str = include_str!("../../../config/demo/evidence.json");

/// Makes all files. The same call makes the same texts; PDF identifiers may differ.
pub fn files() -> Result<Vec<Evidence>, EvidenceError> {
    let samples: Vec<Sample> = serde_json::from_str(SAMPLES)?;
    samples.into_iter().map(make).collect()
}

fn make(sample: Sample) -> Result<Evidence, EvidenceError> {
    let (media_type, bytes) = match sample.format {
        Format::Pdf => ("application/pdf", pdf(&sample)),
        Format::Docx => {
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", docx(&sample)?)
        }
        Format::Text => ("text/plain", text(&sample).into_bytes()),
        Format::Email => ("message/rfc822", email(&sample)),
        Format::Scan => ("image/png", scan::page(&lines(&sample))?),
    };
    Ok(Evidence {
        file_name: sample.file_name,
        media_type,
        title: sample.title,
        kind: sample.kind,
        reference: sample.reference,
        date: sample.date,
        bytes,
    })
}

fn lines(sample: &Sample) -> Vec<&str> {
    sample.pages.iter().flatten().map(String::as_str).collect()
}

fn text(sample: &Sample) -> String {
    let pages: Vec<String> = sample.pages.iter().map(|page| page.join("\n")).collect();
    format!("{}\n\n{}\n", sample.title, pages.join("\n\u{c}\n"))
}

/// A born-digital PDF by printpdf with the built-in Helvetica, which knows the Western European letters.
fn pdf(sample: &Sample) -> Vec<u8> {
    use printpdf::{BuiltinFont, Mm, Op, PdfDocument, PdfFontHandle, PdfPage, Point, Pt, TextItem};
    let show = |font, size, text: &str| {
        [
            Op::SetFont { font: PdfFontHandle::Builtin(font), size: Pt(size) },
            Op::ShowText { items: vec![TextItem::Text(text.to_owned())] },
            Op::AddLineBreak,
        ]
    };
    let pages = sample.pages.iter().map(|page| {
        let mut operations = vec![
            Op::StartTextSection,
            Op::SetTextCursor { pos: Point::new(Mm(25.0), Mm(265.0)) },
            Op::SetLineHeight { lh: Pt(17.0) },
        ];
        operations.extend(show(BuiltinFont::HelveticaBold, 15.0, &sample.title));
        operations.push(Op::AddLineBreak);
        for line in page {
            operations.extend(show(BuiltinFont::Helvetica, 11.0, line));
        }
        operations.push(Op::EndTextSection);
        PdfPage::new(Mm(210.0), Mm(297.0), operations)
    });
    PdfDocument::new(&sample.title)
        .with_pages(pages.collect())
        .save(&printpdf::PdfSaveOptions::default(), &mut Vec::new())
}

/// The smallest DOCX that a word processor opens (ECMA-376 Part 1: content types, one relationship, one document).
fn docx(sample: &Sample) -> Result<Vec<u8>, EvidenceError> {
    const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    const RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    let paragraphs: String = std::iter::once(sample.title.as_str())
        .chain(lines(sample))
        .map(|line| {
            format!(
                r#"<w:p><w:r><w:t xml:space="preserve">{}</w:t></w:r></w:p>"#,
                quick_xml::escape::escape(line)
            )
        })
        .collect();
    let document = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{paragraphs}</w:body></w:document>"#
    );
    let mut container = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in
        [("[Content_Types].xml", TYPES), ("_rels/.rels", RELATIONS), ("word/document.xml", document.as_str())]
    {
        container.start_file(name, options)?;
        container.write_all(content.as_bytes())?;
    }
    Ok(container.finish()?.into_inner())
}

/// An e-mail (RFC 5322) with a UTF-8 text in base64 (RFC 2045) and an encoded subject (RFC 2047).
fn email(sample: &Sample) -> Vec<u8> {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let body = encode(&lines(sample).join("\r\n"));
    let folded: Vec<&str> =
        body.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!(
        "From: Geburtsstation <geburtsstation@klinik-musterstadt.example>\r\n\
         To: Standesamt Musterstadt <standesamt@musterstadt.example>\r\n\
         Subject: =?UTF-8?B?{}?=\r\nDate: Tue, 12 Mar 2024 09:41:00 +0100\r\n\
         Message-ID: <20240312094100.{}@klinik-musterstadt.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        encode(&sample.title),
        sample.file_name.len(),
        folded.join("\r\n")
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_makes_a_dozen_files_of_five_kinds() {
        let made = files().unwrap();
        assert_eq!(made.len(), 12);
        let kinds: std::collections::BTreeSet<_> = made.iter().map(|file| file.media_type).collect();
        assert_eq!(kinds.len(), 5, "{kinds:?}");
        for file in &made {
            assert!(!file.bytes.is_empty(), "{}", file.file_name);
        }
    }

    #[test]
    fn each_file_begins_as_its_kind_does() {
        for file in files().unwrap() {
            let start: &[u8] = match file.media_type {
                "application/pdf" => b"%PDF-",
                "image/png" => b"\x89PNG",
                "message/rfc822" => b"From: ",
                "text/plain" => file.title.as_bytes(),
                _ => b"PK\x03\x04",
            };
            assert!(file.bytes.starts_with(start), "{}", file.file_name);
        }
    }
}
