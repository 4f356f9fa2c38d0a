//! A store that speaks TLS under a certificate of one's own: it is trusted by `ca_file`, and by nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use stammbuch::config::Config;
use tempfile::TempDir;

use super::{binary, content, upload, upload_at_last};
use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::place::Place;

/// A MinIO of the test's own with a certificate that a CA of the test's own signed.
struct Encrypted {
    folder: TempDir,
    bucket: Bucket,
}

fn openssl(folder: &Path, arguments: &str) {
    let run = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
}

fn minio(folder: &Path, what: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/minio.sh");
    let mut command = Command::new(script);
    command.args([what, folder.join("minio").to_str().unwrap()]);
    let output = command.env("STAMMBUCH_MINIO_CERTS", folder.join("certs")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Encrypted {
    /// None, said aloud, where there is no store to test with.
    fn start() -> Option<Self> {
        Bucket::make()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for (ca, subject) in [("ca", "/CN=Own"), ("other", "/CN=Other")] {
            openssl(
                folder.path(),
                &format!("req -x509 {key} -keyout {ca}.key -out {ca}.pem -days 30 -subj {subject}"),
            );
        }
        openssl(
            folder.path(),
            &format!("req -new {key} -keyout certs/private.key -out store.csr -subj /CN=store"),
        );
        let names = "subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
        std::fs::write(folder.path().join("names"), names).unwrap();
        openssl(
            folder.path(),
            "x509 -req -in store.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out certs/public.crt",
        );
        let given = minio(folder.path(), "start");
        assert!(given.starts_with("https://"), "{given}");
        let roots = std::fs::read(folder.path().join("ca.pem")).unwrap();
        let bucket = Bucket::at(&given, Some(&roots));
        Some(Self { folder, bucket })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, config: &mut Config, trusted: &str) {
        self.bucket.configure(config, &self.bucket.endpoint);
        config.objects.s3.ca_file = self.file(trusted);
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        minio(self.folder.path(), "stop");
    }
}

#[test]
fn a_store_is_trusted_by_the_certificates_of_ca_file_and_by_no_others() {
    let Some(store) = Encrypted::start() else { return };
    let server = Server::start_with(|config| store.configure(config, "ca.pem"));
    let bytes = [binary(1, 2000), binary(2, 9_000_000)];
    let kept = [upload(&server, "a", &bytes[0]).expect(201), upload(&server, "b", &bytes[1]).expect(201)];
    server.citizen().get("/health/ready").expect(200);
    // Under other roots it is not spoken with: neither at the start nor later.
    let stranger = Server::start_with(|config| store.configure(config, "other.pem"));
    let health = stranger.citizen().get("/health/ready");
    assert_eq!((health.status, &health.json()["facts"]["objects"]["overwrite"]), (503, &json!("unknown")));
    upload(&stranger, "a", b"nobody sees this").problem(503, "unavailable");
    drop(stranger);
    let server = Server::on(server.stop());
    for (document, bytes) in kept.iter().zip(&bytes) {
        assert!(content(&server, document).body == *bytes);
    }
    upload_at_last(&server, "c", b"and on");
}

#[test]
fn a_ca_file_without_certificates_stops_the_start_and_is_named() {
    let Some(bucket) = Bucket::make() else { return };
    let place = Place::new(|config| {
        bucket.configure(config, "https://127.0.0.1:9");
        config.objects.s3.ca_file = "keys/roots.pem".into();
        std::fs::write(config.data_dir.join("keys/roots.pem"), "swordfish\n").unwrap();
    });
    let mut program = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    let output = program.args(["serve", "--config"]).arg(place.config_file()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("keys/roots.pem cannot be read: it holds no certificates in PEM"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}
