//! Integration tests: one binary, one module per resource.

#[cfg(test)]
#[expect(dead_code, reason = "the actors can do more than the tests of today ask of them")]
mod actors;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod authorization;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod census;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod check;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod events;
#[cfg(test)]
mod extraction;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod issue;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod log;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod page;
#[cfg(test)]
mod platform;
#[cfg(test)]
mod processing;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod scanning;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod search;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod verify;
