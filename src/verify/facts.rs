//! What the sealed file says it is: the request row attached as `certificate.json` (AFRelationship Data),
//! compared with who sealed it. Knows no cryptography.

use std::io::Read as _;

use super::problem::Problem;
use super::report::{Document, Role, Signer};
use crate::domain::certificate::Medium;
use crate::issuance::request::CertificateRequest;
use crate::pdf::raw::{Reference, Value};
use crate::pdf::revisions::{Revisions, StructureError};

/// Name of the attachment.
const NAME: &[u8] = b"certificate.json";
/// So many associated files are looked at.
const FILES_MAX: usize = 32;
/// The attachment may be this large.
const FACTS_MAX: u64 = 1024 * 1024;

/// The attached row as revision `as_of` shows it; `None` if the file has no such attachment.
pub(super) fn read(revisions: &Revisions<'_>, as_of: usize) -> Result<Option<CertificateRequest>, Problem> {
    let bad = |e: StructureError| Problem::Facts(e.to_string());
    let Some(stream) = attachment(revisions, as_of).map_err(bad)? else { return Ok(None) };
    let (dict, data) = revisions.stream(stream, as_of).map_err(bad)?;
    let json = match dict.get("Filter") {
        None => data.to_vec(),
        Some(filter) if filter.is_name("FlateDecode") => inflate(data)?,
        Some(_) => return Err(Problem::Facts("an unknown filter".to_owned())),
    };
    CertificateRequest::from_json(&json).map(Some).map_err(|e| Problem::Facts(e.to_string()))
}

fn inflate(data: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut json = Vec::new();
    let mut reader = flate2::read::ZlibDecoder::new(data).take(FACTS_MAX);
    reader.read_to_end(&mut json).map_err(|e| Problem::Facts(e.to_string()))?;
    Ok(json)
}

/// The stream of the first associated file of that name.
fn attachment(revisions: &Revisions<'_>, as_of: usize) -> Result<Option<Reference>, StructureError> {
    let root = revisions.trailer(as_of)?.get("Root").and_then(|v| v.as_reference());
    let Some(root) = root else { return Ok(None) };
    let Some(list) = revisions.dict(root, as_of)?.get("AF") else { return Ok(None) };
    for item in revisions.resolve(list, as_of)?.as_array()?.into_iter().take(FILES_MAX) {
        let specification = revisions.resolve(item, as_of)?.as_dict()?;
        let name = specification.get("UF").or_else(|| specification.get("F"));
        if name.and_then(|v| v.as_string()).is_some_and(|n| is_name(&n)) {
            let Some(files) = specification.get("EF") else { return Ok(None) };
            let files = revisions.resolve(files, as_of)?.as_dict()?;
            return Ok(files.get("F").as_ref().and_then(Value::as_reference));
        }
    }
    Ok(None)
}

fn is_name(raw: &[u8]) -> bool {
    let utf16: Vec<u8> = [0xfe, 0xff].into_iter().chain(NAME.iter().flat_map(|b| [0, *b])).collect();
    raw == NAME || raw == utf16
}

/// What the report shows of the row.
pub(super) fn document(row: &CertificateRequest) -> Document {
    let printers_copy = row.medium == Medium::Paper;
    Document {
        kind: row.kind.to_string(),
        medium: if printers_copy { "paper" } else { "electronic" }.to_owned(),
        title: row.title.clone(),
        office: row.office.name.clone(),
        issued_on: row.issue.day,
        number: row.number.to_string(),
        printers_copy,
    }
}

/// Office and registrar on the page against who sealed it.
pub(super) fn compare(row: &CertificateRequest, signer: &Signer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (printed, organization) = (row.office.name.as_str(), signer.organization.as_str());
    if !(belongs(printed, organization) || belongs(organization, printed)) {
        let (printed, signer) = (printed.to_owned(), organization.to_owned());
        problems.push(Problem::OtherAuthority { printed, signer });
    }
    if row.medium == Medium::Electronic && signer.role == Role::AuthoritySeal {
        problems.push(Problem::NotByAPerson);
    }
    let printed = row.issue.registrar.as_str();
    if signer.role == Role::Registrar
        && !(signer.name == printed || signer.name.ends_with(&format!(" {printed}")))
    {
        let (printed, signer) = (printed.to_owned(), signer.name.clone());
        problems.push(Problem::OtherRegistrar { printed, signer });
    }
    problems
}

/// An office belongs to the authority whose name begins its own: "Musterstadt-Nord" to "Standesamt Musterstadt".
fn belongs(office: &str, authority: &str) -> bool {
    let [office, authority] = [office, authority].map(|n| n.strip_prefix("Standesamt ").unwrap_or(n));
    let rest = office.strip_prefix(authority).filter(|_| !authority.is_empty());
    rest.is_some_and(|rest| !rest.chars().next().is_some_and(char::is_alphanumeric))
}
