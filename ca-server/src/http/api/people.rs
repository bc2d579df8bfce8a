//! What agents may do: qualification, and the units that they act for. Who they are: `agents.rs`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use ca_core::{Action, AgentId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::{About, App},
    http::problem::Body,
    permit::{ConfirmAgent, Permit, QualifyAgent, ReleaseAgent},
    personal::logged,
    problem::Problem,
};

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
