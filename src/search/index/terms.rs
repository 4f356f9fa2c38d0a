//! The analysis as a tokenizer of tantivy. Knows nothing of fields.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::search::analysis::Analyzer;

/// Reads a text whole and hands its terms out one by one.
#[derive(Clone, Default)]
pub(super) struct Terms {
    analyzer: Analyzer,
    text: String,
    placed: Vec<(usize, usize)>,
    token: Token,
}

pub(super) struct Stream<'a> {
    text: &'a str,
    placed: std::slice::Iter<'a, (usize, usize)>,
    start: usize,
    token: &'a mut Token,
}

impl Tokenizer for Terms {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        self.text.clear();
        self.placed.clear();
        self.token.reset();
        let (terms, placed) = (&mut self.text, &mut self.placed);
        self.analyzer.read(text, &mut |found| {
            terms.push_str(found.term);
            placed.push((terms.len(), found.position));
        });
        Stream { text: &self.text, placed: self.placed.iter(), start: 0, token: &mut self.token }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let Some((end, position)) = self.placed.next() else { return false };
        self.token.text.clear();
        self.token.text.push_str(self.text.get(self.start..*end).unwrap_or_default());
        self.token.position = *position;
        self.start = *end;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
