//! A font of a PDF as far as text needs it: codes, letters, widths. What pdf_oxide reads of it, and before that the
//! file's own map to Unicode and glyph names it does not know. Knows no pages.

use std::collections::HashMap;

use pdf_oxide::PdfDocument;
use pdf_oxide::fonts::{Encoding, FontInfo};
use pdf_oxide::object::Object;

use super::to_unicode::ToUnicode;

/// One font.
pub(super) struct Face {
    info: FontInfo,
    /// The file's own map, read leniently.
    map: ToUnicode,
    /// Letters of glyphs that are named by their number.
    numbered: HashMap<u8, char>,
}

impl Face {
    /// Reads a font dictionary. `numbered`: names of glyphs are their places in a TrueType font.
    pub(super) fn read(font: &Object, document: &PdfDocument, numbered: bool) -> Option<Self> {
        let info = FontInfo::from_dict(font, document).ok()?;
        let stream = font.as_dict().and_then(|font| font.get("ToUnicode"));
        let stream = stream.and_then(|stream| document.resolve_object(stream).ok());
        let map = stream.and_then(|stream| stream.decode_stream_data().ok());
        let map = map.map(|map| ToUnicode::parse(&map)).unwrap_or_default();
        let is_simple = info.to_unicode.is_none() && info.subtype != "Type0";
        let names = info.diff_glyph_names.iter().filter(|_| numbered && is_simple);
        let numbered = names.filter_map(|(code, name)| Some((*code, letter(glyph_number(name)?)?))).collect();
        Some(Self { info, map, numbered })
    }

    /// What the code stands for; empty if nobody knows.
    pub(super) fn letters(&self, code: u32) -> String {
        if let Some(letters) = self.map.get(code) {
            return letters.to_owned();
        }
        if let Some(name) = u8::try_from(code).ok().filter(|_| self.info.subtype != "Type0") {
            if let Some(letter) = self.numbered.get(&name) {
                return letter.to_string();
            }
            let name = self.info.diff_glyph_names.get(&name);
            if let Some(letters) = name.and_then(|name| ligature_by_name(name)) {
                return letters;
            }
        }
        self.info.char_to_unicode(code).unwrap_or_default()
    }

    /// Whether lines run from top to bottom.
    pub(super) const fn vertical(&self) -> bool {
        self.info.wmode != 0
    }

    /// How far the glyph of `code` moves, in text space for a size of one.
    pub(super) fn width(&self, code: u32, letters: &str) -> f32 {
        let narrow = u16::try_from(code).unwrap_or(0);
        if self.vertical() {
            return self.info.get_vertical_metrics(narrow).w1y / 1000.0;
        }
        self.info.get_glyph_width(self.width_code(narrow, letters)) * self.info.font_matrix_a
    }

    /// The widths of the fourteen standard fonts go by letter, not by the codes of an encoding of the file's own.
    fn width_code(&self, code: u16, letters: &str) -> u16 {
        if self.info.subtype == "Type0" || self.info.has_explicit_widths() {
            return code;
        }
        letters.chars().next().and_then(|letter| u8::try_from(letter).ok()).map_or(code, u16::from)
    }

    /// The character codes of a string, each with its length in bytes.
    pub(super) fn codes(&self, text: &[u8]) -> Vec<(u32, usize)> {
        let mut codes = Vec::new();
        let mut rest = text;
        while let Some(&lead) = rest.first() {
            let length = code_length(lead, &self.info).min(rest.len());
            let (code, after) = rest.split_at(length);
            codes.push((code.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)), length));
            rest = after;
        }
        codes
    }
}

/// `f_f_i` → `ffi` (Adobe Glyph List Specification, 2).
fn ligature_by_name(name: &str) -> Option<String> {
    let (parts, _) = name.split_once('.').unwrap_or((name, ""));
    let letters: Option<String> =
        parts.split('_').map(|part| part.parse::<char>().ok().filter(char::is_ascii_alphabetic)).collect();
    letters.filter(|letters| letters.len() > 1)
}

/// Whether the names of glyphs are their places in a TrueType font: all are numbers, and among them is 3, where no code
/// can be meant and such a font has its blank. Ghostscript writes them where a font says no more.
pub(super) fn tell_numbers<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let numbers: Option<Vec<u16>> = names.filter(|name| *name != ".notdef").map(glyph_number).collect();
    numbers.is_some_and(|numbers| numbers.contains(&3) && numbers.iter().all(|number| *number >= 3))
}

/// `g72` or, hexadecimal, `c48`.
fn glyph_number(name: &str) -> Option<u16> {
    match name.split_at_checked(1)? {
        ("g", number) => number.parse().ok(),
        ("c", number) if matches!(number.len(), 2 | 3) => u16::from_str_radix(number, 16).ok(),
        _ => None,
    }
}

/// Nearly all TrueType fonts begin with the order of the Macintosh (ISO/IEC 14496-22, `post`).
fn letter(number: u16) -> Option<char> {
    match number {
        3..=97 => u8::try_from(number + 29).ok().map(char::from),
        98..=225 => {
            let byte = [u8::try_from(number + 30).ok()?];
            encoding_rs::MACINTOSH.decode_without_bom_handling(&byte).0.chars().next()
        }
        _ => None,
    }
}

/// ISO 32000-1, 9.7.5.2: how long the codes of the predefined CMaps are.
fn code_length(lead: u8, font: &FontInfo) -> usize {
    if font.subtype != "Type0" {
        return 1;
    }
    let Encoding::Standard(name) = &font.encoding else {
        return if matches!(font.encoding, Encoding::Identity) { 2 } else { by_unicode_map(font) };
    };
    match name.as_str() {
        n if n.contains("UTF8") || n.contains("Utf8") || n.contains("utf8") => match lead {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 1,
        },
        n if n.contains("RKSJ") => {
            if matches!(lead, 0x81..=0x9F | 0xE0..=0xFC) {
                2
            } else {
                1
            }
        }
        n if n.contains("OneByteIdentity") => 1,
        n if n.contains("EUC")
            || n.contains("GBK")
            || n.contains("GBpc")
            || n.contains("B5")
            || n.contains("KSC") =>
        {
            if lead >= 0x81 {
                2
            } else {
                1
            }
        }
        n if ["Identity", "UCS2", "UTF16", "CNS", "GB-"].iter().any(|part| n.contains(part)) => 2,
        "H" | "V" => 2,
        _ => by_unicode_map(font),
    }
}

fn by_unicode_map(font: &FontInfo) -> usize {
    if font.to_unicode.as_ref().is_some_and(|map| map.code_width() == 1) { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyphs_named_by_their_place_are_told_from_those_named_by_their_code() {
        let tell = |names: &[&str]| tell_numbers(names.iter().copied());
        assert!(tell(&["g3", "g72", ".notdef", "g129"]));
        assert!(tell(&["c48", "c03"]));
        for names in [&["g32", "g72"][..], &["g3", "space"], &["g2", "g3"], &["cedilla", "c03"], &[]] {
            assert!(!tell(names), "{names:?}");
        }
    }

    #[test]
    fn places_of_glyphs_are_letters() {
        let text = |names: &[&str]| -> Option<String> {
            names.iter().map(|name| letter(glyph_number(name)?)).collect()
        };
        assert_eq!(text(&["g41", "g129", "g85", "g3", "g54", "g76", "g72"]).as_deref(), Some("Für Sie"));
        assert_eq!(text(&["c36", "c57", "c55", "c44", "c89", "c48"]).as_deref(), Some("Straße"));
        assert_eq!(text(&["g2"]).or(text(&["g999"])).or(text(&["cä"])), None);
    }

    #[test]
    fn a_ligature_is_known_by_the_names_of_its_letters() {
        for (name, letters) in
            [("f_f", Some("ff")), ("t_i.liga", Some("ti")), ("f", None), ("one_half", None)]
        {
            assert_eq!(ligature_by_name(name).as_deref(), letters, "{name}");
        }
    }
}
