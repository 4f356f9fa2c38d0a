//! An office for tests: database, running sequencer, signing keys of an authority and a registrar, an archive in
//! memory. Nothing of it is in the product.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::flow::{Archive, ArchiveError, Issuance};
use super::interrupt::Uninterrupted;
use super::log::Log;
use super::log_files::LogFiles;
use super::sequencer::Sequencing;
use super::signing::{OpenedSigners, SignedBy};
use crate::database::issuance_testing::object_row;
use crate::database::log::Takeover;
use crate::database::{Database, testing};
use crate::domain::clock::FixedClock;
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, NodeId, ObjectId};
use crate::domain::random::SeededRandom;
use crate::events::Outbox;
use crate::objects::{KeyError, MemoryStore, VaultError};
use crate::pdf::stationery::Stationery;
use crate::seal::demo_ca;
use crate::seal::signer::FileSigner;
use crate::tlog::LogSigner;

/// Keeps in memory; the same bytes once.
#[derive(Default)]
pub(crate) struct MemoryArchive(Mutex<BTreeMap<Sha256, Bytes>>);

impl MemoryArchive {
    fn object(sha256: &Sha256) -> ObjectId {
        ObjectId::from_bytes(sha256.as_bytes()[..16].try_into().unwrap())
    }
}

pub(crate) struct RowsToo {
    database: Database,
    kept: MemoryArchive,
}

#[async_trait]
impl Archive for RowsToo {
    async fn keep(&self, authority: AuthorityId, pdf: Bytes) -> Result<ObjectId, ArchiveError> {
        let sha256 = Sha256::of(&pdf);
        let object = MemoryArchive::object(&sha256);
        object_row(&self.database, authority, object, (sha256, pdf.len() as u64)).await?;
        self.kept.0.lock().unwrap().insert(sha256, pdf);
        Ok(object)
    }

    async fn read(&self, _authority: AuthorityId, object: ObjectId) -> Result<Bytes, ArchiveError> {
        let kept = self.kept.0.lock().unwrap();
        let found = kept.iter().find(|(sha256, _)| MemoryArchive::object(sha256) == object);
        let found = found.map(|(_, pdf)| pdf.clone());
        found.ok_or(ArchiveError::Vault(VaultError::Key(KeyError::Erased { object })))
    }
}

pub(crate) struct Office {
    pub(crate) issuance: Issuance,
    pub(crate) archive: Arc<RowsToo>,
    pub(crate) clock: Arc<FixedClock>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

pub(crate) fn at() -> jiff::Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

/// Runs `test` in an office with a running sequencer, on each engine.
pub(crate) async fn in_an_office(test: impl AsyncFn(&Office)) {
    testing::on_each_engine(async |database| {
        testing::found(&database, 1).await;
        let clock = Arc::new(FixedClock::new(at()));
        let random = SeededRandom::new(8);
        let signer = Arc::new(LogSigner::generate("example.org/log", &random).unwrap().0);
        let files = LogFiles::new(Arc::new(MemoryStore::new(clock.clone())));
        let log = Arc::new(Log::new(database.clone(), files, signer.verifier().clone()));
        let names =
            demo_ca::Names { authority: "Standesamt Musterstadt", given: "Erika", family: "Beispiel" };
        let ca = demo_ca::make(names, at() - jiff::SignedDuration::from_hours(1), &random).unwrap();
        let key = FileSigner::from_pem(&ca.authority.key, &ca.authority.certificates).unwrap();
        let person = FileSigner::from_pem(&ca.registrar.key, &ca.registrar.certificates).unwrap();
        let registrar = SignedBy::Registrar("Erika Beispiel".into());
        let signers = OpenedSigners::default()
            .with(testing::authority(1), SignedBy::Authority, Arc::new(key))
            .with(testing::authority(1), registrar, Arc::new(person));
        let archive = Arc::new(RowsToo { database: database.clone(), kept: MemoryArchive::default() });
        let sequencing = Sequencing {
            log: Arc::clone(&log),
            database: database.clone(),
            signer,
            clock: clock.clone(),
            interrupts: Arc::new(Uninterrupted),
            owner: NodeId::from_bytes([1; 16]),
            takeover: Takeover::AtOnce,
            pulse: Default::default(),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(sequencing.run(async {
            let _ = stopped.await;
        }));
        let issuance = Issuance {
            database,
            log,
            archive: archive.clone(),
            stationery: Arc::new(Stationery::load().unwrap()),
            signers: Arc::new(signers),
            clock: clock.clone(),
            interrupts: Arc::new(Uninterrupted),
            outbox: Outbox::silent(),
        };
        let mut office = Office { issuance, archive, clock, stop: Some(stop) };
        test(&office).await;
        office.stop.take().unwrap().send(()).unwrap();
        running.await.unwrap();
    })
    .await;
}
