//! Documents read back as they were written, for their own authority only; the same bytes are one object.

use super::super::Database;
use super::super::testing::{authority, found, on_each_engine};
use super::*;
use crate::objects::ObjectRef;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sealed(authority_number: u8, object: u8, bytes: &[u8]) -> Sealed {
    Sealed {
        at: ObjectRef::own(authority(authority_number), ObjectId::from_bytes([object; 16])),
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        cipher_sha256: Sha256::of(&[object]),
    }
}

fn letter(number: u8, object: ObjectId) -> Document {
    Document {
        id: DocumentId::from_bytes([number; 16]),
        authority: authority(1),
        object,
        sha256: Sha256::of(b"letter"),
        size: 6,
        media_type: "text/plain".into(),
        file_name: Some("Brief.txt".into()),
        title: Some("Anzeige der Geburt".into()),
        kind: None,
        reference: Some("StA 12/2024-G-0815".into()),
        date: Some(jiff::civil::date(2024, 2, 29)),
        file: None,
        entry: Some("G/12345678/2024/815".into()),
        restriction: String::new(),
        received_at: at(1),
        received_by: "engine-1".into(),
        stored_at: at(2),
        scanned_at: Some(at(2)),
        extracted: None,
        indexed_at: None,
        flag: None,
    }
}

async fn keep(db: &Database, sealed: Sealed) -> ObjectId {
    db.write(move |tx| Box::pin(async move { keep_object(tx, &sealed, at(0)).await })).await.unwrap()
}

async fn write(db: &Database, document: Document) {
    let work = db.write::<_, DatabaseError, _>(move |tx| {
        insert_all([&document].into_iter()).later(tx);
        Box::pin(async { Ok(()) })
    });
    work.await.unwrap();
}

async fn read(db: &Database, whose: u8, number: u8) -> Option<Document> {
    let id = DocumentId::from_bytes([number; 16]);
    db.read(move |tx| Box::pin(find(tx, authority(whose), id))).await.unwrap()
}

#[tokio::test]
async fn the_same_bytes_are_one_object_of_an_authority_and_another_of_the_next() {
    on_each_engine(async |db| {
        found(&db, 1).await;
        found(&db, 2).await;
        let first = keep(&db, sealed(1, 11, b"letter")).await;
        assert_eq!(first, ObjectId::from_bytes([11; 16]));
        assert_eq!(keep(&db, sealed(1, 12, b"letter")).await, first);
        assert_eq!(keep(&db, sealed(2, 13, b"letter")).await, ObjectId::from_bytes([13; 16]));
        assert_eq!(keep(&db, sealed(1, 14, b"other")).await, ObjectId::from_bytes([14; 16]));
    })
    .await;
}

#[tokio::test]
async fn a_document_reads_back_for_its_authority_alone() {
    on_each_engine(async |db| {
        found(&db, 1).await;
        let object = keep(&db, sealed(1, 11, b"letter")).await;
        write(&db, letter(1, object)).await;
        assert_eq!(read(&db, 1, 1).await, Some(letter(1, object)));
        assert_eq!(read(&db, 2, 1).await, None);
        assert_eq!(read(&db, 1, 2).await, None);
    })
    .await;
}

#[tokio::test]
async fn each_state_is_seen_with_its_time() {
    on_each_engine(async |db| {
        found(&db, 1).await;
        let object = keep(&db, sealed(1, 11, b"letter")).await;
        write(&db, letter(1, object)).await;
        let id = letter(1, object).id;
        db.write(move |tx| Box::pin(set_flag(tx, authority(1), id, "encrypted", at(3)))).await.unwrap();
        assert_eq!(read(&db, 1, 1).await.unwrap().flag, Some(("encrypted".to_owned(), at(3))));

        let text = Extracted { at: at(4), pages: 2, words: 300, text: Some(ObjectId::from_bytes([9; 16])) };
        let given = text.clone();
        let work = db.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                set_extracted(tx, authority(1), id, &given).await?;
                set_indexed(tx, &[id], at(5)).await
            })
        });
        work.await.unwrap();
        let expected = Document { extracted: Some(text), indexed_at: Some(at(5)), ..letter(1, object) };
        assert_eq!(read(&db, 1, 1).await, Some(expected));

        for (object, referenced) in [(11, true), (9, true), (8, false)] {
            let object = ObjectId::from_bytes([object; 16]);
            let answer = db.read(move |tx| Box::pin(is_referenced(tx, object))).await;
            assert_eq!(answer, Ok(referenced));
        }
    })
    .await;
}
