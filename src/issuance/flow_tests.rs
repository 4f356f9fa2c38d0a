//! The flow on a real database with a running sequencer: cut off after each step, begun by two at once, many at once.

use std::collections::BTreeSet;

use super::*;
use crate::database::issuance_testing::{Tally, tally};
use crate::database::testing;
use crate::database::{certificates, journal, orders};
use crate::domain::certificate::{Kind, Medium, VerificationNumber};
use crate::domain::ids::OrderId;
use crate::domain::random::SeededRandom;
use crate::issuance::interrupt::CutOnce;
use crate::issuance::sample::geburtsurkunde;
use crate::issuance::signing::{OpenedSigners, SignedBy};
use crate::issuance::testing::{Office, at, in_an_office};
use crate::register::EntryKey;
use crate::tlog::{Proof, Salt};

impl Office {
    /// Takes in an order, releases it and fixes its certificate, as `orders` does in one transaction.
    pub(crate) async fn fix(&self, seed: u64) -> CertificateId {
        let random = SeededRandom::new(1000 + seed);
        let (order, id) = (OrderId::draw(&random), CertificateId::draw(&random));
        let (number, salt) = (VerificationNumber::draw(&random), Salt::draw(&random));
        let authority = testing::authority(1);
        let fixed = self.issuance.database.write(move |tx| {
            Box::pin(async move {
                let sent = orders::SentAs { client: "registrar".into(), key: None };
                orders::insert(tx, &an_order(order, authority), &sent).await?;
                let item = journal::Item {
                    authority,
                    kind: "issued",
                    certificate: Some(id),
                    at: at(),
                    by_whom: "registrar".into(),
                };
                let journal_no = journal::append(tx, &item).await? as u64;
                let request = CertificateRequest { number, journal_number: journal_no, ..geburtsurkunde() };
                let signer = SignedBy::of(Medium::Paper, "Erika Beispiel");
                let statement = SigningStatement::new(
                    signer,
                    "Standesamt Musterstadt",
                    "Geburtsurkunde",
                    seal::Profile::P256V1,
                    at(),
                );
                let fixed = Fixed {
                    id,
                    authority,
                    order,
                    number,
                    journal_no,
                    request: String::from_utf8(request.to_json().unwrap()).unwrap(),
                    salt,
                    statement: serde_json::to_string(&statement).unwrap(),
                    issued_at: at(),
                };
                let status = certificates::free_status(tx, &[seed as u32, seed as u32 + 1000]).await?;
                certificates::fix(tx, &fixed, status).await?;
                Ok::<_, DatabaseError>(id)
            })
        });
        fixed.await.unwrap()
    }

    async fn tally(&self) -> Tally {
        tally(&self.issuance.database).await
    }

    /// The stored file and its proof belong together, and the log has its leaf at the index said.
    async fn check(&self, issued: &Issued) {
        let pdf = self.archive.read(testing::authority(1), issued.object).await.unwrap();
        assert_eq!(Sha256::of(&pdf), issued.sha256);
        let row = self.issuance.again(issued.id).await.unwrap();
        let (proof, salt) = (row.logged.unwrap().proof, row.fixed.salt);
        let proof_in_hex = hex::encode(proof.as_bytes());
        let pdf = String::from_utf8_lossy(&pdf).to_lowercase();
        assert!(pdf.contains(&proof_in_hex), "the proof is in the seal");
        let parsed = Proof::parse(proof.as_bytes()).unwrap();
        assert_eq!(parsed.salt(), Ok(salt));
        let leaf = Leaf::new(LeafKind::Issued, &salt, &issued.seal_digest);
        let proven = parsed.verify(std::slice::from_ref(self.issuance.log.key()), &leaf).unwrap();
        assert_eq!(proven.index, issued.log_index);
    }
}

fn an_order(id: OrderId, authority: AuthorityId) -> orders::Order {
    orders::Order {
        id,
        authority,
        entry: EntryKey::parse("G", "09999001", "2024", "815-1").unwrap(),
        kind: Kind::Geburtsurkunde,
        medium: Medium::Paper,
        state: orders::OrderState::Released,
        state_at: at(),
        request: "{}".into(),
        business_key: None,
        ordered_at: at(),
        ordered_by: "registrar".into(),
        entitlement: None,
    }
}

#[tokio::test]
async fn a_fixed_certificate_is_sealed_logged_and_stored_and_a_second_call_gives_the_same() {
    in_an_office(async |office| {
        let id = office.fix(1).await;
        let issued = office.issuance.issue(id).await.unwrap();
        office.check(&issued).await;
        assert_eq!(office.issuance.issue(id).await.unwrap(), issued);
        assert_eq!(office.tally().await.leaves, 1);
    })
    .await;
}

#[tokio::test]
async fn cut_off_after_any_step_there_is_one_certificate_one_leaf_and_one_number_in_the_end() {
    use Step::{Composed, Delivered, Logged, Proven, Sealed, Stored};
    in_an_office(async |office| {
        let steps = [Composed, Sealed, Logged, Proven, Stored, Delivered];
        for (step, seed) in steps.into_iter().zip(1..) {
            let id = office.fix(seed).await;
            let cut = Issuance { interrupts: Arc::new(CutOnce::after(step)), ..office.issuance.clone() };
            assert!(
                matches!(cut.issue(id).await, Err(IssueError::Interrupted(Interrupted(at))) if at == step)
            );
            let before = office.issuance.again(id).await.unwrap();
            office.issuance.finish_begun().await.unwrap();
            let issued = office.issuance.issue(id).await.unwrap();
            office.check(&issued).await;
            let after = office.issuance.again(id).await.unwrap();
            assert!(
                before.sealed.is_none() || before.sealed == after.sealed,
                "{step:?}: the signature is used again"
            );
            assert!(before.logged.is_none() || before.logged == after.logged, "{step:?}: so is the proof");
        }
        let n = steps.len() as i64;
        let once = Tally { orders: n, certificates: n, leaves: n, places: n, journal_gaps: 0, objects: n };
        assert_eq!(office.tally().await, once);
    })
    .await;
}

#[tokio::test]
async fn begun_by_many_at_once_a_certificate_is_issued_once() {
    in_an_office(async |office| {
        let id = office.fix(1).await;
        let all = (0..8).map(|_| office.issuance.issue(id));
        let issued: Vec<Issued> =
            futures_util::future::join_all(all).await.into_iter().map(Result::unwrap).collect();
        assert!(issued.windows(2).all(|two| two[0] == two[1]), "{issued:?}");
        office.check(&issued[0]).await;
        assert_eq!(office.tally().await.leaves, 1);
    })
    .await;
}

#[tokio::test]
async fn many_certificates_at_once_have_numbers_without_gaps_and_leaves_of_their_own() {
    in_an_office(async |office| {
        let all = (0..24).map(|seed| async move {
            let id = office.fix(seed).await;
            office.issuance.issue(id).await.unwrap()
        });
        let issued = futures_util::future::join_all(all).await;
        for one in &issued {
            office.check(one).await;
        }
        let places: BTreeSet<u64> = issued.iter().map(|one| one.log_index).collect();
        assert_eq!(places, (0..24).collect());
        assert_eq!(office.tally().await.journal_gaps, 0);
        assert_eq!(office.issuance.finish_begun().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn without_the_key_a_certificate_waits_and_is_finished_once_the_key_is_there() {
    in_an_office(async |office| {
        let id = office.fix(1).await;
        let keyless = Issuance { signers: Arc::new(OpenedSigners::default()), ..office.issuance.clone() };
        assert!(matches!(keyless.issue(id).await, Err(IssueError::NoSigner)));
        assert_eq!(keyless.finish_begun().await.unwrap(), 0);
        assert_eq!(office.issuance.finish_begun().await.unwrap(), 1);
        assert!(matches!(
            office.issuance.issue(CertificateId::from_bytes([9; 16])).await,
            Err(IssueError::Unknown(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn in_a_full_status_list_a_new_one_is_begun() {
    in_an_office(async |office| {
        office.fix(5).await;
        let free = office.issuance.database.read(|tx| {
            Box::pin(async move {
                Ok::<_, DatabaseError>((
                    certificates::free_status(tx, &[5, 6]).await?,
                    certificates::free_status(tx, &[5]).await?,
                ))
            })
        });
        assert_eq!(free.await.unwrap(), ((0, 6), (1, 5)));
    })
    .await;
}
