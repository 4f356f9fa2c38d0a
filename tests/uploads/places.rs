//! Uploads in progress where they lie: on a bucket as on the disk, and seen by `stammbuch check`.

use std::path::Path;
use std::process::Command;

use super::{begin, content, head, patch};
use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::place::Place;

/// `size` bytes of text, no two lines alike.
fn text(size: usize) -> Vec<u8> {
    let mut text: Vec<u8> =
        (0..=size / 19).flat_map(|number| format!("Zeile {number:>12}\n").into_bytes()).collect();
    text.truncate(size);
    text
}

#[test]
fn an_upload_on_a_bucket_is_an_upload() {
    let Some(bucket) = Bucket::make() else { return };
    let server = Server::start_with(|config| bucket.configure(config, &bucket.endpoint.clone()));
    let bytes = text(20_000_000);
    let path = begin(&server.engine(), bytes.len());
    // More than a piece, then less than one, then the rest.
    for (start, end) in [(0, 9_000_000), (9_000_000, 9_000_100)] {
        assert_eq!(patch(&server.engine(), &path, start, &bytes[start..end]).status, 204);
    }
    let server = Server::on(server.stop());
    assert_eq!(head(&server.engine(), &path).header("upload-offset"), "9000100");
    let last = patch(&server.engine(), &path, 9_000_100, &bytes[9_000_100..]);
    assert!(content(&server, &last) == bytes, "byte for byte");
}

/// Exit code and output of `check`.
fn check(place: &Place) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_stammbuch");
    let output =
        Command::new(program).args(["check", "--deep", "--config"]).arg(place.config_file()).output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn check_knows_the_pieces_of_an_upload_and_misses_one_that_is_gone() {
    let server = Server::start();
    let path = begin(&server.engine(), 20_000_000);
    assert_eq!(patch(&server.engine(), &path, 0, &text(9_000_000)).status, 204);
    assert_eq!(patch(&server.engine(), &path, 9_000_000, &text(1_000_000)).status, 204);
    let place = server.stop();
    let (code, said) = check(&place);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 objects"), "{said}");
    let pieces = files(&place.data_dir().join("objects/o"));
    assert_eq!(pieces.len(), 3);
    std::fs::remove_file(&pieces[0]).unwrap();
    let (code, said) = check(&place);
    assert_eq!(code, Some(1), "{said}");
    let name = pieces[0].file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name), "{said}");
}
