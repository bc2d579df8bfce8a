//! Who agents are: registration, cards, search, views. Numbers are masked everywhere but in the answer of `reveal`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use ca_core::{Action, AgentId, Identity};
use ca_store::{Reader, TrainingFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, made};
use crate::{
    app::{About, AgentSearch, App, NewAgent, NewCard, Revealed, Seen},
    http::problem::{Body, IdempotencyKey, Query},
    permit::{ChangeAgentCard, Permit, ReadRecords, RegisterAgent, RevealPersonalData},
    personal::logged,
    problem::{Failure, Problem},
};

/// Applications for training that one view shows.
const TRAININGS_MAX: i64 = 100;

/// An agent, with masked numbers.
#[derive(Serialize, ToSchema)]
pub(super) struct AgentView {
    id: String,
    /// Null once the data is erased.
    name: Option<String>,
    /// First six and last four characters.
    id_card: Option<String>,
    /// The card that is the agent's now: its last four characters.
    card: Option<String>,
    qualified_at: Option<String>,
    erased_at: Option<String>,
    units: Vec<PairView>,
}

/// A unit that an agent acts or acted for.
#[derive(Serialize, ToSchema)]
pub(super) struct PairView {
    unit: String,
    uscc: String,
    name: String,
    since: String,
    ended_at: Option<String>,
}

/// An agent with cards and training.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeAgentView {
    #[serde(flatten)]
    agent: AgentView,
    /// The cards that the agent has and had, the oldest first.
    cards: Vec<CardView>,
    trainings: Vec<AgentTrainingView>,
}

/// A card in an agent's history.
#[derive(Serialize, ToSchema)]
pub(super) struct CardView {
    id: String,
    /// The last four characters; null once the data is erased.
    number: Option<String>,
    valid_from: String,
    ended_at: Option<String>,
    reason: &'static str,
    registered_by: String,
}

/// An application for an agent's training.
#[derive(Serialize, ToSchema)]
pub(super) struct AgentTrainingView {
    id: String,
    unit: String,
    state: &'static str,
}

/// An agent in full. No `Debug`.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedView {
    id: String,
    name: Option<String>,
    id_card: Option<String>,
    cards: Vec<RevealedCard>,
    /// What opens the commitments that the log carries.
    openings: Vec<OpeningView>,
}

/// A card in full.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedCard {
    number: Option<String>,
    valid_from: String,
    ended_at: Option<String>,
}

/// Salt and value of a commitment: SHA-256 over both, as ARCHITECTURE.md §8 says.
#[derive(Serialize, ToSchema)]
pub(super) struct OpeningView {
    field: &'static str,
    commitment: String,
    salt: String,
    value: String,
}

/// Why somebody needs to see a person in full.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reveal {
    /// 5 to 200 characters; stands in the log for ever.
    reason: String,
}

/// An identity card number.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LaterIdCard {
    /// 18 characters (GB 11643-1999).
    id_card: String,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentQuery {
    /// Only after the agent of this identifier.
    after: Option<String>,
    /// How many, 100 at most.
    limit: Option<i64>,
}

fn view(reader: &mut Reader<'_>, seen: &Seen) -> Result<AgentView, Problem> {
    let mut units = Vec::new();
    for pair in reader.agent_pairs(&seen.agent.id)? {
        let unit = reader.unit(&pair.unit)?;
        let unit = unit.ok_or_else(|| Failure::inconsistent(format!("pair without unit {}", pair.unit)))?;
        units.push(PairView {
            unit: unit.id.to_string(),
            uscc: unit.code.to_string(),
            name: unit.name.as_str().to_owned(),
            since: pair.confirmed_at.to_string(),
            ended_at: pair.ended_at.map(|at| at.to_string()),
        });
    }
    let live = seen.cards.iter().find(|(card, _)| card.ended_at.is_none());
    Ok(AgentView {
        id: seen.agent.id.to_string(),
        name: seen.name.as_ref().map(|name| name.to_string()),
        id_card: seen.id_card.as_ref().map(|number| number.masked()),
        card: live.and_then(|(_, number)| number.as_ref().map(|number| number.masked())),
        qualified_at: seen.agent.qualified_at.map(|at| at.to_string()),
        erased_at: match seen.agent.identity {
            Identity::Known { .. } => None,
            Identity::Erased { at } => Some(at.to_string()),
        },
        units,
    })
}

fn views(app: &App, seen: &[Seen]) -> Result<Json<Vec<AgentView>>, Problem> {
    app.store.read(|reader| seen.iter().map(|seen| view(reader, seen)).collect()).map(Json)
}

/// Register an agent, with an identity card, a social security card, or both.
#[utoipa::path(post, path = "/api/v1/agents", request_body = NewAgent,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "registered already, and as whom")))]
pub(super) async fn register_agent(
    permit: Permit<RegisterAgent>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewAgent>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RegisterAgent, object: "agent", id: "" };
    let once = key.once(&body);
    app.audited(about, app.register_agent(permit, body.value, once)).await.map(made)
}

/// Agents in the order of their registration.
#[utoipa::path(get, path = "/api/v1/agents", params(AgentQuery), responses((status = 200, body = [AgentView])))]
pub(super) async fn agents(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<AgentQuery>,
) -> Result<Json<Vec<AgentView>>, Problem> {
    let after = query.after.as_deref().map(AgentId::parse).transpose()?;
    views(&app, &app.agent_list(after, query.limit)?)
}

/// Look for agents by identity card, by the card that is theirs now, or by the whole name.
#[utoipa::path(post, path = "/api/v1/agents/search", request_body = AgentSearch,
    responses((status = 200, body = [AgentView])))]
pub(super) async fn search_agents(
    permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    body: Body<AgentSearch>,
) -> Result<Json<Vec<AgentView>>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ReadRecords, object: "agent", id: "" };
    views(&app, &app.audited(about, app.search_agents(permit, body.value)).await?)
}

/// One agent, with the history of cards and the training.
#[utoipa::path(get, path = "/api/v1/agents/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WholeAgentView)))]
pub(super) async fn agent(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeAgentView>, Problem> {
    let id = AgentId::parse(&id)?;
    app.store.read(|reader| {
        let seen = app.agent_view(reader, &id)?;
        let filter =
            TrainingFilter { agent: Some(id.clone()), limit: TRAININGS_MAX, ..TrainingFilter::default() };
        let trainings = reader.trainings(&filter)?.into_iter().map(|training| AgentTrainingView {
            id: training.id.to_string(),
            unit: training.unit.to_string(),
            state: training.state.name(),
        });
        let trainings = trainings.collect();
        let cards = seen.cards.iter().map(|(card, number)| CardView {
            id: card.id.to_string(),
            number: number.as_ref().map(|number| number.masked()),
            valid_from: card.valid_from.to_string(),
            ended_at: card.ended_at.map(|at| at.to_string()),
            reason: card.reason.name(),
            registered_by: card.registered_by.clone(),
        });
        Ok(Json(WholeAgentView { agent: view(reader, &seen)?, cards: cards.collect(), trainings }))
    })
}

/// A new card, or a first one. The one before finds nobody from now on.
#[utoipa::path(put, path = "/api/v1/agents/{id}/card", request_body = NewCard, params(("id" = String, Path)),
    responses((status = 204), (status = 409, description = "another agent's, and whose")))]
pub(super) async fn change_card(
    permit: Permit<ChangeAgentCard>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewCard>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ChangeAgentCard, object: "agent", id: logged(&id) };
    let work = async { app.change_card(permit, AgentId::parse(&id)?, body.value).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

/// The identity card number of an agent who was registered without one.
#[utoipa::path(put, path = "/api/v1/agents/{id}/id-card", request_body = LaterIdCard, params(("id" = String, Path)),
    responses((status = 204), (status = 409, description = "another agent's, and whose")))]
pub(super) async fn enter_id_card(
    permit: Permit<ChangeAgentCard>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<LaterIdCard>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ChangeAgentCard, object: "agent", id: logged(&id) };
    let work = async { app.enter_id_card(permit, AgentId::parse(&id)?, body.value.id_card).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

/// An agent in full, for a reason that stands in the log before the answer leaves.
#[utoipa::path(post, path = "/api/v1/agents/{id}/reveal", request_body = Reveal, params(("id" = String, Path)),
    responses((status = 200, body = RevealedView), (status = 422, description = "no reason")))]
pub(super) async fn reveal(
    permit: Permit<RevealPersonalData>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reveal>,
) -> Result<Json<RevealedView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RevealPersonalData, object: "agent", id: logged(&id) };
    let work = async { app.reveal(permit, AgentId::parse(&id)?, body.value.reason).await };
    app.audited(about, work).await.map(|revealed| Json(full(&revealed)))
}

fn full(revealed: &Revealed) -> RevealedView {
    let seen = &revealed.seen;
    let cards = seen.cards.iter().map(|(card, number)| RevealedCard {
        number: number.as_ref().map(|number| number.reveal().to_owned()),
        valid_from: card.valid_from.to_string(),
        ended_at: card.ended_at.map(|at| at.to_string()),
    });
    let openings = revealed.openings.iter().map(|(record, opening)| OpeningView {
        field: record.field.name(),
        commitment: hex::encode(record.commitment),
        salt: hex::encode(opening.salt),
        value: opening.value.to_string(),
    });
    RevealedView {
        id: seen.agent.id.to_string(),
        name: seen.name.as_ref().map(|name| name.to_string()),
        id_card: seen.id_card.as_ref().map(|number| number.reveal().to_owned()),
        cards: cards.collect(),
        openings: openings.collect(),
    }
}
