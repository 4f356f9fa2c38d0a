//! `stammbuch keys`: rotation beside a server that goes on serving, without one, over a kill; master keys that are
//! missing or wrong.

use std::fs;
use std::process::{Command, Output};

use crate::actors::ServerProcess;
use crate::actors::place::Place;

fn keys(place: &Place, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    command.arg("keys").args(args).arg("--config").arg(place.config_file()).output().unwrap()
}

#[track_caller]
fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn upload(place: &Place, n: usize) -> String {
    let text = format!("Akte {n}");
    let answer =
        place.engine().send("POST", "/v1/documents", &[("Content-Type", "text/plain")], text.as_bytes());
    answer.expect(201)["id"].as_str().unwrap().to_owned()
}

fn all_readable(place: &Place, ids: &[String]) {
    for (n, id) in ids.iter().enumerate() {
        let content = place.engine().get(&format!("/v1/documents/{id}/content"));
        assert_eq!((content.status, content.text()), (200, format!("Akte {n}").as_str()));
    }
}

/// Names of the keys that `list` shows, with what they wrap.
fn listed(place: &Place) -> Vec<(String, String)> {
    let list = done(keys(place, &["list"]));
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        (words[1].clone(), words[words.len() - 1].clone())
    };
    list.lines().skip(1).filter(|line| !line.starts_with("master")).map(line).collect()
}

#[test]
fn keys_are_rotated_beside_a_server_that_goes_on_and_after_it() {
    let server = ServerProcess::start();
    let mut ids: Vec<String> = (0..20).map(|n| upload(&server, n)).collect();
    assert_eq!(listed(&server), [("a1".to_owned(), "20".to_owned())]);
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| done(keys(&server, &["rotate"])));
        while !rotating.is_finished() {
            ids.push(upload(&server, ids.len()));
            all_readable(&server, &ids);
        }
        assert_eq!(rotating.join().unwrap(), "The keys are rotated.\n");
    });
    let wraps = ids.len().to_string();
    assert_eq!(listed(&server), [("a2".to_owned(), wraps.clone())]);
    let said = done(keys(&server, &["rotate", "--master"]));
    assert!(said.contains("Nothing needs master key 1 any more"), "{said}");
    all_readable(&server, &ids);

    let place = server.kill();
    let master = place.data_dir().join("keys/master.key");
    let text = fs::read_to_string(&master).unwrap();
    fs::write(&master, text.lines().filter(|line| !line.starts_with("1 ")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    let authority = place.authority().to_string();
    done(keys(&place, &["rotate", "--authority", &authority]));
    assert_eq!(listed(&place), [("a3".to_owned(), wraps)]);
    all_readable(&ServerProcess::on(place), &ids);
}

#[test]
fn a_rotation_that_a_kill_broke_off_is_finished_by_the_next_start() {
    let server = ServerProcess::start();
    let ids: Vec<String> = (0..30).map(|n| upload(&server, n)).collect();
    let mut rotating = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["keys", "rotate", "--config"])
        .arg(server.config_file())
        .spawn()
        .unwrap();
    let request = server.data_dir().join("rotate-keys");
    while !request.exists() && rotating.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let place = server.kill();
    rotating.kill().unwrap();
    rotating.wait().unwrap();
    let server = ServerProcess::on(place);
    while request.exists() {
        std::thread::yield_now();
    }
    assert_eq!(listed(&server), [("a2".to_owned(), "30".to_owned())]);
    all_readable(&server, &ids);
}

#[test]
fn a_missing_or_wrong_master_key_is_said_at_the_start_and_none_is_made() {
    let server = ServerProcess::start();
    upload(&server, 0);
    let place = server.kill();
    let master = place.data_dir().join("keys/master.key");
    let good = fs::read_to_string(&master).unwrap();
    let refused = |expected: &str| {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
        let output = serve.arg("serve").arg("--config").arg(place.config_file()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{expected}: {said}");
    };
    fs::remove_file(&master).unwrap();
    refused("master.key is missing, and the keystore needs its master keys: put the file back");
    assert!(!master.exists());
    let other = |text: &str| {
        fs::write(&master, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&master, mode).unwrap();
    };
    let zeros = "0".repeat(64);
    other(&format!("stammbuch master keys 1\n1 {zeros}\n"));
    refused("master key 1 in the file is not the one that the keystore was made with");
    other(&format!("stammbuch master keys 1\n2 {zeros}\n"));
    refused("the keystore needs master key 1, which is not in the file");
    other(&good);
    ServerProcess::on(place);
}
