//! The real program as a child: it can be killed at any instant and started again on the same folder.

use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use stammbuch::config::Config;

use super::place::Place;

/// The longest a start may take before the test gives up; not a measure of anything.
const START_MAX: Duration = Duration::from_secs(60);

/// `stammbuch serve` as a process of its own. Dropping it kills it.
pub struct ServerProcess {
    place: Place,
    child: Child,
    log: Option<JoinHandle<Vec<String>>>,
}

impl ServerProcess {
    /// Starts it with two authorities on a new folder.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// As [`Self::start`], with some settings changed.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Place::new(change))
    }

    /// Starts it on a folder that was prepared, or used, before, and waits until it says that it is ready.
    pub fn on(place: Place) -> Self {
        Self::under(place, &[])
    }

    /// As [`Self::on`], as the child of `before`: a tracer and its arguments.
    pub fn under(mut place: Place, before: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_stammbuch");
        let mut line: Vec<&str> = before.to_vec();
        line.push(program);
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .arg("serve")
            .arg("--config")
            .arg(place.config_file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (ready, address) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = std::thread::spawn(move || {
            let mut kept = Vec::new();
            for line in lines.map_while(Result::ok) {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "ready" {
                    let _ = ready.send(said["address"].as_str().unwrap().parse().unwrap());
                }
                kept.push(line);
            }
            kept
        });
        match address.recv_timeout(START_MAX) {
            Ok(address) => place.listens_on(address),
            Err(_) => {
                let _ = child.kill();
                panic!("the server did not start: {}", log.join().unwrap().join("\n"));
            }
        }
        Self { place, child, log: Some(log) }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would: it can do nothing about it. Gives back the folder.
    pub fn kill(mut self) -> Place {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::take(&mut self.place)
    }

    /// Kills it as [`Self::kill`] does, while others still speak with it.
    pub fn kill_now(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }

    /// Lets it do nothing more from now on, not even go away.
    pub fn freeze(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    }

    /// Tells it to end (`SIGTERM`), waits, and gives how it ended, its log and the folder.
    pub fn terminate(mut self) -> (ExitStatus, Vec<String>, Place) {
        self.signal_to_end();
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        (status, log, std::mem::take(&mut self.place))
    }

    /// Sends `SIGTERM` and does not wait.
    pub fn signal_to_end(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
}

impl Deref for ServerProcess {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
