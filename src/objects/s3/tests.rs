//! The store against a real MinIO: the suite, large objects, versions, locks, and a proxy before it that lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::testing::proxy::{Deed, Proxy, Request, lie};
use super::testing::{Bucket, Kind};
use super::{Enforced, Retention, RetentionMode, S3Store, Verdict};
use crate::domain::clock::FixedClock;
use crate::domain::ids::AuthorityId;
use crate::domain::random::SeededRandom;
use crate::objects::path::ObjectPath;
use crate::objects::store::{ObjectStore as _, StoreError};
use crate::objects::{KeyError, MasterKeys, MemoryKeyRows, Vault, VaultError, suite};

const PIECE: usize = 64 * 1024;

fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

/// Bytes that no two places of the file share.
fn pieces(count: usize) -> impl Iterator<Item = Bytes> {
    (0..count).map(|number| {
        let line = number.to_be_bytes();
        line.iter().copied().cycle().take(PIECE).collect::<Vec<u8>>().into()
    })
}

async fn write_large(store: &S3Store, name: &ObjectPath, count: usize) -> Result<(), StoreError> {
    let mut writer = store.create_stream(name).await?;
    for piece in pieces(count) {
        writer.write(piece).await?;
    }
    writer.finish().await
}

async fn is_large(store: &S3Store, name: &ObjectPath, count: usize) -> bool {
    let whole: Vec<u8> = pieces(count).flatten().collect();
    store.read(name, None).await.unwrap() == whole
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_holds_the_suite() {
    for kind in [Kind::Plain, Kind::Versioned] {
        let Some(bucket) = Bucket::make(kind).await else { return };
        let store = bucket.store();
        let enforced = store.probe().await.unwrap();
        let yes = Verdict::Enforced;
        assert_eq!((enforced.overwrite, enforced.swap, enforced.checksum), (yes, yes, yes));
        assert_eq!(enforced.versioned, kind == Kind::Versioned);
        assert_eq!(bucket.everything().await, [""; 0], "the probe leaves nothing");
        suite::holds(Arc::new(store)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_never_probed_holds_the_suite() {
    let Some(bucket) = Bucket::make(Kind::Plain).await else { return };
    suite::holds(Arc::new(bucket.store())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lies_is_found_out_and_used_safely() {
    let Some(bucket) = Bucket::make(Kind::Public).await else { return };
    let proxy = Proxy::before(&bucket.address.endpoint, lie);
    let retention = Retention { mode: RetentionMode::Governance, days: 1 };
    let store = bucket.store_at(&proxy.url(), Some(retention));
    let no = Verdict::Ignored;
    let found = store.probe().await.unwrap();
    assert_eq!(found, Enforced { overwrite: no, swap: no, checksum: no, lock: no, versioned: false });
    suite::holds(Arc::new(store.clone())).await;
    write_large(&store, &path("large"), 200).await.unwrap();
    assert!(is_large(&store, &path("large"), 200).await);
    let again = write_large(&store, &path("large"), 1).await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    // And one that damages what it is sent is caught although it confirms it.
    proxy.rule(|request| {
        if request.method == "PUT" && !request.body.is_empty() {
            request.body[0] ^= 1;
        }
        lie(request)
    });
    for count in [1, 20, 200] {
        let written = write_large(&store, &path(&format!("damaged/{count}")), count).await;
        assert!(matches!(written, Err(StoreError::Io { .. })), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_begins_to_lie_is_suspected_at_the_first_write_and_found_out_by_the_next_probe() {
    let Some(bucket) = Bucket::make(Kind::Public).await else { return };
    let proxy = Proxy::before(&bucket.address.endpoint, |_| Deed::Forward);
    let store = bucket.store_at(&proxy.url(), None);
    let honest = store.probe().await.unwrap();
    let suspected =
        async || tokio::time::timeout(Duration::from_millis(200), store.suspected()).await.is_ok();
    store.create(&path("before"), Bytes::from_static(b"bytes")).await.unwrap();
    assert!(!suspected().await);
    proxy.rule(lie);
    // What it was sent is read back although the store was known to look at digests.
    store.create(&path("after"), Bytes::from_static(b"bytes")).await.unwrap();
    assert!(suspected().await);
    proxy.rule(|request| {
        if request.method == "PUT" && !request.body.is_empty() {
            request.body[0] ^= 1;
        }
        lie(request)
    });
    let damaged = store.create(&path("damaged"), Bytes::from_static(b"bytes")).await;
    assert!(matches!(damaged, Err(StoreError::Io { .. })), "{damaged:?}");
    assert!(suspected().await);
    proxy.rule(lie);
    assert_eq!(store.ceased(), [""; 0]);
    store.probe().await.unwrap();
    assert_eq!(store.ceased(), ["overwrite", "swap", "checksum"]);
    suite::holds(Arc::new(store.clone())).await;
    proxy.rule(|_| Deed::Forward);
    assert_eq!(store.probe().await.unwrap(), honest);
    assert_eq!(store.ceased(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_arrive_whole_in_parts() {
    let Some(bucket) = Bucket::make(Kind::Plain).await else { return };
    let store = bucket.store();
    store.probe().await.unwrap();
    // In memory; spooled and in one request; two parts to the byte; many parts.
    for count in [3, 4, 127, 128, 129, 256, 500] {
        let name = path(&format!("large/{count}"));
        write_large(&store, &name, count).await.unwrap();
        assert!(is_large(&store, &name, count).await, "{count}");
        let again = write_large(&store, &name, count).await;
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{count}: {again:?}");
    }
    let given_up = path("large/given-up");
    let mut writer = store.create_stream(&given_up).await.unwrap();
    for piece in pieces(300) {
        writer.write(piece).await.unwrap();
    }
    drop(writer);
    assert!(matches!(store.size(&given_up).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_with_every_version() {
    let Some(bucket) = Bucket::make(Kind::Versioned).await else { return };
    let store = bucket.store();
    store.probe().await.unwrap();
    let (name, beside) = (path("log/checkpoint"), path("log/checkpoint2"));
    store.create(&beside, Bytes::from_static(b"stays")).await.unwrap();
    store.replace(&name, None, Bytes::from_static(b"0")).await.unwrap();
    for number in 0..5u8 {
        let (old, new) = (number.to_string(), (number + 1).to_string());
        store.replace(&name, Some(old.as_bytes()), new.into()).await.unwrap();
    }
    assert_eq!(bucket.everything().await.len(), 7);
    store.delete(&name).await.unwrap();
    assert_eq!(bucket.everything().await, ["archive/log/checkpoint2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_protected_cannot_be_removed_and_what_is_not_can() {
    let Some(bucket) = Bucket::make(Kind::Locking).await else { return };
    let retention = Retention { mode: RetentionMode::Governance, days: 1 };
    let store = bucket.store_at(&bucket.address.endpoint, Some(retention));
    let found = store.probe().await.unwrap();
    assert_eq!((found.lock, found.versioned), (Verdict::Enforced, true));
    let (kept, orphan) = (path("o/kept"), path("o/orphan"));
    for name in [&kept, &orphan] {
        store.create(name, Bytes::from_static(b"bytes")).await.unwrap();
    }
    store.protect(&kept).await.unwrap();
    store.protect(&kept).await.unwrap();
    let refused = store.delete(&kept).await;
    assert!(matches!(&refused, Err(StoreError::Locked { path }) if *path == kept), "{refused:?}");
    assert_eq!(store.read(&kept, None).await.unwrap(), "bytes");
    store.delete(&orphan).await.unwrap();
    assert!(matches!(store.read(&orphan, None).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_under_a_lock_is_unreadable_at_once_although_its_bytes_stay() {
    let Some(bucket) = Bucket::make(Kind::Locking).await else { return };
    let retention = Retention { mode: RetentionMode::Compliance, days: 1 };
    let store = bucket.store_at(&bucket.address.endpoint, Some(retention));
    store.probe().await.unwrap();
    let clock = Arc::new(FixedClock::new(jiff::Timestamp::UNIX_EPOCH));
    let random = Arc::new(SeededRandom::new(1));
    let keys = Arc::new(MemoryKeyRows::default());
    let vault = Vault::new(Arc::new(store), keys, MasterKeys::single([1; 32]), clock, random);
    let (kept, orphan) = (
        vault.put(AuthorityId::from_bytes([1; 16]), b"original").await.unwrap(),
        vault.put(AuthorityId::from_bytes([1; 16]), b"orphan").await.unwrap(),
    );
    vault.protect(kept.at.object).await.unwrap();
    assert!(!vault.forget(kept.at.object).await.unwrap(), "its bytes are kept");
    assert!(vault.forget(orphan.at.object).await.unwrap());
    let read = vault.read(kept.at).await;
    assert!(matches!(read, Err(VaultError::Key(KeyError::Erased { .. }))), "{read:?}");
}

/// Whatever answer gets lost, what was acknowledged is there once, and nothing else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_no_lost_object_and_no_false_refusal() {
    let Some(bucket) = Bucket::make(Kind::Plain).await else { return };
    let proxy = Proxy::before(&bucket.address.endpoint, |_| Deed::Forward);
    let store = bucket.store_at(&proxy.url(), None);
    store.probe().await.unwrap();
    let lose_the_first = |proxy: &Proxy, fits: fn(&Request) -> bool| {
        let lost = AtomicU32::new(0);
        proxy.rule(move |request| {
            let lose = fits(request) && lost.fetch_add(1, Ordering::Relaxed) == 0;
            if lose { Deed::Lose } else { Deed::Forward }
        });
    };
    lose_the_first(&proxy, |request| request.method == "PUT");
    let name = path("small");
    store.create(&name, Bytes::from_static(b"mine")).await.unwrap();
    let other = store.create(&name, Bytes::from_static(b"yours")).await;
    assert!(matches!(other, Err(StoreError::Exists { .. })));
    lose_the_first(&proxy, |request| request.method == "PUT");
    let other = store.create(&name, Bytes::from_static(b"yours")).await;
    assert!(matches!(other, Err(StoreError::Exists { .. })), "after a lost refusal too: {other:?}");
    lose_the_first(&proxy, |request| request.method == "POST" && request.target.contains("uploadId="));
    write_large(&store, &path("large"), 150).await.unwrap();
    assert!(is_large(&store, &path("large"), 150).await);
    lose_the_first(&proxy, |request| request.method == "PUT");
    store.replace(&path("swap"), None, Bytes::from_static(b"one")).await.unwrap();
    lose_the_first(&proxy, |request| request.method == "PUT");
    store.replace(&path("swap"), Some(b"one"), Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(store.read(&path("swap"), None).await.unwrap(), "two");
    assert_eq!(bucket.everything().await.len(), 3);
}
