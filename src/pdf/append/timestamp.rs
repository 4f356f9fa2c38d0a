//! Revisions after the seal: a document timestamp (PAdES, EN 319 142-1, 5.4.3) in a field of its own that shows
//! nothing, so that neither the tag tree nor the page is touched. Pure: same input, same bytes.

use super::update::Update;
use super::{AppendError, Prepared, annotations_with, first_page, new, next_number, reference_in, widget};
use crate::pdf::raw::Dict;
use crate::pdf::revisions::Revisions;

/// Appends a revision with an empty document timestamp to a file that is sealed. `room`: of its hole, bytes of DER.
///
/// # Errors
/// [`AppendError`]: the file is not one that this appender extends.
pub fn prepare(file: &[u8], room: usize) -> Result<Prepared, AppendError> {
    let revisions = Revisions::read(file)?;
    let trailer = revisions.trailer(0)?;
    let root = reference_in(trailer, "trailer", "Root")?;
    let catalog = revisions.dict(root, 0)?;
    let (page, page_dict) = first_page(&revisions, &catalog)?;
    let (form, known) = form(&catalog)?;
    let size = next_number(trailer)?;
    let (stamp, field) = (size, size + 1);

    let mut update = Update::new(&revisions, room);
    let mut fields = String::from("[");
    known.iter().for_each(|reference| fields.push_str(&format!("{reference} ")));
    fields.push_str(&format!("{field} 0 R]"));
    let form = String::from_utf8_lossy(&form.with(&[("Fields", fields)])).into_owned();
    update.object(root, &catalog.with(&[("AcroForm", form)]));
    let annotations = annotations_with(&revisions, &page_dict, field)?;
    update.object(page, &page_dict.with(&[("Annots", annotations)]));
    let name = format!("Zeitstempel {}", known.len());
    update.object(new(field), &widget(&name, "Zeitstempel", stamp, page));
    let head = "<</Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161/V 0";
    let slots = update.signature(new(stamp), head, room);
    update.finish(size + 2, &slots)
}

/// The form of a sealed file, and its fields.
fn form<'a>(catalog: &Dict<'a>) -> Result<(Dict<'a>, Vec<String>), AppendError> {
    let lacks = |key| AppendError::Lacks { place: "catalog", key };
    let form = catalog.get("AcroForm").and_then(|v| v.as_dict().ok()).ok_or(lacks("AcroForm"))?;
    let fields = form.get("Fields").and_then(|v| v.as_array().ok()).ok_or(lacks("Fields"))?;
    let references: Option<Vec<_>> = fields.iter().map(|field| field.as_reference()).collect();
    let references = references.filter(|list| !list.is_empty()).ok_or(lacks("Fields"))?;
    Ok((form, references.iter().map(|r| format!("{} {} R", r.number, r.generation)).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::certification;
    use super::super::{TooBig, certify};
    use super::*;
    use crate::pdf::revisions::tests::tiny_pdf;

    fn sealed() -> Vec<u8> {
        certify(&tiny_pdf(), &certification()).unwrap().fill(&[1; 9]).unwrap()
    }

    #[test]
    fn each_timestamp_is_a_field_of_its_own_and_leaves_every_earlier_byte() {
        let mut file = sealed();
        for count in 1..=20 {
            let prepared = prepare(&file, 50).unwrap();
            assert_eq!(prepared, prepare(&file, 50).unwrap());
            let longer = prepared.fill(&[2; 50]).unwrap();
            assert!(longer.starts_with(&file));
            let revisions = Revisions::read(&longer).unwrap();
            assert_eq!(revisions.list().len(), 2 + count);
            let root = reference_in(revisions.trailer(0).unwrap(), "trailer", "Root").unwrap();
            let catalog = revisions.dict(root, 0).unwrap();
            let (form, fields) = form(&catalog).unwrap();
            assert_eq!(fields.len(), 1 + count);
            assert_eq!(form.get("SigFlags").unwrap().as_number(), Some(3));
            let perms = catalog.get("Perms").unwrap().as_dict().unwrap();
            assert_eq!(perms.get("DocMDP").unwrap().as_reference(), Some(new(5)));
            file = longer;
        }
    }

    #[test]
    fn a_file_without_seal_gets_no_timestamp_and_a_token_must_fit() {
        let bare = prepare(&tiny_pdf(), 50).err();
        assert_eq!(bare, Some(AppendError::Lacks { place: "catalog", key: "AcroForm" }));
        let over = prepare(&sealed(), 50).unwrap().fill(&[0; 51]);
        assert_eq!(over, Err(TooBig { bytes: 51, room: 50 }));
    }
}
