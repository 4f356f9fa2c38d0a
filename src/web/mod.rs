//! Pages rendered by the server, and their static files.
