//! The quarantine over HTTP: auditors see what was found, nobody reaches the file, and it goes at its time.

use jiff::SignedDuration;
use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use super::scanner::{eicar, scan, shared};
use super::{BYTES, FOUND, form, scanning, tus, upload, upload_once, zipped};
use crate::actors::bucket::Bucket;
use crate::actors::{Server, noon};
use crate::census;

pub fn listed(server: &Server) -> Vec<Value> {
    let list = server.actor(Role::Auditor).get("/v1/quarantine").expect(200);
    assert_eq!(list["more"], false);
    list["files"].as_array().unwrap().clone()
}

#[test]
fn an_auditor_sees_what_was_found_and_nobody_finds_or_reads_it() {
    let Some(server) = scanning() else { return };
    let engine = server.engine();
    let infected = [b"Kanarienvogel ".to_vec(), eicar()].concat();
    let path = "/v1/documents?title=Kanarienvogel";
    engine.send("POST", path, &[BYTES], &infected).problem(422, "infected");
    form(&engine, &zipped(&eicar())).problem(422, "infected");
    tus(&engine, &eicar()).0.problem(422, "infected");
    let files = listed(&server);
    assert_eq!(files.len(), 3);
    let digests: Vec<&str> = files.iter().map(|file| file["sha256"].as_str().unwrap()).collect();
    for bytes in [&infected, &zipped(&eicar()), &eicar()] {
        assert!(digests.contains(&Sha256::of(bytes).to_string().as_str()));
    }
    for file in &files {
        assert_eq!((&file["signature"], &file["client"]), (&json!(FOUND), &json!("engine-one")));
        assert_eq!((&file["foundAt"], &file["kept"]), (&json!(noon()), &json!(true)));
        assert_eq!(file["until"], json!(noon() + SignedDuration::from_hours(30 * 24)));
        assert!(!file.to_string().contains("Kanarienvogel"), "{file}");
        let id = file["id"].as_str().unwrap();
        for path in ["", "/content", "/text"] {
            server.registrar().get(&format!("/v1/documents/{id}{path}")).problem(404, "not-found");
        }
    }
    assert_eq!(server.registrar().get("/v1/search?q=Kanarienvogel").expect(200)["total"], 0);
    for role in [Role::Engine, Role::Clerk, Role::Registrar, Role::Operator] {
        server.actor(role).get("/v1/quarantine").problem(403, "role-missing");
    }
    let theirs = server.other(Role::Auditor).get("/v1/quarantine").expect(200);
    assert_eq!(theirs, json!({ "files": [], "more": false }));
    let census = census::of(&server);
    assert_eq!((census.documents, census.object_rows, census.keys), (0, 0, 3));
}

#[test]
fn the_same_request_again_gets_the_same_answer_and_is_noted_once() {
    let Some(server) = scanning() else { return };
    let engine = server.engine();
    let first = upload_once(&engine, "k-1", &eicar());
    assert_eq!(first.problem(422, "infected")["got"], FOUND);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let again = upload_once(&engine, "k-1", &eicar());
                again.problem(422, "infected");
                assert_eq!(again.body, first.body);
            });
        }
    });
    upload_once(&engine, "k-1", b"Anzeige").problem(422, "idempotency-key-reused");
    assert_eq!(listed(&server).len(), 1);
}

#[test]
fn infected_files_go_at_their_time_and_not_before() {
    let Some(server) = scanning() else { return };
    upload(&server.engine(), &eicar()).problem(422, "infected");
    assert_eq!(census::of(&server).keys, 1);
    let place = server.stop();
    census::sweep_all(&place);
    let server = Server::on_at(place, noon() + SignedDuration::from_hours(30 * 24 - 1));
    assert_eq!((listed(&server).len(), census::of(&server).keys), (1, 1), "it is no orphan");
    let server = Server::on_at(server.stop(), noon() + SignedDuration::from_hours(30 * 24));
    let census = census::settled_by(&server, |census| census.object_files == 0);
    assert_eq!((census.keys, census.object_files), (0, 0));
    assert!(listed(&server).is_empty());
}

/// The same bytes came when no signature knew them: that document stays and says so, and takes them along when it goes.
#[test]
fn a_document_with_the_same_bytes_is_flagged_and_erased_with_what_is_in_quarantine() {
    let Some((socket, _)) = shared() else { return };
    let server = Server::start();
    let document = upload(&server.engine(), &eicar()).expect(201);
    let mut place = server.stop();
    place.change(|config| scan(config, &socket));
    let server = Server::on(place);
    let path = format!("/v1/documents/{}", document["id"].as_str().unwrap());
    upload(&server.engine(), &eicar()).problem(422, "infected");
    let now = server.clerk().get(&path).expect(200);
    assert_eq!((&now["state"], &now["flag"]["reason"]), (&json!("flagged"), &json!("infected")));
    assert_eq!(server.clerk().get(&format!("{path}/content")).body, eicar());
    let census = census::of(&server);
    assert_eq!((census.keys, listed(&server).len()), (2, 1));
    let decision = json!({ "reason": "ordered", "provision": "§ 7 Abs. 3 PStG" });
    server.registrar().post(&format!("{path}/erase"), &decision).expect(202);
    let census = census::settled_by(&server, |census| census.object_files == 0);
    assert_eq!((census.object_files, census.keys, listed(&server).len()), (0, 0, 0));
}

#[test]
fn a_direct_upload_that_is_infected_is_answered_once_and_leaves_the_staging_folder() {
    let (Some((socket, _)), Some(bucket)) = (shared(), Bucket::make()) else { return };
    let server = Server::start_with(|config| {
        bucket.configure(config, &bucket.endpoint.clone());
        config.objects.s3.direct_uploads = true;
        scan(config, &socket);
    });
    for (bytes, status) in [(b"Anzeige der Geburt".to_vec(), 201), (eicar(), 422)] {
        let asked = json!({ "size": bytes.len(), "sha256": Sha256::of(&bytes).to_string() });
        let ticket = server.engine().post("/v1/uploads/direct", &asked).expect(201);
        let name = format!("site/staging/{}", ticket["id"].as_str().unwrap());
        bucket.write(&name, &bytes);
        let complete = || server.engine().send("POST", ticket["complete"].as_str().unwrap(), &[], &[]);
        let first = complete();
        assert_eq!(first.status, status, "{}", first.text());
        assert!(!bucket.names().contains(&name));
        assert_eq!((complete().status, complete().body), (status, first.body));
    }
    assert_eq!(listed(&server).len(), 1);
}
