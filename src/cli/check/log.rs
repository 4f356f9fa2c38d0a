//! The signed log of the database against the published files: checkpoint, tiles, bundles. Files that are missing or
//! wrong are put right from the leaves, if these give the root that was signed; a history is never chosen.

use std::collections::BTreeSet;
use std::time::Duration;

use super::report::Report;
use super::rule::Rule;
use super::{Looking, database_failed};
use crate::app::Inspection;
use crate::cli::CliError;
use crate::database::log::{self as rows, SignedHead};
use crate::database::{Database, DatabaseError};
use crate::issuance::log_files::LogFiles;
use crate::tlog::{Checkpoint, Growth, Hash, TilePath, Tree, VerifierKey, tiles_for_edge};

/// Leaves taken up in one go: whole tiles of the second level.
const AT_ONCE: u64 = 65_536;
/// How often it is looked whether the published checkpoint follows the signed one, beside a running server.
const FOLLOWS: u32 = 20;
/// Between two of these looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The log as rows, files and key.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Logged<'l> {
    pub(super) database: &'l Database,
    pub(super) files: &'l LogFiles,
    pub(super) key: &'l VerifierKey,
}

impl<'l> Logged<'l> {
    pub(in crate::cli) const fn of(with: &'l Inspection) -> Self {
        Self { database: &with.database, files: &with.log, key: &with.log_key }
    }
}

/// What the published checkpoint is to the signed log.
enum Published {
    /// The signed one.
    Same,
    /// An earlier one of the same log, or none.
    Behind(String),
    /// One of more leaves.
    Ahead(String),
    /// One of as many leaves or fewer that the leaves do not give.
    Other(String),
    /// None of this log.
    Forged(String),
}

/// Compares.
pub(super) async fn compare(
    with: &Inspection,
    looking: &Looking,
    report: &mut Report,
) -> Result<(), CliError> {
    let log = Logged::of(with);
    let signed = log.database.read(|tx| Box::pin(rows::signed_head(tx))).await.map_err(database_failed)?;
    let mut published = log.files.checkpoint().await.map_err(CliError::failed)?;
    for _ in 0..FOLLOWS {
        let size = published.as_deref().and_then(|note| Some(log.open(note).ok()?.size()));
        if !looking.served || size.unwrap_or(0) >= signed.size {
            break;
        }
        // sleeps: the server is about to publish what it has signed
        tokio::time::sleep(LOOK_AGAIN).await;
        published = log.files.checkpoint().await.map_err(CliError::failed)?;
    }
    let published = published.as_deref();
    let size = published.and_then(|note| Some(log.open(note).ok()?.size())).unwrap_or_default();
    let found = log.walk(&signed, size, &mut Comparing { log, looking, report }).await?;
    report.compared("leaves", Some(signed.size));
    let Some(roots) = found else {
        let what = format!("the database lacks leaves between 0 and {}, or has damaged ones", signed.size);
        report.differs(Rule::LeavesDamaged, "leaves", what);
        return Ok(());
    };
    if let Some(what) = log.contradicts(&signed, roots.signed) {
        report.differs(Rule::LeavesDamaged, "leaves", what);
    }
    match log.place(published, &signed, &roots, looking) {
        Published::Same => {}
        Published::Behind(what) => report.differs(Rule::CheckpointBehind, "checkpoint", what),
        Published::Ahead(what) => report.differs(Rule::CheckpointAhead, "checkpoint", what),
        Published::Other(what) => report.differs(Rule::CheckpointOther, "checkpoint", what),
        Published::Forged(what) => report.differs(Rule::CheckpointForged, "checkpoint", what),
    }
    Ok(())
}

/// Puts files right, and publishes what was signed. Answers nothing: the next comparison does.
pub(super) async fn repair(log: Logged<'_>) -> Result<(), CliError> {
    let signed = log.database.read(|tx| Box::pin(rows::signed_head(tx))).await.map_err(database_failed)?;
    let published = log.files.checkpoint().await.map_err(CliError::failed)?;
    let size = published.as_deref().and_then(|note| Some(log.open(note).ok()?.size())).unwrap_or_default();
    // Once only to see whether the leaves give the root that was signed.
    let Some(roots) = log.walk(&signed, size, &mut Passing).await? else { return Ok(()) };
    if log.contradicts(&signed, roots.signed).is_some() {
        return Ok(());
    }
    let looking = Looking::stopped();
    let published = published.as_deref();
    let behind = match log.place(published, &signed, &roots, &looking) {
        Published::Same => false,
        Published::Behind(_) => true,
        Published::Ahead(_) | Published::Other(_) | Published::Forged(_) => return Ok(()),
    };
    log.walk(&signed, size, &mut PuttingRight(log)).await?;
    if let (true, Some(note)) = (behind, &signed.checkpoint) {
        log.files.publish(published, note).await.map_err(CliError::failed)?;
    }
    Ok(())
}

/// Roots that the leaves give.
struct Roots {
    /// At the size of the published checkpoint, if there are so many leaves.
    published: Option<Hash>,
    /// At the signed size.
    signed: Hash,
}

/// What is done with each file that has to be there.
trait Visit {
    async fn file(&mut self, path: &TilePath, bytes: &[u8]) -> Result<(), CliError>;
}

/// Nothing.
struct Passing;

impl Visit for Passing {
    async fn file(&mut self, _: &TilePath, _: &[u8]) -> Result<(), CliError> {
        Ok(())
    }
}

struct PuttingRight<'l>(Logged<'l>);

impl Visit for PuttingRight<'_> {
    async fn file(&mut self, path: &TilePath, bytes: &[u8]) -> Result<(), CliError> {
        self.0.files.put_right(path, bytes).await.map(drop).map_err(CliError::failed)
    }
}

struct Comparing<'l> {
    log: Logged<'l>,
    looking: &'l Looking,
    report: &'l mut Report,
}

impl Visit for Comparing<'_> {
    async fn file(&mut self, path: &TilePath, expected: &[u8]) -> Result<(), CliError> {
        let mut found = self.log.files.file(path).await.map_err(CliError::failed)?;
        if found.is_none() {
            // A running server may have signed and not yet written it.
            self.looking.again_after(LOOK_AGAIN, false).await;
            found = self.log.files.file(path).await.map_err(CliError::failed)?;
        }
        match found {
            Some(bytes) if bytes == expected => {}
            Some(_) => {
                let what = format!("{path} has other bytes than its leaves give");
                self.report.differs(Rule::FileWrong, path, what);
            }
            None => self.report.differs(Rule::FileMissing, path, format!("{path} is missing")),
        }
        Ok(())
    }
}

impl Logged<'_> {
    /// Why the database is not to be signed on, if this was the checkpoint that was published last.
    pub(in crate::cli) async fn refuses(&self, note: &str) -> Result<Option<String>, CliError> {
        let last = match self.open(note) {
            Ok(last) => last,
            Err(error) => return Ok(Some(format!("the last checkpoint: {error}"))),
        };
        let signed =
            self.database.read(|tx| Box::pin(rows::signed_head(tx))).await.map_err(database_failed)?;
        if last.size() > signed.size {
            return Ok(Some(format!(
                "the log had gone on to {} leaves, the database has {}: signed on from there it would have two \
                 histories",
                last.size(),
                signed.size
            )));
        }
        let roots = self.walk(&signed, last.size(), &mut Passing).await?;
        let is_ours = roots.is_some_and(|roots| roots.published == Some(last.root()));
        Ok((!is_ours).then(|| "the last checkpoint is of another tree than the database's leaves".to_owned()))
    }

    fn open(&self, note: &str) -> Result<Checkpoint, crate::tlog::CheckpointError> {
        Checkpoint::open(note, std::slice::from_ref(self.key))
    }

    /// Takes all leaves of the database up, and hands each file to `visit` that has to be there: full tiles, and the
    /// open ones of the signed size. `None`: leaves are missing or damaged.
    async fn walk(
        &self,
        signed: &SignedHead,
        published: u64,
        visit: &mut impl Visit,
    ) -> Result<Option<Roots>, CliError> {
        let size = signed.size;
        let edge: BTreeSet<TilePath> = tiles_for_edge(size).into_iter().collect();
        let mut tree = Tree::new();
        let mut at_published = (published == 0).then(|| tree.root());
        while tree.size() < size {
            let from = tree.size();
            let mut to = size.min(from + AT_ONCE);
            if from < published && published < to {
                to = published;
            }
            match self.database.read(move |tx| Box::pin(rows::leaves(tx, from, to))).await {
                Ok(leaves) => visit_all(&tree.append(&leaves), &edge, visit).await?,
                Err(DatabaseError::NoRow | DatabaseError::Column { .. }) => return Ok(None),
                Err(error) => return Err(CliError::failed(error)),
            }
            if tree.size() == published {
                at_published = Some(tree.root());
            }
        }
        Ok(Some(Roots { published: at_published, signed: tree.root() }))
    }

    /// What is wrong with the signed checkpoint, if it is not the one the leaves give.
    fn contradicts(&self, signed: &SignedHead, root: Hash) -> Option<String> {
        match self.open(signed.checkpoint.as_ref()?) {
            Ok(checkpoint) if checkpoint.root() == root && checkpoint.size() == signed.size => None,
            Ok(_) => Some("the leaves in the database do not give the root that was signed".to_owned()),
            Err(error) => Some(format!("the checkpoint in the database: {error}")),
        }
    }

    /// Where the published checkpoint stands to the signed one.
    fn place(&self, note: Option<&str>, signed: &SignedHead, roots: &Roots, looking: &Looking) -> Published {
        let database = signed.size;
        if note == signed.checkpoint.as_deref() {
            return Published::Same;
        }
        let Some(note) = note else {
            let what =
                format!("published checkpoint: none; signed in the database: one of {database} leaves");
            return Published::Behind(what);
        };
        let published = match self.open(note) {
            Ok(published) => published,
            Err(error) => return Published::Forged(format!("the published checkpoint: {error}")),
        };
        let what = format!(
            "published checkpoint: one of {} leaves; signed in the database: one of {database} leaves",
            published.size()
        );
        match published.size() {
            // Beside a server the log has grown since the database was asked.
            size if size > database && looking.served => Published::Same,
            size if size > database => Published::Ahead(what),
            _ if roots.published != Some(published.root()) => {
                Published::Other(format!("{what}, of another tree"))
            }
            size if size == database => Published::Same,
            _ => Published::Behind(what),
        }
    }
}

/// Full tiles, and the open ones of the present size.
async fn visit_all(
    growth: &Growth,
    edge: &BTreeSet<TilePath>,
    visit: &mut impl Visit,
) -> Result<(), CliError> {
    for (path, bytes) in growth.files() {
        if path.is_full() || edge.contains(path) {
            visit.file(path, bytes).await?;
        }
    }
    Ok(())
}
