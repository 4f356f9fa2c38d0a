//! Damage to a genuine certificate: every byte of the hole, seeded positions elsewhere, random wreckage.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stammbuch::domain::random::{self, SeededRandom};
use stammbuch::verify::report::Verdict;

use crate::sealed::{Office, codes, hole, row};

/// Verifies `file` once for each change, on all cores; gives how often each first reason was named.
fn try_all(office: &Office, file: &[u8], changes: &[(usize, u8)]) -> BTreeMap<&'static str, usize> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let part = changes.len().div_ceil(workers);
    let mut reasons = BTreeMap::new();
    std::thread::scope(|scope| {
        let run = |part: &[(usize, u8)]| {
            let mut copy = file.to_vec();
            let mut seen: Vec<&'static str> = Vec::new();
            for &(at, byte) in part {
                copy[at] = byte;
                let report = office.verify(&copy);
                assert_ne!(report.verdict, Verdict::Genuine, "byte {at} = {byte:#04x} went unnoticed");
                seen.push(codes(&report).first().copied().expect("the answer names what is wrong"));
                copy[at] = file[at];
            }
            seen
        };
        let threads: Vec<_> = changes.chunks(part).map(|part| scope.spawn(move || run(part))).collect();
        for reason in threads.into_iter().flat_map(|t| t.join().unwrap()) {
            *reasons.entry(reason).or_default() += 1;
        }
    });
    reasons
}

#[test]
fn no_byte_of_the_hole_can_be_changed_not_even_the_case_of_a_digit_or_the_padding() {
    let office = Office::open("Standesamt Musterstadt");
    let file = office.issue(&row());
    let hole = hole(&file);
    assert_eq!(hole.len(), 2 * 8192 + 2);
    let mut changes = Vec::new();
    for at in hole {
        let byte = file[at];
        let next = b"0123456789abcdef".iter().position(|d| *d == byte).map(|i| (i + 1) % 16);
        changes.push((at, next.map_or(b' ', |i| b"0123456789abcdef"[i])));
        if byte.is_ascii_lowercase() {
            changes.push((at, byte.to_ascii_uppercase()));
        }
    }
    let reasons = try_all(&office, &file, &changes);
    println!("{} changes: {reasons:?}", changes.len());
    assert!(reasons["hole-padding"] > 8000 && reasons["hole-character"] > 500, "{reasons:?}");
    assert!(reasons["signature-value"] > 100 && reasons["proof"] > 100, "{reasons:?}");
}

#[test]
fn no_byte_elsewhere_can_be_changed() {
    let office = Office::open("Standesamt Musterstadt");
    let file = office.issue(&row());
    let (hole, random) = (hole(&file), SeededRandom::new(20_261_124));
    let mut changes = Vec::new();
    while changes.len() < 2000 {
        let drawn: [u8; 8] = random::bytes(&random);
        let at = usize::try_from(u32::from_be_bytes([0, drawn[0], drawn[1], drawn[2]])).unwrap() % file.len();
        let flip = drawn[3];
        if !hole.contains(&at) && flip != 0 {
            changes.push((at, file[at] ^ flip));
        }
    }
    let reasons = try_all(&office, &file, &changes);
    println!("{reasons:?}");
    assert!(reasons["content-changed"] > 1000, "{reasons:?}");
}

#[test]
fn nothing_can_be_cut_off_or_put_in_anywhere() {
    let office = Office::open("Standesamt Musterstadt");
    let file = office.issue(&row());
    for step in 0..200 {
        let at = step * file.len() / 200;
        assert_ne!(office.verify(&file[..at]).verdict, Verdict::Genuine, "cut at {at}");
        let longer = [&file[..at], b" ", &file[at..]].concat();
        assert_ne!(office.verify(&longer).verdict, Verdict::Genuine, "a space at {at}");
    }
    for tail in ["\n", " ", "\0", "%%EOF\n", "\r\n%%EOF", "startxref\n0\n%%EOF\n"] {
        let longer = [&file[..], tail.as_bytes()].concat();
        assert_ne!(office.verify(&longer).verdict, Verdict::Genuine, "{tail:?} at the end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn wreckage_is_an_answer_and_never_a_panic(seed: u64, pieces in 1usize..12) {
        thread_local!(static OFFICE: (Office, Vec<u8>) = {
            let office = Office::open("Standesamt Musterstadt");
            let file = office.issue(&row());
            (office, file)
        });
        OFFICE.with(|(office, file)| {
            let mut wreck = file.clone();
            let random = SeededRandom::new(seed);
            for _ in 0..pieces {
                let d: [u8; 12] = random::bytes(&random);
                let draw = |i: usize| u32::from_be_bytes([0, d[i], d[i + 1], d[i + 2]]) as usize;
                let at = draw(0) % wreck.len();
                let length = (draw(3) % 40).min(wreck.len() - at);
                let from = draw(6) % (wreck.len() - length).max(1);
                let piece = wreck[from..from + length].to_vec();
                match d[9] % 4 {
                    0 => wreck[at] ^= d[10] | 1,
                    1 => { wreck.drain(at..at + length); }
                    2 => { wreck.splice(at..at, piece); }
                    _ => { wreck.splice(at..at + length, piece); }
                }
            }
            let report = office.verify(&wreck);
            let changed = wreck != *file;
            prop_assert!(!changed || report.verdict != Verdict::Genuine);
            Ok(())
        })?;
    }
}
