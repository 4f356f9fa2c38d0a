//! Glyphs set by hand, and the lines that must come of them.

use super::{Glyph, text};

/// Sets `words` letter by letter at (x, y); letters are half as wide as they are high.
fn set(words: &str, x: f32, y: f32, size: f32, angle: f32) -> Vec<Glyph> {
    let (sin, cos) = angle.to_radians().sin_cos();
    let width = size / 2.0;
    words
        .chars()
        .enumerate()
        .map(|(at, letter)| {
            let along = at as f32 * width;
            Glyph { letter, x: x + along * cos, y: y + along * sin, advance: width, size, angle }
        })
        .collect()
}

fn text_of(parts: &[Vec<Glyph>]) -> String {
    text(&parts.concat())
}

#[test]
fn words_are_parted_by_gaps_and_by_drawn_spaces() {
    assert_eq!(
        text_of(&[set("Max", 0.0, 0.0, 10.0, 0.0), set("Muster", 18.0, 0.0, 10.0, 0.0)]),
        "Max Muster"
    );
    assert_eq!(text_of(&[set("Max Muster", 0.0, 0.0, 10.0, 0.0)]), "Max Muster");
    // Kerning is no gap.
    assert_eq!(
        text_of(&[set("Geburts", 0.0, 0.0, 10.0, 0.0), set("tag", 35.9, 0.0, 10.0, 0.0)]),
        "Geburtstag"
    );
}

#[test]
fn pieces_of_a_line_come_together_whatever_the_order_of_drawing() {
    let parts = [
        set("Muster", 20.0, 50.0, 10.0, 0.0),
        set("Zeile", 0.0, 38.0, 10.0, 0.0),
        set("Max", 0.0, 50.0, 10.0, 0.0),
    ];
    assert_eq!(text_of(&parts), "Max Muster\nZeile");
}

#[test]
fn columns_are_read_one_after_the_other() {
    let parts = [
        set("links eins", 0.0, 50.0, 10.0, 0.0),
        set("links zwei", 0.0, 38.0, 10.0, 0.0),
        set("rechts eins", 100.0, 50.0, 10.0, 0.0),
        set("rechts zwei", 100.0, 38.0, 10.0, 0.0),
    ];
    assert_eq!(text_of(&parts), "links eins\nlinks zwei\n\nrechts eins\nrechts zwei");
}

#[test]
fn letters_drawn_twice_to_be_bold_count_once() {
    let parts = [set("fett", 0.0, 0.0, 10.0, 0.0), set("fett", 0.3, 0.0, 10.0, 0.0)];
    assert_eq!(text_of(&parts), "fett");
}

#[test]
fn turned_text_is_read_along_its_baseline() {
    for angle in [45.0, 90.0, 180.0, 270.0] {
        assert_eq!(text_of(&[set("gedrehter Text", 100.0, 100.0, 10.0, angle)]), "gedrehter Text", "{angle}");
    }
}

#[test]
fn indices_stay_in_their_line() {
    let parts =
        [set("m", 0.0, 0.0, 10.0, 0.0), set("2", 5.0, 3.0, 6.0, 0.0), set("Fläche", 11.0, 0.0, 10.0, 0.0)];
    assert_eq!(text_of(&parts), "m2 Fläche");
}

#[test]
fn ligatures_are_spelled_out_and_combining_marks_stay_with_their_letter() {
    assert_eq!(text_of(&[set("P\u{FB01}icht", 0.0, 0.0, 10.0, 0.0)]), "Pfiicht");
    let mark = Glyph { letter: '\u{308}', x: 6.9, y: 0.0, advance: 0.0, size: 10.0, angle: 0.0 };
    assert_eq!(text_of(&[set("u", 0.0, 0.0, 10.0, 0.0), vec![mark]]), "u\u{308}");
}

#[test]
fn hebrew_comes_in_the_order_of_reading() {
    // On the page the last letter is on the left; the year runs from left to right.
    assert_eq!(text_of(&[set("2026 םולש", 0.0, 0.0, 10.0, 0.0)]), "שלום 2026");
}

#[test]
fn vertical_writing_is_read_down_its_columns() {
    let column = |letters: &str, x: f32| -> Vec<Glyph> {
        letters
            .chars()
            .enumerate()
            .map(|(at, letter)| Glyph {
                letter,
                x,
                y: 100.0 - 10.0 * at as f32,
                advance: 0.0,
                size: 10.0,
                angle: 0.0,
            })
            .collect()
    };
    assert_eq!(text_of(&[column("日本語", 50.0), column("縦書き", 30.0)]), "日本語\n縦書き");
}

#[test]
fn places_that_are_no_numbers_are_left_out() {
    let nowhere = Glyph { letter: 'x', x: f32::NAN, y: 0.0, advance: 1.0, size: 10.0, angle: 0.0 };
    let endless = Glyph { letter: 'y', x: 0.0, y: 0.0, advance: f32::INFINITY, size: 10.0, angle: 0.0 };
    assert_eq!(text(&[nowhere, endless]), "y");
}
