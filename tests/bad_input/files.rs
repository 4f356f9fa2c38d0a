//! Names and contents of files: kept for display, never used; what a browser might run is only ever an attachment.

use crate::actors::speak::Answer;
use crate::actors::{Server, ServerProcess};
use crate::census;

fn upload(server: &Server, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    server.engine().send("POST", path, headers, body)
}

/// A PDF of one empty page.
fn pdf() -> Vec<u8> {
    saved(page())
}

fn saved(mut document: lopdf::Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn page() -> lopdf::Document {
    let mut document = lopdf::Document::with_version("1.7");
    let pages = document.new_object_id();
    let page = document.add_object(lopdf::dictionary! { "Type" => "Page", "Parent" => pages });
    let kids = lopdf::dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    document.objects.insert(pages, kids.into());
    let catalog = document.add_object(lopdf::dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    document
}

/// The same, to be opened with a password only.
fn encrypted() -> Vec<u8> {
    let mut document = page();
    let id = lopdf::Object::string_literal("0123456789abcdef");
    document.trailer.set("ID", vec![id.clone(), id]);
    let version = lopdf::EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password: "geheim",
        key_length: 128,
        permissions: lopdf::Permissions::all(),
    };
    let state = lopdf::EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    saved(document)
}

/// An empty ZIP archive.
const ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Percent-encodes every byte (RFC 8187).
fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn odd_names_are_shown_fit_and_go_nowhere_else() {
    let server = Server::start();
    let long = "ä".repeat(4096);
    for (name, shown) in [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\Windows\\win.ini", "win.ini"),
        ("a\0b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: session=1; b.txt", "aSet-Cookie: session=1; b.txt"),
        ("Rechnung\u{202e}txt.exe", "Rechnungtxt.exe"),
        ("\u{2066}\u{200f}a.txt\u{2069}", "a.txt"),
        ("Änderung \"neu\"; filename=x.txt", "Änderung \"neu\"; filename=x.txt"),
        ("50% 'böse'\\", ""),
        (long.as_str(), &"ä".repeat(255)),
    ] {
        let header = format!("attachment; filename*=UTF-8''{}", encoded(name));
        let created =
            upload(&server, "/v1/documents", &[("Content-Disposition", &header)], b"text").expect(201);
        assert_eq!(created["fileName"].as_str().unwrap_or_default(), shown, "{name:.60}");
        let path = format!("/v1/documents/{}/content", created["id"].as_str().unwrap());
        let content = server.clerk().get(&path);
        let disposition = content.header("content-disposition");
        // RFC 6266 and 8187: one line, ASCII, a plain name in quotes and the whole one percent-encoded.
        let (plain, extended) = disposition.split_once("; filename*=UTF-8''").expect(disposition);
        let plain = plain.strip_prefix("attachment; filename=\"").unwrap().strip_suffix('"').unwrap();
        assert!(plain.bytes().all(|b| (0x20..0x7f).contains(&b) && !b"\"\\%".contains(&b)), "{disposition}");
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&b);
        assert!(extended.bytes().all(allowed), "{disposition}");
        assert_eq!((content.header("set-cookie"), content.body.as_slice()), ("", b"text".as_slice()));
    }
    // What is no name at all.
    for broken in ["attachment; filename=\"a", ";;;"] {
        let answer = upload(&server, "/v1/documents", &[("Content-Disposition", broken)], b"text");
        answer.problem(400, "malformed-request");
    }
    // An escape that is none stands there as it was sent.
    let odd = [("Content-Disposition", "attachment; filename*=UTF-8''%zz")];
    assert_eq!(upload(&server, "/v1/documents", &odd, b"text").expect(201)["fileName"], "%zz");
}

#[test]
fn odd_names_in_a_form_are_shown_fit_too() {
    let server = Server::start();
    let long = "ä".repeat(2048);
    for (name, shown) in [
        ("../../etc/passwd", "passwd"),
        ("..\\\\..\\\\win.ini", "win.ini"),
        ("a\u{202e}txt.exe", "atxt.exe"),
        ("\u{2066}a.txt\u{2069}", "a.txt"),
        (long.as_str(), &"ä".repeat(255)),
    ] {
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{name}\"\r\n\r\ntext\r\n--b--\r\n"
        );
        let headers = [("Content-Type", "multipart/form-data; boundary=b")];
        let created = upload(&server, "/v1/documents", &headers, form.as_bytes()).expect(201);
        assert_eq!(created["fileName"].as_str().unwrap_or_default(), shown, "{name:.60}");
    }
    let before = census::of(&server);
    let empty =
        "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.txt\"\r\n\r\n\r\n--b--\r\n";
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    upload(&server, "/v1/documents", &headers, empty.as_bytes()).problem(422, "empty-file");
    // Texts of what was taken before may still come.
    let after = census::of(&server);
    assert_eq!((after.documents, after.acts), (before.documents, before.acts));
}

#[test]
fn fields_are_one_line_that_reads_as_it_is_written() {
    let server = Server::start();
    let before = census::of(&server);
    let long = format!("/v1/documents?title={}", "x".repeat(4096));
    for (path, problem) in [
        ("/v1/documents?title=a%00b", "value-invalid"),
        ("/v1/documents?title=a%0d%0ab", "value-invalid"),
        ("/v1/documents?title=Rechnung%20%e2%80%aefdp", "value-invalid"),
        ("/v1/documents?reference=%e2%81%a6x", "value-invalid"),
        ("/v1/documents?kind=%1b%5b31m", "value-invalid"),
        (long.as_str(), "value-invalid"),
    ] {
        upload(&server, path, &[], b"text").problem(422, problem);
    }
    // Bytes that are no text are not taken for some other text.
    upload(&server, "/v1/documents?title=%ff%fe", &[], b"text").problem(422, "value-invalid");
    let title = &upload(&server, "/v1/documents?title=%", &[], b"text").expect(201)["title"];
    assert_eq!(title, "%");
    assert_eq!(census::of(&server).acts - before.acts, census::of(&server).documents);
}

#[test]
fn what_a_browser_might_run_is_an_attachment_without_rights() {
    let server = Server::start();
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>"#;
    let html = b"<!DOCTYPE html><html><body onload='alert(1)'><script>alert(2)</script></body></html>";
    let xml = br#"<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="javascript:alert(1)"?><a/>"#;
    let with_html = [pdf().as_slice(), html].concat();
    let html_first = [b"<html><script>alert(1)</script>\n".as_slice(), &pdf()].concat();
    let with_zip = [pdf().as_slice(), ZIP].concat();
    for (body, kind) in [
        (svg.as_slice(), "application/xml"),
        (html.as_slice(), "text/html"),
        (xml.as_slice(), "application/xml"),
        (with_html.as_slice(), "application/pdf"),
        (html_first.as_slice(), "application/pdf"),
        (with_zip.as_slice(), "application/pdf"),
    ] {
        let created = upload(&server, "/v1/documents", &[], body).expect(201);
        assert_eq!(created["mediaType"], kind);
        let path = format!("/v1/documents/{}/content", created["id"].as_str().unwrap());
        for range in [&[][..], &[("Range", "bytes=0-10")]] {
            let content = server.clerk().send("GET", &path, range, &[]);
            assert!(content.header("content-disposition").starts_with("attachment;"), "{kind}");
            assert_eq!(content.header("x-content-type-options"), "nosniff", "{kind}");
            let policy = content.header("content-security-policy");
            assert_eq!(policy, "sandbox; default-src 'none'; frame-ancestors 'none'", "{kind}");
            assert_eq!(content.header("cross-origin-resource-policy"), "same-origin", "{kind}");
        }
    }
}

#[test]
fn a_file_of_two_kinds_is_what_it_begins_with_and_not_what_it_was_sent_as() {
    let server = Server::start();
    let before = census::of(&server);
    let (with_zip, with_html) =
        ([pdf().as_slice(), ZIP].concat(), [pdf().as_slice(), b"<html></html>"].concat());
    let named = |name: &str| format!("attachment; filename={name}");
    for (body, claim) in [
        (&with_zip, ("Content-Type", "application/zip")),
        (&with_zip, ("Content-Disposition", named("a.zip").as_str())),
        (&with_zip, ("Content-Disposition", named("a.docx").as_str())),
        (&with_html, ("Content-Type", "text/html")),
        (&with_html, ("Content-Disposition", named("a.html").as_str())),
        (&with_html, ("Content-Type", "image/png")),
    ] {
        upload(&server, "/v1/documents", &[claim], body).problem(415, "media-type-mismatch");
    }
    assert_eq!(census::of(&server), before);
}

#[test]
fn an_encrypted_file_is_kept_and_flagged() {
    let server = ServerProcess::start();
    let bytes = encrypted();
    let created = server.engine().send("POST", "/v1/documents", &[], &bytes).expect(201);
    assert_eq!(created["mediaType"], "application/pdf");
    let path = format!("/v1/documents/{}", created["id"].as_str().unwrap());
    let flagged = (0..600).find_map(|_| {
        let document = server.clerk().get(&path).expect(200);
        if document["flag"].is_null() {
            // sleeps: what happens in another process gives no signal but the state that is asked for here
            std::thread::sleep(std::time::Duration::from_millis(50));
            return None;
        }
        Some(document)
    });
    let flagged = flagged.expect("it is flagged");
    assert_eq!((&flagged["state"], &flagged["flag"]["reason"]), (&"flagged".into(), &"password".into()));
    assert!(server.clerk().get(&format!("{path}/content")).body == bytes);
}
