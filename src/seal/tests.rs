//! Units of sealing: the three steps, what they refuse, and what the demonstration CA issues.

use jiff::SignedDuration;

use super::certificate::Certificate;
use super::demo_ca::{self, DemoCa, Names};
use super::signer::{FileSigner, MeantFor, SignerError};
use super::*;
use crate::domain::random::SeededRandom;
use crate::pdf::revisions::tests::tiny_pdf;

const NAMES: Names<'static> =
    Names { authority: "Standesamt Musterstadt", given: "Jörg", family: "Ąžuolaitė" };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn demo() -> DemoCa {
    demo_ca::make(NAMES, at("2026-11-24T00:00:00Z"), &SeededRandom::new(1)).unwrap()
}

fn registrar(demo: &DemoCa) -> FileSigner {
    FileSigner::from_pem(&demo.registrar.key, &demo.registrar.certificates).unwrap()
}

fn statement(signing_time: &str) -> Statement<'static> {
    Statement { signing_time: at(signing_time), name: "Jörg Ąžuolaitė", reason: "Geburtsurkunde" }
}

#[test]
fn a_kept_signature_makes_the_same_revision_again() {
    let demo = demo();
    let prepared = prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-24T08:00:00Z")).unwrap();
    let signature = prepared.sign(&registrar(&demo)).unwrap();
    let kept = Signature::from_der(signature.as_der().to_vec()).unwrap();
    assert_eq!(prepared.seal_digest(&kept), prepared.seal_digest(&signature));
    let first = prepared.clone().finish(&signature, Some(b"proof")).unwrap();
    let again = prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-24T08:00:00Z")).unwrap();
    assert_eq!(again.finish(&kept, Some(b"proof")).unwrap(), first);
}

#[test]
fn the_proof_changes_nothing_that_is_signed() {
    let demo = demo();
    let prepared = prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-24T08:00:00Z")).unwrap();
    let signature = prepared.sign(&registrar(&demo)).unwrap();
    let with = Signature::from_der(cms::with_proof(signature.as_der(), &[7; 2000]).unwrap()).unwrap();
    assert_eq!(prepared.seal_digest(&with), prepared.seal_digest(&signature));
    assert!(signature.as_der().len() < 2048, "{} bytes", signature.as_der().len());
}

#[test]
fn a_signature_of_another_file_and_one_that_is_too_big_are_refused() {
    let demo = demo();
    let one = prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-24T08:00:00Z")).unwrap();
    let other = prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-24T08:00:01Z")).unwrap();
    let signature = one.sign(&registrar(&demo)).unwrap();
    assert!(matches!(other.seal_digest(&signature), Err(SealError::OtherFile { .. })));
    assert!(matches!(other.finish(&signature, None), Err(SealError::OtherFile { .. })));
    assert!(matches!(one.finish(&signature, Some(&[0; 8192])), Err(SealError::TooBig(_))));
    assert!(matches!(Signature::from_der(vec![0x30, 0]), Err(SealError::Encoding(_))));
}

#[test]
fn a_certificate_that_is_not_valid_at_the_claimed_time_does_not_sign() {
    let demo = demo();
    let signer = registrar(&demo);
    let early =
        prepare(&tiny_pdf(), Profile::P256V1, &statement("2026-11-23T23:59:59Z")).unwrap().sign(&signer);
    assert!(matches!(early, Err(SealError::Signer(SignerError::NotYetValid { .. }))));
    let late =
        prepare(&tiny_pdf(), Profile::P256V1, &statement("2037-01-01T00:00:00Z")).unwrap().sign(&signer);
    assert!(matches!(late, Err(SealError::Signer(SignerError::Expired { .. }))));
}

#[test]
fn everything_of_the_demonstration_ca_is_marked_as_specimen() {
    let demo = demo();
    let root = Certificate::all_from_pem(demo.ca.as_bytes()).unwrap().remove(0);
    assert!(root.is_specimen() && root.may_sign_certificates() && !root.may_sign_documents());
    assert_eq!(root.path_length(), Some(0));
    for identity in [&demo.registrar, &demo.authority] {
        let chain = Certificate::all_from_pem(identity.certificates.as_bytes()).unwrap();
        assert_eq!(chain.len(), 2);
        assert!(chain[0].is_specimen() && chain[0].may_sign_documents() && !chain[0].may_sign_certificates());
        assert!(chain[0].is_signed_by(&root) && chain[0].names_as_issuer(&root));
        assert_eq!(chain[1], root);
        assert!(chain[0].valid_at(at("2026-11-24T00:00:00Z") + SignedDuration::from_hours(24 * 3650)));
    }
    let person = Certificate::all_from_pem(demo.registrar.certificates.as_bytes()).unwrap().remove(0);
    assert_eq!(person.subject(oids::COMMON_NAME).as_deref(), Some("Jörg Ąžuolaitė"));
    assert_eq!(person.subject(oids::ORGANIZATION).as_deref(), Some("Standesamt Musterstadt"));
}

#[test]
fn key_and_certificates_that_do_not_belong_together_are_refused() {
    let demo = demo();
    let (one, other) = (&demo.registrar, &demo.authority);
    let with = |key: &str, certificates: &str| FileSigner::from_pem(key, certificates).err();
    assert_eq!(with(&one.key, &other.certificates), Some(SignerError::OtherKey));
    assert_eq!(with(&one.key, &demo.ca), Some(SignerError::Purpose(MeantFor::Documents)));
    let crossed = one.certificates.clone() + &one.certificates;
    assert_eq!(with(&one.key, &crossed), Some(SignerError::BrokenChain { index: 1 }));
    assert!(matches!(with("", &one.certificates), Some(SignerError::Key(_))));
    assert!(matches!(with(&one.key, ""), Some(SignerError::Certificate(_))));
}
