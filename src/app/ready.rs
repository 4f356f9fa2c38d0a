//! What `/health/ready` asks: each part is made to do a little of what it is for. What it said is remembered for some
//! seconds, since anybody may ask. Knows no HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::evidence::Evidence;
use super::ground::Ground;
use super::issuing::Certificates;
use super::objects::Watched;
use super::scanning::ScannerProbe;
use crate::database::Database;
use crate::domain::clock::Clock;
use crate::http::{NotReady, Probe, Probes};
use crate::intake::index::Indexer;
use crate::issuance::signing::OpenedSigners;
use crate::jobs::pulse::{Beat, Pulse};
use crate::objects::{ObjectPath, ObjectStore, StoreError};

/// How long what a part said is repeated.
const REMEMBERED: Duration = Duration::from_secs(3);
/// The same for signing, which may cost a device something.
const SIGNING_REMEMBERED: Duration = Duration::from_secs(30);
/// The same for writing to a bucket, which may keep every version of what is written.
const BUCKET_REMEMBERED: Duration = Duration::from_secs(600);
/// What is signed for trial: neither a CMS nor anything else that is ever verified.
const TRIAL: &[u8] = b"stammbuch/trial/v1";

type Said = Result<Option<String>, NotReady>;

/// A question for each part.
pub(super) fn probes(ground: &Ground, evidence: &Evidence, certificates: &Certificates) -> Probes {
    let Ground { database, keystore, store, clock, node, .. } = ground;
    // Nodes may share a store: each has its own name there.
    let write = WriteProbe { store: store.shared(), node: node.to_string() };
    let holds = if store.is_bucket() { BUCKET_REMEMBERED } else { REMEMBERED };
    let files = certificates.log.files().clone();
    let store = StoreProbe { read: store.watched(files), write: remembered(write, holds) };
    let keys = KeysProbe { signers: Arc::clone(&certificates.signers), clock: Arc::clone(clock) };
    let index = IndexProbe { indexer: evidence.search.indexer.clone() };
    let scanner = ScannerProbe {
        scanning: evidence.receiver.scanning.clone(),
        unclear: evidence.receiver.aside.unclear,
        database: database.clone(),
    };
    Probes::default()
        .with("database", remembered(database.clone(), REMEMBERED))
        .with("keystore", remembered(keystore.clone(), REMEMBERED))
        .with("objects", remembered(store, REMEMBERED))
        .with("keys", remembered(keys, SIGNING_REMEMBERED))
        .with("index", remembered(index, REMEMBERED))
        .with("scanner", remembered(scanner, REMEMBERED))
        .with("sequencer", Arc::new(certificates.pulse.clone()))
}

/// A part with what it said last. One asks, the others wait for it.
struct Remembered<P> {
    part: P,
    holds: Duration,
    last: Mutex<Option<(Instant, Said)>>,
}

fn remembered<P: Probe + 'static>(part: P, holds: Duration) -> Arc<dyn Probe> {
    Arc::new(Remembered { part, holds, last: Mutex::default() })
}

#[async_trait]
impl<P: Probe> Probe for Remembered<P> {
    async fn probe(&self) -> Said {
        let mut last = self.last.lock().await;
        if let Some((at, said)) = &*last
            && at.elapsed() < self.holds
        {
            return said.clone();
        }
        let said = self.part.probe().await;
        *last = Some((Instant::now(), said.clone()));
        said
    }

    fn facts(&self) -> BTreeMap<&'static str, String> {
        self.part.facts()
    }
}

#[async_trait]
impl Probe for Database {
    async fn probe(&self) -> Said {
        self.ping().await.map(|()| None).map_err(|error| NotReady::new("does not answer", error))
    }
}

/// Whether the store can be read and written.
struct StoreProbe {
    read: Watched,
    write: Arc<dyn Probe>,
}

#[async_trait]
impl Probe for StoreProbe {
    async fn probe(&self) -> Said {
        // Written first: what cannot be written says more.
        self.write.probe().await?;
        self.read.probe().await
    }

    fn facts(&self) -> BTreeMap<&'static str, String> {
        self.read.facts()
    }
}

/// Writes a small object, and removes it again.
struct WriteProbe {
    store: Arc<dyn ObjectStore>,
    node: String,
}

#[async_trait]
impl Probe for WriteProbe {
    async fn probe(&self) -> Said {
        let failed = |error: &dyn std::fmt::Display| NotReady::new("cannot be written", error);
        let path: ObjectPath = format!("ready/{}", self.node).parse().map_err(|error| failed(&error))?;
        match self.store.create(&path, Bytes::from_static(TRIAL)).await {
            // Left by a question that was broken off.
            Ok(()) | Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(failed(&error)),
        }
        self.store.delete(&path).await.map_err(|error| failed(&error))?;
        Ok(None)
    }
}

/// Lets every key sign something. One that cannot is said; none that can is a failure.
struct KeysProbe {
    signers: Arc<OpenedSigners>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Probe for KeysProbe {
    async fn probe(&self) -> Said {
        let (signers, now) = (Arc::clone(&self.signers), self.clock.now());
        let tried = tokio::task::spawn_blocking(move || {
            let all = signers.all();
            let works =
                all.iter().map(|signer| signer.chain().valid_at(now).and_then(|()| signer.sign(TRIAL)));
            let errors: Vec<_> = works.filter_map(Result::err).collect();
            (all.len(), errors)
        });
        let (all, errors) = tried.await.map_err(|error| NotReady::new("cannot sign", error))?;
        match errors.first() {
            None if all == 0 => Ok(Some("no signing keys are configured".to_owned())),
            None => Ok(None),
            Some(error) if errors.len() == all => Err(NotReady::new("cannot sign", error)),
            Some(_) => Ok(Some(format!("{} of {all} signing keys cannot sign now", errors.len()))),
        }
    }
}

/// Whether the index opens, its job goes on, and how far it is behind.
struct IndexProbe {
    indexer: Indexer,
}

#[async_trait]
impl Probe for IndexProbe {
    async fn probe(&self) -> Said {
        match self.indexer.pulse() {
            Beat::Failing(error) => return Err(NotReady::new("takes nothing over", error)),
            Beat::Ended => return Err(NotReady::new("takes nothing over", "its job has ended")),
            Beat::Starting | Beat::Working | Beat::Elsewhere => {}
        }
        let behind = self.indexer.behind().await.map_err(|error| NotReady::new("does not answer", error))?;
        Ok((behind > 0).then(|| format!("{behind} changes behind")))
    }
}

#[async_trait]
impl Probe for Pulse {
    async fn probe(&self) -> Said {
        match self.last() {
            Beat::Working => Ok(None),
            Beat::Starting => Ok(Some("is starting".to_owned())),
            Beat::Elsewhere => Ok(Some("another node holds the lease".to_owned())),
            Beat::Failing(error) => Err(NotReady::new("stands still", error)),
            Beat::Ended => Err(NotReady::new("has ended", "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::clock::FixedClock;
    use crate::domain::ids::AuthorityId;
    use crate::domain::random::SeededRandom;
    use crate::issuance::signing::SignedBy;
    use crate::objects::MemoryStore;
    use crate::seal::demo_ca::{self, Names};
    use crate::seal::signer::FileSigner;

    fn clock(at: &str) -> Arc<FixedClock> {
        Arc::new(FixedClock::new(at.parse().unwrap()))
    }

    fn signer(from: &str) -> Arc<FileSigner> {
        let names = Names { authority: "Standesamt Musterstadt", given: "Erika", family: "Beispiel" };
        let ca = demo_ca::make(names, from.parse().unwrap(), &SeededRandom::new(1)).unwrap();
        Arc::new(FileSigner::from_pem(&ca.authority.key, &ca.authority.certificates).unwrap())
    }

    #[tokio::test]
    async fn keys_of_which_some_sign_are_ready_and_say_so_and_keys_of_which_none_does_are_not() {
        let authority = |n| AuthorityId::from_bytes([n; 16]);
        let none = OpenedSigners::default();
        let one = none.clone().with(authority(1), SignedBy::Authority, signer("2026-01-01T00:00:00Z"));
        let two = one.clone().with(authority(2), SignedBy::Authority, signer("2026-06-01T00:00:00Z"));
        let said = async |signers: &OpenedSigners, at| {
            KeysProbe { signers: Arc::new(signers.clone()), clock: clock(at) }.probe().await
        };
        assert_eq!(
            said(&none, "2026-05-01T00:00:00Z").await.unwrap().unwrap(),
            "no signing keys are configured"
        );
        assert_eq!(said(&two, "2026-07-01T00:00:00Z").await, Ok(None));
        let some = said(&two, "2026-05-01T00:00:00Z").await.unwrap().unwrap();
        assert_eq!(some, "1 of 2 signing keys cannot sign now");
        let early = said(&two, "2025-12-31T00:00:00Z").await.unwrap_err();
        assert_eq!(early.why, "cannot sign");
        assert!(early.cause.contains("valid from"), "{early:?}");
    }

    #[tokio::test]
    async fn a_store_is_ready_if_it_can_be_written_and_nothing_is_left_in_it() {
        let store: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new(clock("2026-05-01T00:00:00Z")));
        let probe = WriteProbe { store: Arc::clone(&store), node: "00".into() };
        store.create(&"ready/00".parse().unwrap(), Bytes::from_static(b"left")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(probe.probe().await, Ok(None));
            assert_eq!(store.list("").await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn a_sequencer_is_ready_here_or_elsewhere_and_not_when_it_stands_still_or_is_gone() {
        let pulse = Pulse::default();
        assert_eq!(pulse.probe().await.unwrap().unwrap(), "is starting");
        let running = pulse.while_running();
        for (beat, said) in [
            (Beat::Working, Ok(None)),
            (Beat::Elsewhere, Ok(Some("another node holds the lease".to_owned()))),
            (Beat::Failing("disk full".into()), Err(NotReady::new("stands still", "disk full"))),
        ] {
            pulse.say(beat);
            assert_eq!(pulse.probe().await, said);
        }
        drop(running);
        assert_eq!(pulse.probe().await.unwrap_err().why, "has ended");
    }

    struct Counting(AtomicUsize);

    #[async_trait]
    impl Probe for Counting {
        async fn probe(&self) -> Said {
            let asked = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Some(asked.to_string()))
        }
    }

    #[tokio::test]
    async fn however_many_ask_a_part_is_asked_once_until_its_word_is_forgotten() {
        let part = remembered(Counting(AtomicUsize::new(0)), Duration::from_secs(3600));
        let said = futures_util::future::join_all((0..50).map(|_| part.probe())).await;
        assert!(said.iter().all(|said| *said == Ok(Some("0".to_owned()))), "{said:?}");
        let forgetful = remembered(Counting(AtomicUsize::new(0)), Duration::ZERO);
        assert_ne!(forgetful.probe().await, forgetful.probe().await);
    }
}
