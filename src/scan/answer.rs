//! What clamd says at the end of a stream. Only two sentences are answers; all else leaves the file unknown.

use super::{Finding, Signature, Unclear};

/// What signatures are called that only say that clamd stopped looking (its setting `AlertExceedsMax`).
const LIMITS: &str = "Heuristics.Limits.Exceeded";
/// What is said of a file above `StreamMaxLength`.
const SIZE_LIMIT: &str = "INSTREAM size limit exceeded. ERROR";

/// The finding in an answer to INSTREAM, without the NUL at its end.
pub(super) fn parse(answer: &[u8]) -> Result<Finding, Unclear> {
    let text = std::str::from_utf8(answer).map_err(|_| Unclear::Garbage)?;
    if text == "stream: OK" {
        return Ok(Finding::Nothing);
    }
    if text == SIZE_LIMIT {
        return Err(Unclear::TooLarge);
    }
    let found = text.strip_prefix("stream: ").and_then(|rest| rest.strip_suffix(" FOUND"));
    match found.map(|name| Signature::try_from(name.to_owned())) {
        Some(Ok(name)) if name.as_str().starts_with(LIMITS) => Err(Unclear::Partial),
        Some(Ok(name)) => Ok(Finding::Found(name)),
        None if text.ends_with(" ERROR") => Err(Unclear::Failed),
        _ => Err(Unclear::Garbage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_says_clean_and_one_infected() {
        assert_eq!(parse(b"stream: OK"), Ok(Finding::Nothing));
        let name = |text: &str| Ok(Finding::Found(Signature::try_from(text.to_owned()).unwrap()));
        assert_eq!(parse(b"stream: Test.A-1.UNOFFICIAL FOUND"), name("Test.A-1.UNOFFICIAL"));
        assert_eq!(parse(b"stream: {HEX}a.b(44d8:68) FOUND"), name("{HEX}a.b(44d8:68)"));
        assert_eq!(parse(b"stream: OK FOUND"), name("OK"));
    }

    #[test]
    fn whatever_else_is_said_is_not_clear() {
        let long = format!("stream: {} FOUND", "x".repeat(201));
        let cases: [(&[u8], Unclear); 21] = [
            (b"", Unclear::Garbage),
            (b"OK", Unclear::Garbage),
            (b"stream: ok", Unclear::Garbage),
            (b"stream:OK", Unclear::Garbage),
            (b" stream: OK", Unclear::Garbage),
            (b"stream: OK ", Unclear::Garbage),
            (b"stream: OK\n", Unclear::Garbage),
            (b"stream: OK\nstream: OK", Unclear::Garbage),
            (b"other: OK", Unclear::Garbage),
            (b"1: stream: OK", Unclear::Garbage),
            (b"stream: FOUND", Unclear::Garbage),
            (b"stream:  FOUND", Unclear::Garbage),
            (b"stream: two words FOUND", Unclear::Garbage),
            (b"stream: \xff FOUND", Unclear::Garbage),
            (long.as_bytes(), Unclear::Garbage),
            (b"UNKNOWN COMMAND", Unclear::Garbage),
            (b"HTTP/1.1 200 OK", Unclear::Garbage),
            (b"stream: Can't allocate memory ERROR", Unclear::Failed),
            (b"COMMAND READ TIMED OUT ERROR", Unclear::Failed),
            (SIZE_LIMIT.as_bytes(), Unclear::TooLarge),
            (b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", Unclear::Partial),
        ];
        for (answer, why) in cases {
            assert_eq!(parse(answer), Err(why), "{}", String::from_utf8_lossy(answer));
        }
    }
}
