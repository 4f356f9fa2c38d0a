//! The audit trail: one row for each act, written in the act's own transaction. What it says of a person stands in a
//! row beside it that can be erased at its term; the trail keeps a salted commitment to it.

use jiff::Timestamp;
use serde_json::Value;

use super::bind::values;
use super::{DatabaseError, Row, Tx, insert_rows, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random};

const ORDER: &str = "audit";
const COMMITMENT: &[u8] = b"stammbuch/audit/personal/v1";

/// An act.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Whose matter; `None`: of the installation.
    pub authority: Option<AuthorityId>,
    /// Who: the subject of the token.
    pub actor: String,
    /// As what: `engine`, `clerk`, `registrar` …
    pub role: String,
    /// What was done: `document.received`, `certificate.issued` …
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which.
    pub subject_id: String,
    /// The request it was done in.
    pub request_id: Option<String>,
    /// What it says of persons, if anything.
    pub personal: Option<Personal>,
}

/// What an act says of persons, with the salt that keeps its commitment from being guessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Personal {
    salt: [u8; 32],
    text: String,
}

impl Personal {
    /// Draws the salt.
    pub fn new(random: &dyn Random, value: &Value) -> Self {
        Self { salt: random::bytes(random), text: value.to_string() }
    }

    /// SHA-256 of domain, salt and text.
    fn commitment(&self) -> Sha256 {
        Sha256::of(&[COMMITMENT, &self.salt, self.text.as_bytes()].concat())
    }
}

/// Records `act`.
pub async fn append(tx: &mut Tx, act: Act) -> Result<(), DatabaseError> {
    append_all(tx, vec![act]);
    Ok(())
}

/// Records acts, in their order.
pub fn append_all(tx: &mut Tx, acts: Vec<Act>) {
    if acts.is_empty() {
        return;
    }
    tx.join_order(ORDER);
    let mut personal = Vec::new();
    let row = |act: Act| {
        let commitment = act.personal.as_ref().map(Personal::commitment);
        if let (Some(said), Some(commitment)) = (act.personal, commitment) {
            personal.push(values![commitment, act.authority, act.at, said.salt, said.text]);
        }
        values![
            act.at,
            act.authority,
            act.actor,
            act.role,
            act.action,
            act.subject_kind,
            act.subject_id,
            act.request_id,
            commitment,
        ]
    };
    insert_rows(
        "INSERT INTO audit (at, authority, actor, role, action, subject_kind, subject_id, request_id, commitment)",
        acts.into_iter().map(row),
        "",
    )
    .later(tx);
    if !personal.is_empty() {
        insert_rows(
            "INSERT INTO audit_personal (commitment, authority, at, salt, personal)",
            personal.into_iter(),
            "",
        )
        .later(tx);
    }
}

/// What was done to one thing, oldest first.
pub async fn of_subject(
    tx: &mut Tx,
    authority: AuthorityId,
    subject_kind: &str,
    subject_id: &str,
) -> Result<Vec<Act>, DatabaseError> {
    let rows = sql("SELECT audit.*, salt, personal
                    FROM audit LEFT JOIN audit_personal ON audit_personal.commitment = audit.commitment
                    WHERE audit.authority = $1 AND subject_kind = $2 AND subject_id = $3 ORDER BY seq")
    .bind(authority)
    .bind(subject_kind)
    .bind(subject_id)
    .all(tx)
    .await?;
    rows.iter().map(act).collect()
}

/// Erases what acts before `term` say of persons. The acts stay, and so do the commitments.
pub async fn erase_personal(
    tx: &mut Tx,
    authority: AuthorityId,
    term: Timestamp,
) -> Result<u64, DatabaseError> {
    sql("DELETE FROM audit_personal WHERE authority = $1 AND at < $2")
        .bind(authority)
        .bind(term)
        .execute(tx)
        .await
}

fn act(row: &Row) -> Result<Act, DatabaseError> {
    let personal = row.get::<Option<[u8; 32]>>("salt")?;
    let personal =
        personal.map(|salt| Ok::<_, DatabaseError>(Personal { salt, text: row.text("personal")? }));
    Ok(Act {
        at: row.time("at")?,
        authority: row.get("authority")?,
        actor: row.text("actor")?,
        role: row.text("role")?,
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject_id: row.text("subject_id")?,
        request_id: row.get("request_id")?,
        personal: personal.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{authority, on_each_engine};
    use super::*;
    use crate::domain::random::SeededRandom;

    fn released(second: i64, personal: Option<Personal>) -> Act {
        Act {
            at: Timestamp::from_second(second).unwrap(),
            authority: Some(authority(1)),
            actor: "registrar-1".to_owned(),
            role: "registrar".to_owned(),
            action: "order.released".to_owned(),
            subject_kind: "order".to_owned(),
            subject_id: "0a".to_owned(),
            request_id: Some("r-1".to_owned()),
            personal,
        }
    }

    #[tokio::test]
    async fn an_act_reads_back_in_the_order_it_was_done() {
        on_each_engine(async |db| {
            let applicant = Personal::new(&SeededRandom::new(1), &json!({"applicant": "J̌evdet"}));
            let acts = [released(2, Some(applicant)), released(1, None)];
            for act in acts.clone() {
                db.write(move |tx| Box::pin(append(tx, act))).await.unwrap();
            }
            let read = db.read(|tx| Box::pin(of_subject(tx, authority(1), "order", "0a"))).await.unwrap();
            assert_eq!(read, acts);
            let other = db.read(|tx| Box::pin(of_subject(tx, authority(2), "order", "0a"))).await.unwrap();
            assert_eq!(other, []);
        })
        .await;
    }

    #[tokio::test]
    async fn an_act_is_gone_with_the_work_it_belongs_to() {
        on_each_engine(async |db| {
            let failed = db
                .write::<(), DatabaseError, _>(|tx| {
                    Box::pin(async {
                        append(tx, released(1, None)).await?;
                        Err(DatabaseError::NoRow)
                    })
                })
                .await;
            assert_eq!(failed, Err(DatabaseError::NoRow));
            let read = db.read(|tx| Box::pin(of_subject(tx, authority(1), "order", "0a"))).await;
            assert_eq!(read, Ok(Vec::new()));
        })
        .await;
    }

    #[tokio::test]
    async fn the_personal_part_is_erased_at_its_term_and_the_commitment_stays() {
        on_each_engine(async |db| {
            let random = SeededRandom::new(1);
            let parts: Vec<_> = (0..2).map(|n| Personal::new(&random, &json!({ "n": n }))).collect();
            let acts = [released(1, parts.first().cloned()), released(9, parts.last().cloned())];
            for act in acts.clone() {
                db.write(move |tx| Box::pin(append(tx, act))).await.unwrap();
            }
            let term = Timestamp::from_second(9).unwrap();
            let erased = db.write(move |tx| Box::pin(erase_personal(tx, authority(1), term))).await;
            assert_eq!(erased, Ok(1));
            let [first, second] = acts;
            let read = db.read(|tx| Box::pin(of_subject(tx, authority(1), "order", "0a"))).await.unwrap();
            assert_eq!(read, [Act { personal: None, ..first }, second]);
            let kept = db
                .read(|tx| Box::pin(sql("SELECT commitment FROM audit ORDER BY seq").all(tx)))
                .await
                .unwrap();
            let commitments: Vec<Sha256> = kept.iter().map(|row| row.get("commitment").unwrap()).collect();
            assert_eq!(commitments, parts.iter().map(Personal::commitment).collect::<Vec<_>>());
        })
        .await;
    }
}
