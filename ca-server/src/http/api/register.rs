//! The register of insured units, so that the counter need not type what is known.

use std::sync::Arc;

use axum::{Json, extract::State};
use ca_store::{RegisterImport, RegisterRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::{App, register::Wanted},
    http::problem::Query,
    permit::{Permit, ReadRecords},
    problem::Problem,
};

/// Which entries: one of these.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterQuery {
    /// 劳动保障证号.
    labour_no: Option<String>,
    /// Unified social credit code.
    uscc: Option<String>,
    /// How the name begins: two characters or more.
    name: Option<String>,
}

/// The register in force and what it says.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisterView {
    /// Which import; null when none is in force.
    import: Option<i64>,
    /// Since when it is in force.
    since: Option<String>,
    /// 20 at most.
    entries: Vec<EntryView>,
}

/// A unit as the register has it.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    uscc: Option<String>,
    org_code: Option<String>,
    labour_no: String,
    name: String,
    agency: String,
    region: Option<String>,
}

impl From<RegisterRow> for EntryView {
    fn from(row: RegisterRow) -> Self {
        let RegisterRow { uscc, org_code, labour_no, name, agency, region, .. } = row;
        Self { uscc, org_code, labour_no, name, agency, region }
    }
}

/// Entries of the register in force.
#[utoipa::path(get, path = "/api/v1/register", params(RegisterQuery),
    responses((status = 200, body = RegisterView)))]
pub(super) async fn register(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<RegisterQuery>,
) -> Result<Json<RegisterView>, Problem> {
    let wanted = Wanted {
        labour_no: query.labour_no.as_deref(),
        uscc: query.uscc.as_deref(),
        name: query.name.as_deref(),
    };
    let (import, entries) = app.register_entries(&wanted)?;
    let since = import.as_ref().and_then(|import: &RegisterImport| import.ended_at);
    Ok(Json(RegisterView {
        import: import.map(|import| import.number),
        since: since.map(|time| time.to_string()),
        entries: entries.into_iter().map(EntryView::from).collect(),
    }))
}
