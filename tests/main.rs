//! Integration tests: one binary, one module per resource.

#[cfg(test)]
mod tidy;
