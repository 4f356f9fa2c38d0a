//! From glyphs with their places on a page to lines of text: runs as they were drawn, rows of runs with one baseline,
//! pieces of rows where a wide gap parts columns, pieces in the order in which their first glyph was drawn.
//! Spaces are read from gaps, since many programs draw none. Pure; knows no PDF.

#[cfg(test)]
mod tests;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A gap of this share of the letter size parts words.
const WORD_GAP: f32 = 0.13;
/// A gap of this many letter sizes parts columns.
const COLUMN_GAP: f32 = 1.5;
/// The same where the text beyond the gap was not drawn right after.
const CELL_GAP: f32 = 0.6;
/// Blanks that may have been drawn between two runs that still count as drawn one after the other.
const BLANKS: usize = 3;
/// Baselines that differ by less than this share of the letter size are one row (indices, powers).
const ROW_SLACK: f32 = 0.38;

/// One character and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// The character.
    pub letter: char,
    /// Where its baseline starts, in points from the lower left corner.
    pub x: f32,
    /// See `x`.
    pub y: f32,
    /// How far it moves along the baseline, in points.
    pub advance: f32,
    /// Letter size in points.
    pub size: f32,
    /// Direction of the baseline, in degrees against the clock.
    pub angle: f32,
}

/// Glyphs drawn one after the other on one baseline, in the frame of that baseline.
struct Run {
    angle: i32,
    /// Along the baseline: from, to.
    start: f32,
    end: f32,
    /// Across the baseline, upwards.
    base: f32,
    size: f32,
    /// Place of the first glyph in the order of drawing.
    order: usize,
    /// Place of the last one, to the right.
    last: usize,
    text: String,
    vertical: bool,
}

/// The text of a page whose glyphs are given in the order of drawing.
pub(super) fn text(glyphs: &[Glyph]) -> String {
    let mut pieces = pieces(runs(glyphs));
    pieces.sort_by_key(|piece| piece.order);
    let mut text = String::new();
    let mut above: Option<&Run> = None;
    for piece in &pieces {
        if let Some(above) = above {
            let step = above.base - piece.base;
            let far = above.angle != piece.angle || step < 0.0 || step > 2.2 * piece.size;
            text.push_str(if far { "\n\n" } else { "\n" });
        }
        text.push_str(&logical(&piece.text));
        above = Some(piece);
    }
    text
}

fn runs(glyphs: &[Glyph]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (order, glyph) in glyphs.iter().enumerate() {
        let Some(placed) = place(glyph, order) else { continue };
        match runs.last_mut() {
            Some(last) if continues(last, &placed, glyph.letter) => extend(last, placed),
            _ => runs.push(placed),
        }
    }
    runs.retain(|run| !run.text.trim().is_empty());
    runs
}

/// A run of one glyph; none for what cannot be placed or read.
fn place(glyph: &Glyph, order: usize) -> Option<Run> {
    let usable = glyph.x.is_finite() && glyph.y.is_finite() && glyph.size.is_finite();
    if !usable || glyph.size.abs() < 0.01 || (glyph.letter.is_control() && glyph.letter != '\t') {
        return None;
    }
    let angle = glyph.angle.round();
    let (sin, cos) = angle.to_radians().sin_cos();
    let start = glyph.x * cos + glyph.y * sin;
    let base = glyph.y * cos - glyph.x * sin;
    let advance = if glyph.advance.is_finite() { glyph.advance.abs() } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "an angle in whole degrees")]
    let angle = angle as i32;
    let size = glyph.size.abs();
    let text = spelled(glyph.letter);
    Some(Run { angle, start, end: start + advance, base, size, order, last: order, text, vertical: false })
}

/// Presentation forms and ligatures as the letters they stand for, so that words are found.
fn spelled(letter: char) -> String {
    match letter {
        '\u{FB00}'..='\u{FB4F}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' => {
            std::iter::once(letter).nfkc().collect()
        }
        // Drawn, a soft hyphen is a hyphen.
        '\u{AD}' => "-".to_owned(),
        '\t' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{3000}' => " ".to_owned(),
        _ => letter.to_string(),
    }
}

fn continues(run: &Run, next: &Run, letter: char) -> bool {
    if run.angle != next.angle {
        return false;
    }
    let size = run.size.max(next.size);
    let down = run.base - next.base;
    if (run.vertical || is_east_asian(letter))
        && (next.start - run.start).abs() < 0.3 * size
        && (0.7..1.6).contains(&(down / size))
    {
        return run.vertical || run.text.chars().count() == 1;
    }
    let gap = next.start - run.end;
    !run.vertical && down.abs() < 0.1 * size && gap > -0.35 * size && gap < 3.0 * size
}

fn extend(run: &mut Run, next: Run) {
    let size = run.size.max(next.size);
    run.last = next.last;
    if run.base - next.base > 0.6 * size {
        run.vertical = true;
        run.base = next.base;
        run.text.push_str(&next.text);
        return;
    }
    // The same letter again at nearly the same place makes it bold, not two letters.
    let doubled = next.start - run.start < 0.1 * size && run.text == next.text;
    if doubled {
        return;
    }
    if next.start - run.end > WORD_GAP * size && !next.text.starts_with(is_combining_mark) {
        part(&mut run.text);
    }
    run.end = run.end.max(next.end);
    run.size = size;
    run.text.push_str(&next.text);
}

fn part(text: &mut String) {
    if !text.ends_with(' ') && !text.is_empty() {
        text.push(' ');
    }
}

fn is_east_asian(letter: char) -> bool {
    matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// Joins runs that stand side by side on one row.
fn pieces(mut runs: Vec<Run>) -> Vec<Run> {
    let key = |run: &Run| (run.vertical, run.angle);
    runs.sort_by(|a, b| key(a).cmp(&key(b)).then(b.base.total_cmp(&a.base)));
    let mut pieces = Vec::new();
    let mut row: Vec<Run> = Vec::new();
    for run in runs {
        let same_row = row.first().is_some_and(|first| {
            !run.vertical
                && key(first) == key(&run)
                && (first.base - run.base).abs() < ROW_SLACK * first.size.max(run.size)
        });
        if !same_row {
            pieces.extend(split_row(std::mem::take(&mut row)));
        }
        row.push(run);
    }
    pieces.extend(split_row(row));
    pieces
}

fn split_row(mut row: Vec<Run>) -> Vec<Run> {
    row.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut pieces: Vec<Run> = Vec::new();
    for run in row {
        match pieces.last_mut() {
            Some(left) if joins(left, &run) => join(left, run),
            _ => pieces.push(run),
        }
    }
    pieces
}

fn joins(left: &Run, right: &Run) -> bool {
    let size = left.size.max(right.size);
    let drawn_next = (left.last..=left.last + BLANKS).contains(&right.order);
    right.start - left.end < if drawn_next { COLUMN_GAP } else { CELL_GAP } * size
}

fn join(left: &mut Run, right: Run) {
    let size = left.size.max(right.size);
    // The same words drawn again over themselves (shadow, bold).
    let again = (right.start - left.start).abs() < 0.15 * size && left.text.trim() == right.text.trim();
    if again {
        return;
    }
    if right.start - left.end > WORD_GAP * size {
        part(&mut left.text);
    }
    left.end = left.end.max(right.end);
    left.size = size;
    left.order = left.order.min(right.order);
    left.last = right.last;
    left.text.push_str(&right.text);
}

/// Text in the order of the page (left to right) into the order of reading, where letters run from right to left.
fn logical(line: &str) -> String {
    let line = line.trim();
    if !line.contains(is_right_to_left) {
        return line.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut opposite = String::new();
    for letter in line.chars().rev() {
        if letter.is_alphanumeric() && !is_right_to_left(letter) {
            opposite.insert(0, letter);
        } else {
            words.push(std::mem::take(&mut opposite));
            words.push(letter.to_string());
        }
    }
    words.push(opposite);
    words.concat()
}

fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}
