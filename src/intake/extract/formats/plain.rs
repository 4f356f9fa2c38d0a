//! Plain text: finds out the encoding (byte order mark, UTF-16 by its zeros, UTF-8 if well-formed, else
//! Windows-1252, which holds ISO 8859-1) and hands the text on.

use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;
use crate::intake::media_type;

/// Reads a text file; form feeds begin a new page.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    output.flow(&decode(file))
}

/// The bytes as text, in whatever encoding they are most plausibly in.
pub(super) fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, bom)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes.get(bom..).unwrap_or_default()).0.into_owned();
    }
    if let Some(encoding) = media_type::text::wide(bytes.get(..4096).unwrap_or(bytes)) {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}
