//! `[scan]`: where the virus scanner is, and what it is waited for.

use serde::{Deserialize, Serialize};

use crate::intake::receive::WhenUnclear;
use crate::scan::clamd::Address;

/// The scanner that every file goes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scan {
    /// Where clamd listens; empty: files are not scanned.
    pub address: ScannerAddress,
    /// The largest file that it is given.
    pub bytes_max: u64,
    /// Time for a connection.
    pub connect_seconds: u64,
    /// Time for a piece or an answer.
    pub answer_seconds: u64,
    /// Time for all waits of a file.
    pub total_seconds: u64,
    /// What becomes of a file without a clear answer.
    pub unavailable: WhenUnclear,
    /// Time an infected file is kept.
    pub quarantine_days: u32,
    /// Bytes of them that are kept for an authority.
    pub quarantine_bytes_max: u64,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            address: ScannerAddress::default(),
            bytes_max: 100 << 20,
            connect_seconds: 5,
            answer_seconds: 120,
            total_seconds: 240,
            unavailable: WhenUnclear::Refuse,
            quarantine_days: 30,
            quarantine_bytes_max: 1 << 30,
        }
    }
}

/// Empty, `unix:PATH` or `tcp:IP:PORT`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ScannerAddress(Option<Address>);

impl ScannerAddress {
    /// Where it is, if there is one.
    pub const fn get(&self) -> Option<&Address> {
        self.0.as_ref()
    }
}

impl TryFrom<String> for ScannerAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|address| Self(Some(address))) }
    }
}

impl From<ScannerAddress> for String {
    fn from(address: ScannerAddress) -> Self {
        address.0.map(|address| address.to_string()).unwrap_or_default()
    }
}
