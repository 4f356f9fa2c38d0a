//! Requests and tokens: what the own authority answers is taken, what is not an answer to it is not.

use super::authority::answer;
use super::*;
use crate::domain::random::SeededRandom;
use crate::seal::demo_ca::{self, Names};
use crate::seal::key::FileKey;
use crate::seal::signer::{FileSigner, MeantFor};

fn authority() -> FileSigner {
    let names = Names { authority: "Standesamt Musterstadt", given: "Erika", family: "Muster" };
    let from = "2026-11-24T00:00:00Z".parse().unwrap();
    let made = demo_ca::make(names, from, &SeededRandom::new(1)).unwrap().timestamps;
    FileSigner::new(FileKey::from_pem(&made.key, None).unwrap(), &made.certificates, MeantFor::Timestamps)
        .unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T08:00:00.7Z".parse().unwrap()
}

#[test]
fn a_token_says_the_digest_of_the_request_and_the_second_of_the_answer() {
    for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        let request = Request::over(digest, &[b"signature ", b"value"], u64::MAX).unwrap();
        let answer = answer(&request.to_der().unwrap(), &authority(), now(), [0xff; 16]).unwrap();
        let token = request.token(&answer).unwrap();
        let said = token.said().unwrap();
        assert!(said.is_over(&[b"signature value"]) && !said.is_over(&[b"signature"]));
        assert_eq!(said.time, "2026-11-24T08:00:00Z".parse().unwrap());
        assert!(token.as_der().len() < 2560, "{} bytes", token.as_der().len());
    }
}

#[test]
fn an_answer_to_another_request_is_not_taken() {
    let ask = |content: &[u8], nonce| Request::over(Digest::Sha256, &[content], nonce).unwrap();
    let mine = ask(b"mine", 1 << 20);
    let reply = |request: &Request| answer(&request.to_der().unwrap(), &authority(), now(), [1; 16]).unwrap();
    assert_eq!(mine.token(&reply(&ask(b"theirs", 1 << 20))), Err(TimestampError::OtherImprint));
    assert_eq!(mine.token(&reply(&ask(b"mine", 1 << 21))), Err(TimestampError::OtherNonce));
    let longer = Request::over(Digest::Sha512, &[b"mine"], 1 << 20).unwrap();
    assert_eq!(mine.token(&reply(&longer)), Err(TimestampError::OtherImprint));
}

#[test]
fn a_refusal_and_what_is_no_answer_are_told_apart() {
    let request = Request::over(Digest::Sha256, &[b"x"], 7).unwrap();
    let refusal = answer(b"nonsense", &authority(), now(), [1; 16]).unwrap();
    let refused = request.token(&refusal).unwrap_err();
    assert!(refused.to_string().contains("PKIStatus 2: not a TimeStampReq"), "{refused}");
    for cut in [&b""[..], b"<html>", &refusal[..refusal.len() - 1]] {
        assert!(matches!(request.token(cut), Err(TimestampError::Encoding(_))));
    }
    let granted =
        TimeStampResp { status: PkiStatusInfo { status: 0, text: None, failure: None }, token: None };
    assert_eq!(request.token(&granted.to_der().unwrap()), Err(TimestampError::NoToken));
}

#[test]
fn a_time_may_have_a_fraction_and_must_be_of_the_form_that_the_standard_gives() {
    let read = |text: &str| generalized_time(&Any::new(Tag::GeneralizedTime, text.as_bytes()).unwrap());
    assert_eq!(read("20261124080000Z"), Some("2026-11-24T08:00:00Z".parse().unwrap()));
    assert_eq!(read("20261124080000.25Z"), Some("2026-11-24T08:00:00.25Z".parse().unwrap()));
    for bad in [
        "20261124080000",
        "202611240800Z",
        "20261124080000.Z",
        "20261124080000.50Z",
        "2026112408000xZ",
        "20261324080000Z",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(generalized_time(&Any::new(Tag::UtcTime, b"261124080000Z".as_slice()).unwrap()), None);
}
