//! Fills the demo through its own HTTP interface: entries and evidence, the same each time; what is there stays.

use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Request, member};
use super::evidence::{self, EvidenceError};
use super::setup::{Entry, Tokens};

const ENTRIES: &str = include_str!("../../../config/demo/entries.json");
/// How often a state is asked for while waiting.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How often at most.
const ASKS_MAX: u32 = 3_000;

/// An entry of the sample register.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    pub(super) register: String,
    pub(super) office: String,
    pub(super) year: i16,
    pub(super) number: String,
    /// What it is an example of.
    pub(super) shows: String,
    pub(super) kinds: Vec<String>,
    fields: Value,
    #[serde(default)]
    subsequent: Vec<Value>,
    #[serde(default)]
    locks: Vec<Value>,
}

/// The demo could not be filled.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    /// The service refused something.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file could not be made.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A document did not become findable.
    #[error("{0} is not findable: {1}")]
    NotIndexed(String, Value),
}

impl Sample {
    /// All samples.
    pub(super) fn all() -> Result<Vec<Self>, serde_json::Error> {
        serde_json::from_str(ENTRIES)
    }

    /// As `demo.json` lists it.
    pub(super) fn listed(&self) -> Entry {
        Entry {
            register: self.register.clone(),
            office: self.office.clone(),
            year: self.year,
            number: self.number.clone(),
            kinds: self.kinds.clone(),
        }
    }

    pub(super) fn path(&self) -> String {
        format!("/v1/entries/{}/{}/{}/{}", self.register, self.office, self.year, self.number)
    }

    /// The body of the `PUT`: the copy of the entry as of `day`.
    pub(super) fn copy(&self, day: Date) -> Value {
        json!({
            "asOf": day,
            "source": "Registerverfahren Musterstadt",
            "fields": self.fields,
            "subsequent": self.subsequent,
            "locks": self.locks,
        })
    }

    /// The body of an order for it.
    pub(super) fn order(&self, kind: &str) -> Value {
        json!({
            "entry": {
                "register": self.register, "office": self.office, "year": self.year, "number": self.number,
            },
            "kind": kind,
            "purpose": "Antrag auf Elterngeld",
            "applicant": {"relation": "vorfahre", "over16": true},
            "businessKey": "demo",
        })
    }
}

/// Puts the entries as of `day`. A copy that is there already is not an error.
pub(super) fn entries(
    client: &Client,
    tokens: &Tokens,
    samples: &[Sample],
    day: Date,
) -> Result<usize, PrepareError> {
    for sample in samples {
        let path = sample.path();
        let answer = client.send(Request::json("PUT", &path, &tokens.registrar, &sample.copy(day)))?;
        if !matches!(answer.status, 200 | 201 | 204 | 409) {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(ClientError::Status {
                what: format!("PUT {path}"),
                expected: 201,
                got: answer.status,
                body,
            }
            .into());
        }
    }
    Ok(samples.len())
}

/// Uploads the evidence; a repetition is answered as the first time. `tell` hears of each file.
/// Gives the addresses of the documents.
pub(super) fn upload(
    client: &Client,
    tokens: &Tokens,
    tell: &dyn Fn(&str),
) -> Result<Vec<String>, PrepareError> {
    let mut addresses = Vec::new();
    for (number, file) in evidence::files()?.into_iter().enumerate() {
        tell(&file.file_name);
        let query: Vec<String> = [
            ("title", &file.title),
            ("kind", &file.kind),
            ("reference", &file.reference),
            ("date", &file.date),
        ]
        .into_iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
        let path = format!("/v1/documents?{}", query.join("&"));
        let upload = Request {
            method: "POST",
            path: &path,
            token: Some(&tokens.engine),
            headers: vec![
                ("Content-Type", file.media_type.to_owned()),
                ("Content-Disposition", format!("attachment; filename*=UTF-8''{}", percent(&file.file_name))),
                ("Idempotency-Key", format!("demo-evidence-{number}")),
            ],
            body: file.bytes,
        };
        let id = client.json(201, upload)?;
        addresses.push(format!("/v1/documents/{}", member(&id, "id").as_str().unwrap_or_default()));
    }
    Ok(addresses)
}

/// Waits until each document is findable, or flagged with a reason. Gives how many are flagged.
pub(super) fn findable(
    client: &Client,
    tokens: &Tokens,
    addresses: &[String],
) -> Result<usize, PrepareError> {
    let mut flagged = 0;
    for address in addresses {
        let mut state = Value::Null;
        let settled = (0..ASKS_MAX).any(|_| {
            state = client.json(200, Request::get(address, &tokens.clerk)).unwrap_or_default();
            let indexed = !member(&state, "indexedAt").is_null();
            if !indexed {
                // sleeps: over HTTP nothing tells when a document becomes findable
                std::thread::sleep(ASK_EVERY);
            }
            indexed
        });
        if !settled {
            return Err(PrepareError::NotIndexed(address.clone(), state));
        }
        flagged += usize::from(!member(&state, "flag").is_null());
    }
    Ok(flagged)
}

/// Percent-encodes all but unreserved characters (RFC 3986, 2.3).
pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{EntryCopy, Register};

    #[test]
    fn every_sample_is_a_copy_the_register_takes() {
        for sample in Sample::all().unwrap() {
            let copy = sample.copy(jiff::civil::date(2026, 11, 24)).to_string();
            EntryCopy::from_json(Register::G, copy.as_bytes()).unwrap();
        }
    }

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(percent("StA 12/ä"), "StA%2012%2F%C3%A4");
    }
}
