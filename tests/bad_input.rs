//! What nobody should send, and what comes back: each case has its answer, leaves nothing that was not asked for, and
//! the next request is served.

mod files;
mod forms;
mod wire;
