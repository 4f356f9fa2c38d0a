//! Lines of a manifest: a digest and a path, in which only the ends of lines and the percent sign are encoded.
//!
//! RFC 8493 (section 2.1.3) has `%` encoded too, and hardly a program does it: where the decoded path names nothing, the
//! path is taken as it stands.

/// A line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'l> {
    /// In small letters.
    pub(super) digest: String,
    /// As it stands there.
    pub(super) raw: &'l str,
}

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No digest and path.
    #[error("it is not a digest of {0} hex digits, a blank and a path")]
    Shape(usize),
    /// The path leads elsewhere.
    #[error("{0:?} does not lie within the bag")]
    Outside(String),
}

/// Reads a line without its end; `digits` is the length of its digest.
pub(super) fn parse(line: &str, digits: usize) -> Result<Line<'_>, LineError> {
    let shape = || LineError::Shape(digits);
    let (digest, rest) = line.split_once([' ', '\t']).ok_or_else(shape)?;
    if digest.len() != digits || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(shape());
    }
    let path = rest.trim_start_matches([' ', '\t']);
    // As sha256sum marks files that were read as they are.
    let path = path.strip_prefix('*').unwrap_or(path);
    if path.is_empty() {
        return Err(shape());
    }
    let outside = || LineError::Outside(path.chars().take(200).collect());
    if [path, &decode(path)].iter().any(|path| !is_within(path)) {
        return Err(outside());
    }
    Ok(Line { digest: digest.to_ascii_lowercase(), raw: path })
}

/// A path of names, none of which leads up or to a root.
fn is_within(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// A path as it stands in a manifest, from one on the disk.
pub(super) fn encode(path: &str) -> String {
    path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A path on the disk, from one in a manifest.
pub(super) fn decode(path: &str) -> String {
    let mut decoded = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let code = after.get(..2).map(str::to_ascii_uppercase);
        let found = match code.as_deref() {
            Some("0A") => Some('\n'),
            Some("0D") => Some('\r'),
            Some("25") => Some('%'),
            _ => None,
        };
        decoded.push(found.unwrap_or('%'));
        rest = if found.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_so_that_they_stay_on_their_line_and_come_back() {
        for (path, line) in [
            ("data/a b.pdf", "data/a b.pdf"),
            ("data/a\r\nb", "data/a%0D%0Ab"),
            ("data/100%.pdf", "data/100%25.pdf"),
            ("data/%0A.pdf", "data/%250A.pdf"),
            ("data/Ä.pdf", "data/Ä.pdf"),
        ] {
            assert_eq!(encode(path), line);
            assert_eq!(decode(line), path);
        }
        assert_eq!(decode("data/100%.pdf %4 %0a"), "data/100%.pdf %4 \n");
    }

    #[test]
    fn a_line_is_a_digest_and_a_path_within_the_bag() {
        let digest = "a".repeat(64);
        let upper = digest.to_uppercase();
        for line in [format!("{digest}  data/x"), format!("{upper} *data/x"), format!("{digest}\t data/x")] {
            assert_eq!(parse(&line, 64), Ok(Line { digest: digest.clone(), raw: "data/x" }), "{line}");
        }
        for path in ["../x", "data/../../x", "/etc/passwd", "data//x", "data/./x", "data/", "data/..%0A/../x"]
        {
            let line = format!("{digest}  {path}");
            assert!(matches!(parse(&line, 64), Err(LineError::Outside(_))), "{path}");
        }
        for line in
            ["", "abc data/x", &digest, &format!("{digest}  "), &format!("{}g data/x", "a".repeat(63))]
        {
            assert_eq!(parse(line, 64), Err(LineError::Shape(64)), "{line}");
        }
    }
}
