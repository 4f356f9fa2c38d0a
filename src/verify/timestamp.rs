//! Timestamps in and after the seal: is each one whole, over the right bytes, by an authority that is trusted; and
//! since when, going back from the present through one after the other, the seal provably exists.
//! Knows no PDF structure: what a timestamp must be over is given.

use jiff::Timestamp;

use super::chain::{self, Path};
use super::cms::{self, Expect};
use super::problem::Problem;
use super::report::{Stamp, StampKind};
use super::{Question, SKEW};
use crate::seal::oids;
use crate::seal::timestamp::Said;

/// A timestamp that is what it says it is; whether its authority is trusted is in its path.
#[derive(Debug)]
pub(super) struct Checked {
    kind: StampKind,
    time: Timestamp,
    authority: String,
    path: Path,
}

/// Checks the token `der`, which must be over `covered`.
pub(super) fn check(
    der: &[u8],
    kind: StampKind,
    covered: &[&[u8]],
    question: &Question<'_>,
) -> Result<Checked, Problem> {
    let expect = Expect::timestamp(question.scope);
    let bad = |problem: Problem| Problem::BadTimestamp(problem.to_string());
    let opened = cms::open(der, expect).map_err(bad)?;
    let content = opened.content.as_deref().unwrap_or_default();
    if opened.digest.of(&[content]) != opened.message_digest {
        return Err(Problem::BadTimestamp("its content was changed".to_owned()));
    }
    opened.check_ess().and_then(|()| opened.check_signature()).map_err(bad)?;
    let said = Said::from_der(content).map_err(|error| Problem::BadTimestamp(error.to_string()))?;
    if !said.is_over(covered) {
        return Err(Problem::BadTimestamp("it is over something else".to_owned()));
    }
    let own = &opened.signer;
    let authority = own.subject(oids::COMMON_NAME).or_else(|| own.subject(oids::ORGANIZATION));
    let path = chain::build(own, &opened.certificates, question.trust, expect);
    Ok(Checked { kind, time: said.time, authority: authority.unwrap_or_default(), path })
}

/// What the timestamps prove together.
#[derive(Debug)]
pub(super) struct Existence {
    /// The seal existed by then: the time of its earliest timestamp, else the present.
    pub(super) by: Timestamp,
    /// Each timestamp, the newest first.
    pub(super) stamps: Vec<Stamp>,
    /// What is wrong with them.
    pub(super) problems: Vec<Problem>,
}

/// Goes back from `now`, the newest timestamp first (EN 319 102-1, 5.6.2): each must have been good at the time that
/// the one after it proves. One that is not proves nothing, and those before it need no proof of it.
pub(super) fn go_back(checked: Vec<Checked>, now: Timestamp) -> Existence {
    let mut existence =
        Existence { by: now, stamps: Vec::with_capacity(checked.len()), problems: Vec::new() };
    for stamp in checked {
        let untrusted = !stamp.path.problems.is_empty();
        let over = stamp.path.check_times(stamp.time, existence.by);
        let latest = existence.by.saturating_add(SKEW).unwrap_or(existence.by);
        if untrusted {
            existence.problems.push(Problem::UntrustedTimestamp { authority: stamp.authority.clone() });
        } else if stamp.time > latest {
            existence.problems.push(Problem::TimestampOrder { at: stamp.time, after: existence.by });
        } else if let Some(expired) = over.first() {
            existence.problems.push(Problem::ExpiredTimestamp(expired.to_string()));
        } else {
            existence.by = existence.by.min(stamp.time);
        }
        let proves = !untrusted && over.is_empty() && stamp.time <= latest;
        existence.stamps.push(Stamp {
            kind: stamp.kind,
            time: stamp.time,
            authority: stamp.authority,
            believed: proves,
        });
    }
    existence
}
