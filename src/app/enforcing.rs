//! Finding out what a bucket's store enforces: at the start, from time to time, and when an answer of it is suspicious. A
//! store that is replaced or set up anew behind its address may begin to say yes to everything.

use std::time::Duration;

use super::background::{Background, Stop};
use crate::objects::{ProbeError, S3Store, Verdict};

/// The pause before a store that has not answered yet is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// The same for one that was asked before, and the least between two probes: a store that lies all the time makes
/// every answer suspicious.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Finds out, and goes on in the background. A store that does not answer now is used until then as one that enforces
/// nothing.
///
/// # Errors
/// [`ProbeError::Refused`]: the keys or the bucket are wrong.
pub(super) async fn start(store: &S3Store, every: Duration) -> Result<Background, ProbeError> {
    let known = match find_out(store).await {
        Ok(()) => true,
        Err(refused @ ProbeError::Refused(_)) => return Err(refused),
        Err(error @ ProbeError::Away(_)) => {
            tracing::error!(%error, "what the object store enforces is not known yet");
            false
        }
    };
    let store = store.clone();
    Ok(Background::start(move |stop| watch(store, known, every, stop)))
}

async fn watch(store: S3Store, mut known: bool, every: Duration, mut stop: Stop) {
    let (mut pause, least) = (every, AT_LEAST.min(every));
    loop {
        let (wait, least) = if known { (pause, least) } else { (AGAIN, AGAIN) };
        tokio::select! {
            () = &mut stop => return,
            () = until_due(&store, wait, least) => {}
        }
        pause = every;
        match find_out(&store).await {
            Ok(()) => known = true,
            Err(error) => {
                tracing::warn!(%error, "what the object store enforces cannot be found out now");
                pause = least;
            }
        }
    }
}

async fn until_due(store: &S3Store, wait: Duration, least: Duration) {
    // sleeps: a store is not asked all the time
    tokio::time::sleep(least).await;
    tokio::select! {
        () = store.suspected() => {
            tracing::warn!("an answer of the object store is suspicious: it is tried out what it enforces now");
        }
        // sleeps: what a store enforces may change at any time, and nothing tells
        () = tokio::time::sleep(wait.saturating_sub(least)) => {}
    }
}

async fn find_out(store: &S3Store) -> Result<(), ProbeError> {
    let before = store.enforced();
    let found = store.probe().await?;
    if found == before {
        return Ok(());
    }
    tracing::info!(
        overwrite = %found.overwrite, swap = %found.swap, checksum = %found.checksum, lock = %found.lock,
        versioned = found.versioned, "what the object store enforces"
    );
    let ceased = store.ceased();
    if !ceased.is_empty() {
        tracing::error!(?ceased, "the object store has ceased to enforce what it did");
    }
    if [found.overwrite, found.swap, found.checksum, found.lock].contains(&Verdict::Ignored) {
        tracing::warn!(
            "the object store does not enforce all of it: this process looks, compares and reads back"
        );
    }
    Ok(())
}
