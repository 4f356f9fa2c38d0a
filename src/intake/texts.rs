//! The text of a document as one object in the vault: a table of its pages, then their texts.
//! One page can be read without the others. Does not know where the text came from.
//!
//! `SBTX`, version 1, number of pages (4 bytes), for each its number (4) and the end of its text (8); big-endian.
//! What follows the texts is not read: the writer may make equal texts of different documents differ by it.

use super::extract::PageText;
use crate::objects::{ObjectRef, Vault, VaultError};

const MAGIC: &[u8; 5] = b"SBTX\x01";
const HEAD_BYTES: u64 = 9;
const ROW_BYTES: u64 = 12;
/// More pages than a table may have.
const PAGES_MAX: u64 = 1_000_000;

/// Why a text cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The object cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The object is not the text of a document.
    #[error("not the text of a document in a known version")]
    Format,
}

/// The bytes of the object that holds `pages`.
pub fn encode(pages: &[PageText]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(pages.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut end = 0_u64;
    for page in pages {
        end += page.text.len() as u64;
        bytes.extend(page.number.to_be_bytes());
        bytes.extend(end.to_be_bytes());
    }
    bytes.extend(pages.iter().flat_map(|page| page.text.bytes()));
    bytes
}

/// All pages.
pub async fn read_all(vault: &Vault, at: ObjectRef) -> Result<Vec<PageText>, TextError> {
    decode(&vault.read(at).await?)
}

/// One page, if it has text.
pub async fn read_page(vault: &Vault, at: ObjectRef, number: u32) -> Result<Option<String>, TextError> {
    let object = vault.open(at, None).await?;
    let head = object.read(0..HEAD_BYTES.min(object.size())).await?;
    let table = HEAD_BYTES + rows(&head)? * ROW_BYTES;
    let head = object.read(0..table.min(object.size())).await?;
    let mut start = 0;
    for (found, end) in table_of(&head)? {
        if found == number {
            let text = object.read(table + start..table + end).await?;
            return String::from_utf8(text).map(Some).map_err(|_| TextError::Format);
        }
        start = end;
    }
    Ok(None)
}

/// The pages of the bytes that [`encode`] has made.
pub fn decode(bytes: &[u8]) -> Result<Vec<PageText>, TextError> {
    let table = table_of(bytes)?;
    let texts = HEAD_BYTES as usize + table.len() * ROW_BYTES as usize;
    let mut start = 0;
    let mut pages = Vec::with_capacity(table.len());
    for (number, end) in table {
        let end = usize::try_from(end).map_err(|_| TextError::Format)?;
        let text = bytes.get(texts + start..texts.saturating_add(end)).ok_or(TextError::Format)?;
        let text = std::str::from_utf8(text).map_err(|_| TextError::Format)?;
        pages.push(PageText { number, text: text.to_owned() });
        start = end;
    }
    Ok(pages)
}

fn rows(bytes: &[u8]) -> Result<u64, TextError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(TextError::Format)?;
    let count = rest.first_chunk::<4>().ok_or(TextError::Format)?;
    Some(u64::from(u32::from_be_bytes(*count))).filter(|count| *count <= PAGES_MAX).ok_or(TextError::Format)
}

/// Number and end of each page.
fn table_of(bytes: &[u8]) -> Result<Vec<(u32, u64)>, TextError> {
    let count = rows(bytes)?;
    let table = bytes.get(HEAD_BYTES as usize..).unwrap_or_default();
    let mut last = 0;
    let rows = table.chunks_exact(ROW_BYTES as usize).take(usize::try_from(count).unwrap_or_default());
    let rows: Option<Vec<_>> = rows
        .map(|row| {
            let number = u32::from_be_bytes(*row.first_chunk()?);
            let end = u64::from_be_bytes(*row.last_chunk()?);
            let grows = end >= last;
            last = end;
            grows.then_some((number, end))
        })
        .collect();
    rows.filter(|rows| rows.len() as u64 == count).ok_or(TextError::Format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Vec<PageText> {
        [(1, "Erste Seite"), (2, ""), (5, "Größe und Łódź")]
            .map(|(number, text)| PageText { number, text: text.to_owned() })
            .to_vec()
    }

    #[test]
    fn pages_read_back_as_written() {
        assert_eq!(decode(&encode(&pages())).unwrap(), pages());
        assert_eq!(decode(&encode(&[])).unwrap(), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        let whole = encode(&pages());
        for end in 0..whole.len() {
            assert!(matches!(decode(&whole[..end]), Err(TextError::Format)), "{end}");
        }
        let mut next = whole.clone();
        next[4] = 2;
        assert!(decode(&next).is_err());
        let mut huge = whole;
        huge[5..9].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(decode(&huge).is_err());
    }
}
