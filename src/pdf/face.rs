//! A typeface and what it does with a text: shaping, width, line breaking. Never replaces a character:
//! what it cannot draw is an error that names it. Knows nothing of pages.

use std::ops::Range;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{BufferClusterLevel, Direction, ShapePlan, UnicodeBuffer};

use crate::domain::name::CodePoints;

/// One font file, ready to shape German and Latin text.
pub struct Face {
    font: Font,
    shaper: rustybuzz::Face<'static>,
    plan: ShapePlan,
    units_per_em: f32,
}

/// The bytes are not a font that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable font file")]
pub struct NotAFont;

/// The font has no glyph for these code points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the font cannot draw {}", CodePoints(.0))]
pub struct Undrawable(pub String);

/// A text with the glyphs that draw it. Lengths are in em: multiply by the size in points.
#[derive(Debug, Clone)]
pub struct Run {
    text: String,
    glyphs: Vec<KrillaGlyph>,
    width_em: f32,
}

impl Face {
    /// Reads a TrueType or OpenType font.
    pub fn load(bytes: &'static [u8]) -> Result<Self, NotAFont> {
        let shaper = rustybuzz::Face::from_slice(bytes, 0).ok_or(NotAFont)?;
        let language = "de".parse().map_err(|_| NotAFont)?;
        let plan = ShapePlan::new(
            &shaper,
            Direction::LeftToRight,
            Some(rustybuzz::script::LATIN),
            Some(&language),
            &[],
        );
        let font = Font::new(bytes.into(), 0).ok_or(NotAFont)?;
        let units_per_em = font.units_per_em();
        Ok(Self { font, shaper, plan, units_per_em })
    }

    /// Shapes one line. Each code point is a cluster of its own, so that text copied out is the text put in.
    /// What leaves no trace on the page (controls, joiners, marks of direction) counts as undrawable, and so does what
    /// no archived page may carry (private use, noncharacters: PDF/A-3, 6.2.11.7).
    pub fn shape(&self, text: &str) -> Result<Run, Undrawable> {
        if let Some(unseen) = text.chars().find(|c| leaves_no_trace(*c) || has_no_meaning(*c)) {
            return Err(Undrawable(unseen.to_string()));
        }
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(Direction::LeftToRight);
        buffer.set_script(rustybuzz::script::LATIN);
        buffer.set_cluster_level(BufferClusterLevel::Characters);
        let shaped = rustybuzz::shape_with_plan(&self.shaper, &self.plan, buffer);
        let starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        let em = |units: i32| units as f32 / self.units_per_em;
        let mut glyphs = Vec::with_capacity(starts.len());
        let mut width_em = 0.0;
        for (i, (info, position)) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()).enumerate() {
            let range = cluster(&starts, i, text.len());
            if info.glyph_id == 0 {
                return Err(Undrawable(text.get(range).unwrap_or(text).to_owned()));
            }
            let advance = em(position.x_advance);
            width_em += advance;
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                advance,
                em(position.x_offset),
                em(position.y_offset),
                em(position.y_advance),
                range,
                None,
            ));
        }
        Ok(Run { text: text.to_owned(), glyphs, width_em })
    }

    /// Shapes `text` in lines of at most `width_em`. Breaks after spaces and hyphens; a word that is longer than
    /// a line is broken between clusters, never inside one. The lines put together are the text.
    pub fn wrap(&self, text: &str, width_em: f32) -> Result<Vec<Run>, Undrawable> {
        let whole = self.shape(text)?;
        if whole.width_em <= width_em {
            return Ok(vec![whole]);
        }
        let mut lines = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let run = self.shape(rest)?;
            let end = if visible_width(&run) <= width_em { rest.len() } else { run.line_end(width_em) };
            let (line, remaining) = rest.split_at(end);
            lines.push(self.shape(line)?);
            rest = remaining;
        }
        Ok(lines)
    }

    /// The font as the page writer takes it.
    pub(super) fn font(&self) -> Font {
        self.font.clone()
    }
}

/// Characters a shaper drops or moves text by, so that page and text would differ.
fn leaves_no_trace(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Code points that mean nothing without an agreement: private use areas and noncharacters.
fn has_no_meaning(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..)
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The bytes of the text that glyph `i` stands for.
fn cluster(starts: &[usize], i: usize, text_length: usize) -> Range<usize> {
    let start = starts.get(i).copied().unwrap_or_default();
    let end = starts.iter().skip(i).copied().find(|next| *next > start).unwrap_or(text_length);
    start..end
}

/// The width without the spaces at the end, which may hang over.
fn visible_width(run: &Run) -> f32 {
    let visible = run.text.trim_end().len();
    run.glyphs.iter().filter(|glyph| glyph.text_range.start < visible).map(|glyph| glyph.x_advance).sum()
}

impl Run {
    /// The text it draws.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its width in em.
    pub fn width_em(&self) -> f32 {
        self.width_em
    }

    pub(super) fn glyphs(&self) -> &[KrillaGlyph] {
        &self.glyphs
    }

    /// Where a line of `width_em` ends at the latest: after the last space or hyphen that fits, else after the
    /// last cluster that fits, and after one cluster at least.
    fn line_end(&self, width_em: f32) -> usize {
        let (mut used, mut after_word, mut after_cluster) = (0.0, 0, 0);
        for glyph in &self.glyphs {
            let end = glyph.text_range.end;
            let last = self.text.get(..end).and_then(|line| line.chars().next_back());
            let hangs = last == Some(' ');
            used += glyph.x_advance;
            if used > width_em && !hangs {
                break;
            }
            if splittable(&self.text, end) {
                after_cluster = end;
                if matches!(last, Some(' ' | '-')) && self.text.get(end..).is_none_or(|s| !s.starts_with(' '))
                {
                    after_word = end;
                }
            }
        }
        if after_word > 0 {
            return after_word;
        }
        if after_cluster > 0 {
            return after_cluster;
        }
        self.glyphs
            .iter()
            .map(|g| g.text_range.end)
            .find(|end| splittable(&self.text, *end))
            .unwrap_or(self.text.len())
    }
}

/// Whether no combining mark follows at `at` and none before it reaches over to the next letter (U+035F).
fn splittable(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else { return false };
    let joins = |c: char| unicode_normalization::char::is_combining_mark(c);
    !after.chars().next().is_some_and(joins) && !before.ends_with('\u{35f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::stationery::SANS_REGULAR;

    fn face() -> Face {
        Face::load(SANS_REGULAR).unwrap()
    }

    #[test]
    fn a_character_without_glyph_is_named() {
        assert_eq!(face().shape("Li 李").err(), Some(Undrawable("李".into())));
        assert_eq!(face().wrap("abc \u{10ffff}", 1.0).err(), Some(Undrawable("\u{10ffff}".into())));
    }

    #[test]
    fn what_leaves_no_trace_on_the_page_is_refused() {
        for c in ['\u{0}', '\t', '\n', '\u{ad}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{e0041}']
        {
            assert_eq!(face().shape(&format!("a{c}b")).err(), Some(Undrawable(c.to_string())));
        }
    }

    #[test]
    fn what_means_nothing_without_an_agreement_is_refused_even_where_the_font_has_a_glyph() {
        for c in ['\u{e000}', '\u{f8ff}', '\u{fdd0}', '\u{fffe}', '\u{1ffff}', '\u{f0000}', '\u{10fffd}'] {
            assert_eq!(face().shape(&format!("a{c}b")).err(), Some(Undrawable(c.to_string())));
        }
    }

    #[test]
    fn lines_put_together_are_the_text_and_each_fits() {
        let face = face();
        for text in [
            "Anna Maria Theresia-Charlotte  Elisabeth von und zu Musterstadt-Beispielhausen",
            "K\u{35f}HK\u{35f}HK\u{35f}HK\u{35f}HK\u{35f}HJ\u{30c}J\u{30c}J\u{30c}R\u{325}\u{304}R\u{325}\u{304}R\u{325}\u{304}",
            "x",
        ] {
            for width in [1.5, 3.0, 7.0, 100.0] {
                let lines = face.wrap(text, width).unwrap();
                assert_eq!(lines.iter().map(Run::text).collect::<String>(), text);
                for line in &lines {
                    assert!(visible_width(line) <= width, "{:?} at {width}", line.text());
                    assert!(
                        !line
                            .text()
                            .chars()
                            .next()
                            .is_some_and(unicode_normalization::char::is_combining_mark)
                    );
                    assert!(!line.text().ends_with('\u{35f}'));
                }
            }
        }
    }

    #[test]
    fn words_stay_whole_where_they_fit() {
        let lines = face().wrap("Karl-Heinz August Wilhelm", 6.2).unwrap();
        let texts: Vec<&str> = lines.iter().map(Run::text).collect();
        assert_eq!(texts, ["Karl-Heinz ", "August ", "Wilhelm"]);
    }
}
