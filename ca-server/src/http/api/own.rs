//! What a unit or an agent sees and does with the own account. Another's record is not found, never forbidden: an answer
//! must not tell that it exists.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use ca_core::{Action, AgentId, ApplicationId, Identity, Name, TrainingId, UnitId, personal::PersonNumber};
use ca_store::{AccountOwner, ApplicationFilter, Reader, TrainingFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    MadeView,
    applications::{ApplicationView, StateView, change as change_application, view as application_view},
    made,
    trainings::{TrainingStateView, TrainingView, change, view as training_view},
    units::{TouchedView, UnitView, touched_views},
};
use crate::{
    app::{About, App},
    http::{
        auth::Own,
        problem::{Body, IdempotencyKey},
    },
    permit::{Permission, ReadOwnRecords, SubmitTraining, WithdrawApplication},
    problem::Problem,
    rule::Rule,
    wire,
};

const MOST: i64 = 100;

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnView {
    /// The unit, for a unit's account.
    unit: Option<UnitView>,
    /// The unit's certificates that are neither revoked nor expired.
    certificates: Vec<TouchedView>,
    /// The agent's name, for an agent's account.
    agent: Option<String>,
    /// Since when the agent is qualified.
    qualified_at: Option<String>,
    /// The units that the agent acts for.
    units: Vec<String>,
}

fn unit_of<P: Permission>(own: &Own<P>) -> Result<UnitId, Problem> {
    match &own.account.owner {
        AccountOwner::Unit { unit, .. } => Ok(unit.clone()),
        AccountOwner::Agent(_) => Err(Problem::new(Rule::NotPermitted).with("action", P::ACTION.name())),
    }
}

/// Whose account it is, with what it may see of itself.
#[utoipa::path(get, path = "/api/v1/own", responses((status = 200, body = OwnView)))]
pub(super) async fn own(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
) -> Result<Json<OwnView>, Problem> {
    app.store.read(|reader| match &own.account.owner {
        AccountOwner::Unit { unit, .. } => {
            let certificates = touched_views(reader, unit, wire::now(), "renew")?;
            let unit = reader.unit(unit)?.ok_or_else(|| Problem::not_found("unit"))?;
            Ok(Json(OwnView {
                unit: Some(unit.into()),
                certificates,
                agent: None,
                qualified_at: None,
                units: Vec::new(),
            }))
        }
        AccountOwner::Agent(agent) => {
            let seen = app.agent_view(reader, agent)?;
            let filter =
                ca_store::UnitFilter { agent: Some(agent.clone()), limit: MOST, ..Default::default() };
            let units =
                reader.units(&filter)?.into_iter().map(|unit| unit.name.as_str().to_owned()).collect();
            Ok(Json(OwnView {
                unit: None,
                certificates: Vec::new(),
                agent: seen.name.map(|name| name.to_string()),
                qualified_at: seen.agent.qualified_at.map(|at| at.to_string()),
                units,
            }))
        }
    })
}

/// The own applications for training: a unit's, or those for the agent. 100 at most.
#[utoipa::path(get, path = "/api/v1/own/trainings", responses((status = 200, body = [TrainingView])))]
pub(super) async fn own_trainings(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<TrainingView>>, Problem> {
    let filter = match own.account.owner {
        AccountOwner::Unit { unit, .. } => {
            TrainingFilter { unit: Some(unit), limit: MOST, ..Default::default() }
        }
        AccountOwner::Agent(agent) => {
            TrainingFilter { agent: Some(agent), limit: MOST, ..Default::default() }
        }
    };
    let found = app.store.read(|reader| reader.trainings(&filter))?;
    let (calendar, now) = (app.policies.calendar(), wire::now());
    Ok(Json(found.into_iter().map(|training| training_view(training, calendar, now)).collect()))
}

/// Whom the unit wants to have trained.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnTraining {
    /// The agent's identity card or social-security card number.
    card: String,
    /// The agent's name: it must fit the card.
    name: String,
}

/// Apply for the training of the unit's agent (CA用户培训申请).
#[utoipa::path(post, path = "/api/v1/own/trainings", request_body = OwnTraining,
    params(("Idempotency-Key" = String, Header)), responses((status = 201, body = MadeView)))]
pub(super) async fn submit_own_training(
    own: Own<SubmitTraining>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<OwnTraining>,
) -> Result<Response, Problem> {
    let (actor, unit) = (own.permit.actor().clone(), unit_of(&own)?);
    let about = About { actor: &actor, action: Action::SubmitTraining, object: "unit", id: unit.as_str() };
    let once = key.once(&body);
    let work = async {
        let (code, agent) = app.store.read(|reader| {
            let unit = reader.unit(&unit)?.ok_or_else(|| Problem::not_found("unit"))?;
            Ok::<_, Problem>((unit.code, agent(&app, reader, &body.value)?))
        })?;
        app.submit_training(own.permit, code, agent, once).await
    };
    app.audited(about, work).await.map(made)
}

/// Number and name must fit each other: so that nobody learns whose card it is.
fn agent(app: &App, reader: &mut Reader<'_>, asked: &OwnTraining) -> Result<AgentId, Problem> {
    let unknown = || Problem::new(Rule::AgentUnknown);
    let name = Name::parse(asked.name.trim()).map_err(|_| unknown())?;
    let number = PersonNumber::parse(asked.card.trim()).map_err(|_| unknown())?;
    let known = app.agent_by_number(reader, &number)?.ok_or_else(unknown)?;
    match &known.identity {
        Identity::Known { name: sealed, .. } if sealed.index == app.vault.name_index(&name) => Ok(known.id),
        _ => Err(unknown()),
    }
}

/// Submit a rejected application for training again.
#[utoipa::path(post, path = "/api/v1/own/trainings/{id}/resubmission", params(("id" = String, Path)),
    responses((status = 200, body = TrainingStateView)))]
pub(super) async fn resubmit_own_training(
    own: Own<SubmitTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingStateView>, Problem> {
    change(&app, own.permit, id, |permit, id: TrainingId| app.resubmit_training(permit, id)).await
}

/// Take an application for training back.
#[utoipa::path(post, path = "/api/v1/own/trainings/{id}/withdrawal", params(("id" = String, Path)),
    responses((status = 200, body = TrainingStateView)))]
pub(super) async fn withdraw_own_training(
    own: Own<SubmitTraining>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TrainingStateView>, Problem> {
    change(&app, own.permit, id, |permit, id: TrainingId| app.withdraw_training(permit, id)).await
}

/// The unit's own applications, 100 at most.
#[utoipa::path(get, path = "/api/v1/own/applications", responses((status = 200, body = [ApplicationView])))]
pub(super) async fn own_applications(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<ApplicationView>>, Problem> {
    let filter =
        ApplicationFilter { unit: Some(unit_of(&own)?), limit: MOST, ..ApplicationFilter::default() };
    let found = app.store.read(|reader| reader.applications(&filter))?;
    Ok(Json(found.into_iter().map(|application| application_view(application, None, None)).collect()))
}

/// One of the unit's own applications.
#[utoipa::path(get, path = "/api/v1/own/applications/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ApplicationView)))]
pub(super) async fn own_application(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<ApplicationView>, Problem> {
    let (id, unit) = (ApplicationId::parse(&id)?, unit_of(&own)?);
    app.store.read(|reader| {
        let found = reader.application(&id)?.filter(|application| application.unit == unit);
        let found = found.ok_or_else(|| Problem::not_found("application"))?;
        let fee = reader.charge(&id)?.map(|charge| charge.total.get());
        let contact = app.application_contact(&found)?;
        let mut view = application_view(found, fee, None);
        view.contact = contact;
        Ok(Json(view))
    })
}

/// Take one of the unit's own applications back.
#[utoipa::path(post, path = "/api/v1/own/applications/{id}/withdrawal", params(("id" = String, Path)),
    responses((status = 200, body = StateView)))]
pub(super) async fn withdraw_own_application(
    own: Own<WithdrawApplication>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<StateView>, Problem> {
    change_application(&app, own.permit, id, |permit, id| app.withdraw(permit, id)).await
}
