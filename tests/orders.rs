//! Orders by an engine, released by a registrar; refused with the paragraph, at the order and again at release.

use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::database::{Database, audit};
use stammbuch::register::EntryKey;

use crate::actors::Server;
use crate::actors::desk::{copy, desk, entry_path, order};
use crate::actors::place::OFFICE;

fn lock(server: &Server, locks: Value) {
    let mut body = copy();
    body["locks"] = locks;
    server.engine().put(&entry_path("815"), &body);
}

#[test]
fn an_engine_orders_a_registrar_releases_and_all_see_it_issued() {
    let server = desk();
    let answer = server.engine().post_once("/v1/orders", "order-1", &order("815"));
    let placed = answer.expect(202);
    assert_eq!(placed["state"], "awaiting-release");
    let again = server.engine().post_once("/v1/orders", "order-1", &order("815")).expect(202);
    assert_eq!(again, placed);
    let path = answer.header("location").to_owned();
    assert_eq!(path, format!("/v1/orders/{}", placed["id"].as_str().unwrap()));
    let release = format!("{path}/release");
    server.engine().post(&release, &json!({})).problem(403, "role-missing");
    server.clerk().post(&release, &json!({})).problem(403, "role-missing");
    let issued = server.registrar().post(&release, &json!({})).expect(201);
    assert_eq!(server.registrar().post(&release, &json!({})).expect(201), issued);
    let order = server.engine().get(&path).expect(200);
    assert_eq!((order["state"].as_str(), &order["certificate"]), (Some("issued"), &issued["id"]));
    server.other(Role::Engine).get(&path).problem(404, "not-found");
    server.other(Role::Registrar).post(&release, &json!({})).problem(404, "not-found");
}

#[test]
fn what_the_law_forbids_is_refused_with_its_paragraph() {
    let server = desk();
    let placed = server.engine().post("/v1/orders", &order("815")).expect(202);
    lock(&server, json!([{ "kind": "sperrvermerk", "since": "2025-01-01", "until": "2027-12-31" }]));
    let refused = server.engine().post("/v1/orders", &order("815")).expect(202);
    assert_eq!((&refused["state"], &refused["paragraph"]), (&json!("refused"), &json!("§ 64 (1) PStG")));
    let path = format!("/v1/orders/{}", placed["id"].as_str().unwrap());
    for _ in 0..2 {
        let problem =
            server.registrar().post(&format!("{path}/release"), &json!({})).problem(422, "issue-refused");
        assert_eq!(problem["rule"], "§ 64 (1) PStG");
    }
    assert_eq!(server.engine().get(&path).expect(200)["state"], "refused");
    lock(&server, json!([{ "kind": "stilllegung", "since": "2025-01-01" }]));
    let problem =
        server.registrar().post_once("/v1/certificates", "a", &order("815")).problem(422, "issue-refused");
    assert_eq!(problem["rule"], "§ 47 (4) PStG");
}

#[test]
fn what_is_no_order_names_its_problem_and_leaves_nothing() {
    let server = desk();
    let with = |change: fn(&mut Value)| {
        let mut body = order("815");
        change(&mut body);
        server.engine().post("/v1/orders", &body)
    };
    with(|body| body["colour"] = "blue".into()).problem(400, "unknown-field");
    with(|body| body["applicant"]["name"] = "x".into()).problem(400, "unknown-field");
    with(|body| body["omit"] = json!(["everything"])).problem(400, "malformed-json");
    with(|body| body["applicant"] = Value::Null).problem(400, "malformed-json");
    with(|body| body["entry"]["number"] = "0815".into()).problem(422, "register-number-invalid");
    with(|body| body["kind"] = "taufschein".into()).problem(422, "value-invalid");
    with(|body| body["medium"] = "electronic".into()).problem(422, "value-invalid");
    with(|body| body["purpose"] = "Ж".into()).problem(422, "name-not-permitted");
    with(|body| body["entry"]["number"] = "816".into()).problem(404, "not-found");
    server.other(Role::Engine).post("/v1/orders", &order("815")).problem(404, "not-found");
    for bad in ["", "a\tb", &"x".repeat(256), "ü"] {
        let answer = server.engine().post_once("/v1/orders", bad, &order("815"));
        answer.problem(400, "idempotency-key-malformed");
    }
    server.engine().get(&format!("/v1/orders/{}", "0".repeat(32))).problem(404, "not-found");
    server.engine().get("/v1/orders/1").problem(404, "not-found");
}

#[test]
fn each_act_in_the_audit_trail_names_its_request() {
    let server = desk();
    let json = ("Content-Type", "application/json");
    let by = |id: &'static str| [json, ("X-Request-Id", id), ("Idempotency-Key", id)];
    let body = copy().to_string();
    server.engine().send("PUT", &entry_path("816"), &by("request-entry"), body.as_bytes()).expect(201);
    let sent = order("816").to_string();
    let placed =
        server.engine().send("POST", "/v1/orders", &by("request-order"), sent.as_bytes()).expect(202);
    let order_id = placed["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/orders/{order_id}/release");
    let issued = server.registrar().send("POST", &path, &by("request-release"), b"{}").expect(201);
    let certificate = issued["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/certificates/{certificate}/pdf");
    assert_eq!(server.engine().send("GET", &path, &by("request-pdf"), &[]).status, 200);

    let acts = |kind: &'static str, id: String| {
        let (url, authority) =
            (server.config().database_url(&server.config().database.url), server.authority());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let acts = runtime.block_on(async {
            let database = Database::open(&url).await.unwrap();
            let acts = database
                .read(move |tx| Box::pin(async move { audit::of_subject(tx, authority, kind, &id).await }));
            let acts = acts.await.unwrap();
            database.close().await;
            acts
        });
        acts.into_iter().map(|act| (act.action, act.request_id.unwrap_or_default())).collect::<Vec<_>>()
    };
    let named = |acts: &[(&str, &str)]| {
        acts.iter().map(|(a, r)| ((*a).to_owned(), (*r).to_owned())).collect::<Vec<_>>()
    };
    let expected = named(&[("order.placed", "request-order"), ("order.released", "request-release")]);
    assert_eq!(acts("order", order_id), expected);
    assert_eq!(acts("certificate", certificate), named(&[("certificate.delivered", "request-pdf")]));
    let entry = EntryKey::parse("G", OFFICE, "2024", "816").unwrap().to_string();
    assert_eq!(acts("entry", entry), named(&[("entry.received", "request-entry")]));
}
