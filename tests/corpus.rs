//! Real files through the running program: stored, read back byte for byte, each findable or flagged with a reason, and
//! the memory of the server with all its children. Runs when ../shared/corpus and pdftotext are at hand and says so
//! when it skips. By default a part of the files; STAMMBUCH_LONG=1 takes 100 law, 50 office and all hostile ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

use crate::actors::ServerProcess;
use crate::actors::speak::Actor;

/// Server and children together, in bytes.
const MEMORY_MAX: u64 = 400 << 20;
/// How long a file may take to be read out and indexed on a busy machine before the test calls it lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// One folder of the corpus: how many files, and how many of a hundred must be found by their phrase.
struct Part {
    folder: &'static str,
    ending: &'static str,
    files: usize,
    files_long: usize,
    /// Of a hundred; the part that is taken by default may by chance hold more of the hard ones.
    found_min: usize,
}

const PARTS: [Part; 3] = [
    Part { folder: "laws", ending: "pdf", files: 40, files_long: 100, found_min: 90 },
    Part { folder: "office", ending: "", files: 50, files_long: 50, found_min: 90 },
    Part { folder: "pdf", ending: "pdf", files: 120, files_long: usize::MAX, found_min: 85 },
];

/// A file of the corpus and what became of it.
struct Sent {
    path: PathBuf,
    id: String,
    phrase: Option<String>,
}

fn corpus() -> Option<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let poppler = Command::new("pdftotext").arg("-v").output().is_ok();
    (corpus.is_dir() && poppler).then_some(corpus)
}

/// As many files as asked for, evenly out of the whole folder.
fn files(folder: &Path, part: &Part, long: bool) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| part.ending.is_empty() || path.extension().is_some_and(|ending| ending == part.ending))
        .collect();
    files.sort();
    let most = if long { part.files_long } else { part.files }.min(files.len());
    (0..most).map(|n| files[n * files.len() / most].clone()).collect()
}

/// Up to six words of one line in the middle of what pdftotext finds, if it finds any.
fn phrase(path: &Path) -> Option<String> {
    if path.extension().is_none_or(|ending| ending != "pdf") {
        return None;
    }
    let output = Command::new("pdftotext").arg(path).arg("-").output().unwrap();
    let text: String = String::from_utf8_lossy(&output.stdout).nfkc().collect();
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let lines: Vec<Vec<String>> = text.lines().map(words).filter(|words| !words.is_empty()).collect();
    let long: Vec<&Vec<String>> = lines.iter().filter(|words| words.len() >= 3).collect();
    let line = match long.len() {
        0 => lines.iter().max_by_key(|words| words.iter().map(String::len).sum::<usize>())?,
        n => long[n / 2],
    };
    Some(line.iter().take(6).cloned().collect::<Vec<_>>().join(" "))
}

fn send(engine: &Actor, path: PathBuf) -> Sent {
    let bytes = std::fs::read(&path).unwrap();
    let headers = [("Content-Type", "application/octet-stream")];
    let answer = engine.send("POST", "/v1/documents", &headers, &bytes);
    assert_eq!(answer.status, 201, "{}: {answer:?}", path.display());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let content = engine.get(&format!("/v1/documents/{id}/content"));
    assert!(content.body == bytes, "{} came back changed", path.display());
    let phrase = phrase(&path);
    Sent { path, id, phrase }
}

fn settled(engine: &Actor, sent: &Sent) -> Value {
    let began = Instant::now();
    loop {
        let document = engine.get(&format!("/v1/documents/{}", sent.id)).json();
        if document.get("indexedAt").is_some() {
            return document;
        }
        assert!(began.elapsed() < PATIENCE, "{}: {document}", sent.path.display());
        // sleeps: the interface has no signal for a change of state
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_found(clerk: &Actor, sent: &Sent, phrase: &str) -> bool {
    let question = json!({"q": format!("\"{phrase}\""), "limit": 100});
    let answer = clerk.post("/v1/search", &question).expect(200);
    let hits = answer["hits"].as_array().unwrap().clone();
    hits.iter().any(|hit| hit["document"] == sent.id.as_str())
}

/// Resident memory of a process and all that it started, in bytes.
fn resident(process: u32) -> u64 {
    let own = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: u64 = own.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = threads.flat_map(|thread| {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    });
    // A child that has not become the extractor yet still shows the memory of the server, which is counted already.
    let is_extractor = |child: &u32| {
        std::fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.windows(13).any(|w| w == b"extract-child"))
    };
    pages * 4096 + children.filter(is_extractor).map(resident).sum::<u64>()
}

fn watch_memory(process: u32, peak: &AtomicU64, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        peak.fetch_max(resident(process), Ordering::Relaxed);
        // sleeps: memory has to be looked at again and again
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn run(server: &ServerProcess, corpus: &Path, part: &Part, long: bool) -> (usize, usize) {
    let (engine, clerk) = (server.engine(), server.clerk());
    let began = Instant::now();
    let files = files(&corpus.join(part.folder), part, long);
    let (first, second) = files.split_at(files.len() / 2);
    let send_all =
        |files: &[PathBuf]| files.iter().map(|file| send(&engine, file.clone())).collect::<Vec<_>>();
    let sent = std::thread::scope(|scope| {
        let other = scope.spawn(|| send_all(second));
        let mut sent = send_all(first);
        sent.extend(other.join().unwrap());
        sent
    });
    let mut flags: BTreeMap<String, usize> = BTreeMap::new();
    let (mut with_text, mut found) = (0, 0);
    for sent in &sent {
        let document = settled(&engine, sent);
        let flag = document["flag"]["reason"].as_str().unwrap_or("none").to_owned();
        assert!(flag != "none" || document["words"].as_u64() > Some(0), "{document}");
        *flags.entry(flag).or_default() += 1;
        if let Some(phrase) = &sent.phrase {
            with_text += 1;
            let hit = is_found(&clerk, sent, phrase);
            found += usize::from(hit);
            if !hit {
                println!("not found: {} by {phrase:?}", sent.path.display());
            }
        }
    }
    let (folder, stored, seconds) = (part.folder, sent.len(), began.elapsed().as_secs());
    println!("{folder}: stored {stored}, flags {flags:?}, found {found} of {with_text}, {seconds} s");
    (found, with_text)
}

/// Ends the watch of the memory, also where a test fails.
struct Watching<'a>(&'a AtomicBool);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn real_files_are_stored_and_findable_or_flagged_within_the_memory() {
    let Some(corpus) = corpus() else {
        println!("skipped: no ../shared/corpus or no pdftotext");
        return;
    };
    let long = std::env::var_os("STAMMBUCH_LONG").is_some();
    let server = ServerProcess::start();
    let (peak, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| watch_memory(server.id(), &peak, &over));
        let watching = Watching(&over);
        let results: Vec<_> = PARTS.iter().map(|part| run(&server, &corpus, part, long)).collect();
        drop(watching);
        for (part, (found, with_text)) in PARTS.iter().zip(results) {
            assert!(
                with_text > 0 && found * 100 >= with_text * part.found_min,
                "{}: {found} of {with_text}",
                part.folder
            );
        }
    });
    let peak = peak.into_inner();
    println!("memory of the server with its children: {} MiB at most", peak >> 20);
    assert!(peak < MEMORY_MAX, "{peak}");
    // The same process that was started is still there and well.
    assert_eq!(server.citizen().get("/health/ready").status, 200);
    let (status, _, _) = server.terminate();
    assert!(status.success(), "{status}");
}
