//! Does honestly what the sandbox must stop, in the place of an extractor, and reports how that went.
//! Each probe that goes through says "permitted"; a denied one says what the system answered.

use std::hint::black_box;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

use super::child::Probe;
use super::frame::{self, Frame};

/// Tries one thing. Returns only if the sandbox has neither ended nor stopped this process.
pub(super) fn run(probe: Probe, stdout: &mut impl Write) -> String {
    match probe {
        Probe::Memory => take_memory(),
        Probe::Cpu => compute(),
        Probe::Sleep => loop {
            // sleeps: waiting is the probe itself
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        Probe::Output => said(write_pages(stdout)),
        Probe::Stack => format!("permitted to depth {}", recurse(1)),
        Probe::Socket => said(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], 9)))),
        Probe::ReadFile => said(std::fs::read("/etc/passwd")),
        Probe::WriteFile => said(std::fs::write(std::env::temp_dir().join("stammbuch-probe"), b"x")),
        Probe::Spawn => said(std::process::Command::new("/bin/true").status()),
        Probe::Thread => said(std::thread::Builder::new().spawn(|| {}).map(|thread| drop(thread.join()))),
        Probe::Panic => panics(),
    }
}

fn said<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("denied: {error}"), |_| "permitted".to_owned())
}

fn take_memory() -> String {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(black_box(vec![1; 1 << 20]));
    }
}

fn compute() -> String {
    let mut sum = 0_u64;
    loop {
        sum = black_box(sum.wrapping_add(1));
    }
}

fn write_pages(stdout: &mut impl Write) -> io::Result<()> {
    let page = Frame::Page { text: "without end ".repeat(5000) };
    loop {
        frame::write(stdout, &page)?;
    }
}

fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 128]);
    if depth == u64::MAX { depth } else { recurse(depth + 1) + black_box(room).first().copied().unwrap_or(0) }
}

fn panics() -> String {
    let nothing: Option<&str> = black_box(None);
    std::panic::resume_unwind(Box::new(nothing));
}
