//! Rotation beside uploads, reads and erasures, broken off at every point; old installations; wrong master keys.

use jiff::Timestamp;

use super::super::memory::MemoryStore;
use super::super::store::ObjectStore;
use super::super::{MemoryKeyRows, Sealed, Vault};
use super::*;
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;

const OURS: AuthorityId = AuthorityId::from_bytes([1; 16]);
const THEIRS: AuthorityId = AuthorityId::from_bytes([2; 16]);

struct Place {
    store: Arc<MemoryStore>,
    rows: Arc<MemoryKeyRows>,
    clock: Arc<FixedClock>,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
        Self { store: Arc::new(MemoryStore::new(clock.clone())), rows: Arc::default(), clock }
    }

    /// A process that is started on it.
    fn vault(&self, seed: u64) -> Vault {
        self.vault_with(MasterKeys::single([5; 32]), seed)
    }

    fn vault_with(&self, master: MasterKeys, seed: u64) -> Vault {
        let random = Arc::new(SeededRandom::new(seed));
        Vault::new(self.store.clone(), self.rows.clone(), master, self.clock.clone(), random)
    }

    fn asked(&self) -> Asked {
        self.clock.advance(jiff::SignedDuration::from_secs(1));
        Asked { asked_at: self.clock.now(), authority: None, master: false }
    }

    async fn stored(&self) -> Vec<(String, bytes::Bytes)> {
        let mut all = Vec::new();
        for line in self.store.list("").await.unwrap() {
            all.push((line.path.to_string(), self.store.read(&line.path, None).await.unwrap()));
        }
        all
    }
}

/// In one step no more than two data keys: a rotation of a few has several.
fn in_small_steps(vault: &Vault) -> Keyring {
    let Parts { rows, master, clock, random, .. } = &*vault.keyring().0;
    let mut parts = Keyring::new(rows.clone(), MasterKeys::single([5; 32]), clock.clone(), random.clone());
    let inner = Arc::get_mut(&mut parts.0).unwrap();
    inner.at_once = 2;
    inner.master = RwLock::new(master.read().unwrap().clone());
    parts
}

async fn finish(keyring: &Keyring) -> usize {
    let mut rounds = 0;
    while keyring.go_on().await.unwrap() != Progress::default() {
        rounds += 1;
        assert!(rounds < 1000);
    }
    rounds
}

async fn put(vault: &Vault, authority: AuthorityId, count: u8) -> Vec<Sealed> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(vault.put(authority, &[n, 7]).await.unwrap());
    }
    all
}

async fn all_readable(vault: &Vault, sealed: &[Sealed]) {
    for (n, sealed) in (0..).zip(sealed) {
        assert_eq!(vault.read(sealed.at).await.unwrap(), [n, 7]);
    }
}

#[tokio::test]
async fn a_rotation_touches_no_object_and_drops_the_old_key() {
    let place = Place::new();
    let vault = place.vault(1);
    let (ours, theirs) = (put(&vault, OURS, 5).await, put(&vault, THEIRS, 3).await);
    let (before, wrapped) = (place.stored().await, place.rows.find(ours[0].at.object).await.unwrap());
    vault.delete(ours[4].at).await.unwrap();
    let only_ours = Asked { authority: Some(OURS), ..place.asked() };
    vault.keyring().begin(&only_ours).await.unwrap();
    finish(vault.keyring()).await;
    let names = [(OURS, KeyName::Own(2)), (THEIRS, KeyName::Own(1))];
    assert_eq!(place.rows.names().await.unwrap(), names);
    let numbers = place.rows.authority_keys().await.unwrap();
    assert_eq!(
        numbers.iter().map(|key| (key.authority, key.number)).collect::<Vec<_>>(),
        [(OURS, 2), (THEIRS, 1)]
    );
    assert_ne!(place.rows.find(ours[0].at.object).await.unwrap(), wrapped);
    // Asked again for the same, it is done.
    vault.keyring().begin(&only_ours).await.unwrap();
    assert_eq!(finish(vault.keyring()).await, 0);
    for vault in [vault, place.vault(2)] {
        all_readable(&vault, &ours[..4]).await;
        all_readable(&vault, &theirs).await;
        let erased = vault.read(ours[4].at).await;
        assert!(matches!(erased, Err(super::super::VaultError::Key(KeyError::Erased { .. }))));
    }
    let kept: Vec<_> =
        before.into_iter().filter(|(path, _)| !path.contains(&ours[4].at.object.to_string())).collect();
    assert_eq!(place.stored().await, kept);
}

#[tokio::test]
async fn a_rotation_broken_off_anywhere_is_finished_by_the_next_process() {
    for cut in 0..8 {
        let place = Place::new();
        let sealed = put(&place.vault(1), OURS, 9).await;
        let asked = place.asked();
        let first = in_small_steps(&place.vault(2));
        if cut > 0 {
            first.begin(&asked).await.unwrap();
        }
        for row in sealed.iter().take(cut) {
            // As a transaction for a few of them would leave it.
            let newest = place.rows.authority_keys().await.unwrap().pop().unwrap();
            let old = place.rows.find(row.at.object).await.unwrap().unwrap();
            let data_key = first.unwrap(&old, OURS).await.unwrap();
            let anew = first.wrap(&data_key, row.at.object, OURS).await.unwrap().row;
            assert_eq!(anew.key, KeyName::Own(newest.number));
            place.rows.rewrap(old.key, vec![anew]).await.unwrap();
        }
        drop(first);
        let vault = place.vault(3);
        all_readable(&vault, &sealed).await;
        vault.keyring().begin(&asked).await.unwrap();
        finish(vault.keyring()).await;
        assert_eq!(place.rows.names().await.unwrap(), [(OURS, KeyName::Own(2))], "{cut}");
        assert_eq!(place.rows.authority_keys().await.unwrap().len(), 1);
        all_readable(&vault, &sealed).await;
    }
}

#[tokio::test]
async fn an_old_key_is_kept_while_an_upload_that_began_under_it_runs() {
    let place = Place::new();
    let vault = place.vault(1);
    let mut upload = vault.begin(OURS).await.unwrap();
    upload.write(b"begun before").await.unwrap();
    vault.keyring().begin(&place.asked()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(vault.keyring().go_on().await.unwrap(), Progress { left: 0, old_keys: 1 });
    }
    let later = vault.put(OURS, b"begun after").await.unwrap();
    assert_eq!(place.rows.find(later.at.object).await.unwrap().unwrap().key, KeyName::Own(2));
    let sealed = upload.finish().await.unwrap();
    assert_eq!(place.rows.find(sealed.at.object).await.unwrap().unwrap().key, KeyName::Own(1));
    finish(vault.keyring()).await;
    assert_eq!(place.rows.names().await.unwrap(), [(OURS, KeyName::Own(2))]);
    assert_eq!(vault.read(sealed.at).await.unwrap(), b"begun before");
}

#[tokio::test]
async fn a_reader_whose_row_is_wrapped_anew_meanwhile_reads_on() {
    let place = Place::new();
    let (writer, reader) = (place.vault(1), place.vault(2));
    let sealed = put(&writer, OURS, 1).await;
    let stale = place.rows.find(sealed[0].at.object).await.unwrap().unwrap();
    writer.keyring().begin(&place.asked()).await.unwrap();
    finish(writer.keyring()).await;
    let by_the_old_row = reader.keyring().unwrap(&stale, OURS).await;
    assert!(matches!(by_the_old_row, Err(KeyError::NoAuthorityKey { number: 1, .. })));
    all_readable(&reader, &sealed).await;
}

#[tokio::test]
async fn an_old_installation_works_and_moves_to_keys_of_its_authorities() {
    let place = Place::new();
    let vault = place.vault(1);
    let sealed = put(&vault, OURS, 5).await;
    // As the first version left it: under a key derived from the master key.
    let derived = MasterKeys::single([5; 32]).derived_wrapper(OURS, 1).unwrap();
    let own = KeyName::Own(1);
    for row in place.rows.wrapped_by(OURS, own, 9).await.unwrap() {
        let data_key = vault.keyring().unwrap(&row, OURS).await.unwrap();
        let name = KeyName::Derived(1);
        let wrapped =
            derived.wrap_data_key(&data_key, (row.object, OURS, name), &SeededRandom::new(9)).unwrap();
        place.rows.rewrap(own, vec![WrappedKey { key: name, wrapped, ..row }]).await.unwrap();
    }
    assert!(place.rows.delete_authority_key(OURS, 1).await.unwrap());

    let vault = place.vault(2);
    vault.keyring().check().await.unwrap();
    all_readable(&vault, &sealed).await;
    assert_eq!(vault.keyring().go_on().await.unwrap(), Progress::default());
    let wrong = place.vault_with(MasterKeys::single([6; 32]), 3).keyring().check().await;
    assert!(matches!(wrong, Err(KeyError::WrongMasterKey { number: 1 })), "{wrong:?}");
    let new = vault.put(OURS, b"new").await.unwrap();
    finish(vault.keyring()).await;
    assert_eq!(place.rows.names().await.unwrap(), [(OURS, own)]);
    all_readable(&vault, &sealed).await;
    assert_eq!(vault.read(new.at).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_new_master_key_wraps_all_and_the_old_one_may_go() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let master = MasterKeys::read_or_create(&path, &SeededRandom::new(8)).unwrap();
    let vault = place.vault_with(master, 1);
    let sealed = put(&vault, OURS, 3).await;
    let asked = Asked { master: true, ..place.asked() };
    for _ in 0..2 {
        // The second time as after a crash: no third key is drawn before the second one wraps anything.
        vault.keyring().renew_master(&path, &asked).await.unwrap();
    }
    assert_eq!(MasterKeys::read(&path).unwrap().numbers(), [2, 1]);
    assert_eq!(vault.keyring().unused_masters().await.unwrap(), Vec::<u32>::new());
    vault.keyring().begin(&asked).await.unwrap();
    finish(vault.keyring()).await;
    assert_eq!(vault.keyring().unused_masters().await.unwrap(), [1]);
    assert_eq!(place.rows.names().await.unwrap(), [(OURS, KeyName::Own(1))]);

    let text = std::fs::read_to_string(&path).unwrap();
    let without: String =
        text.lines().filter(|line| !line.starts_with("1 ")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, without).unwrap();
    let vault = place.vault_with(MasterKeys::read(&path).unwrap(), 2);
    vault.keyring().check().await.unwrap();
    all_readable(&vault, &sealed).await;
    let missing = place.vault_with(MasterKeys::single([5; 32]), 3).keyring().check().await;
    assert!(matches!(missing, Err(KeyError::NoMasterKey { number: 2 })), "{missing:?}");
    // A file that does not open what is there is not taken.
    std::fs::write(&path, text.replace("2 ", "3 ")).unwrap();
    assert!(vault.keyring().renew_master(&path, &asked).await.is_err());
    all_readable(&vault, &sealed).await;
}
