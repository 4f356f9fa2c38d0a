//! Checks the log's proof that is in the seal: the leaf is computed anew from the seal's digest and the salt in
//! the proof, its inclusion in a checkpoint that a known key signed. Every line must have its one meaning.

use super::problem::Problem;
use super::report::Log;
use crate::domain::digest::Sha256;
use crate::tlog::{Leaf, LeafKind, Proof, VerifierKey};

/// Checks `proof` for `seal_digest` against `keys` (of one or more logs).
pub(super) fn check(proof: &[u8], seal_digest: &Sha256, keys: &[VerifierKey]) -> Result<Log, Problem> {
    let wrong = |text: String| Problem::Proof(text);
    let parsed = Proof::parse(proof).map_err(|e| wrong(e.to_string()))?;
    if parsed.to_text().as_bytes() != proof {
        return Err(wrong("it is not in its canonical form".to_owned()));
    }
    only_known_signatures(parsed.checkpoint(), keys)?;
    let salt = parsed.salt().map_err(|e| wrong(e.to_string()))?;
    let leaf = Leaf::new(LeafKind::Issued, &salt, seal_digest);
    let proven = parsed.verify(keys, &leaf).map_err(|e| wrong(e.to_string()))?;
    Ok(Log::Registered { origin: proven.origin, index: proven.index })
}

/// A line that no known key vouches for could say anything: a changed byte in it would go unnoticed.
fn only_known_signatures(checkpoint: &str, keys: &[VerifierKey]) -> Result<(), Problem> {
    let lines = checkpoint.rsplit_once("\n\n").map_or("", |(_, lines)| lines);
    for line in lines.lines() {
        let name = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).map(|(name, _)| name);
        if !keys.iter().any(|key| name == Some(key.name())) {
            return Err(Problem::Proof("its checkpoint has a signature of an unknown key".to_owned()));
        }
    }
    if lines.lines().count() > keys.len() {
        return Err(Problem::Proof(
            "its checkpoint has more signatures than there are known keys".to_owned(),
        ));
    }
    Ok(())
}
