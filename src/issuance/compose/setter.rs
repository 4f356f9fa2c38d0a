//! The cursor that sets lines on pages: columns, page breaks, what each page carries besides its text.

use std::sync::Arc;

use super::{
    ACROSS, ComposeError, LABEL_RIGHT, PAGE_END, RIGHT, SMALL, SPECIMEN, TITLE_Y, VALUE_LEFT, VALUE_PITCH,
};
use crate::pdf::face::Run;
use crate::pdf::sheet::{A4, Ink, Item, Line, Sheet, SheetError};
use crate::pdf::stationery::{Stationery, Weight};

/// Side of the emblem, points; it stands where the form has its own, behind the rows.
const EMBLEM_SIDE: f32 = 330.0;
const EMBLEM_TOP: f32 = 200.0;
const EMBLEM_INK: Ink = Ink(232, 232, 232);
/// How far a specimen's mark leans.
const LEAN_DEGREES: f32 = -52.0;

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) weight: Weight,
    pub(super) size: f32,
    pub(super) ink: Ink,
    /// The text is one of the form, not of the entry: it is shaped once and kept.
    pub(super) standing: bool,
}

/// Wider than any line: such a text is not broken.
const UNBROKEN: f32 = 1e6;

/// The two columns of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Right-aligned.
    Label,
    /// Left-aligned.
    Value,
}

/// The pages so far and the baseline of the line set last.
pub(super) struct Setter<'a> {
    stationery: &'a Stationery,
    specimen: bool,
    done: Vec<Sheet>,
    sheet: Sheet,
    y: f32,
}

impl<'a> Setter<'a> {
    pub(super) fn new(stationery: &'a Stationery, specimen: bool) -> Result<Self, ComposeError> {
        let mut setter = Self { stationery, specimen, done: Vec::new(), sheet: Sheet::default(), y: TITLE_Y };
        setter.sheet = setter.blank()?;
        Ok(setter)
    }

    /// A page with what every page carries: the emblem, and the mark of a specimen.
    fn blank(&self) -> Result<Sheet, ComposeError> {
        let corner = ((A4.0 - EMBLEM_SIDE) / 2.0 + 14.0, EMBLEM_TOP);
        let mut items = vec![Item::Emblem(corner, EMBLEM_SIDE, EMBLEM_INK)];
        if self.specimen {
            let run = self.shape("specimen", SPECIMEN, ACROSS)?;
            let line = self.centred(run, ACROSS, A4.1 / 2.0);
            items.push(Item::Slanted(line, LEAN_DEGREES));
        }
        Ok(Sheet { items })
    }

    pub(super) fn y(&self) -> f32 {
        self.y
    }

    pub(super) fn move_to(&mut self, y: f32) {
        self.y = y;
    }

    pub(super) fn advance(&mut self, by: f32) {
        self.y += by;
    }

    /// Begins a new page if `height` does not fit on this one.
    pub(super) fn keep_together(&mut self, height: f32) -> Result<(), ComposeError> {
        self.keep_before(height, PAGE_END)
    }

    /// Begins a new page if `height` does not fit above `end`.
    pub(super) fn keep_before(&mut self, height: f32, end: f32) -> Result<(), ComposeError> {
        if height > end - TITLE_Y {
            return Err(ComposeError::TooTall { lines: (height / VALUE_PITCH) as usize });
        }
        if self.y + height > end {
            let blank = self.blank()?;
            self.done.push(std::mem::replace(&mut self.sheet, blank));
            self.y = TITLE_Y;
        }
        Ok(())
    }

    pub(super) fn place(&mut self, item: Item) {
        self.sheet.items.push(item);
    }

    /// Shapes a text as one line; what cannot be drawn is said with `what` it is.
    pub(super) fn shape(&self, what: &str, text: &str, style: Style) -> Result<Arc<Run>, ComposeError> {
        let lines = self.wrap(what, text, style, UNBROKEN)?;
        lines.first().map(Arc::clone).ok_or(ComposeError::Sheet(SheetError::Geometry))
    }

    /// Shapes a text in lines of at most `width` points.
    pub(super) fn wrap(
        &self,
        what: &str,
        text: &str,
        style: Style,
        width: f32,
    ) -> Result<Arc<[Arc<Run>]>, ComposeError> {
        let width_em = width / style.size;
        let lines = if style.standing {
            self.stationery.standing(style.weight, text, width_em)
        } else {
            let lines = self.stationery.face(style.weight).wrap(text, width_em);
            lines.map(|lines| lines.into_iter().map(Arc::new).collect())
        };
        lines.map_err(|source| ComposeError::Undrawable { what: what.to_owned(), source })
    }

    /// Shapes and sets a text on the present baseline.
    pub(super) fn line(
        &self,
        what: &str,
        text: &str,
        style: Style,
        column: Column,
    ) -> Result<Line, ComposeError> {
        Ok(self.set(self.shape(what, text, style)?, style, column))
    }

    /// Sets a run on the present baseline.
    pub(super) fn set(&self, run: Arc<Run>, style: Style, column: Column) -> Line {
        let x = match column {
            Column::Label => LABEL_RIGHT - run.width_em() * style.size,
            Column::Value => VALUE_LEFT,
        };
        self.at(run, style, (x, self.y))
    }

    pub(super) fn centred(&self, run: Arc<Run>, style: Style, y: f32) -> Line {
        let x = (A4.0 - run.width_em() * style.size) / 2.0;
        self.at(run, style, (x, y))
    }

    pub(super) fn at(&self, run: Arc<Run>, style: Style, (x, y): (f32, f32)) -> Line {
        Line { run, weight: style.weight, size: style.size, x, y, ink: style.ink }
    }

    /// The pages. If there are several, each says which it is and what it belongs to.
    pub(super) fn finish(mut self, title: &str, register_number: &str) -> Result<Vec<Sheet>, ComposeError> {
        let last = std::mem::take(&mut self.sheet);
        let mut sheets = std::mem::take(&mut self.done);
        sheets.push(last);
        let count = sheets.len();
        if count > 1 {
            for (i, sheet) in sheets.iter_mut().enumerate() {
                let text = format!("{title} {register_number} · Seite {} von {count}", i + 1);
                let run = self.shape("page", &text, SMALL)?;
                let x = RIGHT - run.width_em() * SMALL.size;
                sheet.items.push(Item::Footer(self.at(run, SMALL, (x, A4.1 - 44.0))));
            }
        }
        Ok(sheets)
    }
}
