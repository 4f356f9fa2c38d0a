//! What must not get lost on the way: that a document may not be erased, and that its entry's seals hide it.

use serde_json::{Value, json};

use super::super::report::{Outcome, Record};
use super::super::service::{Answer, Body, Request, ServiceError};
use super::feed::Item;
use super::{How, Import};

impl Import {
    /// Places the holds that are said of a file and not there yet. A document without them is not taken over.
    pub(super) fn with_holds(&self, item: &Item, record: Record) -> Result<Record, ServiceError> {
        let taken = matches!(record.outcome, Outcome::Stored | Outcome::AlreadyThere);
        let Some(id) = record.id.clone().filter(|_| taken && !item.said.holds.is_empty()) else {
            return Ok(record);
        };
        if self.how == How::AsTrial {
            return Ok(record);
        }
        let missing = |why: String| {
            let detail = format!("it is stored, but a hold could not be placed: {why}");
            Record { outcome: Outcome::Refused, ..record.clone() }.because("hold-missing", detail)
        };
        let document = match self.permitted(Request::get(format!("/v1/documents/{id}")))? {
            Ok(answer) if answer.status == 200 => answer.value(),
            Ok(answer) => return Ok(missing(answer.problem())),
            Err(why) => return Ok(missing(why)),
        };
        let holds = document.get("holds").and_then(Value::as_array).cloned().unwrap_or_default();
        for reason in &item.said.holds {
            if holds.iter().any(|hold| hold.get("reason").and_then(Value::as_str) == Some(reason)) {
                continue;
            }
            let body = json!({ "reason": reason });
            let path = format!("/v1/documents/{id}/holds");
            let request = Request { method: "POST", path, headers: Vec::new(), body: Body::Json(&body) };
            match self.permitted(request)? {
                Ok(answer) if answer.status == 201 => {}
                Ok(answer) => return Ok(missing(answer.problem())),
                Err(why) => return Ok(missing(why)),
            }
        }
        Ok(record)
    }

    /// Whether the entry has the seals here that hid the document where it comes from; if not, why. Without them it would
    /// be open to everybody in the authority.
    pub(super) fn seals_hold(&self, item: &Item) -> Result<Result<(), String>, ServiceError> {
        if item.said.seals.is_empty() {
            return Ok(Ok(()));
        }
        let Some(entry) = item.said.entry() else {
            return Ok(Err("it has seals and no register entry they could come from".into()));
        };
        let answer = match self.permitted(Request::get(format!("/v1/entries/{entry}")))? {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(format!("whether entry {entry} is sealed cannot be seen: {why}"))),
        };
        let locks = answer.value().get("locks").and_then(Value::as_array).cloned().unwrap_or_default();
        let has =
            |seal: &String| locks.iter().any(|lock| lock.get("kind").and_then(Value::as_str) == Some(seal));
        Ok(match item.said.seals.iter().find(|seal| !has(seal)) {
            Some(seal) => Err(format!(
                "it was hidden by {seal} of entry {entry}, which is not there or not so sealed here; bring the entry first"
            )),
            None => Ok(()),
        })
    }

    /// Asks for something that not every token permits.
    fn permitted(&self, request: Request<'_>) -> Result<Result<Answer, String>, ServiceError> {
        match self.service.ask(request) {
            Ok(answer) => Ok(Ok(answer)),
            Err(ServiceError::Forbidden(why)) => Ok(Err(why)),
            Err(error) => Err(error),
        }
    }
}
