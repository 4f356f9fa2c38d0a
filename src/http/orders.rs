//! `/v1/orders`: an engine asks for a certificate, also for a citizen; a registrar releases.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{JsonBody, shape};
use super::caller::{Caller, Orderer, Registrar};
use super::certificates::View;
use super::idempotency::IdempotencyKey;
use super::problem::{Kind, Problem};
use crate::domain::ids::OrderId;
use crate::issuance::compose::ComposeError;
use crate::issuance::fill::FillError;
use crate::orders::request::{BadOrder, OrderRequest, ReleaseRequest};
use crate::orders::{self, Answer, OrderError, Orders, Sender};

/// An order and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderView {
    /// Its id.
    id: String,
    /// `awaiting-release`, `refused`, `awaiting-signature`, `issued`.
    state: &'static str,
    /// Since when.
    state_at: String,
    /// The entry: register, office, year, number.
    #[schema(value_type = Object)]
    entry: serde_json::Value,
    /// The kind of certificate.
    kind: &'static str,
    /// The sender's own reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_key: Option<String>,
    /// The paragraph that forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    paragraph: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The certificate, once it is begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl From<Answer> for OrderView {
    fn from(answer: Answer) -> Self {
        let (state, refusal) = (answer.state(), answer.refusal());
        let (paragraph, reason) = refusal.map(|refusal| (refusal.law, refusal.reason)).unzip();
        Self {
            id: answer.order.id.to_string(),
            state,
            state_at: answer.order.state_at.to_string(),
            entry: serde_json::to_value(&answer.order.entry).unwrap_or_default(),
            kind: answer.order.kind.as_str(),
            business_key: answer.order.business_key,
            paragraph: paragraph.flatten(),
            reason,
            certificate: answer.certificate.map(|id| id.to_string()),
        }
    }
}

impl Caller {
    pub(super) fn sender(&self) -> Sender {
        Sender {
            authority: self.authority,
            client: self.client.clone(),
            name: self.name().to_owned(),
            role: self.acting_as(),
            request_id: self.request_id(),
        }
    }

    /// The named registrar; a token of the role without a name releases nothing.
    pub(super) fn registrar(&self) -> Result<orders::Registrar, Problem> {
        let person = self.person.clone();
        let person = person.ok_or_else(|| Kind::RoleMissing.problem().detail("the token names no person"))?;
        let function = self.function.clone().unwrap_or_else(|| orders::FUNCTION.to_owned());
        Ok(orders::Registrar { sender: self.sender(), person, function })
    }
}

/// An order for a certificate: checked at once, then it awaits a registrar.
#[utoipa::path(post, path = "/v1/orders", tag = "orders",
    request_body(content = Object, description = "entry, kind, medium, omit, purpose, applicant, businessKey", content_type = "application/json"),
    responses((status = 202, description = "Awaiting release, or refused with its paragraph", body = OrderView),
    (status = 404, description = "No such entry of this authority", body = super::problem::Body),
    (status = 422, description = "A value is wrong", body = super::problem::Body)))]
pub(super) async fn place(
    caller: Orderer,
    request: HttpRequest,
    body: JsonBody,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let key = IdempotencyKey::of(&request)?.map(IdempotencyKey::into_string);
    let order = OrderRequest::from_json(&body).map_err(OrderError::from)?;
    let answer = orders.place(&caller.sender(), order, key).await?;
    let location = format!("/v1/orders/{}", answer.order.id);
    Ok(HttpResponse::Accepted().insert_header((LOCATION, location)).json(OrderView::from(answer)))
}

/// An order and where it stands.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders", params(("id" = String, Path)),
    responses((status = 200, description = "The order", body = OrderView),
    (status = 404, description = "No such order of this authority", body = super::problem::Body)))]
pub(super) async fn get(
    caller: Orderer,
    id: web::Path<OrderId>,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let answer = orders.find(caller.authority, *id).await?;
    Ok(HttpResponse::Ok().json(OrderView::from(answer)))
}

/// A registrar releases an order; it is checked again.
#[utoipa::path(post, path = "/v1/orders/{id}/release", tag = "orders", params(("id" = String, Path)),
    request_body(content = Object, description = "applicant and findings, if they differ from the order; may be empty", content_type = "application/json"),
    responses((status = 201, description = "The certificate", body = View),
    (status = 404, description = "No such order of this authority", body = super::problem::Body),
    (status = 422, description = "Refused, with its paragraph", body = super::problem::Body)))]
pub(super) async fn release(
    caller: Registrar,
    id: web::Path<OrderId>,
    body: JsonBody,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let release = if body.is_empty() {
        ReleaseRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| OrderError::Bad(error.into()))?
    };
    let issued = orders.release(&caller.registrar()?, *id, release).await?;
    Ok(View::created(&issued, &orders.settings))
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => Kind::NotFound.problem(),
            OrderError::Bad(error) => bad(error),
            OrderError::Refused(refusal) => {
                let rule = refusal.law.unwrap_or(refusal.rule);
                Kind::IssueRefused.problem().rule(rule).detail(refusal.reason)
            }
            OrderError::KeyReused => Kind::IdempotencyKeyReused.problem(),
            OrderError::NoKey => Kind::StateConflict
                .problem()
                .detail("this installation has no key to sign this certificate with"),
            OrderError::Fill(error @ FillError::Text { .. }) => {
                Kind::NameNotPermitted.problem().detail(error.to_string())
            }
            OrderError::Compose(error @ ComposeError::Undrawable { .. }) => {
                Kind::NameNotPermitted.problem().detail(super::problem::chain(&error))
            }
            OrderError::Fill(error) => Kind::ValueInvalid.problem().detail(error.to_string()),
            OrderError::NoRules(error) => Kind::ValueInvalid.problem().detail(error.to_string()),
            OrderError::Database(error) => error.into(),
            OrderError::Issue(error) => Self::unavailable(&error),
            other => Self::internal(&other),
        }
    }
}

fn bad(error: BadOrder) -> Problem {
    let kind = match &error {
        BadOrder::Shape(cause) => return shape(Kind::MalformedJson, &cause.to_string()),
        BadOrder::Entry(_) => Kind::RegisterNumberInvalid,
        BadOrder::Purpose(_) => Kind::NameNotPermitted,
        BadOrder::Kind(_) | BadOrder::Medium { .. } | BadOrder::BusinessKey { .. } => Kind::ValueInvalid,
    };
    kind.problem().detail(error.to_string())
}
