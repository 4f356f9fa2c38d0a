//! Copies of register entries: taken in, appended, read; what is none is refused and nothing of it remains.

use serde_json::json;

use crate::actors::Server;
use crate::actors::desk::{copy, desk, entry_path};
use crate::actors::place::OTHER_OFFICE;

#[test]
fn a_copy_is_kept_and_read_back_with_its_version_and_locks() {
    let server = Server::start();
    let mut body = copy();
    body["locks"] = json!([{ "kind": "adoption", "since": "2025-01-01" }]);
    let kept = server.engine().put(&entry_path("815-1"), &body).expect(201);
    assert_eq!((kept["number"].as_str(), kept["version"].as_u64()), (Some("815-1"), Some(1)));
    let again = server.engine().put(&entry_path("815-1"), &body).expect(200);
    assert_eq!(again["version"], 1);
    let read = server.clerk().get(&entry_path("815-1")).expect(200);
    assert_eq!(read["locks"], body["locks"]);
    assert_eq!(read["entry"]["fields"], body["fields"]);
    server.engine().get(&entry_path("815-1")).problem(403, "role-missing");
}

#[test]
fn a_subsequent_entry_changes_what_is_read_and_a_copy_of_an_earlier_day_is_refused() {
    let server = desk();
    let later = json!({ "asOf": "2026-05-04", "source": "x", "number": 1, "fields": { "1102": "Iva" } });
    let path = format!("{}/subsequent", entry_path("815"));
    assert_eq!(server.engine().post(&path, &later).expect(201)["version"], 2);
    assert_eq!(server.engine().post(&path, &later).expect(200)["version"], 2);
    let read = server.registrar().get(&entry_path("815")).expect(200);
    assert_eq!(read["entry"]["subsequent"][0]["fields"]["1102"], "Iva");
    let refused = server.engine().put(&entry_path("815"), &copy()).problem(409, "state-conflict");
    assert_eq!((&refused["expected"], &refused["got"]), (&json!("2026-05-04"), &json!("2026-05-03")));
    server.engine().post(&format!("{}/subsequent", entry_path("816")), &later).problem(404, "not-found");
}

#[test]
fn a_number_that_is_none_is_refused_and_another_authoritys_office_does_not_exist() {
    let server = desk();
    for bad in ["0", "0815", "815-", "815-0", "abc", "1000000", "8%2015", "%2E%2E"] {
        let answer = server.engine().put(&entry_path(bad), &copy());
        assert!(matches!(answer.status, 404 | 422), "{bad}: {answer:?}");
        if answer.status == 422 {
            answer.problem(422, "register-number-invalid");
        }
    }
    for path in ["/v1/entries/X/06499001/2024/1", "/v1/entries/G/123/2024/1", "/v1/entries/G/06499001/24/1"] {
        server.engine().put(path, &copy()).problem(422, "register-number-invalid");
    }
    server.engine().put(&format!("/v1/entries/G/{OTHER_OFFICE}/2024/1"), &copy()).problem(404, "not-found");
    let other = server.other(stammbuch::access::Role::Clerk);
    other.get(&entry_path("815")).problem(404, "not-found");
    server.clerk().get(&entry_path("814")).problem(404, "not-found");
}

#[test]
fn what_is_no_copy_names_its_problem_and_leaves_nothing() {
    let server = Server::start();
    let with = |change: fn(&mut serde_json::Value)| {
        let mut body = copy();
        change(&mut body);
        server.engine().put(&entry_path("1"), &body)
    };
    with(|body| body["colour"] = "blue".into()).problem(400, "unknown-field");
    with(|body| body["fields"]["9999"] = "x".into()).problem(400, "unknown-field");
    with(|body| body["fields"] = json!([])).problem(400, "malformed-json");
    with(|body| body["asOf"] = "yesterday".into()).problem(400, "malformed-json");
    let name = with(|body| body["fields"]["1101"] = "Иванов".into()).problem(422, "name-not-permitted");
    assert_eq!(name["rule"], "PStV Anlage 1, 1101");
    with(|body| body["source"] = "a\u{0000}b".into()).problem(422, "name-not-permitted");
    with(|body| body["fields"]["1040"] = "2024-02-30".into()).problem(422, "value-invalid");
    with(|body| body["fields"]["1120"] = "unknown".into()).problem(422, "value-invalid");
    let headers = [("Content-Type", "application/json")];
    let cut = server.engine().send("PUT", &entry_path("1"), &headers, b"{\"asOf\": ");
    cut.problem(400, "malformed-json");
    let text = server.engine().send("PUT", &entry_path("1"), &[("Content-Type", "text/plain")], b"{}");
    text.problem(415, "content-type-unsuitable");
    let long = vec![b' '; 1 << 21];
    server.engine().send("PUT", &entry_path("1"), &headers, &long).problem(413, "body-too-large");
    server.clerk().get(&entry_path("1")).problem(404, "not-found");
}
