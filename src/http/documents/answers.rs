//! What an upload is answered: a new document, a file that waits, an infected one, and all that can go wrong with it.

use actix_web::http::header::{CONTENT_TYPE, LOCATION};

use super::super::problem::{Kind, Problem};
use super::{ROUTE, View};
use crate::database::documents::Document;
use crate::database::idempotency::StoredAnswer;
use crate::intake::receive::{Outcome, ReceiveError};
use crate::objects::{StoreError, VaultError};
use crate::scan::Signature;

/// After so many seconds the virus scanner may answer again.
const SCANNER_AGAIN_SECONDS: u32 = 30;

/// The answer to an upload. It depends on nothing but the rows, so that it can be given again.
pub(in crate::http) fn answer_to(outcome: Outcome<'_>) -> StoredAnswer {
    match outcome {
        Outcome::Kept(document) => with_view(201, View::from(document.clone()), document),
        Outcome::Held(document) => with_view(202, View::waiting(document.clone()), document),
        Outcome::Infected(signature) => {
            let problem = infected(signature);
            let kind = (CONTENT_TYPE.to_string(), "application/problem+json".to_owned());
            let body = serde_json::to_vec(&problem.body()).unwrap_or_default();
            StoredAnswer { status: Kind::Infected.status().as_u16(), headers: vec![kind], body }
        }
    }
}

fn with_view(status: u16, view: View, document: &Document) -> StoredAnswer {
    let location = (LOCATION.to_string(), format!("{ROUTE}/{}", document.id));
    StoredAnswer { status, headers: vec![location], body: serde_json::to_vec(&view).unwrap_or_default() }
}

fn infected(signature: &Signature) -> Problem {
    Kind::Infected.problem().got(signature.as_str())
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Empty => Kind::EmptyFile.problem(),
            ReceiveError::TooLarge { max } => {
                Kind::BodyTooLarge.problem().expected(format!("at most {max} bytes"))
            }
            ReceiveError::Incomplete { got } => Kind::BodyIncomplete.problem().got(format!("{got} bytes")),
            ReceiveError::Digest { expected, got } => {
                Kind::DigestMismatch.problem().expected(expected.to_string()).got(got.to_string())
            }
            ReceiveError::Type(lie) => {
                Kind::MediaTypeMismatch.problem().expected(lie.claimed).got(lie.found.as_str())
            }
            ReceiveError::Infected { signature } => infected(&signature),
            ReceiveError::Unscanned(why) if why.may_pass() => {
                Kind::NotScanned.problem().detail(why.to_string()).retry_after(SCANNER_AGAIN_SECONDS)
            }
            ReceiveError::Unscanned(why) => Kind::Unscannable.problem().detail(why.to_string()),
            ReceiveError::KeyReused => Kind::IdempotencyKeyReused.problem(),
            ReceiveError::KeyInUse => Kind::IdempotencyInProgress.problem().retry_after(1),
            ReceiveError::SourceErased => {
                Kind::Erased.problem().detail("it was brought before under this source, and was erased")
            }
            ReceiveError::Vault(error) => error.into(),
            ReceiveError::Database(error) => error.into(),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            // The key is erased: there is nothing here any more.
            VaultError::Key(crate::objects::KeyError::Erased { .. }) => Kind::NotFound.problem(),
            VaultError::Store(StoreError::Io { .. })
            | VaultError::Key(crate::objects::KeyError::Store(_)) => Self::unavailable(&error),
            VaultError::Damaged { .. }
            | VaultError::Store(StoreError::NotFound { .. } | StoreError::OutOfRange { .. }) => {
                tracing::error!(%error, "evidence is damaged");
                Kind::ContentDamaged.problem()
            }
            _ => Self::internal(&error),
        }
    }
}
