//! Wiring of the virus scanner: the client out of the configuration, and whether it answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::Config;
use crate::http::{NotReady, Probe};
use crate::scan::Scanning;
use crate::scan::clamd::{Clamd, Patience};

/// What every file goes through.
pub(super) fn open(config: &Config) -> Result<Scanning, prometheus::Error> {
    let settings = &config.scan;
    let Some(address) = settings.address.get() else {
        tracing::warn!("no virus scanner is configured: files are taken in unscanned");
        return Ok(Scanning::off());
    };
    let patience = Patience {
        connect: Duration::from_secs(settings.connect_seconds),
        one: Duration::from_secs(settings.answer_seconds),
        all: Duration::from_secs(settings.total_seconds),
    };
    let clamd = Clamd { address: address.below(&config.data_dir), patience };
    Scanning::by(Arc::new(clamd), settings.bytes_max)
}

/// Asks the scanner whether it is there.
pub(super) struct ScannerProbe {
    pub(super) scanning: Scanning,
}

#[async_trait]
impl Probe for ScannerProbe {
    async fn probe(&self) -> Result<Option<String>, NotReady> {
        match self.scanning.ping().await {
            None => Ok(Some("off: files are not scanned".to_owned())),
            Some(Ok(())) => Ok(None),
            Some(Err(why)) => Err(NotReady::new("does not answer: uploads are refused", why)),
        }
    }
}
