//! The modules of the page `/v`, run by Node on certificates the demo issued: genuine ones are found so, and no
//! changed one is. Where Node is not at hand they say that they skip.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::judges::issued;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the page would find in each file; `None`, said, without Node.
fn look(files: &[PathBuf]) -> Option<Vec<Value>> {
    if Command::new("node").arg("--version").output().is_err() {
        println!("skipped: node is not at hand");
        return None;
    }
    let demo = issued().demo();
    let output = Command::new("node")
        .args(["--no-warnings", "--experimental-default-type=module"])
        .arg(Path::new(ROOT).join("tests/counterparts/page.mjs"))
        .arg(Path::new(ROOT).join("src/web/static"))
        .args([demo["ca"].as_str().unwrap(), demo["logKey"].as_str().unwrap()])
        .args(files)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let found: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(found)
}

fn genuine() -> Value {
    json!({
        "sealed": true, "intact": true, "signed": true, "trusted": true, "added": 0, "signatures": 1,
        "included": true, "byLog": true,
    })
}

#[test]
fn the_page_finds_what_was_issued_genuine() {
    let Some(found) = look(&issued().files()) else { return };
    for (number, each) in found.iter().enumerate() {
        assert_eq!(*each, genuine(), "certificate {number}");
    }
}

#[test]
fn the_page_finds_no_changed_file_genuine() {
    let original = std::fs::read(&issued().files()[0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hole = original.windows(11).rposition(|window| window == b"/Contents<3").unwrap() + 10;
    let mut changed: Vec<PathBuf> = Vec::new();
    let mut keep = |bytes: Vec<u8>| {
        let path = folder.path().join(format!("{}.pdf", changed.len()));
        std::fs::write(&path, bytes).unwrap();
        changed.push(path);
    };
    // A bit here and there in the whole file, closer in the hole; an appended byte; a cut end.
    for at in (9..original.len()).step_by(2_003).chain((hole..hole + 16_384).step_by(61)) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        keep(bytes);
    }
    keep([original.as_slice(), b"%"].concat());
    keep(original[..original.len() - 1].to_vec());
    let Some(found) = look(&changed) else { return };
    for (number, each) in found.iter().enumerate() {
        assert_ne!(*each, genuine(), "change {number}");
    }
}
