//! What an authority has beside its documents: entries, orders, certificates with their revisions and proofs, journal,
//! erasures and audit trail, each a table of its own.

use serde_json::Value;

use super::super::bag::Kept;
use super::super::report::{Outcome, Record};
use super::super::service::Answer;
use super::super::tables::{ENTRIES, Kind, write_line};
use super::{Export, ExportError, Run, Trail, in_parallel, record, sharded, text};

/// The tables that only say how it was: an import does not take them over.
const TABLES: [(&str, &str, &str); 4] = [
    ("orders", "records/orders.jsonl", "stammbuch/orders/v1"),
    ("journal", "records/journal.jsonl", "stammbuch/journal/v1"),
    ("erasures", "records/erasures.jsonl", "stammbuch/erasures/v1"),
    ("audit", "records/audit.jsonl", "stammbuch/audit/v1"),
];
const CERTIFICATES: (&str, &str) = ("records/certificates.jsonl", "stammbuch/certificates/v1");

impl Export {
    /// All of it but the documents.
    pub(super) fn records(
        &self,
        run: &mut Run<'_>,
        authority: &Value,
        until: &str,
    ) -> Result<(), ExportError> {
        let mut about = run.bag.begin("authority.json").map_err(|error| self.disk(error))?;
        write_line(&mut about, authority).map_err(|error| self.disk(error))?;
        self.end_table(run, about, "records/authority.json")?;
        self.rows(run, "entries", ENTRIES, Kind::ENTRIES, until)?;
        for (part, path, format) in TABLES {
            if part != "audit" || self.trail == Trail::With {
                self.rows(run, part, path, Kind(format), until)?;
            }
        }
        self.certificates(run, until)
    }

    fn rows(
        &self,
        run: &mut Run<'_>,
        part: &str,
        path: &str,
        kind: Kind,
        until: &str,
    ) -> Result<(), ExportError> {
        let mut table = self.table(&run.bag, &format!("{part}.jsonl"), kind)?;
        let mut after = None;
        loop {
            let (items, next) = self.page(part, until, after.as_deref())?;
            let written = items.iter().try_for_each(|item| write_line(&mut table, item));
            written.map_err(|error| self.disk(error))?;
            let Some(next) = next else { break };
            after = Some(next);
        }
        self.end_table(run, table, path)
    }

    fn certificates(&self, run: &mut Run<'_>, until: &str) -> Result<(), ExportError> {
        let (path, format) = CERTIFICATES;
        let mut table = self.table(&run.bag, "certificates.jsonl", Kind(format))?;
        let mut after = None;
        loop {
            let (items, next) = self.page("certificates", until, after.as_deref())?;
            let files = in_parallel(&items, self.places, |item| self.certificate(&run.bag, item));
            for (item, files) in items.iter().zip(files) {
                write_line(&mut table, item).map_err(|error| self.disk(error))?;
                let id = text(item, "id").unwrap_or_default();
                let at = format!("records/certificates/{}", sharded(&id));
                let noted = match files? {
                    Ok(kept) => {
                        let noted = kept.iter().try_for_each(|kept| run.bag.note(kept));
                        noted.map_err(|error| self.disk(error))?;
                        record(&at, &kept, Some(&id))
                    }
                    Err(answer) => {
                        Record::of(&at, 0, Outcome::Refused).because(answer.problem_name(), answer.problem())
                    }
                };
                run.note(&noted)?;
            }
            let Some(next) = next else { break };
            after = Some(next);
        }
        self.end_table(run, table, path)
    }

    /// All revisions of a certificate and the proof that it is in the log.
    fn certificate(&self, bag: &super::Bag, item: &Value) -> Result<Result<Vec<Kept>, Answer>, ExportError> {
        let id = text(item, "id").ok_or(ExportError::Unexpected("a certificate without id"))?;
        let first = text(item, "sha256").and_then(|text| text.parse().ok());
        let revisions = item.get("revisions").and_then(Value::as_u64).unwrap_or(1);
        let at = format!("records/certificates/{}", sharded(&id));
        let mut all = Vec::new();
        for revision in 1..=revisions {
            let from = format!("/v1/certificates/{id}/pdf?revision={revision}");
            let expected = first.filter(|_| revision == 1);
            match self.download(bag, &from, &format!("{at}/revision-{revision}.pdf"), expected)? {
                Ok(kept) => all.push(kept),
                Err(answer) => return Ok(Err(answer)),
            }
        }
        let from = format!("/v1/certificates/{id}/proof");
        match self.download(bag, &from, &format!("{at}/{id}.tlog-proof"), None)? {
            Ok(kept) => all.push(kept),
            Err(answer) => return Ok(Err(answer)),
        }
        Ok(Ok(all))
    }
}
