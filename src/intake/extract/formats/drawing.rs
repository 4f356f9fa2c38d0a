//! Which glyphs a PDF page draws, where, and in which order (ISO 32000-1, 8.4 and 9.4): walks over the content stream,
//! the forms it uses and the appearances of annotations. Parsing, fonts and decryption are pdf_oxide's; nothing is
//! painted. Knows no lines or words: that is `layout`.

mod face;
mod to_unicode;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pdf_oxide::Error;
use pdf_oxide::PdfDocument;
use pdf_oxide::content::{Operator, TextElement, parse_and_execute_text_only};
use pdf_oxide::object::{Object, ObjectRef};

use self::face::Face;
use super::layout::Glyph;

/// How deep forms may use one another.
const FORM_DEPTH_MAX: usize = 12;
/// Most operators of one page, forms included.
const OPERATORS_MAX: usize = 4_000_000;
/// Most glyphs of one page.
const GLYPHS_MAX: usize = 1_000_000;

/// Most fonts of one page that are asked what numbers of glyphs mean.
const FONTS_MAX: usize = 200;

type Dictionary = HashMap<String, Object>;

/// Fonts that were read before, for all pages of a document.
#[derive(Default)]
pub(super) struct Fonts {
    read: HashMap<ObjectRef, Option<Arc<Face>>>,
    /// Those that were asked what numbers of glyphs mean in this file.
    asked: HashSet<ObjectRef>,
    /// One of them has told.
    numbered: bool,
}

/// The matrix `[a b c d e f]` of ISO 32000-1, 8.3.3.
#[derive(Clone, Copy)]
struct Matrix([f32; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// First `self`, then `next`.
    fn then(self, next: Self) -> Self {
        let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (self.0, next.0);
        Self([
            a * p + b * r,
            a * q + b * s,
            c * p + d * r,
            c * q + d * s,
            e * p + f * r + t,
            e * q + f * s + u,
        ])
    }

    const fn shift(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }
}

/// Graphics and text state, as far as it moves text.
#[derive(Clone)]
struct State {
    page: Matrix,
    text: Matrix,
    line: Matrix,
    font: Option<Arc<Face>>,
    size: f32,
    letter_space: f32,
    word_space: f32,
    stretch: f32,
    leading: f32,
}

/// A walk over one page.
pub(super) struct Drawing<'d> {
    document: &'d PdfDocument,
    fonts: &'d mut Fonts,
    glyphs: Vec<Glyph>,
    operators_left: usize,
    /// Of each open marked content: the text it stands for, and the glyphs drawn before it.
    marked: Vec<Option<(String, usize)>>,
}

/// The glyphs of page `index`, in the order of drawing; what cannot be read is left out.
pub(super) fn glyphs(document: &PdfDocument, index: usize, fonts: &mut Fonts) -> Vec<Glyph> {
    let mut drawing =
        Drawing { document, fonts, glyphs: Vec::new(), operators_left: OPERATORS_MAX, marked: Vec::new() };
    let Ok(page) = document.get_page(index) else { return Vec::new() };
    let resources = drawing.dictionary(page.as_dict().and_then(|page| page.get("Resources")));
    let start = State {
        page: Matrix::IDENTITY,
        text: Matrix::IDENTITY,
        line: Matrix::IDENTITY,
        font: None,
        size: 0.0,
        letter_space: 0.0,
        word_space: 0.0,
        stretch: 1.0,
        leading: 0.0,
    };
    if let Ok(content) = document.get_page_content_data(index) {
        drawing.content(&content, &resources, start.clone(), 0);
    }
    drawing.annotations(page.as_dict(), &resources, &start);
    drawing.glyphs
}

impl Drawing<'_> {
    fn resolve(&self, object: Option<&Object>) -> Option<Object> {
        self.document.resolve_object(object?).ok()
    }

    fn dictionary(&self, object: Option<&Object>) -> Dictionary {
        self.resolve(object).and_then(|object| object.as_dict().cloned()).unwrap_or_default()
    }

    fn content(&mut self, content: &[u8], resources: &Dictionary, state: State, depth: usize) {
        // Drawings without text can be very long.
        if !PdfDocument::may_contain_text_public(content) {
            return;
        }
        let fonts = self.dictionary(resources.get("Font"));
        self.ask_for_numbers(&fonts);
        let mut state = state;
        let mut saved: Vec<State> = Vec::new();
        // What was read before the damage stays.
        let _ = parse_and_execute_text_only(content, |operator| {
            self.operators_left =
                self.operators_left.checked_sub(1).ok_or(Error::RecursionLimitExceeded(0))?;
            match operator {
                Operator::SaveState if saved.len() < 1000 => saved.push(state.clone()),
                Operator::RestoreState => {
                    if let Some(before) = saved.pop() {
                        state = before;
                    }
                }
                Operator::Cm { a, b, c, d, e, f } => state.page = Matrix([a, b, c, d, e, f]).then(state.page),
                Operator::Tf { font, size } => {
                    state.font = self.font(fonts.get(&font));
                    state.size = size;
                }
                Operator::Do { name } => self.form(&name, resources, &state, depth),
                Operator::BeginMarkedContent { .. } => self.marked.push(None),
                Operator::BeginMarkedContentDict { properties, .. } => {
                    self.begin_marked(&properties, resources)
                }
                Operator::EndMarkedContent => self.end_marked(),
                text => self.text(text, &mut state),
            }
            Ok(())
        });
    }

    fn text(&mut self, operator: Operator, state: &mut State) {
        match operator {
            Operator::BeginText => (state.text, state.line) = (Matrix::IDENTITY, Matrix::IDENTITY),
            Operator::Td { tx, ty } => next_line(state, tx, ty),
            Operator::TD { tx, ty } => {
                state.leading = -ty;
                next_line(state, tx, ty);
            }
            Operator::Tm { a, b, c, d, e, f } => {
                state.line = Matrix([a, b, c, d, e, f]);
                state.text = state.line;
            }
            Operator::TStar => next_line(state, 0.0, -state.leading),
            Operator::Tc { char_space } => state.letter_space = char_space,
            Operator::Tw { word_space } => state.word_space = word_space,
            Operator::Tz { scale } => state.stretch = scale / 100.0,
            Operator::TL { leading } => state.leading = leading,
            Operator::Tj { text } => self.show(&text, state),
            Operator::Quote { text } => {
                next_line(state, 0.0, -state.leading);
                self.show(&text, state);
            }
            Operator::DoubleQuote { word_space, char_space, text } => {
                (state.word_space, state.letter_space) = (word_space, char_space);
                next_line(state, 0.0, -state.leading);
                self.show(&text, state);
            }
            Operator::TJ { array } => {
                for element in array {
                    match element {
                        TextElement::String(text) => self.show(&text, state),
                        TextElement::Offset(offset) => advance(state, -offset / 1000.0 * state.size),
                    }
                }
            }
            _ => {}
        }
    }

    fn show(&mut self, text: &[u8], state: &mut State) {
        let Some(font) = state.font.clone() else { return };
        for (code, bytes) in font.codes(text) {
            let letters = font.letters(code);
            let width = font.width(code, &letters) * state.size;
            self.draw(&letters, width, font.vertical(), state);
            let space = if code == 32 && bytes == 1 { state.word_space } else { 0.0 };
            advance(state, width + state.letter_space + space);
        }
    }

    fn draw(&mut self, letters: &str, width: f32, vertical: bool, state: &State) {
        if self.glyphs.len() >= GLYPHS_MAX {
            return;
        }
        let Matrix([a, b, c, d, x, y]) = state.text.then(state.page);
        let along = if vertical { 0.0 } else { width * state.stretch };
        let count = f32::from(u16::try_from(letters.chars().count().max(1)).unwrap_or(u16::MAX));
        for (at, letter) in (0_u16..).zip(letters.chars().take(32)) {
            let offset = along * f32::from(at) / count;
            self.glyphs.push(Glyph {
                letter,
                x: x + a * offset,
                y: y + b * offset,
                advance: along / count * a.hypot(b),
                size: state.size * c.hypot(d),
                angle: b.atan2(a).to_degrees(),
            });
        }
    }

    /// Small fonts cannot tell by themselves what numbers of glyphs mean; others of the same page can.
    fn ask_for_numbers(&mut self, fonts: &Dictionary) {
        for font in fonts.values().filter_map(Object::as_reference).take(FONTS_MAX) {
            if self.fonts.numbered || !self.fonts.asked.insert(font) {
                continue;
            }
            let font = self.dictionary(Some(&Object::Reference(font)));
            let encoding = self.dictionary(font.get("Encoding"));
            let differences = self.resolve(encoding.get("Differences"));
            let differences = differences.as_ref().and_then(Object::as_array).into_iter().flatten();
            let names = differences.filter_map(Object::as_name);
            if !font.contains_key("ToUnicode") && face::tell_numbers(names) {
                self.fonts.numbered = true;
                self.fonts.read.clear();
            }
        }
    }

    fn font(&mut self, font: Option<&Object>) -> Option<Arc<Face>> {
        let font = font?;
        let at = font.as_reference();
        if let Some(known) = at.and_then(|at| self.fonts.read.get(&at)) {
            return known.clone();
        }
        let resolved = self.resolve(Some(font))?;
        let read = Face::read(&resolved, self.document, self.fonts.numbered).map(Arc::new);
        if let Some(at) = at {
            self.fonts.read.insert(at, read.clone());
        }
        read
    }

    fn form(&mut self, name: &str, resources: &Dictionary, state: &State, depth: usize) {
        let forms = self.dictionary(resources.get("XObject"));
        let Some(form) = self.resolve(forms.get(name)) else { return };
        let is_form =
            form.as_dict().and_then(|form| form.get("Subtype")).and_then(Object::as_name) == Some("Form");
        if is_form && depth < FORM_DEPTH_MAX {
            self.form_stream(&form, resources, state.clone(), depth + 1);
        }
    }

    fn form_stream(&mut self, form: &Object, outer: &Dictionary, mut state: State, depth: usize) {
        let Some(dictionary) = form.as_dict() else { return };
        if let Some(matrix) = self.numbers::<6>(dictionary.get("Matrix")) {
            state.page = Matrix(matrix).then(state.page);
        }
        let own = dictionary.get("Resources").map(|own| self.dictionary(Some(own)));
        if let Ok(content) = form.decode_stream_data() {
            self.content(&content, own.as_ref().unwrap_or(outer), state, depth);
        }
    }

    /// ISO 32000-1, 12.5.5: the normal appearance, moved to the rectangle of the annotation.
    fn annotations(&mut self, page: Option<&Dictionary>, resources: &Dictionary, start: &State) {
        let annotations = self.resolve(page.and_then(|page| page.get("Annots")));
        let annotations = annotations.as_ref().and_then(Object::as_array).cloned().unwrap_or_default();
        for annotation in annotations.iter().take(2000) {
            let annotation = self.dictionary(Some(annotation));
            let hidden =
                annotation.get("F").and_then(Object::as_integer).is_some_and(|flags| flags & 0b10_0010 != 0);
            let appearance = self.dictionary(annotation.get("AP"));
            let Some(mut normal) = self.resolve(appearance.get("N")).filter(|_| !hidden) else { continue };
            if let (Object::Dictionary(states), Some(state)) =
                (&normal, annotation.get("AS").and_then(Object::as_name))
            {
                let Some(chosen) = self.resolve(states.get(state)) else { continue };
                normal = chosen;
            }
            let (Some([left, bottom, ..]), Some([box_left, box_bottom, ..])) = (
                self.numbers::<4>(annotation.get("Rect")),
                self.numbers::<4>(normal.as_dict().and_then(|form| form.get("BBox"))),
            ) else {
                continue;
            };
            let mut state = start.clone();
            state.page = Matrix::shift(left - box_left, bottom - box_bottom);
            self.form_stream(&normal, resources, state, 1);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "places on a page fit single precision")]
    fn numbers<const N: usize>(&self, array: Option<&Object>) -> Option<[f32; N]> {
        let array = self.resolve(array)?;
        let numbers: Vec<f32> = array
            .as_array()?
            .iter()
            .filter_map(|number| self.resolve(Some(number)))
            .filter_map(|number| number.as_real().or_else(|| number.as_integer().map(|n| n as f64)))
            .map(|number| number as f32)
            .collect();
        numbers.try_into().ok()
    }

    /// ISO 32000-1, 14.9.4: replacement text instead of the glyphs inside.
    fn begin_marked(&mut self, properties: &Object, resources: &Dictionary) {
        let named = properties.as_name().and_then(|name| {
            let all = self.dictionary(resources.get("Properties"));
            self.resolve(all.get(name))
        });
        let properties = named.as_ref().unwrap_or(properties);
        let actual = properties.as_dict().and_then(|properties| properties.get("ActualText"));
        let actual = actual.and_then(Object::as_string).map(text_string);
        self.marked.push(actual.map(|text| (text, self.glyphs.len())));
    }

    fn end_marked(&mut self) {
        let Some(Some((text, before))) = self.marked.pop() else { return };
        let inside = self.glyphs.get(before..).unwrap_or_default();
        let (Some(first), Some(last)) = (inside.first().copied(), inside.last().copied()) else { return };
        let length = (last.x - first.x).hypot(last.y - first.y) + last.advance;
        self.glyphs.truncate(before);
        let count = f32::from(u16::try_from(text.chars().count().max(1)).unwrap_or(u16::MAX));
        let (sin, cos) = first.angle.to_radians().sin_cos();
        for (at, letter) in (0_u16..).zip(text.chars()) {
            let offset = length * f32::from(at) / count;
            let (x, y) = (first.x + cos * offset, first.y + sin * offset);
            self.glyphs.push(Glyph { letter, x, y, advance: length / count, ..first });
        }
    }
}

fn next_line(state: &mut State, x: f32, y: f32) {
    state.line = Matrix::shift(x, y).then(state.line);
    state.text = state.line;
}

/// Moves along the line (or down it, in vertical writing) by a length in text space.
fn advance(state: &mut State, length: f32) {
    let vertical = state.font.as_ref().is_some_and(|font| font.vertical());
    let shift =
        if vertical { Matrix::shift(0.0, length) } else { Matrix::shift(length * state.stretch, 0.0) };
    state.text = shift.then(state.text);
}

/// ISO 32000-1, 7.9.2.2: UTF-16BE or UTF-8 with a byte order mark, else one byte a letter.
fn text_string(bytes: &[u8]) -> String {
    match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, bom)) => {
            encoding.decode_without_bom_handling(bytes.get(bom..).unwrap_or_default()).0.into_owned()
        }
        None => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}
