//! The log against known answers of RFC 6962, a naive tree, and the crates `tlog_tiles` and `signed_note`.

use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};

use super::*;
use crate::domain::digest::Sha256;
use crate::domain::random::SeededRandom;

fn leaf(number: u64) -> Leaf {
    let digest = Sha256::of(&number.to_be_bytes());
    Leaf::new(LeafKind::Issued, &Salt::from_bytes([7; 32]), &digest)
}

fn leaves(range: std::ops::Range<u64>) -> Vec<Leaf> {
    range.map(leaf).collect()
}

fn signer(name: &str) -> LogSigner {
    LogSigner::generate(name, &SeededRandom::new(1)).unwrap().0
}

/// RFC 6962 section 2.1, word for word.
fn naive_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_path(index: usize, hashes: &[Hash]) -> Vec<Hash> {
    if hashes.len() == 1 {
        return Vec::new();
    }
    let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
    let (mut path, other) = if index < left.len() {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - left.len(), right), left)
    };
    path.push(naive_root(other));
    path
}

#[test]
fn leaf_and_node_hashes_are_those_of_the_certificate_transparency_test_vectors() {
    assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(
        leaf_hash(b"").to_string(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(
        leaf_hash(&[0x00]).to_string(),
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    );
    let entries =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let hashes: Vec<Hash> = entries.iter().map(|hex| leaf_hash(&hex::decode(hex).unwrap())).collect();
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (size, root) in (1..).zip(roots) {
        assert_eq!(naive_root(&hashes[..size]).to_string(), root, "{size} leaves");
    }
}

#[test]
fn a_leaf_is_format_type_and_commitment_and_reads_back() {
    let leaf = Leaf::new(LeafKind::Revoked, &Salt::from_bytes([1; 32]), &Sha256::of(b"x"));
    assert_eq!(&leaf.as_bytes()[..17], b"stammbuch/cert/v1");
    assert_eq!(leaf.as_bytes()[17], 2);
    let commitment = [&b"stammbuch/commitment/v1"[..], &[1; 32], Sha256::of(b"x").as_bytes()].concat();
    assert_eq!(&leaf.as_bytes()[18..], Sha256::of(&commitment).as_bytes());
    assert_eq!(Leaf::parse(leaf.as_bytes()), Ok(leaf));
    assert_eq!(leaf.kind(), LeafKind::Revoked);
    assert_eq!(Leaf::parse(&leaf.as_bytes()[1..]), Err(NotALeaf::Length { got: 49 }));
    let mut bytes = *leaf.as_bytes();
    bytes[17] = 9;
    assert_eq!(Leaf::parse(&bytes), Err(NotALeaf::Kind { got: 9 }));
    bytes[0] = b'S';
    assert_eq!(Leaf::parse(&bytes), Err(NotALeaf::Format));
}

#[test]
fn tile_names_are_those_of_the_specification() {
    for (kind, index, width, name) in [
        (TileKind::Hashes(0), 0, 256, "tile/0/000"),
        (TileKind::Hashes(0), 273, 112, "tile/0/273.p/112"),
        (TileKind::Hashes(3), 1_234_067, 256, "tile/3/x001/x234/067"),
        (TileKind::Entries, 1_000, 1, "tile/entries/x001/000.p/1"),
        (TileKind::Hashes(63), u64::MAX, 255, "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"),
    ] {
        let path = TilePath::new(kind, index, width).unwrap();
        assert_eq!(path.to_string(), name);
        assert_eq!(name.parse(), Ok(path));
    }
}

#[test]
fn a_name_that_is_not_canonical_is_refused() {
    for bad in [
        "",
        "tile",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/../../000",
        "tile/0/001/000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/x01/000",
        "tile/entries/",
        "tile/Entries/000",
        "tile/0/000.p/1.p/1",
        "tile/0/1e3",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert_eq!(bad.parse::<TilePath>(), Err(BadTilePath), "{bad}");
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_that_the_specification_counts() {
    let names: Vec<String> = tiles_for_edge(70_000).iter().map(ToString::to_string).collect();
    insta::assert_debug_snapshot!(names, @r#"
    [
        "tile/0/273.p/112",
        "tile/entries/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    "#);
    let growth = Tree::new().append(&leaves(0..70_000));
    let full = |kind| growth.files().iter().filter(|(p, _)| p.kind() == kind && p.is_full()).count();
    assert_eq!((full(TileKind::Hashes(0)), full(TileKind::Hashes(1))), (273, 1));
    assert_eq!(full(TileKind::Entries), 273);
}

#[test]
fn two_hundred_and_fifty_six_leaves_are_one_full_tile_and_one_hash_above() {
    let growth = Tree::new().append(&leaves(0..256));
    let names: Vec<String> = growth.files().iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(names, ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"]);
}

#[test]
fn a_bundle_reads_back_and_a_cut_one_is_refused() {
    let entries: [&[u8]; 3] = [b"one", b"", b"three"];
    let bundle = encode_bundle(entries);
    assert_eq!(decode_bundle(&bundle).unwrap(), entries);
    assert_eq!(decode_bundle(&bundle[..bundle.len() - 1]), Err(BadBundle { entry: 2 }));
    assert_eq!(decode_bundle(&bundle[..6]), Err(BadBundle { entry: 1 }));
}

#[test]
fn a_key_reads_back_and_a_wrong_one_is_refused() {
    let (signer, text) = LogSigner::generate("example.org/log", &SeededRandom::new(5)).unwrap();
    let again = LogSigner::parse(&text).unwrap();
    assert_eq!(again.verifier(), signer.verifier());
    let key = signer.verifier().to_string();
    assert_eq!(key.parse(), Ok(signer.verifier().clone()));
    let specified: VerifierKey =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
    assert_eq!(specified.name(), "example.com/foo");
    for bad in [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
    ] {
        assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
    }
    assert!(LogSigner::generate("with space", &SeededRandom::new(5)).is_err());
    assert!(!format!("{signer:?}").contains("PRIVATE"));
}

#[test]
fn the_note_of_the_specification_verifies() {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
    let note = "This is an example message.\n\n— example.com/foo \
                Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let parsed = SignedNote::parse(note).unwrap();
    assert_eq!(parsed.text(), "This is an example message.\n");
    assert!(parsed.verify(std::slice::from_ref(&key)).is_ok());
    let changed = SignedNote::parse(&note.replace("example message", "Example message")).unwrap();
    assert_eq!(changed.verify(&[key]), Err(NoteError::Wrong { name: "example.com/foo".to_owned() }));
    assert_eq!(parsed.verify(&[]), Err(NoteError::Unsigned));
}

#[test]
fn another_implementation_verifies_our_checkpoint_and_our_proof_of_inclusion() {
    let signer = signer("example.org/log");
    let growth = Tree::new().append(&leaves(0..1000));
    let signed = Checkpoint::new(&signer, 1000, growth.root()).sign(&signer);
    let theirs = Note::from_bytes(signed.as_bytes()).unwrap();
    let key = StandardVerifier::new(&signer.verifier().to_string()).unwrap();
    let (verified, unknown) = theirs.verify(&VerifierList::new(vec![Box::new(key)])).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    let root = tlog_tiles::Hash(*growth.root().as_bytes());
    for index in [0, 255, 256, 767, 768, 999] {
        let path = growth.prove(index).unwrap();
        let path = path.iter().map(|hash| tlog_tiles::Hash(*hash.as_bytes())).collect();
        let record = tlog_tiles::record_hash(leaf(index).as_bytes());
        tlog_tiles::check_record(&path, 1000, root, index, record).unwrap();
    }
}

/// A proof of leaf 3 of 7, and the key of its log.
fn proof() -> (Proof, VerifierKey) {
    let signer = signer("example.org/log");
    let growth = Tree::new().append(&leaves(0..7));
    let checkpoint = Checkpoint::new(&signer, 7, growth.root()).sign(&signer);
    let proof = Proof::new(&Salt::from_bytes([7; 32]), 3, growth.prove(3).unwrap(), checkpoint);
    (proof, signer.verifier().clone())
}

#[test]
fn a_proof_reads_back_and_proves_its_leaf_and_no_other() {
    let (proof, key) = proof();
    let again = Proof::parse(proof.to_text().as_bytes()).unwrap();
    assert_eq!(again, proof);
    assert_eq!(again.salt(), Ok(Salt::from_bytes([7; 32])));
    let keys = [key];
    let proven = again.verify(&keys, &leaf(3)).unwrap();
    assert_eq!((proven.origin.as_str(), proven.index, proven.size), ("example.org/log", 3, 7));
    assert!(matches!(again.verify(&keys, &leaf(4)), Err(ProofError::Root { .. })));
    assert!(matches!(again.verify(&[], &leaf(3)), Err(ProofError::Checkpoint(_))));
    let revoked = Leaf::new(LeafKind::Revoked, &Salt::from_bytes([7; 32]), &Sha256::of(&3u64.to_be_bytes()));
    assert!(again.verify(&keys, &revoked).is_err());
}

#[test]
fn no_byte_of_a_proof_can_be_changed_and_still_prove() {
    let (proof, key) = proof();
    let (text, keys) = (proof.to_text().into_bytes(), [key]);
    for place in 0..text.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut changed = text.clone();
            changed[place] ^= change;
            let proven = Proof::parse(&changed).is_ok_and(|proof| {
                let salt = proof.salt().unwrap_or(Salt::from_bytes([0; 32]));
                let leaf = Leaf::new(LeafKind::Issued, &salt, &Sha256::of(&3u64.to_be_bytes()));
                proof.verify(&keys, &leaf).is_ok()
            });
            assert!(!proven, "byte {place} ^ {change}");
        }
    }
}

#[test]
fn a_checkpoint_of_another_origin_is_refused_though_the_key_is_known() {
    let (ours, theirs) = (signer("example.org/log"), signer("example.org/other"));
    let forged = Checkpoint::new(&theirs, 0, empty_root()).sign(&ours);
    let keys = [ours.verifier().clone(), theirs.verifier().clone()];
    assert!(matches!(Checkpoint::open(&forged, &keys), Err(CheckpointError::Origin { .. })));
}

#[test]
fn malformed_proofs_name_the_rule_they_break() {
    let good = proof().0.to_text();
    for (bad, rule) in [
        (good.replacen("@v1", "@v2", 1), BadProof::Version),
        (good.replacen("extra B", "extra *", 1), BadProof::Extra),
        (good.replacen("index 3", "index 03", 1), BadProof::Index),
        (good.replacen("index 3\n", "", 1), BadProof::Index),
        (good.replacen("index 3\n", "index 3\nAAAA\n", 1), BadProof::Path { line: 1 }),
        (good.replacen("\n\n", "\n", 2), BadProof::NoCheckpoint),
        (good.replacen("\n7\n", "\n07\n", 1), BadCheckpoint::Size.into()),
        (good.trim_end().to_owned(), BadCheckpoint::Note(BadNote::Shape).into()),
        (format!("{good}x\n"), BadCheckpoint::Note(BadNote::Signature { line: 2 }).into()),
    ] {
        assert_eq!(Proof::parse(bad.as_bytes()), Err(rule), "{bad}");
    }
    assert_eq!(Proof::parse(&[0xff, 0xfe]), Err(BadProof::Encoding));
    assert_eq!(
        Proof::parse(&vec![b'a'; MAX_PROOF_BYTES + 1]),
        Err(BadProof::TooLong { got: MAX_PROOF_BYTES + 1 })
    );
    let salt_less =
        good.lines().filter(|line| !line.starts_with("extra")).fold(String::new(), |t, l| t + l + "\n");
    assert_eq!(Proof::parse(salt_less.as_bytes()).unwrap().salt(), Err(BadProof::NoSalt));
}

#[test]
fn an_edge_with_a_missing_tile_or_a_foreign_entry_is_refused() {
    assert!(matches!(Tree::restore(3, &[], leaves(0..3)), Err(BadEdge::Missing { .. })));
    let mut tree = Tree::new();
    let growth = tree.append(&leaves(0..3));
    let (path, bytes) = &growth.files()[0];
    let tile = Tile::parse(path, bytes).unwrap();
    assert!(Tree::restore(3, std::slice::from_ref(&tile), leaves(0..3)).is_ok());
    let foreign = vec![leaf(0), leaf(9), leaf(2)];
    assert!(matches!(Tree::restore(3, &[tile], foreign), Err(BadEdge::Entry { index: 1 })));
    assert!(Tile::parse(path, &bytes[1..]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Grown in any steps, taken up again between them from its own files: same root, same paths as the naive tree.
    #[test]
    fn a_tree_grown_in_steps_equals_the_naive_tree(steps in prop::collection::vec(0u64..400, 1..6), pick in any::<u64>()) {
        let mut files = std::collections::BTreeMap::new();
        let mut tree = Tree::new();
        for step in steps {
            let growth = tree.append(&leaves(tree.size()..tree.size() + step));
            files.extend(growth.files().iter().cloned());
            let hashes: Vec<Hash> = (0..tree.size()).map(|n| leaf(n).hash()).collect();
            prop_assert_eq!(growth.root(), naive_root(&hashes));
            prop_assert_eq!(tree.root(), growth.root());
            if step > 0 {
                let index = growth.from() + pick % step;
                let path = growth.prove(index).unwrap();
                prop_assert_eq!(&path, &naive_path(index as usize, &hashes));
                prop_assert_eq!(root_from_path(tree.size(), index, leaf(index).hash(), &path), Some(growth.root()));
                prop_assert_eq!(root_from_path(tree.size(), index, leaf(index).hash(), &path[1.min(path.len())..]).is_some(), path.is_empty());
                let old = pick % tree.size();
                let mut nodes = TileSet::default();
                for path in tiles_for_proof(tree.size(), old) {
                    nodes.insert(Tile::parse(&path, &files[&path]).unwrap());
                }
                prop_assert_eq!(inclusion_path(tree.size(), old, &nodes).unwrap(), naive_path(old as usize, &hashes));
            }
            tree = restore(tree.size(), &files);
        }
    }
}

fn restore(size: u64, files: &std::collections::BTreeMap<TilePath, Vec<u8>>) -> Tree {
    let (mut tiles, mut open) = (Vec::new(), Vec::new());
    for path in tiles_for_edge(size) {
        match path.kind() {
            TileKind::Entries => {
                open =
                    decode_bundle(&files[&path]).unwrap().iter().map(|e| Leaf::parse(e).unwrap()).collect();
            }
            TileKind::Hashes(_) => tiles.push(Tile::parse(&path, &files[&path]).unwrap()),
        }
    }
    Tree::restore(size, &tiles, open).unwrap()
}
