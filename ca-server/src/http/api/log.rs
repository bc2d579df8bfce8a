//! The log, for auditors.

use std::sync::Arc;

use axum::{Json, extract::State};
use ca_core::{Action, AuditEntry};
use ca_store::{AuditFilter, AuditRecord, WriteSite};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::problem::Query,
    permit::{Permit, ReadLog},
    problem::Problem,
    wire,
};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// Only those after this number.
    after: Option<i64>,
    /// Only this action.
    action: Option<String>,
    /// Only about this identifier or serial number.
    object: Option<String>,
}

/// One entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogView {
    number: i64,
    at: String,
    actor: String,
    action: &'static str,
    object: String,
    object_id: String,
    /// `done` or `refused`.
    outcome: &'static str,
    /// The rule that refused.
    rule: Option<String>,
    detail: serde_json::Map<String, serde_json::Value>,
}

impl LogView {
    pub(crate) fn new(number: i64, record: AuditRecord) -> Self {
        Self {
            number,
            at: record.at.to_string(),
            actor: record.actor,
            action: record.action.name(),
            object: record.object,
            object_id: record.object_id,
            outcome: if record.rule.is_some() { "refused" } else { "done" },
            rule: record.rule,
            detail: record.detail.into_iter().map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

/// Entries in order, 500 at a time. Reading is an entry itself.
#[utoipa::path(get, path = "/api/v1/log", params(LogQuery), responses((status = 200, body = [LogView])))]
pub(super) async fn log(
    permit: Permit<ReadLog>,
    State(app): State<Arc<App>>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Vec<LogView>>, Problem> {
    let action = query.action.as_deref().map(Action::from_name).transpose()?;
    let filter = AuditFilter {
        after: query.after,
        action,
        object_id: query.object,
        limit: 500,
        ..AuditFilter::default()
    };
    let entry =
        AuditEntry::done(wire::now(), permit.actor(), Action::ReadLog, "log", query.after.unwrap_or(0));
    app.store.write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from)).await?;
    let found = app.store.read(|reader| reader.audit_log(&filter))?;
    Ok(Json(found.into_iter().map(|(number, record)| LogView::new(number, record)).collect()))
}
