//! An order comes in: it is checked at once, and awaits release or is refused with the paragraph. Both are kept.

use std::sync::Arc;

use serde_json::json;

use super::matter::{Asked, Matter};
use super::request::OrderRequest;
use super::{Answer, Noted, OrderError, Orders, Sender, note, refused, sent_as, today, told};
use crate::database::orders::{self as rows, Order, OrderState};
use crate::domain::ids::OrderId;

impl OrderRequest {
    /// As the rules want it; without what only a registrar can find.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            kind: self.kind,
            omit: self.particulars.omit.iter().copied().collect(),
            purpose: self.particulars.purpose.clone(),
            applicant: self.particulars.applicant.clone(),
            findings: Vec::new(),
        }
    }
}

impl Orders {
    /// Takes in an order. The same under the same key gives the same order.
    ///
    /// # Errors
    /// [`OrderError::NotFound`] without such an entry, [`OrderError::KeyReused`]. A refusal is no error here.
    pub async fn place(
        &self,
        sender: &Sender,
        request: OrderRequest,
        key: Option<String>,
    ) -> Result<Answer, OrderError> {
        let sent = sent_as(sender, "orders", key, &request.canonical());
        if let Some(answer) = self.before(sender.authority, &sent).await? {
            return Ok(answer);
        }
        let mut order = self.order(sender, &request)?;
        let (by, settings, random) = (sender.clone(), self.settings.clone(), Arc::clone(&self.random));
        let outbox = self.issuance.outbox.clone();
        let (asked, as_sent) = (request.asked(), sent.clone());
        let placed = self.database().write(move |tx| {
            Box::pin(async move {
                let matter = Matter::read(tx, by.authority, &order.entry, order.ordered_at).await?;
                let matter = matter.ok_or(OrderError::NotFound)?;
                let verdict = matter.check(&asked, today(order.ordered_at), &settings)?;
                let (action, personal) = match &verdict {
                    Ok(_) => ("order.placed", json!({ "applicant": asked.applicant })),
                    Err(refusal) => ("order.refused", refused(refusal)),
                };
                if let Err(refusal) = &verdict {
                    order.state = OrderState::Refused { refusal: serde_json::to_string(refusal)? };
                }
                rows::insert(tx, &order, &as_sent).await?;
                outbox.tell(tx, told(&order, order.ordered_at)).await?;
                let personal = Some(personal);
                let noted = Noted { at: order.ordered_at, sender: &by, action, order: order.id, personal };
                note(tx, noted, &*random).await?;
                Ok(Answer { order, certificate: None, issued: None })
            })
        });
        let placed = placed.await;
        self.issuance.outbox.wake();
        match placed {
            Err(OrderError::Database(error)) if error.is_unique() => {
                self.before(sender.authority, &sent).await?.ok_or(OrderError::Database(error))
            }
            outcome => outcome,
        }
    }

    /// A new order that awaits release.
    pub(super) fn order(&self, sender: &Sender, request: &OrderRequest) -> Result<Order, OrderError> {
        let now = self.now();
        Ok(Order {
            id: OrderId::draw(&*self.random),
            authority: sender.authority,
            entry: request.entry.clone(),
            kind: request.kind,
            medium: request.medium,
            state: OrderState::AwaitingRelease,
            state_at: now,
            request: serde_json::to_string(&request.particulars)?,
            business_key: request.business_key.clone(),
            ordered_at: now,
            ordered_by: sender.name.clone(),
            entitlement: None,
        })
    }
}
