//! A PDF, a digest or a number becomes a report.
