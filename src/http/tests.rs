//! What the platform does for every resource, on routes made for these tests.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderMap, WWW_AUTHENTICATE};
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpResponse, middleware, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;

use super::observe::{Observer, observe};
use super::problem::Problem;
use super::{Metrics, body, caller};
use crate::access::{Role, Tokens};
use crate::config::{Limits, Token};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::domain::random::SeededRandom;

const JSON_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    copies: u8,
}

async fn take(order: web::Json<Order>) -> HttpResponse {
    HttpResponse::Ok().json(order.copies)
}

async fn page(order: web::Query<Order>, document: web::Path<DocumentId>) -> String {
    format!("{} of {document}", order.copies)
}

macro_rules! roles {
    ($services:ident, $($name:ident)*) => { $(
        $services.route(
            concat!("/", stringify!($name)),
            web::get().to(|who: caller::$name| async move { who.client.clone() }),
        );
    )* };
}

fn routes(services: &mut web::ServiceConfig) {
    let limits = Limits { json_bytes_max: JSON_MAX, ..Limits::default() };
    body::configure(&limits, services);
    services.route("/orders", web::post().to(take)).route("/documents/{id}", web::get().to(page));
    roles!(services, Engine Clerk Registrar Auditor Operator Uploader Reader Orderer);
}

fn role_named(name: &str) -> Role {
    serde_json::from_value(Value::from(name)).unwrap()
}

const ROLES: [&str; 5] = ["engine", "clerk", "registrar", "auditor", "operator"];

fn tokens() -> Tokens {
    let tokens = ROLES.map(|name| Token {
        sha256: Sha256::of(name.as_bytes()),
        client: name.into(),
        authority: AuthorityId::from_bytes([1; 16]),
        roles: vec![role_named(name)],
        person: Some("Erika".into()),
        function: None,
    });
    Tokens::new(&tokens)
}

async fn answer(
    request: TestRequest,
    idle: Duration,
) -> (ServiceResponse<impl actix_web::body::MessageBody>, web::Data<Metrics>) {
    let metrics = web::Data::new(Metrics::new().unwrap());
    let random = Arc::new(SeededRandom::new(1));
    let observer = Observer {
        random,
        metrics: metrics.clone(),
        pace: body::Pace { idle, bytes_per_second_min: 1 },
        https: true,
    };
    let app = App::new()
        .app_data(web::Data::new(observer))
        .app_data(web::Data::new(tokens()))
        .configure(routes)
        .wrap(middleware::from_fn(observe));
    let service = test::init_service(app).await;
    (test::call_service(&service, request.to_request()).await, metrics)
}

async fn ask(request: TestRequest) -> (u16, HeaderMap, Value) {
    let (response, _) = answer(request, Duration::from_secs(60)).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = test::read_body(response).await;
    let text = Value::from(String::from_utf8_lossy(&body));
    (status, headers, serde_json::from_slice(&body).unwrap_or(text))
}

fn json(text: &str) -> TestRequest {
    TestRequest::post()
        .uri("/orders")
        .insert_header(("content-type", "application/json"))
        .set_payload(text.to_owned())
}

fn name(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().rsplit('/').next().unwrap()
}

#[actix_web::test]
async fn a_body_that_is_not_the_expected_json_is_told_why() {
    let cases = [
        ("", 400, "malformed-json"),
        ("{", 400, "malformed-json"),
        ("{\"copies\": 256}", 400, "malformed-json"),
        ("{\"copies\": \"two\"}", 400, "malformed-json"),
        ("{}", 400, "malformed-json"),
        ("{\"copies\": 1, \"color\": \"red\"}", 400, "unknown-field"),
    ];
    for (text, status, expected) in cases {
        let (got, headers, problem) = ask(json(text)).await;
        assert_eq!((got, name(&problem)), (status, expected), "{text}");
        assert_eq!(headers.get("content-type").unwrap(), "application/problem+json");
    }
    let (_, _, problem) = ask(json("{\"color\": 1}")).await;
    assert_eq!(problem["detail"], "unknown field `color`, expected `copies` at line 1 column 8");
    let (status, _, problem) =
        ask(json("{\"copies\": 1}").insert_header(("content-type", "text/plain"))).await;
    assert_eq!((status, name(&problem)), (415, "content-type-unsuitable"));
    assert_eq!(problem["expected"], "application/json");
}

#[actix_web::test]
async fn a_json_body_may_have_the_limit_and_not_a_byte_more() {
    let padded = |bytes: usize| format!("{:<bytes$}", "{\"copies\": 1}");
    assert_eq!(ask(json(&padded(JSON_MAX))).await.0, 200);
    let (status, _, problem) = ask(json(&padded(JSON_MAX + 1))).await;
    assert_eq!((status, name(&problem)), (413, "body-too-large"));
    assert_eq!(problem["expected"], "at most 64 bytes");
}

#[actix_web::test]
async fn queries_and_paths_that_cannot_be_read_are_problems_too() {
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(ask(TestRequest::get().uri(&format!("/documents/{id}?copies=2"))).await.0, 200);
    for (uri, status, expected) in [
        (format!("/documents/{id}"), 400, "malformed-request"),
        (format!("/documents/{id}?copies=x"), 400, "malformed-request"),
        (format!("/documents/{id}?copies=1&color=2"), 400, "unknown-field"),
        ("/documents/12?copies=1".into(), 404, "not-found"),
    ] {
        let (got, _, problem) = ask(TestRequest::get().uri(&uri)).await;
        assert_eq!((got, name(&problem)), (status, expected), "{uri}");
    }
}

#[actix_web::test]
async fn a_handler_runs_for_the_roles_in_its_types_and_for_nobody_else() {
    let cases: [(&str, &[Role]); 8] = [
        ("Engine", caller::Engine::ROLES),
        ("Clerk", caller::Clerk::ROLES),
        ("Registrar", caller::Registrar::ROLES),
        ("Auditor", caller::Auditor::ROLES),
        ("Operator", caller::Operator::ROLES),
        ("Uploader", caller::Uploader::ROLES),
        ("Reader", caller::Reader::ROLES),
        ("Orderer", caller::Orderer::ROLES),
    ];
    for (route, allowed) in cases {
        let bare = TestRequest::get().uri(&format!("/{route}"));
        let (status, headers, problem) = ask(bare).await;
        assert_eq!((status, name(&problem)), (401, "token-missing"));
        assert_eq!(headers.get(WWW_AUTHENTICATE).unwrap(), "Bearer realm=\"stammbuch\"");
        for role in ROLES {
            let with = |header: String| {
                TestRequest::get().uri(&format!("/{route}")).insert_header(("authorization", header))
            };
            let (status, _, answer) = ask(with(format!("bearer {role}"))).await;
            if allowed.contains(&role_named(role)) {
                assert_eq!((status, &answer), (200, &Value::from(role)), "{route}");
            } else {
                assert_eq!((status, name(&answer)), (403, "role-missing"), "{route} {role}");
                assert_eq!(answer["got"], serde_json::json!([role]));
            }
        }
    }
}

#[actix_web::test]
async fn a_header_that_is_no_known_bearer_token_is_401() {
    for (header, expected) in [
        ("Bearer nobody", "token-unknown"),
        ("Bearer ", "token-unknown"),
        ("Bearer clerk2", "token-unknown"),
        ("Bearer", "token-missing"),
        ("Basic Y2xlcms=", "token-missing"),
        ("clerk", "token-missing"),
    ] {
        let request = TestRequest::get().uri("/Clerk").insert_header(("authorization", header));
        let (status, _, problem) = ask(request).await;
        assert_eq!((status, name(&problem)), (401, expected), "{header}");
    }
}

#[actix_web::test]
async fn a_request_keeps_its_id_if_that_is_harmless_and_gets_one_if_not() {
    let id = |headers: &HeaderMap| headers.get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let with = |sent: &str| TestRequest::get().uri("/nowhere").insert_header(("x-request-id", sent));
    assert_eq!(id(&ask(with("trace-4711_a.b")).await.1), "trace-4711_a.b");
    for harmful in ["short", "has space", "\"quoted\"", "{\"a\":1}0", &"x".repeat(65)] {
        let given = id(&ask(with(harmful)).await.1);
        assert!(given.len() == 32 && given.chars().all(|c| c.is_ascii_hexdigit()), "{harmful}: {given}");
    }
}

#[actix_web::test]
async fn every_answer_has_the_headers_that_keep_browsers_from_guessing() {
    let (_, headers, _) = ask(TestRequest::get().uri("/nowhere")).await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        assert_eq!(headers.get(name).map(|got| got.to_str().unwrap()), Some(value), "{name}");
    }
}

#[actix_web::test]
async fn metrics_count_the_template_of_a_route_and_never_what_was_asked_for() {
    let id = "0123456789abcdef0123456789abcdef";
    let request = TestRequest::get().uri(&format!("/documents/{id}?copies=7"));
    let (_, metrics) = answer(request, Duration::from_secs(60)).await;
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    let line = "stammbuch_http_requests_total{method=\"GET\",route=\"/documents/{id}\",status=\"200\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains(id) && !text.contains("copies"), "{text}");
    let strange = TestRequest::with_uri("/secret").method("INVENTED".parse().unwrap());
    let (_, metrics) = answer(strange, Duration::from_secs(60)).await;
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    assert!(text.contains("{method=\"other\",route=\"unmatched\",status=\"404\"} 1"), "{text}");
    assert!(!text.contains("INVENTED") && !text.contains("secret"), "{text}");
}

#[actix_web::test]
async fn a_body_that_stands_still_is_given_up() {
    let mut request = json("").to_srv_request();
    let stalled = stream::iter([Ok(Bytes::from_static(b"{"))]);
    let stalled = futures_util::StreamExt::chain(stalled, stream::pending());
    request.set_payload(actix_web::dev::Payload::Stream { payload: Box::pin(stalled) });
    let pace = body::Pace { idle: Duration::from_millis(10), bytes_per_second_min: 1 };
    body::limit_pace(&mut request, pace);
    let mut payload = request.into_parts().1;
    let first = futures_util::StreamExt::next(&mut payload).await.unwrap();
    assert_eq!(first.unwrap(), "{");
    let error = futures_util::StreamExt::next(&mut payload).await.unwrap().unwrap_err();
    let problem: Problem = body::payload(&error);
    assert_eq!(problem.to_string(), "body-too-slow");
}
