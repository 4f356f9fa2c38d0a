//! Integration tests: one binary, one module per resource.

#[cfg(test)]
mod extraction;
#[cfg(test)]
mod tidy;
