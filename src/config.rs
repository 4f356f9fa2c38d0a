//! Typed configuration: every key of config/default.toml, unknown keys refused.
