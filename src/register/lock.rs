//! What is kept outside the entry and restricts what is issued from it (§ 47 (4), §§ 63, 64 PStG).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A lock on an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lock {
    /// Sperrvermerk (fields 0048, 0049).
    Sperrvermerk {
        /// The day it was entered.
        since: Date,
        /// The last day of its term: three years, renewable (§ 64 (1)). None: witness protection (§ 64 (2)).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Date>,
    },
    /// Stilllegung (field 0045): the entry is processed no more.
    Stilllegung {
        /// From this day.
        since: Date,
    },
    /// The child was adopted (§ 63 (1)).
    Adoption {
        /// From this day.
        since: Date,
    },
    /// Sex entry and first names were changed under the SBGG or the law before it (§ 63 (2)).
    GeschlechtseintragUndVornamen {
        /// From this day.
        since: Date,
    },
}

impl Lock {
    /// Whether it restricts on `day`. A Sperrvermerk ends with its term; the death that ends others is asked for
    /// by the rules.
    pub fn holds_on(&self, day: Date) -> bool {
        match self {
            Self::Sperrvermerk { since, until } => *since <= day && until.is_none_or(|until| day <= until),
            Self::Stilllegung { since }
            | Self::Adoption { since }
            | Self::GeschlechtseintragUndVornamen { since } => *since <= day,
        }
    }

    /// The name of its kind, as in JSON and in rows.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sperrvermerk { .. } => "sperrvermerk",
            Self::Stilllegung { .. } => "stilllegung",
            Self::Adoption { .. } => "adoption",
            Self::GeschlechtseintragUndVornamen { .. } => "geschlechtseintrag-und-vornamen",
        }
    }

    /// The first day.
    pub const fn since(&self) -> Date {
        match self {
            Self::Sperrvermerk { since, .. }
            | Self::Stilllegung { since }
            | Self::Adoption { since }
            | Self::GeschlechtseintragUndVornamen { since } => *since,
        }
    }

    /// The last day, if there is one.
    pub const fn until(&self) -> Option<Date> {
        match self {
            Self::Sperrvermerk { until, .. } => *until,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sperrvermerk_holds_to_the_last_day_of_its_term_and_without_one_for_ever() {
        let lock: Lock =
            serde_json::from_str(r#"{"kind":"sperrvermerk","since":"2024-05-02","until":"2027-05-01"}"#)
                .unwrap();
        let on = |day: &str| lock.holds_on(day.parse().unwrap());
        assert!(!on("2024-05-01") && on("2024-05-02") && on("2027-05-01") && !on("2027-05-02"));
        let witness: Lock = serde_json::from_str(r#"{"kind":"sperrvermerk","since":"2024-05-02"}"#).unwrap();
        assert!(witness.holds_on("2199-01-01".parse().unwrap()));
    }

    #[test]
    fn a_lock_reads_back_and_unknown_ones_are_refused() {
        for json in [
            r#"{"kind":"sperrvermerk","since":"2024-05-02","until":"2027-05-01"}"#,
            r#"{"kind":"stilllegung","since":"2024-05-02"}"#,
            r#"{"kind":"adoption","since":"2024-05-02"}"#,
            r#"{"kind":"geschlechtseintrag-und-vornamen","since":"2024-05-02"}"#,
        ] {
            let lock: Lock = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&lock).unwrap(), json);
            assert!(json.contains(lock.kind()));
        }
        for bad in [
            r#"{"kind":"stilllegung"}"#,
            r#"{"kind":"stilllegung","since":"2024-05-02","until":"2027-05-01"}"#,
            r#"{"kind":"gesperrt","since":"2024-05-02"}"#,
        ] {
            assert!(serde_json::from_str::<Lock>(bad).is_err(), "{bad}");
        }
    }
}
