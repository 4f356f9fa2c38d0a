//! Wiring: opens database, stores, index and keys from the configuration and hands each flow what it needs.
