//! Who calls, as types of handler arguments: a handler that takes a `Registrar` runs for registrars only.
//!
//! 401 without a known token, 403 without one of the roles. Another authority's object is a 404, and that is the
//! business of whoever looks it up with `authority`.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};

use super::observe::RequestId;
use super::problem::{Kind, Problem};
use crate::access::{Principal, Role, Tokens};
use crate::search::index::{Reader as SearchReader, Sight};

/// Who calls, in which request.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Arc<Principal>,
    request_id: Option<String>,
}

impl Caller {
    /// The id of the request, for the audit trail.
    pub fn request_id(&self) -> Option<String> {
        self.request_id.clone()
    }
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident = [$($role:ident),+];)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Caller);

        impl $name {
            /// One of these roles is needed.
            pub const ROLES: &'static [Role] = &[$(Role::$role),+];
        }

        impl Deref for $name {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.0
            }
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _body: &mut Payload) -> Self::Future {
                ready(caller(request, Self::ROLES).map(Self))
            }
        }
    )* };
}

callers! {
    /// A program of the authority.
    Engine = [Engine];
    /// Searches and reads.
    Clerk = [Clerk];
    /// The Urkundsperson: releases, issues, revokes.
    Registrar = [Registrar];
    /// Reads the audit trail.
    Auditor = [Auditor];
    /// Runs the installation.
    Operator = [Operator];
    /// Whoever sees which events could not be delivered.
    EventReader = [Auditor, Operator];
    /// Whoever brings evidence.
    Uploader = [Engine, Clerk, Registrar];
    /// Whoever may read the archive, as far as the levels of PStV § 14 go.
    Reader = [Engine, Clerk, Registrar];
    /// Whoever restricts documents and places holds.
    Archivist = [Clerk, Registrar];
    /// Whoever brings copies of register entries.
    Registering = [Engine, Registrar];
    /// Whoever reads copies of register entries.
    EntryReader = [Clerk, Registrar];
    /// Whoever may search the archive.
    Searcher = [Clerk, Registrar, Auditor];
    /// Whoever may order a certificate, for themselves or for a citizen.
    Orderer = [Engine, Clerk, Registrar];
}

impl Principal {
    /// Which documents of its authority the caller may see: restricted ones (PStV § 14, §§ 63 and 64 PStG) are for
    /// the Urkundsperson only.
    pub(super) fn reads(&self) -> SearchReader {
        let sight = if self.has_any(&[Role::Registrar]) { Sight::All } else { Sight::Open };
        SearchReader { authority: self.authority, sight }
    }
}

fn caller(request: &HttpRequest, roles: &[Role]) -> Result<Caller, Problem> {
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| Kind::TokenMissing.problem())?;
    let token = header.to_str().ok().and_then(|text| text.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| Kind::TokenMissing.problem().expected("Authorization: Bearer …"))?;
    let known = request.app_data::<web::Data<Tokens>>().and_then(|tokens| tokens.principal(token));
    let principal = known.ok_or_else(|| Kind::TokenUnknown.problem())?;
    if principal.has_any(roles) {
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
        return Ok(Caller { principal, request_id });
    }
    let names = |roles: &[Role]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
    Err(Kind::RoleMissing.problem().expected(names(roles)).got(names(&principal.roles)))
}
