//! Tables: bytes and the type they show; claims and whether the bytes bear them out.

use std::io::Write as _;

use super::*;

fn zip_of(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default().compression_method(if *name == "mimetype" {
            zip::CompressionMethod::Stored
        } else {
            zip::CompressionMethod::Deflated
        });
        archive.start_file(*name, options).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn compound(stream: &str) -> Vec<u8> {
    let mut file = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    file.resize(1024, 0xFF);
    file.extend(wide(stream));
    file.extend([0, 0]);
    file
}

#[test]
fn a_signature_tells_the_type() {
    let table: Vec<(Vec<u8>, MediaType)> = vec![
        (b"%PDF-1.7\n1 0 obj".to_vec(), MediaType::Pdf),
        (b"\x89PNG\r\n\x1a\nrest".to_vec(), MediaType::Png),
        (b"\xFF\xD8\xFF\xE0\0\x10JFIF".to_vec(), MediaType::Jpeg),
        (b"GIF89a....".to_vec(), MediaType::Gif),
        (b"II*\0\x08\0\0\0".to_vec(), MediaType::Tiff),
        (b"MM\0*\0\0\0\x08".to_vec(), MediaType::Tiff),
        (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), MediaType::Webp),
        (b"\0\0\0\x18ftypheic\0\0\0\0".to_vec(), MediaType::Heic),
        (b"{\\rtf1\\ansi Hallo}".to_vec(), MediaType::Rtf),
        (compound("WordDocument"), MediaType::Doc),
        (compound("Workbook"), MediaType::Xls),
        (compound("PowerPoint Document"), MediaType::Ppt),
        (compound("__substg1.0_0037001F"), MediaType::Msg),
        (compound("Something else"), MediaType::Ole),
        (compound("Workbook\0 and an embedded WordDocument"), MediaType::Ole),
        (b"\0\0\0\x18ftypisom\0\0\0\0".to_vec(), MediaType::Unknown),
        (vec![0; 4096], MediaType::Unknown),
        (Vec::new(), MediaType::Unknown),
    ];
    for (bytes, expected) in table {
        assert_eq!(detect(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_pdf_header_counts_up_to_byte_1024_and_not_beyond() {
    let with_junk = |junk: usize| [&vec![b' '; junk][..], b"%PDF-1.4\n1 0 obj<<>>endobj"].concat();
    assert_eq!(detect(&with_junk(1024)), MediaType::Pdf);
    assert_eq!(detect(&with_junk(1025)), MediaType::Text);
    assert_eq!(detect(b"In this letter %PDF-1.4 is only mentioned."), MediaType::Text);
}

#[test]
fn the_entries_of_a_zip_tell_its_kind() {
    let types = ("[Content_Types].xml", "<Types/>");
    let odf = "application/vnd.oasis.opendocument.";
    let table = [
        (zip_of(&[types, ("word/document.xml", "<w/>")]), MediaType::Docx),
        (zip_of(&[("word/document.xml", "<w/>"), types]), MediaType::Docx),
        (zip_of(&[types, ("xl/workbook.xml", "<w/>")]), MediaType::Xlsx),
        (zip_of(&[types, ("ppt/presentation.xml", "<p/>")]), MediaType::Pptx),
        (zip_of(&[types, ("docProps/core.xml", "<p/>")]), MediaType::Opc),
        (zip_of(&[("mimetype", &format!("{odf}text"))]), MediaType::Odt),
        (zip_of(&[("mimetype", &format!("{odf}spreadsheet"))]), MediaType::Ods),
        (zip_of(&[("mimetype", &format!("{odf}presentation"))]), MediaType::Odp),
        (zip_of(&[("mimetype", "application/epub+zip")]), MediaType::Epub),
        (zip_of(&[("content.xml", "<x/>"), ("mimetype ", "no")]), MediaType::Zip),
        (zip_of(&[("word/notes.txt", "no package")]), MediaType::Zip),
        (zip_of(&[("a.txt", "a")]), MediaType::Zip),
        (zip_of(&[]), MediaType::Zip),
    ];
    for (bytes, expected) in table {
        assert_eq!(detect(&bytes), expected);
    }
}

#[test]
fn an_open_document_packed_anew_is_still_known() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("content.xml", "<x/>"), ("mimetype", "application/vnd.oasis.opendocument.text")]
    {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    assert_eq!(detect(&archive.finish().unwrap().into_inner()), MediaType::Odt);
}

#[test]
fn text_is_told_by_plausibility() {
    let umlauts: Vec<u8> = "Gr\u{fc}\u{df}e aus M\u{fc}nchen".chars().map(|c| c as u8).collect();
    let cut = "Straße".as_bytes()[..5].to_vec();
    let table: Vec<(Vec<u8>, MediaType)> = vec![
        ("Grüße".into(), MediaType::Text),
        (umlauts, MediaType::Text),
        (cut, MediaType::Text),
        ([b"\xFF\xFE".to_vec(), wide("Grüße aus Musterstadt")].concat(), MediaType::Text),
        (wide("Grüße aus Musterstadt"), MediaType::Text),
        ("Name;Vorname;Tag\nMuster;Erika;1.5.1990\nMuster;Max;2.6.1991\n".into(), MediaType::Csv),
        ("Er kam, sah, und siegte.\nDann ging er.\n".into(), MediaType::Text),
        ("From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n\r\nHallo".into(), MediaType::Mail),
        ("From a@b Thu Jan 1\nFrom: a@b\nTo: c@d\n\nHallo".into(), MediaType::Mbox),
        ("Note: this is text\nMore: of it\n\nand a body".into(), MediaType::Text),
        ("<!DOCTYPE html><title>x</title>".into(), MediaType::Html),
        ("  <HTML><body>x".into(), MediaType::Html),
        ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>".into(), MediaType::Html),
        ("<?xml version='1.0'?><eintrag/>".into(), MediaType::Xml),
        ("<eintrag>x</eintrag>".into(), MediaType::Xml),
        ("<- an arrow".into(), MediaType::Text),
        (b"\x01\x02\x03\x04binary".to_vec(), MediaType::Unknown),
    ];
    for (bytes, expected) in table {
        assert_eq!(detect(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_cms_signature_with_and_without_content_differ() {
    let oid = |last: u8| [b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07".as_slice(), &[last]].concat();
    let wrap = |tag: u8, content: Vec<u8>| {
        let length = u8::try_from(content.len()).unwrap();
        [vec![tag, length], content].concat()
    };
    let signed = |encapsulated: Vec<u8>| {
        let data = [vec![2, 1, 1, 0x31, 0], wrap(0x30, encapsulated), vec![0x31, 0]].concat();
        wrap(0x30, [oid(2), wrap(0xA0, wrap(0x30, data))].concat())
    };
    let content = wrap(0xA0, vec![4, 1, b'x']);
    assert_eq!(detect(&signed(oid(1))), MediaType::P7s);
    assert_eq!(detect(&signed([oid(1), content].concat())), MediaType::P7m);
    assert_eq!(detect(&wrap(0x30, [oid(3), wrap(0xA0, vec![])].concat())), MediaType::P7m);
}

#[test]
fn the_first_byte_decides_on_a_polyglot() {
    let both = [b"GIF89a /*".as_slice(), b"%PDF-1.4\n1 0 obj<<>>endobj"].concat();
    assert_eq!(detect(&both), MediaType::Gif);
    let lie = check_claim(Some("application/pdf"), None, detect(&both));
    assert_eq!(lie, Err(Lie { claimed: "application/pdf".into(), found: MediaType::Gif }));
    let pdf_and_zip = [b"%PDF-1.4\n1 0 obj<<>>endobj".to_vec(), zip_of(&[("a.txt", "a")])].concat();
    assert_eq!(detect(&pdf_and_zip), MediaType::Pdf);
}

#[test]
fn no_claim_and_octet_stream_are_not_checked() {
    for claim in [None, Some("application/octet-stream"), Some(""), Some("Application/Octet-Stream; x=y")] {
        assert_eq!(check_claim(claim, None, MediaType::Pdf), Ok(MediaType::Pdf));
    }
    assert_eq!(check_claim(None, Some("scan"), MediaType::Jpeg), Ok(MediaType::Jpeg));
    assert_eq!(check_claim(None, Some("a.unheard-of"), MediaType::Jpeg), Ok(MediaType::Jpeg));
    assert_eq!(check_claim(None, Some("brief.doc"), MediaType::Unknown), Ok(MediaType::Unknown));
}

#[test]
fn a_compatible_claim_is_accepted_and_may_refine() {
    use MediaType::{Csv, Doc, Docx, Html, Mail, Ole, Opc, P7s, Pdf, Rtf, Text, Unknown, Xls, Xml, Zip};
    let table = [
        ("text/plain; charset=utf-8", "a.txt", Text, Text),
        ("text/plain", "a.csv", Csv, Csv),
        ("text/csv", "a.csv", Text, Csv),
        ("text/plain", "main.rs", Text, Text),
        ("application/json", "a.json", Text, Text),
        ("application/xhtml+xml", "a.xhtml", Xml, Xml),
        ("image/svg+xml", "a.svg", Xml, Xml),
        ("text/xml", "a.xml", Xml, Xml),
        ("application/zip", "a.docx", Docx, Docx),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a.docx", Opc, Docx),
        ("application/msword", "a.doc", Ole, Doc),
        ("application/msword", "a.doc", Rtf, Rtf),
        ("application/vnd.ms-excel", "a.xls", Html, Html),
        ("application/vnd.ms-excel", "a.xls", Xls, Xls),
        ("message/rfc822", "a.eml", Text, Mail),
        ("text/plain", "a.html", Html, Html),
        ("application/pkcs7-mime", "a.p7m", P7s, P7s),
        ("application/x-zip-compressed", "a.zip", Zip, Zip),
        ("application/pdf", "A.PDF", Pdf, Pdf),
        ("audio/mpeg", "a.mp3", Unknown, Unknown),
        ("application/x-own-format", "a.own", Zip, Zip),
    ];
    for (content_type, name, found, expected) in table {
        assert_eq!(check_claim(Some(content_type), Some(name), found), Ok(expected), "{content_type} {name}");
    }
}

#[test]
fn a_lie_is_refused_with_both_types() {
    let table = [
        (Some("application/pdf"), None, MediaType::Html, "application/pdf"),
        (Some("application/pdf"), None, MediaType::Unknown, "application/pdf"),
        (Some("image/png"), None, MediaType::Jpeg, "image/png"),
        (None, Some("bild.png"), MediaType::Pdf, "image/png"),
        (Some("application/pdf"), Some("urkunde.docx"), MediaType::Pdf, MediaType::Docx.as_str()),
        (Some("text/plain"), None, MediaType::Zip, "text/plain"),
        (Some("audio/mpeg"), None, MediaType::Pdf, "audio/mpeg"),
        (Some("video/mp4"), None, MediaType::Text, "video/mp4"),
        (Some(MediaType::Docx.as_str()), None, MediaType::Zip, MediaType::Docx.as_str()),
        (Some(MediaType::Docx.as_str()), None, MediaType::Xlsx, MediaType::Docx.as_str()),
        (Some("application/x-own-format"), None, MediaType::Jpeg, "application/x-own-format"),
    ];
    for (content_type, name, found, claimed) in table {
        let expected = Err(Lie { claimed: claimed.to_owned(), found });
        assert_eq!(check_claim(content_type, name, found), expected, "{content_type:?} {name:?}");
    }
}

#[test]
fn every_type_reads_back_its_name() {
    for (kind, name) in MediaType::ALL {
        assert_eq!(name.parse(), Ok(kind));
        assert_eq!(kind.as_str(), name);
    }
    assert!("text/unheard".parse::<MediaType>().is_err());
}
