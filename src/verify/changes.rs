//! What was added to a file after it was sealed: nothing, only validation data and timestamps (PAdES B-T and
//! later: DSS, and document timestamps in fields without a face), or more. What is not understood is "more".

use std::collections::BTreeSet;

use super::Scope;
use super::report::Changes;
use crate::pdf::raw::{self, Dict, Reference, Value};
use crate::pdf::revisions::{Revisions, StructureError};

/// One revision may add this many fields.
const ADDED_MAX: usize = 32;

/// Looks at every revision after `seal` (an index; 0 is the newest). The error says what is more.
///
/// In one of our own files each new object belongs to a timestamp or to validation data.
pub(super) fn after(revisions: &Revisions<'_>, seal: usize, scope: Scope) -> Result<Changes, String> {
    for index in (0..seal).rev() {
        let update = Update::read(revisions, index)?;
        update.check_trailer()?;
        update.check_objects()?;
        if scope == Scope::Certificate {
            update.check_new()?;
        }
    }
    Ok(if seal == 0 { Changes::None } else { Changes::ValidationData })
}

/// True if the newest catalog leads to validation data (`/DSS`).
pub(super) fn has_validation_data(revisions: &Revisions<'_>) -> bool {
    let root = revisions.trailer(0).ok().and_then(|trailer| trailer.get("Root")?.as_reference());
    let catalog = root.and_then(|root| revisions.dict(root, 0).ok());
    catalog.is_some_and(|catalog| catalog.get("DSS").is_some())
}

/// One later revision against the one before it.
struct Update<'r, 'a> {
    revisions: &'r Revisions<'a>,
    index: usize,
    root: Reference,
    written: Vec<Reference>,
}

fn damaged(error: StructureError) -> String {
    error.to_string()
}

impl<'r, 'a> Update<'r, 'a> {
    /// Reads the revision; its bytes must be its objects and its table, and nothing in between.
    fn read(revisions: &'r Revisions<'a>, index: usize) -> Result<Self, String> {
        let revision = revisions.list().get(index).ok_or("no such revision")?;
        let mut at = revision.span.start;
        let mut written = Vec::new();
        for (entry, span) in revisions.objects(index).map_err(damaged)? {
            if raw::skip_space(revisions.file(), at) != span.start {
                return Err(format!("bytes that belong to no object, at {at}"));
            }
            at = span.end;
            written.push(entry.reference);
        }
        if raw::skip_space(revisions.file(), at) != revision.table_at {
            return Err(format!("bytes that belong to no object, at {at}"));
        }
        if revisions.frees_objects(index) {
            return Err("objects were removed".to_owned());
        }
        let root = revision.trailer.get("Root").and_then(|v| v.as_reference()).ok_or("no /Root")?;
        Ok(Self { revisions, index, root, written })
    }

    fn check_trailer(&self) -> Result<(), String> {
        let before = self.revisions.trailer(self.index + 1).map_err(damaged)?;
        let after = self.revisions.trailer(self.index).map_err(damaged)?;
        for key in ["Root", "Info"] {
            let (old, new) = (before.get(key), after.get(key));
            if old.and_then(|v| v.as_reference()) != new.and_then(|v| v.as_reference()) {
                return Err(format!("the trailer names another /{key}"));
            }
        }
        Ok(())
    }

    fn check_objects(&self) -> Result<(), String> {
        for reference in &self.written {
            if self.revisions.find(reference.number, self.index + 1).is_some() {
                self.check_changed(*reference)?;
            }
        }
        Ok(())
    }

    fn dict(&self, reference: Reference, as_of: usize) -> Result<Dict<'a>, String> {
        self.revisions.dict(reference, as_of).map_err(damaged)
    }

    /// Each object that was not there before is a field of a timestamp, the timestamp, or hangs on `/DSS`.
    fn check_new(&self) -> Result<(), String> {
        let mut known: BTreeSet<Reference> = BTreeSet::new();
        let mut pending = Vec::new();
        let catalog = self.dict(self.root, self.index)?;
        pending.extend(catalog.get("DSS").and_then(|value| value.as_reference()));
        let form = catalog.get("AcroForm").and_then(|v| v.as_dict().ok());
        let fields = form.and_then(|form| form.get("Fields")?.as_array().ok()).unwrap_or_default();
        for field in fields.iter().filter_map(Value::as_reference) {
            known.insert(field);
            known.extend(self.dict(field, self.index)?.get("V").and_then(|value| value.as_reference()));
        }
        while let Some(reference) = pending.pop() {
            if known.insert(reference) {
                let value = self.revisions.value(reference, self.index).map_err(damaged)?;
                references(&value, &mut pending)?;
            }
        }
        let was_there = |r: &Reference| self.revisions.find(r.number, self.index + 1).is_some();
        match self.written.iter().find(|r| !was_there(r) && !known.contains(r)) {
            Some(stray) => Err(format!("object {} belongs to nothing", stray.number)),
            None => Ok(()),
        }
    }

    /// An object that was there before may change in few ways.
    fn check_changed(&self, reference: Reference) -> Result<(), String> {
        let before = self.dict(reference, self.index + 1)?;
        let after = self.dict(reference, self.index)?;
        let changed = changed_keys(&before, &after);
        let of = |name: &str| before.get("Type").is_some_and(|v| v.is_name(name));
        let permitted: &[&str] = if reference == self.root {
            &["AcroForm", "DSS", "Extensions"]
        } else if of("Page") {
            &["Annots"]
        } else {
            &[]
        };
        if let Some(key) = changed.iter().find(|key| !permitted.contains(&key.as_str())) {
            return Err(format!("object {} has another /{key}", reference.number));
        }
        if changed.contains("AcroForm") {
            self.check_form(&before, &after)?;
        }
        if changed.contains("Annots") {
            self.check_list(before.get("Annots"), after.get("Annots"))?;
        }
        Ok(())
    }

    fn check_form(&self, before: &Dict<'a>, after: &Dict<'a>) -> Result<(), String> {
        let form = |catalog: &Dict<'a>| catalog.get("AcroForm").and_then(|v| v.as_dict().ok());
        let (Some(old), Some(new)) = (form(before), form(after)) else {
            return Err("the form was added, removed or moved".to_owned());
        };
        if changed_keys(&old, &new).iter().any(|key| key != "Fields") {
            return Err("the form was changed".to_owned());
        }
        self.check_list(old.get("Fields"), new.get("Fields"))
    }

    /// A list may only grow, by new fields for signatures that show nothing.
    fn check_list(&self, before: Option<Value<'a>>, after: Option<Value<'a>>) -> Result<(), String> {
        let references = |value: Option<Value<'a>>| -> Option<Vec<Reference>> {
            let Some(value) = value else { return Some(Vec::new()) };
            value.as_array().ok()?.iter().map(Value::as_reference).collect()
        };
        let (Some(old), Some(new)) = (references(before), references(after)) else {
            return Err("a list of fields or annotations was replaced".to_owned());
        };
        let added =
            new.strip_prefix(old.as_slice()).ok_or("fields or annotations were removed or reordered")?;
        if added.len() > ADDED_MAX {
            return Err("very many annotations were added".to_owned());
        }
        for reference in added {
            let is_new = self.revisions.find(reference.number, self.index + 1).is_none();
            if !is_new || !is_faceless_timestamp(&self.dict(*reference, self.index)?, self) {
                return Err(format!("annotation {} was added", reference.number));
            }
        }
        Ok(())
    }
}

/// Every reference in a value.
fn references(value: &Value<'_>, found: &mut Vec<Reference>) -> Result<(), String> {
    let unread = |error: raw::RawError| error.to_string();
    if let Some(reference) = value.as_reference() {
        found.push(reference);
    } else if value.bytes().starts_with(b"<<") {
        for (_, inner) in value.as_dict().map_err(unread)?.entries() {
            references(&inner, found)?;
        }
    } else if value.bytes().starts_with(b"[") {
        for inner in value.as_array().map_err(unread)? {
            references(&inner, found)?;
        }
    }
    Ok(())
}

/// A signature field of no extent and without appearance whose value is a document timestamp.
fn is_faceless_timestamp(field: &Dict<'_>, update: &Update<'_, '_>) -> bool {
    let no_extent = || {
        let rect = field.get("Rect")?.as_array().ok()?;
        let [left, bottom, right, top] = rect.as_slice() else { return None };
        Some(left.bytes() == right.bytes() && bottom.bytes() == top.bytes())
    };
    let is_timestamp = || {
        let value = update.dict(field.get("V")?.as_reference()?, update.index).ok()?;
        Some(value.get("SubFilter")?.is_name("ETSI.RFC3161"))
    };
    field.get("Subtype").is_some_and(|v| v.is_name("Widget"))
        && field.get("FT").is_some_and(|v| v.is_name("Sig"))
        && ["AP", "A", "AA", "MK", "Kids"].iter().all(|key| field.get(key).is_none())
        && no_extent() == Some(true)
        && is_timestamp() == Some(true)
}

fn changed_keys(before: &Dict<'_>, after: &Dict<'_>) -> BTreeSet<String> {
    let differs = |name: &&[u8], one: &Dict<'_>, other: &Dict<'_>| {
        let name = String::from_utf8_lossy(name);
        one.get(&name).map(|v| v.bytes()) != other.get(&name).map(|v| v.bytes())
    };
    let names = before.entries().map(|(name, _)| name).chain(after.entries().map(|(name, _)| name));
    let changed = names.filter(|name| differs(name, before, after));
    changed.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
