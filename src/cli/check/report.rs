//! What was compared, where it differs and what was repaired, for people and for programs. Bounded: of a kind of
//! difference that comes too often the rest is counted.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Value, json};

use super::rule::{Remedy, Rule};

/// Differences of one kind that are kept with their words; more are counted.
pub(super) const KEPT_MAX: usize = 1000;

/// Differences of one kind.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    kept: Vec<(String, String)>,
}

/// What was compared, and where it differs.
#[derive(Debug, Default)]
pub(in crate::cli) struct Report {
    compared: Vec<(&'static str, Option<u64>)>,
    notes: Vec<String>,
    found: BTreeMap<Rule, Found>,
    repaired: Vec<(Rule, u64)>,
}

impl Report {
    /// Notes that something was compared, and how many of it.
    pub(super) fn compared(&mut self, what: &'static str, count: Option<u64>) {
        self.compared.push((what, count));
    }

    /// Notes what is no difference and worth knowing.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Notes a difference of `subject`.
    pub(super) fn differs(&mut self, rule: Rule, subject: impl Display, what: impl Display) {
        let found = self.found.entry(rule).or_default();
        found.count += 1;
        if found.kept.len() < KEPT_MAX {
            found.kept.push((subject.to_string(), what.to_string()));
        }
    }

    /// Whether there is any difference.
    pub(in crate::cli) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether `--repair` has something to do.
    pub(super) fn can_be_repaired(&self) -> bool {
        self.found.keys().any(|rule| rule.is_repaired())
    }

    /// The subjects of a kind of difference that were kept.
    pub(super) fn subjects(&self, rule: Rule) -> impl Iterator<Item = &str> {
        let found = self.found.get(&rule).map(|found| found.kept.as_slice()).unwrap_or_default();
        found.iter().map(|(subject, _)| subject.as_str())
    }

    /// This report after a repair: `before` is what there was. What only a deep look finds stays as it was found.
    pub(super) fn after(mut self, before: Self) -> Self {
        for (rule, found) in before.found {
            let left = self.found.get(&rule).map_or(0, |left| left.count);
            if rule.is_repaired() && left < found.count {
                self.repaired.push((rule, found.count - left));
            }
            if matches!(rule, Rule::DigestWrong | Rule::ObjectDamaged) {
                self.found.insert(rule, found);
            }
        }
        self
    }

    /// The report for programs.
    pub(super) fn json(&self) -> Value {
        let compared = self.compared.iter().map(|(what, count)| json!({"what": what, "count": count}));
        let differences = self.found.iter().flat_map(|(rule, found)| {
            let ((part, name), remedy) = (rule.name(), rule.remedy());
            let (repairable, help) = match remedy {
                Remedy::Repair(help) => (true, help),
                Remedy::ByHand(help) => (false, help),
            };
            found.kept.iter().map(move |(subject, what)| {
                json!({"part": part, "rule": name, "subject": subject, "what": what,
                       "repairable": repairable, "help": help})
            })
        });
        let counts: serde_json::Map<String, Value> =
            self.found.iter().map(|(rule, found)| (rule.name().1.to_owned(), json!(found.count))).collect();
        let repaired = self.repaired.iter().map(|(rule, count)| {
            let (part, name) = rule.name();
            json!({"part": part, "rule": name, "count": count})
        });
        json!({
            "format": 1,
            "clean": self.is_clean(),
            "compared": compared.collect::<Vec<_>>(),
            "notes": self.notes,
            "counts": counts,
            "differences": differences.collect::<Vec<_>>(),
            "repaired": repaired.collect::<Vec<_>>(),
        })
    }

    /// The report for people, line by line.
    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (rule, found) in &self.found {
            let ((part, name), remedy) = (rule.name(), rule.remedy());
            lines.extend(found.kept.iter().map(|(_, what)| format!("{part}: {what}")));
            let more = found.count.saturating_sub(found.kept.len() as u64);
            if more > 0 {
                lines.push(format!("{part}: and {more} more ({name})"));
            }
            lines.push(match remedy {
                Remedy::Repair(help) => format!("  -> --repair: {help}"),
                Remedy::ByHand(help) => format!("  -> {help}"),
            });
        }
        for (rule, count) in &self.repaired {
            let ((part, name), remedy) = (rule.name(), rule.remedy());
            let Remedy::Repair(help) = remedy else { continue };
            lines.push(format!("repaired: {part}: {count} {name} ({help})"));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        let compared = self.compared.iter().map(|(what, count)| match count {
            Some(count) => format!("{count} {what}"),
            None => (*what).to_owned(),
        });
        lines.push(format!("compared: {}", compared.collect::<Vec<_>>().join(", ")));
        lines.push(match self.found.values().map(|found| found.count).sum() {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            many => format!("{many} differences"),
        });
        lines
    }
}
