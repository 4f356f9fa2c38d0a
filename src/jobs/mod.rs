//! Background work: one table of jobs with kind, authority, due time, lease and attempts.
