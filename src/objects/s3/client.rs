//! What an S3 store is reached by, and the clients made from it: one for short answers, one for many bytes.
//!
//! Knows addresses, keys and time-outs; not what is stored.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Time for a short request and the head of its answer.
const SHORT: Duration = Duration::from_secs(15);
/// Time for a request with many bytes, or one on which the store has to put many parts together.
const LONG: Duration = Duration::from_secs(120);
/// Time for which a body may stand still.
const STALLED: Duration = Duration::from_secs(20);

/// Where the store is and who asks.
#[derive(Clone)]
pub struct Address {
    /// `https://HOST[:PORT]`; `http://` for this machine only, which the configuration checks.
    pub endpoint: String,
    /// The region that signatures name.
    pub region: String,
    /// The bucket. It must be there.
    pub bucket: String,
    /// What every name in the bucket begins with: empty, or ending with a slash.
    pub prefix: String,
    /// The bucket in the path (MinIO, most stores on one's own machines), not in the host's name.
    pub path_style: bool,
    /// Who asks.
    pub keys: AccessKeys,
    /// Certificates (PEM) that the store's own is checked against; none: the system's.
    pub trusted_pem: Option<Vec<u8>>,
}

/// The keys of an S3 account. Not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeys {
    /// The key's name.
    pub id: String,
    /// The key.
    pub secret: String,
    /// For keys that live for a short time.
    pub session_token: Option<String>,
}

/// The two clients.
#[derive(Clone)]
pub(super) struct Clients {
    /// Small bodies, quick answers.
    pub(super) short: Client,
    /// Parts of large objects.
    pub(super) long: Client,
}

impl Clients {
    pub(super) fn new(address: &Address) -> Self {
        let mut trust = tls::TrustStore::empty();
        match &address.trusted_pem {
            Some(pem) => trust = trust.with_pem_certificate(pem.as_slice()),
            None => trust = trust.with_native_roots(address.endpoint.starts_with("https:")),
        }
        // Building fails only where a provider cannot be chosen at run time; this one is compiled in.
        let context = tls::TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(context)
            .build_https();
        let AccessKeys { id, secret, session_token } = address.keys.clone();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .endpoint_url(&address.endpoint)
            .region(Region::new(address.region.clone()))
            .force_path_style(address.path_style)
            .credentials_provider(Credentials::new(id, secret, session_token, None, "stammbuch"))
            // Attempts are counted by `Asking`, which has to know how many there were.
            .retry_config(RetryConfig::disabled())
            // Digests are ours: SHA-256 of every body, and AES-GCM over what comes back.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(STALLED).build(),
            );
        Self { short: timed(config.clone(), SHORT), long: timed(config, LONG) }
    }
}

fn timed(config: Builder, limit: Duration) -> Client {
    let limits = TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(limit).build();
    Client::from_conf(config.timeout_config(limits).build())
}
