//! PDF out: the tagged page on krilla, and the appender that adds revisions.
