//! Panics: one structured line in the log and one more in a counter. The message is left out: it may quote what was
//! being worked on. Where it happened says enough.

use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use prometheus::IntCounter;

static PANICS: OnceLock<IntCounter> = OnceLock::new();

/// How many there were in this process; the same counter at every call.
///
/// # Errors
/// If the counter cannot be made, which its name rules out.
pub fn counter() -> Result<IntCounter, prometheus::Error> {
    if let Some(counter) = PANICS.get() {
        return Ok(counter.clone());
    }
    let made = IntCounter::new("stammbuch_panics_total", "Panics of threads and tasks; each is a mistake.")?;
    Ok(PANICS.get_or_init(|| made).clone())
}

/// From now on panics are logged and counted here, and nothing of them is printed.
///
/// # Errors
/// As [`counter`].
pub fn watch() -> Result<(), prometheus::Error> {
    let counter = counter()?;
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        counter.inc();
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(location, thread = thread.name().unwrap_or_default(), "panic");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::config::Diagnostics;

    /// Run by the test below in a process of its own: the hook is one for the whole process.
    #[test]
    #[ignore = "panics; another test runs it and looks on"]
    fn a_worker_panics() {
        crate::cli::diagnostics::start(&Diagnostics::default()).unwrap();
        let before = counter().unwrap().get();
        let worker = std::thread::Builder::new().name("worker-7".into());
        let panicked = worker.spawn(|| panic!("while reading Erika Mustermann")).unwrap().join();
        assert!(panicked.is_err());
        eprintln!("counted {}", counter().unwrap().get() - before);
        let text = crate::http::Metrics::new().unwrap().text().unwrap();
        eprintln!("{}", String::from_utf8(text).unwrap());
    }

    #[test]
    fn a_panic_is_one_line_with_its_place_and_without_its_words_and_is_counted() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "panics::tests::a_worker_panics", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let lines: Vec<serde_json::Value> =
            said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let panics: Vec<_> = lines.iter().filter(|line| line["message"] == "panic").collect();
        assert_eq!(panics.len(), 1, "{said}");
        assert!(panics[0]["location"].as_str().unwrap().starts_with("src/panics.rs:"), "{said}");
        assert_eq!((&panics[0]["level"], &panics[0]["thread"]), (&"ERROR".into(), &"worker-7".into()));
        assert!(!said.contains("Mustermann"), "{said}");
        assert!(said.contains("counted 1\n") && said.contains("\nstammbuch_panics_total 1\n"), "{said}");
    }
}
