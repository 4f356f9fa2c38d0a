//! A tile with the inner nodes of its subtree, so that a proof is a look-up; and a set of tiles to look up in.

use std::collections::BTreeMap;

use super::hash::{Hash, node_hash};
use super::path::{BadTilePath, TILE_WIDTH, TileKind, TilePath};

/// Heights within one tile.
pub(super) const TILE_HEIGHT: u8 = 8;

/// A full or partial tile. `rows[0]` are its hashes, `rows[r]` the nodes `r` levels above them that are complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    level: u8,
    index: u64,
    rows: [Vec<Hash>; TILE_HEIGHT as usize + 1],
}

/// The bytes are not those of this tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tile {path} has {expected} bytes, got {got}")]
pub struct BadTile {
    /// Its name.
    pub path: String,
    /// Bytes it should have.
    pub expected: usize,
    /// Bytes it has.
    pub got: usize,
}

impl Tile {
    /// A tile without hashes yet.
    pub(super) fn empty(level: u8, index: u64) -> Self {
        Self { level, index, rows: std::array::from_fn(|_| Vec::new()) }
    }

    /// Reads the bytes stored under `path`.
    ///
    /// # Errors
    /// If there are not 32 bytes for each hash the name promises.
    pub fn parse(path: &TilePath, bytes: &[u8]) -> Result<Self, BadTile> {
        let expected = usize::from(path.width()) * 32;
        let level = match path.kind() {
            TileKind::Hashes(level) if bytes.len() == expected => level,
            _ => return Err(BadTile { path: path.to_string(), expected, got: bytes.len() }),
        };
        let mut tile = Self::empty(level, path.index());
        for hash in bytes.as_chunks::<32>().0 {
            tile.push(Hash::from_bytes(*hash));
        }
        Ok(tile)
    }

    /// Appends a hash and completes what it completes. A full tile takes no more.
    pub(super) fn push(&mut self, hash: Hash) {
        if self.is_full() {
            return;
        }
        let mut made = hash;
        for row in &mut self.rows {
            row.push(made);
            let [.., left, right] = row.as_slice() else { return };
            if row.len() % 2 == 1 {
                return;
            }
            made = node_hash(left, right);
        }
    }

    /// Its level: 0 holds the leaves' hashes.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Its position within the level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes it holds: 0 to 256.
    pub fn width(&self) -> u16 {
        u16::try_from(self.hashes().len()).unwrap_or(TILE_WIDTH)
    }

    /// Whether it holds all 256.
    pub fn is_full(&self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// Its hashes in order.
    pub fn hashes(&self) -> &[Hash] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// The hash over the full tile: an entry of the tile above.
    pub fn top(&self) -> Option<Hash> {
        self.rows.last().and_then(|row| row.first()).copied()
    }

    /// The name it is stored under.
    ///
    /// # Errors
    /// If it is empty: empty tiles have no name.
    pub fn path(&self) -> Result<TilePath, BadTilePath> {
        TilePath::new(TileKind::Hashes(self.level), self.index, self.width())
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes().iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    fn node(&self, row: u8, position: usize) -> Option<Hash> {
        self.rows.get(usize::from(row)).and_then(|row| row.get(position)).copied()
    }
}

/// Tiles at hand, found by their place.
#[derive(Debug, Clone, Default)]
pub struct TileSet(BTreeMap<(u8, u64), Tile>);

impl TileSet {
    /// Adds a tile; one of the same place gives way.
    pub fn insert(&mut self, tile: Tile) {
        self.0.insert((tile.level, tile.index), tile);
    }

    /// The hash over the perfect subtree of `2^height` leaves, the `index`-th of its height; none if not at hand.
    pub fn node(&self, height: u8, index: u64) -> Option<Hash> {
        let (level, row) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let shift = TILE_HEIGHT - row;
        let tile = self.0.get(&(level, index >> shift))?;
        tile.node(row, usize::try_from(index & ((1 << shift) - 1)).ok()?)
    }

    /// The tiles, by level and place.
    pub fn iter(&self) -> impl Iterator<Item = &Tile> {
        self.0.values()
    }
}
