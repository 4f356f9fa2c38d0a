//! `demo --once`: the main job against the demo's own HTTP interface, one JSON line a step.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::client::{Client, Request, member};
use super::prepare::{self, Sample, percent};
use super::setup::Demo;

type Facts = Map<String, Value>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One line of the output.
#[derive(Serialize)]
struct Line<'a> {
    step: &'a str,
    ok: bool,
    ms: u64,
    #[serde(flatten)]
    facts: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The run: what it talks to, and whether all has held so far.
pub(super) struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) demo: &'a Demo,
    pub(super) folder: &'a Path,
    pub(super) now: Timestamp,
    pub(super) ok: bool,
}

impl Run<'_> {
    /// Does a step and prints its line. After one that failed, later ones that need it fail too.
    pub(super) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Self, &mut Facts) -> Result<T, Failure>,
    ) -> Option<T> {
        let began = Instant::now();
        let mut facts = Facts::new();
        let outcome = work(self, &mut facts);
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let error = outcome.as_ref().err().map(ToString::to_string);
        let line = Line { step: name, ok: outcome.is_ok(), ms, facts, error };
        println!("{}", serde_json::to_string(&line).unwrap_or_default());
        self.ok &= outcome.is_ok();
        outcome.ok()
    }

    /// Everything after preparing: find, order, release, deliver, verify, and a refusal.
    pub(super) fn main_job(&mut self, samples: &[Sample]) {
        self.step("search", search);
        let sample = samples.iter().find(|sample| !sample.kinds.is_empty());
        let refused = samples.iter().find(|sample| sample.kinds.is_empty());
        let order =
            self.step("order", |run, facts| order(run, sample.ok_or("no entry to order from")?, facts));
        let issued =
            self.step("release", |run, facts| release(run, order.as_deref().ok_or("no order")?, facts));
        let issued = issued.as_ref();
        self.step("deliver", |run, facts| deliver(run, issued.ok_or("no certificate")?, facts));
        self.step("verify file", verify_file);
        self.step("verify number", |run, facts| verify_number(run, issued.ok_or("no certificate")?, facts));
        self.step("refuse", |run, facts| refuse(run, refused.ok_or("no locked entry")?, facts));
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.folder.join("geburtsurkunde.pdf")
    }
}

fn search(run: &Run<'_>, facts: &mut Facts) -> Result<(), Failure> {
    for (question, expected) in [
        ("Mueller", "Jörgine"),
        ("sta 12 / 2024 g 815", "StA 12/2024-G-0815"),
        ("Aufwande Hebamme", "Aufwände"),
    ] {
        let path = format!("/v1/search?q={}", percent(question));
        let found = run.client.json(200, Request::get(&path, &run.demo.tokens.clerk))?;
        let total = member(&found, "total").as_u64().unwrap_or(0);
        facts.insert(question.to_owned(), total.into());
        if total == 0 || !found.to_string().contains(expected) {
            return Err(format!("{question:?} does not find {expected:?}: {found}").into());
        }
    }
    Ok(())
}

fn order(run: &Run<'_>, sample: &Sample, facts: &mut Facts) -> Result<String, Failure> {
    let body = sample.order("geburtsurkunde");
    let request = Request::json("POST", "/v1/orders", &run.demo.tokens.engine, &body)
        .header("Idempotency-Key", format!("demo-order-{}", run.now));
    let answer = run.client.json(202, request)?;
    facts.insert("state".to_owned(), member(&answer, "state").clone());
    facts.insert("entry".to_owned(), sample.path().into());
    text(&answer, "id")
}

fn release(run: &Run<'_>, order: &str, facts: &mut Facts) -> Result<Value, Failure> {
    let path = format!("/v1/orders/{order}/release");
    let request = Request::json("POST", &path, &run.demo.tokens.registrar, &json!({}))
        .header("Idempotency-Key", format!("demo-release-{order}"));
    let issued = run.client.json(201, request)?;
    for fact in ["number", "sha256", "sealDigest", "logIndex", "revision"] {
        facts.insert(fact.to_owned(), member(&issued, fact).clone());
    }
    Ok(issued)
}

fn deliver(run: &Run<'_>, issued: &Value, facts: &mut Facts) -> Result<(), Failure> {
    let path = format!("/v1/certificates/{}/pdf", text(issued, "id")?);
    let pdf = run.client.expect(200, Request::get(&path, &run.demo.tokens.registrar))?.body;
    let digest = crate::domain::digest::Sha256::of(&pdf).to_string();
    if Some(digest.as_str()) != member(issued, "sha256").as_str() {
        return Err(format!("delivered {digest}, issued {}", member(issued, "sha256")).into());
    }
    std::fs::write(run.certificate(), &pdf)?;
    facts.insert("file".to_owned(), run.certificate().display().to_string().into());
    facts.insert("bytes".to_owned(), pdf.len().into());
    Ok(())
}

/// From the file alone, as a stranger would.
fn verify_file(run: &Run<'_>, facts: &mut Facts) -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let output = std::process::Command::new(program)
        .arg("verify")
        .arg(run.certificate())
        .arg("--trust")
        .arg(&run.demo.ca)
        .args(["--log-key", &run.demo.log_key, "--json"])
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("verify said: {}", String::from_utf8_lossy(&output.stderr)))?;
    facts.insert("exit".to_owned(), output.status.code().into());
    for fact in ["verdict", "specimen"] {
        facts.insert(fact.to_owned(), member(&report, fact).clone());
    }
    if output.status.code() != Some(0) || *member(&report, "specimen") != true {
        return Err(format!("the certificate is not found genuine: {report}").into());
    }
    Ok(())
}

fn verify_number(run: &Run<'_>, issued: &Value, facts: &mut Facts) -> Result<(), Failure> {
    let path = format!("/v1/verify/{}", text(issued, "number")?);
    let request = Request { token: None, ..Request::get(&path, "") };
    let answer = run.client.json(200, request)?;
    facts.insert("state".to_owned(), member(&answer, "state").clone());
    if member(&answer, "state") == "unknown" || answer.to_string().contains("Müller") {
        return Err(format!("the number is answered with {answer}").into());
    }
    Ok(())
}

fn refuse(run: &Run<'_>, sample: &Sample, facts: &mut Facts) -> Result<(), Failure> {
    let body = sample.order("geburtsurkunde");
    let request = Request::json("POST", "/v1/certificates", &run.demo.tokens.registrar, &body)
        .header("Idempotency-Key", format!("demo-refuse-{}", run.now));
    let answer = run.client.json(422, request)?;
    facts.insert("entry".to_owned(), sample.path().into());
    facts.insert("rule".to_owned(), member(&answer, "rule").clone());
    if member(&answer, "rule").as_str().is_none_or(|rule| !rule.contains('§')) {
        return Err(format!("refused without a paragraph: {answer}").into());
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> Result<String, Failure> {
    member(value, key).as_str().map(str::to_owned).ok_or_else(|| format!("no {key} in {value}").into())
}

/// Entries, evidence, and that it is findable: the steps before the main job.
pub(super) fn prepare(run: &mut Run<'_>, samples: &[Sample], day: jiff::civil::Date) {
    run.step("entries", |run, facts| {
        let put = prepare::entries(run.client, &run.demo.tokens, samples, day)?;
        facts.insert("entries".to_owned(), put.into());
        Ok(())
    });
    let addresses = run.step("evidence", |run, facts| {
        let addresses = prepare::upload(run.client, &run.demo.tokens, &|_| ())?;
        facts.insert("documents".to_owned(), addresses.len().into());
        Ok(addresses)
    });
    run.step("findable", |run, facts| {
        let flagged = prepare::findable(run.client, &run.demo.tokens, &addresses.ok_or("no documents")?)?;
        facts.insert("flagged".to_owned(), flagged.into());
        Ok(())
    });
}
