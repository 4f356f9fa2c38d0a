//! Every kind of key that may seal: what it seals is genuine, what is changed is not, and the hole has room.

use stammbuch::seal::demo_ca::NewKey;
use stammbuch::seal::key::FileKey;
use stammbuch::seal::signer::{Signer as _, SignerError};
use stammbuch::verify::Scope;
use stammbuch::verify::report::Verdict;

use crate::sealed::{Office, at, codes, hole, row};

/// Keys for tests only: making one of RSA takes seconds.
const RSA_3072: &str = include_str!("../keys/rsa-3072.pem");
const RSA_4096: &str = include_str!("../keys/rsa-4096.pem");

fn offices() -> Vec<(&'static str, Office)> {
    let kinds: [(&str, NewKey<'_>); 4] = [
        ("P-256", &FileKey::generate_p256),
        ("P-384", &FileKey::generate_p384),
        ("RSA-3072", &|| Ok(RSA_3072.to_owned().into())),
        ("RSA-4096", &|| Ok(RSA_4096.to_owned().into())),
    ];
    let open = |new_key| Office::open_with("Standesamt Musterstadt", new_key, at("2026-11-24T00:00:00Z"));
    kinds.into_iter().map(|(name, new_key)| (name, open(new_key))).collect()
}

#[test]
fn what_each_kind_of_key_seals_is_genuine_and_not_when_it_was_changed() {
    for (name, office) in offices() {
        let file = office.issue(&row());
        for scope in [Scope::Certificate, Scope::SealOnly] {
            let report = office.ask(&file, scope);
            assert_eq!(report.verdict, Verdict::Genuine, "{name}: {:?}", codes(&report));
        }
        let mut changed = file.clone();
        changed[hole(&file).start / 2] ^= 1;
        let report = office.verify(&changed);
        assert_ne!(report.verdict, Verdict::Genuine, "{name}");
        let place = hole(&file);
        let digits = file[place.clone()].iter().rposition(|digit| !b"0>".contains(digit)).unwrap();
        for offset in (1..=digits).step_by(131) {
            let mut other = file.clone();
            let digit = &mut other[place.start + offset];
            *digit = if *digit == b'0' { b'1' } else { b'0' };
            let report = office.verify(&other);
            assert_ne!(report.verdict, Verdict::Genuine, "{name}: digit {offset} of the signature");
        }
    }
}

#[test]
fn the_signature_leaves_room_for_a_timestamp_and_a_proof_with_cosignatures() {
    for (name, office) in offices() {
        let room = hole(&office.issue(&row())).len() / 2;
        let prepared = office.prepared(&row());
        let signature = prepared.sign(&office.registrar).unwrap();
        let taken = signature.as_der().len();
        let timestamp =
            if office.registrar.scheme().digest().octets() == 48 || name == "P-256" { 2560 } else { 6144 };
        assert!(taken + timestamp + 2560 <= room, "{name}: {taken} of {room}");
    }
}

#[test]
fn a_short_rsa_key_is_refused() {
    let short = FileKey::from_pem(include_str!("../keys/rsa-2048.pem"), None);
    assert!(matches!(short, Err(SignerError::Key(why)) if why.contains("2048 bits")));
}
