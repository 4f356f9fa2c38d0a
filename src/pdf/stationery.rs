//! What every page of an authority has in common: the typefaces and the pale emblem behind the text.
//! Read once, then shared; the emblem in the repository is invented, no real arms.

use krilla::geom::{Path, PathBuilder};
use usvg::tiny_skia_path::PathSegment;

use super::face::{Face, NotAFont};

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

/// Typefaces and emblem.
pub struct Stationery {
    regular: Face,
    bold: Face,
    emblem: Emblem,
}

/// A drawing in one colour, as outlines within a square of side 1.
pub struct Emblem {
    outlines: Vec<Path>,
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
}

impl Stationery {
    /// Noto Sans and the invented emblem.
    pub fn load() -> Result<Self, StationeryError> {
        Ok(Self {
            regular: Face::load(SANS_REGULAR)?,
            bold: Face::load(SANS_BOLD)?,
            emblem: Emblem::from_svg(EMBLEM)?,
        })
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
    pub fn from_svg(svg: &str) -> Result<Self, usvg::Error> {
        let tree = usvg::Tree::from_str(svg, &usvg::Options::default())?;
        let side = tree.size().width().max(tree.size().height());
        let mut outlines = Vec::new();
        collect(tree.root(), 1.0 / side, &mut outlines);
        Ok(Self { outlines })
    }

    pub(super) fn outlines(&self) -> &[Path] {
        &self.outlines
    }
}

fn collect(group: &usvg::Group, scale: f32, outlines: &mut Vec<Path>) {
    for node in group.children() {
        match node {
            usvg::Node::Group(group) => collect(group, scale, outlines),
            usvg::Node::Path(path) if path.fill().is_some() => {
                let to_unit = path.abs_transform().post_scale(scale, scale);
                outlines.extend(path.data().clone().transform(to_unit).and_then(|path| outline(&path)));
            }
            _ => {}
        }
    }
}

fn outline(path: &usvg::tiny_skia_path::Path) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => builder.move_to(p.x, p.y),
            PathSegment::LineTo(p) => builder.line_to(p.x, p.y),
            PathSegment::QuadTo(c, p) => builder.quad_to(c.x, c.y, p.x, p.y),
            PathSegment::CubicTo(a, b, p) => builder.cubic_to(a.x, a.y, b.x, b.y, p.x, p.y),
            PathSegment::Close => builder.close(),
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emblem_has_outlines_and_the_fonts_load() {
        let stationery = Stationery::load().unwrap();
        assert!(!stationery.emblem().outlines().is_empty());
        assert!(stationery.face(Weight::Bold).shape("Geburtsurkunde").is_ok());
    }

    #[test]
    fn a_broken_font_or_emblem_is_an_error() {
        assert_eq!(Face::load(b"no font").err(), Some(NotAFont));
        assert!(Emblem::from_svg("<svg").is_err());
    }

    #[test]
    fn stationery_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Stationery>();
    }
}
