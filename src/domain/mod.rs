//! The field's own words as types. Pure: knows no HTTP, SQL, object store or index.

pub mod certificate;
pub mod clock;
pub mod date;
pub mod digest;
pub mod ids;
pub mod name;
pub mod random;
pub mod restriction;
pub mod retention;
