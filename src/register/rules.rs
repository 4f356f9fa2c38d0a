//! The rules for issuing from a register, as data (`schemas/rules/`): each with its paragraph, the question it
//! asks and the answer it gives. Reads them; who asks is the order check.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Register;

/// What an applicant is to the persons of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The person the entry is about.
    Person,
    /// Spouse.
    Ehegatte,
    /// Partner of a Lebenspartnerschaft.
    Lebenspartner,
    /// Ancestor: mother, father, grandparent, …
    Vorfahre,
    /// Descendant.
    Abkoemmling,
    /// Sibling, also of half blood.
    Geschwister,
    /// Anyone else.
    Andere,
    /// A German authority or court (§ 65).
    Behoerde,
    /// Who adopted the child (§ 63 (1)).
    Annehmende,
    /// Their parents (§ 63 (1)).
    ElternDerAnnehmenden,
    /// The legal representative of the child (§ 63 (1)).
    GesetzlicherVertreter,
}

/// The interest an applicant has made credible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interest {
    /// rechtliches Interesse
    Rechtliches,
    /// berechtigtes Interesse
    Berechtigtes,
}

/// What a registrar has found that lifts a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The protected person consents (§ 64 (1)).
    EinwilligungDesBetroffenen,
    /// A court orders it (§ 64 (1)).
    AnordnungDesGerichts,
    /// The witness protection office agrees (§ 64 (2)).
    ZustimmungDerZeugenschutzdienststelle,
}

/// The rules of one register.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rules {
    /// Which register.
    pub register: Register,
    /// When and in which text the law was read.
    pub read_in: String,
    /// The years the register is kept (§ 5 (5)).
    pub term_years: i16,
    /// What forbids issuing, in the order it is asked.
    pub refusals: Vec<Rule>,
    /// Who may have a certificate.
    pub entitlements: Vec<Entitlement>,
}

/// A rule that forbids.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The paragraph. None: a rule of this software, not of the law.
    pub law: Option<String>,
    /// Said of rules of this software.
    #[serde(default)]
    pub own: bool,
    /// The day it holds from; none: before 2022 or not separately known.
    pub holds_from: Option<Date>,
    /// What is uncertain about it.
    pub remark: Option<String>,
    /// The kinds of certificate it is about; none: all.
    pub kinds: Option<Vec<String>>,
    /// The question.
    pub question: String,
    /// When the answer is yes.
    pub when: When,
    /// What lifts it.
    #[serde(default)]
    pub unless: Unless,
    /// What is said if it forbids.
    pub answer: String,
}

/// A condition: all that is given must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct When {
    /// A lock of this kind holds today.
    pub lock: Option<String>,
    /// That lock has no term (true) or has one (false).
    pub without_term: Option<bool>,
    /// One of these fields has a value now.
    #[serde(default)]
    pub field: Vec<String>,
    /// The register's term has ended.
    #[serde(default)]
    pub term_over: bool,
    /// The applicant is under 16.
    #[serde(default)]
    pub under16: bool,
    /// No entitlement fits the applicant.
    #[serde(default)]
    pub not_entitled: bool,
    /// The copy is older than configured.
    #[serde(default)]
    pub copy_too_old: bool,
}

/// What lifts a rule: any of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unless {
    /// The applicant is one of these.
    #[serde(default)]
    pub relation: Vec<Relation>,
    /// One of these fields has a value now (a death).
    #[serde(default)]
    pub field: Vec<String>,
    /// A registrar has found one of these.
    #[serde(default)]
    pub finding: Vec<Finding>,
}

/// Someone who may have a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entitlement {
    /// What the applicant is.
    pub relation: Relation,
    /// The paragraph.
    pub law: String,
    /// In the words of the law.
    pub label: String,
    /// The interest to be made credible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interest: Option<Interest>,
    /// Only so many years after the last of the persons of the entry has died (§ 62 (3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub years_after_last_death: Option<i16>,
    /// The purpose must be stated (§ 65 (1)).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub purpose: bool,
}

const BIRTHS: &str = include_str!("../../schemas/rules/geburtenregister.json");

static RULES: LazyLock<Vec<Rules>> =
    LazyLock::new(|| [BIRTHS].into_iter().filter_map(|json| serde_json::from_str(json).ok()).collect());

/// The rules of a register, if they are at hand. Without rules nothing is issued.
pub fn rules(register: Register) -> Option<&'static Rules> {
    RULES.iter().find(|rules| rules.register == register)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_paragraph_or_says_that_it_is_our_own() {
        let rules: Rules = serde_json::from_str(BIRTHS).unwrap();
        assert_eq!(rules.term_years, 110);
        for rule in &rules.refusals {
            assert_eq!(rule.law.is_none(), rule.own, "{}", rule.id);
            assert!(rule.question.ends_with('?') && rule.answer.ends_with('.'), "{}", rule.id);
        }
        assert!(rules.entitlements.iter().all(|entitlement| entitlement.law.contains('§')));
        assert!(super::rules(Register::G).is_some());
        assert!(super::rules(Register::S).is_none());
    }
}
