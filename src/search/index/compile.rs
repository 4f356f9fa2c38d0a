//! From an understood query to a query of tantivy. The reader's authority and sight are part of every one.
//! Grades: register number above title above text; as written above another spelling above the stem.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery, Occur, Query,
    RangeQuery, TermQuery,
};
use tantivy::schema::{Field as IndexField, IndexRecordOption};

use super::graded::Graded;
use super::row::Row;
use super::schema::{Fields, OPEN, day_number};
use super::{Closeness, Question, Sight};
use crate::search::analysis::{Form, Spellings, spellings};
use crate::search::query::{Clause, Field, Period, Term as Asked, What, Words};
use crate::search::reference::{normal_form, number_key};

/// The whole reference of the document is what was typed.
const WHOLE: f32 = 100_000.0;
/// The register number, exactly as typed, in the document's reference; then in its title, name, text.
const NUMBER: f32 = 10_000.0;
/// Shorter words are not taken for others with a typing error: in letters.
const SHORTEST_SIMILAR: usize = 4;

type Boxed = Box<dyn Query>;

/// Compiles a question.
pub(super) fn compile(fields: &Fields, question: &Question<'_>) -> Boxed {
    let compiler = Compiler { fields, closeness: question.closeness };
    let asked = compiler.query(question);
    Box::new(BooleanQuery::new(vec![(Occur::Must, compiler.visible(question)), (Occur::Must, asked)]))
}

struct Compiler<'c> {
    fields: &'c Fields,
    closeness: Closeness,
}

impl Compiler<'_> {
    /// Exactly the pages the reader may see.
    fn visible(&self, question: &Question<'_>) -> Boxed {
        let Question { reader, hidden, .. } = question;
        let authority = Term::from_field_bytes(self.fields.authority, reader.authority.as_bytes());
        let mut all = vec![(Occur::Must, unscored(authority))];
        match reader.sight {
            Sight::Open => {
                let open = Term::from_field_text(self.fields.restriction, OPEN);
                all.push((Occur::Must, unscored(open)));
            }
            Sight::All => {}
        }
        for document in *hidden {
            let document = Term::from_field_bytes(self.fields.document, document.as_bytes());
            all.push((Occur::MustNot, unscored(document)));
        }
        Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(all)), 0.0))
    }

    fn query(&self, question: &Question<'_>) -> Boxed {
        let (out, demanded): (Vec<&Clause>, Vec<&Clause>) =
            question.query.clauses.iter().partition(|clause| clause.excluded);
        let is_filter = |term: &Asked| matches!(term.what, What::Kind(_) | What::Period(_));
        let (filters, wanted): (Vec<&Clause>, Vec<&Clause>) =
            demanded.into_iter().partition(|clause| clause.any.iter().all(is_filter));
        let mut all = Vec::new();
        match (wanted.is_empty(), self.closeness) {
            (true, _) => all.push((Occur::Must, everything())),
            (false, Closeness::AnyWord) => {
                let any = wanted.iter().map(|clause| (Occur::Should, self.clause(clause))).collect();
                all.push((Occur::Must, Box::new(BooleanQuery::new(any)) as Boxed));
            }
            (false, _) => all.extend(wanted.iter().map(|clause| (Occur::Must, self.clause(clause)))),
        }
        all.extend(filters.iter().map(|clause| (Occur::Must, self.clause(clause))));
        let strict = Compiler { closeness: Closeness::AsAsked, ..*self };
        all.extend(out.iter().map(|clause| (Occur::MustNot, strict.clause(clause))));
        let asked: Boxed = Box::new(BooleanQuery::new(all));
        match &question.query.whole {
            None => asked,
            Some(whole) => {
                let whole = graded(unscored(Term::from_field_text(self.fields.whole, whole)), WHOLE);
                best(vec![asked, whole])
            }
        }
    }

    fn clause(&self, clause: &Clause) -> Boxed {
        best(clause.any.iter().map(|term| self.term(term)).collect())
    }

    fn term(&self, term: &Asked) -> Boxed {
        match &term.what {
            What::Words(words) => self.words(words, term.field),
            What::Prefix(start) => self.prefix(start, term.field),
            What::Kind(kind) => match normal_form(kind) {
                Some(key) => unscored(Term::from_field_text(self.fields.kind_key, &key)),
                None => Box::new(EmptyQuery),
            },
            What::Period(period) => self.period(period),
        }
    }

    /// The fields a term looks in, each with its grade.
    fn places(&self, field: Option<Field>) -> Vec<(IndexField, f32)> {
        let all = [
            (Field::Reference, self.fields.reference, 140.0),
            (Field::Title, self.fields.title, 130.0),
            (Field::Name, self.fields.name, 110.0),
            (Field::Text, self.fields.text, 100.0),
        ];
        let wanted = all.into_iter().filter(|(name, ..)| field.is_none_or(|field| field == *name));
        wanted.map(|(_, field, grade)| (field, grade)).collect()
    }

    fn words(&self, words: &Words, field: Option<Field>) -> Boxed {
        let mut ways = Vec::new();
        for (place, grade) in self.places(field) {
            match words.words.as_slice() {
                [word] => {
                    self.word(word, place, grade, words.quoted, &mut ways);
                    if place == self.fields.reference && word.bytes().all(|b| b.is_ascii_digit()) {
                        ways.push(named(place, Form::Reference, &number_key(word), 2.0 * grade));
                    }
                }
                several => self.row(several, place, grade, words.quoted, &mut ways),
            }
            if let Some(joined) = &words.joined {
                self.word(joined, place, 0.9 * grade, words.quoted, &mut ways);
            }
            if let Some(key) = &words.reference {
                let grade = if place == self.fields.reference { NUMBER } else { NUMBER / 10.0 + grade };
                ways.push(named(place, Form::Reference, key, grade));
            } else if let [number, again] = words.words.as_slice()
                && place == self.fields.reference
            {
                ways.push(named(
                    place,
                    Form::Reference,
                    &number_key(&format!("{number}-{again}")),
                    2.0 * grade,
                ));
            }
            for day in &words.days {
                ways.push(named(place, Form::Day, &day.to_string(), grade));
            }
        }
        for day in words.days.iter().filter(|_| field.is_none()) {
            let term = Term::from_field_i64(self.fields.date, day_number(*day));
            ways.push(graded(unscored(term), 120.0));
        }
        best(ways)
    }

    /// The ways one word can stand in a field.
    fn word(&self, word: &str, field: IndexField, grade: f32, quoted: bool, ways: &mut Vec<Boxed>) {
        let spelled = spellings(word);
        let exact = Term::from_field_text(field, &spelled.exact);
        ways.push(graded(Box::new(TermQuery::new(exact, IndexRecordOption::WithFreqs)), grade));
        for term in other_spellings(&spelled, field) {
            ways.push(graded(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)), grade / 2.0));
        }
        if quoted {
            return;
        }
        let stems = [spelled.root.clone(), Form::Stem.term(&spelled.root), Form::Folded.term(&spelled.root)];
        for stem in stems.into_iter().filter(|stem| *stem != spelled.exact) {
            ways.push(named_text(field, &stem, grade / 5.0));
        }
        let long_enough = spelled.exact.chars().count() >= SHORTEST_SIMILAR;
        if self.closeness >= Closeness::Similar
            && long_enough
            && !spelled.exact.contains(|c: char| c.is_ascii_digit())
        {
            let similar = |text: &str| FuzzyTermQuery::new(Term::from_field_text(field, text), 1, true);
            ways.push(graded(Box::new(similar(&spelled.exact)), grade / 10.0));
            ways.push(graded(Box::new(similar(&Form::Folded.term(&spelled.fold))), grade / 10.0));
        }
    }

    /// The ways words can stand in a row in a field.
    fn row(&self, words: &[String], field: IndexField, grade: f32, quoted: bool, ways: &mut Vec<Boxed>) {
        let spelled: Vec<_> = words.iter().map(|word| spellings(word)).collect();
        let grade = grade * f32::from(u8::try_from(words.len()).unwrap_or(u8::MAX));
        let exact = spelled.iter().map(|word| vec![Term::from_field_text(field, &word.exact)]).collect();
        ways.push(graded(Box::new(Row { field, slots: exact }), grade));
        let any = |word: &Spellings| {
            let exact = Term::from_field_text(field, &word.exact);
            std::iter::once(exact).chain(other_spellings(word, field)).collect()
        };
        ways.push(graded(Box::new(Row { field, slots: spelled.iter().map(any).collect() }), grade / 2.0));
        if !quoted && self.closeness == Closeness::AnyWord {
            for word in words {
                self.word(word, field, grade / 20.0, false, ways);
            }
        }
    }

    fn prefix(&self, start: &str, field: Option<Field>) -> Boxed {
        let spelled = spellings(start);
        let mut ways = Vec::new();
        for (place, grade) in self.places(field) {
            let begins = |text: &str| FuzzyTermQuery::new_prefix(Term::from_field_text(place, text), 0, true);
            ways.push(graded(constant(Box::new(begins(&spelled.exact))), grade));
            for other in [spelled.fold.clone(), Form::Folded.term(&spelled.fold)] {
                ways.push(graded(constant(Box::new(begins(&other))), grade / 2.0));
            }
        }
        best(ways)
    }

    fn period(&self, period: &Period) -> Boxed {
        let bound = |day: Option<jiff::civil::Date>| {
            let term = day.map(|day| Term::from_field_i64(self.fields.date, day_number(day)));
            term.map_or(Bound::Unbounded, Bound::Included)
        };
        if period.from.is_none() && period.to.is_none() {
            return Box::new(EmptyQuery);
        }
        constant(Box::new(RangeQuery::new(bound(period.from), bound(period.to))))
    }
}

/// The terms of all other spellings of a word.
fn other_spellings(word: &Spellings, field: IndexField) -> impl Iterator<Item = Term> + use<> {
    let forms = word.folded.iter().chain(std::iter::once(&word.fold));
    let mut texts: Vec<String> = forms
        .flat_map(|form| [form.clone(), Form::Folded.term(form)])
        .filter(|text| *text != word.exact)
        .collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().map(move |text| Term::from_field_text(field, &text))
}

fn unscored(term: Term) -> Boxed {
    constant(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
}

fn constant(query: Boxed) -> Boxed {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

fn everything() -> Boxed {
    constant(Box::new(AllQuery))
}

fn named(field: IndexField, form: Form, text: &str, grade: f32) -> Boxed {
    named_text(field, &form.term(text), grade)
}

fn named_text(field: IndexField, text: &str, grade: f32) -> Boxed {
    graded(Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs)), grade)
}

fn graded(query: Boxed, base: f32) -> Boxed {
    Box::new(Graded { query, base: base.round() })
}

fn best(mut ways: Vec<Boxed>) -> Boxed {
    match ways.len() {
        0 => Box::new(EmptyQuery),
        1 => ways.pop().unwrap_or_else(|| Box::new(EmptyQuery)),
        _ => Box::new(DisjunctionMaxQuery::new(ways)),
    }
}
