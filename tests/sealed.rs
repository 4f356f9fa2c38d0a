//! An office that seals and logs certificates by itself, for tests of verification: composing, sealing and the
//! log are the program's own, only the flow and the database are missing.

use jiff::Timestamp;
use stammbuch::domain::random::SeededRandom;
use stammbuch::issuance::compose;
use stammbuch::issuance::request::CertificateRequest;
use stammbuch::pdf::stationery::Stationery;
use stammbuch::seal::demo_ca::{self, DemoCa, Identity, Names, NewKey};
use stammbuch::seal::key::FileKey;
use stammbuch::seal::signer::{FileSigner, Signer};
use stammbuch::seal::{self, Prepared, Profile, Statement};
use stammbuch::tlog::{Checkpoint, Leaf, LeafKind, LogSigner, Proof, Salt, Tree, VerifierKey};
use stammbuch::verify::report::Report;
use stammbuch::verify::{self, Question, Scope, Trust};

/// Room enough for every file of the tests.
const FILE_BYTES_MAX: usize = 8 << 20;

pub struct Office {
    pub ca: DemoCa,
    pub registrar: FileSigner,
    pub authority: FileSigner,
    pub trust: Trust,
    pub log: LogSigner,
    pub keys: Vec<VerifierKey>,
    stationery: Stationery,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn signer(identity: &Identity) -> FileSigner {
    FileSigner::from_pem(&identity.key, &identity.certificates).unwrap()
}

/// A printer's copy of a Geburtsurkunde with difficult names, as a row.
pub fn row() -> CertificateRequest {
    CertificateRequest::from_json(include_bytes!("../src/issuance/sample.json")).unwrap()
}

/// The same facts as electronic Geburtsbescheinigung.
pub fn electronic_row() -> CertificateRequest {
    let json = include_str!("../src/issuance/sample.json");
    let json = json.replace(r#""kind": "geburtsurkunde""#, r#""kind": "geburtsbescheinigung""#);
    let json =
        json.replace(r#""medium": "paper""#, r#""medium": "electronic""#).replace("anlage-8@", "anlage-8e@");
    CertificateRequest::from_json(json.as_bytes()).unwrap()
}

impl Office {
    pub fn open(authority: &str) -> Self {
        Self::open_from(authority, at("2026-11-24T00:00:00Z"))
    }

    /// An office whose certificates are valid from then on.
    pub fn open_from(authority: &str, not_before: Timestamp) -> Self {
        Self::open_with(authority, &FileKey::generate_p256, not_before)
    }

    /// An office whose keys are made by `new_key`.
    pub fn open_with(authority: &str, new_key: NewKey<'_>, not_before: Timestamp) -> Self {
        let names = Names { authority, given: "Erika", family: "Beispiel" };
        let ca = demo_ca::make_with(names, new_key, not_before, &SeededRandom::new(1)).unwrap();
        let mut trust = Trust::default();
        trust.add_pem(ca.ca.as_bytes()).unwrap();
        let log = LogSigner::generate("log.stammbuch.example", &SeededRandom::new(2)).unwrap().0;
        Self {
            registrar: signer(&ca.registrar),
            authority: signer(&ca.authority),
            trust,
            keys: vec![log.verifier().clone()],
            log,
            stationery: Stationery::load().unwrap(),
            ca,
        }
    }

    pub fn composed(&self, row: &CertificateRequest) -> Vec<u8> {
        compose::compose(row, &self.stationery).unwrap().bytes
    }

    pub fn prepared(&self, row: &CertificateRequest) -> Prepared {
        self.prepared_at(row, "2026-11-24T09:00:00Z")
    }

    pub fn prepared_at(&self, row: &CertificateRequest, signing_time: &str) -> Prepared {
        let statement =
            Statement { signing_time: at(signing_time), name: "Erika Beispiel", reason: &row.title };
        let profile = Profile::of(self.registrar.scheme());
        seal::prepare(&self.composed(row), profile, &statement).unwrap()
    }

    /// The proof that the seal with this digest is in the log, among others.
    pub fn proof(&self, seal_digest: &stammbuch::domain::digest::Sha256) -> Vec<u8> {
        let salt = Salt::from_bytes([9; 32]);
        let other = |n: u8| Leaf::new(LeafKind::Issued, &Salt::from_bytes([n; 32]), seal_digest);
        let own = Leaf::new(LeafKind::Issued, &salt, seal_digest);
        let leaves = [other(1), other(2), own, other(3), other(4), other(5)];
        let grown = Tree::new().append(&leaves);
        let checkpoint = Checkpoint::new(&self.log, grown.size(), grown.root()).sign(&self.log);
        Proof::new(&salt, 2, grown.prove(2).unwrap(), checkpoint).to_text().into_bytes()
    }

    /// Seals and logs.
    pub fn finish(&self, prepared: Prepared, signer: &dyn Signer) -> Vec<u8> {
        let signature = prepared.sign(signer).unwrap();
        let proof = self.proof(&prepared.seal_digest(&signature).unwrap());
        prepared.finish(&signature, Some(&proof)).unwrap()
    }

    /// A certificate, sealed by the registrar.
    pub fn issue(&self, row: &CertificateRequest) -> Vec<u8> {
        self.finish(self.prepared(row), &self.registrar)
    }

    pub fn ask(&self, file: &[u8], scope: Scope) -> Report {
        self.ask_at(file, scope, "2026-11-25T12:00:00Z")
    }

    pub fn ask_at(&self, file: &[u8], scope: Scope, now: &str) -> Report {
        let (trust, log_keys) = (&self.trust, self.keys.as_slice());
        verify::pdf(file, &Question { trust, log_keys, scope, now: at(now), file_bytes_max: FILE_BYTES_MAX })
    }

    pub fn verify(&self, file: &[u8]) -> Report {
        self.ask(file, Scope::Certificate)
    }
}

/// Codes of what is wrong.
pub fn codes(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(|p| p.code()).collect()
}

/// Position after the first occurrence of `needle`.
pub fn after(file: &[u8], needle: &str) -> usize {
    file.windows(needle.len()).position(|w| w == needle.as_bytes()).unwrap() + needle.len()
}

/// The hole, brackets included.
pub fn hole(file: &[u8]) -> std::ops::Range<usize> {
    let start = after(file, "/Contents<30") - 3;
    let end = start + file[start..].iter().position(|b| *b == b'>').unwrap() + 1;
    start..end
}
