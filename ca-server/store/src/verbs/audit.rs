//! The log's entries (I4).

use ca_core::{Action, AuditEntry, Outcome};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::audit,
    tx::{insert, run},
};

/// Which entries to list. The default lists at most [`AuditFilter::LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only after the entry of this number.
    pub after: Option<i64>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only of this object.
    pub object_id: Option<String>,
    /// Only by this actor, as the log writes it.
    pub actor: Option<String>,
    /// How many at most.
    pub limit: i64,
}

impl AuditFilter {
    /// What a page of the log shows unless asked otherwise.
    pub const LIMIT: i64 = 1000;
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self { after: None, action: None, object_id: None, actor: None, limit: Self::LIMIT }
    }
}

/// One entry as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Time,
    /// Who: `staff:…`, `holder:…`, `operator:…`, `system:…`.
    pub actor: String,
    /// What.
    pub action: Action,
    /// To what kind of thing.
    pub object: String,
    /// Which one.
    pub object_id: String,
    /// The rule that refused; `None` when it was done.
    pub rule: Option<String>,
    /// Further facts.
    pub detail: Vec<(String, String)>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
struct Row {
    id: i64,
    at: i64,
    actor: String,
    action: String,
    object: String,
    object_id: String,
    rule: Option<String>,
    detail: String,
}

impl Reader<'_> {
    /// Entries in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn audit_log(&mut self, filter: &AuditFilter) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = audit::table.into_boxed();
            if let Some(after) = filter.after {
                query = query.filter(audit::id.gt(after));
            }
            if let Some(action) = filter.action {
                query = query.filter(audit::action.eq(action.name()));
            }
            if let Some(object_id) = &filter.object_id {
                query = query.filter(audit::object_id.eq(object_id));
            }
            if let Some(actor) = &filter.actor {
                query = query.filter(audit::actor.eq(actor));
            }
            query.order(audit::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(|row| Ok((row.id, AuditRecord::try_from(row)?))).collect()
    }
}

impl Reader<'_> {
    /// When a rule refused this action on this object since then, the latest `limit` times, latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refusals_since(
        &mut self,
        (action, object_id): (Action, &str),
        rule: &str,
        since: Time,
        limit: i64,
    ) -> Result<Vec<Time>, StoreError> {
        let query = audit::table
            .filter(audit::object_id.eq(object_id))
            .filter(audit::action.eq(action.name()))
            .filter(audit::rule.eq(rule))
            .filter(audit::at.gt(since.millis()))
            .order(audit::id.desc())
            .limit(limit)
            .select(audit::at);
        let found: Vec<i64> = run!(self, connection => query.load(connection))?;
        Ok(found.into_iter().map(Time::from_millis).collect())
    }
}

impl Tx<'_> {
    /// Writes an entry: in the transaction of what it tells.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let rule = match &entry.outcome {
            Outcome::Done => None,
            Outcome::Refused(rule) => Some(rule.as_str()),
        };
        let detail: serde_json::Map<_, _> =
            entry.detail.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let row = (
            audit::at.eq(entry.at.millis()),
            audit::actor.eq(entry.actor.to_string()),
            audit::action.eq(entry.action.name()),
            audit::object.eq(entry.object),
            audit::object_id.eq(&entry.object_id),
            audit::rule.eq(rule),
            audit::detail.eq(serde_json::Value::Object(detail).to_string()),
        );
        insert!(self, audit::table, row)
    }
}

impl TryFrom<Row> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let detail: std::collections::BTreeMap<String, String> =
            intact(serde_json::from_str(&row.detail), "audit", row.id)?;
        Ok(Self {
            at: Time::from_millis(row.at),
            actor: row.actor,
            action: intact(Action::from_name(&row.action), "audit", row.id)?,
            object: row.object,
            object_id: row.object_id,
            rule: row.rule,
            detail: detail.into_iter().collect(),
        })
    }
}
