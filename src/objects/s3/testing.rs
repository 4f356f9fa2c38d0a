//! A bucket of its own for each test, on the MinIO that `STAMMBUCH_TEST_S3` names (endpoint, key, secret).

use std::sync::Arc;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use tempfile::TempDir;

use super::client::Clients;
use super::{AccessKeys, Address, Retention, S3Store};
use crate::app::SystemRandom;
use crate::domain::random;

#[path = "../../../tests/actors/proxy.rs"]
#[expect(dead_code, reason = "the tests over HTTP use more of it")]
pub(super) mod proxy;

pub(super) struct Bucket {
    pub(super) address: Address,
    folder: TempDir,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Versioned,
    Locking,
    /// Anybody may do anything: for a proxy that changes what was signed.
    Public,
}

impl Bucket {
    /// None, said aloud, where there is no store to test with.
    pub(super) async fn make(kind: Kind) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests are handed their store by the environment")]
        let Ok(given) = std::env::var("STAMMBUCH_TEST_S3") else {
            eprintln!("skipped: STAMMBUCH_TEST_S3 names no store");
            return None;
        };
        let parts: Vec<&str> = given.split(' ').collect();
        let [endpoint, id, secret] = parts.as_slice() else { panic!("expected ENDPOINT KEY SECRET") };
        let address = Address {
            endpoint: (*endpoint).to_owned(),
            region: "us-east-1".to_owned(),
            bucket: format!("test-{}", hex::encode(random::bytes::<8>(&SystemRandom::new()))),
            prefix: "archive/".to_owned(),
            path_style: true,
            keys: AccessKeys { id: (*id).to_owned(), secret: (*secret).to_owned(), session_token: None },
            trusted_pem: None,
        };
        let (client, name) = (Clients::new(&address).short, &address.bucket);
        let lock = kind == Kind::Locking;
        client.create_bucket().bucket(name).object_lock_enabled_for_bucket(lock).send().await.unwrap();
        if kind == Kind::Versioned {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            client.put_bucket_versioning().bucket(name).versioning_configuration(on).send().await.unwrap();
        }
        if kind == Kind::Public {
            let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],
                "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
            }]});
            client.put_bucket_policy().bucket(name).policy(policy.to_string()).send().await.unwrap();
        }
        Some(Self { address, folder: tempfile::tempdir().unwrap() })
    }

    pub(super) fn store(&self) -> S3Store {
        self.store_at(&self.address.endpoint, None)
    }

    /// The store as seen through `endpoint`.
    pub(super) fn store_at(&self, endpoint: &str, retention: Option<Retention>) -> S3Store {
        let address = Address { endpoint: endpoint.to_owned(), ..self.address.clone() };
        let spool = self.folder.path().join("spool");
        S3Store::new(&address, retention, &spool, Arc::new(SystemRandom::new())).unwrap()
    }

    /// Names, versions and delete marks that lie in the bucket.
    pub(super) async fn everything(&self) -> Vec<String> {
        let client = Clients::new(&self.address).short;
        let listed = client.list_object_versions().bucket(&self.address.bucket).send().await.unwrap();
        let versions = listed.versions().iter().filter_map(|version| version.key());
        let marks = listed.delete_markers().iter().filter_map(|mark| mark.key());
        versions.chain(marks).map(str::to_owned).collect()
    }
}
