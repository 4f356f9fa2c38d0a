//! `stammbuch issue`: a registrar orders, releases and fetches one certificate through the interface of the running
//! server, as any other client does: it opens no database and no key.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::CliError;
use crate::app::SystemRandom;
use crate::config::Config;
use crate::domain::digest::Sha256;
use crate::domain::random;

/// Issue a certificate: order, release, seal, log and fetch it in one, through the running server
#[derive(Debug, clap::Args)]
#[command(
    after_help = "ENTRY.json names the entry: {\"register\": \"G\", \"office\": \"09999001\", \"year\": 2024, \
\"number\": \"815\"}. It may also say who asks (\"applicant\"; without it: the person of the entry), \"purpose\", \
\"omit\", \"findings\", and bring the entry's dated copy (\"copy\"), which is then taken in first.

Example:
  stammbuch issue --config site.toml --token-file registrar.token entry.json --kind geburtsurkunde -o urkunde.pdf"
)]
pub(super) struct Args {
    /// Settings (TOML) of the installation whose server runs
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// File with a registrar's bearer token
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The entry (JSON)
    #[arg(value_name = "ENTRY.json")]
    entry: PathBuf,
    /// The kind of certificate, such as geburtsurkunde
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// Where to write the certificate; nothing is overwritten
    #[arg(short, long, value_name = "OUT.pdf")]
    output: PathBuf,
}

/// What may stand in ENTRY.json beside the address.
const BESIDE: [&str; 4] = ["applicant", "purpose", "omit", "findings"];

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let config = Config::load(&args.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    if args.output.exists() {
        return Err(CliError::BadInput(format!("{} exists", args.output.display())));
    }
    let token = read(&args.token_file)?;
    let entry: Map<String, Value> = serde_json::from_str(&read(&args.entry)?)
        .map_err(|error| CliError::BadInput(format!("{}: {error}", args.entry.display())))?;
    let caller = Caller::new(format!("http://{}", config.listen), token.trim());
    if let Some(copy) = entry.get("copy") {
        caller.send("PUT", &address(&entry)?, None, Some(copy))?;
    }
    let issued = caller.send("POST", "/v1/certificates", Some(&key()), Some(&order(args, &entry)))?;
    let issued: Value = serde_json::from_slice(&issued).map_err(CliError::failed)?;
    let text = |name: &str| issued.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pdf = caller.send("GET", &format!("/v1/certificates/{}/pdf?revision=1", text("id")), None, None)?;
    if Sha256::of(&pdf).to_string() != text("sha256") {
        return Err(CliError::failed(std::io::Error::other(
            "the file does not have the digest it was issued with",
        )));
    }
    write_new(&args.output, &pdf)?;
    println!("{issued}");
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::BadInput(format!("{}: {error}", path.display())))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path).map_err(CliError::failed)?;
    file.write_all(bytes).map_err(CliError::failed)
}

/// A key of its own for each run: a certificate is issued each time the command is given.
fn key() -> String {
    format!("issue-{}", hex::encode(random::bytes::<16>(&SystemRandom::new())))
}

fn order(args: &Args, entry: &Map<String, Value>) -> Value {
    let mut order = Map::new();
    order.insert(
        "entry".into(),
        json!({
            "register": entry.get("register"), "office": entry.get("office"),
            "year": entry.get("year"), "number": entry.get("number"),
        }),
    );
    order.insert("kind".into(), args.kind.as_str().into());
    order.insert("applicant".into(), json!({ "relation": "person", "over16": true }));
    for name in BESIDE {
        if let Some(value) = entry.get(name) {
            order.insert(name.into(), value.clone());
        }
    }
    order.into()
}

/// The path of the entry. What is no address is refused by the server, which knows the rules.
fn address(entry: &Map<String, Value>) -> Result<String, CliError> {
    let mut path = "/v1/entries".to_owned();
    for name in ["register", "office", "year", "number"] {
        let part = match entry.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Err(CliError::BadInput(format!("the entry has no {name}"))),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if part.is_empty() || !part.chars().all(plain) {
            return Err(CliError::BadInput(format!("{part:?} is no {name} of an entry")));
        }
        path.push('/');
        path.push_str(&part);
    }
    Ok(path)
}

/// A registrar's way to the server.
struct Caller {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Caller {
    fn new(url: String, token: &str) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, url, token: token.to_owned() }
    }

    /// Sends, and gives the body of a good answer; a problem becomes the error, in its own words.
    fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, CliError> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body.into_bytes()).map_err(CliError::failed)?;
        let mut answer = self.agent.run(request).map_err(CliError::failed)?;
        let bytes =
            answer.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(CliError::failed)?;
        if answer.status().is_success() {
            return Ok(bytes);
        }
        let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let words = ["title", "rule", "detail"].map(|name| problem.get(name).and_then(Value::as_str));
        let words: Vec<&str> = words.into_iter().flatten().collect();
        Err(CliError::failed(std::io::Error::other(format!("{}: {}", answer.status(), words.join(" · ")))))
    }
}
