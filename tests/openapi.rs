//! The document of the interface: the checked-in one, the served one and the route table say the same.

use std::collections::BTreeSet;

use serde_json::Value;
use stammbuch::http::{Document, listed};
use utoipa::OpenApi as _;

use crate::actors::Server;

/// Set it to write the file anew after a change to the interface.
const WRITE: &str = "STAMMBUCH_WRITE_OPENAPI";

fn file() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json").to_owned()
}

#[test]
fn the_checked_in_document_is_the_one_that_is_served() {
    let text = serde_json::to_string_pretty(&Document::openapi()).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    let checked_in = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        checked_in == text,
        "schemas/openapi.json differs: look at `{WRITE}=1 cargo test openapi` and `git diff`"
    );
    let served = Server::start().citizen().get("/openapi.json").expect(200);
    assert_eq!(served, serde_json::from_str::<Value>(&checked_in).unwrap());
}

/// `/a/{tail:.*}` is `/a/{tail}` in the document.
fn template(path: &str) -> String {
    let mut parts = path.split('{');
    let mut template = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.rsplit_once('}').unwrap();
        template += &format!("{{{}}}{rest}", name.split(':').next().unwrap());
    }
    template
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let routes: BTreeSet<_> =
        listed().into_iter().map(|(method, path)| format!("{method} {}", template(path))).collect();
    let document = serde_json::to_value(Document::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let documented = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(routes, documented.collect());
}
