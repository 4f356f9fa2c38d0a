//! Timestamps in and after the seal: what they prove, for how long, and every way to pretend one.

use jiff::Timestamp;
use stammbuch::domain::random::SeededRandom;
use stammbuch::pdf::append;
use stammbuch::seal::algorithms::Digest;
use stammbuch::seal::certificate::Certificate;
use stammbuch::seal::issue::{self, Issuer, Purpose, Subject, Template};
use stammbuch::seal::key::FileKey;
use stammbuch::seal::signer::{FileSigner, MeantFor, Signer};
use stammbuch::seal::timestamp::{Request, authority};
use stammbuch::verify::Scope;
use stammbuch::verify::report::{Changes, Integrity, Level, Report, StampKind, Verdict};

use crate::sealed::{Office, after, at, codes, hole, row};

/// Room of a document timestamp's hole.
const ROOM: usize = 4096;

/// A time-stamping authority under a root of its own.
struct Tsa {
    root: Certificate,
    signer: FileSigner,
}

impl Tsa {
    fn new(from: &str, until: &str) -> Self {
        let random = SeededRandom::new(u64::from(from.as_bytes()[3]));
        let key = || FileKey::from_pem(&FileKey::generate_p256().unwrap(), None).unwrap();
        let mut template = Template {
            subject: subject("Zeitstempel-CA"),
            purpose: Purpose::Root,
            not_before: at(from),
            not_after: at(until),
            specimen: false,
        };
        let root_key = key();
        let issuer = Issuer { key: &root_key, certificate: None };
        let root = issue::issue(&template, &root_key, issuer, &random).unwrap();
        template.purpose = Purpose::Timestamps;
        template.subject = subject("Zeitstempel");
        let own_key = key();
        let issuer = Issuer { key: &root_key, certificate: Some(&root) };
        let own = issue::issue(&template, &own_key, issuer, &random).unwrap();
        let chain = issue::to_pem(&own).unwrap() + &issue::to_pem(&root).unwrap();
        Self { root, signer: FileSigner::new(own_key, &chain, MeantFor::Timestamps).unwrap() }
    }

    fn stamp(&self, over: &[&[u8]], time: Timestamp) -> Vec<u8> {
        stamp_by(&self.signer, over, time)
    }

    /// The file with a document timestamp.
    fn append(&self, file: &[u8], time: &str) -> Vec<u8> {
        let prepared = append::timestamp::prepare(file, ROOM).unwrap();
        let token = self.stamp(&prepared.covered(), at(time));
        prepared.fill(&token).unwrap()
    }
}

fn subject(name: &str) -> Subject {
    Subject { country: "DE".into(), organization: "Zeit AG".into(), common_name: name.into(), person: None }
}

fn stamp_by(signer: &dyn Signer, over: &[&[u8]], time: Timestamp) -> Vec<u8> {
    let request = Request::over(Digest::Sha256, over, 77).unwrap();
    let answer = authority::answer(&request.to_der().unwrap(), signer, time, [5; 16]).unwrap();
    request.token(&answer).unwrap().as_der().to_vec()
}

/// An office that trusts the authority.
fn office(tsa: &Tsa) -> Office {
    let mut office = Office::open("Standesamt Musterstadt");
    office.trust.add(&tsa.root);
    office
}

fn tsa() -> Tsa {
    Tsa::new("2026-01-01T00:00:00Z", "2049-12-31T00:00:00Z")
}

/// A certificate whose signature has the timestamp that `token` makes of its value.
fn issued_with(office: &Office, token: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let prepared = office.prepared(&row());
    let signature = prepared.sign(&office.registrar).unwrap();
    let token = token(signature.value());
    let signature = signature.stamped(&token).unwrap();
    let proof = office.proof(&prepared.seal_digest(&signature).unwrap());
    prepared.finish(&signature, Some(&proof)).unwrap()
}

fn never_genuine(office: &Office, file: &[u8], code: &str) -> Report {
    let report = office.verify(file);
    assert_ne!(report.verdict, Verdict::Genuine);
    assert!(codes(&report).contains(&code), "{:?} does not name {code}", codes(&report));
    report
}

#[test]
fn a_timestamp_in_the_seal_makes_it_b_t_and_outlives_the_signers_certificate() {
    let tsa = tsa();
    let office = office(&tsa);
    let file = issued_with(&office, |value| tsa.stamp(&[value], at("2026-11-24T09:00:05Z")));
    for scope in [Scope::Certificate, Scope::SealOnly] {
        let report = office.ask_at(&file, scope, "2040-01-01T00:00:00Z");
        assert_eq!((report.verdict, codes(&report)), (Verdict::Genuine, vec![]));
        assert_eq!((report.level, report.changes), (Some(Level::Time), Changes::None));
        assert_eq!(report.age.proven_at, Some(at("2026-11-24T09:00:05Z")));
        let stamp = &report.timestamps[0];
        assert_eq!((stamp.kind, stamp.authority.as_str()), (StampKind::Signature, "Zeitstempel"));
    }
    let without = office.issue(&row());
    let report = office.ask_at(&without, Scope::Certificate, "2040-01-01T00:00:00Z");
    assert_eq!((report.verdict, codes(&report)[0]), (Verdict::CannotTell, "expired-now"));
    assert_eq!(report.level, Some(Level::Basic));
    let after_all = office.ask_at(&file, Scope::Certificate, "2050-01-01T00:00:00Z");
    assert_eq!(after_all.verdict, Verdict::CannotTell);
    assert_eq!(codes(&after_all)[0], "expired-timestamp");
}

#[test]
fn a_late_timestamp_is_appended_and_twenty_renewals_carry_the_seal_through_a_century() {
    let first = Tsa::new("2026-01-01T00:00:00Z", "2049-12-31T00:00:00Z");
    let mut office = office(&first);
    let original = office.issue(&row());
    let mut file = first.append(&original, "2027-01-01T00:00:00Z");
    let report = office.ask_at(&file, Scope::Certificate, "2045-01-01T00:00:00Z");
    assert_eq!((report.verdict, codes(&report)), (Verdict::Genuine, vec![]));
    assert_eq!((report.level, report.changes), (Some(Level::Time), Changes::ValidationData));
    assert_eq!(report.sha256.len(), 64);
    for renewal in 0..20 {
        let (year, until) = (2031 + 4 * renewal, 2031 + 4 * renewal + 6);
        let next = Tsa::new(&format!("{year}-01-01T00:00:00Z"), &format!("{until}-01-01T00:00:00Z"));
        office.trust.add(&next.root);
        let longer = next.append(&file, &format!("{year}-06-01T00:00:00Z"));
        assert!(longer.starts_with(&file));
        file = longer;
    }
    let report = office.ask_at(&file, Scope::Certificate, "2112-01-01T00:00:00Z");
    assert_eq!((report.verdict, codes(&report)), (Verdict::Genuine, vec![]));
    assert_eq!((report.timestamps.len(), report.age.proven_at), (21, Some(at("2027-01-01T00:00:00Z"))));
    assert!(report.timestamps.iter().all(|stamp| stamp.believed));
    assert!(file.starts_with(&original));
    // One link is missing: what is before the gap is proven by nothing.
    let gap = Tsa::new("2100-01-01T00:00:00Z", "2120-01-01T00:00:00Z");
    office.trust.add(&gap.root);
    let late = gap.append(&original, "2101-01-01T00:00:00Z");
    let report = office.ask_at(&late, Scope::Certificate, "2112-01-01T00:00:00Z");
    assert_eq!((report.verdict, codes(&report)), (Verdict::CannotTell, vec!["expired-now"; 2]));
}

#[test]
fn a_timestamp_of_something_else_or_of_nobody_known_proves_nothing() {
    let tsa = tsa();
    let office = office(&tsa);
    let time = at("2026-11-24T09:00:05Z");
    never_genuine(&office, &issued_with(&office, |_| tsa.stamp(&[b"another value"], time)), "bad-timestamp");
    let stranger = self::tsa();
    let file = issued_with(&office, |value| stranger.stamp(&[value], time));
    let report = never_genuine(&office, &file, "untrusted-timestamp");
    assert!(!report.timestamps[0].believed);
    assert_eq!(report.age.proven_at, None);
    // It does not carry the seal over the end of the signer's certificate either.
    let later = office.ask_at(&file, Scope::SealOnly, "2040-01-01T00:00:00Z");
    assert_ne!(later.verdict, Verdict::Genuine);
    // The registrar's own key may sign documents, but no timestamps.
    let registrar = issued_with(&office, |value| stamp_by(&office.registrar, &[value], time));
    never_genuine(&office, &registrar, "untrusted-timestamp");
}

#[test]
fn a_timestamp_from_the_future_or_before_the_signature_is_named() {
    let tsa = tsa();
    let office = office(&tsa);
    let stamped = |time: &str| issued_with(&office, |value| tsa.stamp(&[value], at(time)));
    never_genuine(&office, &stamped("2026-11-26T00:00:00Z"), "timestamp-order");
    // Claimed 09:00, stamped an hour before: the claimed time cannot be true.
    never_genuine(&office, &stamped("2026-11-24T08:00:00Z"), "future");
    let once = tsa.append(&stamped("2026-11-24T09:00:05Z"), "2026-11-24T08:30:00Z");
    never_genuine(&office, &once, "timestamp-order");
}

#[test]
fn no_digit_of_a_timestamp_in_the_file_can_be_changed() {
    let tsa = tsa();
    let office = office(&tsa);
    let sealed = issued_with(&office, |value| tsa.stamp(&[value], at("2026-11-24T09:00:05Z")));
    let file = tsa.append(&sealed, "2026-11-24T10:00:00Z");
    assert_eq!(office.verify(&file).verdict, Verdict::Genuine);
    let start = sealed.len() + after(&file[sealed.len()..], "/Contents<");
    let end = start + file[start..].iter().position(|b| *b == b'>').unwrap();
    let first = hole(&file);
    for place in (start..end).step_by(211).chain((first.start + 1..first.end - 1).step_by(307)) {
        let mut changed = file.clone();
        changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
        let report = office.verify(&changed);
        assert_ne!(report.verdict, Verdict::Genuine, "digit at {place}");
    }
}

#[test]
fn a_revision_that_brings_a_timestamp_brings_nothing_else() {
    let tsa = tsa();
    let office = office(&tsa);
    let sealed = office.issue(&row());
    let good = append::timestamp::prepare(&sealed, ROOM).unwrap();
    let redo = |bytes: Vec<u8>| {
        // The authority stamps whatever it is sent: its token is true, what changed is still found.
        let start = sealed.len() + after(&bytes[sealed.len()..], "/Contents<") - 1;
        let end = start + bytes[start..].iter().position(|b| *b == b'>').unwrap() + 1;
        let token = tsa.stamp(&[&bytes[..start], &bytes[end..]], at("2026-11-24T10:00:00Z"));
        let mut filled = bytes;
        let digits = hex::encode(token);
        filled[start + 1..start + 1 + digits.len()].copy_from_slice(digits.as_bytes());
        filled
    };
    assert_eq!(office.verify(&redo(good.bytes().to_vec())).verdict, Verdict::Genuine);
    let swapped = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let place = sealed.len() + after(&good.bytes()[sealed.len()..], from) - from.len();
        let mut bytes = good.bytes().to_vec();
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        redo(bytes)
    };
    for (from, to) in [
        ("/Rect[-64 -64 -64 -64]", "/Rect[-64 -64 564 564]"),
        ("/SigFlags 3", "/SigFlags 1"),
        ("/Tabs /S", "/Tabs /R"),
        ("/F 132", "/AP 32"),
    ] {
        let report = office.verify(&swapped(from, to));
        assert_eq!((report.verdict, report.changes), (Verdict::Not, Changes::Other), "{to}");
        assert_eq!(report.integrity, Integrity::Broken, "{to}");
    }
}

#[test]
fn a_document_timestamp_must_cover_everything_before_it() {
    let tsa = tsa();
    let office = office(&tsa);
    let sealed = office.issue(&row());
    let file = tsa.append(&sealed, "2026-11-24T10:00:00Z");
    let range = sealed.len() + after(&file[sealed.len()..], "/ByteRange[0 ");
    for place in [range, range + 22] {
        let mut partial = file.clone();
        let digit = &mut partial[place + 9];
        *digit = if *digit == b'1' { b'2' } else { b'1' };
        never_genuine(&office, &partial, "byte-range");
    }
    // The same token in another file.
    let other = office.finish(office.prepared_at(&row(), "2026-11-24T09:00:01Z"), &office.registrar);
    let prepared = append::timestamp::prepare(&other, ROOM).unwrap();
    let stolen =
        tsa.stamp(&append::timestamp::prepare(&sealed, ROOM).unwrap().covered(), at("2026-11-24T10:00:00Z"));
    never_genuine(&office, &prepared.fill(&stolen).unwrap(), "bad-timestamp");
}
