//! The report in words, for people: German (plain, as citizens read it) and English. One line each for verdict,
//! integrity, signer, qualification, log, status and age. SPECIMEN comes before everything else.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::report::{Changes, Integrity, Log, Qualified, Report, Role, Status, Verdict};

/// Language of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// German.
    German,
    /// English.
    English,
}

impl Language {
    const fn pick(self, german: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::German => german,
            Self::English => english,
        }
    }
}

/// The lines of the report.
pub fn lines(report: &Report, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    if report.specimen {
        let what = language
            .pick("dieses Dokument ist ein Muster und keine Urkunde", "a sample, not a document of value");
        lines.push(format!("MUSTER · SPECIMEN: {what}."));
    }
    lines.push(verdict(report, language).to_owned());
    if let Some(document) = &report.document {
        let (title, office, day) = (&document.title, &document.office, document.issued_on);
        lines.push(match language {
            Language::German => format!("Dokument: {title}, {office}, ausgestellt am {}.", german_day(day)),
            Language::English => format!("Document: {title}, {office}, issued on {day}."),
        });
        if document.printers_copy {
            let german =
                "Dies ist die Druckvorlage: Urkunde ist nur das unterschriebene und gesiegelte Papier.";
            let english = "This is the printer's copy: only the signed and sealed paper is the Urkunde.";
            lines.push(language.pick(german, english).to_owned());
        }
    }
    lines.push(integrity(report, language).to_owned());
    lines.push(signer(report, language));
    lines.push(qualified(report, language).to_owned());
    lines.push(log(report, language));
    lines.push(status(report, language));
    lines.push(age(report, language));
    for problem in &report.problems {
        lines.push(match language {
            Language::German => format!("– {}", problem.german()),
            Language::English => format!("– {problem}."),
        });
    }
    lines
}

fn verdict(report: &Report, language: Language) -> &'static str {
    match report.verdict {
        Verdict::Genuine => language.pick("Ergebnis: ECHT.", "Verdict: GENUINE."),
        Verdict::Not => language.pick("Ergebnis: NICHT ECHT.", "Verdict: NOT GENUINE."),
        Verdict::CannotTell => language.pick(
            "Ergebnis: NICHT BESTÄTIGT. Verlassen Sie sich nicht auf diese Datei.",
            "Verdict: COULD NOT TELL. Do not rely on this file.",
        ),
    }
}

fn integrity(report: &Report, language: Language) -> &'static str {
    match (report.integrity, report.changes) {
        (Integrity::Intact, Changes::ValidationData) => language.pick(
            "Unversehrtheit: unverändert; später kamen nur Prüfdaten hinzu.",
            "Integrity: unchanged; only validation data were added later.",
        ),
        (Integrity::Intact, _) => language.pick(
            "Unversehrtheit: seit der Signatur unverändert.",
            "Integrity: unchanged since it was sealed.",
        ),
        (Integrity::Broken, _) => language.pick("Unversehrtheit: VERLETZT.", "Integrity: BROKEN."),
        (Integrity::Unknown, _) => {
            language.pick("Unversehrtheit: nicht prüfbar.", "Integrity: could not be checked.")
        }
    }
}

fn signer(report: &Report, language: Language) -> String {
    let Some(signer) = &report.signer else {
        return language.pick("Unterzeichner: unbekannt.", "Signer: unknown.").to_owned();
    };
    let role = match signer.role {
        Role::Registrar => language.pick("Urkundsperson", "registrar"),
        Role::AuthoritySeal => language.pick("Siegel der Behörde", "seal of the authority"),
        Role::Unknown => language.pick("nicht näher bezeichnet", "role not stated"),
    };
    let known = if signer.trusted {
        language.pick("über eine vertraute Stelle bestätigt", "confirmed by a trusted root")
    } else {
        language.pick("NICHT bestätigt", "NOT confirmed")
    };
    let label = language.pick("Unterzeichner", "Signer");
    format!("{label}: {} ({role}), {}; {known}.", signer.name, signer.organization)
}

fn qualified(report: &Report, language: Language) -> &'static str {
    match report.qualified {
        Qualified::No => language.pick("Qualifiziert: nein.", "Qualified: no."),
        Qualified::Unknown => language.pick(
            "Qualifiziert: nicht bekannt (keine Vertrauensliste befragt).",
            "Qualified: not known (no trusted list was asked).",
        ),
    }
}

fn log(report: &Report, language: Language) -> String {
    match &report.log {
        Log::Registered { origin, index } => {
            let text = language.pick("Prüfverzeichnis: eingetragen", "Log: registered");
            format!("{text} ({origin}, {index}).")
        }
        Log::NotProven => {
            language.pick("Prüfverzeichnis: NICHT nachgewiesen.", "Log: NOT proven.").to_owned()
        }
        Log::Unknown => language.pick("Prüfverzeichnis: nicht geprüft.", "Log: not checked.").to_owned(),
    }
}

fn status(report: &Report, language: Language) -> String {
    match report.status {
        Status::Unknown => language
            .pick(
                "Widerruf: aus der Datei allein nicht erkennbar.",
                "Status: whether it was revoked cannot be seen from the file alone.",
            )
            .to_owned(),
        Status::Valid(at) => {
            format!(
                "{} ({}).",
                language.pick("Widerruf: keiner", "Status: not revoked"),
                instant(at, language)
            )
        }
        Status::Revoked(at) => {
            format!(
                "{} ({}).",
                language.pick("Widerruf: WIDERRUFEN", "Status: REVOKED"),
                instant(at, language)
            )
        }
    }
}

fn age(report: &Report, language: Language) -> String {
    let proven = report.age.proven_at.map(|at| match language {
        Language::German => format!(", nach Zeitstempel spätestens {}", instant(at, language)),
        Language::English => format!(", by its timestamp not after {}", instant(at, language)),
    });
    let proven = proven.unwrap_or_default();
    let sealed = report.age.sealed_at.map_or_else(|| "?".to_owned(), |at| instant(at, language));
    let checked = instant(report.age.checked_at, language);
    let shown = report.age.entry_as_of.map(|day| match language {
        Language::German => format!(", zeigt den Eintrag mit Stand {}", german_day(day)),
        Language::English => format!(", shows the entry as of {day}"),
    });
    let shown = shown.unwrap_or_default();
    match language {
        Language::German => {
            format!("Alter: signiert nach eigener Angabe {sealed}{proven}{shown}; geprüft {checked}.")
        }
        Language::English => {
            format!("Age: sealed, as it says itself, {sealed}{proven}{shown}; checked {checked}.")
        }
    }
}

fn german_day(day: jiff::civil::Date) -> String {
    day.strftime("%d.%m.%Y").to_string()
}

fn instant(at: Timestamp, language: Language) -> String {
    match language {
        Language::German => {
            let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
            at.to_zoned(zone).strftime("%d.%m.%Y %H:%M %Z").to_string()
        }
        Language::English => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }
}
