//! Static bearer tokens, for demonstrations and tests: known by their digest, compared in constant time.

use std::sync::Arc;

use super::Principal;
use crate::config;
use crate::domain::digest::Sha256;

/// The tokens of the configuration.
#[derive(Debug, Clone)]
pub struct Tokens(Vec<(Sha256, Arc<Principal>)>);

impl Tokens {
    /// Takes the tokens as configured.
    pub fn new(tokens: &[config::Token]) -> Self {
        let known = |token: &config::Token| {
            let principal = Principal {
                authority: token.authority,
                client: token.client.clone(),
                person: token.person.clone(),
                function: token.function.clone(),
                roles: token.roles.clone(),
            };
            (token.sha256, Arc::new(principal))
        };
        Self(tokens.iter().map(known).collect())
    }

    /// Whom `token` stands for. Takes the same time for every token of the same length.
    pub fn principal(&self, token: &str) -> Option<Arc<Principal>> {
        let digest = Sha256::of(token.as_bytes());
        self.0.iter().fold(
            None,
            |found, (known, principal)| {
                if same(known, &digest) { Some(Arc::clone(principal)) } else { found }
            },
        )
    }
}

/// Compares without stopping at the first difference.
fn same(one: &Sha256, other: &Sha256) -> bool {
    let difference = one.as_bytes().iter().zip(other.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;
    use crate::domain::ids::AuthorityId;

    #[test]
    fn a_token_stands_for_its_principal_and_no_other_text_does() {
        let token = |text: &str, client: &str| config::Token {
            sha256: Sha256::of(text.as_bytes()),
            client: client.into(),
            authority: AuthorityId::from_bytes([7; 16]),
            roles: vec![Role::Clerk],
            person: None,
            function: None,
        };
        let tokens = Tokens::new(&[token("one", "first"), token("two", "second")]);
        assert_eq!(tokens.principal("one").unwrap().client, "first");
        assert_eq!(tokens.principal("two").unwrap().client, "second");
        for unknown in ["", "three", "One", "one ", &Sha256::of(b"one").to_string()] {
            assert_eq!(tokens.principal(unknown), None, "{unknown:?}");
        }
    }
}
