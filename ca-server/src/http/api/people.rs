//! Units, and what agents may do. Who they are: `agents.rs`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use ca_core::{Action, AgentId, Unit};
use ca_verifier::Uscc;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MadeView, made};
use crate::{
    app::{About, App, NewUnit},
    http::problem::{Body, IdempotencyKey},
    permit::{ConfirmAgent, Permit, QualifyAgent, ReadRecords, RegisterUnit, ReleaseAgent},
    personal::logged,
    problem::Problem,
};

/// A registered unit.
#[derive(Serialize, ToSchema)]
pub(super) struct UnitView {
    id: String,
    uscc: String,
    labour_no: String,
    name: String,
    province: String,
    city: String,
    agency: Option<String>,
    registered_at: String,
}

impl From<Unit> for UnitView {
    fn from(unit: Unit) -> Self {
        Self {
            id: unit.id.to_string(),
            uscc: unit.uscc.to_string(),
            labour_no: unit.labour_no,
            name: unit.name.as_str().to_owned(),
            province: unit.province,
            city: unit.city,
            agency: unit.agency,
            registered_at: unit.registered_at.to_string(),
        }
    }
}

/// Register a unit.
#[utoipa::path(post, path = "/api/v1/units", request_body = NewUnit,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "registered already")))]
pub(super) async fn register_unit(
    permit: Permit<RegisterUnit>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewUnit>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let uscc = body.value.uscc.clone();
    let about = About { actor: &actor, action: Action::RegisterUnit, object: "unit", id: &uscc };
    let once = key.once(&body);
    app.audited(about, app.register_unit(permit, body.value, once)).await.map(made)
}

/// A unit, by its unified social credit code.
#[utoipa::path(get, path = "/api/v1/units/{uscc}", params(("uscc" = String, Path)), responses((status = 200, body = UnitView)))]
pub(super) async fn unit(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
) -> Result<Json<UnitView>, Problem> {
    let uscc = Uscc::parse(&uscc)?;
    let unit = app.store.read(|reader| reader.unit_by_uscc(&uscc))?;
    unit.map(|unit| Json(unit.into())).ok_or_else(|| Problem::not_found("unit"))
}

/// Record that an agent passed the training.
#[utoipa::path(put, path = "/api/v1/agents/{id}/qualification", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn qualify_agent(
    permit: Permit<QualifyAgent>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::QualifyAgent, object: "agent", id: logged(&id) };
    let work = async { app.qualify_agent(permit, AgentId::parse(&id)?).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

/// For which unit an agent is confirmed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    /// The unit's unified social credit code.
    uscc: String,
}

/// Confirm an agent for a unit (《多单位用户(CA)经办人确认申请表》).
#[utoipa::path(put, path = "/api/v1/agents/{id}/units", request_body = Confirmation,
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn confirm_agent(
    permit: Permit<ConfirmAgent>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Confirmation>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ConfirmAgent, object: "agent", id: logged(&id) };
    let work = async { app.confirm_agent(permit, AgentId::parse(&id)?, body.value.uscc).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

/// The agent has left the unit, or the unit has named another: the pair ends at once.
#[utoipa::path(delete, path = "/api/v1/agents/{id}/units/{uscc}",
    params(("id" = String, Path), ("uscc" = String, Path)), responses((status = 204)))]
pub(super) async fn release_agent(
    permit: Permit<ReleaseAgent>,
    State(app): State<Arc<App>>,
    Path((id, uscc)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ReleaseAgent, object: "agent", id: logged(&id) };
    let work = async { app.release_agent(permit, AgentId::parse(&id)?, uscc).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}
