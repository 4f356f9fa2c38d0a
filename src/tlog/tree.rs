//! The tree that only grows: it holds the right edge, so that appending reads nothing and writes only what changed.

use super::bundle::encode_bundle;
use super::hash::{Hash, empty_root, node_hash};
use super::leaf::Leaf;
use super::path::{BadTilePath, TILE_WIDTH, TileKind, TilePath};
use super::tile::{TILE_HEIGHT, Tile, TileSet};

/// The right edge of a tree: at each level the tile that is not yet full, and the entries of the open bundle.
#[derive(Debug, Clone)]
pub struct Tree {
    size: u64,
    edge: Vec<Tile>,
    open_bundle: Vec<Leaf>,
}

/// What was read back is not the edge of a tree of this size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEdge {
    /// A tile of the edge is not among what was read.
    #[error("the edge of a tree of {size} leaves needs {missing}")]
    Missing {
        /// Leaves of the tree.
        size: u64,
        /// Name of the tile or bundle.
        missing: String,
    },
    /// An entry of the open bundle does not hash to its place in the tile.
    #[error("entry {index} does not hash to its leaf")]
    Entry {
        /// Its index in the log.
        index: u64,
    },
}

/// What an append changed: tiles to store, and the hashes to prove the new leaves by.
#[derive(Debug, Clone)]
pub struct Growth {
    from: u64,
    size: u64,
    root: Hash,
    nodes: TileSet,
    files: Vec<(TilePath, Vec<u8>)>,
}

impl Tree {
    /// The tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, edge: Vec::new(), open_bundle: Vec::new() }
    }

    /// Takes up a tree of `size` leaves again from the tiles that [`tiles_for_edge`] names.
    ///
    /// # Errors
    /// If a tile is missing or the entries are not those of the leaves.
    pub fn restore(size: u64, tiles: &[Tile], open_bundle: Vec<Leaf>) -> Result<Self, BadEdge> {
        let mut edge = Vec::new();
        for (level, path) in edge_places(size) {
            let found = tiles.iter().find(|tile| {
                (tile.level(), tile.index(), u64::from(tile.width())) == (level, path.0, path.1)
            });
            edge.push(match found {
                Some(tile) => tile.clone(),
                None if path.1 == 0 => Tile::empty(level, path.0),
                None => return Err(BadEdge::Missing { size, missing: format!("tile {level}/{}", path.0) }),
            });
        }
        let first = size - size % u64::from(TILE_WIDTH);
        let leaves = edge.first().map_or(&[][..], Tile::hashes);
        if leaves.len() != open_bundle.len() {
            return Err(BadEdge::Missing { size, missing: "entries of the open bundle".to_owned() });
        }
        for ((leaf, hash), index) in open_bundle.iter().zip(leaves).zip(first..) {
            if leaf.hash() != *hash {
                return Err(BadEdge::Entry { index });
            }
        }
        Ok(Self { size, edge, open_bundle })
    }

    /// Leaves in the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash, RFC 6962 section 2.1.
    pub fn root(&self) -> Hash {
        let mut nodes = TileSet::default();
        for tile in &self.edge {
            nodes.insert(tile.clone());
        }
        root_of(self.size, &nodes).unwrap_or_else(empty_root)
    }

    /// Appends `leaves` in order.
    pub fn append(&mut self, leaves: &[Leaf]) -> Growth {
        let from = self.size;
        let mut nodes = TileSet::default();
        let mut files = Vec::new();
        for leaf in leaves {
            self.open_bundle.push(*leaf);
            self.push_hash(leaf.hash(), &mut nodes, &mut files);
        }
        for (level, tile) in (0u32..).zip(&self.edge) {
            let changed = shift(from, level) != shift(self.size, level);
            if let (true, Ok(path)) = (changed, tile.path()) {
                files.push((path, tile.to_bytes()));
                if let (0, Ok(entries)) = (level, entries_path(tile.index(), tile.width())) {
                    files.push((entries, self.bundle()));
                }
            }
            nodes.insert(tile.clone());
        }
        let root = root_of(self.size, &nodes).unwrap_or_else(empty_root);
        Growth { from, size: self.size, root, nodes, files }
    }

    fn push_hash(&mut self, hash: Hash, nodes: &mut TileSet, files: &mut Vec<(TilePath, Vec<u8>)>) {
        let (mut carry, mut level) = (Some(hash), 0u8);
        while let Some(hash) = carry.take() {
            if self.edge.len() <= usize::from(level) {
                self.edge.push(Tile::empty(level, 0));
            }
            let Some(tile) = self.edge.get_mut(usize::from(level)) else { return };
            tile.push(hash);
            if let (Some(top), Ok(path)) = (tile.top(), tile.path()) {
                let full = std::mem::replace(tile, Tile::empty(level, path.index() + 1));
                files.push((path, full.to_bytes()));
                if let (0, Ok(entries)) = (level, entries_path(path.index(), TILE_WIDTH)) {
                    files.push((entries, self.bundle()));
                    self.open_bundle.clear();
                }
                nodes.insert(full);
                carry = Some(top);
            }
            level += 1;
        }
        self.size += 1;
    }

    fn bundle(&self) -> Vec<u8> {
        encode_bundle(self.open_bundle.iter().map(|leaf| leaf.as_bytes().as_slice()))
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Growth {
    /// Leaves before.
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// Leaves now.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root now.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Name and bytes of each tile and bundle that is new.
    pub fn files(&self) -> &[(TilePath, Vec<u8>)] {
        &self.files
    }

    /// The path from leaf `index` to the root; none if the leaf was not appended here.
    pub fn prove(&self, index: u64) -> Option<Vec<Hash>> {
        if index < self.from { None } else { inclusion_path(self.size, index, &self.nodes) }
    }
}

fn shift(size: u64, level: u32) -> u64 {
    size.checked_shr(u32::from(TILE_HEIGHT) * level).unwrap_or(0)
}

fn entries_path(index: u64, width: u16) -> Result<TilePath, BadTilePath> {
    TilePath::new(TileKind::Entries, index, width)
}

/// Level, and index and width of its open tile, from the leaves up to the highest level with a hash.
fn edge_places(size: u64) -> impl Iterator<Item = (u8, (u64, u64))> {
    (0u8..8)
        .map(move |level| (level, shift(size, u32::from(level))))
        .take_while(|(_, hashes)| *hashes > 0)
        .map(|(level, hashes)| (level, (hashes / u64::from(TILE_WIDTH), hashes % u64::from(TILE_WIDTH))))
}

/// The partial tiles and the partial bundle at the right edge of a tree of `size` leaves.
pub fn tiles_for_edge(size: u64) -> Vec<TilePath> {
    let mut paths = Vec::new();
    for (level, (index, width)) in edge_places(size) {
        let width = u16::try_from(width).unwrap_or(0);
        paths.extend(TilePath::new(TileKind::Hashes(level), index, width));
        if level == 0 {
            paths.extend(entries_path(index, width));
        }
    }
    paths
}

/// The tiles from which [`inclusion_path`] of leaf `index` can be computed.
pub fn tiles_for_proof(size: u64, index: u64) -> Vec<TilePath> {
    let mut paths: Vec<TilePath> =
        tiles_for_edge(size).into_iter().filter(|path| path.kind() != TileKind::Entries).collect();
    for (level, (open, _)) in edge_places(size) {
        let place = shift(index, u32::from(level) + 1);
        if place < open {
            paths.extend(TilePath::new(TileKind::Hashes(level), place, TILE_WIDTH));
        }
    }
    paths
}

/// Height and index of the perfect subtrees that make up a tree of `size` leaves, from the left.
fn peaks(size: u64) -> Vec<(u8, u64)> {
    let mut start = 0u64;
    let mut peaks = Vec::new();
    for height in (0u8..64).rev() {
        if size >> height & 1 == 1 {
            peaks.push((height, start >> height));
            start += 1 << height;
        }
    }
    peaks
}

fn root_of(size: u64, nodes: &TileSet) -> Option<Hash> {
    let mut root = None;
    for (height, index) in peaks(size).into_iter().rev() {
        let peak = nodes.node(height, index)?;
        root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
    }
    root
}

/// The path from leaf `index` to the root of the tree of `size` leaves, RFC 6962 section 2.1.1: first the leaf's
/// sibling. None if there is no such leaf or a tile is not at hand.
pub fn inclusion_path(size: u64, index: u64, nodes: &TileSet) -> Option<Vec<Hash>> {
    if index >= size {
        return None;
    }
    let peaks = peaks(size);
    let own = peaks.iter().position(|(height, place)| index >> height == *place)?;
    let (left, rest) = peaks.split_at(own);
    let ((height, _), right) = rest.split_first()?;
    let mut path = Vec::new();
    for step in 0..*height {
        path.push(nodes.node(step, (index >> step) ^ 1)?);
    }
    let mut beyond: Option<Hash> = None;
    for (height, place) in right.iter().rev() {
        let peak = nodes.node(*height, *place)?;
        beyond = Some(beyond.map_or(peak, |right| node_hash(&peak, &right)));
    }
    path.extend(beyond);
    for (height, place) in left.iter().rev() {
        path.push(nodes.node(*height, *place)?);
    }
    Some(path)
}
