//! Other services beside ours on the same disk in the same run, where their programs are at hand: MinIO, whose bucket
//! takes unsigned PUTs here, and tusd, which answers without a sync. Each is killed at the end.

use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};

use super::super::own_server::OwnServer;
use super::client::{Client, Request};
use super::load::{Done, together};
use super::{Args, Folder, Load, UploadError, WARM_UP, empty};
use crate::config::ObjectStoreKind;

/// How long a service may take until it listens.
const READY: Duration = Duration::from_secs(30);
/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_millis(50);
/// The account of a MinIO that lives for one measurement on this machine.
const KEY: &str = "stammbuch-bench";
const BUCKET: &str = "bench";

/// The services that are at hand, by name, and what they did.
pub(super) fn measure(
    folder: &Folder,
    args: &Args,
    load: &Load,
) -> Result<Vec<(&'static str, Done)>, UploadError> {
    let mut measured = Vec::new();
    if let Some(program) = found(args.minio.as_deref(), "minio") {
        measured.push(("minio", minio(&program, folder, load)?));
    }
    if let Some(program) = found(args.tusd.as_deref(), "tusd") {
        measured.push(("tusd", tusd(&program, folder, load)?));
    }
    Ok(measured)
}

/// The program that was named, or the one on `PATH`.
fn found(named: Option<&Path>, name: &str) -> Option<PathBuf> {
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    };
    named.map(Path::to_path_buf).or_else(on_path)
}

fn minio(program: &Path, folder: &Folder, load: &Load) -> Result<Done, UploadError> {
    let (_service, address) = start_minio(program, folder)?;
    run(address, &puts(), load)
}

fn puts() -> Request {
    Request { line: format!("PUT /{BUCKET}/*"), headers: String::new(), success: " 200 " }
}

/// What one MinIO takes from a bare client, and then what our service takes that keeps its objects in the same bucket.
pub(super) fn through_minio(folder: &Folder, args: &Args, load: &Load) -> Result<Value, UploadError> {
    let missing = || UploadError::Peer { name: "minio", reason: "its program is not at hand".to_owned() };
    let program = found(args.minio.as_deref(), "minio").ok_or_else(missing)?;
    let (_service, address) = start_minio(&program, folder)?;
    let bare = run(address, &puts(), load)?;
    let keys = folder.path().join("s3-keys.toml");
    write_private(&keys, &format!("access_key_id = {KEY:?}\nsecret_access_key = {KEY:?}\n"))?;
    let server = OwnServer::start_with(folder, "on-s3", |config| {
        config.objects.store = ObjectStoreKind::S3;
        config.objects.s3.endpoint = format!("http://{address}");
        config.objects.s3.bucket = BUCKET.to_owned();
        config.objects.s3.prefix = "ours/".to_owned();
        config.objects.s3.credentials_file = keys;
    })?;
    let (through, cpu) = super::uploads(&server, load)?;
    Ok(json!({
        "bare": bare.figures(),
        "through": through.figures(),
        "serverCpuUsPerItem": super::micros(super::per_item(cpu, &through)),
        "ratioToBare": super::ratio(through.per_second(), bare.per_second()),
    }))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn start_minio(program: &Path, folder: &Folder) -> Result<(Service, SocketAddr), UploadError> {
    let data = empty(folder, "minio")?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command.arg("server").arg("--quiet").arg("--address").arg(address.to_string()).arg(&data);
    command.env("MINIO_ROOT_USER", KEY).env("MINIO_ROOT_PASSWORD", KEY);
    command.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("CI", "true").env("MINIO_CI_CD", "1");
    let service = Service::start("minio", &mut command, address)?;
    open_bucket(address)?;
    Ok((service, address))
}

/// A bucket that everybody may write to.
fn open_bucket(address: SocketAddr) -> Result<(), UploadError> {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .force_path_style(true)
        .credentials_provider(Credentials::new(KEY, KEY, None, None, "bench"))
        .build();
    let client = S3::from_conf(config);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::{BUCKET}/*"]}}]}}"#
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let refused = |reason: String| UploadError::Peer { name: "minio", reason };
        let last = Instant::now() + READY;
        // It listens before it has formatted its disk.
        while let Err(error) = client.create_bucket().bucket(BUCKET).send().await {
            if Instant::now() > last {
                return Err(refused(error.to_string()));
            }
            // sleeps: a service that starts gives no signal
            tokio::time::sleep(AGAIN).await;
        }
        let opened = client.put_bucket_policy().bucket(BUCKET).policy(policy).send().await;
        opened.map(drop).map_err(|error| refused(error.to_string()))
    })
}

fn tusd(program: &Path, folder: &Folder, load: &Load) -> Result<Done, UploadError> {
    let data = empty(folder, "tusd")?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command.arg("-host").arg(address.ip().to_string()).arg("-port").arg(address.port().to_string());
    command.arg("-upload-dir").arg(&data).arg("-verbose=false");
    let _service = Service::start("tusd", &mut command, address)?;
    let headers = format!(
        "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Length: {}\r\n",
        load.size
    );
    run(address, &Request { line: "POST /files/".into(), headers, success: " 201 " }, load)
}

fn run(address: SocketAddr, request: &Request, load: &Load) -> Result<Done, UploadError> {
    // Two rounds of clients never use the same names.
    let client = |round: &'static str| {
        move |number: usize| Client::connect(address, request.clone(), format!("{round}-{number}"), load.size)
    };
    together(load.clients, WARM_UP, client("warm"))?;
    together(load.clients, load.time, client("run"))
}

fn free_address() -> Result<SocketAddr, UploadError> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// A service that is killed at the end.
struct Service(Child);

impl Service {
    fn start(name: &'static str, command: &mut Command, address: SocketAddr) -> Result<Self, UploadError> {
        let refused = |reason: String| UploadError::Peer { name, reason };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut service = Self(child.map_err(|error| refused(error.to_string()))?);
        let last = Instant::now() + READY;
        while TcpStream::connect(address).is_err() {
            let ended = service.0.try_wait().ok().flatten();
            if let Some(status) = ended {
                return Err(refused(status.to_string()));
            }
            if Instant::now() > last {
                return Err(refused(format!("it does not listen on {address}")));
            }
            // sleeps: a service that starts gives no signal
            std::thread::sleep(AGAIN);
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
