//! The databases of one test on a PostgreSQL server, where `STAMMBUCH_TEST_POSTGRES` names one: then the tests that
//! would use SQLite use it instead. Dropped with the test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use stammbuch::config::Config;

/// A database for the rows and one for the keys.
pub struct Databases {
    server: String,
    names: [String; 2],
}

impl Databases {
    /// Two that are prepared, if there is a server. `prepare` is asked once for all tests of this process, with a
    /// configuration that names empty ones; what it made of them is copied, which takes a fraction of the time.
    pub fn make(prepare: impl FnOnce(&Config)) -> Option<Self> {
        static PREPARED: OnceLock<Databases> = OnceLock::new();
        let server = server()?;
        let prepared = PREPARED.get_or_init(|| {
            let empty = Self::from(server, |_| "template1".to_owned());
            let mut config = Config::default();
            empty.configure(&mut config);
            prepare(&config);
            empty
        });
        Some(prepared.copied())
    }

    /// Whether the configuration names these.
    pub fn serve(&self, config: &Config) -> bool {
        config.database.url == self.url(&self.names[0])
    }

    /// Two with the content of these, which nobody uses at this moment.
    pub fn copied(&self) -> Self {
        Self::from(self.server.clone(), |which| self.names[which].clone())
    }

    fn from(server: String, template: impl Fn(usize) -> String) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let names =
            ["rows", "keys"].map(|which| format!("stammbuch_{}_{number}_{which}", std::process::id()));
        let make = (0..).zip(&names).flat_map(|(which, name)| {
            // One that a killed test run with the same process id has left.
            [drop_statement(name), format!("CREATE DATABASE {name} TEMPLATE {}", template(which))]
        });
        run(&server, make.collect()).unwrap();
        Self { server, names }
    }

    /// Lets the configuration name them.
    pub fn configure(&self, config: &mut Config) {
        let [rows, keys] = &self.names;
        config.database.url = self.url(rows);
        config.keystore.url = self.url(keys);
    }

    fn url(&self, name: &str) -> String {
        let (host, _) = self.server.rsplit_once('/').expect("postgres://USER@HOST:PORT/NAME");
        format!("{host}/{name}")
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        if let Err(error) = run(&self.server, self.names.iter().map(|name| drop_statement(name)).collect()) {
            eprintln!("the test's databases were not dropped: {error}");
        }
    }
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// On a thread with a runtime of its own: the caller may be inside one.
fn run(server: &str, statements: Vec<String>) -> Result<(), sqlx::Error> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut link = PgConnection::connect(server).await?;
            for statement in statements {
                link.execute(AssertSqlSafe(statement)).await?;
            }
            link.close().await
        })
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// The server on which databases may be made; none: the tests use SQLite.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration; this one variable chooses their server"
)]
pub fn server() -> Option<String> {
    std::env::var("STAMMBUCH_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}
