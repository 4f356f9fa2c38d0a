//! How far it is, for who watches: one line that is written over on a terminal, a line now and then elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use super::report::{Outcome, Record};

/// Between two lines where nobody sees them come.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// Between two changes on a terminal.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is written to standard error.
pub struct Progress {
    doing: &'static str,
    total: Option<Amount>,
    done: Amount,
    refused: u64,
    began: Instant,
    said: Instant,
    on_a_terminal: bool,
}

impl Progress {
    /// Begins. `total` is what there is to do, as far as it is known.
    pub fn begin(doing: &'static str, total: Option<Amount>) -> Self {
        let now = Instant::now();
        let on_a_terminal = stderr().is_terminal();
        Self { doing, total, done: Amount::default(), refused: 0, began: now, said: now, on_a_terminal }
    }

    /// One more file came to its end. What was refused is said at once.
    pub fn note(&mut self, record: &Record) {
        if record.outcome == Outcome::PassedOver {
            return;
        }
        self.done.files += 1;
        self.done.bytes += record.size;
        if record.outcome == Outcome::Refused {
            self.refused += 1;
            let why = record.detail.as_deref().unwrap_or_default();
            self.say(&format!("refused: {}: {}", plain(&record.path), plain(why)));
        }
        let pause = if self.on_a_terminal { ON_A_TERMINAL } else { ELSEWHERE };
        if self.said.elapsed() >= pause {
            self.now();
        }
    }

    /// Says a line of its own.
    pub fn say(&self, line: &str) {
        let clear = if self.on_a_terminal { "\r\x1b[K" } else { "" };
        // Who does not listen need not hear.
        let _ = writeln!(stderr(), "{clear}{line}");
    }

    /// Says how far it is.
    pub fn now(&mut self) {
        self.said = Instant::now();
        let line = line(self.doing, self.done, self.total, self.refused, self.began.elapsed());
        let _ = if self.on_a_terminal {
            write!(stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(stderr(), "{line}")
        };
    }

    /// Says how far it has come, and ends the line.
    pub fn end(mut self) {
        self.now();
        if self.on_a_terminal {
            let _ = writeln!(stderr());
        }
    }
}

/// A text that cannot move the cursor or write over other lines.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn line(doing: &str, done: Amount, total: Option<Amount>, refused: u64, took: Duration) -> String {
    let mut line = format!("{doing}: {}", done.files);
    if let Some(total) = total {
        let _ = write!(line, " of {} files, {} of {}", total.files, size(done.bytes), size(total.bytes));
    } else {
        let _ = write!(line, " files, {}", size(done.bytes));
    }
    let seconds = took.as_secs_f64();
    if seconds >= 1.0 {
        let _ = write!(line, ", {:.0} files/s", done.files as f64 / seconds);
        let left = total.map(|total| total.files.saturating_sub(done.files)).filter(|left| *left > 0);
        if let Some(left) = left.filter(|_| done.files > 0) {
            let minutes = left as f64 / (done.files as f64 / seconds) / 60.0;
            let _ = write!(line, ", about {:.0} min left", minutes.ceil());
        }
    }
    if refused > 0 {
        let _ = write!(line, ", {refused} refused");
    }
    line
}

fn size(bytes: u64) -> String {
    let mut left = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if left < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{left:.1} {unit}") };
        }
        left /= 1024.0;
    }
    format!("{left:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_far_it_is_and_how_long_it_will_take() {
        let done = Amount { files: 30, bytes: 3 << 20 };
        let total = Amount { files: 90, bytes: 9 << 30 };
        assert_eq!(
            line("imported", done, Some(total), 2, Duration::from_secs(60)),
            "imported: 30 of 90 files, 3.0 MiB of 9.0 GiB, 0 files/s, about 2 min left, 2 refused"
        );
        assert_eq!(line("exported", done, None, 0, Duration::from_millis(5)), "exported: 30 files, 3.0 MiB");
        assert_eq!(size(17), "17 B");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(plain("a\r\u{1b}[2Jb"), "a\u{fffd}\u{fffd}[2Jb");
    }
}
