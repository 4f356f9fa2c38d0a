//! Real files through the running program: stored, read back byte for byte, each findable or flagged with a reason, and
//! the memory of the server with all its children. Takes 100 law PDFs, 50 office files and all hostile PDFs. Runs when
//! the corpus (../shared/corpus, or the folder in STAMMBUCH_CORPUS) and pdftotext are at hand; says so when it skips.

mod phrase;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::phrase::{Known, Phrase};
use crate::actors::ServerProcess;
use crate::actors::speak::Actor;

/// Server and children together, in bytes.
const MEMORY_MAX: u64 = 400 << 20;
/// How long a file may take to be read out and indexed on a busy machine before the test calls it lost.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many clients upload at a time.
const CLIENTS: usize = 4;

/// One folder of the corpus.
struct Part {
    folder: &'static str,
    /// Of the names of its files; any if empty.
    ending: &'static str,
    /// How many files are taken, evenly out of the whole folder.
    files: usize,
    /// How many of a hundred must be found by their phrase.
    found_min: usize,
    /// Its texts are in German or English, so that broken words can be told from whole ones.
    known_language: bool,
}

const PARTS: [Part; 3] = [
    Part { folder: "laws", ending: "pdf", files: 100, found_min: 98, known_language: true },
    Part { folder: "office", ending: "", files: 50, found_min: 98, known_language: true },
    Part { folder: "pdf", ending: "pdf", files: usize::MAX, found_min: 90, known_language: false },
];

/// A file of the corpus and what pdftotext says of it.
struct Real {
    part: usize,
    path: PathBuf,
    phrase: Phrase,
}

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("STAMMBUCH_CORPUS").map_or_else(beside, PathBuf::from);
    let poppler = Command::new("pdftotext").arg("-v").output().is_ok();
    (corpus.is_dir() && poppler).then_some(corpus)
}

fn files(folder: &Path, part: &Part) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| part.ending.is_empty() || path.extension().is_some_and(|ending| ending == part.ending))
        .collect();
    files.sort();
    let most = part.files.min(files.len());
    (0..most).map(|n| files[n * files.len() / most].clone()).collect()
}

/// Does `work` for each of `tasks` on a few threads; results in the order of the tasks.
fn each<T: Sync, R: Send>(tasks: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(task) = tasks.get(at)
        {
            done.push((at, work(task)));
        }
        done
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(some)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The files with their phrases.
fn real_files(corpus: &Path) -> Vec<Real> {
    let paths: Vec<(usize, PathBuf)> = PARTS
        .iter()
        .enumerate()
        .flat_map(|(part, known)| {
            files(&corpus.join(known.folder), known).into_iter().map(move |path| (part, path))
        })
        .collect();
    let is_pdf = |path: &Path| path.extension().is_some_and(|ending| ending == "pdf");
    let printed = each(&paths, |(_, path)| if is_pdf(path) { phrase::printed(path) } else { String::new() });
    let of_any_language = paths.iter().zip(&printed).filter(|((part, _), _)| !PARTS[*part].known_language);
    let others: Vec<String> = of_any_language.map(|(_, text)| text.clone()).collect();
    let known = Known::of(corpus, &others);
    let real = |((part, path), text): ((usize, PathBuf), String)| {
        let phrase = if PARTS[part].known_language { known.draw(&text) } else { phrase::any(&text) };
        Real { part, path, phrase }
    };
    paths.into_iter().zip(printed).map(real).collect()
}

/// The id of the file, once it is stored and was read back.
fn send(engine: &Actor, file: &Real) -> String {
    let bytes = std::fs::read(&file.path).unwrap();
    let headers = [("Content-Type", "application/octet-stream")];
    let answer = engine.send("POST", "/v1/documents", &headers, &bytes);
    assert_eq!(answer.status, 201, "{}: {answer:?}", file.path.display());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let content = engine.get(&format!("/v1/documents/{id}/content"));
    assert!(content.body == bytes, "{} came back changed", file.path.display());
    id
}

fn settled(engine: &Actor, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let document = engine.get(&format!("/v1/documents/{id}")).json();
        if document.get("indexedAt").is_some() {
            return document;
        }
        assert!(began.elapsed() < PATIENCE, "{document}");
        // sleeps: the interface has no signal for a change of state
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_found(clerk: &Actor, id: &str, phrase: &str) -> bool {
    let question = json!({"q": format!("\"{phrase}\""), "limit": 100});
    let answer = clerk.post("/v1/search", &question).expect(200);
    answer["hits"].as_array().unwrap().iter().any(|hit| hit["document"] == id)
}

/// Memory of a process and all that it started, in bytes: what several of them share is counted once (Pss).
fn held(process: u32) -> u64 {
    let own = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
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
    own.unwrap_or(0) * 1024 + children.filter(is_extractor).map(held).sum::<u64>()
}

fn watch_memory(process: u32, peak: &AtomicU64, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        peak.fetch_max(held(process), Ordering::Relaxed);
        // sleeps: memory has to be looked at again and again
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What became of the files of one part.
#[derive(Default)]
struct Outcome {
    stored: usize,
    with_words: usize,
    flags: BTreeMap<String, usize>,
    with_text: usize,
    found: usize,
    left_out: usize,
}

impl Outcome {
    fn take(&mut self, clerk: &Actor, file: &Real, id: &str, document: &Value) {
        let words = document["words"].as_u64().unwrap_or(0);
        let flag = document["flag"]["reason"].as_str();
        assert!(flag.is_some() || words > 0, "{document}");
        self.stored += 1;
        self.with_words += usize::from(words > 0);
        flag.into_iter().for_each(|flag| *self.flags.entry(flag.to_owned()).or_default() += 1);
        let name = file.path.file_name().unwrap().display();
        match &file.phrase {
            Phrase::NoText => {}
            Phrase::NoWords(why) => {
                self.left_out += 1;
                println!("left out: {name}: {why}");
            }
            Phrase::Find(phrase) => {
                self.with_text += 1;
                let found = is_found(clerk, id, phrase);
                self.found += usize::from(found);
                if !found {
                    println!("not found: {name} by {phrase:?}; {words} words, flag {flag:?}");
                }
            }
        }
    }
}

fn run(server: &ServerProcess, files: &[Real]) -> Vec<Outcome> {
    let (engine, clerk) = (server.engine(), server.clerk());
    let ids = each(files, |file| send(&engine, file));
    let mut outcomes: Vec<Outcome> = PARTS.iter().map(|_| Outcome::default()).collect();
    for (file, id) in files.iter().zip(&ids) {
        outcomes[file.part].take(&clerk, file, id, &settled(&engine, id));
    }
    outcomes
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
    let files = real_files(&corpus);
    let server = ServerProcess::start();
    let (peak, over, began) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let outcomes = std::thread::scope(|scope| {
        scope.spawn(|| watch_memory(server.id(), &peak, &over));
        let _watching = Watching(&over);
        run(&server, &files)
    });
    let (peak, seconds) = (peak.into_inner(), began.elapsed().as_secs());
    println!("files stored extracted found of left-out flags");
    for (part, of) in PARTS.iter().zip(&outcomes) {
        let Outcome { stored, with_words, flags, with_text, found, left_out } = of;
        println!("{} {stored} {with_words} {found} {with_text} {left_out} {flags:?}", part.folder);
    }
    println!("{seconds} s; server with its children {} MiB at most", peak >> 20);
    for (part, Outcome { with_text, found, left_out, .. }) in PARTS.iter().zip(outcomes) {
        let enough = with_text > 0 && found * 100 >= with_text * part.found_min;
        assert!(enough, "{}: {found} of {with_text}", part.folder);
        assert!(left_out * 20 <= with_text, "{}: {left_out} left out beside {with_text}", part.folder);
    }
    assert!(peak > 10 << 20, "the memory was not read: {peak}");
    assert!(peak < MEMORY_MAX, "{peak}");
    // The same process that was started is still there and well.
    assert_eq!(server.citizen().get("/health/ready").status, 200);
    let (status, ..) = server.terminate();
    assert!(status.success(), "{status}");
}
