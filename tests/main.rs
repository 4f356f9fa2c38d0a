//! Integration tests: one binary, one module per resource.

#[cfg(test)]
mod extraction;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod verify;
