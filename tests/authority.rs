//! `stammbuch authority`: a new authority from the command line to its first certificate, and what is refused.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use stammbuch::app::SystemClock;
use stammbuch::domain::clock::Clock as _;

use crate::actors::ServerProcess;
use crate::actors::desk::{copy, order};
use crate::actors::place::{OFFICE, Place};

const NEW_OFFICE: &str = "06411001";

fn authority(config: &Path, act: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    command.args(["authority", act, "--config"]).arg(config).args(arguments).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(why) && said.lines().count() == 1, "{said}");
}

/// An authority with one office, and its id.
fn neustadt(config: &Path) -> String {
    let office = format!("{NEW_OFFICE}=Neustadt-Mitte");
    let name = ["--name", "Standesamt Neustadt", "--place", "Neustadt", "--office", office.as_str()];
    done(&authority(config, "add", &name)).trim().to_owned()
}

/// Draws a registrar's token, appends its lines to the settings, and gives the token.
fn registrar(config: &Path, id: &str) -> String {
    let who = ["--authority", id, "--client", "desk", "--role", "registrar", "--person", "Erika Beispiel"];
    let lines = done(&authority(config, "token", &who));
    let token = lines.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    append(config, &lines);
    token
}

fn append(config: &Path, lines: &str) {
    let settings = std::fs::read_to_string(config).unwrap();
    std::fs::write(config, format!("{settings}\n{lines}")).unwrap();
}

#[test]
fn a_new_authority_issues_and_under_a_demo_ca_only_specimens_though_it_is_none_itself() {
    let place = Place::new(|_| {});
    let config = place.config_file();
    let id = neustadt(&config);
    let token = registrar(&config, &id);
    let keys = place.data_dir().join("keys");
    let signer = format!(
        "[[signing.authorities]]\nauthority = \"{id}\"\nkey_file = \"{0}/one.seal.key.pem\"\n\
         certificates_file = \"{0}/one.seal.pem\"\n",
        keys.display()
    );
    append(&config, &signer);
    let server = ServerProcess::on(place);
    let desk = server.bearer(&token);
    let mut copy = copy();
    copy["asOf"] = SystemClock.now().in_tz("Europe/Berlin").unwrap().date().to_string().into();
    desk.put(&format!("/v1/entries/G/{NEW_OFFICE}/2024/815"), &copy).expect(201);
    desk.put(&format!("/v1/entries/G/{OFFICE}/2024/815"), &copy).problem(404, "not-found");
    let mut order = order("815");
    order["entry"]["office"] = NEW_OFFICE.into();
    let issued = desk.post_once("/v1/certificates", "first", &order).expect(201);
    let answer = server.citizen().get(&format!("/v1/verify/{}", issued["number"].as_str().unwrap())).json();
    assert_eq!(answer["issued"]["specimen"], Value::Bool(true), "{answer}");
}

#[test]
fn offices_are_listed_while_they_hold_and_belong_to_one_authority() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.toml");
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    assert_eq!(done(&authority(&config, "list", &[])), "no authorities yet\n");
    let id = neustadt(&config);
    let office = |act: &str, id: &str, more: &[&str]| {
        let arguments = [&["--authority", id, "--number", NEW_OFFICE][..], more].concat();
        authority(&config, act, &arguments)
    };
    let listed =
        |name: &str| format!("{id}  Standesamt Neustadt (Neustadt)\n  office {NEW_OFFICE}  {name}\n");
    assert_eq!(done(&authority(&config, "list", &[])), listed("Neustadt-Mitte"));
    done(&office("office", &id, &["--name", "Neustadt", "--place", "Altdorf"]));
    assert_eq!(done(&authority(&config, "list", &[])), listed("Neustadt (Altdorf)"));

    let other = ["--name", "Zwei", "--place", "Zwei", "--office", "06411001=Fremd", "--specimen"];
    refused(&authority(&config, "add", &other), &format!("belongs to authority {id}"));
    refused(&office("office", &id, &["--name", "X", "--from", "1999-12-31"]), "has to begin after");
    refused(&office("office", &"0".repeat(32), &["--name", "X"]), "there is no authority");
    refused(&office("end-office", &id, &["--from", "1999-12-31"]), "no office 06411001");
    done(&office("end-office", &id, &[]));
    assert_eq!(done(&authority(&config, "list", &[])), format!("{id}  Standesamt Neustadt (Neustadt)\n"));
    done(&authority(&config, "add", &other));
    let all = done(&authority(&config, "list", &[]));
    assert!(all.contains("Zwei (Zwei)  specimens only\n  office 06411001  Fremd\n"), "{all}");
}

#[test]
fn what_would_not_serve_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.toml");
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    let id = neustadt(&config);
    let token = |more: &[&str]| {
        let arguments = [&["--authority", id.as_str(), "--client", "desk"][..], more].concat();
        authority(&config, "token", &arguments)
    };
    refused(&token(&["--role", "registrar"]), "a registrar is a named person");
    refused(&token(&["--role", "mayor"]), "--role");
    refused(&token(&[]), "required arguments");
    let add = |office: &str| authority(&config, "add", &["--name", "N", "--place", "P", "--office", office]);
    refused(&add("123=Kurz"), "--office");
    refused(&add("06411002"), "--office");
    refused(&authority(&config, "add", &["--name", "N", "--place", "P"]), "required arguments");
}
