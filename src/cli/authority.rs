//! `stammbuch authority`: makes authorities and their offices, lists them, and draws tokens. Works on the database, so
//! it may run beside a server; no route does this. Knows no keys and writes no configuration.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{CliError, serve};
use crate::access::Role;
use crate::app::{self, SystemClock, SystemRandom};
use crate::config::{Config, Token};
use crate::database::audit::{self, Act};
use crate::database::authorities::{self, DateError, Dated};
use crate::database::{Database, DatabaseError, Tx};
use crate::domain::clock::Clock as _;
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;
use crate::domain::random;
use crate::register::OfficeNumber;

/// Make authorities and their offices, list them, draw tokens
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  stammbuch authority add --config site.toml --name 'Standesamt Neustadt' --place Neustadt \\
      --office '06411001=Neustadt-Mitte'
  stammbuch authority list --config site.toml
  stammbuch authority token --config site.toml --authority ID --client workflow --role engine

What it says of authorities and offices holds at once, also for a running server; tokens and keys are read when the
server starts. Rows are dated and never rewritten: a new name holds from then on.")]
pub(super) struct Args {
    #[command(subcommand)]
    act: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an authority (Standesamt) with its offices; prints its id
    Add(Add),
    /// List authorities and the offices they have now
    List(Site),
    /// Add an office, or give one another name or place from a day on
    Office(Office),
    /// Dissolve an office: from a day on nothing is issued from its registers
    EndOffice(EndOffice),
    /// Draw a bearer token; prints it once, with the lines for the configuration
    Token(Draw),
}

#[derive(Debug, clap::Args)]
struct Site {
    /// Settings (TOML); config/default.toml documents them all
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    site: Site,
    /// Its name, as in letters and signatures
    #[arg(long)]
    name: String,
    /// The place that certificates name
    #[arg(long)]
    place: String,
    /// An office: its number (8 or 11 digits) and its name; as often as needed
    #[arg(long = "office", value_name = "NUMBER=NAME", required = true, value_parser = office)]
    offices: Vec<(OfficeNumber, String)>,
    /// For trials: all that this authority issues is a specimen, for ever
    #[arg(long)]
    specimen: bool,
}

#[derive(Debug, clap::Args)]
struct Office {
    #[command(flatten)]
    site: Site,
    /// Whose
    #[arg(long, value_name = "ID")]
    authority: AuthorityId,
    /// Its number: 8 or 11 digits
    #[arg(long)]
    number: OfficeNumber,
    /// Its name
    #[arg(long)]
    name: String,
    /// The place that certificates name, if it is not the authority's
    #[arg(long)]
    place: Option<String>,
    /// The first day it holds (in Germany); without it: from now on
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
}

#[derive(Debug, clap::Args)]
struct EndOffice {
    #[command(flatten)]
    site: Site,
    /// Whose
    #[arg(long, value_name = "ID")]
    authority: AuthorityId,
    /// Its number
    #[arg(long)]
    number: OfficeNumber,
    /// The first day without it (in Germany); without it: from now on
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
}

#[derive(Debug, clap::Args)]
struct Draw {
    #[command(flatten)]
    site: Site,
    /// Whose data it reaches
    #[arg(long, value_name = "ID")]
    authority: AuthorityId,
    /// The program or person, in the audit trail
    #[arg(long)]
    client: String,
    /// What it may do: engine, clerk, registrar, auditor or operator; as often as needed
    #[arg(long = "role", required = true, value_parser = role)]
    roles: Vec<Role>,
    /// The name under which a registrar releases
    #[arg(long)]
    person: Option<String>,
    /// The registrar's function as certificates print it
    #[arg(long)]
    function: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let runtime = serve::runtime()?;
    let said = match &args.act {
        Command::Add(args) => runtime.block_on(add(args))?,
        Command::List(args) => runtime.block_on(list(args))?,
        Command::Office(args) => runtime.block_on(put_office(args))?,
        Command::EndOffice(args) => runtime.block_on(end_office(args))?,
        Command::Token(args) => runtime.block_on(draw(args))?,
    };
    stdout().write_all(said.as_bytes()).map_err(CliError::failed)?;
    Ok(ExitCode::SUCCESS)
}

fn office(text: &str) -> Result<(OfficeNumber, String), String> {
    let (number, name) = text.split_once('=').ok_or("expected NUMBER=NAME")?;
    if name.trim().is_empty() {
        return Err("the office has no name".to_owned());
    }
    Ok((number.parse().map_err(|error| format!("{error}"))?, name.trim().to_owned()))
}

fn role(text: &str) -> Result<Role, String> {
    let all = [Role::Engine, Role::Clerk, Role::Registrar, Role::Auditor, Role::Operator];
    let found = all.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| "expected engine, clerk, registrar, auditor or operator".to_owned())
}

async fn add(args: &Add) -> Result<String, CliError> {
    let database = open(&args.site.config).await?.1;
    let (id, now) = (AuthorityId::draw(&SystemRandom::new()), SystemClock.now());
    let (name, details, specimen) = (args.name.clone(), letterhead(Some(&args.place)), args.specimen);
    let offices = args.offices.clone();
    let added: Result<(), Refused> = database
        .write(move |tx| {
            Box::pin(async move {
                authorities::found(tx, id, specimen, now).await?;
                authorities::put(tx, id, now, &name, &details).await?;
                for (number, name) in offices {
                    office_of_nobody_else(tx, id, &number, now).await?;
                    authorities::put_office(tx, id, &number.to_string(), now, &name, &letterhead(None))
                        .await?;
                }
                note(tx, id, "authority.added", id.to_string(), now).await
            })
        })
        .await;
    close(database, added).await?;
    Ok(format!("{id}\n"))
}

async fn list(args: &Site) -> Result<String, CliError> {
    let database = open(&args.config).await?.1;
    let now = SystemClock.now();
    let read: Result<String, Refused> = database
        .read(move |tx| {
            Box::pin(async move {
                let mut text = String::new();
                for id in authorities::list(tx).await? {
                    let named = authorities::as_of(tx, id, now).await?;
                    let name = named.as_ref().map_or("(without a name now)", |dated| dated.name.as_str());
                    let specimen = authorities::specimen(tx, id).await?.unwrap_or_default();
                    let mark = if specimen { "  specimens only" } else { "" };
                    text += &format!("{id}  {name}{}{mark}\n", place_of(named.as_ref()));
                    for office in authorities::offices_as_of(tx, id, now).await? {
                        let place = place_of(Some(&office.dated));
                        text += &format!("  office {}  {}{place}\n", office.number, office.dated.name);
                    }
                }
                Ok(text)
            })
        })
        .await;
    let text = close(database, read).await?;
    Ok(if text.is_empty() { "no authorities yet\n".to_owned() } else { text })
}

async fn put_office(args: &Office) -> Result<String, CliError> {
    let database = open(&args.site.config).await?.1;
    let (id, number, now) = (args.authority, args.number.clone(), SystemClock.now());
    let from = args.from.map_or(Ok(now), start_of)?;
    let (name, details) = (args.name.clone(), letterhead(args.place.as_deref()));
    let put: Result<(), Refused> = database
        .write(move |tx| {
            Box::pin(async move {
                known(tx, id).await?;
                office_of_nobody_else(tx, id, &number, from).await?;
                authorities::put_office(tx, id, &number.to_string(), from, &name, &details).await?;
                note(tx, id, "office.put", number.to_string(), now).await
            })
        })
        .await;
    close(database, put).await?;
    Ok(format!("office {} holds from {from} on\n", args.number))
}

async fn end_office(args: &EndOffice) -> Result<String, CliError> {
    let database = open(&args.site.config).await?.1;
    let (id, number, now) = (args.authority, args.number.clone(), SystemClock.now());
    let from = args.from.map_or(Ok(now), start_of)?;
    let ended: Result<(), Refused> = database
        .write(move |tx| {
            Box::pin(async move {
                known(tx, id).await?;
                if !authorities::end_office(tx, id, &number.to_string(), from).await? {
                    return Err(Refused::NoOffice { number, at: from });
                }
                note(tx, id, "office.ended", number.to_string(), now).await
            })
        })
        .await;
    close(database, ended).await?;
    Ok(format!("office {} ends at {from}\n", args.number))
}

async fn draw(args: &Draw) -> Result<String, CliError> {
    let (config, database) = open(&args.site.config).await?;
    let (id, now) = (args.authority, SystemClock.now());
    let drawn: Result<(), Refused> = database
        .write(move |tx| {
            Box::pin(async move {
                known(tx, id).await?;
                note(tx, id, "token.drawn", id.to_string(), now).await
            })
        })
        .await;
    close(database, drawn).await?;
    let text = hex::encode(random::bytes::<32>(&SystemRandom::new()));
    let mut trial = config;
    trial.access.tokens = vec![Token {
        sha256: Sha256::of(text.as_bytes()),
        client: args.client.clone(),
        authority: id,
        roles: args.roles.clone(),
        person: args.person.clone(),
        function: args.function.clone(),
    }];
    let lines = toml::to_string(&Lines { access: &trial.access }).map_err(CliError::failed)?;
    // What the server would refuse at its start is refused here.
    Config::parse(&lines, &args.site.config).map_err(|error| CliError::BadInput(error.to_string()))?;
    Ok(format!("# the token, shown this once: {text}\n{lines}"))
}

#[derive(serde::Serialize)]
struct Lines<'c> {
    access: &'c crate::config::Access,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no authority {0}")]
    Unknown(AuthorityId),
    #[error("office {number} belongs to authority {other} then; end it there first")]
    Taken { number: OfficeNumber, other: AuthorityId },
    #[error("the authority has no office {number} that would end at {at}")]
    NoOffice { number: OfficeNumber, at: Timestamp },
    #[error(transparent)]
    Dates(#[from] DateError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

async fn open(file: &Path) -> Result<(Config, Database), CliError> {
    let config = Config::load(file).map_err(|error| CliError::BadInput(error.to_string()))?;
    let database = app::open_database(&config).await.map_err(CliError::failed)?;
    Ok((config, database))
}

async fn close<T>(database: Database, outcome: Result<T, Refused>) -> Result<T, CliError> {
    database.close().await;
    outcome.map_err(|refused| match refused {
        Refused::Database(_) | Refused::Dates(DateError::Database(_)) => CliError::failed(refused),
        _ => CliError::BadInput(refused.to_string()),
    })
}

async fn known(tx: &mut Tx, id: AuthorityId) -> Result<(), Refused> {
    authorities::specimen(tx, id).await?.map(drop).ok_or(Refused::Unknown(id))
}

async fn office_of_nobody_else(
    tx: &mut Tx,
    id: AuthorityId,
    number: &OfficeNumber,
    at: Timestamp,
) -> Result<(), Refused> {
    match authorities::holder_of(tx, number.as_str(), at).await? {
        Some(other) if other != id => Err(Refused::Taken { number: number.clone(), other }),
        _ => Ok(()),
    }
}

async fn note(
    tx: &mut Tx,
    id: AuthorityId,
    action: &str,
    subject: String,
    at: Timestamp,
) -> Result<(), Refused> {
    let act = Act {
        at,
        authority: Some(id),
        actor: "command line".to_owned(),
        role: Role::Operator.as_str().to_owned(),
        action: action.to_owned(),
        subject_kind: action.split('.').next().unwrap_or_default().to_owned(),
        subject_id: subject,
        request_id: None,
        personal: None,
    };
    Ok(audit::append(tx, act).await?)
}

/// The first instant of a day in Germany.
fn start_of(day: Date) -> Result<Timestamp, CliError> {
    let zone = TimeZone::get("Europe/Berlin").map_err(CliError::failed)?;
    Ok(day.to_zoned(zone).map_err(CliError::failed)?.timestamp())
}

fn letterhead(place: Option<&str>) -> Value {
    Value::Object(place.map(|place| ("place".to_owned(), place.into())).into_iter().collect::<Map<_, _>>())
}

fn place_of(dated: Option<&Dated>) -> String {
    let place = dated.and_then(|dated| dated.details.get("place")).and_then(Value::as_str);
    place.map(|place| format!(" ({place})")).unwrap_or_default()
}
