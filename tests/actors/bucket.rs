//! A bucket of its own for a test over HTTP, on the MinIO that `STAMMBUCH_TEST_S3` names (endpoint, key, secret).

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls;
use stammbuch::app::SystemRandom;
use stammbuch::config::{Config, ObjectStoreKind};
use stammbuch::domain::random;

/// Made for one test.
pub struct Bucket {
    /// Where the store answers.
    pub endpoint: String,
    key: String,
    secret: String,
    name: String,
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Bucket {
    /// None, said aloud, where there is no store to test with.
    pub fn make() -> Option<Self> {
        Self::make_on("STAMMBUCH_TEST_S3")
    }

    /// As [`Self::make`], on the store that another variable names.
    pub fn make_on(variable: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests are handed their store by the environment")]
        let Ok(given) = std::env::var(variable) else {
            eprintln!("skipped: {variable} names no store");
            return None;
        };
        Some(Self::at(&given, None))
    }

    /// In the store that `given` names (endpoint, key, secret), with the certificates (PEM) its own is checked against.
    pub fn at(given: &str, roots: Option<&[u8]>) -> Self {
        let parts: Vec<&str> = given.split(' ').collect();
        let [endpoint, key, secret] = parts.as_slice() else { panic!("expected ENDPOINT KEY SECRET") };
        let name = format!("http-{}", hex::encode(random::bytes::<8>(&SystemRandom::new())));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http_client(roots))
            .endpoint_url(*endpoint)
            .region(Region::new("us-east-1"))
            .force_path_style(true)
            .credentials_provider(Credentials::new(*key, *secret, None, None, "test"))
            .build();
        let client = Client::from_conf(config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.create_bucket().bucket(&name).send()).unwrap();
        let (endpoint, key, secret) = ((*endpoint).into(), (*key).into(), (*secret).into());
        Self { endpoint, key, secret, name, runtime, client }
    }

    /// Settings for a server that keeps its objects here, reached at `endpoint`.
    pub fn configure(&self, config: &mut Config, endpoint: &str) {
        config.objects.store = ObjectStoreKind::S3;
        config.objects.s3.endpoint = endpoint.to_owned();
        config.objects.s3.bucket.clone_from(&self.name);
        config.objects.s3.prefix = "site/".to_owned();
        config.objects.s3.credentials_file = "keys/s3.toml".into();
        let keys = format!("access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n", self.key, self.secret);
        std::fs::write(config.data_dir.join("keys/s3.toml"), keys).unwrap();
    }

    /// Lets anybody do anything: for a proxy that changes what was signed.
    pub fn open_to_all(&self) {
        let name = &self.name;
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],
            "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
        }]});
        let put = self.client.put_bucket_policy().bucket(name).policy(policy.to_string()).send();
        self.runtime.block_on(put).unwrap();
    }

    /// The names in the bucket, in their order.
    pub fn names(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(&self.name).send();
        let listed = self.runtime.block_on(listed).unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// Puts an object there, whatever was there before.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let body = bytes.to_vec().into();
        let written = self.client.put_object().bucket(&self.name).key(name).body(body).send();
        self.runtime.block_on(written).unwrap();
    }

    /// The bytes of an object.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let read = async {
            let object = self.client.get_object().bucket(&self.name).key(name).send().await.unwrap();
            object.body.collect().await.unwrap().to_vec()
        };
        self.runtime.block_on(read)
    }
}

fn http_client(roots: Option<&[u8]>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    let Some(roots) = roots else { return builder.build_http() };
    let trust = tls::TrustStore::empty().with_pem_certificate(roots);
    let context = tls::TlsContext::builder().with_trust_store(trust).build().unwrap();
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    builder.tls_provider(provider).tls_context(context).build_https()
}
