//! `/v1/entries/…`: dated copies of register entries come in from the register and are read by those who may.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JsonBody, shape};
use super::caller::{Caller, EntryReader, Registering};
use super::problem::{Kind, Problem};
use crate::access::{Principal, Role};
use crate::register::copies::{Actor, Copies, CopyError, Known, Taken};
use crate::register::value::NotAValue;
use crate::register::{EntryError, EntryKey, NotAKey};

/// The address of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Address {
    register: String,
    office: String,
    year: String,
    number: String,
}

/// What became of a copy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Kept {
    /// The register: G.
    register: String,
    /// The number of the office.
    office: String,
    /// The year of the first Beurkundung.
    year: i16,
    /// The number, such as `815` or `815-1`.
    number: String,
    /// The version it is kept as, from 1.
    version: u32,
}

impl Address {
    fn key(&self) -> Result<EntryKey, NotAKey> {
        EntryKey::parse(&self.register, &self.office, &self.year, &self.number)
    }
}

impl Principal {
    /// The person if one is known, else the program: for rows and the audit trail.
    pub(super) fn name(&self) -> &str {
        self.person.as_deref().unwrap_or(&self.client)
    }

    /// The weightiest of its roles, as one word.
    pub(super) fn acting_as(&self) -> &'static str {
        let roles = [Role::Registrar, Role::Clerk, Role::Engine, Role::Auditor, Role::Operator];
        roles.iter().find(|role| self.has_any(&[**role])).map_or("", |role| role.as_str())
    }
}

impl Caller {
    fn actor(&self) -> Actor {
        Actor {
            authority: self.authority,
            name: self.name().to_owned(),
            role: self.acting_as(),
            request_id: self.request_id(),
        }
    }
}

fn kept(key: &EntryKey, taken: &Taken) -> HttpResponse {
    let body = Kept {
        register: key.register.to_string(),
        office: key.office.to_string(),
        year: key.year,
        number: key.number.to_string(),
        version: taken.version,
    };
    if taken.new { HttpResponse::Created().json(body) } else { HttpResponse::Ok().json(body) }
}

/// A dated copy of a whole entry.
#[utoipa::path(put, path = "/v1/entries/{register}/{office}/{year}/{number}", tag = "register",
    params(("register" = String, Path), ("office" = String, Path), ("year" = String, Path), ("number" = String, Path)),
    request_body(content = Object, description = "schemas/register/G.json", content_type = "application/json"),
    responses((status = 201, description = "Kept as a new version", body = Kept),
    (status = 200, description = "The same was known", body = Kept),
    (status = 404, description = "Not an office of this authority", body = super::problem::Body),
    (status = 409, description = "A newer state is known", body = super::problem::Body),
    (status = 422, description = "A field or the number is wrong", body = super::problem::Body)))]
pub(super) async fn put(
    caller: Registering,
    address: web::Path<Address>,
    body: JsonBody,
    copies: web::Data<Copies>,
) -> Result<HttpResponse, Problem> {
    let key = address.key()?;
    Ok(kept(&key, &copies.put(&caller.actor(), key.clone(), &body).await?))
}

/// One more subsequent entry.
#[utoipa::path(post, path = "/v1/entries/{register}/{office}/{year}/{number}/subsequent", tag = "register",
    params(("register" = String, Path), ("office" = String, Path), ("year" = String, Path), ("number" = String, Path)),
    request_body(content = Object, description = "schemas/register/subsequent.json", content_type = "application/json"),
    responses((status = 201, description = "Kept as a new version", body = Kept),
    (status = 200, description = "The same was known", body = Kept),
    (status = 404, description = "No such entry of this authority", body = super::problem::Body),
    (status = 422, description = "A field or the number is wrong", body = super::problem::Body)))]
pub(super) async fn add(
    caller: Registering,
    address: web::Path<Address>,
    body: JsonBody,
    copies: web::Data<Copies>,
) -> Result<HttpResponse, Problem> {
    let key = address.key()?;
    Ok(kept(&key, &copies.add(&caller.actor(), key.clone(), &body).await?))
}

/// The entry as it is known now.
#[utoipa::path(get, path = "/v1/entries/{register}/{office}/{year}/{number}", tag = "register",
    params(("register" = String, Path), ("office" = String, Path), ("year" = String, Path), ("number" = String, Path)),
    responses((status = 200, description = "The copy with what came in later, its version and locks", body = Object),
    (status = 404, description = "No such entry of this authority", body = super::problem::Body)))]
pub(super) async fn get(
    caller: EntryReader,
    address: web::Path<Address>,
    copies: web::Data<Copies>,
) -> Result<HttpResponse, Problem> {
    let Known { version, copy, locks } = copies.get(&caller.actor(), address.key()?).await?;
    let body = serde_json::json!({ "version": version, "entry": copy, "locks": locks });
    Ok(HttpResponse::Ok().json(body))
}

impl From<NotAKey> for Problem {
    fn from(error: NotAKey) -> Self {
        Kind::RegisterNumberInvalid.problem().detail(error.to_string())
    }
}

impl From<CopyError> for Problem {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::NotFound => Kind::NotFound.problem(),
            CopyError::Bad(error) => error.into(),
            CopyError::Older { known, got } => Kind::StateConflict
                .problem()
                .detail("a newer state of the entry is known")
                .expected(known.to_string())
                .got(got.to_string()),
            CopyError::Database(error) => error.into(),
        }
    }
}

impl From<EntryError> for Problem {
    fn from(error: EntryError) -> Self {
        let kind = match &error {
            EntryError::Shape(cause) => return shape(Kind::MalformedJson, &cause.to_string()),
            EntryError::UnknownField(_) => Kind::UnknownField,
            EntryError::Source(_) | EntryError::Value { reason: NotAValue::Latin(_), .. } => {
                Kind::NameNotPermitted
            }
            _ => Kind::ValueInvalid,
        };
        let problem = kind.problem().detail(error.to_string());
        match error.field() {
            Some(field) => problem.rule(format!("PStV Anlage 1, {field}")),
            None => problem,
        }
    }
}
