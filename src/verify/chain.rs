//! The chain from the signer's certificate to a trusted root (RFC 5280, 6.1, as far as a seal needs it):
//! signatures, names, purposes, path length, critical extensions, validity. Revocation is not known here.

use const_oid::{AssociatedOid, ObjectIdentifier};
use jiff::Timestamp;
use x509_cert::ext::pkix::{BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage};

use super::Trust;
use super::cms::Expect;
use super::problem::Problem;
use crate::seal::certificate::Certificate;

/// Chains are followed this far.
const CHAIN_MAX: usize = 8;
/// Critical extensions that are understood here.
const KNOWN: [ObjectIdentifier; 4] =
    [KeyUsage::OID, BasicConstraints::OID, ExtendedKeyUsage::OID, CertificatePolicies::OID];

/// A chain, the signer's certificate first.
#[derive(Debug)]
pub(super) struct Path {
    /// From the signer to the last one that could be found.
    pub(super) certificates: Vec<Certificate>,
    /// What is wrong with it.
    pub(super) problems: Vec<Problem>,
}

/// Builds the chain from `signer`, with `embedded` in between, and checks its rules.
pub(super) fn build(signer: &Certificate, embedded: &[Certificate], trust: &Trust, expect: Expect) -> Path {
    let mut path = Path { certificates: vec![signer.clone()], problems: Vec::new() };
    let may = if expect.is_timestamp() { signer.may_sign_timestamps() } else { signer.may_sign_documents() };
    if !may {
        path.problems.push(Problem::KeyUsage);
    }
    let unanchored = climb(&mut path, embedded, trust);
    let known = |c: &Certificate| path.certificates.contains(c) || trust.roots.contains(c);
    if unanchored.is_none() && expect.is_own() && !embedded.iter().all(known) {
        path.problems.push(Problem::StrayCertificate);
    }
    path.problems.extend(unanchored);
    path.check_rules();
    path
}

/// Extends the path up to a root; gives what is wrong if it does not get there.
fn climb(path: &mut Path, embedded: &[Certificate], trust: &Trust) -> Option<Problem> {
    if trust.roots.is_empty() {
        return Some(Problem::NoRoots);
    }
    for _ in 0..CHAIN_MAX {
        let last = path.certificates.last()?.clone();
        if trust.roots.contains(&last) {
            return None;
        }
        let issued = |c: &&Certificate| last.names_as_issuer(c) && last.is_signed_by(c);
        if let Some(root) = trust.roots.iter().find(issued) {
            path.certificates.push(root.clone());
            return None;
        }
        if trust.roots.iter().any(|root| last.names_as_issuer(root)) {
            return Some(Problem::ForgedIssuer);
        }
        match embedded.iter().find(|c| !path.certificates.contains(c) && issued(c)) {
            Some(next) => path.certificates.push(next.clone()),
            None => return Some(Problem::UnknownIssuer),
        }
    }
    Some(Problem::ChainRule(format!("it is longer than {CHAIN_MAX}")))
}

impl Path {
    fn check_rules(&mut self) {
        for (depth, certificate) in self.certificates.iter().enumerate() {
            if let Some(extension) = certificate.unknown_critical(&KNOWN) {
                self.problems.push(Problem::ChainRule(format!("critical extension {extension} is unknown")));
            }
            if depth > 0 && !certificate.may_sign_certificates() {
                self.problems.push(Problem::ChainRule("an issuer may not sign certificates".to_owned()));
            }
            // Between the signer and this issuer stand depth - 1 others.
            if certificate.path_length().is_some_and(|most| depth > usize::from(most) + 1) {
                self.problems
                    .push(Problem::ChainRule("an issuer permits no chain of this length".to_owned()));
            }
        }
    }

    /// Validity of every certificate at the claimed time, and at the time by which the signature provably existed:
    /// now, or that of a timestamp.
    pub(super) fn check_times(&self, claimed: Timestamp, existed: Timestamp) -> Vec<Problem> {
        let mut problems = Vec::new();
        for certificate in &self.certificates {
            let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
            if claimed < not_before {
                problems.push(Problem::NotYetValid { at: claimed, not_before });
            } else if claimed > not_after {
                problems.push(Problem::ExpiredAtSigning { at: claimed, not_after });
            } else if existed > not_after {
                problems.push(Problem::ExpiredNow { not_after });
            }
        }
        problems
    }

    /// True if one of them marks specimens.
    pub(super) fn is_specimen(&self) -> bool {
        self.certificates.iter().any(Certificate::is_specimen)
    }
}
