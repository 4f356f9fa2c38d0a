//! Search: analysis, query, the tantivy index behind a small trait.
