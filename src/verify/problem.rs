//! Everything that can be wrong with a sealed PDF, each with its weight in the terms of ETSI EN 319 102-1
//! and in words for people, English and German. Knows not how it is found out.

use jiff::Timestamp;
use serde::Serialize;

/// Main status indication (EN 319 102-1, 5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Indication {
    /// All checks passed.
    TotalPassed,
    /// What is at hand permits no judgement.
    Indeterminate,
    /// Something is wrong for certain.
    TotalFailed,
}

/// Sub-indication (EN 319 102-1, tables 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubIndication {
    /// The file or the signature is not of its format.
    FormatFailure,
    /// A digest does not match.
    HashFailure,
    /// The signature value does not verify.
    SigCryptoFailure,
    /// Revoked.
    Revoked,
    /// Signed before the certificate's validity.
    NotYetValid,
    /// Signed after the certificate's validity.
    Expired,
    /// A signed property breaks the rules.
    SigConstraintsFailure,
    /// The chain breaks the rules.
    ChainConstraintsFailure,
    /// An algorithm that is not accepted.
    CryptoConstraintsFailure,
    /// No certificate for the signature.
    NoSigningCertificateFound,
    /// No chain to a trusted root.
    NoCertificateChainFound,
    /// The validity is over now and nothing proves that the signature is older.
    OutOfBoundsNoPoe,
    /// Times contradict each other.
    TimestampOrderFailure,
    /// A rule of our own, outside the standard.
    Custom,
}

/// What a problem does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The file is not genuine.
    Failed(SubIndication),
    /// It cannot be told.
    Open(SubIndication),
    /// Worth saying, changes nothing.
    Notice,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Larger than the limit.
    #[error("the file has {got} bytes; at most {max} are checked")]
    TooLarge {
        /// Limit.
        max: usize,
        /// Size.
        got: usize,
    },
    /// Not a PDF.
    #[error("the file is no PDF (it does not begin with %PDF-1.)")]
    NotAPdf,
    /// A form of PDF that this program does not read.
    #[error("the file's structure is of a kind that is not read here: {0}")]
    Unsupported(String),
    /// Not the structure of a PDF.
    #[error("the file's structure is damaged: {0}")]
    Structure(String),
    /// No signature.
    #[error("the file carries no seal")]
    NoSeal,
    /// More than one signature.
    #[error("the file carries {got} signatures; a certificate carries one")]
    SeveralSignatures {
        /// How many.
        got: usize,
    },
    /// Not certified against changes.
    #[error("the seal does not forbid changes (no DocMDP with P=1 under /Perms)")]
    NotCertified,
    /// Another kind of signature.
    #[error("the signature is of kind {got}, expected ETSI.CAdES.detached")]
    SubFilter {
        /// Its SubFilter.
        got: String,
    },
    /// ByteRange is not what it must be.
    #[error("the seal does not cover the whole file: ByteRange is {got}, it must be {expected}")]
    ByteRange {
        /// What would cover all but the hole.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// The hole is not lower-case hex.
    #[error("the place of the signature holds a character that is not permitted there, at byte {at}")]
    HoleCharacter {
        /// Position.
        at: usize,
    },
    /// Something after the signature in the hole.
    #[error("the padding after the signature is not all zeros, at byte {at}")]
    HolePadding {
        /// Position.
        at: usize,
    },
    /// The CMS is not DER or not of this form.
    #[error("the signature is not encoded as the standard demands: {0}")]
    Cms(String),
    /// A digest or signature algorithm that is not accepted.
    #[error("the signature uses an algorithm that is not accepted: {0}")]
    Algorithm(String),
    /// The content was changed.
    #[error("the content was changed after sealing: its digest is {got}, the seal says {expected}")]
    Digest {
        /// In the signed attributes.
        expected: String,
        /// Of the file.
        got: String,
    },
    /// The signature value is wrong.
    #[error("the signature does not match the signer's key")]
    SignatureValue,
    /// No certificate fits the signer.
    #[error("the signer's certificate is not in the seal")]
    NoCertificate,
    /// An embedded certificate cannot be used.
    #[error("a certificate in the seal cannot be used: {0}")]
    Certificate(String),
    /// The signed reference to the certificate is to another one.
    #[error("the seal was made for another certificate than the one in it (ESS signing-certificate-v2)")]
    OtherCertificate,
    /// A certificate that does not belong there.
    #[error("the seal holds a certificate that has nothing to do with the signer")]
    StrayCertificate,
    /// Nobody trusted.
    #[error("no trusted root was given: who signed cannot be checked")]
    NoRoots,
    /// The chain ends at somebody unknown.
    #[error("the signer's certificate does not lead to a root that is trusted here")]
    UnknownIssuer,
    /// The name of a trusted issuer over a certificate it did not sign.
    #[error("the signer's certificate claims an issuer that did not sign it")]
    ForgedIssuer,
    /// A certificate breaks the rules of chains.
    #[error("the chain of certificates breaks a rule: {0}")]
    ChainRule(String),
    /// The signer's certificate may not sign documents.
    #[error("the signer's certificate does not permit signatures on documents")]
    KeyUsage,
    /// No or a bad `/M`.
    #[error("the seal does not say when it was made")]
    NoTime,
    /// Claimed time before the validity.
    #[error("sealed at {at}, before the certificate became valid at {not_before}")]
    NotYetValid {
        /// Claimed time.
        at: Timestamp,
        /// First instant.
        not_before: Timestamp,
    },
    /// Claimed time after the validity.
    #[error("sealed at {at}, after the certificate's validity ended at {not_after}")]
    ExpiredAtSigning {
        /// Claimed time.
        at: Timestamp,
        /// Last instant.
        not_after: Timestamp,
    },
    /// Over now.
    #[error("the certificate's validity ended at {not_after}, and nothing proves that the seal is older")]
    ExpiredNow {
        /// Last instant.
        not_after: Timestamp,
    },
    /// Claimed time in the future.
    #[error("the seal says it was made at {at}, which is in the future")]
    Future {
        /// Claimed time.
        at: Timestamp,
    },
    /// A timestamp that is not what it says it is.
    #[error("a timestamp in the file cannot be relied on: {0}")]
    BadTimestamp(String),
    /// A timestamp by somebody unknown.
    #[error("a timestamp in the file is by {authority}, which is not trusted here")]
    UntrustedTimestamp {
        /// Who made it, as its certificate says.
        authority: String,
    },
    /// A timestamp whose own certificate is over.
    #[error("a timestamp in the file proves nothing any more: {0}")]
    ExpiredTimestamp(String),
    /// Times contradict each other.
    #[error("a timestamp says {at}, which is after {after}, when it provably existed")]
    TimestampOrder {
        /// What it says.
        at: Timestamp,
        /// What is proven.
        after: Timestamp,
    },
    /// Changes after sealing.
    #[error("something was added to the file after sealing: {0}")]
    Changed(String),
    /// No log key.
    #[error("no key of a log was given: registration cannot be checked")]
    NoLogKey,
    /// No proof.
    #[error("the seal carries no proof of registration in the log")]
    NoProof,
    /// The proof does not hold.
    #[error("the proof of registration does not hold: {0}")]
    Proof(String),
    /// The facts attached cannot be read.
    #[error("the facts attached to the file cannot be read: {0}")]
    Facts(String),
    /// Another authority's name.
    #[error("the certificate names {printed}, the seal is of {signer}")]
    OtherAuthority {
        /// Office on the page.
        printed: String,
        /// Organisation in the certificate.
        signer: String,
    },
    /// Another person's name.
    #[error("the certificate names {printed} as registrar, {signer} signed")]
    OtherRegistrar {
        /// On the page.
        printed: String,
        /// In the certificate.
        signer: String,
    },
    /// An electronic Bescheinigung must be signed by a person.
    #[error(
        "an electronic Bescheinigung must be signed by a registrar in person; this one bears an authority's seal"
    )]
    NotByAPerson,
    /// Revoked.
    #[error("the certificate was revoked")]
    Revoked,
}

impl Problem {
    /// What it does to the verdict.
    pub const fn weight(&self) -> Weight {
        use SubIndication as S;
        match self {
            Self::TooLarge { .. } | Self::NotAPdf | Self::Unsupported(_) => Weight::Open(S::FormatFailure),
            Self::Structure(_) | Self::NoSeal | Self::SubFilter { .. } | Self::ByteRange { .. } => {
                Weight::Failed(S::FormatFailure)
            }
            Self::HoleCharacter { .. } | Self::HolePadding { .. } | Self::Cms(_) | Self::StrayCertificate => {
                Weight::Failed(S::FormatFailure)
            }
            Self::SeveralSignatures { .. } | Self::NotCertified | Self::Changed(_) => {
                Weight::Failed(S::SigConstraintsFailure)
            }
            Self::Digest { .. } => Weight::Failed(S::HashFailure),
            Self::SignatureValue | Self::ForgedIssuer => Weight::Failed(S::SigCryptoFailure),
            Self::Algorithm(_) => Weight::Open(S::CryptoConstraintsFailure),
            Self::NoCertificate => Weight::Open(S::NoSigningCertificateFound),
            Self::Certificate(_) | Self::OtherCertificate => Weight::Failed(S::SigConstraintsFailure),
            Self::NoRoots | Self::UnknownIssuer => Weight::Open(S::NoCertificateChainFound),
            Self::ChainRule(_) | Self::KeyUsage => Weight::Failed(S::ChainConstraintsFailure),
            Self::NoTime => Weight::Failed(S::SigConstraintsFailure),
            Self::NotYetValid { .. } => Weight::Failed(S::NotYetValid),
            Self::ExpiredAtSigning { .. } => Weight::Failed(S::Expired),
            Self::ExpiredNow { .. } => Weight::Open(S::OutOfBoundsNoPoe),
            Self::Future { .. } | Self::TimestampOrder { .. } => Weight::Open(S::TimestampOrderFailure),
            Self::BadTimestamp(_) => Weight::Failed(S::SigConstraintsFailure),
            Self::UntrustedTimestamp { .. } => Weight::Open(S::NoCertificateChainFound),
            Self::ExpiredTimestamp(_) => Weight::Notice,
            Self::NoLogKey => Weight::Open(S::Custom),
            Self::NoProof | Self::Proof(_) => Weight::Failed(S::Custom),
            Self::Facts(_) | Self::OtherAuthority { .. } | Self::NotByAPerson => Weight::Failed(S::Custom),
            Self::OtherRegistrar { .. } => Weight::Notice,
            Self::Revoked => Weight::Failed(S::Revoked),
        }
    }

    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotAPdf => "not-a-pdf",
            Self::Unsupported(_) => "unsupported-structure",
            Self::Structure(_) => "structure",
            Self::NoSeal => "no-seal",
            Self::SeveralSignatures { .. } => "several-signatures",
            Self::NotCertified => "not-certified",
            Self::SubFilter { .. } => "sub-filter",
            Self::ByteRange { .. } => "byte-range",
            Self::HoleCharacter { .. } => "hole-character",
            Self::HolePadding { .. } => "hole-padding",
            Self::Cms(_) => "signature-encoding",
            Self::Algorithm(_) => "algorithm",
            Self::Digest { .. } => "content-changed",
            Self::SignatureValue => "signature-value",
            Self::NoCertificate => "no-signer-certificate",
            Self::Certificate(_) => "certificate",
            Self::OtherCertificate => "other-certificate",
            Self::StrayCertificate => "stray-certificate",
            Self::NoRoots => "no-roots",
            Self::UnknownIssuer => "unknown-issuer",
            Self::ForgedIssuer => "forged-issuer",
            Self::ChainRule(_) => "chain-rule",
            Self::KeyUsage => "key-usage",
            Self::NoTime => "no-time",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::ExpiredAtSigning { .. } => "expired-at-signing",
            Self::ExpiredNow { .. } => "expired-now",
            Self::Future { .. } => "future",
            Self::BadTimestamp(_) => "bad-timestamp",
            Self::UntrustedTimestamp { .. } => "untrusted-timestamp",
            Self::ExpiredTimestamp(_) => "expired-timestamp",
            Self::TimestampOrder { .. } => "timestamp-order",
            Self::Changed(_) => "changed-after-sealing",
            Self::NoLogKey => "no-log-key",
            Self::NoProof => "no-proof",
            Self::Proof(_) => "proof",
            Self::Facts(_) => "facts",
            Self::OtherAuthority { .. } => "other-authority",
            Self::OtherRegistrar { .. } => "other-registrar",
            Self::NotByAPerson => "not-by-a-person",
            Self::Revoked => "revoked",
        }
    }

    /// The same in German, for people; technical detail stays in the English text.
    pub fn german(&self) -> String {
        match self {
            Self::TooLarge { max, got } => {
                format!("Die Datei hat {got} Byte; geprüft werden höchstens {max}.")
            }
            Self::NotAPdf => "Die Datei ist kein PDF.".into(),
            Self::Unsupported(_) => "Der Aufbau der Datei wird hier nicht gelesen.".into(),
            Self::Structure(_) => "Der Aufbau der Datei ist beschädigt.".into(),
            Self::NoSeal => "Die Datei trägt keine Signatur.".into(),
            Self::SeveralSignatures { got } => format!("Die Datei trägt {got} Signaturen statt einer."),
            Self::NotCertified => "Die Signatur verbietet Änderungen nicht.".into(),
            Self::SubFilter { .. } => "Die Signatur ist von einer anderen Art.".into(),
            Self::ByteRange { .. } => "Die Signatur deckt nicht die ganze Datei.".into(),
            Self::HoleCharacter { at } | Self::HolePadding { at } => {
                format!("Der Platz der Signatur wurde verändert (Byte {at}).")
            }
            Self::Cms(_) => "Die Signatur ist nicht so aufgebaut, wie die Norm es verlangt.".into(),
            Self::Algorithm(_) => "Die Signatur benutzt ein nicht anerkanntes Verfahren.".into(),
            Self::Digest { .. } => "Der Inhalt wurde nach dem Signieren verändert.".into(),
            Self::SignatureValue => "Die Signatur passt nicht zum Schlüssel des Unterzeichners.".into(),
            Self::NoCertificate => "Das Zertifikat des Unterzeichners fehlt.".into(),
            Self::Certificate(_) => "Ein Zertifikat in der Signatur ist unbrauchbar.".into(),
            Self::OtherCertificate => "Die Signatur gehört zu einem anderen Zertifikat.".into(),
            Self::StrayCertificate => "Die Signatur enthält ein fremdes Zertifikat.".into(),
            Self::NoRoots => {
                "Es wurde kein Vertrauensanker angegeben; wer signiert hat, ist nicht prüfbar.".into()
            }
            Self::UnknownIssuer => "Der Unterzeichner ist hier nicht bekannt.".into(),
            Self::ForgedIssuer => {
                "Das Zertifikat nennt einen Aussteller, der es nicht ausgestellt hat.".into()
            }
            Self::ChainRule(_) => "Die Zertifikatskette verletzt eine Regel.".into(),
            Self::KeyUsage => "Mit diesem Zertifikat dürfen keine Dokumente signiert werden.".into(),
            Self::NoTime => "Die Signatur sagt nicht, wann sie entstand.".into(),
            Self::NotYetValid { .. } => "Signiert, bevor das Zertifikat gültig war.".into(),
            Self::ExpiredAtSigning { .. } => "Signiert, nachdem das Zertifikat abgelaufen war.".into(),
            Self::ExpiredNow { .. } => {
                "Das Zertifikat ist abgelaufen, und nichts beweist, dass die Signatur älter ist.".into()
            }
            Self::Future { .. } => "Die angegebene Zeit der Signatur liegt in der Zukunft.".into(),
            Self::BadTimestamp(_) => "Ein Zeitstempel in der Datei ist unbrauchbar.".into(),
            Self::UntrustedTimestamp { authority } => {
                format!("Ein Zeitstempel stammt von {authority}; diese Stelle ist hier nicht bekannt.")
            }
            Self::ExpiredTimestamp(_) => "Ein Zeitstempel beweist nichts mehr, er ist zu alt.".into(),
            Self::TimestampOrder { .. } => "Die Zeitstempel widersprechen einander.".into(),
            Self::Changed(_) => "Nach dem Signieren wurde der Datei etwas hinzugefügt.".into(),
            Self::NoLogKey => {
                "Ohne Schlüssel des Prüfverzeichnisses ist die Eintragung nicht prüfbar.".into()
            }
            Self::NoProof => "Der Nachweis der Eintragung im Prüfverzeichnis fehlt.".into(),
            Self::Proof(_) => "Der Nachweis der Eintragung im Prüfverzeichnis stimmt nicht.".into(),
            Self::Facts(_) => "Die beigefügten Angaben sind nicht lesbar.".into(),
            Self::OtherAuthority { printed, signer } => {
                format!("Auf der Urkunde steht {printed}, signiert hat {signer}.")
            }
            Self::OtherRegistrar { printed, signer } => {
                format!("Als Urkundsperson ist {printed} genannt, signiert hat {signer}.")
            }
            Self::NotByAPerson => {
                "Eine elektronische Bescheinigung muss eine Urkundsperson selbst signieren.".into()
            }
            Self::Revoked => "Die Urkunde wurde widerrufen.".into(),
        }
    }
}

#[derive(Serialize)]
struct Spoken<'a> {
    code: &'a str,
    en: String,
    de: String,
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Spoken { code: self.code(), en: self.to_string(), de: self.german() }.serialize(serializer)
    }
}
