//! Reads what strace wrote: calls of several threads, some of them in two lines because another thread came between.

use std::collections::HashMap;

/// A system call: where in the file it began and ended, counted in lines.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments and result as strace writes them.
    pub text: String,
    /// The line in which it began.
    pub began: usize,
    /// The line in which it ended.
    pub ended: usize,
}

/// All calls that came to an end, in the order of their ends.
pub fn calls(text: &str) -> Vec<Call> {
    let mut open: HashMap<&str, Call> = HashMap::new();
    let mut done = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some(mut call) = open.remove(thread) else { continue };
            call.text.push_str(resumed);
            call.ended = at;
            done.push(call);
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let call = Call { name: name.to_owned(), text: arguments.to_owned(), began: at, ended: at };
        if rest.ends_with("<unfinished ...>") {
            open.insert(thread, call);
        } else {
            done.push(call);
        }
    }
    done
}

#[test]
fn a_call_in_two_lines_is_one_call() {
    let text = "7  fsync(3</a> <unfinished ...>\n8  write(1, \"x\", 1) = 1\n7  <... fsync resumed>) = 0\n";
    let calls = calls(text);
    let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.began, call.ended)).collect();
    assert_eq!(seen, [("write", 1, 1), ("fsync", 0, 2)]);
    assert!(calls[1].text.contains("/a"));
}
