//! What one database has, another one has after its lines were taken in, whichever engine; nothing short of all lines
//! counts as all.

use super::super::testing::{authority, found, on_each_engine_by_url};
use super::super::{Database, index_changes, sql};
use super::*;
use crate::domain::ids::DocumentId;

struct Lines(Vec<String>);

#[async_trait]
impl Sink for Lines {
    type Error = DatabaseError;

    async fn line(&mut self, line: String) -> Result<(), DatabaseError> {
        self.0.push(line);
        Ok(())
    }
}

async fn dumped(database: &Database) -> Vec<String> {
    let read = database.read::<_, DatabaseError, _>(|tx| {
        Box::pin(async move {
            let mut lines = Lines(Vec::new());
            write(tx, &mut lines).await?;
            Ok(lines.0)
        })
    });
    read.await.unwrap()
}

async fn loaded(database: &Database, lines: &[String]) -> Result<Database, LoadError> {
    assert!(load::migrations(&lines[0]).is_some());
    let mut loading = Loading::begin(database.clone()).await?;
    for line in &lines[1..] {
        loading.line(line).await?;
    }
    loading.finish()
}

async fn change(database: &Database, n: u8) {
    let (document, whose) = (DocumentId::from_bytes([n; 16]), authority(1));
    let at = jiff::Timestamp::UNIX_EPOCH;
    let append = database.write(move |tx| Box::pin(index_changes::append(tx, document, whose, at)));
    append.await.unwrap();
}

#[tokio::test]
async fn a_dump_taken_in_by_either_engine_gives_the_same_dump_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = format!("sqlite:{}", folder.path().join("other.sqlite").display());
    on_each_engine_by_url(async |url| {
        let first = Database::open(&url).await.unwrap();
        found(&first, 1).await;
        for n in 0..3 {
            change(&first, n).await;
        }
        let last = first.write::<_, DatabaseError, _>(|tx| {
            Box::pin(async move { sql("DELETE FROM index_changes WHERE seq = 3").execute(tx).await })
        });
        assert_eq!(last.await, Ok(1));
        let lines = dumped(&first).await;
        assert!(lines.len() > 25, "{lines:?}");
        let other = Database::open(&embedded).await.unwrap();
        let other = loaded(&other, &lines).await.unwrap();
        let again = dumped(&other).await;
        assert_eq!(again, lines);
        change(&other, 9).await;
        assert_eq!(other.read(|tx| Box::pin(index_changes::last(tx))).await, Ok(4), "3 is not given again");
        // And back.
        let first = loaded(&first, &again).await.unwrap();
        assert_eq!(dumped(&first).await, lines);
        for cut in [lines.len() - 1, lines.len() / 2, 1] {
            assert!(matches!(loaded(&other, &lines[..cut]).await, Err(LoadError::Short { .. })));
        }
        let mut fewer = lines.clone();
        let row = fewer.iter().position(|line| line.starts_with('[')).unwrap();
        fewer.remove(row);
        assert!(loaded(&other, &fewer).await.is_err());
        for stranger in [r#"{"table":"nobody","columns":[["id","bytes"]]}"#, "[1]", "{}", "x"] {
            let mut lines = lines.clone();
            lines.insert(1, stranger.to_owned());
            assert!(
                matches!(loaded(&other, &lines).await, Err(LoadError::Line { line: 2, .. })),
                "{stranger}"
            );
        }
        first.close().await;
        other.close().await;
    })
    .await;
}
