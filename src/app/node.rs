//! Who this node is, over all its starts: what it had taken when it was killed, it may take again at once.
//!
//! The identifier lies in the data folder, which one process at a time serves: its lock is held before this is read.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::KeyFileError;
use crate::domain::ids::NodeId;
use crate::domain::random::Random;

/// The identifier of the node that serves `data_dir`; made on the first start. One that cannot be read is replaced:
/// then what the node had taken before is free when its lease has run out.
pub(super) fn id(data_dir: &Path, random: &dyn Random) -> Result<NodeId, KeyFileError> {
    let path = data_dir.join("node.id");
    if let Ok(text) = fs::read_to_string(&path)
        && let Ok(id) = text.trim_end().parse()
    {
        return Ok(id);
    }
    let id = NodeId::draw(random);
    write(&path, id).map_err(|source| KeyFileError::File { path: path.clone(), source })?;
    Ok(id)
}

fn write(path: &Path, id: NodeId) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SeededRandom;

    #[test]
    fn a_node_is_the_same_from_start_to_start_and_a_damaged_name_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let random = SeededRandom::new(1);
        let first = id(folder.path(), &random).unwrap();
        assert_eq!(id(folder.path(), &random).unwrap(), first);
        fs::write(folder.path().join("node.id"), "0123").unwrap();
        let second = id(folder.path(), &random).unwrap();
        assert_ne!(second, first);
        assert_eq!(id(folder.path(), &random).unwrap(), second);
        assert!(id(&folder.path().join("absent"), &random).is_err());
    }
}
