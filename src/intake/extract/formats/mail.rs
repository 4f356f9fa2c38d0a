//! E-mail, RFC 5322 and MIME, by mail-parser: the headers a reader sees, the bodies, and the text of attachments.
//! Attachments are files of their own, one level deeper. Mailboxes (RFC 4155) are their mails, one after the other.

use mail_parser::{Address, Message, MessageParser, MimeHeaders as _, PartType};

use super::{extract_inner, html};
use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Reads one mail: headers and bodies are its first page.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let message = MessageParser::default().parse(file).ok_or(Reason::Damaged)?;
    output.flow(&headers_and_bodies(&message))?;
    let mut missing = Ok(());
    for part in message.attachments() {
        match attachment(part, output) {
            Err(reason @ (Reason::Damaged | Reason::Password)) => missing = missing.and(Err(reason)),
            result => result?,
        }
    }
    missing
}

/// Reads every mail of a mailbox.
pub(super) fn extract_many(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut start = 0;
    let bounds = file.windows(6).enumerate().filter(|(_, window)| *window == b"\nFrom ");
    let ends: Vec<usize> = bounds.map(|(at, _)| at + 1).chain([file.len()]).collect();
    for end in ends {
        let mail = file.get(start..end).unwrap_or_default();
        let after_line =
            mail.iter().position(|byte| *byte == b'\n').and_then(|at| mail.get(at + 1..)).unwrap_or(mail);
        extract(after_line, output)?;
        start = end;
    }
    Ok(())
}

fn headers_and_bodies(message: &Message<'_>) -> String {
    let mut text = String::new();
    let people = [("From", message.from()), ("To", message.to()), ("Cc", message.cc())];
    for (label, address) in people {
        if let Some(address) = address {
            text.push_str(&format!("{label}: {}\n", spelled(address)));
        }
    }
    if let Some(date) = message.date() {
        text.push_str(&format!("Date: {}\n", date.to_rfc3339()));
    }
    if let Some(subject) = message.subject() {
        text.push_str(&format!("Subject: {subject}\n"));
    }
    text.push('\n');
    for body in message.text_bodies() {
        match &body.body {
            PartType::Html(body) => text.push_str(&html::text(body)),
            PartType::Text(body) => text.push_str(body),
            _ => {}
        }
        text.push('\n');
    }
    text
}

fn spelled(address: &Address<'_>) -> String {
    let people: Vec<String> = address
        .iter()
        .map(|person| match (person.name(), person.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (name, address) => name.or(address).unwrap_or_default().to_owned(),
        })
        .collect();
    people.join(", ")
}

fn attachment(part: &mail_parser::MessagePart<'_>, output: &mut Output<'_>) -> Result<(), Reason> {
    if let Some(name) = part.attachment_name() {
        output.flow(name)?;
    }
    match &part.body {
        PartType::Text(text) => output.flow(text),
        PartType::Html(text) => output.flow(&html::text(text)),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            output.unpack(bytes.len() as u64)?;
            extract_inner(bytes.to_vec(), output)
        }
        PartType::Message(_) => {
            let raw = part.contents();
            output.unpack(raw.len() as u64)?;
            output.deeper(|output| extract(raw, output))
        }
        PartType::Multipart(_) => Ok(()),
    }
}
