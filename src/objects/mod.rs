//! Object store: the trait, its conformance suite, disk and memory; encryption of what is stored.
