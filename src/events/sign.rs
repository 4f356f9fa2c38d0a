//! Signatures after Standard Webhooks 1.0: `v1`, HMAC-SHA256 over id, time of sending and body. Two secrets at a time
//! let a secret be changed without a moment in which nothing verifies.
//!
//! Standard Webhooks rather than RFC 9421: receivers have libraries for it in every language, nothing has to be
//! canonicalised, and the id that it signs is what a receiver drops doubles by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;

/// Bytes that a secret has, at least and at most.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that sign at a time, at most.
const SECRETS_MAX: usize = 2;

/// The text is not a file of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// No line, or too many.
    #[error("expected one secret, or two while it is changed, one a line; got {0}")]
    Count(usize),
    /// A line is no secret.
    #[error("line {line} is not `whsec_` and 24 to 64 bytes in base64")]
    Form {
        /// Counted from 1.
        line: usize,
    },
}

/// The secrets of a target: all sign.
#[derive(Clone)]
pub struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Reads the lines of a file: the new secret, and for a while the old one.
    ///
    /// # Errors
    /// [`BadSecret`]
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() || lines.len() > SECRETS_MAX {
            return Err(BadSecret::Count(lines.len()));
        }
        let key = |(index, line): (usize, &&str)| {
            let bytes = line.strip_prefix("whsec_").and_then(|coded| STANDARD.decode(coded).ok());
            let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
            let bytes = bytes.ok_or(BadSecret::Form { line: index + 1 })?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        lines.iter().enumerate().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The values of `webhook-timestamp` and `webhook-signature` for a message sent at `at`.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> (String, String) {
        let second = at.as_second().to_string();
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id.as_bytes(), b".", second.as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        let signatures: Vec<String> = self.0.iter().map(signed).collect();
        (second, signatures.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standards_libraries_is_signed_as_there() {
        let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let (second, signature) =
            secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(second, "1614265330");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_both_and_what_is_no_secret_is_told_by_its_line() {
        let line = |n: u8, bytes: usize| format!("whsec_{}", STANDARD.encode(vec![n; bytes]));
        let both = Secrets::parse(&format!("{}\n\n{}\n", line(1, 24), line(2, 64))).unwrap();
        let (_, signatures) = both.sign("id", Timestamp::UNIX_EPOCH, b"{}");
        let alone =
            |n, bytes| Secrets::parse(&line(n, bytes)).unwrap().sign("id", Timestamp::UNIX_EPOCH, b"{}").1;
        assert_eq!(signatures, format!("{} {}", alone(1, 24), alone(2, 64)));
        let refused = |text: &str| Secrets::parse(text).map(drop).unwrap_err();
        assert_eq!(refused("\n"), BadSecret::Count(0));
        assert_eq!(refused(&[line(1, 24), line(2, 24), line(3, 24)].join("\n")), BadSecret::Count(3));
        for bad in [line(1, 23), line(1, 65), "whsec_%".into(), STANDARD.encode([1; 24])] {
            assert_eq!(refused(&format!("{}\n{bad}", line(1, 24))), BadSecret::Form { line: 2 }, "{bad}");
        }
    }
}
