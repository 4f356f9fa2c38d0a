//! The hashes of the Merkle tree, RFC 6962 section 2.1: leaves and nodes are told apart by their first byte.

use ring::digest::{Context, SHA256, digest};

use crate::domain::digest::Sha256;

/// A hash of the tree.
pub type Hash = Sha256;

fn finished(context: Context) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Hash::from_bytes(bytes)
}

/// `SHA-256(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x00]);
    context.update(entry);
    finished(context)
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x01]);
    context.update(left.as_bytes());
    context.update(right.as_bytes());
    finished(context)
}

/// The root of the tree without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &[]).as_ref());
    Hash::from_bytes(bytes)
}
