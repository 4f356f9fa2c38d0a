//! The issue journal: numbers of an authority's own, without gaps, drawn in the transaction that uses them.

use jiff::Timestamp;

use super::{DatabaseError, Tx, sql};
use crate::domain::ids::{AuthorityId, CertificateId};

/// What the journal records.
#[derive(Debug, Clone)]
pub struct Item {
    /// Whose journal.
    pub authority: AuthorityId,
    /// `issued`, `printed`, `spoiled`.
    pub kind: &'static str,
    /// The certificate it is about; its row may come later in the same transaction.
    pub certificate: Option<CertificateId>,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by_whom: String,
}

/// Records `item` and answers its number: 1, 2, 3 … If the transaction is rolled back, the number was never given;
/// until it ends, others who want a number of this authority wait.
pub async fn append(tx: &mut Tx, item: &Item) -> Result<i64, DatabaseError> {
    let next = sql("INSERT INTO journal_counters (authority, last) VALUES ($1, 1)
                    ON CONFLICT (authority) DO UPDATE SET last = journal_counters.last + 1 RETURNING last");
    let number = next.bind(item.authority).one(tx).await?.i64("last")?;
    sql("INSERT INTO journal (authority, number, kind, certificate, at, by_whom) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(item.authority)
        .bind(number)
        .bind(item.kind)
        .bind(item.certificate)
        .bind(item.at)
        .bind(&item.by_whom)
        .later(tx);
    Ok(number)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::{authority, found, on_each_engine};
    use super::*;

    fn item() -> Item {
        Item {
            authority: authority(1),
            kind: "spoiled",
            certificate: None,
            at: Timestamp::UNIX_EPOCH,
            by_whom: "registrar".to_owned(),
        }
    }

    #[tokio::test]
    async fn numbers_have_no_gaps_though_works_fail() {
        on_each_engine(async |db| {
            found(&db, 1).await;
            let drawn = join_all((0..60).map(|n| {
                db.write::<_, DatabaseError, _>(move |tx| {
                    Box::pin(async move {
                        let number = append(tx, &item()).await?;
                        if n % 4 == 0 { Err(DatabaseError::NoRow) } else { Ok(number) }
                    })
                })
            }))
            .await;
            let mut kept: Vec<i64> = drawn.into_iter().filter_map(Result::ok).collect();
            kept.sort_unstable();
            assert_eq!(kept, (1..=45).collect::<Vec<_>>());
        })
        .await;
    }

    #[tokio::test]
    async fn an_authority_that_does_not_exist_has_no_journal() {
        on_each_engine(async |db| {
            let refused = db.write(|tx| Box::pin(async { append(tx, &item()).await })).await;
            assert!(matches!(refused, Err(DatabaseError::Rule { .. })), "{refused:?}");
        })
        .await;
    }
}
