//! `stammbuch bench NAME`: measures one part of the program on this machine; wall time and CPU time side by side.
//!
//! To add one: a `mod`, a variant of `Bench` and its line in `run`.

mod log;
mod own_server;
mod seal;
mod start;
mod upload;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Subcommand;
use rustix::time::{ClockId, clock_gettime};

use super::CliError;

/// Measure a part of the program on this machine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Log(log::Args),
    Seal(seal::Args),
    Start(start::Args),
    Upload(upload::Args),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.bench {
        Bench::Log(args) => log::run(args),
        Bench::Seal(args) => seal::run(args),
        Bench::Start(args) => start::run(args),
        Bench::Upload(args) => upload::run(args),
    }
}

/// CPU time of this process so far, all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Wall times of single items, and the CPU time of all of them.
struct Stopwatch {
    items: Vec<Duration>,
    began: Instant,
    cpu_began: Duration,
}

/// What a stopwatch showed.
struct Measured {
    count: usize,
    wall: Duration,
    cpu: Duration,
    median: Duration,
    p99: Duration,
}

impl Stopwatch {
    fn start(count: usize) -> Self {
        Self { items: Vec::with_capacity(count), began: Instant::now(), cpu_began: cpu_time() }
    }

    /// Runs one item.
    fn item<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let made = work();
        self.items.push(began.elapsed());
        made
    }

    fn stop(mut self) -> Measured {
        let (wall, cpu) = (self.began.elapsed(), cpu_time().saturating_sub(self.cpu_began));
        self.items.sort_unstable();
        let at = |percent: usize| self.items.get(self.items.len().saturating_sub(1) * percent / 100);
        let (median, p99) = (at(50).copied().unwrap_or_default(), at(99).copied().unwrap_or_default());
        Measured { count: self.items.len(), wall, cpu, median, p99 }
    }
}

impl Measured {
    fn per_item(&self, total: Duration) -> Duration {
        total / u32::try_from(self.count.max(1)).unwrap_or(u32::MAX)
    }

    /// The figures as JSON, times in microseconds.
    fn to_json(&self, name: &str) -> serde_json::Value {
        let micros = |d: Duration| (d.as_nanos() / 100) as f64 / 10.0;
        serde_json::json!({
            "bench": name,
            "cores": std::thread::available_parallelism().map_or(1, usize::from),
            "count": self.count,
            "wallUsPerItem": micros(self.per_item(self.wall)),
            "cpuUsPerItem": micros(self.per_item(self.cpu)),
            "itemsPerCpuSecond": (self.count as f64 / self.cpu.as_secs_f64().max(1e-9)).round(),
            "p50Us": micros(self.median),
            "p99Us": micros(self.p99),
        })
    }
}

/// Prints figures, for programs or for people.
fn print(figures: &serde_json::Value, json: bool) {
    if json {
        println!("{figures}");
        return;
    }
    for (name, value) in figures.as_object().into_iter().flatten() {
        println!("{name:<24} {value}");
    }
}
