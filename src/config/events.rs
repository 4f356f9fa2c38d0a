//! `[events]`: whom to tell what happened. Targets are settings and no rows that a caller could make: where data goes
//! to is decided by whoever runs the installation, and the secret is in no database and no backup of one.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::ids::AuthorityId;
use crate::events::address::Network;
use crate::events::{Happening, TargetName};

/// Whom to tell, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// How often an event is tried before it is dead.
    pub attempts_max: u32,
    /// The longest pause between tries.
    pub pause_seconds_max: u64,
    /// The longest a delivery takes.
    pub timeout_seconds: u64,
    /// Deliveries at a time to each target.
    pub places: usize,
    /// Networks a target may be in though they are not on the internet.
    pub private: Vec<Network>,
    /// The targets.
    pub targets: Vec<EventTarget>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            attempts_max: 80,
            pause_seconds_max: 3600,
            timeout_seconds: 15,
            places: 4,
            private: Vec::new(),
            targets: Vec::new(),
        }
    }
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTarget {
    /// What its events wait under.
    pub name: TargetName,
    /// Whose events it hears.
    pub authority: AuthorityId,
    /// Where they are posted.
    pub url: TargetUrl,
    /// Which; empty: all.
    #[serde(default)]
    pub types: Vec<Happening>,
    /// The secret that signs, and for a while the one before.
    pub secret_file: PathBuf,
    /// PEM of the roots it is trusted by, instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// `http(s)://HOST[:PORT][/PATH][?QUERY]`, without a user and a fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TargetUrl(String);

impl TargetUrl {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TargetUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '@' | '"' | '<' | '>' | '\\');
        let named = |rest: &str| !matches!(rest.chars().next(), None | Some('/' | ':' | '?'));
        match rest {
            Some(rest)
                if named(rest) && rest.chars().all(plain) && text.parse::<ureq::http::Uri>().is_ok() =>
            {
                Ok(Self(text))
            }
            _ => Err(format!("expected https://HOST/PATH without user and fragment, got {text:?}")),
        }
    }
}

impl From<TargetUrl> for String {
    fn from(url: TargetUrl) -> Self {
        url.0
    }
}

impl Events {
    /// The first setting that cannot be as it is, and what would do.
    pub(super) fn contradiction(&self) -> Option<(String, String)> {
        let twice = self.targets.iter().enumerate().find(|(index, target)| {
            self.targets.iter().take(*index).any(|earlier| earlier.name == target.name)
        });
        twice.map(|(_, target)| {
            (
                "events.targets".to_owned(),
                format!("a name of its own for each target; {:?} is there twice", target.name.as_str()),
            )
        })
    }
}
