//! Where the extractors put text: counts pages, text, depth and unpacked bytes against the limits.
//! Long text without pages is cut into stretches at a line or word end. Knows no formats.

use super::{Limits, Reason};

/// The longest text of one page, in bytes: above it the page is continued as another.
const PAGE_BYTES_MAX: usize = 128 << 10;

/// Collects the text of one file and of the files inside it.
pub(super) struct Output<'e> {
    emit: &'e mut dyn FnMut(String) -> Result<(), Reason>,
    text_left: u64,
    pages_left: u32,
    unpacked_left: u64,
    depth_left: u32,
    /// Whether any page so far has a word.
    has_words: bool,
}

impl<'e> Output<'e> {
    /// An empty collection that hands each page to `emit`.
    pub(super) fn new(limits: &Limits, emit: &'e mut dyn FnMut(String) -> Result<(), Reason>) -> Self {
        Self {
            emit,
            text_left: limits.text_bytes,
            pages_left: limits.pages,
            unpacked_left: limits.unpacked_bytes,
            depth_left: limits.depth,
            has_words: false,
        }
    }

    /// Whether any page so far has a word.
    pub(super) const fn has_words(&self) -> bool {
        self.has_words
    }

    /// Adds a page as it is, also an empty one (page numbers count them).
    pub(super) fn page(&mut self, text: &str) -> Result<(), Reason> {
        let mut rest = text;
        loop {
            let (stretch, after) = cut(rest);
            self.stretch(stretch)?;
            rest = after;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Adds text that has no pages of its own, if it has a word; form feeds begin a new page.
    pub(super) fn flow(&mut self, text: &str) -> Result<(), Reason> {
        for page in text.split('\u{0C}').filter(|page| !page.trim().is_empty()) {
            self.page(page)?;
        }
        Ok(())
    }

    fn stretch(&mut self, text: &str) -> Result<(), Reason> {
        self.pages_left = self.pages_left.checked_sub(1).ok_or(Reason::TooManyPages)?;
        // Numbers and marks for the reader of the frames; no text format carries meaning in them.
        let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        let clean = clean.trim_end();
        self.text_left = self.text_left.checked_sub(clean.len() as u64).ok_or(Reason::TextTooLarge)?;
        self.has_words |= clean.contains(|c: char| c.is_alphanumeric());
        (self.emit)(clean.to_owned())
    }

    /// Takes `bytes` from what may be unpacked.
    pub(super) fn unpack(&mut self, bytes: u64) -> Result<(), Reason> {
        self.unpacked_left = self.unpacked_left.checked_sub(bytes).ok_or(Reason::UnpacksTooLarge)?;
        Ok(())
    }

    /// How many bytes may still be unpacked.
    pub(super) const fn unpacked_left(&self) -> u64 {
        self.unpacked_left
    }

    /// Goes one file deeper for the time of `inside`.
    pub(super) fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Reason::TooDeep)?;
        let result = inside(self);
        self.depth_left += 1;
        result
    }
}

/// The first stretch of `text` that fits a page, and the rest.
fn cut(text: &str) -> (&str, &str) {
    if text.len() <= PAGE_BYTES_MAX {
        return (text, "");
    }
    let mut end = PAGE_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (window, _) = text.split_at(end);
    let half = window.len() / 2;
    let at = window.rfind('\n').or_else(|| window.rfind(char::is_whitespace)).filter(|at| *at > half);
    text.split_at(at.unwrap_or(end))
}
