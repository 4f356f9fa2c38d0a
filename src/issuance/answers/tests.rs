//! The public's questions on both engines: what a known certificate is told apart by, and that nothing else is.

use serde_json::Value;

use super::*;
use crate::database::testing;
use crate::domain::certificate::VerificationNumber;
use crate::domain::random::SeededRandom;
use crate::issuance::flow::Archive as _;
use crate::issuance::sample::geburtsurkunde;
use crate::issuance::signing::SignedBy;
use crate::issuance::testing::{Office, at, in_an_office};
use crate::verify::report::Verdict;

fn answers(office: &Office) -> Answers {
    let signer = office.issuance.signers.signer(testing::authority(1), &SignedBy::Authority).unwrap();
    let mut trust = Trust::default();
    trust.add(signer.chain().certificates().last().unwrap());
    let keys = vec![office.issuance.log.key().clone()];
    Answers::new(office.issuance.database.clone(), trust, keys, office.clock.clone())
}

fn unknown() -> Clue {
    Clue::Number(VerificationNumber::draw(&SeededRandom::new(404)))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_known_number_says_office_kind_and_day_an_unknown_one_is_as_long() {
    in_an_office(async |office| {
        let answers = answers(office);
        let before = answers.about(unknown()).await.unwrap();
        let id = office.fix(1).await;
        let number = office.issuance.again(id).await.unwrap().fixed.number;
        let begun = answers.about(Clue::Number(number)).await.unwrap();
        assert_eq!(json(&begun)["state"], "unknown", "what is not acknowledged is not known");
        let issued = office.issuance.issue(id).await.unwrap();

        let known = answers.about(Clue::Number(number)).await.unwrap();
        let none = answers.about(unknown()).await.unwrap();
        assert_eq!([known.len(), none.len(), before.len()], [LENGTH; 3]);
        let (known, none) = (json(&known), json(&none));
        assert_eq!((&known["state"], &known["revoked"]), (&"issued".into(), &false.into()));
        assert_eq!(known["issued"]["office"], "Musterstadt");
        assert_eq!(known["issued"]["kind"], "geburtsurkunde");
        assert_eq!(known["issued"]["specimen"], true);
        assert_eq!((&none["state"], &none["issued"]), (&"unknown".into(), &Value::Null));
        let said = known.to_string();
        for secret in ["genuine", "Nguyễn", "815", "männlich", "Beispiel"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        let by_digest = json(&answers.about(Clue::Digest(issued.sha256)).await.unwrap());
        assert_eq!(by_digest["issued"], known["issued"]);
    })
    .await;
}

#[tokio::test]
async fn a_file_is_judged_by_roots_and_log_of_the_installation_and_its_status_is_known() {
    in_an_office(async |office| {
        let answers = answers(office);
        let id = office.fix(2).await;
        let issued = office.issuance.issue(id).await.unwrap();
        let pdf = office.archive.read(testing::authority(1), issued.object).await.unwrap();
        let report = answers.file(pdf.clone(), Scope::Certificate).await.unwrap();
        assert_eq!((report.verdict, report.specimen), (Verdict::Genuine, true), "{:?}", report.problems);
        assert_eq!(report.status, Status::Valid(at()));
        assert_eq!(report.seal_digest, Some(issued.seal_digest.to_string()));
        let mut damaged = pdf.to_vec();
        damaged[2000] ^= 1;
        let report = answers.file(damaged.into(), Scope::Certificate).await.unwrap();
        assert_eq!((report.verdict, report.status), (Verdict::Not, Status::Unknown));
    })
    .await;
}

#[test]
fn long_names_of_offices_pad_to_the_next_length() {
    let answer = |office: &str| {
        let row = geburtsurkunde();
        let issued = Issued {
            office: office.to_owned(),
            kind: row.kind,
            title: row.title,
            day: row.issue.day,
            entry_as_of: row.as_of,
            specimen: false,
        };
        let answer = Answer {
            state: State::Issued,
            revoked: false,
            issued: Some(issued),
            checked_at: at(),
            notice: NOTICE,
        };
        padded(&answer).unwrap()
    };
    assert_eq!(answer("Ä").len(), LENGTH);
    assert_eq!(answer(&"Ä".repeat(1000)).len() % LENGTH, 0);
    assert!(json(&answer("\"")).is_object());
}
