//! Work that goes on beside the requests until it is told to stop.

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Resolves when the work is to stop.
pub(super) type Stop = BoxFuture<'static, ()>;

/// Work that goes on until it is told to stop.
pub(super) struct Background {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Background {
    /// Starts what `work` gives when it is handed the signal to stop.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Stop) -> F) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped: Stop = Box::pin(async move {
            let _ = stopped.await;
        });
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Tells it to stop and waits until it has.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "background work ended before it was stopped");
        }
    }
}
