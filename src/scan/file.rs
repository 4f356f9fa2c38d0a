//! One file on its way through the scanner: it is handed on piece by piece, and whatever goes wrong there, the file
//! still comes in and ends with a verdict. Counts verdicts.

use std::sync::Arc;

use prometheus::{IntCounterVec, Opts, Registry};

use super::{Finding, Scan, Scanner, Unclear, Verdict};

/// What files go through, or that they go through nothing. Clones share it.
#[derive(Clone)]
pub struct Scanning(Option<Arc<Parts>>);

struct Parts {
    scanner: Arc<dyn Scanner>,
    bytes_max: u64,
    counter: IntCounterVec,
}

impl Scanning {
    /// No scanner: every verdict is [`Verdict::NotScanned`].
    pub const fn off() -> Self {
        Self(None)
    }

    /// By `scanner`, which is not handed more than `bytes_max` of a file: beyond, there is no clear answer.
    ///
    /// # Errors
    /// If the counter cannot be made.
    pub fn by(scanner: Arc<dyn Scanner>, bytes_max: u64) -> Result<Self, prometheus::Error> {
        let counter =
            Opts::new("stammbuch_scans_total", "Files scanned for viruses: clean, infected, unclear.");
        let counter = IntCounterVec::new(counter, &["verdict"])?;
        for verdict in ["clean", "infected", "unclear"] {
            counter.with_label_values(&[verdict]).inc_by(0);
        }
        Ok(Self(Some(Arc::new(Parts { scanner, bytes_max, counter }))))
    }

    /// Shows what is counted, if there is a scanner.
    ///
    /// # Errors
    /// If something with this name is there.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        self.0.as_ref().map_or(Ok(()), |parts| registry.register(Box::new(parts.counter.clone())))
    }

    /// Whether the scanner answers; `None`: there is none.
    pub async fn ping(&self) -> Option<Result<(), Unclear>> {
        match &self.0 {
            Some(parts) => Some(parts.scanner.ping().await),
            None => None,
        }
    }

    /// Begins with a file. The scanner hears of it with its first bytes.
    pub fn begin(&self) -> FileScan {
        FileScan { parts: self.0.clone(), size: 0, state: State::Untouched }
    }
}

/// A file that is being scanned.
pub struct FileScan {
    parts: Option<Arc<Parts>>,
    size: u64,
    state: State,
}

enum State {
    /// The scanner does not know of it yet.
    Untouched,
    /// The scanner has had all bytes so far.
    Running(Box<dyn Scan>),
    /// There will be no clear answer.
    Over(Unclear),
}

impl FileScan {
    /// Hands the next bytes on. Never fails: what went wrong is in the verdict.
    pub async fn feed(&mut self, piece: &[u8]) {
        let Some(parts) = &self.parts else { return };
        self.size += piece.len() as u64;
        if self.size > parts.bytes_max {
            // The connection ends with what had it.
            self.state = State::Over(Unclear::TooLarge);
        }
        if matches!(self.state, State::Untouched) {
            self.state = parts.scanner.begin().await.map_or_else(State::Over, State::Running);
        }
        if let State::Running(scan) = &mut self.state
            && let Err(why) = scan.feed(piece).await
        {
            self.state = State::Over(why);
        }
    }

    /// What is known now that all bytes were handed on.
    pub async fn finish(self) -> Verdict {
        let Some(parts) = self.parts else { return Verdict::NotScanned };
        let outcome = match self.state {
            State::Running(scan) => scan.finish().await,
            State::Over(why) => Err(why),
            // Without a byte there is nothing that could be infected, but nobody has looked either.
            State::Untouched => Err(Unclear::Cut),
        };
        let (verdict, label) = match outcome {
            Ok(Finding::Nothing) => (Verdict::Clean, "clean"),
            Ok(Finding::Found(signature)) => (Verdict::Infected(signature), "infected"),
            Err(why) => (Verdict::Unclear(why), "unclear"),
        };
        parts.counter.with_label_values(&[label]).inc();
        if let Verdict::Unclear(why) = &verdict {
            tracing::warn!(%why, "a file has no clear answer of the virus scanner");
        }
        verdict
    }
}

#[cfg(test)]
mod tests;
