//! The sequencer on a real database and the store of memory: cut off after each step, doubled, behind the public.

use std::collections::BTreeSet;

use super::*;
use crate::database::issuance_testing::forget_the_log_after;
use crate::domain::clock::FixedClock;
use crate::domain::digest::Sha256;
use crate::domain::random::SeededRandom;
use crate::issuance::interrupt::{CutOnce, Uninterrupted};
use crate::issuance::log::Logged;
use crate::issuance::log_files::LogFiles;
use crate::objects::MemoryStore;
use crate::tlog::{LeafKind, Salt, TileKind, TilePath};

struct Bench {
    database: Database,
    log: Arc<Log>,
    signer: Arc<LogSigner>,
    clock: Arc<FixedClock>,
}

fn leaf(number: u64) -> Leaf {
    Leaf::new(LeafKind::Issued, &Salt::from_bytes([3; 32]), &Sha256::of(&number.to_be_bytes()))
}

/// Runs `test` on an empty log, on SQLite and, where a server is at hand, on PostgreSQL.
async fn on_each_engine(test: impl AsyncFn(Bench)) {
    crate::database::testing::on_each_engine(async |database| test(bench(database)).await).await;
}

fn bench(database: Database) -> Bench {
    let signer = Arc::new(LogSigner::generate("example.org/log", &SeededRandom::new(4)).unwrap().0);
    let clock = Arc::new(FixedClock::new("2026-04-01T10:00:00Z".parse().unwrap()));
    let files = LogFiles::new(Arc::new(MemoryStore::new(clock.clone())));
    let log = Arc::new(Log::new(database.clone(), files, signer.verifier().clone()));
    Bench { database, log, signer, clock }
}

impl Bench {
    fn sequencing(&self, owner: u8, takeover: Takeover) -> Sequencing {
        Sequencing {
            log: Arc::clone(&self.log),
            database: self.database.clone(),
            signer: Arc::clone(&self.signer),
            clock: Arc::<FixedClock>::clone(&self.clock),
            interrupts: Arc::new(Uninterrupted),
            owner: NodeId::from_bytes([owner; 16]),
            takeover,
            pulse: Default::default(),
        }
    }

    async fn queue(&self, numbers: std::ops::Range<u64>) {
        let at = self.clock.now();
        for number in numbers {
            let queued = self.database.write(move |tx| {
                Box::pin(async move {
                    rows::enqueue(tx, &number.to_be_bytes(), &leaf(number), at);
                    Ok::<_, DatabaseError>(())
                })
            });
            queued.await.unwrap();
        }
    }

    async fn find(&self, number: u64) -> Option<Logged> {
        self.log.find(&leaf(number), &number.to_be_bytes()).await.unwrap()
    }

    /// Every leaf of the published log, after recomputing its root from the entries.
    async fn audited(&self) -> Vec<Leaf> {
        let note = self.log.files().checkpoint().await.unwrap().unwrap();
        let published = Checkpoint::open(&note, std::slice::from_ref(self.log.key())).unwrap();
        let (mut tree, mut all) = (Tree::new(), Vec::new());
        while tree.size() < published.size() {
            let width = (published.size() - tree.size()).min(256) as u16;
            let bundle = TilePath::new(TileKind::Entries, tree.size() / 256, width).unwrap();
            let leaves = self.log.files().bundle(&bundle).await.unwrap();
            tree.append(&leaves);
            all.extend(leaves);
        }
        assert_eq!(tree.root(), published.root());
        all
    }
}

#[tokio::test]
async fn leaves_get_consecutive_places_in_the_order_they_were_queued_and_a_proof_each() {
    on_each_engine(async |bench| {
        let mut sequencer = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
        assert_eq!(sequencer.round().await.unwrap(), 0);
        bench.queue(0..3).await;
        assert_eq!(sequencer.round().await.unwrap(), 3);
        bench.queue(3..300).await;
        assert_eq!(sequencer.round().await.unwrap(), 297);
        assert_eq!(bench.audited().await, (0..300).map(leaf).collect::<Vec<_>>());
        for number in [0, 2, 3, 255, 256, 299] {
            let logged = bench.find(number).await.unwrap();
            let proof = logged.proof(&Salt::from_bytes([3; 32]));
            let proven = proof.verify(std::slice::from_ref(bench.log.key()), &leaf(number)).unwrap();
            assert_eq!((proven.index, proven.size), (number, 300));
        }
        assert!(bench.find(300).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn who_waits_is_told_by_the_running_sequencer() {
    on_each_engine(async |bench| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = bench.sequencing(1, Takeover::WhenExpired).run(async {
            let _ = stopped.await;
        });
        let running = tokio::spawn(running);
        let awaited: Vec<_> = (0..20).map(|n: u64| bench.log.expect(&n.to_be_bytes(), leaf(n))).collect();
        bench.queue(0..20).await;
        let mut places = BTreeSet::new();
        for (awaited, number) in awaited.into_iter().zip(0..) {
            let logged = bench.log.logged(awaited).await.unwrap();
            let proof = logged.proof(&Salt::from_bytes([3; 32]));
            proof.verify(std::slice::from_ref(bench.log.key()), &leaf(number)).unwrap();
            places.insert(logged.index);
        }
        assert_eq!(places, (0..20).collect());
        stop.send(()).unwrap();
        running.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn cut_off_after_any_step_the_log_goes_on_without_losing_doubling_or_forking() {
    for step in [Step::LogStaged, Step::LogSigned, Step::LogWritten, Step::LogPublished] {
        on_each_engine(async |bench| {
            let mut first = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
            bench.queue(0..5).await;
            first.round().await.unwrap();
            bench.queue(5..400).await;
            let cut = Arc::new(CutOnce::after(step));
            first.with.interrupts = cut.clone();
            assert!(
                matches!(first.round().await, Err(SequencerError::Interrupted(Interrupted(at))) if at == step)
            );
            drop(first);
            bench.queue(400..410).await;
            let mut second = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
            while second.round().await.unwrap() > 0 {}
            assert_eq!(cut.reached(), 1);
            assert_eq!(bench.audited().await, (0..410).map(leaf).collect::<Vec<_>>(), "{step:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn cut_off_within_the_tiles_the_rest_is_written_and_nothing_overwritten() {
    for (bytes_changed, goes_on) in [(false, true), (true, false)] {
        on_each_engine(async |bench| {
            let mut first = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
            bench.queue(0..300).await;
            first.with.interrupts = Arc::new(CutOnce::after(Step::LogSigned));
            first.round().await.unwrap_err();
            let leaves: Vec<Leaf> = (0..300).map(leaf).collect();
            let mut some = Tree::new().append(&leaves).files()[..2].to_vec();
            if bytes_changed {
                some[1].1[7] ^= 1;
            }
            bench.log.files().write(&some).await.unwrap();
            let second = bench.sequencing(1, Takeover::WhenExpired).open().await;
            if goes_on {
                assert_eq!(second.unwrap().size(), 300);
                assert_eq!(bench.audited().await, leaves);
            } else {
                let error = second.err().unwrap();
                assert!(
                    matches!(error, SequencerError::Files(LogFilesError::OtherHistory { .. })),
                    "{error}"
                );
                assert_eq!(bench.log.files().checkpoint().await.unwrap(), None);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_lease_is_waited_for_until_it_has_run_out() {
    on_each_engine(async |bench| {
        let mut first = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
        let refused = bench.sequencing(2, Takeover::WhenExpired).open().await;
        assert!(matches!(refused.err().unwrap(), SequencerError::NotOurs));
        bench.clock.advance(SignedDuration::from_secs(14));
        bench.queue(0..1).await;
        first.round().await.unwrap();
        bench.clock.advance(SignedDuration::from_secs(14));
        assert!(bench.sequencing(2, Takeover::WhenExpired).open().await.is_err());
        bench.clock.advance(SignedDuration::from_secs(1));
        assert!(bench.sequencing(2, Takeover::WhenExpired).open().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_given_back_at_the_end_and_a_node_takes_back_its_own() {
    on_each_engine(async |bench| {
        let running = bench.sequencing(1, Takeover::WhenExpired);
        let mut first = running.open().await.unwrap();
        let refused = bench.sequencing(2, Takeover::WhenExpired).open().await;
        assert!(matches!(refused.err().unwrap(), SequencerError::NotOurs));
        // It was killed; its next start is the same node, and the one before can do nothing any more.
        running.open().await.unwrap();
        bench.queue(0..1).await;
        assert!(matches!(first.round().await, Err(SequencerError::NotOurs)));
        running.clone().run(std::future::ready(())).await;
        let mut second = bench.sequencing(2, Takeover::WhenExpired).open().await.unwrap();
        // What another node has by now is not given back.
        running.run(std::future::ready(())).await;
        let refused = bench.sequencing(3, Takeover::WhenExpired).open().await;
        assert!(matches!(refused.err().unwrap(), SequencerError::NotOurs));
        assert_eq!(second.round().await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_prolonged_while_there_is_nothing_to_do() {
    on_each_engine(async |bench| {
        let mut first = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
        for _ in 0..4 {
            bench.clock.advance(RENEW);
            first.renew().await.unwrap();
        }
        assert!(bench.sequencing(2, Takeover::WhenExpired).open().await.is_err());
        bench.clock.advance(LEASE);
        assert!(bench.sequencing(2, Takeover::WhenExpired).open().await.is_ok());
        assert!(matches!(first.renew().await, Err(SequencerError::NotOurs)));
    })
    .await;
}

#[tokio::test]
async fn of_two_sequencers_at_once_the_older_can_do_nothing_at_any_step() {
    for step in [Step::LogStaged, Step::LogSigned, Step::LogWritten, Step::LogPublished] {
        on_each_engine(async |bench| {
            let mut old = bench.sequencing(1, Takeover::WhenExpired).open().await.unwrap();
            bench.queue(0..10).await;
            old.with.interrupts = Arc::new(CutOnce::after(step));
            old.round().await.unwrap_err();
            // The old one is not dead, only slow: it goes on from where it stood while the new one has taken over.
            let mut new = bench.sequencing(2, Takeover::AtOnce).open().await.unwrap();
            bench.queue(10..20).await;
            while new.round().await.unwrap() > 0 {}
            bench.queue(20..30).await;
            let refused = old.round().await;
            assert!(matches!(refused, Err(SequencerError::NotOurs)), "{step:?}: {refused:?}");
            while new.round().await.unwrap() > 0 {}
            assert_eq!(bench.audited().await, (0..30).map(leaf).collect::<Vec<_>>(), "{step:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn many_sequencers_that_take_the_lease_from_one_another_make_one_history() {
    on_each_engine(async |bench| {
        let work = (0u64..8).map(|owner| {
            let sequencing = bench.sequencing(owner as u8, Takeover::AtOnce);
            let bench = &bench;
            async move {
                for part in 0..5 {
                    let from = (owner * 5 + part) * 7;
                    bench.queue(from..from + 7).await;
                    if let Ok(mut sequencer) = sequencing.open().await {
                        while sequencer.round().await.is_ok_and(|leaves| leaves > 0) {}
                    }
                }
            }
        });
        futures_util::future::join_all(work).await;
        let mut last = bench.sequencing(99, Takeover::AtOnce).open().await.unwrap();
        while last.round().await.unwrap() > 0 {}
        let leaves = bench.audited().await;
        assert_eq!(leaves.len(), 280);
        assert_eq!(leaves.iter().collect::<std::collections::HashSet<_>>().len(), 280);
    })
    .await;
}

#[tokio::test]
async fn a_database_older_than_the_published_log_signs_nothing() {
    on_each_engine(async |bench| {
        let mut sequencer = bench.sequencing(1, Takeover::AtOnce).open().await.unwrap();
        bench.queue(0..5).await;
        sequencer.round().await.unwrap();
        let published = bench.log.files().checkpoint().await.unwrap();
        // The backup knows two leaves fewer than the public.
        forget_the_log_after(&bench.database, 3).await;
        bench.queue(100..101).await;
        let error = bench.sequencing(1, Takeover::AtOnce).open().await.err().unwrap();
        assert!(matches!(error, SequencerError::DatabaseIsOlder { published: 5, database: 3 }));
        assert!(error.to_string().contains("stammbuch log recover"), "{error}");
        assert_eq!(bench.log.files().checkpoint().await.unwrap(), published);
    })
    .await;
}

#[tokio::test]
async fn a_log_whose_files_are_lost_is_written_again_from_the_database() {
    on_each_engine(async |mut bench| {
        let mut sequencer = bench.sequencing(1, Takeover::AtOnce).open().await.unwrap();
        bench.queue(0..300).await;
        sequencer.round().await.unwrap();
        let empty = LogFiles::new(Arc::new(MemoryStore::new(bench.clock.clone())));
        bench.log = Arc::new(Log::new(bench.database.clone(), empty, bench.signer.verifier().clone()));
        bench.sequencing(1, Takeover::AtOnce).open().await.unwrap();
        assert_eq!(bench.audited().await, (0..300).map(leaf).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_leaf_of_one_subject_and_kind_cannot_be_queued_twice() {
    on_each_engine(async |bench| {
        bench.queue(0..1).await;
        let at = bench.clock.now();
        let again = bench.database.write(move |tx| {
            Box::pin(async move {
                rows::enqueue(tx, &0u64.to_be_bytes(), &leaf(7), at);
                Ok::<_, DatabaseError>(())
            })
        });
        assert!(again.await.unwrap_err().is_unique());
    })
    .await;
}
