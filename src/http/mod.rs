//! HTTP: one route table, one file per resource, problem details. Knows no SQL, S3 or PDF.
