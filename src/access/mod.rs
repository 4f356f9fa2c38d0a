//! Who is it, what may they do, and the audit trail of what they did.
