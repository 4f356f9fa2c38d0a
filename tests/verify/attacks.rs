//! Attacks by somebody who has genuine certificates but no key: foreign keys, moved signatures and proofs,
//! certificates that may not sign, updates after sealing, wrapped and doubled signatures.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::ContentInfo;
use cms::signed_data::{CertificateSet, SignedData, SignerIdentifier, SignerInfos};
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Decode as _, Encode as _};
use stammbuch::domain::digest::Sha256;
use stammbuch::domain::random::SeededRandom;
use stammbuch::pdf::revisions::Revisions;
use stammbuch::seal::certificate::Certificate;
use stammbuch::seal::issue::{self, Issuer, Purpose, Subject, Template};
use stammbuch::seal::key::FileKey;
use stammbuch::seal::signer::{FileSigner, MeantFor, SignerError};
use stammbuch::seal::{Prepared, SealError, Signature, oids};
use stammbuch::tlog::LogSigner;
use stammbuch::verify::Scope;
use stammbuch::verify::report::{Changes, Verdict};

use crate::sealed::{Office, after, at, codes, hole, row};

fn musterstadt() -> Office {
    Office::open("Standesamt Musterstadt")
}

/// Asserts that the file is not called genuine, in both scopes, and that `code` is among the reasons.
fn never_genuine(office: &Office, file: &[u8], code: &str) {
    let report = office.verify(file);
    assert_ne!(report.verdict, Verdict::Genuine);
    assert!(codes(&report).contains(&code), "{:?} does not name {code}", codes(&report));
}

#[test]
fn a_foreign_key_under_its_own_ca_is_unknown_and_under_the_same_names_forged() {
    let (office, mut foreign) = (musterstadt(), Office::open("Standesamt Anderswo"));
    foreign.log = LogSigner::generate("log.stammbuch.example", &SeededRandom::new(2)).unwrap().0;
    never_genuine(&office, &foreign.issue(&row()), "unknown-issuer");
    // The same names, even the same log key; only the CA's key is another.
    let twin = musterstadt();
    let report = office.verify(&twin.issue(&row()));
    assert_eq!((report.verdict, codes(&report)[0]), (Verdict::Not, "forged-issuer"));
}

#[test]
fn the_name_of_another_authority_on_the_page_is_noticed() {
    let office = Office::open("Standesamt Anderswo");
    never_genuine(&office, &office.issue(&row()), "other-authority");
}

#[test]
fn another_registrars_name_on_the_page_is_named() {
    let office = musterstadt();
    let mut other = row();
    other.issue.registrar = "Max Anders".to_owned();
    let report = office.verify(&office.issue(&other));
    assert_eq!((report.verdict, codes(&report)), (Verdict::Genuine, vec!["other-registrar"]));
}

#[test]
fn a_proof_of_another_certificate_or_another_log_does_not_hold() {
    let office = musterstadt();
    let prepared = office.prepared(&row());
    let signature = prepared.sign(&office.registrar).unwrap();
    let again = prepared.sign(&office.registrar).unwrap();
    let others = office.proof(&prepared.seal_digest(&again).unwrap());
    never_genuine(&office, &prepared.clone().finish(&signature, Some(&others)).unwrap(), "proof");

    let mut elsewhere = musterstadt();
    elsewhere.log = LogSigner::generate("log.elsewhere.example", &SeededRandom::new(5)).unwrap().0;
    let proof = elsewhere.proof(&prepared.seal_digest(&signature).unwrap());
    never_genuine(&office, &prepared.clone().finish(&signature, Some(&proof)).unwrap(), "proof");
    never_genuine(&office, &prepared.clone().finish(&signature, Some(b"")).unwrap(), "proof");
    never_genuine(&office, &prepared.finish(&signature, None).unwrap(), "no-proof");
}

#[test]
fn an_unknown_line_under_the_checkpoint_is_not_let_pass() {
    let office = musterstadt();
    let prepared = office.prepared(&row());
    let signature = prepared.sign(&office.registrar).unwrap();
    let mut proof = office.proof(&prepared.seal_digest(&signature).unwrap());
    proof.extend("— witness.example AAAAAAAAAAAA\n".as_bytes());
    never_genuine(&office, &prepared.finish(&signature, Some(&proof)).unwrap(), "proof");
}

#[test]
fn a_signature_moved_to_another_file_covers_that_file_not() {
    let office = musterstadt();
    let (one, other) = (office.prepared(&row()), office.prepared_at(&row(), "2026-11-24T09:00:01Z"));
    let signature = one.sign(&office.registrar).unwrap();
    assert!(matches!(other.seal_digest(&signature), Err(SealError::OtherFile { .. })));
    let donor = office.finish(one, &office.registrar);
    let mut target = office.finish(other, &office.registrar);
    let (from, to) = (hole(&donor), hole(&target));
    target[to].copy_from_slice(&donor[from]);
    never_genuine(&office, &target, "content-changed");
}

/// A key with a certificate that our own program might not seal with.
struct Special {
    pem: String,
    own: Certificate,
    ca: Certificate,
}

impl Special {
    fn signer(&self) -> Result<FileSigner, SignerError> {
        let chain = issue::to_pem(&self.own).unwrap() + &issue::to_pem(&self.ca).unwrap();
        FileSigner::from_pem(&self.pem, &chain)
    }
}

/// A certificate under the office's own kind of CA, made by `change`; the CA is trusted from now on.
fn special(office: &mut Office, change: impl Fn(&mut Template)) -> Special {
    let random = SeededRandom::new(77);
    let subject = |name: &str| Subject {
        country: "DE".into(),
        organization: "Standesamt Musterstadt".into(),
        common_name: name.into(),
        person: None,
    };
    let mut template = Template {
        subject: subject("CA"),
        purpose: Purpose::Root,
        not_before: at("2020-01-01T00:00:00Z"),
        not_after: at("2040-01-01T00:00:00Z"),
        specimen: true,
    };
    let ca_key = FileKey::from_pem(&FileKey::generate_p256().unwrap(), None).unwrap();
    let issuer = Issuer { key: &ca_key, certificate: None };
    let ca = issue::issue(&template, &ca_key, issuer, &random).unwrap();
    template.subject = subject("Erika Beispiel");
    template.purpose = Purpose::Registrar;
    change(&mut template);
    let pem = FileKey::generate_p256().unwrap();
    let key = FileKey::from_pem(&pem, None).unwrap();
    let issuer = Issuer { key: &ca_key, certificate: Some(&ca) };
    let own = issue::issue(&template, &key, issuer, &random).unwrap();
    office.trust.add_pem(issue::to_pem(&ca).unwrap().as_bytes()).unwrap();
    Special { pem: pem.to_string(), own, ca }
}

#[test]
fn certificates_that_are_not_valid_at_the_time_or_may_not_sign_neither_seal_nor_pass() {
    let mut office = musterstadt();
    let expired = special(&mut office, |t| t.not_after = at("2026-11-23T00:00:00Z")).signer().unwrap();
    let refused = office.prepared(&row()).sign(&expired);
    assert!(matches!(refused, Err(SealError::Signer(SignerError::Expired { .. }))));
    let early = special(&mut office, |t| t.not_before = at("2026-11-25T00:00:00Z")).signer().unwrap();
    let refused = office.prepared(&row()).sign(&early);
    assert!(matches!(refused, Err(SealError::Signer(SignerError::NotYetValid { .. }))));
    let enciphering = special(&mut office, |t| t.purpose = Purpose::Enciphering).signer();
    assert_eq!(enciphering.err(), Some(SignerError::Purpose(MeantFor::Documents)));
}

#[test]
fn a_seal_whose_certificate_has_expired_since_is_not_vouched_for() {
    let mut office = musterstadt();
    let short = special(&mut office, |t| t.not_after = at("2026-11-24T09:30:00Z")).signer().unwrap();
    let file = office.finish(office.prepared(&row()), &short);
    let report = office.ask_at(&file, Scope::Certificate, "2026-11-24T09:10:00Z");
    assert_eq!((report.verdict, codes(&report)), (Verdict::Genuine, vec![]));
    never_genuine(&office, &file, "expired-now");
}

#[test]
fn what_our_own_signer_refuses_and_another_program_signs_is_refused_by_the_verifier() {
    type Change = fn(&mut Template);
    let cases: [(Change, &str, &str); 4] = [
        (|t| t.not_after = at("2026-11-24T08:59:59Z"), "2026-11-24T09:00:00Z", "expired-at-signing"),
        (|t| t.not_before = at("2026-11-24T09:00:01Z"), "2026-11-24T09:00:00Z", "not-yet-valid"),
        (|_| {}, "2019-12-31T23:59:59Z", "not-yet-valid"),
        (|t| t.purpose = Purpose::Enciphering, "2026-11-24T09:00:00Z", "key-usage"),
    ];
    for (change, claimed, code) in cases {
        let mut office = musterstadt();
        let special = special(&mut office, change);
        let file = elsewhere(&office, office.prepared_at(&row(), claimed), &special);
        let report = office.verify(&file);
        assert_eq!(
            (report.verdict, codes(&report).first()),
            (Verdict::Not, Some(&code)),
            "{:?}",
            report.problems
        );
        assert_ne!(office.ask(&file, Scope::SealOnly).verdict, Verdict::Genuine);
        // Nothing else is wrong with it: it is the certificate that is refused.
        assert!(codes(&report).iter().all(|other| *other == code), "{:?}", codes(&report));
    }
    // The same way of signing with a certificate that may passes.
    let mut office = musterstadt();
    let special = special(&mut office, |_| {});
    let file = elsewhere(&office, office.prepared(&row()), &special);
    assert_eq!((office.verify(&file).verdict, codes(&office.verify(&file))), (Verdict::Genuine, vec![]));
}

/// Seals and logs as a program would that asks neither for validity nor for purpose: the registrar's signature is
/// taken apart, and signer, certificates and signature value are replaced.
fn elsewhere(office: &Office, prepared: Prepared, with: &Special) -> Vec<u8> {
    let signature = valid_signature(office);
    let mut data: SignedData = ContentInfo::from_der(&signature).unwrap().content.decode_as().unwrap();
    let tbs = &with.own.parsed().tbs_certificate;
    let chain = [&with.own, &with.ca].map(|one| CertificateChoices::Certificate(one.parsed().clone()));
    data.certificates = Some(CertificateSet(SetOfVec::try_from(chain.to_vec()).unwrap()));
    let mut info = data.signer_infos.0.iter().next().unwrap().clone();
    info.sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: tbs.issuer.clone(),
        serial_number: tbs.serial_number.clone(),
    });
    let digest = OctetString::new(prepared.byte_range_digest().as_bytes().as_slice()).unwrap();
    let own = OctetString::new(Sha256::of(with.own.der()).as_bytes().as_slice()).unwrap();
    let attributes = info.signed_attrs.take().unwrap().into_vec().into_iter().map(|mut attribute| {
        let value = match attribute.oid {
            oids::MESSAGE_DIGEST => Any::encode_from(&digest).unwrap(),
            oids::SIGNING_CERTIFICATE_V2 => Any::encode_from(&vec![vec![vec![own.clone()]]]).unwrap(),
            _ => return attribute,
        };
        attribute.values = SetOfVec::try_from(vec![value]).unwrap();
        attribute
    });
    let attributes = SetOfVec::try_from(attributes.collect::<Vec<_>>()).unwrap();
    let key = FileKey::from_pem(&with.pem, None).unwrap();
    info.signature = OctetString::new(key.sign(&attributes.to_der().unwrap()).unwrap()).unwrap();
    info.signed_attrs = Some(attributes);
    data.signer_infos = SignerInfos(SetOfVec::try_from(vec![info]).unwrap());
    let content = ContentInfo { content_type: oids::SIGNED_DATA, content: Any::encode_from(&data).unwrap() };
    let signature = Signature::from_der(content.to_der().unwrap()).unwrap();
    let proof = office.proof(&prepared.seal_digest(&signature).unwrap());
    prepared.finish(&signature, Some(&proof)).unwrap()
}

/// Some signature in DER, to be taken apart.
fn valid_signature(office: &Office) -> Vec<u8> {
    office.prepared(&row()).sign(&office.registrar).unwrap().as_der().to_vec()
}

#[test]
fn a_root_that_is_the_signer_itself_may_not_sign_documents() {
    let office = musterstadt();
    let root = Certificate::all_from_pem(office.ca.ca.as_bytes()).unwrap();
    assert!(!root[0].may_sign_documents());
}

/// Appends an update that redefines or adds objects, as any editor would.
fn update(file: &[u8], objects: &[(u32, &str)], trailer: &str) -> Vec<u8> {
    let before = Revisions::read(file).unwrap().list()[0].table_at;
    let mut out = file.to_vec();
    let mut table = String::from("xref\n");
    for (number, body) in objects {
        table.push_str(&format!("{number} 1\n{:010} 00000 n \n", out.len()));
        out.extend(format!("{number} 0 obj\n{body}\nendobj\n").bytes());
    }
    let start = out.len();
    out.extend(format!("{table}trailer\n<<{trailer}/Prev {before}>>\nstartxref\n{start}\n%%EOF\n").bytes());
    out
}

fn trailer(file: &[u8]) -> (String, u32) {
    let revisions = Revisions::read(file).unwrap();
    let dict = revisions.trailer(0).unwrap();
    let root = dict.get("Root").unwrap().as_reference().unwrap().number;
    let size = dict.get("Size").unwrap().as_number().unwrap();
    let info = dict.get("Info").unwrap().as_reference().unwrap().number;
    (format!("/Size {}/Info {info} 0 R/Root {root} 0 R", size + 9), root)
}

#[test]
fn an_update_that_shows_or_hides_anything_after_sealing_is_more_than_validation_data() {
    let office = musterstadt();
    let file = office.issue(&row());
    let revisions = Revisions::read(&file).unwrap();
    let (tail, root) = trailer(&file);
    let numbers: Vec<u32> = (1..400).filter(|n| revisions.find(*n, 0).is_some()).collect();
    for number in numbers {
        for body in ["<</Type/Page>>", "<</Length 0>>stream\n\nendstream", "null"] {
            let report = office.verify(&update(&file, &[(number, body)], &tail));
            assert_ne!(report.verdict, Verdict::Genuine, "object {number} replaced by {body}");
        }
    }
    let catalog = revisions.dict(stammbuch::pdf::raw::Reference { number: root, generation: 0 }, 0).unwrap();
    let opened =
        String::from_utf8(catalog.with(&[("OpenAction", "<</S/JavaScript/JS(x)>>".into())])).unwrap();
    never_genuine(&office, &update(&file, &[(root, &opened)], &tail), "changed-after-sealing");
    never_genuine(&office, &update(&file, &[(990, "<</X 1>>")], &tail), "changed-after-sealing");
}

#[test]
fn an_empty_update_another_root_and_a_freed_object_are_noticed() {
    let office = musterstadt();
    let file = office.issue(&row());
    let (tail, root) = trailer(&file);
    assert_ne!(office.verify(&update(&file, &[], &tail)).verdict, Verdict::Genuine);
    let catalog = String::from_utf8_lossy(&file).into_owned();
    assert!(catalog.contains("/Type/Sig"));
    let other = tail.replace(&format!("/Root {root}"), "/Root 990");
    let copy = update(&file, &[(990, "<</Type/Catalog/Pages 2 0 R>>")], &other);
    assert_ne!(office.verify(&copy).verdict, Verdict::Genuine);
    never_genuine(&office, &update(&file, &[], &format!("{tail}/Root 990 0 R")), "structure");
}

#[test]
fn a_dss_alone_is_told_apart_from_content_and_yet_not_vouched_for() {
    let office = musterstadt();
    let file = office.issue(&row());
    let (tail, root) = trailer(&file);
    let revisions = Revisions::read(&file).unwrap();
    let catalog = revisions.dict(stammbuch::pdf::raw::Reference { number: root, generation: 0 }, 0).unwrap();
    let with_dss = String::from_utf8(catalog.with(&[("DSS", "990 0 R".into())])).unwrap();
    let later = update(&file, &[(root, &with_dss), (990, "<</Type/DSS/Certs[]>>")], &tail);
    let report = office.ask(&later, Scope::SealOnly);
    assert_eq!(
        (report.verdict, report.changes),
        (Verdict::Genuine, Changes::ValidationData),
        "{:?}",
        report.problems
    );
    let hidden = later[..later.len() - 6].to_vec();
    assert_ne!(office.ask(&hidden, Scope::SealOnly).verdict, Verdict::Genuine);
}

#[test]
fn a_byte_range_that_leaves_out_wraps_or_overlaps_is_refused() {
    let office = musterstadt();
    let file = office.issue(&row());
    let start = after(&file, "/ByteRange");
    let hole = hole(&file);
    let end = file.len() - hole.end;
    for numbers in [
        [0, hole.start - 1, hole.end, end],
        [0, hole.start, hole.end + 1, end - 1],
        [0, hole.start, hole.end, end - 1],
        [1, hole.start - 1, hole.end, end],
        [0, hole.start, hole.start, file.len() - hole.start],
        [0, hole.end, hole.end, end],
        [0, hole.start, hole.end, end + 1],
        [0, 0, hole.end, end],
    ] {
        let mut wrapped = file.clone();
        let text = format!("[{} {:010} {:010} {:010}]", numbers[0], numbers[1], numbers[2], numbers[3]);
        wrapped[start..start + text.len()].copy_from_slice(text.as_bytes());
        never_genuine(&office, &wrapped, "byte-range");
    }
}

#[test]
fn a_second_signature_in_the_form_is_one_too_many() {
    let office = musterstadt();
    let file = office.issue(&row());
    let (tail, root) = trailer(&file);
    let revisions = Revisions::read(&file).unwrap();
    let catalog = revisions.dict(stammbuch::pdf::raw::Reference { number: root, generation: 0 }, 0).unwrap();
    let form = catalog.get("AcroForm").unwrap().bytes();
    let form = String::from_utf8_lossy(form).replace("]/SigFlags", " 990 0 R]/SigFlags");
    let grown = String::from_utf8(catalog.with(&[("AcroForm", form)])).unwrap();
    let signature = "<</Type/Sig/SubFilter/ETSI.CAdES.detached/Contents<00>/ByteRange[0 1 2 3]>>";
    let objects = [(root, grown.as_str()), (990, "<</FT/Sig/T(b)/V 991 0 R>>"), (991, signature)];
    never_genuine(&office, &update(&file, &objects, &tail), "several-signatures");
}

#[test]
fn another_digest_algorithm_in_the_signature_is_not_accepted() {
    let office = musterstadt();
    let file = office.issue(&row());
    // SHA-256 (…2.1) is renamed in all places at once: to something unknown, and to SHA-512, which the signature
    // algorithm contradicts.
    for other in ["608648016503040209", "608648016503040203"] {
        let mut renamed = file.clone();
        let place = hole(&file);
        let digits = String::from_utf8(file[place.clone()].to_vec()).unwrap();
        assert_eq!(digits.matches("608648016503040201").count(), 2);
        renamed[place].copy_from_slice(digits.replace("608648016503040201", other).as_bytes());
        never_genuine(&office, &renamed, "algorithm");
    }
}

/// The certificate with an update after it that puts `objects` in place, its catalog's `key` leading to 990.
fn with_catalog(office: &Office, key: &str, objects: &[(u32, &str)]) -> Vec<u8> {
    let file = office.issue(&row());
    let (tail, root) = trailer(&file);
    let revisions = Revisions::read(&file).unwrap();
    let catalog = revisions.dict(stammbuch::pdf::raw::Reference { number: root, generation: 0 }, 0).unwrap();
    let changed = String::from_utf8(catalog.with(&[(key, "990 0 R".into())])).unwrap();
    update(&file, &[&[(root, changed.as_str())], objects].concat(), &tail)
}

#[test]
fn fields_that_lead_back_to_themselves_end() {
    let office = musterstadt();
    let kids = "991 0 R ".repeat(500);
    let (form, field) = ("<</Fields[991 0 R]>>", format!("<</FT/Sig/Kids[{kids}]>>"));
    let file = with_catalog(&office, "AcroForm", &[(990, form), (991, &field)]);
    never_genuine(&office, &file, "structure");
}

#[test]
fn objects_within_objects_are_refused_at_the_first() {
    let office = musterstadt();
    let mut file = office.issue(&row());
    let before = Revisions::read(&file).unwrap().list()[0].table_at;
    let (tail, _) = trailer(&file);
    let (count, mut table) = (2000u32, String::new());
    for number in 1000..1000 + count {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{number} 0 obj (").bytes());
    }
    file.extend(") endobj ".repeat(count as usize).bytes());
    let start = file.len();
    let head =
        format!("xref\n1000 {count}\n{table}trailer\n<<{tail}/Prev {before}>>\nstartxref\n{start}\n%%EOF\n");
    file.extend(head.bytes());
    never_genuine(&office, &file, "changed-after-sealing");
}

#[test]
fn thousands_of_sections_and_of_entries_are_refused() {
    let office = musterstadt();
    let file = office.issue(&row());
    let (tail, _) = trailer(&file);
    let before = Revisions::read(&file).unwrap().list()[0].table_at;
    let sections: String = (0..5000).map(|i| format!("{} 1\n0000000009 00000 n \n", 1000 + 2 * i)).collect();
    let start = file.len();
    let end = format!("xref\n{sections}trailer\n<<{tail}/Prev {before}>>\nstartxref\n{start}\n%%EOF\n");
    never_genuine(&office, &[&file[..], end.as_bytes()].concat(), "structure");
    let keys: String = (0..5000).map(|i| format!("/K{i} 0")).collect();
    never_genuine(&office, &update(&file, &[], &format!("{tail}{keys}")), "structure");
}
