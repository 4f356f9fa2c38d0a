//! Wiring of events: secrets and roots out of their files, the worker, the outbox that everybody writes to.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{KeyFileError, StartError};
use crate::config::{Config, EventTarget};
use crate::database::Database;
use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::domain::random::Random;
use crate::events::address::SystemLookup;
use crate::events::deliver::Patience;
use crate::events::sign::Secrets;
use crate::events::{Manner, Outbox, Target, Worker};

/// Starts what delivers, and gives what writes for it.
pub(super) fn start(
    config: &Config,
    database: &Database,
    node: NodeId,
    (clock, random): (&Arc<dyn Clock>, &Arc<dyn Random>),
) -> Result<(Outbox, Worker), StartError> {
    let targets = config.events.targets.iter().map(|target| open(config, target));
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    let manner = Manner {
        public_url: config.public_url.as_str().to_owned(),
        private: config.events.private.clone(),
        lookup: Arc::new(SystemLookup),
        within: Duration::from_secs(config.events.timeout_seconds),
        places: config.events.places,
        patience: Patience {
            attempts_max: config.events.attempts_max,
            pause_max: Duration::from_secs(config.events.pause_seconds_max),
        },
    };
    Ok(Worker::start(targets, &manner, database, node, (clock, random))?)
}

fn open(config: &Config, target: &EventTarget) -> Result<Target, KeyFileError> {
    let read = |path: &Path| {
        let path = config.path(path);
        fs::read_to_string(&path).map_err(|source| KeyFileError::File { path, source })
    };
    let secrets = Secrets::parse(&read(&target.secret_file)?);
    Ok(Target {
        name: target.name.clone(),
        authority: target.authority,
        types: target.types.clone(),
        url: target.url.as_str().to_owned(),
        secrets: secrets
            .map_err(|source| KeyFileError::Secret { path: config.path(&target.secret_file), source })?,
        roots: target.ca_file.as_deref().map(read).transpose()?,
    })
}
