//! What is said to clamd, byte by byte, and that nothing but a whole, timely answer to a whole file is an answer.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, UnixListener};

use super::super::Signature;
use super::*;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

fn clamd(address: Address, one: Duration, all: Duration) -> Clamd {
    Clamd { address, patience: Patience { connect: LONG, one, all } }
}

/// What stands in for clamd on one connection.
#[derive(Clone)]
enum Plays {
    /// Reads to the end of the stream, then says this and closes.
    Says(&'static [u8]),
    /// The same, byte by byte.
    SaysSlowly(&'static [u8]),
    /// Says this when it has read so many bytes, and closes.
    SaysEarly(usize, &'static [u8]),
    /// Says this at once, and reads on to the end.
    SaysAtOnce(&'static [u8]),
    /// Reads to the end and says nothing.
    Silent,
    /// Reads nothing.
    Deaf,
}

/// Reads frames; gives command and bytes of the file, and whether it came to its end.
async fn frames(link: &mut (impl AsyncRead + Unpin)) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        command.push(link.read_u8().await?);
    }
    let mut chunks = Vec::new();
    if command == b"zPING\0" {
        return Ok((command, chunks));
    }
    loop {
        let mut chunk = vec![0; link.read_u32().await? as usize];
        if chunk.is_empty() {
            return Ok((command, chunks));
        }
        link.read_exact(&mut chunk).await?;
        chunks.push(chunk);
    }
}

async fn play(mut link: impl AsyncRead + AsyncWrite + Unpin, plays: Plays) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut heard = Default::default();
    match plays {
        Plays::Says(text) => {
            heard = frames(&mut link).await.unwrap();
            link.write_all(text).await.unwrap();
        }
        Plays::SaysSlowly(text) => {
            heard = frames(&mut link).await.unwrap();
            for byte in text {
                link.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        Plays::SaysEarly(bytes, text) => {
            let mut some = vec![0; bytes];
            link.read_exact(&mut some).await.unwrap();
            link.write_all(text).await.unwrap();
        }
        Plays::SaysAtOnce(text) => {
            link.write_all(text).await.unwrap();
            let _ = frames(&mut link).await;
        }
        Plays::Silent => {
            heard = frames(&mut link).await.unwrap();
            let _ = link.read_u8().await;
        }
        Plays::Deaf => std::future::pending().await,
    }
    heard
}

/// The outcome of scanning `file` with a scanner that plays, and what that one heard.
async fn scanned(
    file: &[u8],
    plays: Plays,
    (one, all): (Duration, Duration),
) -> (Result<Finding, Unclear>, Option<(Vec<u8>, Vec<Vec<u8>>)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clamd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let playing = tokio::spawn(async move { play(listener.accept().await.unwrap().0, plays).await });
    let clamd = clamd(Address::Unix(path), one, all);
    let outcome = async {
        let mut scan = clamd.begin().await?;
        for piece in file.chunks(100_000) {
            scan.feed(piece).await?;
            tokio::task::yield_now().await;
        }
        scan.finish().await
    };
    let outcome = outcome.await;
    if matches!(outcome, Err(Unclear::Slow(_))) {
        playing.abort();
        return (outcome, None);
    }
    (outcome, playing.await.ok())
}

#[tokio::test]
async fn a_file_is_one_instream_in_bounded_chunks_and_comes_over_whole() {
    let file: Vec<u8> = (0..300_001u32).map(|at| (at % 251) as u8).collect();
    let (outcome, heard) = scanned(&file, Plays::Says(b"stream: OK\0"), (LONG, LONG)).await;
    assert_eq!(outcome, Ok(Finding::Nothing));
    let (command, chunks) = heard.unwrap();
    assert_eq!(command, b"zINSTREAM\0");
    assert!(chunks.iter().all(|chunk| (1..=CHUNK_BYTES).contains(&chunk.len())));
    assert!(chunks.concat() == file);
}

#[tokio::test]
async fn an_answer_is_heard_however_it_is_cut_into_packets() {
    let found = Ok(Finding::Found(Signature::try_from("Test.A".to_owned()).unwrap()));
    for plays in [Plays::Says(b"stream: Test.A FOUND\0"), Plays::SaysSlowly(b"stream: Test.A FOUND\0")] {
        assert_eq!(scanned(b"x", plays, (LONG, LONG)).await.0, found);
    }
}

#[tokio::test]
async fn nothing_but_a_whole_answer_at_the_end_is_one() {
    let cases: [(&[u8], Unclear); 8] = [
        (b"", Unclear::Cut),
        (b"stream: OK", Unclear::Cut),
        (b"stream: ", Unclear::Cut),
        (b"\0", Unclear::Garbage),
        (b"stream: OK\0stream: Test FOUND\0", Unclear::Garbage),
        (b"stream: OK\0\0", Unclear::Garbage),
        (b"INSTREAM size limit exceeded. ERROR\0", Unclear::TooLarge),
        (&[b'x'; 5000], Unclear::Garbage),
    ];
    for (said, why) in cases {
        let (outcome, _) = scanned(b"x", Plays::Says(said), (LONG, LONG)).await;
        assert_eq!(outcome, Err(why), "{:?}", String::from_utf8_lossy(said));
    }
}

#[tokio::test]
async fn what_is_said_before_the_file_ended_is_no_answer_but_that_the_file_is_too_long() {
    let file = vec![7; 3_000_000];
    for (said, why) in [
        (b"stream: OK\0".as_slice(), Unclear::Garbage),
        (b"stream: Test FOUND\0", Unclear::Garbage),
        (b"INSTREAM size limit exceeded. ERROR\0", Unclear::TooLarge),
        (b"", Unclear::Cut),
        (b"stream: OK", Unclear::Cut),
    ] {
        let (outcome, _) = scanned(&file, Plays::SaysEarly(1000, said), (LONG, LONG)).await;
        assert_eq!(outcome, Err(why), "{:?}", String::from_utf8_lossy(said));
    }
    let (outcome, _) = scanned(&file, Plays::SaysAtOnce(b"stream: OK\0"), (LONG, LONG)).await;
    assert_eq!(outcome, Err(Unclear::Garbage), "said before it was asked, and it goes on reading");
}

#[tokio::test]
async fn one_that_is_silent_deaf_or_away_is_waited_for_only_so_long() {
    let file = vec![7; 3_000_000];
    for plays in [Plays::Silent, Plays::Deaf] {
        let (outcome, _) = scanned(&file, plays.clone(), (SHORT, LONG)).await;
        assert_eq!(outcome, Err(Unclear::Slow(SHORT)));
        let (outcome, _) = scanned(&file, plays, (LONG, SHORT)).await;
        assert!(matches!(outcome, Err(Unclear::Slow(waited)) if waited <= SHORT), "{outcome:?}");
    }
    let nobody = clamd(Address::Unix("/nonexistent/clamd".into()), LONG, LONG);
    assert_eq!(nobody.begin().await.err(), Some(Unclear::Away(io::ErrorKind::NotFound)));
    assert_eq!(nobody.ping().await, Err(Unclear::Away(io::ErrorKind::NotFound)));
}

#[tokio::test]
async fn a_ping_wants_its_pong_over_tcp_too() {
    for (said, expected) in [
        (b"PONG\0".as_slice(), Ok(())),
        (b"PONG", Err(Unclear::Cut)),
        (b"stream: OK\0", Err(Unclear::Garbage)),
        (b"", Err(Unclear::Cut)),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let playing =
            tokio::spawn(async move { play(listener.accept().await.unwrap().0, Plays::Says(said)).await });
        assert_eq!(clamd(address, LONG, LONG).ping().await, expected);
        assert_eq!(playing.await.unwrap().0, b"zPING\0");
    }
}

#[test]
fn an_address_is_a_socket_or_a_port_of_this_machine() {
    let tcp = |text: &str| Ok(Address::Tcp(text.parse::<SocketAddr>().unwrap()));
    assert_eq!("unix:/run/clamd.ctl".parse(), Ok(Address::Unix("/run/clamd.ctl".into())));
    assert_eq!("tcp:127.0.0.1:3310".parse::<Address>(), tcp("127.0.0.1:3310"));
    assert_eq!("tcp:[::1]:3310".parse::<Address>(), tcp("[::1]:3310"));
    for bad in ["", "clamd", "/run/clamd.ctl", "unix:", "tcp:", "tcp:localhost:3310", "tcp:127.0.0.1"] {
        assert!(bad.parse::<Address>().unwrap_err().contains("unix:PATH"), "{bad}");
    }
    for bad in ["tcp:10.0.0.1:3310", "tcp:0.0.0.0:3310", "tcp:127.0.0.1:0"] {
        assert!(bad.parse::<Address>().unwrap_err().contains("this machine"), "{bad}");
    }
    let below = Address::Unix("run/clamd".into()).below(Path::new("/data"));
    assert_eq!(below.to_string(), "unix:/data/run/clamd");
}
