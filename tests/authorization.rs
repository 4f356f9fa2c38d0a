//! Who may call what: every route of the table has its line here.

use std::collections::BTreeSet;

use stammbuch::access::Role;
use stammbuch::http::listed;

use crate::actors::Server;
use crate::actors::speak::Actor;

const NOBODY: &[Role] = &[];
const REGISTERING: &[Role] = &[Role::Engine, Role::Registrar];
const DESK: &[Role] = &[Role::Engine, Role::Clerk, Role::Registrar];

/// Method, template and the roles that may; nobody means that no token is needed.
const CASES: &[(&str, &str, &[Role])] = &[
    ("POST", "/v1/documents", DESK),
    ("POST", "/v1/documents/known", DESK),
    ("GET", "/v1/documents/{id}", DESK),
    ("GET", "/v1/documents/{id}/content", DESK),
    ("GET", "/v1/documents/{id}/text", DESK),
    ("PUT", "/v1/documents/{id}/restriction", &[Role::Clerk, Role::Registrar]),
    ("POST", "/v1/documents/{id}/holds", &[Role::Clerk, Role::Registrar]),
    ("POST", "/v1/documents/{id}/holds/{hold}/lift", &[Role::Registrar]),
    ("POST", "/v1/documents/{id}/erase", &[Role::Registrar]),
    ("OPTIONS", "/v1/uploads", NOBODY),
    ("POST", "/v1/uploads", DESK),
    ("POST", "/v1/uploads/direct", DESK),
    ("POST", "/v1/uploads/direct/{id}/complete", DESK),
    ("GET", "/v1/uploads/{id}", DESK),
    ("PATCH", "/v1/uploads/{id}", DESK),
    ("DELETE", "/v1/uploads/{id}", DESK),
    ("POST", "/v1/uploads/{id}", DESK),
    ("PUT", "/v1/entries/{register}/{office}/{year}/{number}", REGISTERING),
    ("POST", "/v1/entries/{register}/{office}/{year}/{number}/subsequent", REGISTERING),
    ("GET", "/v1/entries/{register}/{office}/{year}/{number}", &[Role::Clerk, Role::Registrar]),
    ("POST", "/v1/orders", DESK),
    ("GET", "/v1/orders/{id}", DESK),
    ("POST", "/v1/orders/{id}/release", &[Role::Registrar]),
    ("POST", "/v1/certificates", &[Role::Registrar]),
    ("GET", "/v1/certificates/{id}", DESK),
    ("GET", "/v1/certificates/{id}/pdf", DESK),
    ("GET", "/v1/certificates/{id}/proof", DESK),
    ("GET", "/log/checkpoint", NOBODY),
    ("GET", "/log/tile/{tile:.*}", NOBODY),
    ("POST", "/v1/verify", NOBODY),
    ("GET", "/v1/verify", NOBODY),
    ("GET", "/v1/verify/{number}", NOBODY),
    ("GET", "/v", NOBODY),
    ("GET", "/v/trust.json", NOBODY),
    ("GET", "/v/{number}", NOBODY),
    ("GET", "/static/{name}", NOBODY),
    ("GET", "/v1/search", &[Role::Clerk, Role::Registrar, Role::Auditor]),
    ("POST", "/v1/search", &[Role::Clerk, Role::Registrar, Role::Auditor]),
    ("GET", "/v1/export", &[Role::Registrar]),
    ("GET", "/v1/export/audit", &[Role::Auditor]),
    ("GET", "/v1/export/{part}", &[Role::Registrar]),
    ("GET", "/v1/quarantine", &[Role::Auditor]),
    ("GET", "/v1/events/dead", &[Role::Auditor, Role::Operator]),
    ("POST", "/v1/events/dead/replay", &[Role::Operator]),
    ("POST", "/v1/events/dead/{id}/replay", &[Role::Operator]),
    ("GET", "/health/live", NOBODY),
    ("GET", "/health/ready", NOBODY),
    ("GET", "/metrics", NOBODY),
    ("GET", "/openapi.json", NOBODY),
];

const ALL: [Role; 5] = [Role::Engine, Role::Clerk, Role::Registrar, Role::Auditor, Role::Operator];

/// A path of the template: its values name nothing.
fn path(template: &str) -> String {
    let mut path = String::new();
    for part in template.split('{') {
        match part.split_once('}') {
            Some((_, rest)) => path += &format!("{}{rest}", "0".repeat(32)),
            None => path += part,
        }
    }
    path
}

#[test]
fn every_route_has_a_case() {
    let routes: BTreeSet<_> = listed().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    let cases: BTreeSet<_> = CASES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(routes, cases);
}

#[test]
fn every_route_is_for_its_roles_and_for_nobody_else() {
    let server = Server::start();
    for (method, template, roles) in CASES {
        let path = path(template);
        let ask = |actor: Actor| actor.send(method, &path, &[], &[]);
        if roles.is_empty() {
            let status = ask(server.citizen()).status;
            assert!(!matches!(status, 401 | 403), "{method} {template}: {status}");
            continue;
        }
        ask(server.citizen()).problem(401, "token-missing");
        ask(server.stranger()).problem(401, "token-unknown");
        for role in ALL {
            let answer = ask(server.actor(role));
            if roles.contains(&role) {
                assert!(
                    !matches!(answer.status, 401 | 403),
                    "{method} {template} as {role:?}: {}",
                    answer.status
                );
            } else {
                answer.problem(403, "role-missing");
            }
        }
    }
}
