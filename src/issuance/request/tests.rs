//! The row against its schema, and what is refused as a row.

use serde_json::{Value, json};

use super::*;
use crate::issuance::sample;

/// The places where `value` breaks `schema`: as much of JSON Schema as ours uses, without patterns.
fn breaks(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    if schema.get("type").is_some_and(|expected| expected != kind)
        || schema.get("const").is_some_and(|expected| expected != value)
        || schema.get("enum").and_then(Value::as_array).is_some_and(|allowed| !allowed.contains(value))
    {
        found.push(format!("{at}: {value}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(known), _) | (None, known @ Value::Object(_)) => {
                found.extend(breaks(known, inner, &format!("{at}.{name}")))
            }
            (None, _) => found.push(format!("{at}.{name} is unknown")),
        }
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(breaks(&schema["items"], item, &format!("{at}[{i}]")));
    }
    found
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../schemas/certificate.json")).unwrap()
}

#[test]
fn a_row_is_as_the_schema_says_and_a_wrong_one_is_not() {
    let mut row = serde_json::to_value(sample::geburtsurkunde()).unwrap();
    assert_eq!(breaks(&schema(), &row, "row"), Vec::<String>::new());
    row["extra"] = json!(1);
    row["kind"] = json!("urkunde");
    row["sections"][0]["rows"][0]["value"] = json!(7);
    row.as_object_mut().unwrap().remove("asOf");
    insta::assert_debug_snapshot!(breaks(&schema(), &row, "row"), @r#"
    [
        "row.asOf is missing",
        "row.extra is unknown",
        "row.kind: \"urkunde\"",
        "row.sections[0].rows[0].value: 7",
    ]
    "#);
}

#[test]
fn every_key_the_schema_requires_is_also_required_by_the_program() {
    let row = serde_json::to_value(sample::geburtsurkunde()).unwrap();
    for name in schema()["required"].as_array().unwrap() {
        let mut without = row.clone();
        without.as_object_mut().unwrap().remove(name.as_str().unwrap());
        let read = CertificateRequest::from_json(without.to_string().as_bytes());
        assert!(matches!(read, Err(RequestError::Shape(_))), "{name}");
    }
}

#[test]
fn unknown_keys_later_formats_and_impossible_media_are_refused() {
    let change = |key: &str, value: Value| {
        let mut row = serde_json::to_value(sample::geburtsurkunde()).unwrap();
        row[key] = value;
        CertificateRequest::from_json(row.to_string().as_bytes())
    };
    assert!(matches!(change("extra", json!(1)), Err(RequestError::Shape(_))));
    assert!(matches!(change("format", json!(2)), Err(RequestError::Format { got: 2 })));
    assert!(matches!(
        change("medium", json!("electronic")),
        Err(RequestError::Medium { kind: Kind::Geburtsurkunde })
    ));
    assert!(matches!(change("number", json!("1234")), Err(RequestError::Shape(_))));
}
