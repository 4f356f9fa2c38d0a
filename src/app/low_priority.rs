//! A runtime for work that nobody waits for: reading documents out, the search index, sweeping. Its threads, the
//! children they start and the threads of the index get processor time after those that answer requests.

use tokio::runtime::{Builder, Runtime};

/// How much they give way: with a weight of a tenth where processors are short, with no loss where they are not.
const NICE: i32 = 10;

/// The runtime. Dropped, it ends without waiting for what still runs on it.
pub(super) struct LowPriority(Option<Runtime>);

impl LowPriority {
    pub(super) fn start() -> std::io::Result<Self> {
        let give_way = || {
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::warn!(%error, "a thread of background work does not give way to requests");
            }
        };
        let runtime = Builder::new_multi_thread()
            .thread_name("stammbuch-later")
            .worker_threads(1)
            .max_blocking_threads(4)
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// What `start` spawns is spawned here.
    pub(super) fn within<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        start()
    }
}

impl Drop for LowPriority {
    fn drop(&mut self) {
        // A runtime must not be waited for on the thread of another one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
