//! Tables as JSON Lines (UTF-8): the first line says what they are, each other one is an object. Read and written line by
//! line, however long they are.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::{Map, Value, json};

/// The table of documents at the top of a folder, or of a bag's payload.
pub const DOCUMENTS: &str = "stammbuch-documents.jsonl";
/// The table of register entries there.
pub const ENTRIES: &str = "stammbuch-entries.jsonl";
/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// What the first line of a table says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub &'static str);

impl Kind {
    /// Documents: where each lies, and what is said of it.
    pub const DOCUMENTS: Self = Self("stammbuch/documents/v1");
    /// Register entries: each with all its copies.
    pub const ENTRIES: Self = Self("stammbuch/entries/v1");

    /// The first line of such a table.
    pub fn head(self) -> String {
        json!({ "format": self.0 }).to_string()
    }
}

/// Why a table cannot be read, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TableError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The lines of a table on their way.
pub struct Lines<R> {
    from: R,
    number: usize,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// Begins, at the line that says what it is.
    ///
    /// # Errors
    /// If it does not say that it is a table of this kind.
    pub fn open(from: R, kind: Kind) -> Result<Self, TableError> {
        let mut lines = Self { from, number: 0, ended: false };
        let head = lines.next().transpose()?;
        if head.is_some_and(|(_, head)| head.get("format").and_then(Value::as_str) == Some(kind.0)) {
            return Ok(lines);
        }
        Err(TableError { line: 1, reason: format!("expected {}", kind.head()) })
    }

    fn read(&mut self) -> Result<Option<Map<String, Value>>, TableError> {
        loop {
            self.number += 1;
            let failed = |reason: String| TableError { line: self.number, reason };
            let mut line = Vec::new();
            let mut bounded = self.from.by_ref().take(LINE_BYTES_MAX);
            bounded.read_until(b'\n', &mut line).map_err(|error| failed(error.to_string()))?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 == LINE_BYTES_MAX {
                return Err(failed(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return match serde_json::from_slice(line.trim_ascii_end()) {
                Ok(Value::Object(members)) => Ok(Some(members)),
                Ok(_) => Err(failed("not a JSON object".to_owned())),
                Err(error) => Err(failed(format!("not JSON (column {})", error.column()))),
            };
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(usize, Map<String, Value>), TableError>;

    /// Number and object of the next line. After an error comes nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.transpose().map(|line| line.map(|line| (self.number, line)))
    }
}

/// Writes one line.
///
/// # Errors
/// What the writer says.
pub fn write_line(to: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(to, "{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<usize>, String> {
        let lines = Lines::open(text.as_bytes(), Kind::DOCUMENTS).map_err(|error| error.to_string())?;
        lines.map(|line| line.map(|(number, _)| number).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn a_table_says_what_it_is_and_each_line_has_its_number() {
        let head = Kind::DOCUMENTS.head();
        assert_eq!(read(&format!("{head}\n{{}}\n\n{{}}")), Ok(vec![2, 4]));
        assert_eq!(read(&format!("{head}\n{{}}\n[]\n{{}}\n")), Err("line 3: not a JSON object".into()));
        assert_eq!(read(&format!("{head}\n{{\"a\"\n")), Err("line 2: not JSON (column 4)".into()));
        for bad in ["", "{}", "{\"format\":\"stammbuch/documents/v2\"}"] {
            assert!(read(bad).unwrap_err().starts_with("line 1: expected "), "{bad}");
        }
        let long = format!("{head}\n{{\"a\":\"{}\"}}", "x".repeat(5 << 20));
        assert!(read(&long).unwrap_err().contains("longer than"));
    }
}
