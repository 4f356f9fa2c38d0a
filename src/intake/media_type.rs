//! What a file is: the types Stammbuch tells apart, their registered names, and the check of what a sender claims.
//! The bytes decide (`detect`); name and sent type are claims. Knows nothing of HTTP or storage.
//! Polyglots: the signature at the first byte decides. A file that is also something else is stored, read and served
//! only as that one type, and a claim of the other type is refused.

mod claim;
mod detect;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::fmt;
use std::str::FromStr;

pub use claim::{Lie, check_claim};
pub use detect::{HEAD_BYTES, detect};

/// The type of a file, as its bytes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaType {
    /// Portable Document Format, also with up to 1,024 bytes before its header.
    Pdf,
    /// Word document, Office Open XML.
    Docx,
    /// Excel workbook, Office Open XML.
    Xlsx,
    /// PowerPoint presentation, Office Open XML.
    Pptx,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// Electronic book (a ZIP with XHTML).
    Epub,
    /// An Open Packaging Conventions package whose main part is not in the head.
    Opc,
    /// Any other ZIP archive.
    Zip,
    /// Word 97–2003.
    Doc,
    /// Excel 5–2003.
    Xls,
    /// PowerPoint 97–2003.
    Ppt,
    /// Outlook message.
    Msg,
    /// A compound file whose directory is not in the head.
    Ole,
    /// Rich Text Format.
    Rtf,
    /// HTML or XHTML.
    Html,
    /// Any other XML.
    Xml,
    /// Text without further structure.
    Text,
    /// A table of separated values.
    Csv,
    /// One e-mail, RFC 5322.
    Mail,
    /// Several e-mails in one file, RFC 4155.
    Mbox,
    /// Portable Network Graphics.
    Png,
    /// JPEG picture.
    Jpeg,
    /// Tagged Image File Format.
    Tiff,
    /// Graphics Interchange Format.
    Gif,
    /// High Efficiency Image Container.
    Heic,
    /// WebP picture.
    Webp,
    /// CMS with its content inside (`.p7m`).
    P7m,
    /// CMS signature without the content (`.p7s`).
    P7s,
    /// None of these.
    Unknown,
}

impl MediaType {
    /// Every type with its registered name.
    pub(crate) const ALL: [(Self, &'static str); 31] = [
        (Self::Pdf, "application/pdf"),
        (Self::Docx, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (Self::Xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (Self::Pptx, "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        (Self::Odt, "application/vnd.oasis.opendocument.text"),
        (Self::Ods, "application/vnd.oasis.opendocument.spreadsheet"),
        (Self::Odp, "application/vnd.oasis.opendocument.presentation"),
        (Self::Epub, "application/epub+zip"),
        (Self::Opc, "application/vnd.openxmlformats-package"),
        (Self::Zip, "application/zip"),
        (Self::Doc, "application/msword"),
        (Self::Xls, "application/vnd.ms-excel"),
        (Self::Ppt, "application/vnd.ms-powerpoint"),
        (Self::Msg, "application/vnd.ms-outlook"),
        (Self::Ole, "application/x-ole-storage"),
        (Self::Rtf, "application/rtf"),
        (Self::Html, "text/html"),
        (Self::Xml, "application/xml"),
        (Self::Text, "text/plain"),
        (Self::Csv, "text/csv"),
        (Self::Mail, "message/rfc822"),
        (Self::Mbox, "application/mbox"),
        (Self::Png, "image/png"),
        (Self::Jpeg, "image/jpeg"),
        (Self::Tiff, "image/tiff"),
        (Self::Gif, "image/gif"),
        (Self::Heic, "image/heic"),
        (Self::Webp, "image/webp"),
        (Self::P7m, "application/pkcs7-mime"),
        (Self::P7s, "application/pkcs7-signature"),
        (Self::Unknown, "application/octet-stream"),
    ];

    /// The registered name, without parameters: what the database keeps and `Content-Type` says.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("application/octet-stream", |(_, name)| name)
    }

    /// Whether the file is text that a person can read as it stands.
    pub const fn is_textual(self) -> bool {
        matches!(self, Self::Html | Self::Xml | Self::Text | Self::Csv | Self::Mail | Self::Mbox)
    }

    /// Whether the file is a picture, whose words only character recognition finds.
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Tiff | Self::Gif | Self::Heic | Self::Webp)
    }

    /// Whether the file is a ZIP container of some kind.
    pub const fn is_zip(self) -> bool {
        matches!(
            self,
            Self::Docx
                | Self::Xlsx
                | Self::Pptx
                | Self::Odt
                | Self::Ods
                | Self::Odp
                | Self::Epub
                | Self::Opc
                | Self::Zip
        )
    }

    /// Whether the file is an OLE compound file of some kind.
    pub const fn is_ole(self) -> bool {
        matches!(self, Self::Doc | Self::Xls | Self::Ppt | Self::Msg | Self::Ole)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no type that Stammbuch tells apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a media type of this archive: {got:?}")]
pub struct NotAMediaType {
    /// What was given.
    pub got: String,
}

impl FromStr for MediaType {
    type Err = NotAMediaType;

    /// Reads back what `as_str` wrote (a stored row); claims of senders go through `check_claim`.
    fn from_str(text: &str) -> Result<Self, NotAMediaType> {
        let known = Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind);
        known.ok_or_else(|| NotAMediaType { got: text.to_owned() })
    }
}
