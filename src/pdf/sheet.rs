//! Pages as lists of placed items, and their writing as one PDF/A-3a and PDF/UA-1 file through krilla.
//! Points from the upper left corner of A4. Knows nothing of certificates; draws no clock and no chance.

use std::sync::Arc;

use jiff::civil::Date;
use krilla::Document;
use krilla::SerializeSettings;
use krilla::configure::{Accessibility, Archival, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{Path, PathBuilder, Point, Rect, Size, Transform};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag};

use super::face::Run;
use super::stationery::{EMBLEM_UNITS, Stationery, Weight};
use super::tags::Tags;
use crate::barcode::qr::QrCode;

/// A4 in points.
pub const A4: (f32, f32) = (595.28, 841.89);

/// A colour, sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(pub u8, pub u8, pub u8);

impl Ink {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
}

/// A shaped text at its place.
#[derive(Debug, Clone)]
pub struct Line {
    /// The text and its glyphs.
    pub run: Arc<Run>,
    /// The weight it was shaped in.
    pub weight: Weight,
    /// Size in points.
    pub size: f32,
    /// The left end.
    pub x: f32,
    /// The baseline.
    pub y: f32,
    /// The colour.
    pub ink: Ink,
}

/// What stands on a page, in the order it is read.
#[derive(Debug, Clone)]
pub enum Item {
    /// A heading of level 1 to 6.
    Heading(u16, Vec<Line>),
    /// A row of a table: its header cell and its value. Neighbouring rows make one table.
    Row(Line, Vec<Line>),
    /// A paragraph.
    Paragraph(Vec<Line>),
    /// A paragraph of one line, turned about its middle by degrees (clockwise).
    Slanted(Line, f32),
    /// A QR code: upper left corner, side, and what is said to those who do not see it.
    Code(QrCode, (f32, f32), f32, String),
    /// A ruled line: left end, width, thickness. An ornament, not read out.
    Rule((f32, f32), f32, f32),
    /// A thin circle: centre and radius. An ornament, not read out.
    Ring((f32, f32), f32),
    /// The emblem: upper left corner and side. An ornament, not read out.
    Emblem((f32, f32), f32, Ink),
    /// A line at the foot that is not read out with the text (page numbers).
    Footer(Line),
}

/// One page.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// What stands on it.
    pub items: Vec<Item>,
}

/// What the file says about itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Title.
    pub title: String,
    /// The day it was made.
    pub day: Date,
    /// What tells this document from every other; the file identifier follows from it.
    pub id: String,
}

/// A file carried inside.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Name.
    pub name: String,
    /// Media type.
    pub media_type: &'static str,
    /// What it is, for people.
    pub description: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// A rule of PDF/A-3a or PDF/UA-1 would be broken, or a limit of PDF.
    #[error("the page cannot be written as PDF/A-3a and PDF/UA-1: {0}")]
    Conformance(String),
    /// A size or place that no page can have.
    #[error("a size or place on the page is impossible")]
    Geometry,
}

/// Writes `sheets` as one file. Same input, same bytes. Ends with a line feed after `%%EOF`.
pub fn write(
    sheets: &[Sheet],
    stationery: &Stationery,
    about: &About,
    attachment: Attachment,
) -> Result<Vec<u8>, SheetError> {
    let mut document = Document::new_with(settings()?);
    let mut tags = Tags::new();
    let size = Size::from_wh(A4.0, A4.1).ok_or(SheetError::Geometry)?;
    for (index, sheet) in sheets.iter().enumerate() {
        let mut page = document.start_page_with(PageSettings::new(size));
        draw(sheet, index, page.surface(), stationery, &mut tags)?;
        page.finish();
    }
    document.set_tag_tree(tags.finish());
    let mut outline = Outline::new();
    outline
        .push_child(OutlineNode::new(about.title.clone(), XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
    document.set_outline(outline);
    let day = pdf_day(about.day);
    document.set_metadata(
        Metadata::new()
            .title(about.title.clone())
            .language("de-DE".into())
            .creator("Stammbuch".into())
            .producer("Stammbuch (krilla)".into())
            .creation_date(day)
            .document_id(about.id.clone()),
    );
    document.embed_file(EmbeddedFile {
        path: attachment.name,
        mime_type: MimeType::new(attachment.media_type),
        description: Some(attachment.description),
        association_kind: AssociationKind::Data,
        data: attachment.bytes.into(),
        modification_date: Some(day),
        compress: Some(false),
        location: None,
    });
    let mut bytes = document.finish().map_err(|error| SheetError::Conformance(format!("{error:?}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn draw(
    sheet: &Sheet,
    page: usize,
    surface: Surface<'_>,
    stationery: &Stationery,
    tags: &mut Tags,
) -> Result<(), SheetError> {
    let mut pen = Pen { surface, stationery, ink: None };
    for item in &sheet.items {
        pen.draw(item, page, tags)?;
    }
    pen.surface.finish();
    Ok(())
}

fn settings() -> Result<SerializeSettings, SheetError> {
    let configuration: Configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| SheetError::Conformance(format!("{error:?}")))?;
    // The drawing of the page is not compressed: that takes a sixth of the time of a certificate and saves a
    // quarter of its bytes. Fonts are compressed in any case.
    Ok(SerializeSettings {
        enable_tagging: true,
        compress_content_streams: false,
        configuration,
        ..SerializeSettings::default()
    })
}

fn pdf_day(day: Date) -> DateTime {
    let small = |number: i8| u8::try_from(number).unwrap_or(1);
    DateTime::new(u16::try_from(day.year()).unwrap_or_default())
        .month(small(day.month()))
        .day(small(day.day()))
}

/// Draws items on one page.
struct Pen<'a> {
    surface: Surface<'a>,
    stationery: &'a Stationery,
    ink: Option<Ink>,
}

impl Pen<'_> {
    fn draw(&mut self, item: &Item, page: usize, tags: &mut Tags) -> Result<(), SheetError> {
        match item {
            Item::Heading(level, lines) => {
                let title: String = lines.iter().map(|line| line.run.text()).collect::<Vec<_>>().join(" ");
                let drawn = self.lines(lines);
                tags.heading(*level, title, drawn);
            }
            Item::Row(label, value) => {
                let header = self.line(label);
                let cells = self.lines(value);
                tags.row(header, cells);
            }
            Item::Paragraph(lines) => {
                let drawn = self.lines(lines);
                tags.paragraph(drawn);
            }
            Item::Slanted(line, degrees) => {
                let middle = (line.x + line.run.width_em() * line.size / 2.0, line.y);
                self.surface.push_transform(&Transform::from_rotate_at(*degrees, middle.0, middle.1));
                let drawn = self.line(line);
                self.surface.pop();
                tags.paragraph(vec![drawn]);
            }
            Item::Code(code, corner, side, alt) => {
                let drawn = self.code(code, *corner, *side)?;
                let place = Rect::from_xywh(corner.0, corner.1, *side, *side).ok_or(SheetError::Geometry)?;
                tags.figure(alt.clone(), page, place, drawn);
            }
            Item::Rule(start, width, thickness) => self.rule(*start, *width, *thickness)?,
            Item::Ring(centre, radius) => self.ring(*centre, *radius)?,
            Item::Emblem(corner, side, ink) => self.emblem(*corner, *side, *ink),
            Item::Footer(line) => {
                self.surface.start_tagged(artifact(ArtifactType::Footer));
                self.glyphs(line, line.y);
                self.surface.end_tagged();
            }
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[Line]) -> Vec<Identifier> {
        lines.iter().map(|line| self.line(line)).collect()
    }

    /// A line as a marked span. `/ActualText` where combining marks are, since readers order such glyphs freely.
    fn line(&mut self, line: &Line) -> Identifier {
        let text = line.run.text();
        let marks = text.chars().any(unicode_normalization::char::is_combining_mark);
        let span = SpanTag::empty().with_actual_text(marks.then_some(text));
        // Poppler places a span with actual text by the coordinates inside it and the matrix outside it, so both
        // must agree: the origin is moved until the baseline has the same number counted from top and bottom.
        let from_bottom = A4.1 - line.y;
        if marks {
            self.surface.push_transform(&Transform::from_translate(0.0, line.y - from_bottom));
        }
        let id = self.surface.start_tagged(ContentTag::Span(span));
        self.glyphs(line, if marks { from_bottom } else { line.y });
        self.surface.end_tagged();
        if marks {
            self.surface.pop();
        }
        id
    }

    fn glyphs(&mut self, line: &Line, y: f32) {
        self.fill(line.ink);
        let font = self.stationery.face(line.weight).font();
        let start = Point::from_xy(line.x, y);
        self.surface.draw_glyphs(start, line.run.glyphs(), font, line.run.text(), line.size, false);
    }

    fn fill(&mut self, ink: Ink) {
        if self.ink != Some(ink) {
            let paint = krilla::color::rgb::Color::new(ink.0, ink.1, ink.2).into();
            self.surface.set_fill(Some(Fill { paint, ..Fill::default() }));
            self.ink = Some(ink);
        }
    }

    fn code(&mut self, code: &QrCode, corner: (f32, f32), side: f32) -> Result<Identifier, SheetError> {
        // In modules, so that the numbers are short: they are written and compressed for every certificate.
        let module = side / code.side as f32;
        let mut path = PathBuilder::new();
        for (row, stretches) in code.rows.iter().enumerate() {
            for (first, count) in stretches {
                let rect = Rect::from_xywh(*first as f32, row as f32, *count as f32, 1.0);
                path.push_rect(rect.ok_or(SheetError::Geometry)?);
            }
        }
        let path = path.finish().ok_or(SheetError::Geometry)?;
        self.fill(Ink::BLACK);
        self.surface.push_transform(&Transform::from_row(module, 0.0, 0.0, module, corner.0, corner.1));
        let id = self.surface.start_tagged(ContentTag::Other);
        self.surface.draw_path(&path);
        self.surface.end_tagged();
        self.surface.pop();
        Ok(id)
    }

    fn rule(&mut self, start: (f32, f32), width: f32, thickness: f32) -> Result<(), SheetError> {
        let mut path = PathBuilder::new();
        let rect = Rect::from_xywh(start.0, start.1 - thickness / 2.0, width, thickness);
        path.push_rect(rect.ok_or(SheetError::Geometry)?);
        self.ornament(&path.finish().ok_or(SheetError::Geometry)?, Ink::BLACK);
        Ok(())
    }

    fn ring(&mut self, centre: (f32, f32), radius: f32) -> Result<(), SheetError> {
        let mut path = PathBuilder::new();
        circle(&mut path, centre, radius, 1.0);
        circle(&mut path, centre, radius - 0.5, -1.0);
        self.ornament(&path.finish().ok_or(SheetError::Geometry)?, Ink(150, 150, 150));
        Ok(())
    }

    fn emblem(&mut self, corner: (f32, f32), side: f32, ink: Ink) {
        self.fill(ink);
        self.surface.start_tagged(artifact(ArtifactType::Layout));
        let unit = side / EMBLEM_UNITS;
        self.surface.push_transform(&Transform::from_row(unit, 0.0, 0.0, unit, corner.0, corner.1));
        self.surface.draw_path(self.stationery.emblem().outline());
        self.surface.pop();
        self.surface.end_tagged();
    }

    fn ornament(&mut self, path: &Path, ink: Ink) {
        self.fill(ink);
        self.surface.start_tagged(artifact(ArtifactType::Layout));
        self.surface.draw_path(path);
        self.surface.end_tagged();
    }
}

fn artifact(kind: ArtifactType) -> ContentTag<'static> {
    ContentTag::Artifact(Artifact::with_kind(kind))
}

/// A circle of four Bézier curves; `turn` is 1 or -1 for its direction.
fn circle(path: &mut PathBuilder, (x, y): (f32, f32), r: f32, turn: f32) {
    let k = 0.552_284_8 * r;
    path.move_to(x + r, y);
    path.cubic_to(x + r, y + k * turn, x + k, y + r * turn, x, y + r * turn);
    path.cubic_to(x - k, y + r * turn, x - r, y + k * turn, x - r, y);
    path.cubic_to(x - r, y - k * turn, x - k, y - r * turn, x, y - r * turn);
    path.cubic_to(x + k, y - r * turn, x + r, y - k * turn, x + r, y);
    path.close();
}
