//! Pages rendered by the server, and their static files: the page `/v` for those who are shown a certificate.
//! The checking itself happens in the browser (`static/`). Knows no HTTP and no database.

use askama::Template;
use base64::Engine as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::seal::certificate::Certificate;
use crate::seal::oids;
use crate::tlog::VerifierKey;

/// A file that a page needs.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name below `/static/`.
    pub name: &'static str,
    /// Its type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// All static files.
pub const ASSETS: [Asset; 6] = [
    Asset { name: "der.js", media_type: SCRIPT, bytes: include_bytes!("static/der.js") },
    Asset { name: "seal.js", media_type: SCRIPT, bytes: include_bytes!("static/seal.js") },
    Asset { name: "log.js", media_type: SCRIPT, bytes: include_bytes!("static/log.js") },
    Asset { name: "page.js", media_type: SCRIPT, bytes: include_bytes!("static/page.js") },
    Asset { name: "page.css", media_type: STYLE, bytes: include_bytes!("static/page.css") },
    Asset { name: "kern.min.css", media_type: STYLE, bytes: include_bytes!("static/kern.min.css") },
];

/// What the browser may load: from here only, no inline script or style, nobody may frame it. KERN's icons are
/// data URIs.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Each page is filled up with spaces to so many bytes, so that its length tells nothing of its answer.
pub const PAGE_BYTES: usize = 8 * 1024;

/// The static file of this name.
pub fn asset(name: &str) -> Option<Asset> {
    ASSETS.into_iter().find(|asset| asset.name == name)
}

/// What `/v/{number}` says about a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberAnswer {
    /// `issued`, `revoked`, `unknown` or `malformed`.
    pub state: &'static str,
    /// One line.
    pub title: String,
    /// One sentence; never that something is genuine.
    pub sentence: String,
}

impl NumberAnswer {
    /// From the public answer (the JSON of `/v1/verify/{number}`): what it says, in a sentence.
    pub fn from_public(json: &str) -> Self {
        let answer: PublicAnswer = serde_json::from_str(json).unwrap_or_default();
        let Some(issued) = answer.issued else {
            return Self {
                state: "unknown",
                title: "Diese Nummer ist hier nicht bekannt".to_owned(),
                sentence: "Unter dieser Nummer wurde hier keine Urkunde ausgestellt. Stimmt jedes Zeichen?"
                    .to_owned(),
            };
        };
        let specimen = if issued.specimen { "MUSTER · SPECIMEN: " } else { "" };
        let (state, title) = if answer.revoked {
            ("revoked", "Die Urkunde zu dieser Nummer wurde zurückgezogen")
        } else {
            ("issued", "Unter dieser Nummer wurde eine Urkunde ausgestellt")
        };
        Self {
            state,
            title: format!("{specimen}{title}"),
            sentence: format!(
                "{} hat am {} ausgestellt: {}. Sie zeigt den Eintrag mit Stand vom {}.",
                issued.office,
                german(issued.day),
                issued.title,
                german(issued.entry_as_of)
            ),
        }
    }

    /// The check characters say that one was mistyped.
    pub fn mistyped() -> Self {
        Self {
            state: "malformed",
            title: "In der Nummer ist ein Tippfehler".to_owned(),
            sentence: "Die Prüfzeichen passen nicht. Bitte vergleichen Sie jedes Zeichen mit dem Papier."
                .to_owned(),
        }
    }

    /// Not a number at all.
    pub fn malformed() -> Self {
        Self {
            state: "malformed",
            title: "Das ist keine Prüfnummer".to_owned(),
            sentence: "Eine Prüfnummer hat 28 Buchstaben und Ziffern in Vierergruppen.".to_owned(),
        }
    }
}

/// The members of the public answer that the page shows.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicAnswer {
    #[serde(default)]
    revoked: bool,
    issued: Option<Issued>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    office: String,
    title: String,
    day: Date,
    entry_as_of: Date,
    #[serde(default)]
    specimen: bool,
}

fn german(day: Date) -> String {
    format!("{}. {}. {}", day.day(), day.month(), day.year())
}

/// The page `/v`.
#[derive(Debug, Template)]
#[template(path = "verify.html")]
pub struct VerifyPage {
    /// The answer about a number, if one was asked.
    pub answer: Option<NumberAnswer>,
}

/// What the browser is told to trust (`/v/trust.json`): as trustworthy as the server that serves the page. Who
/// wants more uses `stammbuch verify`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicTrust {
    roots: Vec<String>,
    log_keys: Vec<String>,
    proof_oid: String,
    specimen_oid: String,
}

impl PublicTrust {
    /// From the roots of the signers and the log's key.
    pub fn new(roots: &[Certificate], log_keys: &[VerifierKey]) -> Self {
        let base64 = |root: &Certificate| base64::engine::general_purpose::STANDARD.encode(root.der());
        Self {
            roots: roots.iter().map(base64).collect(),
            log_keys: log_keys.iter().map(ToString::to_string).collect(),
            proof_oid: oids::LOG_PROOF.to_string(),
            specimen_oid: oids::SPECIMEN.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_no_file_that_is_not_here_and_nothing_from_elsewhere() {
        let page = VerifyPage { answer: None }.render().unwrap();
        let named: Vec<&str> = page
            .split(['"', '\''])
            .filter(|part| part.starts_with("/static/") || part.starts_with("http"))
            .collect();
        assert_eq!(named.len(), 3, "{named:?}");
        for path in named {
            assert!(asset(path.trim_start_matches("/static/")).is_some(), "{path}");
        }
    }

    #[test]
    fn modules_import_only_what_is_served() {
        for each in ASSETS.iter().filter(|asset| asset.media_type == SCRIPT) {
            let text = std::str::from_utf8(each.bytes).unwrap();
            for import in text.split("from \"./").skip(1) {
                let name = import.split('"').next().unwrap();
                assert!(asset(name).is_some(), "{} imports {name}", each.name);
            }
        }
    }

    #[test]
    fn a_known_number_is_answered_with_office_kind_and_day_and_never_with_genuine() {
        let json = r#"{"state":"issued","revoked":false,"issued":{"office":"Musterstadt-Mitte","kind":"geburtsurkunde",
            "title":"Geburtsurkunde","day":"2026-11-24","entryAsOf":"2026-11-20","specimen":true},"pad":"   "}"#;
        let answer = NumberAnswer::from_public(json);
        assert_eq!(answer.state, "issued");
        assert!(answer.title.starts_with("MUSTER · SPECIMEN: "));
        insta::assert_snapshot!(answer.sentence, @"Musterstadt-Mitte hat am 24. 11. 2026 ausgestellt: Geburtsurkunde. Sie zeigt den Eintrag mit Stand vom 20. 11. 2026.");
        let page = VerifyPage { answer: Some(answer) }.render().unwrap();
        assert!(
            !page.contains("echt<") && !page.contains(">Echt") && page.len() < PAGE_BYTES,
            "{}",
            page.len()
        );
        assert_eq!(NumberAnswer::from_public(r#"{"state":"unknown","revoked":false}"#).state, "unknown");
    }

    #[test]
    fn what_a_number_is_answered_with_is_escaped() {
        let answer = NumberAnswer {
            state: "unknown",
            title: "<script>alert(1)</script>".to_owned(),
            sentence: "a & b".to_owned(),
        };
        let page = VerifyPage { answer: Some(answer) }.render().unwrap();
        assert!(!page.contains("<script>alert"), "{page}");
    }
}
