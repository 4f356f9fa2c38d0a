//! `/v1/search`: what it answers and what it refuses.

use serde_json::json;

use crate::actors::Server;

#[test]
fn a_question_to_an_empty_archive_is_answered_and_says_how_it_was_read() {
    let server = Server::start();
    let answer = server.clerk().get("/v1/search?q=M%C3%BCller%20G%20815/2024&limit=5").expect(200);
    assert_eq!(
        answer,
        json!({
            "hits": [], "total": 0, "totalPages": 0, "facets": {"kind": [], "year": []},
            "interpreted": [
                {"text": "Müller", "as": "word"},
                {"text": "G 815/2024", "as": "reference", "value": "g/2024/815"},
            ],
            "remarks": [], "relaxed": ["similar-words", "any-word", "nothing-found"], "next": null,
        })
    );
    assert_eq!(
        server.clerk().post("/v1/search", &json!({"q": "Müller G 815/2024", "limit": 5})).expect(200),
        answer
    );
}

#[test]
fn only_size_and_shape_of_a_question_are_refused() {
    let server = Server::start();
    let clerk = server.clerk();
    for (body, status, name) in [
        (json!({"q": "a", "offset": 3}), 400, "unknown-field"),
        (json!({"q": 7}), 400, "malformed-json"),
        (json!({"q": "a", "limit": 0}), 400, "query-invalid"),
        (json!({"q": "a", "limit": 101}), 400, "query-invalid"),
        (json!({"q": "a", "next": "AAAA"}), 400, "query-invalid"),
        (json!({"q": "a ".repeat(1_000)}), 400, "query-invalid"),
        (json!({"q": "a".repeat(100_000)}), 400, "query-invalid"),
    ] {
        clerk.post("/v1/search", &body).problem(status, name);
    }
    clerk.get("/v1/search?q=a&offset=3").problem(400, "unknown-field");
    for odd in ["", "\"", "-", "titel:", "OR OR", "((((", "*", "a:b:c", "\u{0}\u{202e}"] {
        clerk.post("/v1/search", &json!({"q": odd})).expect(200);
    }
}
