//! Orders: who asked for which certificate, what was checked, who released it.

pub mod check;
