//! A folder that is read and never left: no link is followed, nothing but files is opened, and each folder's names come
//! in their order, so that two walks over the same folder are the same.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};

/// Folders within folders that are read.
const DEPTH_MAX: usize = 64;
/// What file managers and office programs leave in folders.
const LITTER: [&str; 4] = ["Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX"];

/// An open folder. It stays the one that was opened, whatever is moved meanwhile.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Below the folder, `/` between names. Bytes that are not UTF-8 are written `\xNN`.
    pub path: String,
    /// What it is.
    pub what: What,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file of so many bytes.
    File(u64),
    /// Something that is never a document.
    Passed(Passed),
    /// Something that may hold documents and could not be read.
    Refused(Refused),
}

/// What is never a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Passed {
    /// A name with a dot before it, or what file managers leave behind.
    #[error("hidden, or left there by a program")]
    Hidden,
    /// A link. It is not followed: it may lead out of the folder.
    #[error("a symbolic link; it is not followed")]
    Link,
    /// A pipe, a socket, a device.
    #[error("not a file")]
    Special,
}

/// What could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is no text. Rename it (`convmv -f cp1252 -t utf8`): what is guessed here would be the name for ever.
    #[error("the name is not UTF-8; rename it")]
    Name,
    /// Folders lie too deep.
    #[error("more than {DEPTH_MAX} folders within each other")]
    Depth,
    /// The system refuses it.
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

impl Folder {
    /// Opens a folder. It may itself be named by a link.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a file below it.
    ///
    /// # Errors
    /// If it is not there, is no file, or a link stands anywhere on the way.
    pub fn file(&self, path: &str) -> io::Result<File> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = None;
        for part in folders.split('/').filter(|_| !folders.is_empty()) {
            at = Some(below(at.as_ref().unwrap_or(&self.0), check(part)?)?);
        }
        // A pipe would be waited for without NONBLOCK.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(at.as_ref().unwrap_or(&self.0), check(name)?, flags, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
        }
    }

    /// Opens a folder in it.
    ///
    /// # Errors
    /// If it is not there, or is something else, or a link.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        below(&self.0, check(name)?).map(Self)
    }

    /// All that is in it, folder by folder, names in the order of their bytes.
    ///
    /// # Errors
    /// If it cannot be read at all; what cannot be read below it is among what is found.
    pub fn walk(&self) -> io::Result<Walk> {
        self.walk_but(is_hidden)
    }

    /// As [`Self::walk`], hidden files too.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn walk_all(&self) -> io::Result<Walk> {
        self.walk_but(|_| false)
    }

    fn walk_but(&self, hidden: fn(&str) -> bool) -> io::Result<Walk> {
        let top = openat(&self.0, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Walk { levels: vec![Level::read(top, String::new())?], hidden })
    }
}

/// A name within a folder, never a way out of it.
fn check(name: &str) -> io::Result<&str> {
    if matches!(name, "" | "." | "..") { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(name) }
}

fn below(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

/// A walk on its way.
#[derive(Debug)]
pub struct Walk {
    levels: Vec<Level>,
    hidden: fn(&str) -> bool,
}

#[derive(Debug)]
struct Level {
    folder: OwnedFd,
    path: String,
    names: std::vec::IntoIter<CString>,
}

impl Level {
    fn read(folder: OwnedFd, path: String) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let name = entry?.file_name().to_owned();
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(Self { folder, path, names: names.into_iter() })
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let depth = self.levels.len();
            let level = self.levels.last_mut()?;
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let path = format!("{}{}", level.path, shown(name.as_bytes()));
            let what = match look(level, &name, self.hidden) {
                Ok(Look::Is(what)) => what,
                Ok(Look::Folder) if depth > DEPTH_MAX => What::Refused(Refused::Depth),
                Ok(Look::Folder) => {
                    let text = name.to_string_lossy();
                    let opened = below(&level.folder, &text);
                    match opened.and_then(|folder| Level::read(folder, format!("{path}/"))) {
                        Ok(level) => {
                            self.levels.push(level);
                            continue;
                        }
                        Err(error) => What::Refused(Refused::Unreadable(error.kind())),
                    }
                }
                Err(error) => What::Refused(Refused::Unreadable(error.kind())),
            };
            return Some(Found { path, what });
        }
    }
}

enum Look {
    Folder,
    Is(What),
}

fn look(level: &Level, name: &CString, hidden: fn(&str) -> bool) -> io::Result<Look> {
    let Ok(text) = name.to_str() else { return Ok(Look::Is(What::Refused(Refused::Name))) };
    if hidden(text) {
        return Ok(Look::Is(What::Passed(Passed::Hidden)));
    }
    let stat = statat(&level.folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Look::Folder,
        FileType::RegularFile => Look::Is(What::File(u64::try_from(stat.st_size).unwrap_or_default())),
        FileType::Symlink => Look::Is(What::Passed(Passed::Link)),
        _ => Look::Is(What::Passed(Passed::Special)),
    })
}

/// Names with a dot before them, what file managers leave, and the lock files of office programs.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("~$") || LITTER.contains(&name)
}

fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_walk_names_everything_once_in_order_and_leaves_nowhere() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "s").unwrap();
        let at = inside.path();
        fs::create_dir_all(at.join("b/empty")).unwrap();
        for (name, text) in [("b/z.txt", "zz"), ("a b.pdf", "%"), (".DS_Store", "x"), ("b/~$a.docx", "x")] {
            fs::write(at.join(name), text).unwrap();
        }
        fs::write(at.join(std::ffi::OsStr::from_bytes(b"M\xfcller.pdf")), "x").unwrap();
        symlink(outside.path(), at.join("out")).unwrap();
        symlink("b/z.txt", at.join("link")).unwrap();
        rustix::fs::mkfifoat(CWD, at.join("pipe"), Mode::from_raw_mode(0o600)).unwrap();
        let folder = Folder::open(at).unwrap();
        let found: Vec<_> = folder.walk().unwrap().map(|found| (found.path, found.what)).collect();
        let passed = What::Passed;
        let expected = [
            (".DS_Store", passed(Passed::Hidden)),
            ("M\\xFCller.pdf", What::Refused(Refused::Name)),
            ("a b.pdf", What::File(1)),
            ("b/z.txt", What::File(2)),
            ("b/~$a.docx", passed(Passed::Hidden)),
            ("link", passed(Passed::Link)),
            ("out", passed(Passed::Link)),
            ("pipe", passed(Passed::Special)),
        ];
        assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what)));
        for bad in ["out/secret", "link", "pipe", "../x", "b/../a b.pdf", "/etc/passwd", "", "b", "b//z.txt"]
        {
            assert!(folder.file(bad).is_err(), "{bad}");
        }
        assert!(folder.file("b/z.txt").is_ok());
    }

    #[test]
    fn folders_that_lie_too_deep_are_named_and_not_entered() {
        let inside = tempfile::tempdir().unwrap();
        let deep: std::path::PathBuf = (0..DEPTH_MAX + 2).map(|_| "d").collect();
        fs::create_dir_all(inside.path().join(&deep)).unwrap();
        fs::write(inside.path().join(&deep).join("x"), "x").unwrap();
        let found: Vec<_> = Folder::open(inside.path()).unwrap().walk().unwrap().collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, What::Refused(Refused::Depth));
    }
}
