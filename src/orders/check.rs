//! The order check: facts, locks, applicant and day in; an answer with its paragraph out.
//! Pure: evaluates the rules of `schemas/rules/` and knows no database, clock or person.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::certificate::Kind;
use crate::register::rules::{Entitlement, Finding, Interest, Relation, Rule, Rules, Unless, When, rules};
use crate::register::{Facts, Lock, Register};

/// Who asks, as the order states it and a registrar confirms it at release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Applicant {
    /// What the applicant is to the person of the entry.
    pub relation: Relation,
    /// Whether over 16 (§ 62 (1) sentence 3); not asked of authorities.
    #[serde(default)]
    pub over16: bool,
    /// The interest made credible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interest: Option<Interest>,
    /// The day the last of the persons of the entry died, if proven (§ 62 (3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_death: Option<Date>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The certificate.
    pub kind: Kind,
    /// The facts of the entry.
    pub facts: &'a Facts,
    /// The locks on it.
    pub locks: &'a [Lock],
    /// Who asks.
    pub applicant: &'a Applicant,
    /// Why, if it is stated.
    pub purpose: Option<&'a str>,
    /// What a registrar has found.
    pub findings: &'a [Finding],
    /// Today, in Germany.
    pub today: Date,
    /// How old a copy of an entry may be, in days.
    pub copy_age_days_max: i32,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing forbids it, and these entitlements fit.
    Allowed(Vec<Entitlement>),
    /// It is forbidden: every rule that says so, in the order they are asked.
    Refused(Refusal, Vec<Refusal>),
}

/// A rule that forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Refusal {
    /// The rule.
    pub rule: String,
    /// The paragraph; none for a rule of this software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub law: Option<String>,
    /// What is said.
    pub reason: String,
}

/// There are no rules for this register, so nothing is issued from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no rules are at hand for register {0}; nothing is issued from it")]
pub struct NoRules(pub Register);

/// Asks every rule.
pub fn check(case: &Case<'_>) -> Result<Verdict, NoRules> {
    let register = case.facts.key.register;
    let rules = rules(register).ok_or(NoRules(register))?;
    let entitlements = entitlements(rules, case);
    let mut refusals = rules
        .refusals
        .iter()
        .filter(|rule| concerns(rule, case))
        .filter(|rule| holds(&rule.when, rules, case, entitlements.is_empty()))
        .filter(|rule| !lifted(&rule.unless, case))
        .map(|rule| Refusal { rule: rule.id.clone(), law: rule.law.clone(), reason: rule.answer.clone() });
    Ok(match refusals.next() {
        None => Verdict::Allowed(entitlements),
        Some(first) => Verdict::Refused(first, refusals.collect()),
    })
}

fn concerns(rule: &Rule, case: &Case<'_>) -> bool {
    rule.holds_from.is_none_or(|day| day <= case.today)
        && rule.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == case.kind.as_str()))
}

/// Whether the condition is met. A condition that says nothing is met by nothing.
fn holds(when: &When, rules: &Rules, case: &Case<'_>, nobody_fits: bool) -> bool {
    let locked = |kind: &String| {
        case.locks.iter().any(|lock| {
            lock.kind() == kind
                && lock.holds_on(case.today)
                && when.without_term.is_none_or(|without| without == lock.until().is_none())
        })
    };
    let asked = [
        when.lock.as_ref().map(locked),
        (!when.field.is_empty()).then(|| has_any(case.facts, &when.field)),
        when.term_over.then(|| term_over(rules, case)),
        when.under16.then(|| under16(case)),
        when.not_entitled.then_some(nobody_fits),
        when.copy_too_old.then(|| too_old(case)),
    ];
    asked.iter().any(Option::is_some) && asked.into_iter().flatten().all(|yes| yes)
}

fn lifted(unless: &Unless, case: &Case<'_>) -> bool {
    unless.relation.contains(&case.applicant.relation)
        || has_any(case.facts, &unless.field)
        || unless.finding.iter().any(|finding| case.findings.contains(finding))
}

fn has_any(facts: &Facts, fields: &[String]) -> bool {
    fields.iter().any(|field| facts.get(field).is_some())
}

/// Counted from the day of the Beurkundung, or from the end of the year of the entry.
fn term_over(rules: &Rules, case: &Case<'_>) -> bool {
    let end_of_year = Date::new(case.facts.key.year, 12, 31).unwrap_or(Date::MAX);
    let begin = case.facts.date("0051").map_or(end_of_year, |day| day.latest());
    years_later(begin, rules.term_years) < case.today
}

/// The same day so many years later; 28 February for 29 February where there is none.
fn years_later(day: Date, years: i16) -> Date {
    let year = day.year().saturating_add(years);
    Date::new(year, day.month(), day.day()).or_else(|_| Date::new(year, day.month(), 28)).unwrap_or(Date::MAX)
}

/// Authorities have no age. Of the person of the entry the age is known; others state it.
fn under16(case: &Case<'_>) -> bool {
    match case.applicant.relation {
        Relation::Behoerde => false,
        Relation::Person => match case.facts.date("1040") {
            Some(born) => years_later(born.latest(), 16) > case.today,
            None => !case.applicant.over16,
        },
        _ => !case.applicant.over16,
    }
}

fn too_old(case: &Case<'_>) -> bool {
    case.facts.as_of.until(case.today).is_ok_and(|age| age.get_days() > case.copy_age_days_max)
}

fn entitlements(rules: &Rules, case: &Case<'_>) -> Vec<Entitlement> {
    rules.entitlements.iter().filter(|entitlement| fits(entitlement, case)).cloned().collect()
}

fn fits(entitlement: &Entitlement, case: &Case<'_>) -> bool {
    let applicant = case.applicant;
    entitlement.relation == applicant.relation
        && entitlement.interest.is_none_or(|interest| applicant.interest == Some(interest))
        && entitlement.years_after_last_death.is_none_or(|years| {
            applicant.last_death.is_some_and(|death| years_later(death, years) <= case.today)
        })
        && (!entitlement.purpose || case.purpose.is_some_and(|purpose| !purpose.trim().is_empty()))
}

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
