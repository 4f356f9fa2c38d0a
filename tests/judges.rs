//! Judges we did not write, on certificates the demo issued through its HTTP interface: veraPDF, EU DSS, Tessera's
//! fsck and poppler. `tests/run` installs them and names them in the environment; without them these tests say that
//! they skip. Each judge must also reject a damaged copy.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// What the demo issued: one PDF for each entry and kind it offers.
pub(crate) struct Issued {
    folder: tempfile::TempDir,
    demo: Value,
    certificates: Vec<Certificate>,
}

struct Certificate {
    file: PathBuf,
    entry: Value,
}

impl Issued {
    /// `demo.json`.
    pub(crate) fn demo(&self) -> &Value {
        &self.demo
    }

    /// The certificates.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.certificates.iter().map(|certificate| certificate.file.clone()).collect()
    }
}

/// The demo as a process; ended by its pid when dropped.
pub(crate) struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn issued() -> &'static Issued {
    static ISSUED: OnceLock<Issued> = OnceLock::new();
    ISSUED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (running, _) = start(folder.path());
        let demo: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("demo.json")).unwrap()).unwrap();
        let mut certificates = Vec::new();
        for entry in demo["entries"].as_array().unwrap() {
            for kind in entry["kinds"].as_array().unwrap() {
                let file = folder.path().join(format!("certificate-{}.pdf", certificates.len()));
                std::fs::write(&file, issue(&demo, entry, kind.as_str().unwrap())).unwrap();
                certificates.push(Certificate { file, entry: entry.clone() });
            }
        }
        drop(running);
        assert!(certificates.len() >= 8, "the demo offers {} certificates", certificates.len());
        Issued { folder, demo, certificates }
    })
}

/// Starts the demo and waits until it is ready; gives what it printed.
pub(crate) fn start(folder: &Path) -> (Demo, Vec<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["demo", "--listen", "127.0.0.1:0", "--dir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let demo = Demo(child);
    let mut printed = Vec::new();
    for line in lines.lines().map_while(Result::ok) {
        printed.push(line);
        if printed.last().is_some_and(|line| line.starts_with("Ready: ")) {
            return (demo, printed);
        }
    }
    panic!("the demo ended before it was ready: {printed:?}");
}

fn issue(demo: &Value, entry: &Value, kind: &str) -> Vec<u8> {
    let url = demo["url"].as_str().unwrap();
    let bearer = format!("Bearer {}", demo["tokens"]["registrar"].as_str().unwrap());
    let medium = if kind == "geburtsurkunde" { "paper" } else { "electronic" };
    let address = json!({
        "register": entry["register"], "office": entry["office"], "year": entry["year"], "number": entry["number"],
    });
    let order = json!({
        "entry": address, "kind": kind, "medium": medium, "omit": [], "purpose": "Prüfung durch Dritte",
        "applicant": {"relation": "vorfahre", "over16": true}, "businessKey": "judges",
    });
    let mut answer = ureq::post(format!("{url}/v1/certificates"))
        .config()
        .http_status_as_error(false)
        .build()
        .header("Authorization", &bearer)
        .header(
            "Idempotency-Key",
            &format!("judges-{}-{}-{kind}", entry["year"], entry["number"].as_str().unwrap()),
        )
        .send_json(&order)
        .unwrap();
    let body: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer.status(), 201, "{body}");
    let id = body["id"].as_str().unwrap();
    let mut pdf =
        ureq::get(format!("{url}/v1/certificates/{id}/pdf")).header("Authorization", &bearer).call().unwrap();
    pdf.body_mut().read_to_vec().unwrap()
}

/// The command of a judge, one word a line in the variable; `None`, said, where it is not at hand.
fn judge(variable: &str) -> Option<Command> {
    let Some(words) = std::env::var_os(variable) else {
        println!("skipped: {variable} names no judge (tests/run does)");
        return None;
    };
    let words = words.into_string().unwrap();
    let mut words = words.lines();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    Some(command)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A copy in which `from`, where it stands last, is replaced by `to` of the same length.
fn damaged(original: &Path, from: &[u8], to: &[u8]) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(original).unwrap();
    let at = bytes.windows(from.len()).rposition(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    let copy = original.with_extension(format!("damaged-{at}.pdf"));
    std::fs::write(&copy, bytes).unwrap();
    copy
}

#[test]
fn verapdf_finds_every_certificate_conforming_to_pdf_a_3a_and_pdf_ua_1() {
    let Some(mut verapdf) = judge("STAMMBUCH_JUDGE_VERAPDF") else { return };
    let issued = issued();
    let verdicts = text(&verapdf.arg("3a,ua1").args(issued.files()).output().unwrap());
    let passed = verdicts.lines().filter(|line| line.starts_with("PASS ")).count();
    assert_eq!(passed, 2 * issued.certificates.len(), "{verdicts}");
    assert_eq!(verdicts.lines().count(), passed, "{verdicts}");
}

#[test]
fn verapdf_rejects_a_damaged_copy() {
    let Some(mut verapdf) = judge("STAMMBUCH_JUDGE_VERAPDF") else { return };
    let copy = damaged(&issued().certificates[0].file, b"/MarkInfo", b"/MarkInfx");
    let output = verapdf.arg("3a,ua1").arg(copy).output().unwrap();
    assert!(!output.status.success() && text(&output).contains("FAIL 3a"), "{}", text(&output));
}

#[test]
fn dss_finds_every_seal_totally_passed_at_baseline_b() {
    let Some(mut dss) = judge("STAMMBUCH_JUDGE_DSS") else { return };
    let issued = issued();
    let output = dss.arg(issued.demo["ca"].as_str().unwrap()).args(issued.files()).output().unwrap();
    let verdicts = text(&output);
    assert!(output.status.success(), "{verdicts}");
    assert_eq!(verdicts.lines().count(), issued.certificates.len(), "one signature each: {verdicts}");
    for line in verdicts.lines() {
        for fact in [
            "indication=TOTAL_PASSED",
            "level=PAdES-BASELINE-B",
            "intact=true",
            "modified=false",
            "undefinedChanges=0",
            "byteRangeValid=true",
            "errors=[]",
        ] {
            assert!(line.split('\t').any(|each| each == fact), "{fact} is not in {line}");
        }
    }
}

#[test]
fn dss_rejects_a_damaged_copy() {
    let Some(mut dss) = judge("STAMMBUCH_JUDGE_DSS") else { return };
    let copy = damaged(&issued().certificates[0].file, b"/Lang", b"/Lung");
    let output = dss.arg(issued().demo["ca"].as_str().unwrap()).arg(copy).output().unwrap();
    assert!(text(&output).contains("indication=TOTAL_FAILED"), "{}", text(&output));
}

#[test]
fn tessera_reads_the_whole_log_and_finds_it_consistent() {
    let Some(mut fsck) = judge("STAMMBUCH_JUDGE_FSCK") else { return };
    let issued = issued();
    let log = PathBuf::from(issued.demo["logDir"].as_str().unwrap());
    let verdict = text(&audit(&mut fsck, issued, &log));
    assert!(verdict.contains("Successfully fsck'd"), "{verdict}");
}

#[test]
fn tessera_rejects_a_log_with_a_changed_entry() {
    let Some(mut fsck) = judge("STAMMBUCH_JUDGE_FSCK") else { return };
    let issued = issued();
    let copy = issued.folder.path().join("log-copy");
    copy_folder(Path::new(issued.demo["logDir"].as_str().unwrap()), &copy);
    let bundle = first_file(&copy.join("tile/entries"));
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let verdict = text(&audit(&mut fsck, issued, &copy));
    assert!(verdict.contains("Fsck: checking log"), "it did not begin: {verdict}");
    assert!(!verdict.contains("Successfully fsck'd"), "{verdict}");
}

/// Its exit code says nothing, and a single worker can hang: so the words count, and `timeout` ends it.
fn audit(fsck: &mut Command, issued: &Issued, log: &Path) -> Output {
    let key = issued.folder.path().join("judge.vkey");
    std::fs::write(&key, issued.demo["logKey"].as_str().unwrap()).unwrap();
    Command::new("timeout")
        .arg("60")
        .arg(fsck.get_program())
        .arg(format!("--storage_url=file://{}/", log.display()))
        .arg(format!("--public_key={}", key.display()))
        .args(["--ui=false", "--N=8"])
        .output()
        .unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The newest partial bundle of a small log lies in the deepest folder.
fn first_file(folder: &Path) -> PathBuf {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok()));
    let last = entries.pop().unwrap();
    if last.is_dir() { first_file(&last) } else { last }
}

#[test]
fn poppler_copies_out_each_name_code_point_by_code_point() {
    let Some(mut pdftotext) = judge("STAMMBUCH_JUDGE_POPPLER") else { return };
    let program = pdftotext.arg("-raw").get_program().to_owned();
    let copies = entries();
    for certificate in &issued().certificates {
        let page =
            text(&Command::new(&program).arg("-raw").arg(&certificate.file).arg("-").output().unwrap());
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for (field, value) in values(&copies, &certificate.entry) {
            assert!(words.contains(&value), "field {field}: {value:?} is not in {words}");
        }
    }
}

#[test]
fn poppler_does_not_find_a_name_that_is_not_there() {
    let Some(mut pdftotext) = judge("STAMMBUCH_JUDGE_POPPLER") else { return };
    let program = pdftotext.get_program().to_owned();
    let page = text(&pdftotext.arg(&issued().certificates[0].file).arg("-").output().unwrap());
    assert!(page.contains("Jörgine") && !page.contains("Jorgine"), "{page}");
    assert!(page.contains("Erika Beispiel, Standesbeamtin") && !page.contains("Standesbeamter"), "{page}");
    // A copy whose fonts have lost their way back to Unicode is not read as the names.
    let copy = damaged(&issued().certificates[0].file, b"/ToUnicode", b"/ToUnicodf");
    let page = text(&Command::new(&program).arg(copy).arg("-").output().unwrap());
    assert!(!page.contains("Geburtsname"), "{page}");
}

fn entries() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/entries.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The names that the certificate of `entry` prints: of child and parents, as they are now.
fn values(copies: &[Value], entry: &Value) -> Vec<(String, String)> {
    let copy = copies
        .iter()
        .find(|copy| ["office", "year", "number"].iter().all(|part| copy[part] == entry[part]))
        .unwrap();
    let mut facts = copy["fields"].as_object().unwrap().clone();
    for subsequent in copy["subsequent"].as_array().into_iter().flatten() {
        facts.extend(subsequent["fields"].as_object().unwrap().clone());
    }
    let printed = ["1101", "1102", "1201", "1202", "1203", "1301", "1302", "1303"];
    let found: Vec<(String, String)> = printed
        .into_iter()
        .filter_map(|field| Some((field.to_owned(), facts.get(field)?.as_str()?.to_owned())))
        .collect();
    assert!(found.len() >= 4);
    found
}
