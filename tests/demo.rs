//! The first command of the README, as a newcomer would use it: once, again on the kept folder, and by pasting the
//! lines it prints.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::judges::start;

fn once(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["demo", "--once", "--listen", "127.0.0.1:0", "--dir"])
        .arg(folder)
        .output()
        .unwrap()
}

#[test]
fn once_does_the_main_job_and_again_on_the_kept_folder() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let output = once(folder.path());
        let lines = String::from_utf8(output.stdout).unwrap();
        let steps: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "entries",
                "evidence",
                "findable",
                "search",
                "order",
                "release",
                "deliver",
                "verify file",
                "verify number",
                "refuse"
            ]
        );
        for step in &steps {
            assert!(step["ok"] == true && step["ms"].is_u64(), "round {round}: {step}");
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let certificate = std::fs::read(folder.path().join("geburtsurkunde.pdf")).unwrap();
        assert!(certificate.starts_with(b"%PDF-"));
    }
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("photo.jpg"), b"not ours").unwrap();
    let output = once(folder.path());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.lines().count() == 1 && said.contains("--dir"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_setup_that_was_broken_off_begins_again_and_removes_nothing_it_did_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::create_dir(inside("keys")).unwrap();
    std::fs::write(inside("keys/log.key"), b"half").unwrap();
    std::fs::write(inside("stammbuch.toml"), b"half").unwrap();
    std::fs::write(inside(".unfinished"), b"not the demo's mark").unwrap();
    assert_eq!(once(folder.path()).status.code(), Some(2));
    assert!(inside("keys/log.key").exists() && !inside("serve.lock").exists());

    std::fs::write(inside(".unfinished"), b"stammbuch demo: being made\n").unwrap();
    std::fs::write(inside("photo.jpg"), b"not ours").unwrap();
    assert_eq!(once(folder.path()).status.code(), Some(2));
    assert_eq!(std::fs::read(inside("photo.jpg")).unwrap(), b"not ours");

    std::fs::remove_file(inside("photo.jpg")).unwrap();
    assert!(once(folder.path()).status.success());
    assert!(!inside(".unfinished").exists());
}

#[test]
fn a_second_demo_in_the_same_folder_changes_nothing_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, _) = start(folder.path());
    let before = std::fs::read(folder.path().join("demo.json")).unwrap();
    let second = once(folder.path());
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another process serves"), "{said}");
    assert_eq!(std::fs::read(folder.path().join("demo.json")).unwrap(), before);
}

#[test]
fn each_of_the_five_lines_works_when_it_is_pasted() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: curl is not at hand");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_running, printed) = start(folder.path());
    let lines: Vec<&String> = printed.iter().filter(|line| line.contains("curl -s")).collect();
    assert_eq!(lines.len(), 5, "{printed:?}");
    for line in lines {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && !answer.is_empty(), "{line}");
        assert!(!answer.contains("/problems/"), "{line}: {answer}");
    }
}
