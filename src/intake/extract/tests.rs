//! Files made here, read by the extractors in this process (the sandbox has its own tests in `tests/extraction.rs`).

use std::io::Write as _;

use super::output::Output;
use super::{Limits, Reason, formats};
use crate::intake::media_type::{MediaType, detect};

fn extract_with(limits: Limits, media_type: MediaType, file: &[u8]) -> (Vec<String>, Result<(), Reason>) {
    let mut pages = Vec::new();
    let mut emit = |page: String| {
        pages.push(page);
        Ok(())
    };
    let mut output = Output::new(&limits, &mut emit);
    let result = formats::extract(file.to_vec(), media_type, &mut output);
    (pages, result)
}

fn extract(file: &[u8]) -> (Vec<String>, Result<(), Reason>) {
    extract_with(Limits::default(), detect(file), file)
}

fn text(file: &[u8]) -> String {
    let (pages, result) = extract(file);
    assert_eq!(result, Ok(()), "{pages:?}");
    pages.join("\u{C}")
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn docx(body: &str, others: &[(&str, &[u8])]) -> Vec<u8> {
    let document = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    let mut entries: Vec<(&str, &[u8])> =
        vec![("[Content_Types].xml", b"<Types/>"), ("word/document.xml", document.as_bytes())];
    entries.extend(others);
    zip_of(&entries)
}

#[test]
fn plain_text_is_read_in_whatever_encoding_it_is_in() {
    let utf16: Vec<u8> = "Größe: 1,80 m in Musterstadt".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1: Vec<u8> = "Gr\u{f6}\u{df}e".chars().map(|c| c as u8).collect();
    assert_eq!(text("Größe".as_bytes()), "Größe");
    assert_eq!(text(&[b"\xEF\xBB\xBF".as_slice(), "Größe".as_bytes()].concat()), "Größe");
    assert_eq!(text(&[b"\xFF\xFE".as_slice(), &utf16].concat()), "Größe: 1,80 m in Musterstadt");
    assert_eq!(text(&utf16), "Größe: 1,80 m in Musterstadt");
    assert_eq!(text(&latin1), "Größe");
    assert_eq!(text(b"Preis: 5 \x80 f\xFCr eine Urkunde"), "Preis: 5 € für eine Urkunde");
    assert_eq!(text(b"erste Seite\x0Czweite Seite"), "erste Seite\u{C}zweite Seite");
}

#[test]
fn html_shows_what_a_reader_sees() {
    let html = "<!DOCTYPE html><title>Antrag</title><style>p{x:'<'}</style><script>if (a<b) 'no'</script>\
                <p>Erste&nbsp;Zeile &amp; mehr<br>J&ouml;rg &#228;&#xDF; 3 < 4 &unbekannt; <!-- nicht --> Ende\
                <a title='a > b'>Verweis</a><table><tr><td>1<td>2</table>";
    assert_eq!(
        text(html.as_bytes()),
        "Antrag\nErste\u{a0}Zeile & mehr\nJörg äß 3 < 4 &unbekannt; Ende Verweis\n1\t2"
            .replace("Ende ", "Ende")
    );
    let german = b"<html><meta charset='iso-8859-2'><p>\xB1\xE8</p></html>";
    assert_eq!(text(german), "ąč");
}

#[test]
fn xml_gives_its_text_and_resolves_nothing_from_outside() {
    let xml = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\
               <a><b>Eins &amp; zwei</b><c>&x;drei</c></a>";
    assert_eq!(text(xml.as_bytes()), "Eins & zwei\ndrei");
}

#[test]
fn entities_inside_entities_do_not_grow() {
    let mut xml = "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY l0 'lol'>".to_owned();
    for level in 1..=9 {
        let inner = format!("&l{};", level - 1).repeat(10);
        xml.push_str(&format!("<!ENTITY l{level} '{inner}'>"));
    }
    xml.push_str("]><l>Anfang &l9; Ende</l>");
    assert_eq!(text(xml.as_bytes()), "Anfang  Ende");
}

#[test]
fn rtf_is_read_with_its_code_page_and_unicode() {
    let rtf =
        br"{\rtf1\ansi\ansicpg1250{\fonttbl{\f0 Arial;}}{\*\generator Riched;}\uc1 Stra\'dfe \u268?apek\par\
                 \pard{\pict 89504e47}Zweite\tab Zeile\page Neue Seite \u-10179?\u-8704? \{Klammer\}}";
    let read = text(rtf);
    assert!(read.starts_with("Straße Čapek\n"), "{read:?}");
    assert!(read.contains("Zweite\tZeile\u{C}Neue Seite 😀 {Klammer}"), "{read:?}");
    assert!(!read.contains("Arial") && !read.contains("Riched") && !read.contains("89504"), "{read:?}");
    assert_eq!(extract(b"{\\rtf1 offen").1, Err(Reason::Damaged));
}

#[test]
fn word_is_read_with_notes_headers_and_text_boxes_but_without_deleted_text() {
    let body = "<w:p><w:r><w:t>Geburts</w:t></w:r><w:r><w:t>eintrag</w:t></w:r></w:p>\
                <w:p><w:r><w:delText>gestrichen</w:delText><w:instrText>PAGE</w:instrText></w:r></w:p>\
                <w:p><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:t>Kasten</w:t></w:p></w:txbxContent>\
                </mc:Choice><mc:Fallback><w:p><w:t>Kasten</w:t></w:p></mc:Fallback></mc:AlternateContent></w:p>\
                <w:tbl><w:tr><w:tc><w:p><w:t>A</w:t></w:p></w:tc></w:tr></w:tbl>\
                <w:p><w:br w:type='page'/><w:t>Seite &#252;ber zwei</w:t></w:p>";
    let part = |text: &str| format!("<w:x xmlns:w='w'><w:p><w:t>{text}</w:t></w:p></w:x>").into_bytes();
    let (note, header, remark) = (part("Fußnote"), part("Kopfzeile"), part("Anmerkung"));
    let file = docx(
        body,
        &[
            ("word/footnotes.xml", &note),
            ("word/header1.xml", &header),
            ("word/comments.xml", &remark),
            ("word/afchunk1.htm", b"<html><p>Eingef&uuml;gtes</p></html>"),
        ],
    );
    let (pages, result) = extract(&file);
    assert_eq!(result, Ok(()));
    assert_eq!(pages[1], "Seite über zwei");
    let all = pages.join("\n");
    for expected in ["Geburtseintrag", "Fußnote", "Kopfzeile", "Anmerkung", "Eingefügtes"] {
        assert!(all.contains(expected), "{expected} in {all:?}");
    }
    assert_eq!(all.matches("Kasten").count(), 1);
    assert!(!all.contains("gestrichen") && !all.contains("PAGE"));
}

#[test]
fn a_workbook_is_read_by_sheets_with_its_shared_strings() {
    let shared =
        "<sst><si><t>Gebühr</t><rPh><t>no</t></rPh></si><si><r><t>Eu</t></r><r><t>ro</t></r></si></sst>";
    let sheet = "<worksheet><sheetData><row><c t='s'><v>0</v></c><c><v>12</v></c><c t='s'><v>1</v></c>\
                 <c t='inlineStr'><is><t>bar</t></is></c></row></sheetData></worksheet>";
    let file = zip_of(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<w/>"),
        ("xl/sharedStrings.xml", shared.as_bytes()),
        ("xl/worksheets/sheet10.xml", b"<worksheet><row><c><v>zehn</v></c></row></worksheet>"),
        ("xl/worksheets/sheet2.xml", sheet.as_bytes()),
    ]);
    assert_eq!(text(&file), "Gebühr\t12\tEuro\tbar\u{C}zehn");
}

#[test]
fn slides_are_pages_in_the_order_of_their_numbers() {
    let slide = |text: &str| format!("<p:sld xmlns:a='a'><a:p><a:t>{text}</a:t></a:p></p:sld>").into_bytes();
    let (first, second) = (slide("Folie eins"), slide("Folie zwei"));
    let file = zip_of(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("ppt/presentation.xml", b"<p/>"),
        ("ppt/slides/slide10.xml", &second),
        ("ppt/slides/slide2.xml", &first),
    ]);
    assert_eq!(text(&file), "Folie eins\u{C}Folie zwei");
}

#[test]
fn an_open_document_is_read_and_an_encrypted_one_flagged() {
    let content = "<office:document-content xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0'>\
                   <text:h>Titel</text:h><text:p>zwei<text:s text:c='3'/>Lücken <text:span>und</text:span> mehr</text:p>\
                   <text:tracked-changes><text:p>weg</text:p></text:tracked-changes></office:document-content>";
    let mimetype = b"application/vnd.oasis.opendocument.text".as_slice();
    let file = zip_of(&[("mimetype", mimetype), ("content.xml", content.as_bytes())]);
    assert_eq!(text(&file), "Titel\nzwei   Lücken und mehr");
    let manifest = b"<manifest><encryption-data/></manifest>".as_slice();
    let locked = zip_of(&[("mimetype", mimetype), ("META-INF/manifest.xml", manifest)]);
    assert_eq!(extract(&locked).1, Err(Reason::Password));
}

#[test]
fn a_mail_is_read_with_its_attachments() {
    let mail = "From: =?utf-8?q?J=C3=B6rg?= <j@standesamt.example>\r\nTo: Erika Muster <e@muster.example>\r\n\
                Subject: =?iso-8859-1?Q?Geburt_in_M=FCnchen?=\r\nDate: Mon, 1 Jun 2026 10:00:00 +0200\r\n\
                MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
                Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                Sch=C3=B6nen Gru=C3=9F\r\n--x\r\nContent-Type: application/rtf; name=brief.rtf\r\n\
                Content-Disposition: attachment; filename=brief.rtf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                e1xydGYxIEFubGFnZX0=\r\n--x--\r\n";
    let read = text(mail.as_bytes());
    for expected in ["Jörg", "e@muster.example", "Geburt in München", "Schönen Gruß", "brief.rtf", "Anlage"]
    {
        assert!(read.contains(expected), "{expected} in {read:?}");
    }
    let mailbox = format!("From a@b Mon Jun 1\n{mail}\nFrom c@d Tue Jun 2\n{mail}");
    assert_eq!(text(mailbox.as_bytes()).matches("Schönen Gruß").count(), 2);
}

#[test]
fn an_archive_lists_its_names_and_reads_its_files() {
    let word = docx("<w:p><w:t>aus dem Archiv</w:t></w:p>", &[]);
    let file =
        zip_of(&[("brief.docx", &word), ("notiz.txt", "Nachtrag".as_bytes()), ("bild.png", b"\x89PNG")]);
    let read = text(&file);
    for expected in ["brief.docx", "bild.png", "aus dem Archiv", "Nachtrag"] {
        assert!(read.contains(expected), "{expected} in {read:?}");
    }
}

#[test]
fn archives_inside_archives_end_at_the_depth() {
    let nested = |levels: u32| {
        (0..levels).fold(b"am Grund".to_vec(), |inner, level| {
            zip_of(&[(format!("{level}.zip").as_str(), inner.as_slice())])
        })
    };
    let limits = Limits { depth: 3, ..Limits::default() };
    assert_eq!(extract_with(limits, MediaType::Zip, &nested(3)).1, Ok(()));
    assert_eq!(extract_with(limits, MediaType::Zip, &nested(4)).1, Err(Reason::TooDeep));
}

#[test]
fn an_archive_that_unpacks_beyond_the_budget_is_stopped_and_what_was_read_stays() {
    let zeros = vec![b'0'; 1 << 20];
    let bomb = zip_of(&[("a.txt", b"vor der Bombe"), ("b.txt", &zeros), ("c.txt", &zeros)]);
    assert!(bomb.len() < 8 << 10);
    let limits = Limits { unpacked_bytes: (1 << 20) + 100, ..Limits::default() };
    let (pages, result) = extract_with(limits, MediaType::Zip, &bomb);
    assert_eq!(result, Err(Reason::UnpacksTooLarge));
    assert!(pages.iter().any(|page| page == "vor der Bombe"));
}

#[test]
fn text_and_pages_end_at_their_limits_and_what_was_read_stays() {
    let limits = Limits { pages: 2, ..Limits::default() };
    let (pages, result) = extract_with(limits, MediaType::Text, b"1\x0C2\x0C3");
    assert_eq!((pages.len(), result), (2, Err(Reason::TooManyPages)));
    let limits = Limits { text_bytes: 5, ..Limits::default() };
    let (pages, result) = extract_with(limits, MediaType::Text, b"1234\x0C5678");
    assert_eq!((pages, result), (vec!["1234".to_owned()], Err(Reason::TextTooLarge)));
}

#[test]
fn long_text_is_cut_at_line_ends_and_none_is_lost() {
    let line = "Zeile mit Umlaut ä\n";
    let long = line.repeat(20_000);
    let (pages, result) = extract(long.as_bytes());
    assert_eq!(result, Ok(()));
    assert!(pages.len() > 2);
    let words: usize = pages.iter().map(|page| page.split_whitespace().count()).sum();
    assert_eq!(words, 20_000 * 4);
}

#[test]
fn pictures_need_character_recognition_and_unknown_files_are_said_to_be_so() {
    assert_eq!(extract(b"\x89PNG\r\n\x1a\nrest").1, Err(Reason::NoText));
    assert_eq!(extract(b"\0\x01\x02\x03").1, Err(Reason::UnsupportedType));
}

#[test]
fn damaged_containers_are_flagged() {
    let whole = docx("<w:p><w:t>Text</w:t></w:p>", &[]);
    for cut in [30, 100, whole.len() / 2] {
        assert_eq!(extract_with(Limits::default(), MediaType::Docx, &whole[..cut]).1, Err(Reason::Damaged));
    }
    let open_tag = b"<w:document><w:p><w:t>Anfang</w:t></w:p><w:p".as_slice();
    let broken = zip_of(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", open_tag)]);
    let (pages, result) = extract(&broken);
    assert_eq!((pages, result), (vec!["Anfang".to_owned()], Err(Reason::Damaged)));
}
