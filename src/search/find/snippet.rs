//! A piece of a page with the words of the query marked. Plain text and places, never markup: whoever shows it
//! escapes it as any other text. Reads words exactly as the index does.

use std::collections::HashSet;

use serde::Serialize;

use crate::search::analysis::{Analyzer, Form, spellings};
use crate::search::index::Closeness;
use crate::search::query::{Query, What, Words};
use crate::search::reference::number_key;

/// How long a snippet is at most, in characters.
const LENGTH: usize = 240;
/// How much of the page stands before the first mark, in characters.
const BEFORE: usize = 60;
/// More places on a page are not looked at.
const MOST_PLACES: usize = 2_000;

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Snippet {
    /// Plain text, white space drawn together, `…` where something was left out.
    pub text: String,
    /// What to mark in it: start and end (exclusive) in UTF-16 code units, as JavaScript and Java count. In order,
    /// apart from each other.
    #[schema(value_type = Vec<Vec<u32>>)]
    pub marks: Vec<(usize, usize)>,
}

/// Knows what to mark.
pub(super) struct Marker {
    terms: HashSet<String>,
    prefixes: Vec<String>,
    /// Words of which others with one typing error are marked too.
    similar: Vec<Vec<char>>,
}

impl Marker {
    /// What `query` looks for on a page, taken as closely as the index has taken it.
    pub(super) fn new(query: &Query, closeness: Closeness) -> Self {
        let mut marker = Self { terms: HashSet::new(), prefixes: Vec::new(), similar: Vec::new() };
        for term in query.clauses.iter().filter(|clause| !clause.excluded).flat_map(|clause| &clause.any) {
            match &term.what {
                What::Words(words) => marker.words(words, closeness),
                What::Prefix(start) => marker.prefixes.push(start.clone()),
                What::Kind(_) | What::Period(_) => {}
            }
        }
        marker
    }

    fn words(&mut self, words: &Words, closeness: Closeness) {
        for word in words.words.iter().chain(&words.joined) {
            let spelled = spellings(word);
            let forms = spelled.folded.iter().chain([&spelled.fold]);
            self.terms.extend(forms.flat_map(|form| [form.clone(), Form::Folded.term(form)]));
            if !words.quoted {
                let root = &spelled.root;
                self.terms.extend([root.clone(), Form::Stem.term(root), Form::Folded.term(root)]);
            }
            if closeness >= Closeness::Similar && spelled.exact.chars().count() >= 4 {
                self.similar.push(spelled.exact.chars().collect());
            }
            self.terms.insert(spelled.exact);
        }
        self.terms.extend(words.reference.iter().map(|key| Form::Reference.term(key)));
        self.terms.extend(words.days.iter().map(|day| Form::Day.term(&day.to_string())));
        if let [number] = words.words.as_slice() {
            self.terms.insert(Form::Reference.term(&number_key(number)));
        }
    }

    /// The piece of `page` with the most different marks; its beginning if there are none. `None` without text.
    pub(super) fn snippet(&self, page: &str) -> Option<Snippet> {
        let places = self.places(page);
        let start = best_start(&places);
        let from = places.get(start).map_or(0, |place| place.start);
        let from = back(page, from, if places.is_empty() { 0 } else { BEFORE });
        let to = ahead(page, from, LENGTH);
        let inside: Vec<(usize, usize)> = places
            .iter()
            .filter(|place| place.start >= from && place.end <= to)
            .map(|place| (place.start, place.end))
            .collect();
        drawn(page, from, to, &inside)
    }

    /// Where words of the query stand, in order, apart from each other.
    fn places(&self, page: &str) -> Vec<Found> {
        let mut places: Vec<Found> = Vec::new();
        Analyzer::default().read(page, &mut |placed| {
            if places.len() >= MOST_PLACES || !self.hits(placed.term) {
                return;
            }
            let (start, end) = (placed.bytes.start, placed.bytes.end);
            match places.last_mut() {
                Some(last) if start < last.end => last.end = last.end.max(end),
                _ => places.push(Found { start, end, term: placed.term.to_owned() }),
            }
        });
        places
    }

    fn hits(&self, term: &str) -> bool {
        let plain = term.trim_start_matches(|c: char| c.is_control());
        self.terms.contains(term)
            || self.prefixes.iter().any(|start| plain.starts_with(start.as_str()))
            || self.similar.iter().any(|word| one_error(word, plain))
    }
}

struct Found {
    start: usize,
    end: usize,
    term: String,
}

/// Which place to begin with, so that the most different words are in the piece.
fn best_start(places: &[Found]) -> usize {
    let (mut best, mut most) = (0, 0);
    for (at, first) in places.iter().enumerate() {
        let window = places.iter().skip(at).take_while(|place| place.end <= first.start + (LENGTH - BEFORE));
        let different: HashSet<&str> = window.map(|place| place.term.as_str()).collect();
        if different.len() > most {
            (best, most) = (at, different.len());
        }
    }
    best
}

/// The same word with at most one letter changed, missing, too many, or two exchanged.
fn one_error(word: &[char], other: &str) -> bool {
    let other: Vec<char> = other.chars().take(word.len() + 2).collect();
    if word.len().abs_diff(other.len()) > 1 {
        return false;
    }
    let same_start = word.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (a, b) = (word.get(same_start..).unwrap_or_default(), other.get(same_start..).unwrap_or_default());
    match (a, b) {
        ([], [] | [_]) | ([_], []) => true,
        ([x, y, rest @ ..], [v, w, other @ ..]) if x == w && y == v && rest == other => true,
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([_, rest @ ..], other) if rest == other => true,
        (word, [_, other @ ..]) => word == other,
        _ => false,
    }
}

/// The beginning of a word about `characters` before `at`.
fn back(page: &str, at: usize, characters: usize) -> usize {
    let before = page.get(..at).unwrap_or_default();
    let start = before.char_indices().rev().take(characters).last().map_or(at, |(start, _)| start);
    if start == 0 {
        return 0;
    }
    let piece = page.get(start..at).unwrap_or_default();
    piece.find(char::is_whitespace).map_or(start, |space| start + space)
}

/// The end of a word about `characters` behind `from`.
fn ahead(page: &str, from: usize, characters: usize) -> usize {
    let rest = page.get(from..).unwrap_or_default();
    let Some((end, _)) = rest.char_indices().nth(characters) else { return page.len() };
    let piece = rest.get(..end).unwrap_or_default();
    let word_end = piece.rfind(char::is_whitespace).filter(|space| *space > end / 2);
    from + word_end.unwrap_or(end)
}

/// The piece as it is shown: white space drawn together, control characters left out.
fn drawn(page: &str, from: usize, to: usize, marks: &[(usize, usize)]) -> Option<Snippet> {
    let mut snippet = Snippet { text: String::new(), marks: Vec::new() };
    let mut units = 0;
    let mut push = |text: &mut String, c: char| {
        text.push(c);
        units += c.len_utf16();
        units
    };
    if from > 0 {
        push(&mut snippet.text, '…');
    }
    let mut marks = marks.iter().copied().peekable();
    let (mut space, mut open, mut last) = (false, None, 0);
    for (at, c) in page.get(from..to).unwrap_or_default().char_indices() {
        let at = from + at;
        if c.is_whitespace() || c.is_control() {
            space = !snippet.text.is_empty();
        } else {
            if std::mem::take(&mut space) {
                push(&mut snippet.text, ' ');
            }
            let end = push(&mut snippet.text, c);
            if marks.peek().is_some_and(|(start, _)| *start == at) {
                open = Some(end - c.len_utf16());
            }
            last = end;
        }
        if marks.peek().is_some_and(|(_, end)| at + c.len_utf8() >= *end) {
            marks.next();
            snippet.marks.extend(open.take().map(|start| (start, last)));
        }
    }
    if last == 0 {
        return None;
    }
    if to < page.trim_end().len() {
        push(&mut snippet.text, '…');
    }
    Some(snippet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::query::parse;

    fn marked(query: &str, closeness: Closeness, page: &str) -> String {
        let marker = Marker::new(&parse(query).unwrap(), closeness);
        let Some(snippet) = marker.snippet(page) else { return String::new() };
        let units: Vec<u16> = snippet.text.encode_utf16().collect();
        let (mut out, mut at) = (String::new(), 0);
        for (start, end) in snippet.marks {
            assert!(at <= start && start < end && end <= units.len());
            out += &String::from_utf16(&units[at..start]).unwrap();
            out += &format!("[{}]", String::from_utf16(&units[start..end]).unwrap());
            at = end;
        }
        out + &String::from_utf16(&units[at..]).unwrap()
    }

    #[test]
    fn the_words_of_the_query_are_marked_in_every_spelling() {
        for (query, page, expected) in [
            ("Mueller", "Frau Müller und Herr Muller.", "Frau [Müller] und Herr [Muller]."),
            ("Aufwand", "Die Aufwa\u{308}nde", "Die [Aufwa\u{308}nde]"),
            ("Geburtsurkunde", "eine Geburts-\nurkunde", "eine [Geburts- urkunde]"),
            ("G 815/2024", "Az. StA 12/2024-G-0815 vom", "Az. [StA 12/2024-G-0815] vom"),
            ("0815", "Nr. 815", "Nr. [815]"),
            ("12. März 2024", "am 12.03.2024 geboren", "am [12.03.2024] geboren"),
            ("Gebur*", "Geburt, geboren", "[Geburt], geboren"),
            ("Ehe -Scheidung", "Ehe ohne Scheidung", "[Ehe] ohne Scheidung"),
            ("fehlt", "𝄞 nichts <b>dergleichen</b>", "𝄞 nichts <b>dergleichen</b>"),
            ("dergleichen", "𝄞 nichts <b>dergleichen</b>", "𝄞 nichts <b>[dergleichen]</b>"),
        ] {
            assert_eq!(marked(query, Closeness::AsAsked, page), expected, "{query}");
        }
        assert_eq!(marked("Musetrmann", Closeness::Similar, "Erika Mustermann"), "Erika [Mustermann]");
        assert_eq!(marked("Ehe", Closeness::AsAsked, " \n\t "), "");
    }

    #[test]
    fn the_piece_with_the_most_different_words_is_shown() {
        let page = format!("Ehe {} {} Ehe Bonn {}", "a ".repeat(300), "Ehe ".repeat(5), "z ".repeat(300));
        let snippet = Marker::new(&parse("Ehe Bonn").unwrap(), Closeness::AsAsked).snippet(&page).unwrap();
        assert!(snippet.text.contains("Bonn"), "{snippet:?}");
        assert!(snippet.text.starts_with('…') && snippet.text.ends_with('…'));
        assert!(snippet.text.chars().count() <= LENGTH + 2);
    }

    #[test]
    fn one_typing_error_is_one() {
        let word: Vec<char> = "meier".chars().collect();
        for near in ["meier", "maier", "meer", "meiier", "miere", "meire", "xmeier", "meierx"] {
            assert_eq!(one_error(&word, near), near != "miere", "{near}");
        }
        for far in ["mayer", "me", "meierxx", ""] {
            assert!(!one_error(&word, far), "{far}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_page_breaks_a_snippet(page in "[a-zä\u{308}\u{ad}\u{1d11e} \n.\u{0}-]{0,400}", query in "[a-zä* ]{0,10}") {
            marked(&query, Closeness::AnyWord, &page);
        }
    }
}
