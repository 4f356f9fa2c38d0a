//! What every page of an authority has in common: the typefaces and the pale emblem behind the text.
//! Read once, then shared; the emblem in the repository is invented, no real arms.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use krilla::geom::{Path, PathBuilder};
use usvg::tiny_skia_path::PathSegment;

use super::face::{Face, NotAFont, Run, Undrawable};

/// Noto Sans Regular (OFL).
pub const SANS_REGULAR: &[u8] = include_bytes!("../../fonts/NotoSans-Regular.ttf");
/// Noto Sans Bold (OFL).
pub const SANS_BOLD: &[u8] = include_bytes!("../../fonts/NotoSans-Bold.ttf");
/// The invented emblem.
const EMBLEM: &str = include_str!("emblem.svg");

/// The weights in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// Labels and values.
    Regular,
    /// Titles and headings.
    Bold,
}

/// Typefaces and emblem, and the texts that stand on every page, shaped once.
pub struct Stationery {
    regular: Face,
    bold: Face,
    emblem: Emblem,
    standing: RwLock<HashMap<Standing, Arc<[Arc<Run>]>>>,
}

/// How many standing texts are kept: more than all forms have, so that a mistake cannot fill the memory.
const STANDING_MAX: usize = 512;

/// A standing text in a weight, broken at a width (the bits of its f32).
type Standing = (Weight, u32, String);

/// Units on each side of an emblem's square; outlines are rounded to them, which is finer than any printer.
pub(super) const EMBLEM_UNITS: f32 = 1000.0;

/// A drawing in one colour, as one outline within a square.
pub struct Emblem {
    outline: Path,
}

/// Why the stationery cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StationeryError {
    /// A font file is broken.
    #[error(transparent)]
    Font(#[from] NotAFont),
    /// The emblem is not an SVG that can be read.
    #[error("the emblem is not a usable SVG: {0}")]
    Emblem(#[from] usvg::Error),
    /// The emblem has no filled outline.
    #[error("the emblem has nothing in it that is filled")]
    Empty,
}

impl Stationery {
    /// Noto Sans and the invented emblem.
    pub fn load() -> Result<Self, StationeryError> {
        Ok(Self {
            regular: Face::load(SANS_REGULAR)?,
            bold: Face::load(SANS_BOLD)?,
            emblem: Emblem::from_svg(EMBLEM)?,
            standing: RwLock::default(),
        })
    }

    /// The lines of a text of the form (a label, a heading, a remark), shaped once and kept. Never for what an
    /// entry says: names are not kept.
    pub fn standing(&self, weight: Weight, text: &str, width_em: f32) -> Result<Arc<[Arc<Run>]>, Undrawable> {
        let key = (weight, width_em.to_bits(), text.to_owned());
        let known = self.standing.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        if let Some(lines) = known {
            return Ok(lines);
        }
        let lines: Arc<[Arc<Run>]> =
            self.face(weight).wrap(text, width_em)?.into_iter().map(Arc::new).collect();
        let mut kept = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < STANDING_MAX {
            kept.insert(key, Arc::clone(&lines));
        }
        Ok(lines)
    }

    /// The face of a weight.
    pub fn face(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    pub(super) fn emblem(&self) -> &Emblem {
        &self.emblem
    }
}

impl Emblem {
    /// Takes the filled outlines of an SVG drawing; colours, strokes and effects are left out.
    /// They become one: where they overlap they must turn the same way, as in any drawing of one colour.
    pub fn from_svg(svg: &str) -> Result<Self, StationeryError> {
        let tree = usvg::Tree::from_str(svg, &usvg::Options::default())?;
        let side = tree.size().width().max(tree.size().height());
        let mut builder = PathBuilder::new();
        collect(tree.root(), EMBLEM_UNITS / side, &mut builder);
        Ok(Self { outline: builder.finish().ok_or(StationeryError::Empty)? })
    }

    pub(super) const fn outline(&self) -> &Path {
        &self.outline
    }
}

fn collect(group: &usvg::Group, scale: f32, builder: &mut PathBuilder) {
    for node in group.children() {
        match node {
            usvg::Node::Group(group) => collect(group, scale, builder),
            usvg::Node::Path(path) if path.fill().is_some() => {
                let to_square = path.abs_transform().post_scale(scale, scale);
                if let Some(path) = path.data().clone().transform(to_square) {
                    outline(&path, builder);
                }
            }
            _ => {}
        }
    }
}

fn outline(path: &usvg::tiny_skia_path::Path, builder: &mut PathBuilder) {
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => builder.move_to(p.x.round(), p.y.round()),
            PathSegment::LineTo(p) => builder.line_to(p.x.round(), p.y.round()),
            PathSegment::QuadTo(c, p) => builder.quad_to(c.x.round(), c.y.round(), p.x.round(), p.y.round()),
            PathSegment::CubicTo(a, b, p) => {
                builder.cubic_to(a.x.round(), a.y.round(), b.x.round(), b.y.round(), p.x.round(), p.y.round())
            }
            PathSegment::Close => builder.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_and_the_emblem_load() {
        let stationery = Stationery::load().unwrap();
        assert!(stationery.face(Weight::Bold).shape("Geburtsurkunde").is_ok());
    }

    #[test]
    fn a_broken_font_or_emblem_is_an_error() {
        assert_eq!(Face::load(b"no font").err(), Some(NotAFont));
        assert!(matches!(Emblem::from_svg("<svg"), Err(StationeryError::Emblem(_))));
        let empty = r#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>"#;
        assert!(matches!(Emblem::from_svg(empty), Err(StationeryError::Empty)));
    }

    #[test]
    fn a_standing_text_is_kept_and_their_number_is_limited() {
        let stationery = Stationery::load().unwrap();
        let first = stationery.standing(Weight::Regular, "Geburtsname", 100.0).unwrap();
        let again = stationery.standing(Weight::Regular, "Geburtsname", 100.0).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(stationery.standing(Weight::Regular, "Ort, Tag der Geburt", 5.0).unwrap().len(), 3);
        for i in 0..STANDING_MAX + 10 {
            stationery.standing(Weight::Bold, &i.to_string(), 100.0).unwrap();
        }
        assert_eq!(stationery.standing.read().unwrap().len(), STANDING_MAX);
    }

    #[test]
    fn stationery_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Stationery>();
    }
}
