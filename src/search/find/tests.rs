//! The whole way from a typed text to hits: loosening, paging, rights checked again, erased documents.

use super::*;
use jiff::Timestamp;

use crate::database::index_testing::Tampering;
use crate::database::keeping;
use crate::database::testing::{authority, on_each_engine};
use crate::domain::restriction::Restriction;
use crate::intake::index::testing::{Place as Archive, id};
use crate::search::index::Sight;

fn asked(query: &str) -> Asked {
    Asked { query: query.to_owned(), limit: 10, next: None }
}

const fn clerk() -> Reader {
    Reader { authority: crate::domain::ids::AuthorityId::from_bytes([1; 16]), sight: Sight::Open }
}

async fn filled(archive: &Archive, texts: &[(u8, &str)]) -> Finder {
    for (n, text) in texts {
        archive.arrive(*n, text).await;
    }
    let index = archive.index();
    archive.indexer(index.clone()).catch_up(&|_| {}).await.unwrap();
    let random = std::sync::Arc::new(crate::domain::random::SeededRandom::new(2));
    Finder::new(archive.database.clone(), archive.vault.clone(), index, archive.clock.clone(), random)
}

#[tokio::test]
async fn a_hit_has_its_page_and_a_marked_piece_of_it() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let finder = filled(&archive, &[(1, "Frau Müller aus Bonn"), (2, "Herr Maier")]).await;
        let answer = finder.find(clerk(), &asked("Mueller Bonn")).await.unwrap();
        insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer, @r#"
        {
          "hits": [
            {
              "document": "01010101010101010101010101010101",
              "page": 1,
              "pages": 1,
              "title": null,
              "reference": null,
              "snippet": {
                "text": "Frau Müller aus Bonn",
                "marks": [
                  [
                    5,
                    11
                  ],
                  [
                    16,
                    20
                  ]
                ]
              }
            }
          ],
          "total": 1,
          "totalPages": 1,
          "facets": {
            "kind": [],
            "year": []
          },
          "interpreted": [
            {
              "text": "Mueller",
              "as": "word"
            },
            {
              "text": "Bonn",
              "as": "word"
            }
          ],
          "remarks": [],
          "relaxed": [],
          "next": null
        }
        "#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_that_finds_nothing_is_loosened_and_says_so() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let finder = filled(&archive, &[(1, "Erika Mustermann"), (2, "Bonn")]).await;
        for (query, documents, steps) in [
            ("Erika", 1, &[][..]),
            ("Erika Musterman", 1, &[Relaxed::SimilarWords]),
            ("Erika Bonn", 2, &[Relaxed::SimilarWords, Relaxed::AnyWord]),
            ("Xanten", 0, &[Relaxed::SimilarWords, Relaxed::AnyWord, Relaxed::NothingFound]),
        ] {
            let answer = finder.find(clerk(), &asked(query)).await.unwrap();
            assert_eq!((answer.total, answer.relaxed.as_slice()), (documents, steps), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn next_leads_through_all_hits_and_belongs_to_its_query() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let texts: Vec<(u8, &str)> = (1..=7).map(|n| (n, "Ehe")).collect();
        let finder = filled(&archive, &texts).await;
        let (mut seen, mut next) = (Vec::new(), None);
        loop {
            let asked = Asked { limit: 3, next, ..asked("Ehe") };
            let answer = finder.find(clerk(), &asked).await.unwrap();
            assert_eq!(answer.total, 7);
            seen.extend(answer.hits.iter().map(|hit| hit.document));
            next = answer.next;
            if next.is_none() {
                break;
            }
            let other = Asked { next: next.clone(), ..self::asked("Bonn") };
            assert!(matches!(finder.find(clerk(), &other).await, Err(FindError::Next)));
        }
        assert_eq!(seen, (1..=7).map(id).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn the_database_has_the_last_word_before_the_index_knows() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let finder = filled(&archive, &[(1, "Ehe"), (2, "Ehe"), (3, "Ehe")]).await;
        archive.change(Tampering::Restricted, 1).await;
        archive.change(Tampering::Gone, 2).await;
        let answer = finder.find(clerk(), &asked("Ehe")).await.unwrap();
        let shown: Vec<_> = answer.hits.iter().map(|hit| hit.document).collect();
        assert_eq!((shown, answer.total), (vec![id(3)], 1));
        let registrar = Reader { sight: Sight::All, ..clerk() };
        assert_eq!(finder.find(registrar, &asked("Ehe")).await.unwrap().total, 2);
        let stranger = Reader { authority: authority(2), sight: Sight::All };
        assert_eq!(finder.find(stranger, &asked("Ehe")).await.unwrap().hits, []);
    })
    .await;
}

#[tokio::test]
async fn what_was_restricted_is_not_even_counted_before_the_index_knows() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let finder = filled(&archive, &[(1, "Ehe"), (2, "Ehe"), (3, "Ehe")]).await;
        let one = Asked { limit: 1, ..asked("Ehe") };
        assert_eq!(finder.find(clerk(), &one).await.unwrap().total, 3);
        let set = archive.database.write::<_, DatabaseError, _>(|tx| {
            let levels = Restriction::parse(["C"]).unwrap();
            Box::pin(async move {
                keeping::set_restriction(tx, authority(1), id(3), &levels, Timestamp::UNIX_EPOCH).await
            })
        });
        set.await.unwrap();
        // The hit that is shown is another one: only the count could tell.
        let answer = finder.find(clerk(), &one).await.unwrap();
        assert_eq!((answer.hits.len(), answer.total, answer.total_pages), (1, 2, 2));
        assert_eq!(finder.find(clerk(), &asked("")).await.unwrap().total, 2);
        let registrar = Reader { sight: Sight::All, ..clerk() };
        assert_eq!(finder.find(registrar, &one).await.unwrap().total, 3);
    })
    .await;
}

#[tokio::test]
async fn limits_are_told() {
    on_each_engine(async |database| {
        let archive = Archive::new(database).await;
        let finder = filled(&archive, &[]).await;
        for limit in [0, 101] {
            let asked = Asked { limit, ..asked("") };
            assert!(matches!(finder.find(clerk(), &asked).await, Err(FindError::Limit { .. })));
        }
        assert!(matches!(finder.find(clerk(), &asked(&"a ".repeat(1_000))).await, Err(FindError::Query(_))));
        assert!(matches!(finder.find(clerk(), &asked(&"a".repeat(100_000))).await, Err(FindError::Query(_))));
    })
    .await;
}
