//! Who signs which certificate. On paper the file is the printer's copy of a sheet that the registrar signs by hand:
//! it carries the seal of the authority, as the Dienstsiegel does. An electronic one is signed by the named registrar
//! himself (§ 56 (4) PStG), who can sign for nobody else.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::certificate::Medium;
use crate::domain::ids::AuthorityId;
use crate::seal::certificate::Certificate;
use crate::seal::signer::Signer;
use crate::seal::{self, Profile};
use crate::verify::Trust;

/// Whose key signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SignedBy {
    /// The seal of the authority.
    Authority,
    /// This registrar, by the name in the token.
    Registrar(String),
}

impl SignedBy {
    /// Who signs what `person` releases on `medium`.
    pub fn of(medium: Medium, person: &str) -> Self {
        match medium {
            Medium::Paper => Self::Authority,
            Medium::Electronic => Self::Registrar(person.to_owned()),
        }
    }
}

/// What the signature will say of itself, fixed with the certificate's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningStatement {
    /// Version of this row: 1.
    pub format: u32,
    /// Whose key.
    pub signed_by: SignedBy,
    /// Name in the signature.
    pub name: String,
    /// Reason in the signature.
    pub reason: String,
    /// Size of the hole.
    pub profile: Profile,
    /// The time it claims.
    pub signing_time: Timestamp,
}

impl SigningStatement {
    /// The statement for a certificate with `title` that `authority` issues, sealed after `profile`.
    pub fn new(
        signed_by: SignedBy,
        authority: &str,
        title: &str,
        profile: Profile,
        signing_time: Timestamp,
    ) -> Self {
        let name = match &signed_by {
            SignedBy::Authority => authority.to_owned(),
            SignedBy::Registrar(person) => person.clone(),
        };
        Self { format: 1, signed_by, name, reason: title.to_owned(), profile, signing_time }
    }

    /// As the seal wants it.
    pub fn of_seal(&self) -> seal::Statement<'_> {
        seal::Statement { signing_time: self.signing_time, name: &self.name, reason: &self.reason }
    }
}

/// The signing keys of the installation.
pub trait Signers: Send + Sync {
    /// The signer that `by` names, in this authority; none if it has none.
    fn signer(&self, authority: AuthorityId, by: &SignedBy) -> Option<Arc<dyn Signer>>;
}

/// Signing keys that were opened at start.
#[derive(Default, Clone)]
pub struct OpenedSigners(Vec<(AuthorityId, SignedBy, Arc<dyn Signer>)>);

impl OpenedSigners {
    /// Adds a signer; one of the same authority and person gives way.
    #[must_use]
    pub fn with(mut self, authority: AuthorityId, by: SignedBy, signer: Arc<dyn Signer>) -> Self {
        self.0.retain(|(whose, who, _)| *whose != authority || *who != by);
        self.0.push((authority, by, signer));
        self
    }
}

impl OpenedSigners {
    /// The roots above all of them: what the installation itself believes when it verifies.
    pub fn trust(&self) -> Trust {
        let mut trust = Trust::default();
        self.roots().iter().for_each(|root| trust.add(root));
        trust
    }

    /// Every signer, whosever it is.
    pub fn all(&self) -> Vec<Arc<dyn Signer>> {
        self.0.iter().map(|(_, _, signer)| Arc::clone(signer)).collect()
    }

    /// The certificates of those roots, each once.
    pub fn roots(&self) -> Vec<Certificate> {
        let mut roots: Vec<Certificate> = Vec::new();
        for (_, _, signer) in &self.0 {
            if let Some(root) = signer.chain().certificates().last()
                && roots.iter().all(|known| known.der() != root.der())
            {
                roots.push(root.clone());
            }
        }
        roots
    }
}

impl Signers for OpenedSigners {
    fn signer(&self, authority: AuthorityId, by: &SignedBy) -> Option<Arc<dyn Signer>> {
        let found = self.0.iter().find(|(whose, who, _)| *whose == authority && who == by);
        found.map(|(_, _, signer)| Arc::clone(signer))
    }
}
