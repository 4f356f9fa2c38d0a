//! The extractor as the server uses it: a child process per file. Each wall of its sandbox is tried by a probe that
//! honestly does what must not be possible, and no child's end touches the parent or another child.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use stammbuch::intake::extract::child::Probe;
use stammbuch::intake::extract::{ExtractError, Extraction, Extractor, Limits, Probed, Reason};
use stammbuch::intake::media_type::MediaType;
use tokio::io::{AsyncRead, ReadBuf};

fn extractor(limits: Limits) -> Extractor {
    Extractor::new(PathBuf::from(env!("CARGO_BIN_EXE_stammbuch")), limits, 2)
}

fn small() -> Limits {
    Limits { memory_bytes: 96 << 20, cpu_seconds: 1, wall_ms: 60_000, ..Limits::default() }
}

async fn probe(limits: Limits, probe: Probe) -> Probed {
    extractor(limits).probe(probe).await.unwrap()
}

async fn read(limits: Limits, media_type: MediaType, file: &[u8]) -> Extraction {
    extractor(limits).extract(media_type, file).await.unwrap()
}

#[tokio::test]
async fn text_comes_back_by_pages_with_the_memory_it_took() {
    let extraction = read(Limits::default(), MediaType::Text, "Grüße aus\x0CMusterstadt".as_bytes()).await;
    let pages: Vec<(u32, &str)> = extraction.pages.iter().map(|p| (p.number, p.text.as_str())).collect();
    assert_eq!(pages, [(1, "Grüße aus"), (2, "Musterstadt")]);
    assert_eq!((extraction.flag, extraction.words()), (None, 3));
    assert!(extraction.peak_bytes.is_some_and(|peak| peak < Limits::default().memory_bytes));
}

#[tokio::test]
async fn a_child_that_takes_memory_without_end_is_ended() {
    assert_eq!(probe(small(), Probe::Memory).await.flag, Some(Reason::Memory));
}

#[tokio::test]
async fn a_child_that_computes_without_end_is_ended() {
    assert_eq!(probe(small(), Probe::Cpu).await.flag, Some(Reason::Cpu));
}

#[tokio::test]
async fn a_child_that_waits_without_end_is_ended() {
    let limits = Limits { wall_ms: 200, ..small() };
    assert_eq!(probe(limits, Probe::Sleep).await.flag, Some(Reason::Time));
}

#[tokio::test]
async fn a_child_that_writes_without_end_is_ended() {
    let limits = Limits { text_bytes: 1 << 20, ..small() };
    assert_eq!(probe(limits, Probe::Output).await.flag, Some(Reason::TextTooLarge));
    let limits = Limits { pages: 3, ..small() };
    assert_eq!(probe(limits, Probe::Output).await.flag, Some(Reason::TooManyPages));
}

#[tokio::test]
async fn a_child_that_calls_itself_without_end_is_ended() {
    assert_eq!(probe(small(), Probe::Stack).await.flag, Some(Reason::TooDeep));
}

#[tokio::test]
async fn a_child_that_opens_a_connection_is_ended() {
    assert_eq!(probe(small(), Probe::Socket).await.flag, Some(Reason::Forbidden));
}

#[tokio::test]
async fn files_programs_and_threads_are_denied() {
    for forbidden in [Probe::ReadFile, Probe::WriteFile, Probe::Spawn, Probe::Thread] {
        let probed = probe(small(), forbidden).await;
        let outcome = probed.outcome.unwrap();
        assert!(outcome.starts_with("denied"), "{forbidden:?}: {outcome}");
    }
}

#[tokio::test]
async fn a_child_that_panics_is_a_crash_and_no_more() {
    assert_eq!(probe(small(), Probe::Panic).await.flag, Some(Reason::Crashed));
}

#[tokio::test]
async fn a_neighbour_goes_on_while_a_child_is_ended() {
    let extractor = extractor(small());
    let file = "Zeile\n".repeat(10_000);
    let (crashed, ended, neighbour) = tokio::join!(
        extractor.probe(Probe::Stack),
        extractor.probe(Probe::Memory),
        extractor.extract(MediaType::Text, file.as_bytes()),
    );
    assert_eq!(crashed.unwrap().flag, Some(Reason::TooDeep));
    assert_eq!(ended.unwrap().flag, Some(Reason::Memory));
    let neighbour = neighbour.unwrap();
    assert_eq!((neighbour.flag, neighbour.words()), (None, 10_000));
}

#[tokio::test]
async fn the_text_found_before_a_limit_is_kept() {
    let limits = Limits { pages: 2, ..Limits::default() };
    let extraction = read(limits, MediaType::Text, b"eins\x0Czwei\x0Cdrei").await;
    assert_eq!(extraction.flag, Some(Reason::TooManyPages));
    assert_eq!(extraction.pages.len(), 2);
}

#[tokio::test]
async fn a_file_at_the_input_limit_is_read_and_one_beyond_is_flagged() {
    let limits = Limits { input_bytes: 1 << 20, ..Limits::default() };
    let file = "a ".repeat(1 << 19);
    assert_eq!(read(limits, MediaType::Text, file.as_bytes()).await.flag, None);
    let longer = format!("{file}b");
    assert_eq!(read(limits, MediaType::Text, longer.as_bytes()).await.flag, Some(Reason::InputTooLarge));
    let much_longer = "a ".repeat(8 << 20);
    assert_eq!(read(limits, MediaType::Text, much_longer.as_bytes()).await.flag, Some(Reason::InputTooLarge));
}

/// A file whose place fails after the first bytes.
struct Failing(bool);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 {
            return Poll::Ready(Err(io::Error::other("the store went away")));
        }
        self.0 = true;
        buffer.put_slice(b"Anfang");
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_failing_store_is_no_property_of_the_file() {
    let result = extractor(Limits::default()).extract(MediaType::Text, Failing(false)).await;
    assert!(matches!(result, Err(ExtractError::Input(_))), "{result:?}");
}

#[tokio::test]
async fn a_missing_program_is_no_property_of_the_file() {
    let missing = Extractor::new(PathBuf::from("/nonexistent/stammbuch"), Limits::default(), 1);
    let result = missing.extract(MediaType::Text, b"x".as_slice()).await;
    assert!(matches!(result, Err(ExtractError::Start { .. })), "{result:?}");
}

#[tokio::test]
async fn a_program_that_closes_no_sandbox_is_not_believed() {
    let other = Extractor::new(PathBuf::from("/bin/true"), Limits::default(), 1);
    let result = other.extract(MediaType::Text, b"x".as_slice()).await;
    assert!(matches!(result, Err(ExtractError::NoSandbox { .. })), "{result:?}");
}
