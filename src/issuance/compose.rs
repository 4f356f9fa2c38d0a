//! Composing: the request row becomes the page, and nothing else goes in. Pure: same row, same bytes.
//! Set after the picture of the form (labels right-aligned before 70 mm, values behind it); below it, outside
//! the form's area, stand QR code, verification number and remarks. Knows nothing of keys, log and storage.

mod setter;

use std::sync::Arc;

use setter::{Column, Setter, Style};

use super::form::{Form, Rule, UnknownForm};
use super::request::{CertificateRequest, RequestError, Row};
use crate::barcode::qr;
use crate::domain::date::day_in_german;
use crate::pdf::face::{Run, Undrawable};
use crate::pdf::sheet::{self, About, Attachment, Ink, Item, Line, Sheet, SheetError};
use crate::pdf::stationery::{Stationery, Weight};

/// The name of the attached facts.
pub const ATTACHMENT_NAME: &str = "certificate.json";
/// What stands across each page of a specimen, in its title and in its data.
pub const SPECIMEN: &str = "MUSTER · SPECIMEN";

/// Right end of the column of labels, points.
const LABEL_RIGHT: f32 = 194.0;
/// Left end of the column of values: 70.5 mm.
const VALUE_LEFT: f32 = 200.0;
/// Left end of the rules.
const RULE_LEFT: f32 = 77.0;
/// The rules reach just past the labels.
const RULE_WIDTH: f32 = 121.0;
/// Right end of values and remarks.
const RIGHT: f32 = 530.0;
/// Baseline of the title.
const TITLE_Y: f32 = 103.0;
/// From baseline to baseline.
const PITCH: f32 = 17.5;
/// From line to line within a value.
const VALUE_PITCH: f32 = 13.2;
/// The line for the signature; names stay as narrow, since the seal stands beside them.
const SIGNATURE_WIDTH: f32 = 232.0;
/// Baselines stay above this on a page that is followed by another.
const PAGE_END: f32 = 768.0;
/// Where the part outside the form begins, on the last page.
const BLOCK_TOP: f32 = 664.0;
/// Height of the foot on paper (place, signature, name) and electronic.
const FOOT_PAPER: f32 = 118.0;
const FOOT_ELECTRONIC: f32 = 48.0;

const LABEL: Style = Style { weight: Weight::Regular, size: 9.0, ink: Ink::BLACK, standing: true };
const VALUE: Style = Style { weight: Weight::Regular, size: 10.5, ink: Ink::BLACK, standing: false };
const HEADING: Style = Style { weight: Weight::Regular, size: 9.0, ink: Ink::BLACK, standing: true };
const HEADING_BOLD: Style = Style { weight: Weight::Bold, size: 9.0, ink: Ink::BLACK, standing: true };
const TITLE: Style = Style { weight: Weight::Bold, size: 14.0, ink: Ink::BLACK, standing: true };
const NUMBER: Style = Style { weight: Weight::Bold, size: 10.5, ink: Ink::BLACK, standing: false };
const SMALL: Style = Style { weight: Weight::Regular, size: 7.5, ink: Ink(70, 70, 70), standing: false };
const REMARK: Style = Style { standing: true, ..SMALL };
const ACROSS: Style = Style { weight: Weight::Bold, size: 66.0, ink: Ink(241, 203, 203), standing: true };

/// A composed certificate, not yet signed.
#[derive(Debug, Clone)]
pub struct ComposedPdf {
    /// The file: PDF/A-3a and PDF/UA-1, with a line feed at the end.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
}

/// Why a row cannot be composed. Nothing is ever replaced or left out to make it fit.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The typeface has no glyph for a character.
    #[error("{what}: {source}")]
    Undrawable {
        /// The label of the row, with its field numbers in parentheses.
        what: String,
        /// The code points.
        #[source]
        source: Undrawable,
    },
    /// The form is not known, or has no such section.
    #[error(transparent)]
    Form(#[from] UnknownForm),
    /// The row has the wrong shape.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A value needs more than a page.
    #[error("a value of {lines} lines does not fit on a page")]
    TooTall {
        /// About how many lines it has.
        lines: usize,
    },
    /// The verification address is too long.
    #[error(transparent)]
    Code(#[from] qr::TooLong),
    /// The page cannot be written.
    #[error(transparent)]
    Sheet(#[from] SheetError),
}

/// Sets the pages and writes no file: refuses what [`compose`] would refuse for its text, its length or its form.
///
/// # Errors
/// As [`compose`], but for [`ComposeError::Sheet`], which no row that can be set leads to.
pub fn rehearse(request: &CertificateRequest, stationery: &Stationery) -> Result<(), ComposeError> {
    set(request, stationery).map(drop)
}

/// Composes one certificate.
///
/// # Errors
/// [`ComposeError`]: the row cannot be drawn as it is.
pub fn compose(request: &CertificateRequest, stationery: &Stationery) -> Result<ComposedPdf, ComposeError> {
    let sheets = set(request, stationery)?;
    let about =
        About { title: document_title(request), day: request.issue.day, id: request.number.to_string() };
    let facts = Attachment {
        name: ATTACHMENT_NAME.into(),
        media_type: "application/json",
        description: "Die gedruckten Angaben, maschinenlesbar".into(),
        bytes: request.to_json()?,
    };
    let bytes = sheet::write(&sheets, stationery, &about, facts)?;
    Ok(ComposedPdf { bytes, pages: sheets.len() })
}

/// The pages with every text shaped and placed.
fn set(request: &CertificateRequest, stationery: &Stationery) -> Result<Vec<Sheet>, ComposeError> {
    let form = Form::by_id(&request.form)?;
    let mut setter = Setter::new(stationery, request.specimen)?;
    title(&mut setter, request)?;
    sections(&mut setter, request, form)?;
    notes(&mut setter, request, form)?;
    foot(&mut setter, request, form)?;
    verification(&mut setter, request)?;
    setter.finish(&request.title, &request.register_number)
}

fn document_title(request: &CertificateRequest) -> String {
    let title = format!("{} {}", request.title, request.register_number);
    if request.specimen { format!("{SPECIMEN} · {title}") } else { title }
}

fn title(setter: &mut Setter<'_>, request: &CertificateRequest) -> Result<(), ComposeError> {
    let run = setter.shape("title", &request.title, TITLE)?;
    let line = setter.centred(run, TITLE, TITLE_Y);
    setter.place(Item::Heading(1, vec![line]));
    setter.move_to(TITLE_Y + 14.0);
    Ok(())
}

fn sections(setter: &mut Setter<'_>, request: &CertificateRequest, form: &Form) -> Result<(), ComposeError> {
    for section in &request.sections {
        let layout =
            form.section(&section.id).ok_or_else(|| UnknownForm(format!("{}#{}", form.id, section.id)))?;
        setter.keep_together(if section.heading.is_some() { 2.5 * PITCH } else { PITCH })?;
        rule(setter, layout.rule_above);
        if let Some(heading) = &section.heading {
            setter.advance(PITCH);
            let mut lines = Vec::new();
            if let Some(number) = &heading.number {
                lines.push(setter.line("heading", number, HEADING_BOLD, Column::Label)?);
            }
            if !heading.text.is_empty() {
                lines.push(setter.line("heading", &heading.text, HEADING, Column::Value)?);
            }
            setter.place(Item::Heading(2, lines));
        }
        for entry in &section.rows {
            row(setter, entry)?;
        }
    }
    Ok(())
}

fn row(setter: &mut Setter<'_>, row: &Row) -> Result<(), ComposeError> {
    let what = if row.fields.is_empty() {
        row.label.clone()
    } else {
        format!("{} ({})", row.label, row.fields.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let lines = setter.wrap(&what, &row.value, VALUE, RIGHT - VALUE_LEFT)?;
    setter.keep_together(PITCH + height_below_first(&lines))?;
    setter.advance(PITCH);
    let label = setter.line(&what, &row.label, LABEL, Column::Label)?;
    let value = stacked(setter, &lines);
    setter.place(Item::Row(label, value));
    Ok(())
}

/// Sets the lines of a value below each other, the first on the present baseline.
fn stacked(setter: &mut Setter<'_>, runs: &[Arc<Run>]) -> Vec<Line> {
    let mut lines = Vec::new();
    for run in runs {
        if !lines.is_empty() {
            setter.advance(VALUE_PITCH);
        }
        lines.push(setter.set(Arc::clone(run), VALUE, Column::Value));
    }
    lines
}

fn height_below_first(runs: &[Arc<Run>]) -> f32 {
    runs.len().saturating_sub(1) as f32 * VALUE_PITCH
}

fn notes(setter: &mut Setter<'_>, request: &CertificateRequest, form: &Form) -> Result<(), ComposeError> {
    if request.notes.is_empty() {
        return Ok(());
    }
    setter.keep_together(3.0 * PITCH)?;
    rule(setter, form.notes.rule_above);
    setter.advance(PITCH);
    let heading = setter.line("heading", &form.notes.heading, HEADING_BOLD, Column::Value)?;
    setter.place(Item::Heading(2, vec![heading]));
    for note in &request.notes {
        let runs = setter.wrap(&form.notes.heading, note, VALUE, RIGHT - VALUE_LEFT)?;
        setter.keep_together(PITCH + height_below_first(&runs))?;
        setter.advance(PITCH);
        let lines = stacked(setter, &runs);
        setter.place(Item::Paragraph(lines));
    }
    Ok(())
}

fn foot(setter: &mut Setter<'_>, request: &CertificateRequest, form: &Form) -> Result<(), ComposeError> {
    let (issue, labels) = (&request.issue, &form.foot);
    let width = if labels.seal.is_some() { SIGNATURE_WIDTH } else { RIGHT - VALUE_LEFT };
    let place_and_day = format!("{}, {}", issue.place, day_in_german(issue.day));
    let place_and_day = setter.wrap(&labels.place_and_day, &place_and_day, VALUE, width)?;
    let name = format!("{}, {}", issue.registrar, issue.function);
    let name = setter.wrap(&labels.registrar, &name, VALUE, width)?;
    let height = if labels.registrar_caption.is_some() { FOOT_PAPER } else { FOOT_ELECTRONIC };
    setter.keep_before(height + height_below_first(&place_and_day) + height_below_first(&name), BLOCK_TOP)?;
    rule(setter, labels.rule_above);
    setter.advance(PITCH + 4.0);
    let seal_y = setter.y() + 34.0;
    pair(setter, &labels.place_and_day, &place_and_day)?;
    let Some(caption) = &labels.registrar_caption else {
        setter.advance(PITCH);
        return pair(setter, &labels.registrar, &name);
    };
    if let Some(seal) = &labels.seal {
        let centre = (RIGHT - 40.0, seal_y);
        let word = setter.shape("seal", seal, REMARK)?;
        let x = centre.0 - word.width_em() * SMALL.size / 2.0;
        let word = setter.at(word, SMALL, (x, centre.1 + 2.5));
        setter.place(Item::Ring(centre, 42.0));
        setter.place(Item::Paragraph(vec![word]));
    }
    setter.advance(54.0);
    let label = setter.line(&labels.registrar, &labels.registrar, LABEL, Column::Label)?;
    setter.place(Item::Rule((VALUE_LEFT - 2.0, setter.y() + 4.0), SIGNATURE_WIDTH, 1.2));
    setter.advance(PITCH + 2.0);
    let name = stacked(setter, &name);
    setter.place(Item::Row(label, name));
    setter.advance(11.0);
    let caption = setter.line("caption", caption, REMARK, Column::Value)?;
    setter.place(Item::Paragraph(vec![caption]));
    Ok(())
}

fn pair(setter: &mut Setter<'_>, label: &str, value: &[Arc<Run>]) -> Result<(), ComposeError> {
    let head = setter.line(label, label, LABEL, Column::Label)?;
    let value = stacked(setter, value);
    setter.place(Item::Row(head, value));
    Ok(())
}

/// The part below the form: how to verify, and what is said about layout and medium.
fn verification(setter: &mut Setter<'_>, request: &CertificateRequest) -> Result<(), ComposeError> {
    const SIDE: f32 = 88.0;
    setter.move_to(BLOCK_TOP);
    setter.place(Item::Rule((RULE_LEFT, BLOCK_TOP), RIGHT - RULE_LEFT, 0.4));
    let code = qr::encode(&request.verify_url)?;
    let corner = (RULE_LEFT + 6.0, BLOCK_TOP + 17.0);
    setter.place(Item::Code(
        code,
        corner,
        SIDE,
        format!("QR-Code mit der Prüfadresse {}", request.verify_url),
    ));
    setter.advance(24.0);
    let label = setter.line("verification number", "Prüfnummer", LABEL, Column::Value)?;
    let number = setter.shape("verification number", &request.number.to_string(), NUMBER)?;
    let number = setter.at(number, NUMBER, (VALUE_LEFT + 58.0, setter.y()));
    setter.place(Item::Row(label, vec![number]));
    let state = format!(
        "Stand des Eintrags: {} · Ausgabejournal Nr. {}",
        day_in_german(request.as_of),
        request.journal_number
    );
    setter.advance(5.0);
    for text in [format!("Prüfen: {}", request.verify_url), state] {
        let runs = setter.wrap("verification", &text, SMALL, RIGHT - VALUE_LEFT)?;
        paragraph(setter, &runs)?;
    }
    for remark in &request.remarks {
        let runs = setter.wrap("remark", remark, REMARK, RIGHT - VALUE_LEFT)?;
        paragraph(setter, &runs)?;
    }
    Ok(())
}

fn paragraph(setter: &mut Setter<'_>, runs: &[Arc<Run>]) -> Result<(), ComposeError> {
    let mut lines = Vec::new();
    for run in runs.iter() {
        setter.advance(if lines.is_empty() { 11.5 } else { 9.5 });
        lines.push(setter.set(Arc::clone(run), SMALL, Column::Value));
    }
    setter.place(Item::Paragraph(lines));
    Ok(())
}

fn rule(setter: &mut Setter<'_>, rule: Rule) {
    let thickness = match rule {
        Rule::None => return,
        Rule::Thin => 0.6,
        Rule::Heavy => 1.5,
    };
    setter.advance(7.5);
    setter.place(Item::Rule((RULE_LEFT, setter.y()), RULE_WIDTH, thickness));
    setter.advance(-1.5);
}

#[cfg(test)]
mod tests;
