//! Entry bundles: the entries of one tile, each with its length in two bytes before it (C2SP tlog-tiles).

/// The bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bundle ends within entry {entry}")]
pub struct BadBundle {
    /// Which entry is cut off, counted from 0.
    pub entry: usize,
}

/// Writes `entries` one after the other. An entry longer than 65,535 bytes cannot be written; ours have 50.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend(entry.iter().take(usize::from(length)));
    }
    bundle
}

/// Takes a bundle apart.
///
/// # Errors
/// If it does not end with the end of an entry.
pub fn decode_bundle(mut bundle: &[u8]) -> Result<Vec<&[u8]>, BadBundle> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let cut = BadBundle { entry: entries.len() };
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or_else(|| cut.clone())?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(cut)?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}
