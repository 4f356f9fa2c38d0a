//! A file that its sender has brought before, under the same name: it is not taken in twice, whenever it comes again.

use super::fields::Fields;
use super::receive::{Kept, ReceiveError, Sender};
use crate::database::documents::Document;
use crate::database::sources::{self, Source, Taken};
use crate::database::{DatabaseError, Tx};

/// What the sender calls the file, if it gives it a name.
pub(super) fn named(fields: &Fields, sender: &Sender) -> Option<Source> {
    fields.source.map(|name| Source { authority: sender.authority, client: sender.client.clone(), name })
}

/// Notes that the file becomes `document`. If it became something before, that is the outcome, and nothing more is to
/// be written.
pub(super) async fn known(
    tx: &mut Tx,
    source: Option<Source>,
    document: &Document,
) -> Result<Option<Result<Kept, ReceiveError>>, DatabaseError> {
    let Some(source) = source else { return Ok(None) };
    let taken = sources::claim(tx, &source, document.id, document.stored_at).await?;
    Ok(taken.map(|taken| match taken {
        Taken::As(document) => Ok(Kept::Known(document)),
        Taken::Erased(_) => Err(ReceiveError::SourceErased),
    }))
}
