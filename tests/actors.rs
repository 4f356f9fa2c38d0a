//! Who takes part in the tests: a server of its own for each test, in this process or as the real program, on SQLite
//! or PostgreSQL, and typed actors of two authorities who speak HTTP with it.

pub mod bucket;
pub mod desk;
pub mod place;
pub mod postgres;
mod process;
pub mod proxy;
pub mod speak;
pub mod volume;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use stammbuch::app::{App, SystemRandom};
use stammbuch::config::Config;
use stammbuch::domain::clock::{Clock, FixedClock};
use stammbuch::http;
use tokio::runtime::Runtime;

use place::Place;
pub use process::ServerProcess;

/// The time at which the tests' clocks stand still.
pub fn noon() -> Timestamp {
    "2026-05-04T12:00:00Z".parse().unwrap()
}

/// A server in this process, on a port of its own with a folder of its own. Dropping it stops it as a signal would.
pub struct Server {
    place: Place,
    /// Moves the time of the server.
    pub clock: Arc<FixedClock>,
    runtime: Runtime,
    running: Option<(App, http::Server)>,
}

impl Server {
    /// A server with two authorities at [`noon`].
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// As [`Self::start`], with some settings changed.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Place::new(change))
    }

    /// A server on a folder that was prepared, or used, before.
    pub fn on(place: Place) -> Self {
        Self::on_at(place, noon())
    }

    /// As [`Self::on`], at another time than [`noon`].
    pub fn on_at(mut place: Place, now: Timestamp) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(FixedClock::new(now));
        let (app, server) = runtime.block_on(async {
            let clock: Arc<dyn Clock> = Arc::<FixedClock>::clone(&clock);
            let app = App::open(place.config().clone(), clock, Arc::new(SystemRandom::new())).await.unwrap();
            let server = app.serve().unwrap();
            (app, server)
        });
        place.listens_on(server.address());
        Self { place, clock, runtime, running: Some((app, server)) }
    }

    /// Stops as a signal would, and gives back the folder for the next one.
    pub fn stop(mut self) -> Place {
        self.shut_down();
        std::mem::take(&mut self.place)
    }

    fn shut_down(&mut self) {
        if let Some((app, server)) = self.running.take() {
            self.runtime.block_on(async {
                server.stop().await.unwrap();
                app.close().await;
            });
        }
    }
}

impl Deref for Server {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
