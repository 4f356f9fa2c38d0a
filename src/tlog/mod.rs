//! Pure transparency log: leaves, Merkle tree, tiles, signed checkpoints and proofs after the C2SP specifications.
//!
//! Own code rather than the crate `tlog_tiles`, whose paths carry a height and say `data`, and which panics on bad
//! arithmetic; the crate is the second opinion in the tests. Knows no SQL, object store or HTTP.

mod bundle;
mod checkpoint;
mod hash;
mod leaf;
mod note;
mod path;
mod proof;
mod tile;
mod tree;

pub use bundle::{BadBundle, decode_bundle, encode_bundle};
pub use checkpoint::{BadCheckpoint, Checkpoint, CheckpointError};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use leaf::{Leaf, LeafKind, NotALeaf, Salt};
pub use note::{BadKey, BadNote, LogSigner, NoteError, SignedNote, VerifierKey};
pub use path::{BadTilePath, TILE_WIDTH, TileKind, TilePath};
pub use proof::{BadProof, MAX_PROOF_BYTES, Proof, ProofError, Proven, root_from_path};
pub use tile::{BadTile, Tile, TileSet};
pub use tree::{BadEdge, Growth, Tree, inclusion_path, tiles_for_edge, tiles_for_proof};

#[cfg(test)]
mod tests;
