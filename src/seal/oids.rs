//! Object identifiers: those of the standards that the seal uses, and our own.
//!
//! Our own stand under 1.3.6.1.4.1.32473, the arc that RFC 5612 keeps for examples: they say "this format",
//! not "this organisation". They are part of what is signed and of every file, and are never reused.

use const_oid::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// Certificate extension (not critical, a UTF8String): everything under this certificate is a specimen.
pub const SPECIMEN: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2026.1.1");
/// Unsigned CMS attribute (an OCTET STRING): the C2SP tlog-proof of this very signature, version 1.
pub const LOG_PROOF: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2026.2.1");
/// Certificate policy: the key of a named registrar (Standesbeamter).
pub const POLICY_REGISTRAR: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2026.3.1");
/// Certificate policy: the key of an authority's seal.
pub const POLICY_AUTHORITY_SEAL: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2026.3.2");
/// Policy of timestamps: those of the demonstration's own authority.
pub const POLICY_TIMESTAMPS: ObjectIdentifier = oid("1.3.6.1.4.1.32473.2026.3.3");

/// id-data (RFC 5652, 4).
pub const DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.1");
/// id-signedData (RFC 5652, 5.1).
pub const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
/// content-type (RFC 5652, 11.1).
pub const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
/// message-digest (RFC 5652, 11.2).
pub const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// id-aa-signingCertificate (RFC 2634, 5.4).
pub const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
/// id-aa-signingCertificateV2 (RFC 5035).
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
/// id-sha256.
pub const SHA_256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
/// id-sha384.
pub const SHA_384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
/// id-sha512.
pub const SHA_512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
/// id-mgf1 (RFC 8017, appendix A.2.1).
pub const MGF_1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
/// id-RSASSA-PSS (RFC 8017, appendix A.2.3).
pub const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
/// id-aa-timeStampToken (RFC 3161, appendix A).
pub const TIMESTAMP_TOKEN: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.14");
/// id-ct-TSTInfo (RFC 3161, 2.4.2).
pub const TST_INFO: ObjectIdentifier = oid("1.2.840.113549.1.9.16.1.4");
/// signing-time (RFC 5652, 11.3).
pub const SIGNING_TIME: ObjectIdentifier = oid("1.2.840.113549.1.9.5");
/// id-kp-timeStamping (RFC 5280, 4.2.1.12).
pub const KEY_PURPOSE_TIMESTAMPING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.8");
/// id-kp-OCSPSigning (RFC 6960, 4.2.2.2).
pub const KEY_PURPOSE_OCSP: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");
/// ecdsa-with-SHA256.
pub const ECDSA_SHA_256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
/// ecdsa-with-SHA384.
pub const ECDSA_SHA_384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
/// sha256WithRSAEncryption.
pub const RSA_SHA_256: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
/// sha384WithRSAEncryption.
pub const RSA_SHA_384: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
/// sha512WithRSAEncryption.
pub const RSA_SHA_512: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
/// id-ecPublicKey.
pub const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
/// rsaEncryption.
pub const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// secp256r1.
pub const P_256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
/// secp384r1.
pub const P_384: ObjectIdentifier = oid("1.3.132.0.34");
/// id-pe-qcStatements (RFC 3739).
pub const QC_STATEMENTS: ObjectIdentifier = oid("1.3.6.1.5.5.7.1.3");
/// id-at-commonName.
pub const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
/// id-at-surname.
pub const SURNAME: ObjectIdentifier = oid("2.5.4.4");
/// id-at-countryName.
pub const COUNTRY: ObjectIdentifier = oid("2.5.4.6");
/// id-at-organizationName.
pub const ORGANIZATION: ObjectIdentifier = oid("2.5.4.10");
/// id-at-givenName.
pub const GIVEN_NAME: ObjectIdentifier = oid("2.5.4.42");
