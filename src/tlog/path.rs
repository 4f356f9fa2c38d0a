//! Names of tiles and entry bundles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles).

use std::fmt;
use std::str::FromStr;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Hashes of a level, or the entries themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes at this level (0: of the leaves).
    Hashes(u8),
    /// The entries.
    Entries,
}

/// The name of one tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// The text names no tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a tile: expected tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>]")]
pub struct BadTilePath;

impl TilePath {
    /// The name of the tile with `width` hashes.
    ///
    /// # Errors
    /// If the level is above 63 or the width not in 1..=256.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, BadTilePath> {
        let level_fits = !matches!(kind, TileKind::Hashes(level) if level > 63);
        if level_fits && (1..=TILE_WIDTH).contains(&width) {
            Ok(Self { kind, index, width })
        } else {
            Err(BadTilePath)
        }
    }

    /// Hashes of which level, or entries.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Position within the level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it: 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds all 256 and will never change its name.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place > 0 {
                write!(f, "x{group:03}/")?;
            } else {
                write!(f, "{group:03}")?;
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = BadTilePath;

    /// Reads a name; only the one canonical spelling of a tile is accepted.
    fn from_str(text: &str) -> Result<Self, BadTilePath> {
        if text.len() > 60 {
            return Err(BadTilePath);
        }
        let rest = text.strip_prefix("tile/").ok_or(BadTilePath)?;
        let (kind, rest) = rest.split_once('/').ok_or(BadTilePath)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().map_err(|_| BadTilePath)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| BadTilePath)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let value: u64 = digits.parse().map_err(|_| BadTilePath)?;
            index = index.checked_mul(1000).and_then(|i| i.checked_add(value)).ok_or(BadTilePath)?;
        }
        let path = Self::new(kind, index, width)?;
        if path.to_string() == text { Ok(path) } else { Err(BadTilePath) }
    }
}
