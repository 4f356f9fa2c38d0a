//! What every index must do: rights, the mark, replacing, order, paging, facets. Run on each backend.

use std::sync::LazyLock;

use tempfile::TempDir;

use super::*;
use crate::search::query::parse;

const OURS: AuthorityId = AuthorityId::from_bytes([1; 16]);
const THEIRS: AuthorityId = AuthorityId::from_bytes([2; 16]);
const CLERK: Reader = Reader { authority: OURS, sight: Sight::Open };
const REGISTRAR: Reader = Reader { authority: OURS, sight: Sight::All };

fn id(n: u32) -> DocumentId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    DocumentId::from_bytes(bytes)
}

fn document(n: u32, pages: &[&str]) -> IndexedDocument {
    IndexedDocument {
        document: id(n),
        authority: OURS,
        restriction: String::new(),
        title: None,
        reference: None,
        file_name: None,
        kind: None,
        date: None,
        pages: (1..).zip(pages).map(|(number, text)| Page { number, text: (*text).to_owned() }).collect(),
    }
}

fn put(document: IndexedDocument) -> Change {
    Change::Put(Box::new(document))
}

fn at(seq: i64) -> Mark {
    Mark { seq, witness: Some(id(1)) }
}

fn opened() -> (TempDir, TantivyBackend) {
    let folder = tempfile::tempdir().unwrap();
    let backend = TantivyBackend::open(folder.path(), TantivyLimits::default()).unwrap();
    (folder, backend)
}

fn filled(documents: Vec<IndexedDocument>) -> (TempDir, TantivyBackend) {
    let (folder, backend) = opened();
    assert_eq!(backend.apply(documents.into_iter().map(put).collect(), at(1)).unwrap(), Applied::default());
    (folder, backend)
}

fn ask(backend: &dyn SearchBackend, reader: &Reader, text: &str, closeness: Closeness) -> Found {
    let query = parse(text).unwrap();
    backend
        .search(Question { query: &query, reader, hidden: &[], closeness, after: None, limit: 10 })
        .unwrap()
}

fn hits(backend: &dyn SearchBackend, text: &str) -> Vec<u32> {
    numbers(&ask(backend, &CLERK, text, Closeness::AsAsked))
}

fn numbers(found: &Found) -> Vec<u32> {
    let number = |hit: &Hit| u32::from_be_bytes(hit.place.document.as_bytes()[12..].try_into().unwrap());
    found.hits.iter().map(number).collect()
}

#[test]
fn german_queries_find_what_people_expect() {
    let (_folder, index) = filled(vec![
        IndexedDocument {
            title: Some("Geburtsanzeige der Klinik".into()),
            reference: Some("StA 12/2024-G-0815".into()),
            kind: Some("Geburtsanzeige".into()),
            date: Some(Date::constant(2024, 3, 12)),
            ..document(1, &["Frau Müller-Lüdenscheidt hat am 12. März 2024 ein Kind geboren."])
        },
        IndexedDocument {
            title: Some("Urteil".into()),
            reference: Some("VII-34.12/05".into()),
            kind: Some("Urteil".into()),
            date: Some(Date::constant(2023, 11, 2)),
            ..document(2, &["Die Aufwände trägt Herr Mueller.", "Die Geburts-\nurkunde G 815/2024 lag vor."])
        },
        IndexedDocument {
            file_name: Some("scan_0815.pdf".into()),
            ..document(3, &["Josef Muller, Łódź, Straße der Aufwa\u{308}nde; Geburtsurkunden am 12.03.2024"])
        },
    ]);
    for (query, expected) in [
        ("Müller", &[1, 2, 3][..]),
        ("Mueller", &[2, 3, 1]),
        ("Muller", &[3, 2, 1]),
        ("MÜLLER", &[1, 2, 3]),
        ("Aufwände", &[2, 3]),
        ("Aufwa\u{308}nde", &[2, 3]),
        ("Aufwand", &[2, 3]),
        ("Lodz", &[3]),
        ("Strasse", &[3]),
        ("Geburtsurkunde", &[2, 3]),
        ("StA 12/2024-G-0815", &[1]),
        ("sta 12 / 2024 g 815", &[1]),
        ("G 815/2024", &[1, 2]),
        ("0815", &[1, 3, 2]),
        ("815", &[1, 2, 3]),
        ("VII-34.12/5", &[2]),
        ("az:0815", &[1]),
        ("titel:Urteil", &[2]),
        ("titel:Müller", &[]),
        ("\"hat am 12. März 2024\"", &[1]),
        ("\"Kind Frau\"", &[]),
        ("Müller -Kind", &[2, 3]),
        ("Kind OR trägt", &[2, 1]),
        ("12.3.2024", &[3, 1]),
        // As nobody wrote it: the document of that day comes before one that mentions the day.
        ("2024-03-12", &[1, 3]),
        ("art:geburtsanzeige", &[1]),
        ("jahr:2023", &[2]),
        ("datum:1.1.2024..31.12.2024 Müller", &[1]),
        ("Geburts*", &[1, 2, 3]),
        ("Lüdensch*", &[1]),
        ("datei:scan", &[3]),
        ("Frau Urteil", &[]),
        ("Müller-Lüdenscheidt", &[1]),
        ("Lüdenscheidt Müller", &[1]),
    ] {
        assert_eq!(hits(&index, query), expected, "{query}");
    }
}

#[test]
fn writing_without_spaces_is_found_by_each_part_and_in_any_width() {
    let (_folder, index) = filled(vec![
        document(1, &["ｃ 口出し線（公称断面積が０．７５平方ミリメートル以上のものに限"]),
        document(2, &["Инв. № дубл., 10 m², ﬁnden¹, ปู่กินข้าว"]),
    ]);
    for (query, expected) in [
        ("断面積", &[1][..]),
        ("面断", &[]),
        ("\"c 口出し線(公称断面積が0.75平方ﾐﾘﾒｰﾄﾙ\"", &[1]),
        ("\"инв No дубл\"", &[2]),
        ("№", &[2]),
        ("m2", &[2]),
        ("finden", &[2]),
        ("กิน", &[2]),
    ] {
        assert_eq!(hits(&index, query), expected, "{query}");
    }
}

#[test]
fn looser_readings_find_typing_errors_and_any_of_the_words() {
    let (_folder, index) = filled(vec![document(1, &["Erika Mustermann"]), document(2, &["Erika Beispiel"])]);
    let loose = |text, closeness| numbers(&ask(&index, &CLERK, text, closeness));
    assert_eq!(loose("Musterman", Closeness::AsAsked), Vec::<u32>::new());
    assert_eq!(loose("Musterman", Closeness::Similar), [1]);
    assert_eq!(loose("Erika Musetrmann", Closeness::Similar), [1]);
    assert_eq!(loose("Mustermann Beispiel", Closeness::Similar), Vec::<u32>::new());
    assert_eq!(loose("Mustermann Beispiel", Closeness::AnyWord), [1, 2]);
    assert_eq!(loose("Mustermann Fehlt -Erika", Closeness::AnyWord), Vec::<u32>::new());
}

#[test]
fn a_hit_shows_its_best_page_and_counts_documents_and_pages() {
    let (_folder, index) =
        filled(vec![document(1, &["leer", "Ehe", "Ehe Ehe Ehe"]), document(2, &["Ehe"]), document(3, &[])]);
    let found = ask(&index, &CLERK, "Ehe", Closeness::AsAsked);
    assert_eq!((found.documents, found.pages), (2, 3));
    assert_eq!(numbers(&found), [1, 2]);
    assert_eq!((found.hits[0].page, found.hits[0].pages), (Some(3), 2));
    let everything = ask(&index, &CLERK, "", Closeness::AsAsked);
    assert_eq!((everything.documents, everything.hits[2].page), (3, None));
}

#[test]
fn nothing_is_told_of_what_the_reader_may_not_see() {
    let facts = |n, word: &str| IndexedDocument {
        title: Some(format!("Geheim {word}")),
        kind: Some("Adoption".into()),
        date: Some(Date::constant(2020, 1, 1)),
        ..document(n, &["Geheim"])
    };
    let (_folder, index) = filled(vec![
        IndexedDocument { restriction: "C".into(), ..facts(1, "eins") },
        IndexedDocument { authority: THEIRS, ..facts(2, "zwei") },
        document(3, &["offen"]),
    ]);
    for query in [
        "geheim",
        "Geheim*",
        "Gehiem",
        "titel:eins",
        "art:Adoption",
        "jahr:2020",
        "\"Geheim eins\"",
        "eins OR zwei",
    ] {
        for closeness in [Closeness::AsAsked, Closeness::Similar, Closeness::AnyWord] {
            assert_eq!(ask(&index, &CLERK, query, closeness), Found::default(), "{query}");
        }
    }
    let all = ask(&index, &CLERK, "", Closeness::AsAsked);
    assert_eq!((all.documents, all.kinds, all.years), (1, vec![], vec![]));
    assert_eq!(ask(&index, &CLERK, "-offen", Closeness::AsAsked), Found::default());
    let registrar = ask(&index, &REGISTRAR, "geheim", Closeness::AsAsked);
    assert_eq!((numbers(&registrar), registrar.documents), (vec![1], 1));
    assert_eq!(registrar.kinds, [("Adoption".to_owned(), 1)]);
    assert_eq!(registrar.years, [(2020, 1)]);
}

#[test]
fn the_score_of_a_document_does_not_depend_on_others() {
    let score =
        |index: &TantivyBackend| ask(index, &CLERK, "Ehe Bonn", Closeness::AsAsked).hits[0].place.score;
    let (_one, alone) = filled(vec![document(1, &["Ehe in Bonn"])]);
    let many = (2..60).map(|n| IndexedDocument { authority: THEIRS, ..document(n, &["Ehe Bonn Ehe"]) });
    let (_two, among) = filled(std::iter::once(document(1, &["Ehe in Bonn"])).chain(many).collect());
    assert_eq!(score(&alone).to_bits(), score(&among).to_bits());
}

#[test]
fn the_exact_reference_is_always_on_top() {
    let mut documents: Vec<_> = (2..40)
        .map(|n| document(n, &["StA 12/2024-G-0815 StA 12/2024-G-0815, G 815/2024 815 815 2024 G StA 12"]))
        .collect();
    documents
        .push(IndexedDocument { reference: Some("StA 12 / 2024 - G - 815".into()), ..document(99, &[""]) });
    documents.push(IndexedDocument { reference: Some("Az. 17 Müller/5".into()), ..document(98, &[""]) });
    let (_folder, index) = filled(documents);
    for query in ["StA 12/2024-G-0815", "sta 12 / 2024 g 815", "G 815/2024", "0815", "815/2024"] {
        assert_eq!(hits(&index, query)[0], 99, "{query}");
    }
    assert_eq!(hits(&index, "az 17 mueller 5"), [98]);
}

#[test]
fn paging_gives_each_document_once_in_a_fixed_order() {
    let (_folder, index) = opened();
    for part in 0..5 {
        let changes =
            (0..20).map(|n| put(document(n * 5 + part, &["Ehe", "Ehe Ehe"][..1 + (n as usize % 2)])));
        index.apply(changes.collect(), at(i64::from(part) + 1)).unwrap();
    }
    let query = parse("Ehe").unwrap();
    let page = |after| {
        let reader = &CLERK;
        index
            .search(Question {
                query: &query,
                reader,
                hidden: &[],
                closeness: Closeness::AsAsked,
                after,
                limit: 7,
            })
            .unwrap()
    };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let found = page(after);
        assert_eq!(found.documents, 100);
        seen.extend(numbers(&found));
        match found.hits.last() {
            Some(last) => after = Some(last.place),
            None => break,
        }
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (100, 100));
    assert!(seen[..50].is_sorted() && seen[50..].is_sorted());
}

#[test]
fn a_document_is_replaced_and_removed_whole() {
    let (_folder, index) = filled(vec![document(1, &["alt", "alt"]), document(2, &["alt"])]);
    index.apply(vec![put(document(1, &["neu"])), put(document(1, &["neuer"]))], at(3)).unwrap();
    assert_eq!(
        (hits(&index, "alt"), hits(&index, "neu"), hits(&index, "neuer")),
        (vec![2], vec![1], vec![1])
    );
    index.apply(vec![Change::Remove(id(1)), Change::Remove(id(7))], at(4)).unwrap();
    assert_eq!((hits(&index, "neuer"), hits(&index, "")), (vec![], vec![2]));
}

#[test]
fn the_mark_moves_with_the_content_and_outlives_the_process() {
    let (folder, index) = opened();
    assert_eq!(index.mark().unwrap(), Mark::NOTHING);
    index.apply(vec![put(document(1, &["eins"]))], at(5)).unwrap();
    index.apply(vec![], at(9)).unwrap();
    assert_eq!(index.mark().unwrap(), at(9));
    drop(index);
    let index = TantivyBackend::open(folder.path(), TantivyLimits::default()).unwrap();
    assert_eq!((index.mark().unwrap(), hits(&index, "eins")), (at(9), vec![1]));
    index.clear().unwrap();
    assert_eq!((index.mark().unwrap(), hits(&index, "eins")), (Mark::NOTHING, vec![]));
    index.apply(vec![put(document(1, &["eins"]))], at(2)).unwrap();
    assert_eq!(hits(&index, "eins"), [1]);
}

#[test]
fn writing_goes_on_after_a_rest() {
    let (_folder, index) = opened();
    for n in 1..30 {
        index.apply(vec![put(document(n, &["wort"]))], at(i64::from(n))).unwrap();
        if n % 7 == 0 {
            index.rest().unwrap();
        }
    }
    assert_eq!(ask(&index, &CLERK, "wort", Closeness::AsAsked).documents, 29);
}

#[test]
fn values_of_any_size_hurt_nobody() {
    let huge = "x".repeat(70_000);
    let odd = IndexedDocument {
        restriction: String::new(),
        title: Some(huge.clone()),
        reference: Some("9/".repeat(70_000)),
        file_name: Some("\u{0}\u{1}\u{fffd}".repeat(9_000)),
        kind: Some(huge.clone()),
        date: Some(Date::MIN),
        ..document(1, &[&huge, &"ä\u{308}".repeat(50_000), ""])
    };
    let late = IndexedDocument { date: Some(Date::MAX), ..document(2, &["gut"]) };
    let (_folder, index) = filled(vec![odd, late, document(3, &["gut"])]);
    assert_eq!(hits(&index, "gut"), [2, 3]);
    assert_eq!(ask(&index, &CLERK, "", Closeness::AsAsked).documents, 3);
}

#[test]
fn a_folder_that_is_gone_or_damaged_is_made_anew_and_the_mark_says_so() {
    let (folder, index) = filled(vec![document(1, &["eins"])]);
    drop(index);
    std::fs::write(folder.path().join("v2/b00/meta.json"), b"{").unwrap();
    let index = TantivyBackend::open(folder.path(), TantivyLimits::default()).unwrap();
    assert_eq!((index.mark().unwrap(), hits(&index, "eins")), (Mark::NOTHING, vec![]));
    drop(index);
    std::fs::create_dir(folder.path().join("v1")).unwrap();
    std::fs::remove_dir_all(folder.path().join("v2")).unwrap();
    let index = TantivyBackend::open(folder.path(), TantivyLimits::default()).unwrap();
    assert_eq!(index.mark().unwrap(), Mark::NOTHING);
    assert!(!folder.path().join("v1").exists());
}

#[test]
fn only_one_has_the_folder_at_a_time() {
    let (folder, index) = opened();
    assert!(matches!(TantivyBackend::open(folder.path(), TantivyLimits::default()), Err(IndexError::Taken)));
    drop(index);
    assert!(TantivyBackend::open(folder.path(), TantivyLimits::default()).is_ok());
}

/// A tokenizer with a poison word, in place of a value that tantivy itself breaks on.
#[derive(Clone)]
struct Poisonous(super::terms::Terms);

impl tantivy::tokenizer::Tokenizer for Poisonous {
    type TokenStream<'a> = super::terms::Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        assert!(!text.contains("Gift"), "poison");
        self.0.token_stream(text)
    }
}

#[test]
fn a_document_that_breaks_the_writer_is_quarantined_alone() {
    let (_folder, index) = filled(vec![document(2, &["früher"])]);
    index.index().tokenizers().register("stammbuch", Poisonous(super::terms::Terms::default()));
    index.rest().unwrap();
    let changes =
        vec![put(document(1, &["gut"])), put(document(2, &["gut", "Gift"])), put(document(3, &["gut"]))];
    let applied = index.apply(changes, at(7)).unwrap();
    assert_eq!(applied.quarantined.iter().map(|(document, _)| *document).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(
        (index.mark().unwrap(), hits(&index, "gut"), hits(&index, "früher")),
        (at(7), vec![1, 3], vec![])
    );
    index.apply(vec![put(document(2, &["wieder gut"]))], at(8)).unwrap();
    assert_eq!(hits(&index, "gut"), [1, 2, 3]);
}

static INDEX: LazyLock<(TempDir, TantivyBackend)> =
    LazyLock::new(|| filled(vec![document(1, &["Eine Seite, 12.3.2024, G 815/2024"]), document(2, &[])]));

proptest::proptest! {
    #[test]
    fn no_query_breaks_the_index(text in "[-+\"*:|() a-zäöüßA-Z0-9./]{0,40}") {
        for closeness in [Closeness::AsAsked, Closeness::Similar, Closeness::AnyWord] {
            ask(&INDEX.1, &REGISTRAR, &text, closeness);
        }
    }
}
