//! Accounts of units and agents: opened at the counter, used with a password.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use ca_core::{Action, AgentId};
use ca_verifier::UnitCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{About, App, LogIn, NewPassword, Opened},
    http::{auth::Own, problem::Body},
    permit::{ChangePassword, OpenAccount, Permit, ReadOwnRecords},
    problem::Problem,
};

/// The user name that a unit wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountName {
    /// 4 to 32 letters, digits, `-`, `_` or `.`; without it, the 劳动保障证号.
    #[serde(default)]
    name: Option<String>,
}

/// What is handed over, once.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedView {
    /// A unit's user name; an agent logs in with a card number.
    name: Option<String>,
    /// The initial password. It is shown here only, and must be replaced at the first use.
    password: String,
}

impl From<Opened> for OpenedView {
    fn from(opened: Opened) -> Self {
        Self { name: opened.name, password: opened.password.reveal().to_owned() }
    }
}

/// Open a unit's account, or reset its password: a new one is handed over, every session ends.
#[utoipa::path(put, path = "/api/v1/units/{uscc}/account", request_body = AccountName,
    params(("uscc" = String, Path)), responses((status = 200, body = OpenedView)))]
pub(super) async fn open_unit_account(
    permit: Permit<OpenAccount>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
    body: Body<AccountName>,
) -> Result<Json<OpenedView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::OpenAccount, object: "unit", id: &uscc };
    let work = async { app.open_unit_account(permit, UnitCode::parse(&uscc)?, body.value.name).await };
    Ok(Json(app.audited(about, work).await?.into()))
}

/// Give an agent a query password (个人查询密码), or a new one.
#[utoipa::path(put, path = "/api/v1/agents/{id}/account", params(("id" = String, Path)),
    responses((status = 200, body = OpenedView)))]
pub(super) async fn open_agent_account(
    permit: Permit<OpenAccount>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<OpenedView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::OpenAccount, object: "agent", id: &id };
    let work = async { app.open_agent_account(permit, AgentId::parse(&id)?).await };
    Ok(Json(app.audited(about, work).await?.into()))
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// To be sent as `Authorization: Bearer …`.
    token: String,
    expires_at: String,
    /// The password is the counter's and must be replaced before anything else.
    initial: bool,
}

/// Log in as a unit or an agent.
#[utoipa::path(post, path = "/api/v1/sessions", request_body = LogIn, responses((status = 201, body = SessionView)))]
pub(super) async fn log_in(State(app): State<Arc<App>>, body: Body<LogIn>) -> Result<Response, Problem> {
    let session = app.log_in(body.value).await?;
    let view = SessionView {
        token: session.token,
        expires_at: session.expires_at.to_string(),
        initial: session.initial,
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Log out.
#[utoipa::path(delete, path = "/api/v1/sessions", responses((status = 204)))]
pub(super) async fn log_out(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
) -> Result<StatusCode, Problem> {
    app.log_out(&own.account.owner, own.account.id, &own.token).await.map(|()| StatusCode::NO_CONTENT)
}

/// Replace the own password; every session ends.
#[utoipa::path(put, path = "/api/v1/own/password", request_body = NewPassword, responses((status = 204)))]
pub(super) async fn change_password(
    own: Own<ChangePassword>,
    State(app): State<Arc<App>>,
    body: Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let (actor, id) = (own.permit.actor().clone(), own.account.id.to_string());
    let about = About { actor: &actor, action: Action::ChangePassword, object: "account", id: &id };
    let work = app.change_password(own.permit, own.account, body.value);
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}
