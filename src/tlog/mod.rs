//! Pure transparency log: Merkle tree, tiles, checkpoints, proofs, leaves. Knows no SQL, store or HTTP.
