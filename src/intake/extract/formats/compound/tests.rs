//! Files of the old office formats, made here.

use std::io::Write as _;

use crate::intake::extract::formats;
use crate::intake::extract::output::Output;
use crate::intake::extract::{Limits, Reason};
use crate::intake::media_type::{MediaType, detect};

fn extract_as(media_type: MediaType, file: &[u8]) -> (String, Result<(), Reason>) {
    let mut pages = Vec::new();
    let mut emit = |page: String| {
        pages.push(page);
        Ok(())
    };
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let result = formats::extract(file.to_vec(), media_type, &mut Output::new(&limits, &mut emit));
    (pages.join("\u{C}"), result)
}

fn text(file: &[u8]) -> String {
    let (text, result) = extract_as(detect(file), file);
    assert_eq!(result, Ok(()), "{text}");
    text
}

/// A compound file of these streams; storages are made where paths need them.
fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    for (path, content) in streams {
        file.create_storage_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        file.create_stream(path).unwrap().write_all(content).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Two pieces, the second stored first; the first in one byte a character.
fn word(first: &str, second: &str, flags: u16) -> Vec<u8> {
    let mut document = vec![0; 0x400];
    document[0..4].copy_from_slice(&[0xEC, 0xA5, 0xC1, 0]);
    document[0x0A..0x0C].copy_from_slice(&(flags | 0x0200).to_le_bytes());
    (document[0x20], document[0x3E], document[0x98]) = (0x0E, 0x16, 0x5D);
    let narrow: Vec<u8> = encoding_rs::WINDOWS_1252.encode(first).0.into_owned();
    let second_at = u32::try_from(document.len()).unwrap();
    document.extend(wide(second));
    let first_at = (2 * u32::try_from(document.len()).unwrap()) | 0x4000_0000;
    document.extend(&narrow);
    let counts = [0, narrow.len(), narrow.len() + second.encode_utf16().count()];
    put(&mut document, 0x4C, u32::try_from(counts[2]).unwrap());
    let mut table: Vec<u8> = counts.iter().flat_map(|at| u32::try_from(*at).unwrap().to_le_bytes()).collect();
    for at in [first_at, second_at] {
        table.extend([0, 0].into_iter().chain(at.to_le_bytes()).chain([0, 0]));
    }
    let length = u32::try_from(table.len()).unwrap();
    let clx = [&[1, 3, 0, 9, 9, 9, 2], length.to_le_bytes().as_slice(), &table].concat();
    put(&mut document, 0x1A6, u32::try_from(clx.len()).unwrap());
    compound(&[("/WordDocument", &document), ("/1Table", &clx)])
}

#[test]
fn the_pieces_of_a_word_document_are_read_in_order_and_field_codes_left_out() {
    let file = word("Größe\r\u{13}PAGE\u{14}7\u{15} €", "Łódź\rEnde\r", 0);
    assert_eq!(detect(&file), MediaType::Doc);
    assert_eq!(text(&file), "Größe\n7 €Łódź\nEnde");
    assert_eq!(extract_as(MediaType::Doc, &word("a", "b", 0x0100)).1, Err(Reason::Password));
}

fn record(head: u16, kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&head.to_le_bytes(), &kind.to_le_bytes(), length.to_le_bytes().as_slice(), content].concat()
}

fn numbers(numbers: &[usize]) -> Vec<u8> {
    numbers.iter().flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes()).collect()
}

#[test]
fn slides_are_pages_and_what_an_earlier_saving_held_is_not_read() {
    let slide = |text: &[u8]| {
        let text = [record(0, 0x0F9F, &[4, 0, 0, 0]), record(0, 0x0FA8, text)].concat();
        let shape = [0xF00D, 0xF004, 0xF003, 0xF002, 0x040C, 0x03EE];
        shape.into_iter().fold(text, |inner, kind| record(0xF, kind, &inner))
    };
    let mut stream = slide(b"gestern");
    let first_directory = stream.len();
    stream.extend(record(0, 0x1772, &numbers(&[2 << 20 | 1, 0, 0])));
    let first_edit = stream.len();
    stream.extend(record(0, 0x0FF5, &numbers(&[0, 0, 0, first_directory, 1, 2, 0])));
    let slide_at = stream.len();
    stream.extend(slide(b"heute\rum acht"));
    let document_at = stream.len();
    let of_list = record(0, 0x03F3, &numbers(&[2, 0, 0, 256, 0]));
    let list = record(0xF, 0x0FF0, &of_list);
    let masters = record(0x1F, 0x0FF0, &record(0, 0x0FA8, b"Klicken"));
    stream.extend(record(0xF, 0x03E8, &[masters, list].concat()));
    let directory = stream.len();
    stream.extend(record(0, 0x1772, &numbers(&[2 << 20 | 1, document_at, slide_at])));
    let edit = stream.len();
    stream.extend(record(0, 0x0FF5, &numbers(&[0, 0, first_edit, directory, 1, 2, 0])));
    let user = |token: usize| record(0, 0x0FF6, &numbers(&[0x14, token, edit, 0, 0]));
    let made = |token| compound(&[("/Current User", &user(token)), ("/PowerPoint Document", &stream)]);
    assert_eq!(text(&made(0xE391_C05F)), "heute\num acht");
    assert_eq!(extract_as(MediaType::Ppt, &made(0xF3D1_C4DF)).1, Err(Reason::Password));
}

#[test]
fn a_message_is_read_with_its_attachments() {
    let mut fixed = vec![0; 32];
    fixed.extend([0x40, 0, 0x39, 0, 6, 0, 0, 0]);
    fixed.extend(((11_644_473_600_u64 + 1_710_201_600) * 10_000_000).to_le_bytes());
    let file = compound(&[
        ("/__properties_version1.0", &fixed),
        ("/__substg1.0_0037001F", &wide("Geburt")),
        ("/__substg1.0_0C1A001E", b"J\xF6rg"),
        ("/__substg1.0_1000001F", &wide("Guten Tag")),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", &wide("anlage.txt")),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"Text der Anlage"),
        ("/__attach_version1.0_#00000001/__substg1.0_3701000D/__properties_version1.0", &[0; 24]),
        (
            "/__attach_version1.0_#00000001/__substg1.0_3701000D/__substg1.0_10130102",
            b"<p>weitergeleitet</p>",
        ),
    ]);
    assert_eq!(detect(&file), MediaType::Msg);
    let text = text(&file);
    for part in [
        "From: Jörg",
        "Subject: Geburt",
        "Date: 2024-03-12T",
        "Guten Tag",
        "anlage.txt",
        "Text der Anlage",
        "weiterg",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_cells_of_a_workbook_are_read() {
    let biff = |kind: u16, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap();
        [&kind.to_le_bytes(), length.to_le_bytes().as_slice(), content].concat()
    };
    let begin = |kind: u16| {
        biff(0x0809, &[&0x0600_u16.to_le_bytes(), kind.to_le_bytes().as_slice(), &[0; 12]].concat())
    };
    let end = biff(0x000A, &[]);
    let label = |row: u8, column: u8, text: &str| {
        let units = wide(text);
        let head = [row, 0, column, 0, 0, 0, u8::try_from(units.len() / 2).unwrap(), 0, 1];
        biff(0x0204, &[&head, units.as_slice()].concat())
    };
    let number = biff(0x0203, &[&[1, 0, 1, 0, 0, 0], 815.0_f64.to_le_bytes().as_slice()].concat());
    let globals = |sheet_at: u32| {
        let sheet = [sheet_at.to_le_bytes().as_slice(), &[0, 0, 5, 0], b"Namen"].concat();
        [begin(5), biff(0x0085, &sheet), end.clone()].concat()
    };
    let sheet_at = u32::try_from(globals(0).len()).unwrap();
    let cells = [label(0, 0, "Łódź"), label(0, 1, "Nummer"), number].concat();
    let workbook = [globals(sheet_at), begin(16), cells, end.clone()].concat();
    let locked = [begin(5), biff(0x002F, &[0; 6]), end.clone()].concat();
    let locked = compound(&[("/Workbook", &locked)]);
    assert_eq!(extract_as(MediaType::Xls, &locked).1, Err(Reason::Password));
    let file = compound(&[("/Workbook", &workbook)]);
    assert_eq!(detect(&file), MediaType::Xls);
    assert_eq!(text(&file), "Namen\nŁódź\tNummer\n\t815");
}

#[test]
fn what_the_first_bytes_do_not_tell_the_directory_does() {
    let encrypted = compound(&[("/EncryptedPackage", b"x")]);
    assert_eq!(extract_as(MediaType::Ole, &encrypted).1, Err(Reason::Password));
    assert_eq!(extract_as(MediaType::Ole, &compound(&[("/Other", b"x")])).1, Err(Reason::UnsupportedType));
    assert_eq!(extract_as(MediaType::Ole, &word("wo", "rd", 0)).0, "word");
}

#[test]
fn broken_and_hostile_files_are_flagged() {
    let file = word("Text davor", "Text danach", 0);
    for media_type in [MediaType::Doc, MediaType::Xls, MediaType::Ppt, MediaType::Msg, MediaType::Ole] {
        assert_eq!(extract_as(media_type, b"\xD0\xCF\x11\xE0 nothing").1, Err(Reason::Damaged));
    }
    for end in (0..file.len()).step_by(97) {
        // Whether something is read or it is damaged: it ends.
        let _ = extract_as(MediaType::Doc, &file[..end]);
    }
    let large =
        compound(&[("/__properties_version1.0", &[0]), ("/__substg1.0_1000001F", &vec![b'a'; 2 << 20])]);
    assert_eq!(extract_as(MediaType::Msg, &large).1, Err(Reason::UnpacksTooLarge));
    // A message in a message in a message.
    let inner = "/__attach_version1.0_#00000000/__substg1.0_3701000D";
    let deep: Vec<String> = (0..8).map(|n| inner.repeat(n) + "/__properties_version1.0").collect();
    let deep: Vec<(&str, &[u8])> = deep.iter().map(|path| (path.as_str(), [0_u8; 32].as_slice())).collect();
    assert_eq!(extract_as(MediaType::Msg, &compound(&deep)).1, Err(Reason::TooDeep));
}
