//! Reads a composed file back for tests: what each marked span says, and everything inside it, decompressed.

use std::collections::HashMap;

use lopdf::content::Content;
use lopdf::{Document, Object};

/// What each marked span of each page says, in drawing order: its actual text if it has one, else its glyphs by
/// the font's ToUnicode table.
pub(crate) fn spans(pdf: &[u8]) -> Vec<String> {
    let document = Document::load_mem(pdf).unwrap();
    let mut spans = Vec::new();
    for page in document.page_iter() {
        let fonts: HashMap<Vec<u8>, HashMap<u16, String>> = document
            .get_page_fonts(page)
            .unwrap()
            .into_iter()
            .map(|(name, font)| {
                let table = font.get_deref(b"ToUnicode", &document).unwrap().as_stream().unwrap();
                (name, to_unicode(&table.get_plain_content().unwrap()))
            })
            .collect();
        let content = Content::decode(&document.get_page_content(page)).unwrap();
        spans.extend(page_spans(content, &fonts));
    }
    spans
}

fn page_spans(content: Content, fonts: &HashMap<Vec<u8>, HashMap<u16, String>>) -> Vec<String> {
    let mut spans = Vec::new();
    let (mut said, mut actual, mut font): (String, Option<String>, Vec<u8>) =
        (String::new(), None, Vec::new());
    for operation in content.operations {
        match operation.operator.as_str() {
            "BDC" | "BMC" => {
                said.clear();
                actual = operation.operands.get(1).and_then(|o| o.as_dict().ok()).and_then(|dict| {
                    Some(utf16(dict.get(b"ActualText").ok()?.as_str().ok()?.strip_prefix(b"\xfe\xff")?))
                });
            }
            "EMC" => spans.extend(
                Some(actual.take().unwrap_or_else(|| std::mem::take(&mut said))).filter(|s| !s.is_empty()),
            ),
            "Tf" => font = operation.operands[0].as_name().unwrap().to_vec(),
            "Tj" | "TJ" => {
                let parts = match &operation.operands[0] {
                    Object::Array(parts) => parts.clone(),
                    one => vec![one.clone()],
                };
                for glyphs in parts.iter().filter_map(|part| part.as_str().ok()) {
                    for pair in glyphs.chunks(2) {
                        said += &fonts[&font][&u16::from_be_bytes([pair[0], pair[1]])];
                    }
                }
            }
            _ => {}
        }
    }
    spans
}

fn to_unicode(cmap: &[u8]) -> HashMap<u16, String> {
    let text = String::from_utf8_lossy(cmap);
    let mut table = HashMap::new();
    for block in text.split("beginbfchar").skip(1) {
        let block = block.split("endbfchar").next().unwrap();
        let codes: Vec<Vec<u8>> = block
            .split(['<', '>'])
            .filter_map(|part| hex::decode(part.trim()).ok().filter(|bytes| !bytes.is_empty()))
            .collect();
        for pair in codes.chunks(2) {
            table.insert(u16::from_be_bytes([pair[0][0], pair[0][1]]), utf16(&pair[1]));
        }
    }
    assert!(!text.contains("beginbfrange"), "ranges are not read");
    table
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

/// Every byte of the file with every stream decompressed, and every text of a page, for looking what is nowhere.
pub(crate) struct Insides {
    bytes: Vec<u8>,
    texts: String,
}

impl Insides {
    pub(crate) fn of(pdf: &[u8]) -> Self {
        let document = Document::load_mem(pdf).unwrap();
        let mut bytes = pdf.to_vec();
        for object in document.objects.values() {
            match object {
                Object::Stream(stream) => {
                    bytes.extend(stream.get_plain_content().unwrap_or_else(|_| stream.content.clone()));
                    bytes.extend(format!("{:?}", stream.dict).into_bytes());
                }
                other => bytes.extend(format!("{other:?}").into_bytes()),
            }
        }
        let bytes = bytes.to_ascii_lowercase();
        Self { bytes, texts: spans(pdf).join("\n").to_lowercase() }
    }

    /// Whether `word` is anywhere: as UTF-8, Latin-1, UTF-16, hex of UTF-16, or drawn; case does not matter.
    pub(crate) fn hold(&self, word: &str) -> bool {
        let utf16: Vec<u8> = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let latin1: Vec<u8> = word.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let forms = [word.as_bytes().to_vec(), latin1, hex::encode(&utf16).into_bytes(), utf16];
        self.texts.contains(&word.to_lowercase())
            || forms.iter().any(|form| {
                let form = form.to_ascii_lowercase();
                !form.is_empty() && self.bytes.windows(form.len()).any(|window| window == form)
            })
    }
}
