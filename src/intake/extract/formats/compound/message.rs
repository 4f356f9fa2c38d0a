//! Messages of Outlook (MS-OXMSG): what stands at the head, the body, and attachments as files of their own, one level
//! deeper. A body that is kept as compressed RTF only is not read.

use encoding_rs::{UTF_16LE, WINDOWS_1252};
use jiff::Timestamp;
use office_oxide::cfb::CfbReader;

use super::{Bytes, guarded, opened};
use crate::intake::extract::Reason;
use crate::intake::extract::formats::{extract_inner, html};
use crate::intake::extract::output::Output;

/// Most attachments of a message; they are numbered without gaps.
const ATTACHMENTS_MAX: usize = 2_000;
/// Seconds from 1601, where Windows begins to count, to 1970.
const EPOCH: i64 = 11_644_473_600;
/// MS-OXPROPS: when the message was submitted.
const SUBMITTED: u32 = 0x0039_0040;

/// Reads a message: head and body are its first page.
pub(in super::super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    message(&mut Streams(opened(file)?), "", 32, output)
}

/// The streams of a compound file, read within the budget of what may be unpacked.
struct Streams<'f>(CfbReader<Bytes<'f>>);

impl Streams<'_> {
    /// The stream at `path`; nothing if there is none.
    fn read(&mut self, path: &str, output: &mut Output<'_>) -> Result<Option<Vec<u8>>, Reason> {
        let Some(at) = self.0.find_entry_by_path(path) else { return Ok(None) };
        let size = self.0.entries().get(at).map_or(0, |entry| entry.stream_size);
        output.unpack(size)?;
        guarded(|| self.0.read_stream_by_index(at).map(Some).map_err(|_| Reason::Damaged))
    }

    fn has(&self, path: &str) -> bool {
        self.0.find_entry_by_path(path).is_some()
    }
}

/// The message in the storage at `path` (empty, or ending in a slash). Its fixed properties begin after `head` bytes.
fn message(
    container: &mut Streams<'_>,
    path: &str,
    head: usize,
    output: &mut Output<'_>,
) -> Result<(), Reason> {
    let mut text = String::new();
    for (label, property) in
        [("From", "0C1A"), ("From", "5D01"), ("To", "0E04"), ("Cc", "0E03"), ("Subject", "0037")]
    {
        if let Some(value) = string(container, path, property, output)? {
            text.push_str(&format!("{label}: {value}\n"));
        }
    }
    let fixed = container.read(&format!("{path}__properties_version1.0"), output)?.unwrap_or_default();
    if let Some(time) = submitted(fixed.get(head..).unwrap_or_default()) {
        text.push_str(&format!("Date: {time}\n"));
    }
    text.push('\n');
    match string(container, path, "1000", output)?.filter(|body| !body.trim().is_empty()) {
        Some(body) => text.push_str(&body),
        None => {
            if let Some(body) = container.read(&format!("{path}__substg1.0_10130102"), output)? {
                text.push_str(&html::text(&String::from_utf8_lossy(&body)));
            } else if let Some(body) = string(container, path, "1013", output)? {
                text.push_str(&html::text(&body));
            }
        }
    }
    output.flow(&text)?;
    let mut missing = Ok(());
    for n in 0..ATTACHMENTS_MAX {
        let storage = format!("{path}__attach_version1.0_#{n:08X}");
        if !container.has(&storage) {
            break;
        }
        match attachment(container, &format!("{storage}/"), output) {
            Err(reason @ (Reason::Damaged | Reason::Password)) => missing = missing.and(Err(reason)),
            result => result?,
        }
    }
    missing
}

fn attachment(container: &mut Streams<'_>, path: &str, output: &mut Output<'_>) -> Result<(), Reason> {
    let name = string(container, path, "3707", output)?;
    let name = if name.is_some() { name } else { string(container, path, "3704", output)? };
    output.flow(&name.unwrap_or_default())?;
    if let Some(bytes) = container.read(&format!("{path}__substg1.0_37010102"), output)? {
        return if bytes.is_empty() { Ok(()) } else { extract_inner(bytes, output) };
    }
    let inner = format!("{path}__substg1.0_3701000D/");
    if container.has(&format!("{inner}__properties_version1.0")) {
        return output.deeper(|output| message(container, &inner, 24, output));
    }
    Ok(())
}

/// A property that is text: in UTF-16, or in the code page of Western Europe.
fn string(
    container: &mut Streams<'_>,
    path: &str,
    property: &str,
    output: &mut Output<'_>,
) -> Result<Option<String>, Reason> {
    let wide = container.read(&format!("{path}__substg1.0_{property}001F"), output)?;
    if let Some(bytes) = wide {
        return Ok(Some(UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned()));
    }
    let narrow = container.read(&format!("{path}__substg1.0_{property}001E"), output)?;
    Ok(narrow.map(|bytes| WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned()))
}

/// MS-OXMSG 2.4.2: sixteen bytes each, tag, flags and value.
fn submitted(properties: &[u8]) -> Option<Timestamp> {
    let found =
        properties.chunks_exact(16).find(|property| property.starts_with(&SUBMITTED.to_le_bytes()))?;
    let ticks = u64::from_le_bytes(*found.last_chunk()?);
    Timestamp::from_second(i64::try_from(ticks / 10_000_000).ok()? - EPOCH).ok()
}
