//! Names of objects: relative, harmless on every store. Nothing a sender wrote ever becomes part of one.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes (S3 allows 1,024; file systems less).
const LENGTH_MAX: usize = 255;

/// A parsed name such as `o/ab/abcd…` or `log/tile/0/x001/234.p/5`: segments of `a-z A-Z 0-9 . _ -`, joined by `/`,
/// none empty and none beginning with a dot, so that `..` and a store's own hidden folders cannot be named.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectPath(String);

/// The text is no name of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object: {got:?}")]
pub struct NotAPath {
    /// What was given.
    pub got: String,
}

impl ObjectPath {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder the object lies in (`""` for the root) and its name there.
    pub(super) fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Whether the object lies somewhere below `folder` (`""`: everything does).
    pub(super) fn is_below(&self, folder: &str) -> bool {
        folder.is_empty() || self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && !segment.starts_with('.')
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl FromStr for ObjectPath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        if text.len() <= LENGTH_MAX && text.split('/').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPath { got: text.to_owned() })
        }
    }
}

impl TryFrom<String> for ObjectPath {
    type Error = NotAPath;

    fn try_from(text: String) -> Result<Self, NotAPath> {
        text.parse()
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectPath({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_and_tiles_are_read_back() {
        for good in ["checkpoint", "o/ab/abcdef", "log/tile/0/x001/234.p/5", "log/tile/entries/x001/000"] {
            assert_eq!(good.parse::<ObjectPath>().map(|path| path.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn what_could_leave_the_store_or_hide_in_it_is_no_name() {
        let long = "a".repeat(LENGTH_MAX + 1);
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "..",
            "a/../b",
            "./a",
            ".staging/1",
            "a\\b",
            "a b",
            "ä",
            "a\0b",
            &long,
        ] {
            assert!(bad.parse::<ObjectPath>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(LENGTH_MAX).parse::<ObjectPath>().is_ok());
    }

    #[test]
    fn a_folder_is_not_the_beginning_of_a_longer_name() {
        let path: ObjectPath = "o/abc/d".parse().unwrap();
        assert!(path.is_below("o/abc") && path.is_below("o") && path.is_below(""));
        assert!(!path.is_below("o/ab") && !path.is_below("o/abc/d"));
        assert_eq!(path.split(), ("o/abc", "d"));
    }
}
