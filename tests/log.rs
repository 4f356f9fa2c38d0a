//! The public log as a stranger reads it: every tile and entry again, the root recomputed, and nothing personal.

use stammbuch::tlog::{
    Checkpoint, Hash, Leaf, LogSigner, Tile, TileKind, TilePath, decode_bundle, node_hash,
};

use crate::actors::Server;
use crate::actors::desk::{desk, order};

fn issue(server: &Server, key: &str) {
    server.registrar().post_once("/v1/certificates", key, &order("815")).expect(201);
}

fn checkpoint(server: &Server) -> Checkpoint {
    let text = std::fs::read_to_string(server.data_dir().join("keys/log.key")).unwrap();
    let key = LogSigner::parse(&text).unwrap().verifier().clone();
    Checkpoint::open(server.citizen().get("/log/checkpoint").text(), &[key]).unwrap()
}

/// RFC 6962 section 2.1, word for word.
fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn names(level: TileKind, size: u64) -> impl Iterator<Item = TilePath> {
    let width = move |index: u64| (size - index * 256).min(256) as u16;
    (0..size.div_ceil(256)).map(move |index| TilePath::new(level, index, width(index)).unwrap())
}

#[test]
fn before_the_first_entry_there_is_no_checkpoint() {
    let server = Server::start();
    server.citizen().get("/log/checkpoint").problem(404, "not-found");
    server.citizen().get("/log/tile/0/000").problem(404, "not-found");
}

#[test]
fn a_stranger_reads_every_entry_and_tile_and_finds_the_root_that_was_signed() {
    let server = desk();
    let mut sizes = Vec::new();
    for n in 0..5 {
        issue(&server, &format!("k{n}"));
        sizes.push(checkpoint(&server).size());
    }
    assert_eq!(sizes, [1, 2, 3, 4, 5], "each was under a checkpoint when it was acknowledged");
    let published = checkpoint(&server);
    let mut hashes = Vec::new();
    for path in names(TileKind::Entries, published.size()) {
        let bundle = server.citizen().get(&format!("/log/{path}"));
        assert_eq!(bundle.status, 200, "{path}");
        let entries = decode_bundle(&bundle.body).unwrap();
        hashes.extend(entries.into_iter().map(|entry| Leaf::parse(entry).unwrap().hash()));
    }
    assert_eq!(root(&hashes), published.root());
    let mut kept = Vec::new();
    for path in names(TileKind::Hashes(0), published.size()) {
        let tile = server.citizen().get(&format!("/log/{path}"));
        kept.extend_from_slice(Tile::parse(&path, &tile.body).unwrap().hashes());
    }
    assert_eq!(kept, hashes);
}

#[test]
fn files_have_the_types_and_ages_that_caches_need() {
    let server = desk();
    issue(&server, "a");
    let checkpoint = server.citizen().get("/log/checkpoint");
    assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(checkpoint.header("cache-control"), "public, max-age=1");
    for path in ["/log/tile/0/000.p/1", "/log/tile/entries/000.p/1"] {
        let tile = server.citizen().get(path);
        assert_eq!(tile.status, 200);
        assert_eq!(tile.header("content-type"), "application/octet-stream");
        assert_eq!(tile.header("cache-control"), "public, max-age=31536000, immutable");
    }
    for path in [
        "/log/tile/0/000",
        "/log/tile/0/000.p/2",
        "/log/tile/0/000.p/01",
        "/log/tile/8/0/000.p/1",
        "/log/tile/1/000.p/1",
        "/log/tile/0/..%2f..%2fcheckpoint",
        "/log/tile/..%2fcheckpoint",
        "/log/tile/",
    ] {
        let missing = server.citizen().get(path);
        missing.problem(404, "not-found");
        assert_eq!(missing.header("cache-control"), "no-store");
    }
}

#[test]
fn the_log_tells_nobody_who_what_or_where() {
    let server = desk();
    issue(&server, "a");
    let entry = server.citizen().get("/log/tile/entries/000.p/1").body;
    let checkpoint = server.citizen().get("/log/checkpoint").body;
    for secret in ["Đurović", "Nguyễn", "815", "06499001", "2024", "Musterstadt"] {
        for file in [&entry, &checkpoint] {
            assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}
