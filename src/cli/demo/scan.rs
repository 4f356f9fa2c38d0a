//! A picture of a scanned page: text drawn from the project's own font, slightly turned, greyed and speckled.
//! Knows nothing of what the text says.

use rustybuzz::ttf_parser::{self, OutlineBuilder};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Transform};

use crate::domain::random::{self, Random, SeededRandom};

/// A4 at 150 dots per inch.
const WIDTH: u32 = 1240;
const HEIGHT: u32 = 1754;
const MARGIN: f32 = 150.0;
const SIZE: f32 = 30.0;
const LEADING: f32 = 52.0;
const FONT: &[u8] = include_bytes!("../../../fonts/NotoSerif-Regular.ttf");

/// The page could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The font of the project cannot be read.
    #[error("font: {0}")]
    Font(#[from] ttf_parser::FaceParsingError),
    /// No picture of that size.
    #[error("no picture of {WIDTH} × {HEIGHT} dots")]
    Size,
    /// The PNG could not be written.
    #[error("PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// Draws `lines` as a page out of a scanner; PNG, 8 bit grey.
pub fn page(lines: &[&str]) -> Result<Vec<u8>, ScanError> {
    let face = ttf_parser::Face::parse(FONT, 0)?;
    let mut picture = Pixmap::new(WIDTH, HEIGHT).ok_or(ScanError::Size)?;
    picture.fill(Color::from_rgba8(244, 242, 236, 255));
    let mut ink = Paint::default();
    ink.set_color_rgba8(46, 44, 50, 255);
    let scale = SIZE / f32::from(face.units_per_em());
    let turn = Transform::from_rotate_at(0.7, WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0);
    for (number, line) in lines.iter().enumerate() {
        let mut x = MARGIN;
        let y = 220.0 + number as f32 * LEADING;
        for letter in line.chars() {
            let Some(glyph) = face.glyph_index(letter) else { continue };
            let mut outline = Outline(PathBuilder::new());
            face.outline_glyph(glyph, &mut outline);
            if let Some(path) = outline.0.finish() {
                let place = Transform::from_row(scale, 0.0, 0.0, -scale, x, y).post_concat(turn);
                picture.fill_path(&path, &ink, FillRule::Winding, place, None);
            }
            x += f32::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * scale;
        }
    }
    encode(&picture)
}

/// Grey with a grain, as a scanner would leave it; the grain is the same each time.
fn encode(picture: &Pixmap) -> Result<Vec<u8>, ScanError> {
    let random = SeededRandom::new(u64::from(WIDTH));
    let mut grey = Vec::with_capacity((WIDTH * HEIGHT) as usize);
    let mut grain = random::bytes::<32>(&random);
    for (index, dot) in picture.pixels().iter().enumerate() {
        if index % 32 == 0 {
            random.fill(&mut grain);
        }
        let light = (u16::from(dot.red()) + u16::from(dot.green()) + u16::from(dot.blue())) / 3;
        let noise = grain.get(index % 32).map_or(0, |byte| u16::from(byte % 12));
        grey.push(u8::try_from(light.saturating_sub(noise)).unwrap_or(u8::MAX));
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 5906, yppu: 5906, unit: png::Unit::Meter }));
    encoder.write_header()?.write_image_data(&grey)?;
    Ok(bytes)
}

struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
