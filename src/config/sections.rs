//! The tables of the configuration and their defaults; config/default.toml explains each key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Declares a table whose keys all have a default.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section! {
    /// The HTTP server's bounds.
    Http {
        /// Threads that answer.
        workers: usize = 2,
        /// Connections open at a time.
        connections_max: usize = 1024,
        /// Time for the head of a request.
        head_seconds: u64 = 10,
        /// Time a body may stand still.
        body_idle_seconds: u64 = 20,
        /// What a body must bring on the average, once it was waited for that long.
        body_bytes_per_second_min: u64 = 512,
        /// Time an idle connection is kept.
        keep_alive_seconds: u64 = 5,
        /// Time accepted requests have to finish in at shutdown.
        shutdown_seconds: u64 = 30,
    }
}

section! {
    /// The main database.
    Database {
        /// `sqlite:PATH` (in `data_dir`) or `postgres://…`.
        url: String = "sqlite:stammbuch.sqlite".into(),
    }
}

section! {
    /// The wrapped keys of documents.
    Keystore {
        /// `sqlite:PATH` (in `data_dir`) or `postgres://…`.
        url: String = "sqlite:keystore.sqlite".into(),
        /// The key that wraps them.
        master_key_file: PathBuf = "keys/master.key".into(),
    }
}

section! {
    /// The object store.
    Objects {
        /// Where it is.
        store: ObjectStoreKind = ObjectStoreKind::Disk,
        /// Its folder on the disk.
        folder: PathBuf = "objects".into(),
        /// Its bucket.
        s3: S3 = S3::default(),
    }
}

section! {
    /// The object store in a bucket.
    S3 {
        /// `https://HOST[:PORT]`, or `http://` with a loopback address.
        endpoint: String = String::new(),
        /// The region that requests are signed for.
        region: String = "us-east-1".into(),
        /// The bucket.
        bucket: String = String::new(),
        /// What every name begins with: empty, or with a slash at its end.
        prefix: String = String::new(),
        /// Whether the bucket is in the path or in the host's name.
        path_style: bool = true,
        /// The keys; empty: from the environment.
        credentials_file: PathBuf = PathBuf::new(),
        /// PEM of the CAs that may vouch for the store; empty: the system's.
        ca_file: PathBuf = PathBuf::new(),
        /// Where parts of large files wait.
        spool: PathBuf = "spool".into(),
        /// Whether senders may put files into a staging folder of the bucket themselves.
        direct_uploads: bool = false,
        /// For how long a signed request for that is good.
        direct_seconds: u32 = 900,
        /// Between two looks at what the store enforces.
        probe_seconds: u64 = 6 * 3600,
        /// How originals are kept from being removed.
        lock: ObjectLock = ObjectLock::None,
        /// For how long.
        lock_days: u32 = 0,
    }
}

/// Where objects lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectStoreKind {
    /// In a folder.
    Disk,
    /// In a bucket.
    S3,
}

/// The modes of S3 Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectLock {
    /// None.
    None,
    /// Removable with a special right.
    Governance,
    /// Removable by nobody.
    Compliance,
}

impl S3 {
    /// The first setting that cannot be as it is, and what would do.
    pub(super) fn contradiction(&self) -> Option<(&'static str, String)> {
        let host = self.endpoint.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next());
        let is_here = matches!(host, Some(Some("127.0.0.1" | "localhost")));
        if !self.endpoint.starts_with("https://") && !is_here {
            let expected = format!("https://HOST, or http://127.0.0.1:PORT, got {:?}", self.endpoint);
            return Some(("objects.s3.endpoint", expected));
        }
        if self.bucket.is_empty() {
            return Some(("objects.s3.bucket", "the name of a bucket".to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let is_folder =
            self.prefix.is_empty() || (self.prefix.ends_with('/') && !self.prefix.starts_with('/'));
        if !is_folder || !self.prefix.chars().all(plain) {
            let expected =
                format!("nothing, or letters, digits and / with a / at the end, got {:?}", self.prefix);
            return Some(("objects.s3.prefix", expected));
        }
        if !(1..=7 * 24 * 3600).contains(&self.direct_seconds) {
            let expected = format!("1 to 604800, got {}", self.direct_seconds);
            return Some(("objects.s3.direct_seconds", expected));
        }
        if self.probe_seconds == 0 {
            return Some(("objects.s3.probe_seconds", "at least 1, got 0".to_owned()));
        }
        match (self.lock, self.lock_days) {
            (ObjectLock::None, 1..) => Some(("objects.s3.lock", "a mode, or lock_days = 0".to_owned())),
            (ObjectLock::Governance | ObjectLock::Compliance, 0) => {
                Some(("objects.s3.lock_days", "at least 1, got 0".to_owned()))
            }
            _ => None,
        }
    }
}

section! {
    /// The index.
    Search {
        /// Its folder.
        folder: PathBuf = "index".into(),
    }
}

section! {
    /// Sizes of what is accepted.
    Limits {
        /// Of a document.
        upload_bytes_max: u64 = 2 << 30,
        /// Of a JSON body.
        json_bytes_max: usize = 1 << 20,
    }
}

section! {
    /// Uploads that come in several requests.
    Uploads {
        /// Time one is kept after its last byte came.
        kept_hours: u64 = 24,
        /// Open ones of a client.
        client_open_max: u64 = 64,
        /// Bytes they announce.
        client_bytes_max: u64 = 16 << 30,
        /// Open ones of an authority.
        authority_open_max: u64 = 1024,
        /// Bytes they announce.
        authority_bytes_max: u64 = 128 << 30,
    }
}

impl Uploads {
    /// Less than the seven days an idempotency key is remembered: by one an upload becomes a document once.
    pub const KEPT_HOURS_MAX: u64 = 144;
}

section! {
    /// The processes that read uploaded files, and the bounds of each.
    Extractor {
        /// What is started for each file; empty: the running program itself.
        program: PathBuf = PathBuf::new(),
        /// How many at a time.
        children: usize = 2,
        /// Writable memory.
        memory_mib: u64 = 256,
        /// Processor time.
        cpu_seconds: u64 = 30,
        /// Time on the wall.
        wall_seconds: u64 = 60,
        /// Text from one file.
        output_bytes_max: u64 = 16 << 20,
    }
}

section! {
    /// Conditions of issuing.
    Issue {
        /// Age of the copy of an entry, by its `asOf`.
        entry_age_days_max: u32 = 30,
    }
}

section! {
    /// The verification log.
    Log {
        /// Its name in checkpoints.
        origin: String = "127.0.0.1:8080/log".into(),
        /// Its signing key.
        key_file: PathBuf = "keys/log.key".into(),
    }
}

section! {
    /// What the program says about itself.
    Diagnostics {
        /// How.
        format: DiagnosticsFormat = DiagnosticsFormat::Json,
        /// How much.
        level: String = "info".into(),
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiagnosticsFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
