//! Restrictions and holds: set and lifted with a reason, each act in the audit trail.
//! What is not visible for the one who acts is not there.

use super::{By, Retention, RetentionError};
use crate::database::{DatabaseError, Tx, audit, documents, held, keeping};
use crate::domain::ids::{DocumentId, HoldId};
use crate::domain::restriction::Restriction;
use crate::search::index::Reader;

/// Characters of a reason.
const REASON_MAX: usize = 1000;

/// Why something is done, in the words of who does it: 1 to 1000 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// The text is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reason has 1 to {REASON_MAX} characters and no control characters")]
pub struct NotAReason;

impl Reason {
    /// Takes what was typed, without blanks at its ends.
    ///
    /// # Errors
    /// If there is nothing, too much, or a control character.
    pub fn parse(text: &str) -> Result<Self, NotAReason> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= REASON_MAX;
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned())).ok_or(NotAReason)
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Retention {
    /// Sets who may see a document. `Ok`: whoever may not see it finds nothing of it any more, in no search and by no
    /// address.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is changed then.
    pub async fn restrict(
        &self,
        by: &By,
        document: DocumentId,
        restriction: Restriction,
        reason: &Reason,
    ) -> Result<(), RetentionError> {
        let act = self.act_for(by, document, "document.restricted", reason);
        let reader = by.reader;
        let done = self.database.write(move |tx| {
            Box::pin(async move {
                must_be_visible(tx, reader, document).await?;
                keeping::set_restriction(tx, reader.authority, document, &restriction, act.at).await?;
                Ok::<_, RetentionError>(audit::append(tx, act).await?)
            })
        });
        done.await?;
        self.index.notify_one();
        Ok(())
    }

    /// Places a hold: from now on the document is not erased until it is lifted.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is changed then.
    pub async fn hold(
        &self,
        by: &By,
        document: DocumentId,
        reason: &Reason,
    ) -> Result<keeping::Hold, RetentionError> {
        let act = self.act_for(by, document, "document.hold.placed", reason);
        let hold = keeping::Hold {
            id: HoldId::draw(&*self.random),
            reason: reason.as_str().to_owned(),
            placed_at: act.at,
            placed_by: by.name.clone(),
        };
        let (reader, placed) = (by.reader, hold.clone());
        let done = self.database.write(move |tx| {
            Box::pin(async move {
                must_be_visible(tx, reader, document).await?;
                keeping::place_hold(tx, reader.authority, document, &placed);
                Ok::<_, RetentionError>(audit::append(tx, act).await?)
            })
        });
        done.await?;
        Ok(hold)
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is changed then.
    pub async fn lift(
        &self,
        by: &By,
        document: DocumentId,
        hold: HoldId,
        reason: &Reason,
    ) -> Result<(), RetentionError> {
        let act = self.act_for(by, document, "document.hold.lifted", reason);
        let (reader, name) = (by.reader, by.name.clone());
        let done = self.database.write(move |tx| {
            Box::pin(async move {
                must_be_visible(tx, reader, document).await?;
                if !keeping::lift_hold(tx, reader.authority, document, hold, (&name, act.at)).await? {
                    return Err(RetentionError::NotFound);
                }
                Ok(audit::append(tx, act).await?)
            })
        });
        done.await
    }
}

/// Makes acts on one document wait for each other, and requires that the one who acts may see it.
async fn must_be_visible(tx: &mut Tx, reader: Reader, document: DocumentId) -> Result<(), RetentionError> {
    tx.serialize_on(&format!("document {document}")).await?;
    let found: Result<_, DatabaseError> = documents::find(tx, reader.authority, document).await;
    if found?.is_some_and(|found| reader.may_see(found.authority, &found.restriction)) {
        return Ok(());
    }
    let waiting = held::find(tx, reader.authority, document).await?;
    match waiting.filter(|waiting| reader.may_see(reader.authority, &waiting.restriction())) {
        Some(_) => Err(RetentionError::AwaitsScan),
        None => Err(RetentionError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_of_bounded_length() {
        assert_eq!(Reason::parse("  Rechtsstreit 7 K 12/26 ").unwrap().as_str(), "Rechtsstreit 7 K 12/26");
        assert!(Reason::parse(&"ä".repeat(REASON_MAX)).is_ok());
        let long = "ä".repeat(REASON_MAX + 1);
        for bad in ["", "  ", "a\nb", "a\u{0}", long.as_str()] {
            assert_eq!(Reason::parse(bad), Err(NotAReason), "{bad:?}");
        }
    }
}
