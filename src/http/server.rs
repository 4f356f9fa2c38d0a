//! The server: actix-web with its bounds on connections, heads and bodies, started and stopped by the wiring.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, middleware, web};
use tokio::task::JoinHandle;

use super::observe::{Observer, observe};
use super::{Metrics, Probes, body, routes, verify};
use crate::access::Tokens;
use crate::config::Config;
use crate::database::Database;
use crate::domain::random::Random;
use crate::events::Replayer;
use crate::intake::direct::Direct;
use crate::intake::receive::Receiver;
use crate::intake::uploads::Uploads;
use crate::issuance::answers::Answers;
use crate::issuance::log::Log;
use crate::objects::Vault;
use crate::orders::Orders;
use crate::register::copies::Copies;
use crate::retention::Retention;
use crate::search::find::Finder;
use crate::web::PublicTrust;

/// What handlers are given: every part of the installation they may ask for, behind `web::Data`.
pub struct Shared {
    /// Who calls.
    pub tokens: Tokens,
    /// What is counted.
    pub metrics: Metrics,
    /// What must answer for `/health/ready`.
    pub probes: Probes,
    /// Draws request ids.
    pub random: Arc<dyn Random>,
    /// The rows.
    pub database: Database,
    /// The encrypted objects.
    pub vault: Vault,
    /// Receives evidence.
    pub receiver: Receiver,
    /// Receives it in several requests.
    pub uploads: Uploads,
    /// Gives events another chance.
    pub replayer: Replayer,
    /// Takes in what was put into the bucket's staging folder, where that is on.
    pub direct: Option<Direct>,
    /// The search.
    pub finder: Finder,
    /// The verification log.
    pub log: Arc<Log>,
    /// Orders and certificates.
    pub orders: Orders,
    /// Copies of register entries.
    pub copies: Copies,
    /// Who may see documents, and how long they stay.
    pub retention: Retention,
    /// What the public may ask.
    pub answers: Answers,
    /// What the page in the browser checks against.
    pub page_trust: PublicTrust,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

/// Serves on `listener` until [`Server::stop`]. Must be called on a tokio runtime.
pub fn serve(config: &Config, shared: Shared, listener: TcpListener) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let http = config.http.clone();
    let limits = config.limits.clone();
    let metrics = web::Data::new(shared.metrics);
    let observer = web::Data::new(Observer {
        random: Arc::clone(&shared.random),
        metrics: metrics.clone(),
        pace: body::Pace {
            idle: Duration::from_secs(http.body_idle_seconds),
            bytes_per_second_min: http.body_bytes_per_second_min,
        },
        https: config.public_url.as_str().starts_with("https://"),
    });
    let tokens = web::Data::new(shared.tokens);
    let probes = web::Data::new(shared.probes);
    let database = web::Data::new(shared.database);
    let vault = web::Data::new(shared.vault);
    let receiver = web::Data::new(shared.receiver);
    let uploads = web::Data::new(shared.uploads);
    let replayer = web::Data::new(shared.replayer);
    let direct = web::Data::new(shared.direct);
    let finder = web::Data::new(shared.finder);
    let log = web::Data::from(shared.log);
    let orders = web::Data::new(shared.orders);
    let copies = web::Data::new(shared.copies);
    let retention = web::Data::new(shared.retention);
    let answers = web::Data::new(shared.answers);
    let page_trust = web::Data::new(shared.page_trust);
    let admission = web::Data::new(verify::admission());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(observer.clone())
            .app_data(metrics.clone())
            .app_data(tokens.clone())
            .app_data(probes.clone())
            .app_data(database.clone())
            .app_data(vault.clone())
            .app_data(receiver.clone())
            .app_data(uploads.clone())
            .app_data(replayer.clone())
            .app_data(direct.clone())
            .app_data(finder.clone())
            .app_data(log.clone())
            .app_data(orders.clone())
            .app_data(copies.clone())
            .app_data(retention.clone())
            .app_data(answers.clone())
            .app_data(page_trust.clone())
            .app_data(admission.clone())
            .configure(|services| body::configure(&limits, services))
            .configure(routes::configure)
            .wrap(middleware::from_fn(observe))
    })
    .workers(http.workers)
    .max_connections(http.connections_max.div_ceil(http.workers))
    .client_request_timeout(Duration::from_secs(http.head_seconds))
    .keep_alive(Duration::from_secs(http.keep_alive_seconds))
    .shutdown_timeout(http.shutdown_seconds)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(Server { address, handle: server.handle(), task: tokio::spawn(server) })
}

impl Server {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets what was accepted finish, and returns when all threads have ended.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.stop(true).await;
        self.task.await.map_err(std::io::Error::other)?
    }
}
