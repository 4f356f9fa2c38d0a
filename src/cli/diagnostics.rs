//! The program's log on standard error, as configured; panics become lines of it.

use tracing_subscriber::EnvFilter;

use super::CliError;
use crate::config::{Diagnostics, DiagnosticsFormat};
use crate::panics;

/// Starts it. A filter that cannot be read is bad input.
pub(crate) fn start(settings: &Diagnostics) -> Result<(), CliError> {
    // The server's own lines say nothing that ours do not; a filter that names it has the last word.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{}", settings.level))
        .map_err(|error| CliError::BadInput(format!("diagnostics.level: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        DiagnosticsFormat::Json => {
            log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        DiagnosticsFormat::Text => log.try_init(),
    };
    started.map_err(CliError::Failed)?;
    panics::watch().map_err(CliError::failed)
}
