//! What is sealed is read back, also in ranges; what was swapped, cut, grown, moved or changed is never given out.

use bytes::Bytes;

use super::super::format::{HEADER_BYTES, SEGMENT_BYTES, STORED_SEGMENT_BYTES};
use super::super::keys::MemoryKeyRows;
use super::super::memory::MemoryStore;
use super::*;
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;

const OURS: AuthorityId = AuthorityId::from_bytes([1; 16]);
const THEIRS: AuthorityId = AuthorityId::from_bytes([2; 16]);

fn vault() -> Vault {
    let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let master = MasterKeys::single([5; 32]);
    Vault::new(store, Arc::new(MemoryKeyRows::default()), master, clock, Arc::new(SeededRandom::new(1)))
}

fn sample(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 % 251) as u8).collect()
}

async fn stored(vault: &Vault, object: ObjectId) -> Bytes {
    vault.store().read(&path_of(object).unwrap(), None).await.unwrap()
}

/// Puts other bytes in the object's place, as a dishonest store would.
async fn exchange(vault: &Vault, object: ObjectId, bytes: Bytes) {
    let path = path_of(object).unwrap();
    let present = stored(vault, object).await;
    vault.store().replace(&path, Some(&present), bytes).await.unwrap();
}

#[tokio::test]
async fn every_size_around_a_segment_is_read_back() {
    let vault = vault();
    for size in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 5 * SEGMENT_BYTES + 3] {
        let bytes = sample(size);
        let sealed = vault.put(OURS, &bytes).await.unwrap();
        assert_eq!(vault.read(sealed.at).await.unwrap(), bytes, "{size}");
        assert_eq!(sealed.size, size as u64);
        assert_eq!(sealed.sha256, Sha256::of(&bytes));
        let on_the_store = stored(&vault, sealed.at.object).await;
        assert_eq!(sealed.cipher_sha256, Sha256::of(&on_the_store));
        assert!(size < 16 || on_the_store.windows(16).all(|window| window != &bytes[..16]));
    }
}

#[tokio::test]
async fn pieces_of_any_length_make_the_same_object() {
    let vault = vault();
    let bytes = sample(3 * SEGMENT_BYTES + 17);
    for piece in [1000, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, bytes.len()] {
        let mut writer = vault.begin(OURS).await.unwrap();
        for part in bytes.chunks(piece) {
            writer.write(part).await.unwrap();
        }
        assert_eq!(writer.digest(), Sha256::of(&bytes));
        let sealed = writer.finish().await.unwrap();
        assert_eq!(vault.read(sealed.at).await.unwrap(), bytes, "{piece}");
    }
}

#[tokio::test]
async fn ranges_give_exactly_their_bytes() {
    let vault = vault();
    let bytes = sample(3 * SEGMENT_BYTES);
    let sealed = vault.put(OURS, &bytes).await.unwrap();
    let object = vault.open(sealed.at, Some(sealed.size)).await.unwrap();
    let segment = SEGMENT_BYTES as u64;
    let edges = [0, 1, segment - 1, segment, segment + 1, 2 * segment, 3 * segment - 1, 3 * segment];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end >= start) {
            let got = object.read(start..end).await.unwrap();
            assert!(got == bytes[start as usize..end as usize], "{start}..{end}");
        }
    }
    for range in [0..3 * segment + 1, 3 * segment + 1..3 * segment + 1] {
        assert!(matches!(object.read(range).await, Err(VaultError::OutOfRange { .. })));
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_found() {
    let vault = vault();
    let sealed = vault.put(OURS, &sample(100)).await.unwrap();
    let good = stored(&vault, sealed.at.object).await;
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        exchange(&vault, sealed.at.object, bad.into()).await;
        let got = vault.read(sealed.at).await;
        assert!(matches!(got, Err(VaultError::Damaged { .. })), "byte {at}");
    }
}

/// The parts of a stored object: header, segments.
fn parts(stored: &Bytes) -> (Bytes, Vec<Bytes>) {
    let segments = stored.slice(HEADER_BYTES..);
    let size = STORED_SEGMENT_BYTES as usize;
    let cut = (0..segments.len()).step_by(size).map(|at| segments.slice(at..segments.len().min(at + size)));
    (stored.slice(..HEADER_BYTES), cut.collect())
}

fn joined(header: &Bytes, segments: &[&Bytes]) -> Bytes {
    let pieces: Vec<&[u8]> = segments.iter().map(|segment| segment.as_ref()).collect();
    [header.as_ref(), &pieces.concat()].concat().into()
}

#[tokio::test]
async fn segments_cannot_be_cut_repeated_or_reordered() {
    let vault = vault();
    let sealed = vault.put(OURS, &sample(3 * SEGMENT_BYTES)).await.unwrap();
    let (header, s) = parts(&stored(&vault, sealed.at.object).await);
    let forged = [
        ("the last segment is missing", joined(&header, &[&s[0], &s[1]])),
        ("only the last is there", joined(&header, &[&s[2]])),
        ("two changed places", joined(&header, &[&s[1], &s[0], &s[2]])),
        ("one is there twice", joined(&header, &[&s[0], &s[0], &s[2]])),
        ("the last is there twice", joined(&header, &[&s[0], &s[1], &s[2], &s[2]])),
        ("nothing is there", header.clone()),
        ("the end is cut", joined(&header, &[&s[0], &s[1], &s[2].slice(..100)])),
        ("something is added", joined(&header, &[&s[0], &s[1], &s[2], &Bytes::from_static(&[0; 40])])),
    ];
    for (what, bytes) in forged {
        exchange(&vault, sealed.at.object, bytes).await;
        let without_row = vault.read(sealed.at).await;
        assert!(matches!(without_row, Err(VaultError::Damaged { .. })), "{what}");
    }
}

#[tokio::test]
async fn a_cut_object_is_found_before_a_range_of_it_is_given_out() {
    let vault = vault();
    let sealed = vault.put(OURS, &sample(3 * SEGMENT_BYTES)).await.unwrap();
    let (header, s) = parts(&stored(&vault, sealed.at.object).await);
    exchange(&vault, sealed.at.object, joined(&header, &[&s[0], &s[1]])).await;
    let opened = vault.open(sealed.at, Some(sealed.size)).await;
    assert!(matches!(opened, Err(VaultError::Damaged { damage: Damage::Size { .. }, .. })));
}

#[tokio::test]
async fn objects_cannot_be_exchanged_for_one_another() {
    let vault = vault();
    let one = vault.put(OURS, &sample(200)).await.unwrap();
    let two = vault.put(OURS, &sample(200)).await.unwrap();
    let (header_one, segments_one) = parts(&stored(&vault, one.at.object).await);
    let (_, segments_two) = parts(&stored(&vault, two.at.object).await);
    exchange(&vault, two.at.object, joined(&header_one, &[&segments_one[0]])).await;
    assert!(matches!(vault.read(two.at).await, Err(VaultError::Damaged { damage: Damage::Header, .. })));
    exchange(&vault, one.at.object, joined(&header_one, &[&segments_two[0]])).await;
    assert!(matches!(
        vault.read(one.at).await,
        Err(VaultError::Damaged { damage: Damage::Segment { .. }, .. })
    ));
}

#[tokio::test]
async fn another_authority_cannot_open_it() {
    let vault = vault();
    let sealed = vault.put(OURS, b"Sammelakte").await.unwrap();
    let foreign = ObjectRef { authority: THEIRS, ..sealed.at };
    assert!(matches!(vault.read(foreign).await, Err(VaultError::Key(KeyError::Forged { .. }))));
}

#[tokio::test]
async fn what_hangs_on_an_object_is_erased_with_its_key() {
    let vault = vault();
    let document = vault.put(OURS, b"same bytes").await.unwrap();
    let text = vault.put_beside(OURS, document.at.object, b"same bytes").await.unwrap();
    assert_eq!(vault.read(text.at).await.unwrap(), b"same bytes");
    assert_ne!(document.cipher_sha256, text.cipher_sha256);
    vault.keys().delete(vec![document.at.object]).await.unwrap();
    for at in [document.at, text.at] {
        assert!(matches!(vault.read(at).await, Err(VaultError::Key(KeyError::Erased { .. }))));
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_neither_bytes_nor_key() {
    let vault = vault();
    let mut writer = vault.begin(OURS).await.unwrap();
    writer.write(&sample(3 * SEGMENT_BYTES)).await.unwrap();
    drop(writer);
    assert_eq!(vault.store().list("").await.unwrap(), []);
    assert_eq!(vault.keys().list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn deleting_removes_key_and_bytes() {
    let vault = vault();
    let sealed = vault.put(OURS, b"gone").await.unwrap();
    vault.delete(sealed.at).await.unwrap();
    vault.delete(sealed.at).await.unwrap();
    assert_eq!(vault.store().list("").await.unwrap(), []);
    assert_eq!(vault.keys().list(None, 10).await.unwrap(), []);
}
