//! Reads a query text. Whitespace separates terms; quotation marks bind; `-` excludes; OR joins; `feld:` binds to a
//! place; `*` at the end of a word means its beginning. Register numbers and days may contain spaces.

use super::{
    Clause, Field, LONGEST_QUERY_BYTES, MOST_TERMS, Period, Query, QueryError, Remark, Term, What, Words,
};
use crate::search::analysis::runs::{Run, runs_into};
use crate::search::analysis::{Day, day_at, fold, plain, tied};
use crate::search::reference::{normal_form, reference_at};

/// Understands `text`. The only errors are those of size.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > LONGEST_QUERY_BYTES {
        return Err(QueryError::TooLong { got: text.len() });
    }
    let text = &*plain(text).text;
    let mut reader = Reader { rest: text, query: Query::default(), or: false, plain: true };
    reader.read();
    let Reader { mut query, plain, .. } = reader;
    if query.terms() > MOST_TERMS {
        return Err(QueryError::TooManyTerms { got: query.terms() });
    }
    if query.clauses.is_empty() {
        query.remarks.push(Remark::Everything);
    }
    query.whole = plain.then(|| normal_form(text)).flatten();
    query.remarks.dedup();
    Ok(query)
}

struct Reader<'t> {
    rest: &'t str,
    query: Query,
    /// The next term belongs to the clause before.
    or: bool,
    /// No operator so far.
    plain: bool,
}

/// What a field name asks for.
enum Place {
    In(Field),
    Kind,
    Date,
}

impl<'t> Reader<'t> {
    fn read(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                return;
            }
            self.term();
        }
    }

    fn term(&mut self) {
        let word = self.peek();
        match word {
            "OR" | "ODER" | "|" | "||" => {
                self.skip(word.len());
                self.or = !self.query.clauses.is_empty();
                self.plain = false;
                return;
            }
            "AND" | "UND" | "&" | "&&" | "+" => {
                self.skip(word.len());
                self.plain = false;
                return;
            }
            _ => {}
        }
        let excluded = match word {
            "NOT" | "NICHT" => {
                self.skip(word.len());
                self.rest = self.rest.trim_start();
                true
            }
            _ => {
                let minus = word.len() > 1 && word.starts_with('-') && !word.starts_with("--");
                self.skip(usize::from(minus || (word.len() > 1 && word.starts_with('+'))));
                minus
            }
        };
        self.plain &= !excluded;
        match self.place() {
            Some(place) => {
                self.plain = false;
                self.placed(&place, excluded);
            }
            None if opening(self.rest) => {
                self.plain = false;
                let quoted = self.quoted();
                self.phrase(quoted, None, excluded);
            }
            None if excluded => {
                let word = self.take_word();
                self.chunk(word, None, true);
            }
            None => self.free(),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn peek(&self) -> &'t str {
        self.rest.split(char::is_whitespace).next().unwrap_or_default()
    }

    fn take_word(&mut self) -> &'t str {
        let word = self.peek();
        self.skip(word.len());
        word
    }

    /// A field name with its colon, if one stands here.
    fn place(&mut self) -> Option<Place> {
        let word = self.peek();
        let (name, value) = word.split_once(':')?;
        if value.is_empty() && self.rest.get(word.len()..).is_none_or(|rest| rest.trim().is_empty()) {
            return None;
        }
        let place = match fold::folded(&fold::lower(name)).as_str() {
            "titel" | "title" | "betreff" => Place::In(Field::Title),
            "az" | "aktenzeichen" | "reference" => Place::In(Field::Reference),
            "datei" | "name" | "file" => Place::In(Field::Name),
            "text" | "inhalt" => Place::In(Field::Text),
            "art" | "kind" => Place::Kind,
            "datum" | "jahr" | "date" | "year" => Place::Date,
            _ => {
                let is_name = name.len() > 1 && name.chars().all(char::is_alphabetic);
                if is_name && !value.is_empty() && !value.starts_with("//") {
                    self.query.remarks.push(Remark::UnknownField);
                }
                return None;
            }
        };
        self.skip(name.len() + 1);
        self.rest = self.rest.trim_start();
        Some(place)
    }

    fn placed(&mut self, place: &Place, excluded: bool) {
        let (value, quoted) =
            if opening(self.rest) { (self.quoted(), true) } else { (self.take_word(), false) };
        match place {
            Place::In(field) if quoted => self.phrase(value, Some(*field), excluded),
            Place::In(field) => self.chunk(value, Some(*field), excluded),
            Place::Kind => {
                let kind = value.trim().to_owned();
                if !kind.is_empty() {
                    self.push(Term { typed: kind.clone(), field: None, what: What::Kind(kind) }, excluded);
                }
            }
            Place::Date => match Period::parse(value) {
                Some(period) => {
                    let what = What::Period(period);
                    self.push(Term { typed: value.to_owned(), field: None, what }, excluded);
                }
                None => {
                    self.query.remarks.push(Remark::NotADate);
                    self.chunk(value, None, excluded);
                }
            },
        }
    }

    /// Up to the closing quotation mark, or to the end.
    fn quoted(&mut self) -> &'t str {
        let inner = self.rest.char_indices().nth(1).map_or("", |(at, _)| self.rest.get(at..).unwrap_or(""));
        match inner.char_indices().find(|(_, c)| is_quote(*c)) {
            Some((end, quote)) => {
                self.rest = inner.get(end + quote.len_utf8()..).unwrap_or_default();
                inner.get(..end).unwrap_or_default()
            }
            None => {
                self.query.remarks.push(Remark::QuoteNotClosed);
                self.rest = "";
                inner
            }
        }
    }

    fn phrase(&mut self, text: &str, field: Option<Field>, excluded: bool) {
        let mut runs = Vec::new();
        runs_into(text, &mut runs);
        if let Some(mut words) = in_a_row(text, &runs) {
            words.quoted = true;
            self.push(Term { typed: text.trim().to_owned(), field, what: What::Words(words) }, excluded);
        }
    }

    /// Words up to the next operator: register numbers and days in it first, then what lies between.
    fn free(&mut self) {
        let mut length = 0;
        for word in self.rest.split_inclusive(char::is_whitespace) {
            let bare = word.trim_end();
            let operator =
                matches!(bare, "OR" | "ODER" | "AND" | "UND" | "NOT" | "NICHT" | "|" | "||" | "&" | "&&");
            let marked = bare.len() > 1 && bare.starts_with(['-', '+']);
            let field = bare.split_once(':').is_some_and(|(name, _)| name.chars().all(char::is_alphabetic));
            if length > 0 && (operator || marked || field || opening(bare)) {
                break;
            }
            length += word.len();
        }
        let text = self.rest.get(..length).unwrap_or_default();
        self.skip(length);
        let mut runs = Vec::new();
        runs_into(text, &mut runs);
        let mut at = 0;
        while let Some(rest) = runs.get(at..).filter(|rest| !rest.is_empty()) {
            let reference = reference_at(text, rest).map_or(0, |found| found.runs());
            let day = day_at(text, rest).map_or(0, |found| found.runs);
            let named = reference.max(day);
            let taken = if named > 0 { named } else { same_word(text, rest) };
            let run = rest.get(..taken).unwrap_or(rest);
            self.take_runs(text, run, named > 0);
            at += taken.max(1);
        }
    }

    fn take_runs(&mut self, text: &str, runs: &[Run], named: bool) {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return };
        let typed = text.get(first.start..last.end).unwrap_or_default();
        let star = !named && text.get(last.end..).is_some_and(|after| after.starts_with('*'));
        if star && self.prefix(typed, None, false) {
            return;
        }
        if let Some(words) = in_a_row(text, runs) {
            self.push(Term { typed: typed.to_owned(), field: None, what: What::Words(words) }, false);
        }
    }

    /// One word without spaces.
    fn chunk(&mut self, word: &str, field: Option<Field>, excluded: bool) {
        if let Some(start) = word.strip_suffix('*')
            && self.prefix(start, field, excluded)
        {
            return;
        }
        let mut runs = Vec::new();
        runs_into(word, &mut runs);
        if let Some(words) = in_a_row(word, &runs) {
            self.push(Term { typed: word.to_owned(), field, what: What::Words(words) }, excluded);
        }
    }

    fn prefix(&mut self, start: &str, field: Option<Field>, excluded: bool) -> bool {
        let mut runs = Vec::new();
        runs_into(start, &mut runs);
        let [one] = runs.as_slice() else { return false };
        let start = fold::lower(one.of(start));
        if start.chars().count() < 2 {
            self.query.remarks.push(Remark::PrefixTooShort);
            return false;
        }
        let typed = format!("{start}*");
        self.plain = false;
        self.push(Term { typed, field, what: What::Prefix(start) }, excluded);
        true
    }

    fn push(&mut self, term: Term, excluded: bool) {
        let joins = std::mem::take(&mut self.or) && !excluded;
        match self.query.clauses.last_mut() {
            Some(before) if joins && !before.excluded => before.any.push(term),
            _ => self.query.clauses.push(Clause { excluded, any: vec![term] }),
        }
    }
}

/// How many runs belong to the same chunk as the first: no whitespace between them.
fn same_word(text: &str, runs: &[Run]) -> usize {
    let together = |pair: &[Run]| match pair {
        [before, after] => {
            let gap = text.get(before.end..after.start).unwrap_or(" ");
            !gap.contains(char::is_whitespace) && !gap.contains(['*', ',', ';', '(', ')'])
        }
        _ => false,
    };
    1 + runs.windows(2).take_while(|pair| together(pair)).count()
}

/// The runs as words in a row, with all they may mean.
fn in_a_row(text: &str, runs: &[Run]) -> Option<Words> {
    if runs.is_empty() {
        return None;
    }
    let mut words: Vec<String> = runs.iter().map(|run| fold::lower(run.of(text))).collect();
    words.retain(|word| !word.is_empty());
    let whole = |taken: usize| taken == runs.len();
    let reference = reference_at(text, runs).filter(|found| whole(found.runs())).map(|found| found.key());
    let days = day_at(text, runs).filter(|found| whole(found.runs));
    let days = days.map_or_else(Vec::new, |Day { day, or, .. }| std::iter::once(day).chain(or).collect());
    let joined = tied(runs).filter(|tied| tied.len() == runs.len() && runs.len() > 1);
    let joined = joined.map(|_| words.concat());
    (!words.is_empty()).then_some(Words { words, joined, reference, days, quoted: false })
}

fn opening(text: &str) -> bool {
    text.starts_with(is_quote)
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '„' | '“' | '”' | '«' | '»')
}
